"""Frames of a walk spaced so that the image changes equally from each to the next."""

import heapq
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from glissile.gan.look import Noise
from glissile.gan.points import Array, Maps
from glissile.gan.route import Route
from glissile.gan.walk import Real, Walk
from glissile.progress import Step, Steps

_SAMPLES = (64, 256)  # images per leg that distances are measured by, fewest and most


class Paints(Maps, Protocol):
    """What makes images, too, such as `glissile.gan.sampler.Sampler`."""

    def images(self, ws: NDArray[np.floating], *, noise: Noise = "const", noise_seed: int = 0) -> Array:
        """Make images (n, channels, y, x) of ws (n, num_ws, w_dim)."""


def measured_distances(
    walk: Walk, sampler: Paints, *, noise: Noise = "const", noise_seed: int = 0
) -> Steps[Real]:
    """Measure how much the image changes along a walk, between images at even positions.

    They are whole images in full precision: what the first blocks of a generator paint may change at another
    pace, and in half precision rounding changes more than a step of the walk.

    Parameters
    ----------
    walk : Walk
        Its own timing does not matter.
    sampler : Paints
        A generator.
    noise : {"const", "none", "random"}
        Of the images that will be shown: where its strength lies in the features, it rules how much they
        change.
    noise_seed : int
        Of random noise.

    Yields
    ------
    Step
        One per image.

    Returns
    -------
    ndarray of float, shape (legs, n)
        Root mean square difference of images from each to the next; `n` is 64 to 256, more where the steps
        are many.

    Raises
    ------
    InputError
        If the walk does not go on this generator.
    """
    route = Route.of(walk, sampler)
    per_leg = int(np.clip(walk.settings.steps_per_leg // 8, *_SAMPLES))
    distances = np.empty(walk.legs * per_leg)
    last = None
    for i in range(len(distances) + 1):
        ws = route.ws_at([i / per_leg])
        image = sampler.images(ws, noise=noise, noise_seed=noise_seed).astype(np.float64)
        if last is not None:
            distances[i - 1] = np.sqrt(((image - last) ** 2).mean())
        last = image
        yield Step(i + 1, len(distances) + 1, f"Measuring image {i + 1} of {len(distances) + 1}")
    return distances.reshape(walk.legs, per_leg)


def retimed(walk: Walk, distances: NDArray[np.floating]) -> Walk:
    """Space the frames of a walk so that the image changes equally from each to the next.

    The number of frames stays, and every key frame stays a frame: the steps are shared out among the legs by
    their lengths, and evened within each. `easing` still slows the walk down at key frames.

    Parameters
    ----------
    walk : Walk
        The walk.
    distances : ndarray of float, shape (legs, n)
        Of images at even positions from each to the next, as `measured_distances` gives them.

    Returns
    -------
    Walk
        With its `positions`; unchanged where the image never changes.
    """
    lengths = np.asarray(distances, np.float64)
    if lengths.shape[0] != walk.legs or not (np.isfinite(lengths) & (lengths >= 0)).all():
        raise ValueError(f"distances of shape {lengths.shape} do not go with {walk.legs} legs")
    if not lengths.any():
        return walk
    # Where nothing changes, nothing tells where frames should be: a trace of even spacing does.
    lengths = lengths + 1e-9 * lengths.mean()
    counts = _shared_out(lengths.sum(axis=1), walk.legs * walk.settings.steps_per_leg)
    grid = np.linspace(0, 1, lengths.shape[1] + 1)
    legs = []
    for length, count in zip(lengths, counts, strict=True):
        way = np.concatenate([[0.0], np.cumsum(length)])
        legs.append(PchipInterpolator(way / way[-1], grid)(walk.settings.eased(count)))
    positions = tuple(walk.settings.joined(legs).tolist())
    return Walk(keys=walk.keys, settings=walk.settings, positions=positions)


def timed(walk: Walk, sampler: Paints, *, noise: Noise = "const", noise_seed: int = 0) -> Steps[Walk]:
    """Time a walk as its settings say: measure and space its frames anew where equal speed is asked for.

    Parameters
    ----------
    walk : Walk
        The walk; one with positions is left as it is.
    sampler : Paints
        A generator.
    noise, noise_seed
        As of `measured_distances`.

    Yields
    ------
    Step
        One per measured image.

    Returns
    -------
    Walk
    """
    if not walk.settings.equal_speed or walk.positions is not None:
        return walk
    return retimed(walk, (yield from measured_distances(walk, sampler, noise=noise, noise_seed=noise_seed)))


def _shared_out(lengths: Real, total: int) -> list[int]:
    """Share `total` steps out among legs, at least one each, so that the longest step is shortest."""
    counts = [1] * len(lengths)
    longest = [(-length, leg) for leg, length in enumerate(lengths)]
    heapq.heapify(longest)
    for _ in range(total - len(lengths)):
        leg = longest[0][1]
        counts[leg] += 1
        heapq.heapreplace(longest, (-lengths[leg] / counts[leg], leg))
    return counts
