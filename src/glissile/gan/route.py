"""A walk on one generator: the vectors w of its frames, on curves through those of its key frames."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from glissile.errors import InputError
from glissile.gan.latent import along, slerp, slerp_about, tangent
from glissile.gan.points import Array, Maps, Point, ws_of, z_of
from glissile.gan.walk import Real, Walk, no_way_in_z

# A leg of the way and how far along it, 0 to 1 -> the vectors (rows, n) there.
Curve = Callable[[int, float], NDArray[np.floating]]


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
        if refused := no_way_in_z(walk.keys):
            raise InputError(refused)
        z_dim = sampler.shape.z_dim
        z = np.array([z_of(key, z_dim) for key in walk.keys])[:, None]
        return cls(walk, sampler, walk.times, _curve(walk, z, np.zeros(z_dim)))

    def ws(self, frames: Sequence[int]) -> Array:
        """Give the vectors w of some frames, each the same whatever it is asked for with.

        Parameters
        ----------
        frames : sequence of int
            0 to `walk.frame_count` - 1.

        Returns
        -------
        ndarray of float32, shape (k, num_ws, w_dim)

        Raises
        ------
        InputError
            If there is no such frame.
        """
        for frame in frames:
            if not 0 <= frame < len(self.times):
                raise InputError(f"There is no frame {frame}; the walk has frames 0 to {len(self.times) - 1}")
        return self.ws_at([float(self.times[frame]) for frame in frames])

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
            return ws_of(self.sampler, [self._in_z(float(time)) for time in times])
        found = np.empty((len(times), shape.num_ws, shape.w_dim), np.float32)
        for ws, time in zip(found, times, strict=True):
            leg, t = divmod(float(time), 1)
            ws[:] = ws_of(self.sampler, [self._key(leg)])[0] if t == 0 else self.curve(int(leg), t)
        return found

    def _key(self, leg: float) -> Point:
        return self.walk.keys[int(leg) % len(self.walk.keys)]

    def _in_z(self, time: float) -> Point:
        leg, t = divmod(time, 1)
        before, after = self._key(leg), self._key(leg + 1)
        if t == 0:
            return before
        z = self.curve(int(leg), t).astype(np.float32)
        psi = before.psi + t * (after.psi - before.psi)
        return Point(z=tuple(z[0].tolist()), label=before.label, psi=psi, cutoff=before.cutoff)


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
