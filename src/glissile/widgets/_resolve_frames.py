"""What is known of the frames while some of them are labelled, and the way from one to the next; no Qt."""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class FrameMarks:
    """What is known of the frames, each by its index along t.

    Attributes
    ----------
    frame_numbers : sequence of int
        Of all frames, in the source.
    labelled, proposed, segmented, left_out : collection of int
        Frames that are labelled, that have a proposal, a segmentation, or shall not be suggested.
    suggested : mapping of int to str
        Why each suggested frame is.
    """

    frame_numbers: Sequence[int] = ()
    labelled: Collection[int] = frozenset()
    proposed: Collection[int] = frozenset()
    suggested: Mapping[int, str] = field(default_factory=dict)
    segmented: Collection[int] = frozenset()
    left_out: Collection[int] = frozenset()

    @property
    def marked(self) -> frozenset[int]:
        """Frames that are labelled, proposed or suggested."""
        return frozenset((*self.labelled, *self.proposed, *self.suggested))

    def told(self, index: int) -> str:
        """Say what is known of a frame."""
        known = [
            word
            for word, frames in (
                ("labelled", self.labelled),
                ("has a proposal", self.proposed),
                (f"suggested, {self.suggested.get(index, '')}", self.suggested),
                ("segmented", self.segmented),
                ("left out of suggestions", self.left_out),
            )
            if index in frames
        ]
        return f"Frame {self.frame_numbers[index]}" + (f": {'; '.join(known)}" if known else "")


def beside(frames: Collection[int], index: int, *, back: bool) -> int | None:
    """Give the next of some frames after `index`, or before it; None where there is none."""
    ordered = sorted(frames)
    place = bisect_left(ordered, index) - 1 if back else bisect_right(ordered, index)
    return ordered[place] if 0 <= place < len(ordered) else None


def nearest(frames: Collection[int], index: int) -> int | None:
    """Give the one of some frames nearest to `index`, the earlier of two; None where there is none."""
    return min(sorted(frames), key=lambda frame: abs(frame - index), default=None)


@dataclass(frozen=True)
class ProposalState:
    """What can be proposed for the frame that is looked at; each a reason why not, empty where it can.

    Attributes
    ----------
    carry, ask, carry_on : str
        Labels of another frame carried here, masks of the network, and labels carried to a suggested frame.
    shown : bool
        The frame has a proposal.
    """

    carry: str
    ask: str
    carry_on: str
    shown: bool


def resolve_proposals(
    marks: FrameMarks, index: int | None, *, locked: str, network: bool, working: bool
) -> ProposalState:
    """Say what can be proposed.

    Parameters
    ----------
    marks : FrameMarks
        Of the working video.
    index : int, optional
        Frame that is looked at, along t; None where the working video has it not.
    locked : str
        Why nothing can be labelled now; empty where it can.
    network : bool
        Whether one is trained.
    working : bool
        Whether a proposal is being made.
    """
    locked = locked or ("A proposal is being made" if working else "")
    here = locked or ("The working video has not this frame" if index is None else "")
    if index in marks.labelled:
        here = here or "This frame is labelled already"
    unlabelled = "" if marks.labelled else "No frame is labelled yet"
    others = set(marks.suggested) - {index}
    return ProposalState(
        carry=here or unlabelled,
        ask=here or ("" if network else "No network is trained yet"),
        carry_on=locked or unlabelled or ("" if others else "No other frame is suggested"),
        shown=index in marks.proposed,
    )
