"""Sliders that change the measured microstructure of generated images: a step towards inverse design.

Many images are made and measured, and each measure is regressed on the latent vector w by ridge regression.
How far its prediction can be trusted is told by R^2 on images that the regression did not see: five folds,
with the penalty chosen anew in each from its own images, by leaving one out.

A measure rises fastest along the gradient beta of its prediction, but the vectors w of a generator lie in a
flat cloud, which a step along beta soon leaves. Of all steps that reach the wanted values, the one is taken
that is shortest in the metric of that cloud, delta = S B (B^T S B)^-1 d, where S is the covariance of w, B
holds the gradients of all measures that are set or held, and d is what they have to change by (0 where held).
It is the most likely of them for normally distributed w. A step without held measures takes along what goes
with the measure in the training images; holding others takes that out.

References
----------
.. [1] A. E. Hoerl and R. W. Kennard, Technometrics 12 (1970) 55: ridge regression.
.. [2] G. Lambard et al., Scientific Reports 13 (2023) 566: StyleGAN2 on micrographs of dual-phase steel, with
   inverse design as the open step.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from glissile.atomic import write_text
from glissile.errors import InputError
from glissile.gan.json_text import parsed
from glissile.gan.latent import LARGEST_SEED, latents
from glissile.gan.microstructure import (
    MEASURES,
    SMOOTHING_PX,
    Measure,
    Microstructure,
    measure,
    threshold_of,
)
from glissile.gan.pixels import as_pixels
from glissile.gan.points import Vector
from glissile.io.generator_card import GeneratorCard, GeneratorShape
from glissile.progress import Step, Steps

Floats = NDArray[np.float64]
Trust = Literal["reliable", "rough", "no use"]

SCHEMA_VERSION = 1
RELIABLE_R2 = 0.7
ROUGH_R2 = 0.25
_RANGE_PERCENT = (1, 99)
_FOLDS = 5
_LEAST_SAMPLES = 50
_PENALTIES = np.logspace(-6, 3, 28)  # in mean squares of the features
_OUTLIER = 5.0  # robust standard deviations that a measured value counts as at most
# Images that the threshold is found from.
_POOLED = 128
_PIXELS_AT_ONCE = 1 << 21
_MOST_AT_ONCE = 16
# Below this eigenvalue of their correlation, measures cannot be set apart: changing one by its own spread
# while the others stay would take up to 1 / sqrt(0.04) = 5 standard deviations of w.
_LEAST_APART = 0.04
_MOST_BYTES = 16 << 20
# A direction of the elongation jumps from 180 to 0 degrees; its two components take its place.
SLIDING = tuple(one for one in MEASURES if one.dimension != "angle")
_BY_NAME = {one.name: one for one in SLIDING}


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

    def images(
        self, ws: NDArray[np.floating[Any]], *, noise: Literal["const", "none"] = "const"
    ) -> NDArray[np.float32]:
        """Make images (n, channels, y, x) of ws (n, num_ws, w_dim)."""


class Slider(BaseModel):
    """One measure as a linear function of w.

    Attributes
    ----------
    name : str
        Of the measure.
    r2 : float
        Share of its variance that is predicted on images that the regression did not see; below 0 where the
        mean would predict better.
    error : float
        Root mean square of what the prediction is wrong by on such images, in the unit of the measure.
    low, high : float
        1st and 99th percentile of the samples.
    mean : float
        Predicted at the mean of the samples.
    gradient : tuple of float, shape (w_dim,)
        Change of the prediction per unit of w.
    along : tuple of float, shape (w_dim,)
        Covariance of w times the gradient: the likeliest way to change the measure.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str
    r2: float = Field(le=1)
    error: float = Field(ge=0)
    low: float
    high: float
    mean: float
    gradient: Vector
    along: Vector

    @field_validator("name")
    @classmethod
    def _is_known(cls, name: str) -> str:
        if name not in _BY_NAME:
            raise ValueError(f"there is no measure {name[:50]!r}")
        return name

    @property
    def measure(self) -> Measure:
        """What is measured: title, symbol, unit, reference."""
        return _BY_NAME[self.name]

    @property
    def trust(self) -> Trust:
        """In words what its R^2 means: from 0.7 on reliable, from 0.25 on rough, else no use."""
        if self.r2 >= RELIABLE_R2:
            return "reliable"
        return "rough" if self.r2 >= ROUGH_R2 else "no use"


