"""Labelled frames that a network looks at beside the frame it is to segment: the most similar ones.

Which of the visible lines a person labels, and where exactly, cannot be told from one frame alone; from a
labelled frame that looks alike it can.
"""

import zlib
from collections.abc import Mapping, Sequence
from functools import lru_cache

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from glissile.io.model_card import Architecture
from glissile.learn.intensity import FURTHEST
from glissile.learn.labelled import Labelled, Part
from glissile.learn.unet import build

# Frames are alike as small copies of them are, whose longer side has so many pixels.
_SMALL_PX = 128
# Brightness that changes slowly from place to place tells of the illumination, not of defects. In pixels of
# the small copies, as a Gaussian sigma.
_SLOW_PX = 8.0
# Frames show the same specimen where the correlation of what is left is more, once noise is smoothed away.
# The most similar frame of the videos tried has more than 0.8, one of another video 0.3 at most.
_LEAST_ALIKE = 0.4
_NOISE_PX = 2.0
# A small copy with less than this is even, and resembles nothing.
_EVEN = 1e-4
# Places where the labels are the same in all frames tell little: so much of what the others do. Those around
# a label that comes or goes count with it.
_LEAST_TELLING = 0.01
_AROUND_PX = 4.0
# A line drawn by hand tells roughly where its defect is.
_BLUR_PX = 1.0
# With many or large labelled frames, some are kept with the model: so much of them.
_MOST_PX = 96_000_000
# The card of a model and the names of its tensors are in the file, too.
_HEADER_BYTES = 8 << 20
# With five labelled frames, most are unlike any other, and what is learned from such pairs is wrong for pairs
# that are alike: faint stacking faults were lost where the frame beside has none. With ten it helps.
_FEWEST = 8
# Grey values are kept in 8 bits.
_LOWEST = -0.5 - FURTHEST
_GREY_STEP = (1 + 2 * FURTHEST) / 255
_FRAMES, _LABELS = "references.frames", "references.labels"


