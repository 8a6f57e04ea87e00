"""Labels of another experiment or of any file, by the frames of an experiment that they belong to."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glissile.errors import InputError
from glissile.experiment import Experiment, folder_named
from glissile.io.annotations import frame_number
from glissile.io.class_names import with_our_values
from glissile.io.label_formats import read_labels
from glissile.io.label_set import ReadWhenAsked, frame_digits

# Of a frame: what rounding may add to the place of a label.
_ON_A_FRAME = 1e-6
_ROUNDED = 0.5
_DOCUMENT = "experiment.toml"


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
    """

    masks: Mapping[int, NDArray[np.uint8]]
    names: Mapping[int, str]
    between: frozenset[int]
    farther: tuple[str, ...]
    outside: tuple[str, ...]
    doubt: str


def find_labels(experiment: Experiment, path: Path, *, first: float = 0, step: float = 1) -> FoundLabels:
    """Find labels for frames of an experiment.

    Parameters
    ----------
    experiment : Experiment
        The study.
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
        If `first` or `step` is not finite, `step` is not above 0, or there are no labels, or such without a
        number.
    """
    if not (math.isfinite(first) and math.isfinite(step) and step > 0):
        raise InputError(
            f"{path}: label numbers that begin at {first:g} and grow by {step:g} per frame tell no frame; "
            "give a growth above 0"
        )
    found = _labels_at(path, experiment)
    nearest: dict[int, tuple[float, str]] = {}
    farther, outside = [], []
    for name in found:
        position = (frame_number(name) - first) / step
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
        _doubt([frame_number(name) for name in found], first, step),
    )


def _labels_at(path: Path, experiment: Experiment) -> Mapping[str, NDArray[np.uint8]]:
    folder = path if path.exists() else folder_named(path)
    if (folder / _DOCUMENT).is_file():
        return _labels_of(folder, experiment)
    from glissile.label.tracing import PenSettings  # which needs OpenCV

    return read_labels(path, experiment.document.classes, experiment.settings("label", PenSettings).width_px)


def _labels_of(folder: Path, experiment: Experiment) -> Mapping[str, NDArray[np.uint8]]:
    """Labels of another experiment, with the class values of this one."""
    other = Experiment.open(folder, read_only=True)
    store = other.labels_or_none()
    if store is None or not store.frames:
        raise InputError(f"{folder}: no frame is labelled there; choose another experiment")
    names = {c.value: c.name for c in other.document.classes}

    def read(frame: int) -> NDArray[np.uint8]:
        return with_our_values(store.read(frame), names, experiment.document.classes, folder)

    return ReadWhenAsked({frame_digits(n, store.shape[0]): partial(read, n) for n in store.frames})


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
