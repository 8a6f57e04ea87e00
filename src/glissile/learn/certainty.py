"""How sure a trained network may be, found out on the frames held out from it."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from glissile.io.model_card import Certainty
from glissile.learn.labelled import Labelled
from glissile.learn.probability import (
    fitted_area_factors,
    fitted_temperature,
    half_areas,
    probabilities,
)
from glissile.learn.reliability import reliability
from glissile.learn.unet import winners
from glissile.progress import Ticks

# Enough for one number, and for ten bins of a class that covers a percent.
_SAMPLED_PX = 500_000


def found_on(
    logits_of: Callable[[int], Tensor], data: Labelled, indices: Sequence[int]
) -> Ticks[tuple[Certainty, pd.DataFrame] | None]:
    """Fit the certainty of a network to labelled frames.

    Temperature and reliability are of the same frames: of half a million pixels drawn from them at random,
    or all where there are fewer. With few frames the reliability is a little flattered by that. The factors
    of the areas are one number each of a few frames, and known no better than to about 1 / sqrt(2 n) of
    themselves with n frames.

    Parameters
    ----------
    logits_of : callable
        Gives the calibrated outputs (classes, y, x) for the frame of an index; called twice for each.
    data : Labelled
        Labelled frames.
    indices : sequence of int
        Of frames that the network has not learned from.

    Yields
    ------
    None
        After each frame.

    Returns
    -------
    tuple of Certainty and DataFrame, optional
        The table is as `glissile.learn.reliability.reliability` gives it, at temperature 1 and at that found.
        None where there are no frames, or no numbers in the outputs.
    """
    if not indices:
        return None
    random = np.random.default_rng(0)
    sampled, truths = [], []
    for i in indices:
        values = logits_of(i).float().cpu().numpy()
        pixels = _drawn(random, values[0].size, _SAMPLED_PX // len(indices))
        values = values.reshape(len(values), -1)[:, pixels]
        known = np.isfinite(values).all(axis=0)  # in half precision, outputs can overflow
        sampled.append(values[:, known])
        truths.append(data.truth(i).ravel()[pixels][known])
        yield
    some, of_some = np.concatenate(sampled, axis=1), np.concatenate(truths)
    if not of_some.size:
        return None
    temperature = fitted_temperature(some, of_some)
    table = pd.concat(
        [
            reliability(probabilities(torch.from_numpy(some), t).numpy(), of_some, data.classes, t)
            for t in (1.0, temperature)
        ],
        ignore_index=True,
    )
    half, measured, labelled = [], [], []
    for i in indices:
        logits = logits_of(i)
        half.append(half_areas(probabilities(logits, temperature)))
        measured.append(_areas(winners(logits), len(logits)))
        labelled.append(_areas(data.truth(i), len(logits)))
        yield
    errors = np.stack(measured) - np.stack(labelled)
    factors = fitted_area_factors(np.stack(half), errors, np.stack(labelled))
    return Certainty(temperature=temperature, area_factors=factors), table


def _drawn(random: np.random.Generator, size: int, wanted: int) -> NDArray[np.int64] | slice:
    return slice(None) if size <= wanted else random.integers(0, size, wanted)


def _areas(truth: NDArray[np.uint8], classes: int) -> NDArray[np.intp]:
    return np.bincount(truth.ravel(), minlength=classes)[1:]
