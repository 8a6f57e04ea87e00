"""Labelled frames as a network learns from them, checked once."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from glissile.defects import DefectClass, class_values
from glissile.errors import InputError
from glissile.io.model_card import Normalisation
from glissile.learn.intensity import normalised
from glissile.learn.scoring import FrameScores

# Rows and columns of a frame.
Part = tuple[slice, slice]
S = TypeVar("S", bound=np.generic)


@dataclass(frozen=True, eq=False)
class Labelled:
    """Labelled frames, normalised, and which of them are held out.

    Outside its valid part a frame and its truth are the mirror image of that part: an edge of nothing would
    be learned as something, and bent samples are mirrored at the edge of the frame all the same.

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
    valid : tuple of tuple of slice
        Rows and columns of the valid part of each frame, on which alone is scored.
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
    valid: tuple[Part, ...]
    data_hash: str

    def frame(self, index: int) -> NDArray[np.float32]:
        """Grey values (y, x) of the valid part of one frame, normalised."""
        return np.asarray(self.frames[index][self.valid[index]])

    def truth(self, index: int) -> NDArray[np.uint8]:
        """Index of the class of each pixel (y, x) of the valid part of one frame."""
        return np.asarray(self.truths[index][self.valid[index]])

    def mask(self, index: int) -> NDArray[np.uint8]:
        """Mask (y, x) of the valid part of one frame, in class values."""
        return np.asarray(self.values[self.truth(index)])

    def copy_nearest(self) -> FrameScores:
        """Scores, on the hold-out, of copying the nearest training mask, as `copied_nearest`."""
        masks = [self.values[truth] for truth in self.truths]
        return copied_nearest(
            masks,
            self.frame_numbers,
            self.valid,
            self.classes,
            training=self.training,
            held_out=self.validation,
        )


def copied_nearest(
    masks: Sequence[NDArray[np.integer]],
    frame_numbers: Sequence[int],
    valid: Sequence[Part],
    classes: Sequence[DefectClass],
    *,
    training: Sequence[int],
    held_out: Sequence[int],
) -> FrameScores:
    """Score copying the mask of the training frame nearest in time: what a network must beat.

    Parameters
    ----------
    masks : sequence of ndarray of int, each of shape (y, x)
        Class values of the labelled frames.
    frame_numbers : sequence of int
        Number of each frame in the source.
    valid : sequence of tuple of slice
        Rows and columns of each frame that were recorded, on which alone is scored; where the nearest frame
        is not valid, a copy is background.
    classes : sequence of DefectClass
        Classes to score.
    training, held_out : sequence of int
        Indices of the frames that may be copied and of those that are scored.

    Returns
    -------
    FrameScores
    """
    found = FrameScores(classes)
    for i in held_out:
        nearest = min(training, key=lambda j: (abs(frame_numbers[j] - frame_numbers[i]), j))
        copied = np.zeros_like(masks[nearest])
        copied[valid[nearest]] = masks[nearest][valid[nearest]]
        found.add(frame_numbers[i], copied[valid[i]], masks[i][valid[i]])
    return found


def gathered(
    frames: NDArray[Any],
    masks: NDArray[np.integer],
    frame_numbers: Sequence[int],
    classes: Sequence[DefectClass],
    validation: Sequence[int],
    normalisation: Normalisation,
    valid: Sequence[Part] | None = None,
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
    valid : sequence of tuple of slice, length n, optional
        Rows and columns of each frame that were recorded; frames and masks are looked at nowhere else.
        Default: all.

    Returns
    -------
    Labelled

    Raises
    ------
    InputError
        If nothing is labelled or left to train on, sizes differ, or a mask has a value of no class.
    """
    _check(frames, masks, frame_numbers, classes, validation)
    parts = tuple(valid or [(slice(0, frames.shape[1]), slice(0, frames.shape[2]))] * len(frames))
    height, width = (min(part[axis].stop - part[axis].start for part in parts) for axis in (0, 1))
    if min(height, width) < 16:
        raise InputError(f"Frames of {height} x {width} px are too small to learn from; use at least 16 x 16")
    if not any(mask[part].any() for mask, part in zip(masks, parts, strict=True)):
        raise InputError(
            f"None of the {len(masks)} labelled frames shows a defect: there is nothing to learn; paint one "
            "at least, or check that the masks are the right ones"
        )
    values = np.array(class_values(classes), dtype=np.uint8)
    index_of = np.zeros(256, dtype=np.uint8)
    index_of[values] = np.arange(len(values))
    for mask, number, part in zip(masks, frame_numbers, parts, strict=True):
        strange = sorted(set(np.unique(mask[part]).tolist()) - set(values.tolist()))
        if strange:
            raise InputError(
                f"The mask of frame {number} has the value {strange[0]}, which is no class; add a class with "
                "this value or repaint it"
            )
    held = set(validation)
    return Labelled(
        frames=np.stack(
            [
                _mirrored(normalised(f[p], normalisation), p, f.shape)
                for f, p in zip(frames, parts, strict=True)
            ]
        ),
        truths=np.stack([_mirrored(index_of[m[p]], p, m.shape) for m, p in zip(masks, parts, strict=True)]),
        frame_numbers=tuple(int(n) for n in frame_numbers),
        training=tuple(i for i in range(len(frames)) if i not in held),
        validation=tuple(sorted(held)),
        classes=tuple(classes),
        values=values,
        valid=parts,
        data_hash=data_hash(frames, masks, frame_numbers, classes, validation, valid),
    )


def _mirrored(image: NDArray[S], part: Part, shape: tuple[int, ...]) -> NDArray[S]:
    """Fill `shape` (y, x) around `part`, which is `image`, with its mirror image."""
    around = [(p.start, size - p.stop) for p, size in zip(part, shape, strict=True)]
    return np.pad(image, around, mode="symmetric")


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
    valid: Sequence[Part] | None = None,
) -> str:
    """SHA-256 of everything that is learned from; arguments as of `gathered`."""
    digest = hashlib.sha256()
    keys = [(c.value, c.key) for c in classes]
    numbers, held = [int(n) for n in frame_numbers], sorted(int(i) for i in validation)
    digest.update(repr((frames.shape, frames.dtype.str, numbers, keys, held)).encode())
    if valid is not None:
        digest.update(repr(tuple(valid)).encode())
    for frame, mask in zip(frames, masks, strict=True):
        digest.update(np.ascontiguousarray(frame).tobytes())
        digest.update(np.ascontiguousarray(mask, dtype=np.uint8).tobytes())
    return digest.hexdigest()
