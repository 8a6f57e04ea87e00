"""Images made and measured, and the measures regressed on w."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from glissile.errors import InputError
from glissile.gan.latent import latents
from glissile.gan.look import StillNoise
from glissile.gan.microstructure import SMOOTHING_PX, Microstructure, measure, threshold_of
from glissile.gan.pixels import as_pixels
from glissile.gan.sliders.model import LOGARITHMIC, SLIDING, Floats, Scale, Slider, Sliders
from glissile.io.generator_card import GeneratorCard, GeneratorShape
from glissile.progress import Step, Steps

_RANGE_PERCENT = (1, 99)
_FOLDS = 5
_ROUNDING = 1e-9
_LEAST_SAMPLES = 50
_PENALTIES = np.logspace(-6, 3, 28)  # in mean squares of the features
_OUTLIER = 5.0  # robust standard deviations that a measured value counts as at most
# Images that the threshold is found from.
_POOLED = 128
_PIXELS_AT_ONCE = 1 << 21
_MOST_AT_ONCE = 16


class Makes(Protocol):
    """What makes images from latent vectors, such as `glissile.gan.sampler.Sampler`."""

    @property
    def card(self) -> GeneratorCard:
        """What the generator is."""

    @property
    def shape(self) -> GeneratorShape:
        """Shape of its networks."""

    def map(
        self,
        z: NDArray[np.floating[Any]],
        labels: NDArray[np.integer[Any]] | None = None,
        *,
        psi: float = 1.0,
    ) -> NDArray[np.float32]:
        """Map z (n, z_dim) and classes (n,) to ws (n, num_ws, w_dim)."""

    def images(self, ws: NDArray[np.floating[Any]], *, noise: StillNoise = "const") -> NDArray[np.float32]:
        """Make images (n, channels, y, x) of ws (n, num_ws, w_dim)."""


def fit_sliders(
    sampler: Makes,
    *,
    samples: int = 2000,
    seed: int = 0,
    psi: float = 1.0,
    labels: Sequence[int] | None = None,
    threshold: float | None = None,
    smoothing_px: float = SMOOTHING_PX,
    noise: StillNoise = "const",
) -> Steps[Sliders]:
    """Make many images, measure them, and regress the measures on w.

    Parameters
    ----------
    sampler : Makes
        The generator.
    samples : int
        Images to make, at least 50.
    seed : int
        The first seed; the others follow.
    psi : float
        Truncation.
    labels : sequence of int, optional
        Classes of conditional generators, taken in turn; all where it is None.
    threshold : float, optional
        Between the phases; found from the first 128 images where it is None.
    smoothing_px : float
        As of `glissile.gan.microstructure.measure`.
    noise : {"const", "none"}
        As of `glissile.gan.sampler.Sampler.images`.

    Yields
    ------
    Step
        `preview` is an image that was just measured; those of the last step tell R^2 by measure.

    Returns
    -------
    Sliders

    Raises
    ------
    InputError
        If there are too few samples, or too few images show both phases.
    """
    if samples < _LEAST_SAMPLES:
        raise InputError(f"{samples} samples are too few for a regression; take {_LEAST_SAMPLES} or more")
    w = np.empty((samples, sampler.shape.w_dim))
    found: list[Microstructure] = []
    waiting: list[NDArray[np.uint8]] = []
    nm_per_pixel = sampler.card.nm_per_pixel
    yield Step(0, samples, f"Making {samples} images to measure")
    for first, ws, made in _batches(sampler, samples, seed, psi, labels, noise):
        w[first : first + len(ws)] = ws.mean(axis=1)
        waiting += list(made)
        done = first + len(ws)
        if threshold is None and done >= min(_POOLED, samples):
            threshold = threshold_of(waiting, smoothing_px=smoothing_px)
        if threshold is not None:
            found += [
                measure(image, threshold=threshold, nm_per_pixel=nm_per_pixel, smoothing_px=smoothing_px)
                for image in waiting
            ]
            waiting = []
        yield Step(done, samples, f"Measuring, image {done} of {samples}", preview=made[-1])
    assert threshold is not None
    values = np.array([[getattr(one, each.name) for each in SLIDING] for one in found], np.float64)
    whole = np.isfinite(values).all(axis=1)
    if np.count_nonzero(whole) < max(_LEAST_SAMPLES, samples / 2):
        raise InputError(
            f"Only {np.count_nonzero(whole)} of {samples} images show both phases at a threshold of "
            f"{threshold:.0f}; give another threshold"
        )
    yield Step(samples, samples, "Fitting the sliders")
    sliders = yield from _fitted(w[whole], values[whole], seed, samples)
    yield Step(samples, samples, "Sliders fitted", metrics={one.name: one.r2 for one in sliders})
    return Sliders(
        weights_sha256=sampler.card.weights_sha256,
        samples=samples,
        measured=int(np.count_nonzero(whole)),
        seed=seed,
        psi=psi,
        noise=noise,
        threshold=threshold,
        smoothing_px=smoothing_px,
        nm_per_pixel=nm_per_pixel,
        w_mean=tuple(w[whole].mean(axis=0)),
        sliders=tuple(sliders),
    )


def _batches(
    sampler: Makes,
    samples: int,
    seed: int,
    psi: float,
    labels: Sequence[int] | None,
    noise: StillNoise,
) -> Iterator[tuple[int, NDArray[np.float32], NDArray[np.uint8]]]:
    """Yield the number of the first image, ws (k, num_ws, w_dim) and pixels (k, y, x) or (k, y, x, 3)."""
    shape = sampler.shape
    size = max(1, min(_MOST_AT_ONCE, _PIXELS_AT_ONCE // shape.resolution**2))
    classes = None
    if shape.c_dim:
        classes = np.resize(np.arange(shape.c_dim) if labels is None else np.asarray(labels), samples)
    for first in range(0, samples, size):
        last = min(first + size, samples)
        z = latents(range(seed + first, seed + last), shape.z_dim)
        ws = sampler.map(z, None if classes is None else classes[first:last], psi=psi)
        yield first, ws, as_pixels(sampler.images(ws, noise=noise))


def _fitted(w: Floats, values: Floats, seed: int, total: int) -> Steps[list[Slider]]:
    """Regress values (n, measures), or their logarithms, on w (n, w_dim), and find out how good that is."""
    low, high = np.percentile(values, _RANGE_PERCENT, axis=0)
    scales: list[Scale] = ["logarithmic" if one.name in LOGARITHMIC else "linear" for one in SLIDING]
    as_log = np.array([scale == "logarithmic" for scale in scales])
    values = values.copy()
    values[:, as_log] = np.log(values[:, as_log])
    unseen = np.empty_like(values)
    folds = np.array_split(np.random.default_rng(seed).permutation(len(w)), _FOLDS)
    for number, fold in enumerate(folds):
        rest = np.setdiff1d(np.arange(len(w)), fold)
        gradients, means, centre = _ridge(w[rest], values[rest])
        unseen[fold] = means + (w[fold] - centre) @ gradients
        yield Step(total, total, f"Fitting the sliders, fold {number + 1} of {_FOLDS}")
    gradients, means, centre = _ridge(w, values)
    along = (w - centre).T @ ((w - centre) @ gradients) / (len(w) - 1)
    wrong = np.mean((values - unseen) ** 2, axis=0)
    spread = values.var(axis=0)
    # What rounding alone changes does not change.
    varies = spread > (_ROUNDING * np.maximum(np.abs(values).max(axis=0), 1)) ** 2
    shown = np.where(as_log, np.exp(means), means)
    return [
        Slider(
            name=one.name,
            scale=scales[i],
            r2=float(1 - wrong[i] / spread[i]) if varies[i] else 0.0,
            error=float(np.sqrt(wrong[i]) * (shown[i] if as_log[i] else 1)),
            low=float(low[i]),
            high=float(high[i]),
            mean=float(shown[i]),
            gradient=tuple(gradients[:, i]),
            along=tuple(along[:, i]),
        )
        for i, one in enumerate(SLIDING)
    ]


def _ridge(w: Floats, values: Floats) -> tuple[Floats, Floats, Floats]:
    """Ridge regression of each column, with the penalty that leaving one out finds best for it.

    Returns
    -------
    tuple of ndarray
        Gradients (w_dim, measures); predictions at the mean of w (measures,); that mean (w_dim,).
    """
    middle = np.median(values, axis=0)
    scale = 1.4826 * np.median(np.abs(values - middle), axis=0)
    # More than half of the values may be one and the same.
    scale = np.where(scale > 0, scale, np.maximum(values.std(axis=0), np.finfo(float).tiny))
    y = np.clip((values - middle) / scale, -_OUTLIER, _OUTLIER)
    level, centre = y.mean(axis=0), w.mean(axis=0)
    left, singular, right = np.linalg.svd(w - centre, full_matrices=False)
    projected = left.T @ (y - level)
    best = np.full(y.shape[1], np.inf)
    gradients = np.zeros((w.shape[1], y.shape[1]))
    for penalty in _PENALTIES * max(float(np.mean(singular**2)), np.finfo(float).tiny):
        shrunk = singular**2 / (singular**2 + penalty)
        leverage = 1 / len(w) + (left**2) @ shrunk
        residual = y - level - left @ (shrunk[:, None] * projected)
        # Cut off where a sample is fitted by itself alone, whatever it is.
        loss = np.mean((residual / np.maximum(1 - leverage, 1e-6)[:, None]) ** 2, axis=0)
        better = loss < best
        best[better] = loss[better]
        slopes = right.T @ ((singular / (singular**2 + penalty))[:, None] * projected)
        gradients[:, better] = slopes[:, better]
    return gradients * scale, middle + level * scale, centre
