"""Networks trained on overlap draw thin lines too wide; what takes that back, line by line and in sum."""

import functools
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as functional
from numpy.typing import NDArray
from torch import Tensor

from glissile.io.model_card import Calibration

# A class that the network cannot see must not be forced upon it.
_LARGEST_OFFSET = 4.0
_ROUNDS = 4
# In half precision, outputs can overflow: they count as this large, far beyond all others.
_LARGEST_LOGIT = 1e4
_SHARE_STEP = 1 / 64


def area_offsets(
    logits: Sequence[NDArray[np.float32]], truths: Sequence[NDArray[np.uint8]]
) -> NDArray[np.float32]:
    """Offsets of the logits with which each class covers its labelled area in the sum of all frames.

    Parameters
    ----------
    logits : sequence of ndarray, each of shape (classes, y, x)
        Outputs of the network, background first.
    truths : sequence of ndarray, each of shape (y, x)
        Index of the true class.

    Returns
    -------
    ndarray of float32, shape (classes,)
        To be added to the logits; 0 for the background and for classes that were never labelled, and
        never beyond 4.
    """
    values = np.concatenate([z.reshape(len(z), -1) for z in logits], axis=1)
    areas = np.bincount(np.concatenate([t.ravel() for t in truths]), minlength=len(values))
    offsets = np.zeros(len(values), dtype=np.float32)
    # Raising one class takes pixels from the others, so each is fitted in turn until they agree.
    for _ in range(_ROUNDS):
        for k in range(1, len(values)):
            if 0 < areas[k] < values.shape[1]:
                others = np.delete(values + offsets[:, None], k, axis=0).max(axis=0)
                margin = np.partition(values[k] - others, -areas[k] - 1)
                # Between the smallest margin that is to win and the largest that is not.
                cut = (margin[-areas[k] :].min() + margin[-areas[k] - 1]) / 2
                offsets[k] = np.clip(-cut, -_LARGEST_OFFSET, _LARGEST_OFFSET)
    return offsets


def thinning_shares(
    logits: Sequence[NDArray[np.float32]], truths: Sequence[NDArray[np.uint8]], *, most: float
) -> tuple[float, ...]:
    """How far each class has to be `thinned` to cover its labelled area in the sum of all frames.

    Parameters
    ----------
    logits, truths
        As of `area_offsets`.
    most : float
        Largest share that is given, less than 1.

    Returns
    -------
    tuple of float
        Background first; 0 where a class is not drawn too wide, and for the background.
    """
    shares = [0.0]
    for k in range(1, len(logits[0])):
        wanted = sum(int(np.count_nonzero(t == k)) for t in truths)
        margins = [_margin(torch.from_numpy(z)[None], k) for z in logits]
        crests = [_largest_around(margin).clamp(min=0) for margin in margins]

        def too_wide(
            share: float, margins: list[Tensor] = margins, crests: list[Tensor] = crests, wanted: int = wanted
        ) -> bool:
            pairs = zip(margins, crests, strict=True)
            return wanted < sum(int((margin > share * crest).sum()) for margin, crest in pairs)

        low, high = 0.0, most
        if not too_wide(0) or not wanted:
            high = 0.0
        elif too_wide(most):
            low = most
        while high - low > _SHARE_STEP:
            share = (low + high) / 2
            low, high = (share, high) if too_wide(share) else (low, share)
        shares.append(high)
    return tuple(shares)


def thinned(logits: Tensor, shares: Sequence[float]) -> Tensor:
    """Logits under which lines are thinner and yet none is lost.

    The margin of a class is how far its logit lies above those of all others. Each pixel loses a share of
    the largest margin among itself and its eight neighbours, where that is positive: the flanks of a line
    fall below zero before its crest does, be the line plain or faint. A shift of all margins by one amount
    takes faint lines away altogether and leaves the plain ones wide.

    Parameters
    ----------
    logits : Tensor, shape (n, classes, y, x)
        Outputs of the network, background first.
    shares : sequence of float
        For each class, background first: 0, which changes nothing, to less than 1.

    Returns
    -------
    Tensor, shape (n, classes, y, x)
    """
    if not any(shares):
        return logits
    result = logits.clone()
    for k, share in enumerate(shares):
        if share:
            result[:, k] -= share * _largest_around(_margin(logits, k)).clamp(min=0)
    return result


def _margin(logits: Tensor, k: int) -> Tensor:
    """How far class `k` lies above the others, (n, y, x)."""
    others = [logits[:, j] for j in range(logits.shape[1]) if j != k]
    return logits[:, k] - functools.reduce(torch.maximum, others)


def _largest_around(values: Tensor) -> Tensor:
    """Give the largest of each 3 x 3 pixels of (n, y, x); many times quicker here than `max_pool2d`."""
    y, x = values.shape[-2:]
    padded = functional.pad(values, (1, 1, 1, 1), value=-torch.inf)
    above, here, below = (padded[..., i : i + y, :] for i in range(3))
    rows = torch.maximum(torch.maximum(above, here), below)
    left, middle, right = (rows[..., i : i + x] for i in range(3))
    return torch.maximum(torch.maximum(left, middle), right)


def fitted(
    logits: Sequence[NDArray[np.float32]], truths: Sequence[NDArray[np.uint8]], *, thinning: float
) -> Calibration:
    """Fit the areas of all classes: by thinning lines as far as may be, and for the rest by offsets.

    Parameters
    ----------
    logits, truths
        As of `area_offsets`.
    thinning : float
        Largest share that a class is thinned by.

    Returns
    -------
    Calibration
    """
    logits = [_finite(z) for z in logits]
    shares = thinning_shares(logits, truths, most=thinning)
    thin = [thinned(torch.from_numpy(z)[None], shares)[0].numpy() for z in logits]
    return Calibration(thinning=shares, offsets=tuple(float(v) for v in area_offsets(thin, truths)))


def _finite(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.nan_to_num(logits, nan=0, posinf=_LARGEST_LOGIT, neginf=-_LARGEST_LOGIT)


def with_calibration(logits: Tensor, calibration: Calibration | None) -> Tensor:
    """Apply what was fitted to the labelled areas.

    Parameters
    ----------
    logits : Tensor, shape (n, classes, y, x)
        Outputs of the network, background first.
    calibration : Calibration, optional
        None changes nothing.

    Returns
    -------
    Tensor, shape (n, classes, y, x)
    """
    if calibration is None:
        return logits
    offsets = torch.tensor(calibration.offsets, dtype=logits.dtype, device=logits.device)
    return thinned(logits, calibration.thinning) + offsets[:, None, None]
