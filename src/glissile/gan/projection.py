"""A micrograph -> the latent vectors by which a generator comes closest to it.

After Abdal et al. 2019 (arXiv 1904.03189) and Karras et al. 2020 (1912.04958, appendix D), with two changes.
w is sought in units of its own spread, along the principal components of 10 000 random ones, so that all
directions are equally far. And the descent by Adam, with noise on w to leave poor starts, is only the
beginning: L-BFGS, for which there are few enough numbers, then settles into the minimum.
"""

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor
from torch.func import functional_call

from glissile import device as devices
from glissile.errors import InputError
from glissile.gan.features import Distance, Measure, texture_distance
from glissile.gan.networks import Generator
from glissile.gan.noise_maps import noise_correlation, standardise
from glissile.gan.pixels import as_pixels
from glissile.gan.spread import SAMPLES, spread_of_w
from glissile.gan.target import as_target
from glissile.progress import Step, Steps, Ticks

# Images that are made at once.
_MOST_AT_ONCE = 32
_PIXELS_AT_ONCE = 2**21
# Shares of the steps: of noise; of what is left, of freed layers; of what is left, of the search.
_NOISE, _FREE, _SEARCH = 0.3, 0.4, 0.2
# Shares of a descent: the learning rate rises, the noise on w is there, the learning rate falls.
_RISE, _W_NOISY, _FALL = 0.05, 0.75, 0.25
_ADAM = (0.9, 0.99)
_LOOKS_AT_ONCE = 5  # of L-BFGS, between two steps
_HISTORY = 20
# Vectors that have settled move less than the noise that is fitted beside them.
_V_SCALE = 0.1
# What it costs that noise is as correlated as white noise is by chance.
_NOISE_WEIGHT = 0.01


