"""The search for the latent vectors of an image, in the order in which its parts follow each other.

w is sought in units of its own spread, along the principal components of 10 000 random ones, so that all
directions are equally far. And the descent by Adam, with noise on w to leave poor starts, is only the
beginning: L-BFGS, for which there are few enough numbers, then settles into the minimum.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.func import functional_call

from glissile.errors import InputError
from glissile.gan.features import Distance, Measure
from glissile.gan.networks import Generator
from glissile.gan.noise_maps import noise_correlation, standardise
from glissile.gan.pixels import as_pixels
from glissile.gan.projection_settings import ProjectionSettings
from glissile.gan.spread import SAMPLES, spread_of_w
from glissile.progress import Step, Ticks

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


@dataclass(eq=False)
class Best:
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


class Search:
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

    Attributes
    ----------
    distances : dict of str to float
        `of_mean` and `of_best_sample`, as of `glissile.gan.projection.Projection`, once they are known.
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
        self._settings = settings
        self._spread = spread_of_w(generator, label)
        self._measure: Measure = distance(torch.from_numpy(target).to(self._spread.mean.device))
        # torch's own random numbers belong to all, and are left alone.
        self._random = torch.Generator().manual_seed(settings.seed)
        self._at_once = max(1, min(_MOST_AT_ONCE, _PIXELS_AT_ONCE // generator.shape.resolution**2))
        self._looks = math.ceil((1 + settings.samples) / self._at_once)
        self._done, self._doing = 0, "Looking at samples"
        self._maps: dict[str, Tensor] = {}
        self._best: Best | None = None
        self.distances: dict[str, float] = {}

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
    def best(self) -> Best:
        """The best so far."""
        assert self._best is not None  # the first look is before the first step
        return self._best

    @property
    def ws(self) -> Tensor:
        """Vectors w of the best so far, shape (num_ws, w_dim)."""
        return self._spread.w_of(self.best.v).expand(self._generator.shape.num_ws, -1)

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
        self.distances["of_mean"] = float(ranked[0])
        if settings.samples:
            self.distances["of_best_sample"] = float(ranked[1:].min())
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

    def _settle(self, start: Tensor, looks: int) -> Ticks[Best]:
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
        seen: list[Best] = []

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

    def _costs(self, v: Tensor) -> tuple[Tensor, Best]:
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
        here = Best(values[i], distances[i].item(), v[i].detach().clone(), images[i].detach(), maps)
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
