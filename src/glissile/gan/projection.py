"""A micrograph -> the latent vectors by which a generator comes closest to it.

After Abdal et al. 2019 (arXiv 1904.03189) and Karras et al. 2020 (1912.04958, appendix D), with two changes;
see `glissile.gan.projection_search`.
"""

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glissile import device as devices
from glissile.errors import InputError
from glissile.gan.features import Distance, texture_distance
from glissile.gan.networks import Generator
from glissile.gan.projection_search import Search
from glissile.gan.projection_settings import ProjectionSettings
from glissile.gan.target import as_target
from glissile.progress import Steps


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
    search = Search(copy.deepcopy(generator).to(where).eval(), target, settings, distance, label)
    for _ in search.run():
        order = yield search.step()
        if isinstance(order, Stop):
            break
    return _found(search, target)


def _found(search: Search, target: NDArray[np.float32]) -> Projection:
    best = search.best
    image = best.image.cpu().numpy()
    rms = float(np.sqrt(np.mean((image - target) ** 2, dtype=np.float64)))
    mean = best.v.mean(dim=0)
    return Projection(
        ws=search.ws.cpu().numpy().copy(),
        image=image,
        target=target,
        noise={name: one.cpu().numpy() for name, one in best.maps.items()},
        distances={
            **search.distances,
            "distance": best.distance,
            "rms": rms,
            "psnr_db": 20 * math.log10(2 / rms) if rms else math.inf,
            "from_mean": float(mean.square().mean().sqrt()),
            "between_layers": float((best.v - mean).square().mean().sqrt()),
        },
    )
