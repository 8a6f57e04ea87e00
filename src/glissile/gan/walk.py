"""Walks through the latent space, from key frame to key frame: what films of a generator are made of."""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator
from scipy.interpolate import CubicSpline, PchipInterpolator

from glissile.errors import InputError
from glissile.gan.latent import along, slerp, slerp_about, tangent
from glissile.gan.points import Array, Maps, Point, ws_of, z_of
from glissile.progress import Step, Steps

Real = NDArray[np.float64]
Noise = Literal["const", "none", "random"]
# A leg of the way and how far along it, 0 to 1 -> the vectors (rows, n) there.
Curve = Callable[[int, float], NDArray[np.floating]]

MOST_KEYS = 256
_MOST_FRAMES = 1_000_000
_SAMPLES = (64, 256)  # images per leg that distances are measured by, fewest and most


class WalkSettings(BaseModel):
    """How a walk goes from key frame to key frame."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    steps_per_leg: int = Field(
        60, ge=1, le=10_000, title="Steps per leg", description="Frames from one key frame to the next"
    )
    space: Literal["z", "w"] = Field(
        "z",
        title="Space",
        description="z: between latent vectors, every frame as typical as the key frames; w: between mapped "
        "vectors, the shortest change of the image",
    )
    path: Literal["slerp", "linear", "spline"] = Field(
        "slerp",
        title="Path",
        description="slerp: along great circles; linear: straight; spline: smooth through the key frames",
    )
    easing: Literal["none", "smooth"] = Field(
        "none", title="Easing", description="smooth: slow down at every key frame"
    )
    closed: bool = Field(False, title="Loop", description="Return from the last key frame to the first")
    equal_speed: bool = Field(
        False,
        title="Equal speed",
        description="Space the frames so that the image changes equally from each to the next",
    )


# Lambard et al. 2023: 1438 latent vectors between two, a film of one minute at 24 frames per second.
PAPER_WALK = WalkSettings(steps_per_leg=1439)


class Paints(Maps, Protocol):
    """What makes images, too, such as `glissile.gan.sampler.Sampler`."""

    def images(self, ws: NDArray[np.floating], *, noise: Noise = "const", noise_seed: int = 0) -> Array:
        """Make images (n, channels, y, x) of ws (n, num_ws, w_dim)."""


class Walk(BaseModel):
    """A way through the latent space, and where on it the frames are.

    Every key frame is a frame of the walk, bit by bit.

    Attributes
    ----------
    keys : tuple of Point
        Key frames, in the order of the walk.
    settings : WalkSettings
        How it goes between them.
    positions : tuple of float, optional
        Of each frame: 1.5 is half way from key frame 1 to key frame 2. None where they follow from the
        settings; `retimed` sets them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    keys: tuple[Point, ...] = Field(min_length=2, max_length=MOST_KEYS, fail_fast=True)
    settings: WalkSettings = WalkSettings()
    positions: tuple[float, ...] | None = Field(None, max_length=_MOST_FRAMES, fail_fast=True, repr=False)

    @property
    def legs(self) -> int:
        """Number of ways from one key frame to the next."""
        return len(self.keys) - (0 if self.settings.closed else 1)

    @property
    def frame_count(self) -> int:
        """Number of frames. A loop ends one step before its first key frame."""
        return self.legs * self.settings.steps_per_leg + (0 if self.settings.closed else 1)

    @property
    def times(self) -> Real:
        """Position of every frame, shape (frame_count,), 0 to `legs`."""
        if self.positions is not None:
            return np.array(self.positions)
        return _times(self, [_eased(self, self.settings.steps_per_leg)] * self.legs)

    def on(self, sampler: Maps) -> "Route":
        """Prepare the walk on one generator; see `Route`.

        Raises
        ------
        InputError
            If the key frames do not fit it, or do not go with a walk in z.
        """
        return Route.of(self, sampler)

    def ws(self, sampler: Maps, frames: Sequence[int]) -> Array:
        """Give the vectors w of some frames, each the same whatever it is asked for with.

        `on` saves work where this is called often.

        Parameters
        ----------
        sampler : Maps
            A generator.
        frames : sequence of int
            0 to `frame_count` - 1.

        Returns
        -------
        ndarray of float32, shape (k, num_ws, w_dim)

        Raises
        ------
        InputError
            If there is no such frame, or the walk does not go on this generator.
        """
        return self.on(sampler).ws(frames)

    @model_validator(mode="after")
    def _is_finite(self) -> Self:
        if self.frame_count > _MOST_FRAMES:
            raise ValueError(f"a walk of {self.frame_count} frames is too long; take fewer steps per leg")
        if self.positions is not None:
            if len(self.positions) != self.frame_count:
                raise ValueError(f"{len(self.positions)} positions do not go with {self.frame_count} frames")
            if min(self.positions) < 0 or max(self.positions) > self.legs:
                raise ValueError(f"a position is not between 0 and {self.legs}")
        return self