class ProjectionSettings(BaseModel):
    """How the latent vectors of an image are sought."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    space: Literal["w", "w+"] = Field(
        "w",
        title="Space",
        description="w: one vector for all layers, which stays among what the generator has learned; "
        "w+: then one for each layer, which comes closer",
    )
    steps: int = Field(
        200, ge=10, le=100_000, title="Steps", description="Looks at the image of a vector, in all"
    )
    samples: int = Field(
        200,
        ge=0,
        le=SAMPLES,
        title="Samples",
        description="Random images among which starts are chosen, beside that of the mean of w",
    )
    starts: int = Field(
        4, ge=1, le=64, title="Starts", description="How many of these images are followed at first"
    )
    learning_rate: float = Field(
        0.2,
        gt=0,
        le=10,
        title="Learning rate",
        description="Largest step of the search, in standard deviations of w",
        json_schema_extra={"advanced": True},
    )
    w_noise: float = Field(
        0.05,
        ge=0,
        le=1,
        title="Noise on w",
        description="At the beginning of the search, in standard deviations of w",
        json_schema_extra={"advanced": True},
    )
    closeness: float = Field(
        0.02,
        ge=0,
        le=100,
        title="Closeness of layers",
        description="What it costs, beside the distance, that the vectors of w+ differ by one standard "
        "deviation; low values come closer to the image, high ones stay better to edit",
        json_schema_extra={"advanced": True},
    )
    noise: Literal["const", "none", "optimised"] = Field(
        "const",
        title="Noise",
        description="const: as the generator has it; none; optimised: fitted to the image in the end, "
        "which shows grain that no vector shows",
    )
    seed: int = Field(0, ge=0, le=2**31 - 1, title="Seed", description="Start of all random numbers")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(
        "auto", title="Device", description="auto takes the graphics card where there is one"
    )


@dataclass(frozen=True)
class Stop:
    """Sent to a projection: end here, with the best so far."""


@dataclass(frozen=True, eq=False)
class Projection:
    """What a projection found.

    Attributes
    ----------
    ws : ndarray of float32, shape (num_ws, w_dim)
        One w for each layer.
    image : ndarray of float32, shape (channels, y, x)
        That the generator makes of it, with `noise` where there are maps.
    target : ndarray of float32, shape (channels, y, x)
        What it was compared with, see `glissile.gan.target.as_target`.
    noise : mapping of str to ndarray of float32, shape (y, x)
        Noise maps by the name of the tensor that they stand for; empty where they were not optimised.
    distances : mapping of str to float
        `distance` reached, `of_mean`, that of the mean of w, and `of_best_sample`, where there were samples;
        all by what was minimised. Of grey values: `rms`, from -1 to 1, and `psnr_db`, for the range of 2. In
        standard deviations: `from_mean`, of w from its mean (about 1 for random ones), and `between_layers`.
    """

    ws: NDArray[np.float32]
    image: NDArray[np.float32]
    target: NDArray[np.float32]
    noise: Mapping[str, NDArray[np.float32]]
    distances: Mapping[str, float]

    @property
    def residual(self) -> NDArray[np.float32]:
        """Target minus image, shape (channels, y, x)."""
        return self.target - self.image


def project(
    generator: Generator,
    image: NDArray[Any],
    settings: ProjectionSettings | None = None,
    *,
    distance: Distance = texture_distance,
    label: int | None = None,
) -> Steps[Projection]:
    """Seek the latent vectors by which a generator comes closest to an image.

    From the best of the mean of w and some random samples, w is sought by Adam, with a learning rate that
    rises and falls and noise on w that fades. The best two go on by L-BFGS, then the better of them. For w+
    its layers are then freed, at a price for how far they are from one another. Noise maps are optimised
    last, with the vectors, by Adam, kept at a mean of 0 and a variance of 1 and free of correlation. What is
    returned is the best that was seen. On the CPU, equal seeds give equal results.

    Parameters
    ----------
    generator : Generator
        With its weights; is not changed.
    image : ndarray, shape (y, x), (y, x, 3) or (y, x, 4)
        Grey or RGB, any integer or floating-point type and size; `as_target` says what becomes of it.
    settings : ProjectionSettings, optional
        How to seek.
    distance : Distance
        What is minimised; `glissile.gan.features.Lpips.read(path)` for LPIPS.
    label : int, optional
        Class whose w is sampled, for conditional generators; None for all classes.

    Yields
    ------
    Step
        Counts samples looked at, in batches, and steps. It has the metric `distance`, the smallest so far,
        and the image of it as preview, uint8 (y, x) or (y, x, 3). Understands `Stop` sent to it.

    Returns
    -------
    Projection

    Raises
    ------
    InputError
        If the image is none, the class does not exist, the device does not work, or a distance is not finite.
    """
    settings = settings or ProjectionSettings()
    shape = generator.shape
    if label is not None and not 0 <= label < shape.c_dim:
        raise InputError(f"The generator has no class {label}; it has {shape.c_dim}, counted from 0")
    target = as_target(image, shape)
    where = devices.choose(settings.device)
    search = _Search(copy.deepcopy(generator).to(where).eval(), target, settings, distance, label)
    for _ in search.run():
        order = yield search.step()
        if isinstance(order, Stop):
            break
    return search.found()


@dataclass(eq=False)
class _Best:
    """The best that was seen.

    Attributes
    ----------
    cost, distance : float
        With and without the price of freed layers.
    v : Tensor, shape (1 or num_ws, w_dim)
        Coordinates.
    image : Tensor, shape (channels, y, x)
        Of them.
    maps : dict of str to Tensor
        Noise maps that belong to them.
    """

    cost: float
    distance: float
    v: Tensor
    image: Tensor
    maps: dict[str, Tensor]


class _Search:
    """One projection on its way.

    Parameters
    ----------
    generator : Generator
        Own, on its device.
    target : ndarray of float32, shape (channels, y, x)
        What is sought.
    settings : ProjectionSettings
        How.
    distance : Distance
        What is minimised.
    label : int, optional
        Class.
    """

    def __init__(
        self,
        generator: Generator,
        target: NDArray[np.float32],
        settings: ProjectionSettings,
        distance: Distance,
        label: int | None,
    ) -> None:
        self._generator = generator.requires_grad_(requires_grad=False)
        self._target, self._settings = target, settings
        self._spread = spread_of_w(generator, label)
        self._measure: Measure = distance(torch.from_numpy(target).to(self._spread.mean.device))
        # torch's own random numbers belong to all, and are left alone.
        self._random = torch.Generator().manual_seed(settings.seed)
        self._at_once = max(1, min(_MOST_AT_ONCE, _PIXELS_AT_ONCE // generator.shape.resolution**2))
        self._looks = math.ceil((1 + settings.samples) / self._at_once)
        self._done, self._doing = 0, "Looking at samples"
        self._maps: dict[str, Tensor] = {}
        self._best: _Best | None = None
        self._distances: dict[str, float] = {}

    def run(self) -> Ticks[None]:
        """Do all the work; what was found so far is there wherever this yields."""
        settings, shape = self._settings, self._generator.shape
        noise = round(settings.steps * _NOISE) if settings.noise == "optimised" and shape.noise else 0
        free = round((settings.steps - noise) * _FREE) if settings.space == "w+" else 0
        search = round((settings.steps - noise - free) * _SEARCH)
        starts = yield from self._starts()
        self._doing = "Searching"
        left = yield from self._descend(starts, search)
        self._doing = "Settling"
        settle = settings.steps - noise - free - search
        if len(left) > 1:
            one = yield from self._settle(left[0], settle // 4)
            other = yield from self._settle(left[1], settle // 4)
            left, settle = min(one, other, key=lambda end: end.cost).v[None], settle - 2 * (settle // 4)
        yield from self._settle(left[0], settle)
        if free:
            self._doing = "Freeing the layers"
            yield from self._settle(self.best.v.repeat(shape.num_ws, 1), free)
        if noise:
            self._doing = "Fitting noise"
            yield from self._fit_noise(noise)

    @property
    def best(self) -> _Best:
        """The best so far."""
        assert self._best is not None  # the first look is before the first step
        return self._best

    def step(self) -> Step:
        """Tell where it stands."""
        total = self._looks + self._settings.steps
        return Step(
            index=min(self._done, total),
            total=total,
            message=self._doing,
            metrics={"distance": self.best.distance},
            preview=as_pixels(self.best.image[None].cpu().numpy())[0],
        )

    def found(self) -> Projection:
        """Give the best so far."""
        best = self.best
        ws = self._spread.w_of(best.v).expand(self._generator.shape.num_ws, -1)
        image = best.image.cpu().numpy()
        rms = float(np.sqrt(np.mean((image - self._target) ** 2, dtype=np.float64)))
        mean = best.v.mean(dim=0)
        return Projection(
            ws=ws.cpu().numpy().copy(),
            image=image,
            target=self._target,
            noise={name: one.cpu().numpy() for name, one in best.maps.items()},
            distances={
                **self._distances,
                "distance": best.distance,
                "rms": rms,
                "psnr_db": 20 * math.log10(2 / rms) if rms else math.inf,
                "from_mean": float(mean.square().mean().sqrt()),
                "between_layers": float((best.v - mean).square().mean().sqrt()),
            },
        )

    @torch.no_grad()
    def _starts(self) -> Ticks[Tensor]:
        """Choose starts (n, 1, w_dim): the best of the mean and some samples."""
        settings, spread = self._settings, self._spread
        chosen = np.random.RandomState(settings.seed).permutation(SAMPLES)[: settings.samples]
        w = torch.cat([spread.mean[None], spread.samples[torch.from_numpy(chosen).to(spread.mean.device)]])
        v, costs = spread.coordinates_of(w)[:, None], []
        for first in range(0, len(v), self._at_once):
            costs.append(self._costs(v[first : first + self._at_once])[0])
            self._done += 1
            yield
        ranked = torch.cat(costs)
        self._distances["of_mean"] = float(ranked[0])
        if settings.samples:
            self._distances["of_best_sample"] = float(ranked[1:].min())
        starts: Tensor = v[ranked.argsort(stable=True)[: settings.starts]]
        return starts

    def _descend(self, starts: Tensor, steps: int) -> Ticks[Tensor]:
        """Descend by Adam from all starts (n, 1, w_dim), with noise; give the best two, or the one."""
        v = starts.clone().requires_grad_()
        optimiser = torch.optim.Adam([v], lr=self._settings.learning_rate, betas=_ADAM)
        least, reached = torch.full((len(v),), math.inf), starts.clone()
        for i in range(steps):
            self._set_rate(optimiser, i / steps, 1 / steps)
            fade = max(0, 1 - i / steps / _W_NOISY) ** 2
            drawn = torch.randn(v.shape, generator=self._random).to(v.device)
            noise = drawn * (self._settings.w_noise * fade)
            optimiser.zero_grad()
            for first in range(0, len(v), self._at_once):
                part = slice(first, first + self._at_once)
                costs, _ = self._costs(v[part] + noise[part])
                costs.sum().backward()  # type: ignore[no-untyped-call]
                for j, cost in enumerate(costs.tolist(), first):
                    if cost < least[j]:
                        least[j], reached[j] = cost, (v[j] + noise[j]).detach()
            optimiser.step()
            self._done += 1
            yield
        return reached[least.argsort(stable=True)[:2].to(reached.device)]

    def _settle(self, start: Tensor, looks: int) -> Ticks[_Best]:
        """Descend by L-BFGS from one start (1 or num_ws, w_dim); give the best on the way."""
        v = start.clone().requires_grad_()
        optimiser = torch.optim.LBFGS(
            [v],
            max_iter=_LOOKS_AT_ONCE,
            max_eval=_LOOKS_AT_ONCE,
            tolerance_grad=0,
            tolerance_change=0,
            history_size=_HISTORY,
            line_search_fn="strong_wolfe",
        )
        seen: list[_Best] = []

        def cost_there() -> float:
            optimiser.zero_grad()
            costs, here = self._costs(v[None])
            costs.backward()  # type: ignore[no-untyped-call]
            if not seen or here.cost < seen[0].cost:
                seen[:] = [here]
            self._done += 1
            return here.cost

        end = self._done + max(1, looks)
        while self._done < end:
            optimiser.step(cost_there)  # type: ignore[no-untyped-call]
            yield
        return seen[0]

    def _fit_noise(self, steps: int) -> Ticks[None]:
        """Fit noise maps, and the vectors with them, by Adam."""
        synthesis = self._generator.synthesis
        names = [name for name, _ in synthesis.named_buffers() if name.endswith("noise_const")]
        self._maps = {name: synthesis.get_buffer(name).clone().requires_grad_() for name in names}
        standardise(self._maps.values())
        v = self.best.v.clone().requires_grad_()
        groups: list[dict[str, Any]] = [
            {"params": [v], "scale": _V_SCALE},
            {"params": list(self._maps.values())},
        ]
        optimiser = torch.optim.Adam(groups, lr=self._settings.learning_rate, betas=_ADAM)
        for i in range(steps):
            self._set_rate(optimiser, i / steps, 1 / steps)
            optimiser.zero_grad()
            costs, _ = self._costs(v[None])
            (costs.sum() + _NOISE_WEIGHT * noise_correlation(self._maps.values())).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            standardise(self._maps.values())
            self._done += 1
            yield

    def _set_rate(self, optimiser: torch.optim.Optimizer, at: float, step: float) -> None:
        """Let the learning rate rise and fall; `at` goes from 0 to 1 in steps of `step`."""
        fall = 0.5 - 0.5 * math.cos(math.pi * min(1, (1 - at) / _FALL))
        rate = self._settings.learning_rate * fall * min(1, (at + step) / _RISE)
        for group in optimiser.param_groups:
            group["lr"] = rate * group.get("scale", 1)

    def _costs(self, v: Tensor) -> tuple[Tensor, _Best]:
        """Costs (n,) of coordinates (n, 1 or num_ws, w_dim), and the best of them, which is kept in mind."""
        images = self._images(self._spread.w_of(v).expand(-1, self._generator.shape.num_ws, -1))
        distances = self._measure(images)
        between = (v - v.mean(dim=1, keepdim=True)).square().mean(dim=(1, 2))
        costs = distances + self._settings.closeness * between
        values: list[float] = costs.tolist()
        if not all(math.isfinite(value) for value in values):
            raise InputError(
                f"The distance is not finite in step {self._done} of the projection; choose a lower learning "
                "rate, or get the file of the generator again"
            )
        i = values.index(min(values))
        maps = {name: one.detach().clone() for name, one in self._maps.items()}
        here = _Best(values[i], distances[i].item(), v[i].detach().clone(), images[i].detach(), maps)
        if self._best is None or here.cost < self._best.cost:
            self._best = here
        return costs, here

    def _images(self, ws: Tensor) -> Tensor:
        """Images (n, channels, y, x) of ws (n, num_ws, w_dim)."""
        synthesis = self._generator.synthesis
        images: Tensor
        if self._maps:
            images = functional_call(synthesis, self._maps, (ws,))
        else:
            images = synthesis(ws, "none" if self._settings.noise == "none" else "const")
        return images
