"""What a training step sees: frames or crops around defects, mildly bent."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from glissile.learn.recipes import Augmentation

# Share of the crops that are centred on a defect; the rest lie anywhere.
_CENTRED = 0.67
# Knots of the smooth distortion along y and x.
_KNOTS = 5
_MIRRORED = cv2.BORDER_REFLECT_101
# Standard deviation, at the knots, of how far what is beside a frame lies from its place.
_MISPLACED_PX = 0.4
_NOTHING = np.empty((0, 0, 0), np.float32)


@dataclass(frozen=True, eq=False)
class Batch:
    """Frames and truth of one training step.

    Attributes
    ----------
    frames : ndarray of float32, shape (n, channels, y, x)
        Normalised grey values, and what the network looks at beside them.
    truth : ndarray of int64, shape (n, y, x)
        Index of the class of each pixel, 0 for background.
    """

    frames: NDArray[np.float32]
    truth: NDArray[np.int64]


def draw_batch(
    frames: Sequence[NDArray[np.float32]],
    truths: Sequence[NDArray[np.uint8]],
    beside: Sequence[NDArray[np.float32]] | None = None,
    *,
    crop_px: int,
    augmentation: Augmentation,
    random: np.random.Generator,
) -> Batch:
    """One sample of each frame.

    Parameters
    ----------
    frames : sequence of ndarray of float32, each of shape (y, x)
        Normalised frames of one size.
    truths : sequence of ndarray of uint8, each of shape (y, x)
        Class indices.
    beside : sequence of ndarray of float32, each of shape (channels, y, x), optional
        What the network looks at beside each frame, as `References.channels` gives it.
    crop_px : int
        Largest height and width of a sample; 0 for whole frames.
    augmentation : Augmentation
        How far samples are bent.
    random : numpy Generator
        Source of all that is random here.

    Returns
    -------
    Batch
    """
    samples = []
    for k, (frame, truth) in enumerate(zip(frames, truths, strict=True)):
        rows, columns = _crop(truth, crop_px, random)
        others = beside[k][:, rows, columns] if beside is not None else _NOTHING
        samples.append(bent(frame[rows, columns], truth[rows, columns], augmentation, random, others))
    return Batch(
        frames=np.stack([f for f, _ in samples]),
        truth=np.stack([t for _, t in samples]).astype(np.int64),
    )


def _crop(truth: NDArray[np.uint8], crop_px: int, random: np.random.Generator) -> tuple[slice, slice]:
    """Rows and columns of a crop; around a pixel of a class drawn at random, so that rare ones are seen."""
    sizes = [min(s, crop_px) if crop_px else s for s in truth.shape]
    if list(truth.shape) == sizes:
        return slice(None), slice(None)
    centre = [float(random.uniform(0, s)) for s in truth.shape]
    present = np.flatnonzero(np.bincount(truth.ravel())[1:]) + 1
    if present.size and random.random() < _CENTRED:
        pixels = np.flatnonzero(truth == random.choice(present))
        y, x = np.unravel_index(int(random.choice(pixels)), truth.shape)
        centre = [float(c) + random.uniform(-0.3, 0.3) * size for c, size in zip((y, x), sizes, strict=True)]
    starts = [
        int(np.clip(round(c - size / 2), 0, whole - size))
        for c, size, whole in zip(centre, sizes, truth.shape, strict=True)
    ]
    return slice(starts[0], starts[0] + sizes[0]), slice(starts[1], starts[1] + sizes[1])


def bent(
    frame: NDArray[np.float32],
    truth: NDArray[np.uint8],
    amount: Augmentation,
    random: np.random.Generator,
    beside: NDArray[np.float32] = _NOTHING,
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Warp a frame, its truth and what is beside it together, then change the frame's greys.

    Parameters
    ----------
    frame : ndarray of float32, shape (y, x)
        Normalised grey values.
    truth : ndarray of uint8, shape (y, x)
        Class indices.
    amount : Augmentation
        How far.
    random : numpy Generator
        Source of all that is random here.
    beside : ndarray of float32, shape (channels, y, x), optional
        What the network looks at beside the frame. It is also moved by less than a pixel against it, as
        labels of another frame are.

    Returns
    -------
    frame : ndarray of float32, shape (1 + channels, y, x)
    truth : ndarray of uint8, shape (y, x)
        What lies beyond the edge is mirrored in all.
    """
    across, down = _sampling(frame.shape, amount, random)
    truth = cv2.remap(truth, across, down, cv2.INTER_NEAREST, borderMode=_MIRRORED).astype(np.uint8)
    layers = [_regreyed(_sampled(frame, across, down), amount, random)]
    if len(beside):
        aside = _smooth(_MISPLACED_PX, frame.shape, random)
        across, down = across + aside[..., 1], down + aside[..., 0]
        layers += [_sampled(layer, across, down) for layer in beside]
    return np.stack(layers), truth


def _sampled(
    layer: NDArray[np.float32], across: NDArray[np.float32], down: NDArray[np.float32]
) -> NDArray[np.float32]:
    moved = cv2.remap(layer, across, down, cv2.INTER_LINEAR, borderMode=_MIRRORED)
    return np.asarray(moved, dtype=np.float32)


def _smooth(sigma_px: float, shape: tuple[int, ...], random: np.random.Generator) -> NDArray[np.float32]:
    """Draw a smooth distortion (y, x, 2) along y and x, in pixels."""
    knots = random.normal(0, sigma_px, (_KNOTS, _KNOTS, 2)).astype(np.float32)
    return np.asarray(cv2.resize(knots, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC))


def _sampling(
    shape: tuple[int, ...], amount: Augmentation, random: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Column and row, each (y, x) in pixels, from which every pixel is taken."""
    height, width = shape
    angle = np.deg2rad(random.uniform(-1, 1) * amount.rotation_deg)
    scale = np.exp(random.uniform(-1, 1) * amount.scale)
    # A frame a few pixels small would otherwise be shifted out of itself and show only its mirror image.
    shift = random.uniform(-1, 1, 2) * np.minimum(amount.shift_px, np.array(shape) / 8)
    y = np.arange(height, dtype=np.float32)[:, None] - (height - 1) / 2
    x = np.arange(width, dtype=np.float32)[None] - (width - 1) / 2
    cosine, sine = float(np.cos(angle) * scale), float(np.sin(angle) * scale)
    down = cosine * y + sine * x + np.float32((height - 1) / 2 + shift[0])
    across = -sine * y + cosine * x + np.float32((width - 1) / 2 + shift[1])
    if amount.elastic_px:
        smooth = _smooth(amount.elastic_px, shape, random)
        down, across = down + smooth[..., 0], across + smooth[..., 1]
    return across.astype(np.float32), down.astype(np.float32)


def _regreyed(
    frame: NDArray[np.float32], amount: Augmentation, random: np.random.Generator
) -> NDArray[np.float32]:
    gain = np.exp(random.uniform(-1, 1) * amount.contrast)
    offset = random.uniform(-1, 1) * amount.brightness
    frame = (frame * gain + offset).astype(np.float32)
    sigma = random.uniform(-1, 1) * amount.blur_px
    if sigma > 0.3:  # in half of the samples, and where a kernel of pixels can show it
        frame = cv2.GaussianBlur(frame, (0, 0), sigma).astype(np.float32)
    level = random.uniform(0, 1) * amount.noise
    if level:
        frame = frame + random.standard_normal(frame.shape, dtype=np.float32) * np.float32(level)
    return frame
