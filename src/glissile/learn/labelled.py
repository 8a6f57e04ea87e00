"""Labelled frames as a network learns from them, checked once."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glissile.defects import DefectClass, class_values
from glissile.errors import InputError
from glissile.io.checkpoint import Normalisation
from glissile.learn.agreement import ClassScore, Tally
from glissile.learn.intensity import normalised


@dataclass(frozen=True, eq=False)
class Labelled:
    """Labelled frames, normalised, and which of them are held out.

    Attributes
    ----------
    frames : ndarray of float32, shape (n, y, x)
        Normalised grey values.
    truths : ndarray of uint8, shape (n, y, x)
        Index of the class of each pixel; index k stands for mask value `values[k]`.
    frame_numbers : tuple of int
        Number of each frame in the source.
    training, validation : tuple of int
        Indices along n.
    classes : tuple of DefectClass
        Without background.
    values : ndarray of uint8
        Mask values, background first.
    data_hash : str
        Of frames, masks, classes and hold-out: the same hash, the same training.
    """

    frames: NDArray[np.float32]
    truths: NDArray[np.uint8]
    frame_numbers: tuple[int, ...]
    training: tuple[int, ...]
    validation: tuple[int, ...]
    classes: tuple[DefectClass, ...]
    values: NDArray[np.uint8]
    data_hash: str

    def mask(self, index: int) -> NDArray[np.uint8]:
        """Mask (y, x) of one frame, in class values."""
        return np.asarray(self.values[self.truths[index]])

    def copy_nearest(self) -> dict[str, ClassScore]:
        """Scores, on the hold-out, of copying the mask of the training frame nearest in time.

        What a network must beat to be worth its while.
        """
        tally = Tally(self.classes)
        for i in self.validation:
            nearest = min(
                self.training, key=lambda j: (abs(self.frame_numbers[j] - self.frame_numbers[i]), j)
            )
            tally.add(self.mask(nearest), self.mask(i))
        return tally.scores()


def gathered(
    frames: NDArray[Any],
    masks: NDArray[np.integer],
    frame_numbers: Sequence[int],
    classes: Sequence[DefectClass],
    validation: Sequence[int],
    normalisation: Normalisation,
) -> Labelled:
    """Check labelled frames and bring them to the form in which a network learns from them.

    Parameters
    ----------
    frames : ndarray of any number type, shape (n, y, x)
        Grey values.
    masks : ndarray of int, shape (n, y, x)
        Class values.
    frame_numbers : sequence of int, length n
        Number of each frame in the source.
    classes : sequence of DefectClass
        All that may occur in the masks.
    validation : sequence of int
        Indices along n of the frames that are held out.
    normalisation : Normalisation
        Of grey values.

    Returns
    -------
    Labelled

    Raises
    ------
    InputError
        If nothing is labelled or left to train on, sizes differ, or a mask has a value of no class.
    """
    _check(frames, masks, frame_numbers, classes, validation)
    values = np.array(class_values(classes), dtype=np.uint8)
    index_of = np.zeros(256, dtype=np.uint8)
    index_of[values] = np.arange(len(values))
    for mask, number in zip(masks, frame_numbers, strict=True):
        strange = sorted(set(np.unique(mask).tolist()) - set(values.tolist()))
        if strange:
            raise InputError(
                f"The mask of frame {number} has the value {strange[0]}, which is no class; add a class with "
                "this value or repaint it"
            )
    held = set(validation)
    return Labelled(
        frames=np.stack([normalised(f, normalisation) for f in frames]),
        truths=index_of[masks],
        frame_numbers=tuple(int(n) for n in frame_numbers),
        training=tuple(i for i in range(len(frames)) if i not in held),
        validation=tuple(sorted(held)),
        classes=tuple(classes),
        values=values,
        data_hash=data_hash(frames, masks, frame_numbers, classes, validation),
    )


def _check(
    frames: NDArray[Any],
    masks: NDArray[np.integer],
    frame_numbers: Sequence[int],
    classes: Sequence[DefectClass],
    validation: Sequence[int],
) -> None:
    n = len(frames)
    if n == 0:
        raise InputError("No frame is labelled yet; label at least one")
    if frames.ndim != 3 or frames.shape != masks.shape or len(frame_numbers) != n:
        raise InputError(
            f"{n} frames of shape {frames.shape[1:]} do not go with {len(masks)} masks of shape "
            f"{masks.shape[1:]} and {len(frame_numbers)} frame numbers; give every frame one mask of its size"
        )
    if min(frames.shape[1:]) < 16:
        raise InputError(
            f"Frames of {frames.shape[1]} x {frames.shape[2]} px are too small to learn from; use at "
            "least 16 x 16"
        )
    if len({c.value for c in classes}) < len(classes) or not classes:
        raise InputError("The classes need a value each, none of them twice; correct the list of classes")
    if not set(validation) <= set(range(n)) or len(set(validation)) == n:
        raise InputError("The held-out frames leave none to train on; hold out fewer")


def data_hash(
    frames: NDArray[Any],
    masks: NDArray[np.integer],
    frame_numbers: Sequence[int],
    classes: Sequence[DefectClass],
    validation: Sequence[int],
) -> str:
    """SHA-256 of everything that is learned from; arguments as of `gathered`."""
    digest = hashlib.sha256()
    keys = [(c.value, c.key) for c in classes]
    numbers, held = [int(n) for n in frame_numbers], sorted(int(i) for i in validation)
    digest.update(repr((frames.shape, frames.dtype.str, numbers, keys, held)).encode())
    for frame, mask in zip(frames, masks, strict=True):
        digest.update(np.ascontiguousarray(frame).tobytes())
        digest.update(np.ascontiguousarray(mask, dtype=np.uint8).tobytes())
    return digest.hexdigest()
