"""Measures of the images of a generator as functions of w, and the likeliest steps that change them."""

from collections.abc import Collection, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from glissile.errors import InputError
from glissile.gan.latent import LARGEST_SEED
from glissile.gan.look import StillNoise
from glissile.gan.measures import MEASURES, Measure
from glissile.gan.microstructure import SMOOTHING_PX, Microstructure, measure
from glissile.gan.points import Vector

Floats = NDArray[np.float64]
Trust = Literal["reliable", "rough", "no use"]
Scale = Literal["linear", "logarithmic"]

SCHEMA_VERSION = 2  # 1 had no logarithms
RELIABLE_R2 = 0.7
ROUGH_R2 = 0.25
# Below this eigenvalue of their correlation, measures cannot be set apart: changing one by its own spread
# while the others stay would take up to 1 / sqrt(0.04) = 5 standard deviations of w.
_LEAST_APART = 0.04
# A direction of the elongation jumps from 180 to 0 degrees; its two components take its place.
SLIDING = tuple(one for one in MEASURES if one.dimension != "angle")
_BY_NAME = {one.name: one for one in SLIDING}
# Where images show almost one phase only, a mean intercept is as large as it likes.
LOGARITHMIC = frozenset({"island_size", "free_path"})
_MOST_LOG = 700.0


class Slider(BaseModel):
    """One measure as a linear function of w, or the logarithm of one.

    Attributes
    ----------
    name : str
        Of the measure.
    scale : {"linear", "logarithmic"}
        Of what the regression predicts: the measure itself, or its natural logarithm.
    r2 : float
        Share of the variance of that which is predicted on images that the regression did not see; below 0
        where the mean would predict better.
    error : float
        What the prediction is typically wrong by on such images, in the unit of the measure: root mean
        square; on a logarithmic scale that of the logarithms, times `mean`.
    low, high : float
        1st and 99th percentile of the samples, in the unit of the measure.
    mean : float
        Predicted at the mean of the samples, in the unit of the measure.
    gradient : tuple of float, shape (w_dim,)
        Change of the measure, or of its logarithm, per unit of w.
    along : tuple of float, shape (w_dim,)
        Covariance of w times the gradient: the likeliest way to change the measure.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str
    scale: Scale = "linear"
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

    @model_validator(mode="after")
    def _has_logarithms(self) -> "Slider":
        if self.scale == "logarithmic" and not min(self.low, self.mean) > 0:
            raise ValueError(f"{self.name} has no logarithm, as it is not above 0")
        return self

    def fitted(self, values: NDArray[np.floating[Any]]) -> Floats:
        """Give values of the measure as the regression has them: their logarithms, or they themselves."""
        return np.asarray(np.log(values) if self.scale == "logarithmic" else values, np.float64)

    def shown(self, fitted: NDArray[np.floating[Any]]) -> Floats:
        """Invert `fitted`."""
        if self.scale == "logarithmic":
            fitted = np.exp(np.clip(fitted, -_MOST_LOG, _MOST_LOG))
        return np.asarray(fitted, np.float64)

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
    """Measures of the images of one generator, as functions of w.

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
    noise : {"const", "none"}, optional
        Of the samples; None where a file does not say.
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
    noise: StillNoise | None = None
    threshold: float
    smoothing_px: float = Field(SMOOTHING_PX, ge=0, le=100)
    nm_per_pixel: float | None = Field(None, ge=1e-2, le=1e6)
    w_mean: Vector
    sliders: tuple[Slider, ...] = Field(max_length=100)

    @model_validator(mode="after")
    def _fits_together(self) -> "Sliders":
        if len({one.name for one in self.sliders}) != len(self.sliders):
            raise ValueError("a measure occurs twice")
        if self.schema_version == 1 and any(one.scale != "linear" for one in self.sliders):
            raise ValueError("files of version 1 have no logarithmic measure")
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
        return {one.name: one.shown(values[..., i]) for i, one in enumerate(self.sliders)}

    def direction(self, name: str, hold: Collection[str] = ()) -> NDArray[np.float32]:
        """Give the step of w that raises a measure by one unit, or multiplies it by e on a logarithmic scale.

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
        """Predict what is fitted, shape (..., measures)."""
        w = np.asarray(ws, np.float64).mean(axis=-2)
        means = np.array([float(one.fitted(np.array(one.mean))) for one in self.sliders])
        return np.asarray(means + (w - np.array(self.w_mean)) @ self._gradients.T)

    def _wanted(
        self, ws: NDArray[np.floating[Any]], targets: Mapping[str, float], hold: Collection[str]
    ) -> tuple[list[str], Floats]:
        """Name the measures that matter, and what is fitted of each has to change by, shape (..., k)."""
        names = [*targets, *(name for name in hold if name not in targets)]
        values = np.array([self._target(name, value) for name, value in targets.items()], np.float64)
        present = self._predicted(ws)[..., [self._index(name) for name in targets]]
        held = np.zeros((*present.shape[:-1], len(names) - len(targets)))
        return names, np.concatenate([values - present, held], axis=-1)

    def _target(self, name: str, value: float) -> float:
        """Give a wanted value as it is fitted."""
        slider = self.slider(name)
        if not np.isfinite(value):
            raise InputError("A target is no finite number; give values within the range of the slider")
        if slider.scale == "logarithmic" and not value > 0:
            raise InputError(f"{slider.measure.title} of {value:g} is none; give a target above 0")
        return float(slider.fitted(np.array(value)))

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
