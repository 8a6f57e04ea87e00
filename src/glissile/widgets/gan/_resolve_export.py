"""What can be exported, in which format, and under which name; no Qt, no napari."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from glissile.widgets.gan._resolve_walk import NO_NETWORK, NO_PICTURE

FRAMES_PER_SECOND = (24, 60)
MOST_ON_A_SHEET = 400
# Not allowed in names of files on Windows.
_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f]+')


class What(StrEnum):
    """What is exported."""

    picture = "picture"
    grid = "samples"
    pins = "pinned samples"
    walk = "walk"


class Format(StrEnum):
    """How it is written."""

    png = "PNG"
    tiff = "TIFF stack"
    mp4 = "Video (MP4, H.264)"
    sheet = "Contact sheet (PNG)"
    npz = "Latents (NPZ)"
    json = "Latents (JSON)"


_SUFFIXES = {
    Format.png: ".png",
    Format.tiff: ".tif",
    Format.mp4: ".mp4",
    Format.sheet: ".png",
    Format.npz: ".npz",
    Format.json: ".json",
}
TITLES = {
    What.picture: "Picture",
    What.grid: "Samples of the grid",
    What.pins: "Pinned samples",
    What.walk: "Walk",
}


@dataclass(frozen=True)
class ExportFacts:
    """What is known.

    Attributes
    ----------
    network : bool
        A generator is open.
    picture : bool
        A sample is looked at.
    grid, pins, frames : int
        Samples of the grid, pinned ones, and frames of the walk.
    no_walk : str
        Why there is no walk.
    running : bool
        An export goes on.
    """

    network: bool = False
    picture: bool = False
    grid: int = 0
    pins: int = 0
    frames: int = 0
    no_walk: str = ""
    running: bool = False

    def count(self, what: What) -> int:
        """Give the number of images."""
        counts = {
            What.picture: int(self.picture),
            What.grid: self.grid,
            What.pins: self.pins,
            What.walk: self.frames,
        }
        return counts[what]


def what_refused(facts: ExportFacts, what: What) -> str:
    """Say why there is nothing of a kind to export; empty where there is."""
    if not facts.network:
        return NO_NETWORK
    if facts.count(what):
        return ""
    reasons = {
        What.picture: NO_PICTURE,
        What.grid: "There are no samples in the grid",
        What.pins: "No sample is pinned",
        What.walk: facts.no_walk,
    }
    return reasons[what]


def format_refused(what: What, count: int, kind: Format) -> str:
    """Say why something is not written in a format; empty where it is."""
    if kind is Format.mp4 and what is not What.walk:
        return "A video shows a walk"
    if kind is Format.sheet and what is What.picture:
        return "A contact sheet shows several images"
    if kind is Format.sheet and count > MOST_ON_A_SHEET:
        return f"{count} images are too many for a sheet: at most {MOST_ON_A_SHEET}"
    return ""


def measures_in(kind: Format) -> str:
    """Say where the measures of images go; empty where no images are made."""
    if kind in (Format.npz, Format.json):
        return ""
    if kind is Format.mp4:
        return "By the microstructure sliders; a row for each frame in a table (.csv) beside the video"
    return (
        "By the microstructure sliders; the numbers are in a table (.csv), beside the file or in the folder, "
        "and in each image, with what tells how it was made"
    )


def export_refused(facts: ExportFacts, what: What, kind: Format) -> str:
    """Say why an export cannot begin; empty where it can."""
    if facts.running:
        return "Wait for the export that is running"
    return what_refused(facts, what) or format_refused(what, facts.count(what), kind)


def suffix_of(what: What, kind: Format) -> str:
    """Give the ending of the name; empty for a folder of PNG images."""
    return "" if kind is Format.png and what is not What.picture else _SUFFIXES[kind]


def proposed_name(network: str, what: What, title: str, suffix: str) -> str:
    """Propose a name: "steel seed 7.png".

    Parameters
    ----------
    network : str
        Name of the generator.
    what : What
        What is exported.
    title : str
        Of the picture.
    suffix : str
        As `suffix_of` gives it.
    """
    subject = title if what is What.picture else what.value
    stem = _FORBIDDEN.sub(" ", f"{network or 'generated'} {subject}")
    return " ".join(stem.split())[:100].rstrip(". ") + suffix


def with_suffix(name: str, suffix: str) -> Path:
    """Give a chosen name its ending, where it has another one or none."""
    path = Path(name)
    fitting = {suffix, ".tiff"} if suffix == ".tif" else {suffix}
    return path if not suffix or path.suffix.lower() in fitting else path.with_name(path.name + suffix)
