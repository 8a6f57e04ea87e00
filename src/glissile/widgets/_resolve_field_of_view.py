"""What the dock says of the fields of view that are possible, and which can be chosen; no Qt, no files."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from glissile.stabilize.field_of_view import ENOUGH, FieldOfView
from glissile.widgets._resolve import Facts, refused_now

AUTOMATIC = "automatic"
# By kind, in the order of the list: name, and what it is.
_KINDS = {
    AUTOMATIC: (
        "Automatic",
        f"The common area where it keeps {100 * ENOUGH:.0f} % of the frame, else the canvas; segments after "
        "a cut to another view",
    ),
    "common": ("Common area", "The area that all frames show"),
    "union": ("Canvas", "A canvas that holds every frame; a frame is measured where it has data"),
    "range": (
        "Range",
        "The run of frames with the largest common area times duration; the other frames are left out",
    ),
    "segments": ("Segments", "Runs of frames, each with its own common area, on one canvas"),
}


@dataclass(frozen=True)
class Entry:
    """One line of the list of fields of view.

    Attributes
    ----------
    kind : str
        As in the settings.
    text : str
        Its name and figures.
    possible : bool
        Whether it can be chosen.
    tooltip : str
        What it is, or why it is not possible.
    """

    kind: str
    text: str
    possible: bool
    tooltip: str


@dataclass(frozen=True)
class FieldOfViewState:
    """What can be done, and what is said.

    Attributes
    ----------
    choosable : bool
        Whether another one can be looked at.
    reason : str
        Why not; empty where it can.
    text : str
        Sentence of what is looked at and not applied; empty where nothing is.
    colors : str
        What its rectangles are, and what becomes of the frame that is shown.
    """

    choosable: bool
    reason: str
    text: str
    colors: str


def entries(found: Mapping[str, FieldOfView | str]) -> tuple[Entry, ...]:
    """List what can be chosen.

    Parameters
    ----------
    found : mapping of str to FieldOfView or str
        By kind, "automatic" among them; where one is not possible, why.
    """
    return tuple(_entry(kind, found[kind]) for kind in _KINDS)


def _entry(kind: str, found: FieldOfView | str) -> Entry:
    name, tooltip = _KINDS[kind]
    if isinstance(found, str):
        return Entry(kind, f"{name}: not possible", False, found)
    return Entry(kind, f"{name}: {_figures(kind, found)}", True, tooltip)


def _figures(kind: str, found: FieldOfView) -> str:
    if kind == AUTOMATIC:
        return _KINDS[found.kind][0].lower()
    share = f"{100 * found.share_kept:.0f} % of the frame"
    first, last = found.frame_numbers[[0, -1]].tolist()
    frames = "all frames" if found.share_of_frames == 1 else f"frames {first}\u2013{last}"
    if kind == "union":
        return f"{found.rectangle.width} x {found.rectangle.height} px, {frames}"
    if kind == "segments" and len(found.segments) > 1:
        return f"{len(found.segments)}, at least {share}"
    return f"{share}, {frames}"


def applied_kind(kept: str, found: Mapping[str, FieldOfView | str]) -> str:
    """Tell which entry is applied where `kept` is in the settings: one that is not possible never is."""
    return kept if isinstance(found[kept], FieldOfView) else AUTOMATIC


def notice(applied: str, found: Mapping[str, FieldOfView | str]) -> str:
    """Say that more or less than the common area was taken without being asked for; empty where it was not.

    Parameters
    ----------
    applied : str
        Kind, as `applied_kind` tells it.
    found : mapping of str to FieldOfView or str
        By kind.
    """
    shown, common = found[AUTOMATIC], found["common"]
    if applied != AUTOMATIC or isinstance(shown, str) or shown.kind == "common":
        return ""
    if isinstance(common, str):
        scarce = "Too little of the frame is common to all frames"
    else:
        percent = min(round(100 * common.share_kept), round(100 * ENOUGH) - 1)  # 59.8 % is not 60 %
        scarce = f"Only {percent} % of the frame is common to all frames"
    return {
        "union": f"{scarce}: a canvas that holds every frame was taken. Area fractions refer to the part of "
        "the specimen that each frame shows.",
        "segments": "The video changes to another view: each view has its own common area. Area fractions "
        "refer to another piece of crystal in each segment.",
        "range": f"{scarce}, and a canvas would be too large: frames were left out.",
    }[shown.kind]


def resolve_field_of_view(facts: Facts, previewed: FieldOfView | None, frame: int | None) -> FieldOfViewState:
    """Tell what can be done, and say what is looked at.

    Parameters
    ----------
    facts : Facts
        What is known about the study.
    previewed : FieldOfView, optional
        What is looked at and not applied.
    frame : int, optional
        Number in the source of the frame that is shown.
    """
    reason = refused_now("stabilize", facts)
    if previewed is None:
        return FieldOfViewState(not reason, reason, "", "")
    kept = frame in previewed.frame_numbers
    size = (previewed.rectangle.height, previewed.rectangle.width)
    if not kept:
        colors = "" if frame is None else f"Frame {frame} would be left out."
    elif np.any(previewed.valid_px != (0, 0, *size)):
        colors = "Yellow: the canvas. Blue: what is measured in this frame."
    else:
        colors = "Yellow: what is shown of this frame."
    return FieldOfViewState(not reason, reason, f"Not applied yet. {previewed.sentence}.", colors)
