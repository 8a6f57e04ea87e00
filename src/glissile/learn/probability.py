"""Outputs of a network -> probabilities that can be taken at their word, and how uncertain each pixel is."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from torch import Tensor

# Where every pixel is met, nothing holds the temperature back.
_LOWEST, _HIGHEST = 0.1, 10.0


def probabilities(logits: Tensor, temperature: float) -> Tensor:
    """Give the probability of each class at each pixel.

    Parameters
    ----------
    logits : Tensor, shape (classes, ...)
        Outputs of the network, background first.
    temperature : float
        As `fitted_temperature` gives it; 1 where it is not known.

    Returns
    -------
    Tensor of float32, shape (classes, ...)
        They add up to 1 at each pixel. The most probable class is that of the largest logit, whatever the
        temperature.
    """
    return torch.softmax(logits.float() / temperature, dim=0)


def entropy(shares: NDArray[np.floating]) -> NDArray[np.float32]:
    """Entropy of the probabilities at each pixel, relative to the largest possible.

    Parameters
    ----------
    shares : ndarray of float, shape (classes, ...)
        Probabilities of at least two classes.

    Returns
    -------
    ndarray of float32, shape (...)
        0 where one class is certain, 1 where all are equally probable; NaN where a probability is.
    """
    logarithms = np.log(shares, out=np.zeros_like(shares), where=shares != 0)
    found = -(shares * logarithms).sum(axis=0) / np.log(len(shares))
    return np.asarray(np.clip(found, 0, 1), dtype=np.float32)


def fitted_temperature(logits: NDArray[np.float32], truths: NDArray[np.uint8]) -> float:
    """Temperature under which the true classes are most probable.

    Parameters
    ----------
    logits : ndarray of float32, shape (classes, n)
        Outputs of the network at some pixels.
    truths : ndarray of uint8, shape (n,)
        Index of the true class of each, n at least 1.

    Returns
    -------
    float
        0.1 to 10. More than 1 where the network is surer than it should be.

    Notes
    -----
    Temperature scaling of Guo et al., On Calibration of Modern Neural Networks, ICML 2017: the one number
    that minimises the negative log-likelihood.
    """
    values = torch.from_numpy(logits)
    own = torch.from_numpy(truths.astype(np.int64))

    def surprise(log_temperature: float) -> float:
        cooled = values / float(np.exp(log_temperature))
        right = cooled.gather(0, own[None])[0]
        return float((torch.logsumexp(cooled, dim=0) - right).mean(dtype=torch.float64))

    bounds = (np.log(_LOWEST), np.log(_HIGHEST))
    return float(np.exp(minimize_scalar(surprise, bounds=bounds, method="bounded").x))


def half_areas(shares: Tensor) -> NDArray[np.float64]:
    """How far the area of each class is open.

    Parameters
    ----------
    shares : Tensor, shape (classes, y, x)
        Probabilities, background first.

    Returns
    -------
    ndarray of float64, shape (classes - 1,)
        In pixels, without background: half of those on which the probability is above 0.25 and not above
        0.75.
    """
    # Class by class: over all at once it takes many times longer on a CPU.
    open_px = [int(torch.count_nonzero((p > 0.25) & (p <= 0.75))) for p in shares[1:]]
    return np.array(open_px, dtype=np.float64) / 2


def fitted_area_factors(
    half: NDArray[np.floating], errors_px: NDArray[np.number], labelled_px: NDArray[np.integer]
) -> tuple[float | None, ...]:
    """Find what `half_areas` are multiplied by to become standard uncertainties.

    Parameters
    ----------
    half : ndarray of float, shape (n, classes)
        `half_areas` of frames held out.
    errors_px : ndarray of numbers, shape (n, classes)
        Measured less labelled area.
    labelled_px : ndarray of int, shape (n, classes)
        Labelled area. Frames count for a class that is labelled or was found there.

    Returns
    -------
    tuple of float or None
        For each class the factor with which error over uncertainty has root mean square 1; None where it is
        labelled on fewer than three frames.
    """
    factors: list[float | None] = []
    for k in range(half.shape[1]):
        there = (labelled_px[:, k] > 0) | (errors_px[:, k] != 0)
        ratios = errors_px[there, k] / _at_least_a_pixel(half[there, k])
        enough = np.count_nonzero(labelled_px[:, k]) >= 3
        factors.append(float(np.sqrt(np.mean(ratios**2))) if enough else None)
    return tuple(factors)


def area_uncertainties(
    half: NDArray[np.floating], factors: Sequence[float | None]
) -> tuple[float | None, ...]:
    """Give the standard uncertainty of the area of each class in pixels; None where no factor is known.

    It is one pixel at least: no area is surer than that, however well a few frames held out were met.
    """
    pairs = zip(_at_least_a_pixel(half), factors, strict=True)
    return tuple(None if factor is None else max(1.0, float(value * factor)) for value, factor in pairs)


def _at_least_a_pixel(half: NDArray[np.floating]) -> NDArray[np.floating]:
    """Give what counts of `half_areas`: no frame is surer than to a pixel."""
    return np.asarray(np.maximum(half, 1.0))
