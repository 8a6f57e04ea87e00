"""Labels of another experiment or of any file, by the frames of an experiment that they belong to."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glissile.errors import InputError
from glissile.experiment import Experiment, folder_named
from glissile.io.annotations import frame_number
from glissile.io.class_names import shown, with_our_values
from glissile.io.label_formats import read_labels
from glissile.io.label_set import ReadWhenAsked, frame_digits
from glissile.naming import EXPERIMENT_DOCUMENT
from glissile.video import Video

# Of a frame: what rounding may add to the place of a label.
_ON_A_FRAME = 1e-6
_ROUNDED = 0.5
# What numbers of frames can begin at and grow by; beyond, floats run over.
_FARTHEST = 1e15
_LEAST_STEP = 1e-6


@dataclass(frozen=True, eq=False)
class FoundLabels:
    """Labels from elsewhere, numbered as the frames of the source.

    Attributes
    ----------
    masks : mapping of int to ndarray of uint8, shape (y, x)
        By frame number, in order, each read when it is asked for.
    names : mapping of int to str
        What each is called where it comes from.
    between : frozenset of int
        Frames whose label lay between two frames.
    farther : tuple of str
        Names of those left out because another lies nearer to the same frame.
    outside : tuple of str
        Names of those that the source has no frame for.
    doubt : str
        Why the labels are probably numbered otherwise than was told; empty where nothing speaks for it.
    other_video : str
        That they are of another video, where an experiment tells so; else empty.
    """

    masks: Mapping[int, NDArray[np.uint8]]
    names: Mapping[int, str]
    between: frozenset[int]
    farther: tuple[str, ...]
    outside: tuple[str, ...]
    doubt: str
    other_video: str


def find_labels(
    experiment: Experiment, video: Video, path: Path, *, first: float = 0, step: float = 1
) -> FoundLabels:
    """Find labels for frames of an experiment.

    Parameters
    ----------
    experiment : Experiment
        The study.
    video : Video
        Its working video.
    path : Path
        Another experiment, or a file or folder as `glissile.io.label_formats.read_labels` takes it.
    first, step : float
        Frame k of the video is number `first + step * k` there: at the end of a name, or as the number of a
        page; of two labels nearest to the same frame the nearer one is taken.

    Returns
    -------
    FoundLabels

    Raises
    ------
    InputError
        If `first` or `step` is not finite or absurd, `step` is not above 0, or there are no labels, such
        without a number, two of one number, or such of another size than the video and its source.
    """
    if not (abs(first) <= _FARTHEST and _LEAST_STEP <= step <= _FARTHEST):
        raise InputError(
            f"{path}: label numbers that begin at {first:g} and grow by {step:g} per frame tell no frame; "
            "give a growth above 0, and numbers that frames have"
        )
    found, other_video = _labels_at(path, experiment, video)
    numbers = _numbers(found, path)
    nearest: dict[int, tuple[float, str]] = {}
    farther, outside = [], []
    for name, told in numbers.items():
        position = (told - first) / step
        number = math.floor(position + 0.5)
        distance = abs(position - number)
        if not 0 <= number < experiment.document.source.frames:
            outside.append(name)
        elif number not in nearest:
            nearest[number] = (distance, name)
        elif distance < nearest[number][0]:
            farther.append(nearest[number][1])
            nearest[number] = (distance, name)
        else:
            farther.append(name)
    names = {number: name for number, (_, name) in sorted(nearest.items())}
    return FoundLabels(
        ReadWhenAsked({number: partial(found.__getitem__, name) for number, name in names.items()}),
        names,
        frozenset(number for number, (distance, _) in nearest.items() if distance > _ON_A_FRAME),
        tuple(farther),
        tuple(outside),
        _doubt(list(numbers.values()), first, step),
        other_video,
    )


def _numbers(names: Iterable[str], path: Path) -> dict[str, int]:
    """Read the number at the end of each name; no two may tell the same."""
    found: dict[int, str] = {}
    for name in names:
        other = found.setdefault(frame_number(name), name)
        if other != name:
            raise InputError(
                f"{path}: both {shown(other)} and {shown(name)} have the number {frame_number(name)}, and so "
                "are of one frame; keep one of them"
            )
    return {name: number for number, name in found.items()}


def _labels_at(
    path: Path, experiment: Experiment, video: Video
) -> tuple[Mapping[str, NDArray[np.uint8]], str]:
    """Labels by name, and whether they are of another video."""
    folder = path if path.exists() else folder_named(path)
    if (folder / EXPERIMENT_DOCUMENT).is_file():
        return _labels_of(folder, experiment)
    from glissile.label.tracing import PenSettings  # which needs OpenCV

    document = experiment.document
    pens = experiment.settings("label", PenSettings).width_px
    sizes = (document.source.shape[1:], video.shape[1:])
    return read_labels(path, document.classes, pens, sizes), ""


def _labels_of(folder: Path, experiment: Experiment) -> tuple[Mapping[str, NDArray[np.uint8]], str]:
    """Labels of another experiment, with the class values of this one."""
    other = Experiment.open(folder, read_only=True)
    store = other.labels_or_none()
    if store is None or not store.frames:
        raise InputError(f"{folder}: no frame is labelled there; choose another experiment")
    names = {c.value: c.name for c in other.document.classes}

    def read(frame: int) -> NDArray[np.uint8]:
        return with_our_values(store.read(frame), names, experiment.document.classes, folder)

    ours, theirs = (study.document.source.sampled_sha256 for study in (experiment, other))
    other_video = "" if ours == theirs else f"{folder.name} is an experiment on another video"
    found = ReadWhenAsked({frame_digits(n, store.shape[0]): partial(read, n) for n in store.frames})
    return found, other_video


def _doubt(numbers: Sequence[int], first: float, step: float) -> str:
    """Say what speaks against frame k being number `first + step * k`; empty for nothing."""
    before = sum(number < first for number in numbers)
    # A number that was rounded to a whole one is still of its frame.
    off = [abs(number - first - step * round((number - first) / step)) for number in numbers]
    between = sum(distance > _ROUNDED + _ON_A_FRAME for distance in off)
    if not before and 2 * between <= len(numbers):
        return ""
    found = {"before the first frame": before, "between two frames": between}
    told = (f"{where}: {n} of {len(numbers)}" for where, n in found.items() if n)
    return f"labels numbered {', '.join(told)}"