class References:
    """Labelled frames to look at.

    Parameters
    ----------
    frames : ndarray of float32, shape (n, y, x)
        Normalised grey values of at least one frame.
    truths : ndarray of uint8, shape (n, y, x)
        Index of the class of each pixel, 0 for background.
    classes : int
        Without background.
    looked_at : int
        How many of them are looked at for each frame.
    """

    def __init__(
        self, frames: NDArray[np.float32], truths: NDArray[np.uint8], *, classes: int, looked_at: int
    ) -> None:
        self._levels = _levels(frames)
        self._truths = truths
        self._classes = classes
        self._looked_at = looked_at
        self._whole = slice(0, frames.shape[1]), slice(0, frames.shape[2])
        self._telling = _telling(truths, classes)
        # Neighbouring frames look at the same ones.
        self._channels = lru_cache(maxsize=2)(self._joined)
        self._labels = lru_cache(maxsize=8)(self._drawn)
        self._small = lru_cache(maxsize=8)(self._shrunk)

    @classmethod
    def of(cls, data: Labelled, indices: Sequence[int], looked_at: int) -> "References":
        """Take these frames of `data`, or where they are very many some of them, spread evenly."""
        most = max(1, _MOST_PX // data.truths[0].size)
        used = list(indices[:: -(-len(indices) // most)])
        return cls(data.frames[used], data.truths[used], classes=len(data.classes), looked_at=looked_at)

    @classmethod
    def found_in(cls, tensors: Mapping[str, Tensor], architecture: Architecture) -> "References | None":
        """Take what `kept` gave out of the tensors of a model; None where it has no such frames.

        Raises
        ------
        ValueError
            If they are not what `kept` gives.
        """
        if not architecture.references or _FRAMES not in tensors or _LABELS not in tensors:
            return None
        # NumPy lacks some kinds of numbers that torch has.
        if any(tensors[name].dtype != torch.uint8 for name in (_FRAMES, _LABELS)):
            raise ValueError("the labelled frames of the model do not have 8 bits")
        levels, packed = tensors[_FRAMES].numpy(), tensors[_LABELS].numpy()
        classes = architecture.outputs - 1
        if levels.ndim != 3 or not levels.size:
            raise ValueError("the labelled frames of the model are no frames")
        unpacking = zlib.decompressobj()
        labels = np.frombuffer(unpacking.decompress(packed.tobytes(), levels.size + 1), np.uint8)
        if labels.size != levels.size or labels.max() > classes:
            raise ValueError("the labels in the model do not belong to its labelled frames")
        return cls(
            _greys(levels),
            labels.reshape(levels.shape),
            classes=classes,
            looked_at=architecture.references,
        )

    def kept(self) -> dict[str, Tensor]:
        """Give the labelled frames as tensors that are kept with the weights of a network."""
        packed = np.frombuffer(zlib.compress(self._truths.tobytes()), np.uint8)
        return {_FRAMES: torch.from_numpy(self._levels), _LABELS: torch.from_numpy(packed.copy())}

    def beside(self, frame: NDArray[np.float32], valid: Part | None = None) -> NDArray[np.float32] | None:
        """Give what a network looks at beside a frame.

        Parameters
        ----------
        frame : ndarray of float32, shape (y, x)
            Normalised grey values.
        valid : tuple of slice, optional
            Rows and columns of the field of view that `frame` shows; default: all.

        Returns
        -------
        ndarray of float32, shape (channels, y, x), or None
            As of `channels`. None where the labelled frames are of another size, or none is alike but this
            frame itself.
        """
        part = valid or self._whole
        if self._levels[0][part].shape != frame.shape:
            return None
        alike = self.alike(frame, part)
        return self.channels(alike)[:, *part] if alike else None

    def alike(self, frame: NDArray[np.float32], valid: Part | None = None) -> list[int]:
        """List the labelled frames that resemble a frame, by index, the most similar first.

        Parameters
        ----------
        frame : ndarray of float32, shape (y, x)
            Normalised grey values.
        valid : tuple of slice, optional
            Rows and columns of the field of view that `frame` shows; default: all.

        Returns
        -------
        list of int
            Without this frame itself, should it be labelled: it must not be given its own labels.
        """
        rows, columns = valid or self._whole
        telling, theirs = self._small(rows.start, rows.stop, columns.start, columns.stop)
        # Details tell which frame is the most alike, but in small frames drown in noise.
        likeness, likely_the_same = np.einsum("lnv,lv->ln", theirs, _details(frame, telling))
        levels = _levels(frame)
        return [
            int(i)
            for i in np.argsort(-likeness, kind="stable")
            if likely_the_same[i] > _LEAST_ALIKE and not _same(self._levels[i, rows, columns], levels)
        ]

    def channels(self, alike: Sequence[int]) -> NDArray[np.float32]:
        """Draw labelled frames as the channels that a network looks at.

        Parameters
        ----------
        alike : sequence of int
            Indices of labelled frames, the most similar first; at least one.

        Returns
        -------
        ndarray of float32, shape (channels, y, x)
            Grey values of the first, then for each of those looked at how far each pixel belongs to
            each class, 0 to 1; where there are fewer, the last of them again.
        """
        return self._channels(tuple(alike[min(k, len(alike) - 1)] for k in range(self._looked_at)))

    def _joined(self, looked_at: tuple[int, ...]) -> NDArray[np.float32]:
        labels = np.concatenate([self._labels(i) for i in looked_at]).astype(np.float32) / 255
        channels = np.concatenate([_greys(self._levels[looked_at[0]])[None], labels])
        channels.setflags(write=False)
        return channels

    def _shrunk(
        self, top: int, bottom: int, left: int, right: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Shrink that part: how much its places tell (y, x), and details of the frames (2, n, values)."""
        part = slice(top, bottom), slice(left, right)
        telling = np.sqrt(_small(self._telling[part]))
        return telling, np.stack([_details(_greys(levels[part]), telling) for levels in self._levels], axis=1)

    def _drawn(self, index: int) -> NDArray[np.uint8]:
        """Draw how far each pixel of a labelled frame belongs to each class, (classes, y, x), 0 to 255."""
        truth = self._truths[index]
        sharp = [255 * (truth == k).astype(np.uint8) for k in range(1, self._classes + 1)]
        return np.stack([cv2.GaussianBlur(plane, (0, 0), _BLUR_PX) for plane in sharp])


def enough_in(data: Labelled) -> bool:
    """Whether there are training frames enough to learn from them what a labelled frame tells of another."""
    return len(data.training) >= _FEWEST


def seen(
    frame: NDArray[np.float32], references: References | None, valid: Part | None = None
) -> NDArray[np.float32]:
    """Give all that a network sees of a frame.

    Parameters
    ----------
    frame : ndarray of float32, shape (y, x)
        Normalised grey values.
    references : References, optional
        Labelled frames to look at.
    valid : tuple of slice, optional
        As of `References.beside`.

    Returns
    -------
    ndarray of float32, shape (channels, y, x)
        The frame, and where there are any the channels of labelled frames.
    """
    beside = references.beside(frame, valid) if references else None
    return frame[None] if beside is None else np.concatenate([frame[None], beside])


def without_references(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Only the weights of a network, of the tensors of a model."""
    return {name: tensor for name, tensor in tensors.items() if name not in (_FRAMES, _LABELS)}


def most_bytes(architecture: Architecture) -> int:
    """Bytes that a file of weights has at most: those of the network, and labelled frames if it looks at any.

    Parameters
    ----------
    architecture : Architecture
        Of the network, which takes no memory for this.

    Returns
    -------
    int
        Labelled frames count as many as are kept, with labels that could not be packed.
    """
    with torch.device("meta"):
        state = build(architecture).state_dict()
    network: int = sum(tensor.numel() * tensor.element_size() for tensor in state.values())
    return network + _HEADER_BYTES + (2 * _MOST_PX if architecture.references else 0)


def _levels(grey: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.round((grey - _LOWEST) / _GREY_STEP).clip(0, 255).astype(np.uint8)


def _greys(levels: NDArray[np.uint8]) -> NDArray[np.float32]:
    return levels.astype(np.float32) * np.float32(_GREY_STEP) + np.float32(_LOWEST)


def _same(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> bool:
    """Whether two frames (y, x) are equal; a few pixels tell of most that they are not."""
    return np.array_equal(one[::8, ::8], other[::8, ::8]) and np.array_equal(one, other)


def _small(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Shrink an image (y, x)."""
    height, width = image.shape
    scale = min(1, _SMALL_PX / max(height, width))
    size = (max(1, round(scale * width)), max(1, round(scale * height)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))


def _details(frame: NDArray[np.float32], telling: NDArray[np.float32]) -> NDArray[np.float32]:
    """Details of the small copy of a frame, and without noise, as vectors (2, values) of length 1.

    What changes slowly from place to place is left out, and what is left counts by the square of `telling`.
    The product of two vectors is their correlation.
    """
    small = _small(frame)
    slow = cv2.GaussianBlur(small, (0, 0), _SLOW_PX)
    quiet = cv2.GaussianBlur(small, (0, 0), _NOISE_PX)
    vectors = np.stack([(telling * (copy - slow)).ravel() for copy in (small, quiet)])
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(np.where(lengths > _EVEN, vectors / np.maximum(lengths, _EVEN), 0), dtype=np.float32)


def _telling(truths: NDArray[np.uint8], classes: int) -> NDArray[np.float32]:
    """How much each pixel (y, x) tells of frames: how far the labels of a class differ there, 0 to 0.5."""
    most = np.zeros(truths.shape[1:], np.float32)
    for k in range(1, classes + 1):
        share = np.count_nonzero(truths == k, axis=0) / len(truths)
        np.maximum(most, np.sqrt(share * (1 - share)), out=most)
    return np.asarray(cv2.GaussianBlur(most, (0, 0), _AROUND_PX) + _LEAST_TELLING)
