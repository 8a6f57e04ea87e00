"""What can be done with the motion of the frame that is shown, and what is said about frames; no Qt."""

from collections.abc import Sequence
from dataclasses import dataclass

from glissile.stabilize.review import Doubt
from glissile.widgets._resolve import Facts, refused_now


@dataclass(frozen=True)
class CorrectionState:
    """What can be done with the frame that is shown.

    Attributes
    ----------
    correctable : bool
        Whether it can be set by hand.
    reason : str
        Why it cannot, or what that does.
    undoable : bool
        Whether there is a correction of it to take back.
    editable : bool
        Whether one that was begun can be kept.
    """

    correctable: bool
    reason: str
    undoable: bool
    editable: bool


def resolve_correction(facts: Facts, frame: int | None, first: int, corrected: bool) -> CorrectionState:
    """Tell what can be done with the frame that is shown.

    Parameters
    ----------
    facts : Facts
        What is known about the study.
    frame : int, optional
        Number in the source of the frame that is shown, where the stabilized video has it.
    first : int
        Number of the frame from which the motion is counted.
    corrected : bool
        Whether the frame was set by hand.
    """
    reason = refused_now("stabilize", facts)
    free = not reason
    if not reason and frame is None:
        reason = "This frame is not part of the stabilized video"
    if not reason and frame == first:
        reason = "The motion is counted from this frame; correct the others"
    return CorrectionState(
        correctable=not reason,
        reason=reason or "Lays this frame over one before it, to be dragged into place",
        undoable=free and frame is not None and corrected,
        editable=free,
    )


def doubt_text(doubt: Doubt) -> str:
    """Write a doubt as people do: "frames 132-140: interpolated"."""
    if doubt.first == doubt.last:
        return f"frame {doubt.first}: {doubt.flag}"
    return f"frames {doubt.first}\u2013{doubt.last}: {doubt.flag}"


def doubt_at(doubts: Sequence[Doubt], frame: int | None) -> int | None:
    """Give the place in `doubts` of the one that a frame is part of."""
    places = (k for k, d in enumerate(doubts) if frame is not None and d.first <= frame <= d.last)
    return next(places, None)


def next_doubt(doubts: Sequence[Doubt], frame: int, *, back: bool) -> Doubt | None:
    """Give the nearest of `doubts` after a frame, or before it."""
    if back:
        return next((d for d in reversed(doubts) if d.last < frame), None)
    return next((d for d in doubts if d.first > frame), None)
