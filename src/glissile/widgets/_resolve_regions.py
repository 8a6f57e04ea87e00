"""What the dock says of the regions that are drawn, and whether they can be; no Qt, no files."""

from dataclasses import dataclass

from glissile.widgets._resolve import Facts, refused_now

_WHAT = (
    "Draw what should be left out when the motion is found, such as a clock, a scale bar or vacuum, and, "
    "where the specimen deforms or bends, the region that should stand still"
)


@dataclass(frozen=True)
class RegionsState:
    """What can be done with the regions.

    Attributes
    ----------
    drawable : bool
        Whether they can be drawn and kept.
    reason : str
        Why not, or what that does.
    """

    drawable: bool
    reason: str


def resolve_regions(facts: Facts) -> RegionsState:
    """Tell what can be done with the regions.

    Parameters
    ----------
    facts : Facts
        What is known about the study.
    """
    reason = refused_now("stabilize", facts)
    return RegionsState(not reason, reason or _WHAT)


def anchor_text(anchor_frame: int | None, frame: int | None, *, kept: bool) -> str:
    """Say on which frame the anchor is drawn.

    Parameters
    ----------
    anchor_frame : int, optional
        Number of that frame in the source; None where no anchor is drawn.
    frame : int, optional
        Number of the frame that is shown.
    kept : bool
        Whether the frame that counts, of the anchor or else the one that is shown, is part of the study.
    """
    if anchor_frame is None:
        trimmed = "" if kept else " This frame is trimmed away: go to another one to draw it."
        return f"No anchor: the whole specimen should stand still.{trimmed}"
    if not kept:
        return (
            f"Anchor drawn on frame {anchor_frame}, which is trimmed away: clear it, and draw it on another "
            "frame."
        )
    if frame != anchor_frame:
        return f"Anchor drawn on frame {anchor_frame}; in this frame it may lie elsewhere."
    return f"Anchor drawn on frame {anchor_frame}."