@dataclass(frozen=True, eq=False)
class Route:
    """A walk on one generator, with the work done that all frames share.

    Attributes
    ----------
    walk : Walk
        The walk.
    sampler : Maps
        The generator.
    times : ndarray of float, shape (frame_count,)
        Position of every frame.
    curve : callable
        From a leg and how far along it, 0 to 1, to z (1, z_dim) or ws (num_ws, w_dim).
    """

    walk: Walk
    sampler: Maps
    times: Real
    curve: Curve

    @classmethod
    def of(cls, walk: Walk, sampler: Maps) -> Self:
        """Prepare a walk.

        Raises
        ------
        InputError
            If the key frames do not fit the generator, or do not go with a walk in z.
        """
        mapped = ws_of(sampler, walk.keys)
        if walk.settings.space == "w":
            return cls(walk, sampler, walk.times, _curve(walk, mapped, sampler.w_mean))
        _check_walks_in_z(walk.keys)
        z_dim = sampler.shape.z_dim
        z = np.array([z_of(key, z_dim) for key in walk.keys])[:, None]
        return cls(walk, sampler, walk.times, _curve(walk, z, np.zeros(z_dim)))

    def ws(self, frames: Sequence[int]) -> Array:
        """Give the vectors w of some frames, shape (k, num_ws, w_dim); see `Walk.ws`."""
        return self.ws_at(self._times_of(frames))

    def points(self, frames: Sequence[int]) -> tuple[Point, ...]:
        """Give the points of some frames, from which `ws_of` makes the same bits as `ws`.

        Parameters
        ----------
        frames : sequence of int
            0 to `frame_count` - 1.

        Returns
        -------
        tuple of Point
            The key frames themselves where they are met.

        Raises
        ------
        InputError
            If there is no such frame.
        """
        return tuple(self._point(time) for time in self._times_of(frames))

    def ws_at(self, times: Sequence[float] | Real) -> Array:
        """Give the vectors w at any positions.

        Parameters
        ----------
        times : sequence of float
            0 to `walk.legs`.

        Returns
        -------
        ndarray of float32, shape (k, num_ws, w_dim)
        """
        shape = self.sampler.shape
        if self.walk.settings.space == "z":
            return ws_of(self.sampler, [self._point(float(time)) for time in times])
        found = np.empty((len(times), shape.num_ws, shape.w_dim), np.float32)
        for ws, time in zip(found, times, strict=True):
            leg, t = divmod(float(time), 1)
            ws[:] = ws_of(self.sampler, [self._key(leg)])[0] if t == 0 else self.curve(int(leg), t)
        return found

    def _times_of(self, frames: Sequence[int]) -> list[float]:
        for frame in frames:
            if not 0 <= frame < len(self.times):
                raise InputError(f"There is no frame {frame}; the walk has frames 0 to {len(self.times) - 1}")
        return [float(self.times[frame]) for frame in frames]

    def _key(self, leg: float) -> Point:
        return self.walk.keys[int(leg) % len(self.walk.keys)]

    def _point(self, time: float) -> Point:
        leg, t = divmod(time, 1)
        before, after = self._key(leg), self._key(leg + 1)
        if t == 0:
            return before
        vectors = self.curve(int(leg), t).astype(np.float32)
        name = f"{before.title} to {after.title}, {t:.2%}"[:200]
        if self.walk.settings.space == "w":
            return Point.of_w(vectors, name, before.label if before.label == after.label else None)
        psi = before.psi + t * (after.psi - before.psi)
        return Point(
            z=tuple(vectors[0].tolist()), label=before.label, psi=psi, cutoff=before.cutoff, name=name
        )


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
    route = walk.on(sampler)
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
        legs.append(PchipInterpolator(way / way[-1], grid)(_eased(walk, count)))
    return Walk(keys=walk.keys, settings=walk.settings, positions=tuple(_times(walk, legs).tolist()))


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