class Sliders(BaseModel):
    """Measures of the images of one generator, as linear functions of w.

    Attributes
    ----------
    weights_sha256 : str
        Of the generator, as on its card.
    samples, seed : int
        Images that were made, from the seeds `seed`, `seed` + 1, ...
    measured : int
        Of these, those in which all measures have a meaning.
    psi : float
        Truncation of the samples.
    threshold, smoothing_px : float
        As of `glissile.gan.microstructure.measure`.
    nm_per_pixel : float, optional
        What lengths were computed with.
    w_mean : tuple of float, shape (w_dim,)
        Mean of the samples.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    schema_version: int = Field(SCHEMA_VERSION, ge=1, le=SCHEMA_VERSION)
    weights_sha256: str = Field(max_length=64)
    samples: int = Field(ge=1)
    measured: int = Field(ge=1)
    seed: int = Field(ge=0, le=LARGEST_SEED)
    psi: float = Field(1.0, ge=-100, le=100)
    threshold: float
    smoothing_px: float = Field(SMOOTHING_PX, ge=0, le=100)
    nm_per_pixel: float | None = Field(None, ge=1e-2, le=1e6)
    w_mean: Vector
    sliders: tuple[Slider, ...] = Field(max_length=100)

    @model_validator(mode="after")
    def _fits_together(self) -> "Sliders":
        if len({one.name for one in self.sliders}) != len(self.sliders):
            raise ValueError("a measure occurs twice")
        for one in self.sliders:
            if not len(one.gradient) == len(one.along) == len(self.w_mean):
                raise ValueError(f"{one.name} does not go with a w of {len(self.w_mean)} numbers")
        return self

    def slider(self, name: str) -> Slider:
        """Look up the slider of a measure.

        Raises
        ------
        InputError
            If there is none.
        """
        return self.sliders[self._index(name)]

    def unit(self, name: str) -> str:
        """Give the unit of a measure; "" for plain numbers."""
        return self.slider(name).measure.unit(self.nm_per_pixel)

    def measured_in(self, image: NDArray[Any]) -> Microstructure:
        """Measure an image (y, x) or (y, x, 3) as the samples were measured."""
        return measure(
            image,
            threshold=self.threshold,
            nm_per_pixel=self.nm_per_pixel,
            smoothing_px=self.smoothing_px,
        )

    def predict(self, ws: NDArray[np.floating[Any]]) -> dict[str, Floats]:
        """Predict the measures of images that are not made yet.

        Parameters
        ----------
        ws : ndarray of float, shape (..., num_ws, w_dim)
            One w for each layer; where they differ, their mean counts.

        Returns
        -------
        dict of str to ndarray, shape (...)
            By the name of the measure.
        """
        values = self._predicted(ws)
        return {one.name: values[..., i] for i, one in enumerate(self.sliders)}

    def direction(self, name: str, hold: Collection[str] = ()) -> NDArray[np.float32]:
        """Give the step of w that raises a measure by one unit.

        Parameters
        ----------
        name : str
            The measure.
        hold : collection of str
            Measures whose prediction stays as it is.

        Returns
        -------
        ndarray of float32, shape (w_dim,)
            To be added to the w of every layer.

        Raises
        ------
        InputError
            As of `moved`.
        """
        held = [other for other in hold if other != name]
        wanted = np.zeros(1 + len(held))
        wanted[0] = 1
        return self._step([name, *held], wanted).astype(np.float32)

    def moved(
        self, ws: NDArray[np.floating[Any]], targets: Mapping[str, float], hold: Collection[str] = ()
    ) -> NDArray[np.float32]:
        """Change w so that its predicted measures are the wanted ones, by the likeliest step that does so.

        Parameters
        ----------
        ws : ndarray of float, shape (..., num_ws, w_dim)
            Where to begin.
        targets : mapping of str to float
            Wanted values by measure.
        hold : collection of str
            Measures whose prediction stays as it is; those with a target are not held.

        Returns
        -------
        ndarray of float32, shape (..., num_ws, w_dim)
            The same step is added to all layers.

        Raises
        ------
        InputError
            If a measure is unknown or of no use, or those that are set or held cannot be set apart.
        """
        names, wanted = self._wanted(ws, targets, hold)
        moved: NDArray[np.float32] = (ws + self._step(names, wanted)[..., None, :]).astype(np.float32)
        return moved

    def effort(
        self, ws: NDArray[np.floating[Any]], targets: Mapping[str, float], hold: Collection[str] = ()
    ) -> Floats:
        """Tell how far `moved` has to go, in standard deviations of w; beyond about 4 images get strange.

        Parameters
        ----------
        ws, targets, hold
            As of `moved`.

        Returns
        -------
        ndarray, shape (...)
        """
        names, wanted = self._wanted(ws, targets, hold)
        squares = np.sum(self._weights(names, wanted) * wanted, axis=-1)
        return np.asarray(np.sqrt(np.maximum(squares, 0)))

    def holdable(self, name: str) -> tuple[str, ...]:
        """List measures that can be held all together while `name` changes, the best predicted ones first.

        Raises
        ------
        InputError
            If there is no such measure.
        """
        held = [name]
        self._index(name)
        for other in sorted(self.sliders, key=lambda one: -one.r2):
            if other.name == name or other.trust == "no use":
                continue
            if self._apart([*held, other.name]) >= _LEAST_APART:
                held.append(other.name)
        return tuple(held[1:])

    @property
    def _gradients(self) -> Floats:
        return np.array([one.gradient for one in self.sliders]).reshape(-1, len(self.w_mean))

    @property
    def _along(self) -> Floats:
        return np.array([one.along for one in self.sliders]).reshape(-1, len(self.w_mean))

    @property
    def _covariance(self) -> Floats:
        """Of the predicted measures over the samples, shape (measures, measures)."""
        product = self._gradients @ self._along.T
        return (product + product.T) / 2

    def _index(self, name: str) -> int:
        for i, one in enumerate(self.sliders):
            if one.name == name:
                return i
        known = ", ".join(one.name for one in self.sliders)
        raise InputError(f"There is no slider for {name[:50]!r}; choose one of {known}")

    def _predicted(self, ws: NDArray[np.floating[Any]]) -> Floats:
        w = np.asarray(ws, np.float64).mean(axis=-2)
        means = np.array([one.mean for one in self.sliders])
        return np.asarray(means + (w - np.array(self.w_mean)) @ self._gradients.T)

    def _wanted(
        self, ws: NDArray[np.floating[Any]], targets: Mapping[str, float], hold: Collection[str]
    ) -> tuple[list[str], Floats]:
        """Name the measures that matter, and what the prediction of each has to change by, shape (..., k)."""
        names = [*targets, *(name for name in hold if name not in targets)]
        values = np.array(list(targets.values()), np.float64)
        if not np.isfinite(values).all():
            raise InputError("A target is no finite number; give values within the range of the slider")
        present = self._predicted(ws)[..., [self._index(name) for name in targets]]
        held = np.zeros((*present.shape[:-1], len(names) - len(targets)))
        return names, np.concatenate([values - present, held], axis=-1)

    def _weights(self, names: list[str], wanted: Floats) -> Floats:
        """Solve for how much of the way along each measure is to be gone, shape (..., k)."""
        for name in names:
            slider = self.slider(name)
            if slider.trust == "no use":
                raise InputError(
                    f"{slider.measure.title} cannot be set or held: only {max(slider.r2, 0):.0%} of its "
                    "variance is predicted from w in this generator; choose another measure"
                )
        if self._apart(names) < _LEAST_APART:
            titles = ", ".join(self.slider(name).measure.title for name in names)
            raise InputError(
                f"{titles}: these change together in this generator and cannot be set apart; set or hold "
                "fewer of them"
            )
        chosen = [self._index(name) for name in names]
        inverse = np.linalg.inv(self._covariance[np.ix_(chosen, chosen)])
        return np.asarray(wanted @ inverse)

    def _step(self, names: list[str], wanted: Floats) -> Floats:
        weights = self._weights(names, wanted)
        return np.asarray(weights @ self._along[[self._index(name) for name in names]])

    def _apart(self, names: list[str]) -> float:
        """Smallest eigenvalue of the correlation of predicted measures: 1 where they are independent."""
        chosen = [self._index(name) for name in names]
        covariance = self._covariance[np.ix_(chosen, chosen)]
        spread = np.sqrt(np.diag(covariance))
        if not spread.size or not np.all(spread > 0):
            return 1.0 if not spread.size else 0.0
        return float(np.linalg.eigvalsh(covariance / np.outer(spread, spread))[0])


def fit_sliders(
    sampler: Makes,
    *,
    samples: int = 2000,
    seed: int = 0,
    psi: float = 1.0,
    labels: Sequence[int] | None = None,
    threshold: float | None = None,
    smoothing_px: float = SMOOTHING_PX,
    noise: Literal["const", "none"] = "const",
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
        threshold=threshold,
        smoothing_px=smoothing_px,
        nm_per_pixel=nm_per_pixel,
        w_mean=tuple(w[whole].mean(axis=0)),
        sliders=tuple(sliders),
    )


def sliders_path(network: Path) -> Path:
    """Where the sliders of a generator lie: NETWORK.sliders.json beside it."""
    return network.with_name(f"{network.stem}.sliders.json")


def save_sliders(path: Path, sliders: Sliders) -> None:
    """Write sliders as JSON, atomically."""
    write_text(path, sliders.model_dump_json() + "\n")


def load_sliders(path: Path, card: GeneratorCard) -> Sliders:
    """Read sliders.

    Parameters
    ----------
    path : Path
        As `save_sliders` wrote it.
    card : GeneratorCard
        Of the generator that they are wanted for.

    Returns
    -------
    Sliders

    Raises
    ------
    InputError
        If it cannot be read, is damaged, or belongs to another generator.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise InputError(f"{path}: is larger than {_MOST_BYTES >> 20} MiB; choose a file of sliders")
        text = path.read_text(encoding="utf-8")
    except OSError as problem:
        raise InputError(f"{path}: cannot be read ({problem.strerror}); choose another file") from problem
    except UnicodeDecodeError as problem:
        raise InputError(f"{path}: is no file of sliders; choose another one") from problem
    sliders = parsed(Sliders, text, str(path))
    if sliders.weights_sha256 != card.weights_sha256 or len(sliders.w_mean) != card.shape.w_dim:
        name = f" {card.name}" if card.name else ""
        raise InputError(
            f"{path}: these sliders were fitted to another generator; fit them to the generator{name}"
        )
    return sliders


def _batches(
    sampler: Makes,
    samples: int,
    seed: int,
    psi: float,
    labels: Sequence[int] | None,
    noise: Literal["const", "none"],
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
    """Regress values (n, measures) on w (n, w_dim), and find out how good that is."""
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
    low, high = np.percentile(values, _RANGE_PERCENT, axis=0)
    return [
        Slider(
            name=one.name,
            r2=float(1 - wrong[i] / spread[i]) if spread[i] > 0 else 0.0,
            error=float(np.sqrt(wrong[i])),
            low=float(low[i]),
            high=float(high[i]),
            mean=float(means[i]),
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
