"""Whether labels can be checked by the network, and how its suspects are told; no Qt, no files."""

from collections.abc import Mapping, Sequence

from glissile.learn.suspects import Suspect
from glissile.widgets._resolve import Facts

# Works that give the study another network or video, or need the memory of the graphics card themselves.
_IN_THE_WAY = frozenset({"opening", "trim", "stabilize", "label", "train", "segment"})


def check_refused(facts: Facts) -> str:
    """Say why the labels cannot be checked; empty where they can."""
    if facts.source_shape is None:
        return "Open a video first"
    if facts.scores is None:
        return "No trained network yet"
    if facts.labelled == 0:
        return "No labelled frame yet"
    if facts.running in _IN_THE_WAY:
        return "Please wait until what runs has ended"
    return ""


def suspect_text(suspect: Suspect, names: Mapping[int, str], nm_per_pixel: float | None = None) -> str:
    """Write a suspect as people do: "frame 132: dislocation not labelled, 45 px".

    Parameters
    ----------
    suspect : Suspect
        What to tell of.
    names : mapping of int to str
        Of the classes, by value.
    nm_per_pixel : float, optional
        Tells lengths in nanometres.
    """
    px = suspect.length_px
    length = f"{px:.0f} px" if nm_per_pixel is None else f"{px * nm_per_pixel:.0f} nm"
    return f"frame {suspect.frame_number}: {suspect.told(names)}, {length}"


def learned_text(suspect: Suspect) -> str:
    """Say whether the network knows the label it doubts."""
    if suspect.learned:
        return "The network has learned from this label, and doubts it all the same"
    return "The network has not learned from this frame"


def suspects_text(left: Sequence[Suspect], *, changed: int, dismissed: int) -> str:
    """Say how many suspects are left, and what became of the others."""
    if not left and not changed + dismissed:
        return "Labels and network agree"
    parts = [f"{len(left)} to look at, where the network is surest first" if left else "All looked at"]
    if changed:
        parts.append(f"{changed} changed")
    if dismissed:
        parts.append(f"{dismissed} right as labelled")
    return "; ".join(parts)