def _eased(walk: Walk, count: int) -> Real:
    """Shares of a leg at which its `count` steps begin."""
    t = np.arange(count) / count
    return t * t * (3 - 2 * t) if walk.settings.easing == "smooth" else t


def _times(walk: Walk, legs: Sequence[Real]) -> Real:
    """Positions of all frames, from those within each leg."""
    # A leg that ends in rounding must not run into its end, which is the next key frame.
    within = [i + np.minimum(np.concatenate([[0.0], leg[1:]]), 1 - 1e-12) for i, leg in enumerate(legs)]
    return np.concatenate(within if walk.settings.closed else [*within, [float(walk.legs)]])


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


def _check_walks_in_z(keys: Sequence[Point]) -> None:
    for i, key in enumerate(keys):
        if key.w is not None:
            raise InputError(f"Key frame {i} ({key.title}) has no latent vector z; walk in w")
        if (key.label or 0) != (keys[0].label or 0):
            raise InputError(f"Key frame {i} ({key.title}) is of another class than key frame 0; walk in w")
        if key.cutoff != keys[0].cutoff:
            raise InputError(f"Key frame {i} ({key.title}) has another cutoff than key frame 0; walk in w")


def _curve(walk: Walk, keys: Array, centre: NDArray[np.floating]) -> Curve:
    """Join vectors (keys, rows, n) as the settings say; circles and spheres are about `centre` (n,)."""
    ends = [*keys, keys[0]] if walk.settings.closed else [*keys]
    if walk.settings.path == "linear":
        return lambda leg, t: ends[leg] + t * (ends[leg + 1].astype(np.float64) - ends[leg])
    if walk.settings.path == "slerp":
        return lambda leg, t: slerp_about(centre, ends[leg], ends[leg + 1], t)
    if walk.settings.space == "z":
        return _spherical_spline(ends, closed=walk.settings.closed)
    condition = "periodic" if walk.settings.closed else "natural"
    spline = CubicSpline(np.arange(len(ends)), np.array(ends, np.float64), bc_type=condition)
    return lambda leg, t: np.asarray(spline(leg + t))


def _spherical_spline(ends: Sequence[Array], *, closed: bool) -> Curve:
    """Join vectors (1, n) smoothly by Bezier curves on the sphere (Shoemake 1985, section 4).

    The direction at a key frame is the mean of the ways from the key frame before and to that after.
    """
    forth = [tangent(a, b) for a, b in pairwise(ends)]
    back = [tangent(b, a) for a, b in pairwise(ends)]
    out = [*forth, -back[-1]]
    into = [forth[0], *(-way for way in back)]
    if closed:
        out[-1], into[0] = forth[0], -back[-1]
    way = [(a + b) / 2 for a, b in zip(out, into, strict=True)]

    def curve(leg: int, t: float) -> NDArray[np.floating]:
        a, d = ends[leg].astype(np.float64), ends[leg + 1].astype(np.float64)
        b = np.linalg.norm(a) * along(a, way[leg] / 3)
        c = np.linalg.norm(d) * along(d, -way[leg + 1] / 3)
        corners: list[NDArray[np.floating]] = [a, b, c, d]
        for _ in range(3):
            corners = [slerp(left, right, t) for left, right in pairwise(corners)]
        return corners[0]

    return curve
