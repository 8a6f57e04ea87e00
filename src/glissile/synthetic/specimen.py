"""What stays as it is in the specimen: grains, mottle, slip traces and sessile dislocations."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from glissile.synthetic.glide import GlideBand, direction
from glissile.synthetic.lines import Floats, Near, line_profile, near, smooth_walk, step


@dataclass(frozen=True, eq=False)
class Boundary:
    """An inclined grain boundary; the grain lies on its positive side.

    Attributes
    ----------
    point : ndarray, shape (2,)
        (y, x) of a point on it, specimen coordinates, pixels.
    angle_deg : float
        Its direction; the grain lies to the left of it (y down).
    waves : ndarray, shape (n, 3)
        Amplitude (pixels), wavelength (pixels) and phase of its waviness.
    beyond : float
        Brightness of the grain on the other side, relative to the grain.
    fringes : float
        Contrast of the thickness fringes along it, on the other side.
    period : float
        Their spacing, pixels.
    """

    point: Floats
    angle_deg: float
    waves: Floats
    beyond: float
    fringes: float
    period: float

    def distance(self, y: Floats, x: Floats) -> Floats:
        """Distance in pixels of `y`, `x` (specimen coordinates) from the boundary, positive in the grain."""
        along_vector, across_vector = direction(self.angle_deg), direction(self.angle_deg - 90)
        dy, dx = y - self.point[0], x - self.point[1]
        along = dy * along_vector[0] + dx * along_vector[1]
        across: Floats = dy * across_vector[0] + dx * across_vector[1]
        for amplitude, wavelength, phase in self.waves:
            across += amplitude * np.sin(2 * np.pi * along / wavelength + phase)
        return across

    def at(self, along: float) -> tuple[float, float]:
        """(y, x) of the straight boundary `along` pixels from its point."""
        y, x = self.point + direction(self.angle_deg) * along
        return float(y), float(x)

    def factor(self, y: Floats, x: Floats) -> Floats:
        """Factor (y, x) on the intensity: 1 in the grain, the other grain's beyond."""
        distance = self.distance(y, x)
        depth = np.maximum(-distance, 0)
        wedge = np.exp(-depth / (2.2 * self.period))
        fringes = self.fringes * np.cos(2 * np.pi * depth / self.period) * wedge
        other = self.beyond * (1 + fringes) + (1 - self.beyond) * 0.25 * wedge
        inside = step(distance, 0.9)
        line = 0.3 * np.exp(-0.5 * (distance / 1.3) ** 2)
        both: Floats = (inside + (1 - inside) * other) * (1 - line)
        return both


def boundary(
    rng: np.random.Generator, point: tuple[float, float], angle_deg: float, *, beyond: float, fringes: float
) -> Boundary:
    """Draw a grain boundary through `point` with random waviness."""
    waves = np.stack(
        [rng.uniform(0.4, 1.6, 3), rng.uniform(40, 160, 3), rng.uniform(0, 2 * np.pi, 3)], axis=1
    )
    return Boundary(
        np.asarray(point, dtype=float), angle_deg, waves, beyond, fringes, float(rng.uniform(6.5, 9.0))
    )


def inside_grain(boundaries: tuple[Boundary, ...], y: Floats, x: Floats) -> Floats:
    """Distance in pixels of `y`, `x` (specimen coordinates) from the rim of the grain, positive inside."""
    rims: Floats = np.minimum.reduce([b.distance(y, x) for b in boundaries])
    return rims


@dataclass(frozen=True, eq=False)
class Canvas:
    """Image of the still part of the specimen, larger than a frame by `margin` on every side.

    Attributes
    ----------
    image : ndarray, shape (y + 2 margin, x + 2 margin)
        Transmitted intensity; 1 is the clear grain.
    margin : int
        Pixels; pixel (0, 0) lies at (-margin, -margin) in specimen coordinates.
    """

    image: Floats
    margin: int

    def seen_from(self, corner: tuple[float, float], shape: tuple[int, int]) -> Floats:
        """Cut out a frame, between pixels by cubic splines.

        Parameters
        ----------
        corner : tuple of float
            (y, x) in specimen coordinates of the frame's pixel (0, 0).
        shape : tuple of int
            (y, x) of the frame.

        Returns
        -------
        ndarray, shape (y, x)
        """
        rim = 12
        y, x = corner[0] + self.margin, corner[1] + self.margin
        top, left = int(np.floor(y)) - rim, int(np.floor(x)) - rim
        cut = self.image[top : top + shape[0] + 2 * rim, left : left + shape[1] + 2 * rim]
        moved = ndimage.shift(cut, (top + rim - y, left + rim - x), order=3, mode="nearest")
        kept: Floats = moved[rim : rim + shape[0], rim : rim + shape[1]]
        return kept


class _Painter:
    """A canvas while it is being painted."""

    def __init__(self, rng: np.random.Generator, shape: tuple[int, int], margin: int) -> None:
        self.rng = rng
        self.margin = margin
        self.shape = (shape[0] + 2 * margin, shape[1] + 2 * margin)
        self.image = np.ones(self.shape)
        self.y, self.x = np.meshgrid(
            np.arange(self.shape[0], dtype=float) - margin,
            np.arange(self.shape[1], dtype=float) - margin,
            indexing="ij",
        )

    def mottle(self) -> None:
        """Surface damage of the ion mill and oxide: fine grain, clouds and a thickness that varies slowly."""
        for sigma, strength in ((1.0, 0.024), (1.9, 0.036), (5.0, 0.03), (22.0, 0.05), (70.0, 0.12)):
            cloud = ndimage.gaussian_filter(self.rng.normal(size=self.shape), sigma, mode="wrap")
            self.image *= 1 + strength * cloud / cloud.std()
        specks = np.zeros(self.shape)
        count = self.image.size // 900
        places = tuple(self.rng.integers(0, n, count) for n in self.shape)
        np.add.at(specks, places, self.rng.gamma(1.5, 1.0, count))
        self.image *= 1 - np.minimum(0.75 * ndimage.gaussian_filter(specks, 1.2), 0.4)

    def line(self, points: Floats, depth: float, width: float, *, patchy: float = 0.35) -> None:
        """Paint a dark line whose contrast varies along it."""
        seen = near(points, (-self.margin, -self.margin), self.shape, 6 * width)
        if seen is None:
            return
        knots, values = smooth_walk(self.rng, float(seen.along.max()))
        strength = depth * np.clip(1 + patchy * np.interp(seen.along, knots, values), 0.15, 1.8)
        # Both ends fade into the foil.
        strength *= 0.35 + 0.65 * _fade(seen, 6)
        self.image[seen.window] *= 1 - np.minimum(strength, 0.9) * line_profile(seen.distance, width)

    def double_line(self, points: Floats, dark: float, bright: float, gap: float) -> None:
        """Paint an old twin seen on edge: a dark and a bright line side by side, both patchy."""
        seen = near(points, (-self.margin, -self.margin), self.shape, 5 + gap)
        if seen is None:
            return
        knots, values = smooth_walk(self.rng, float(seen.along.max()), 16)
        other_knots, other = smooth_walk(self.rng, float(seen.along.max()), 22)
        dark_here = dark * np.clip(1 + 0.5 * np.interp(seen.along, knots, values), 0, 2)
        bright_here = bright * np.clip(1 + 0.7 * np.interp(seen.along, other_knots, other), -0.4, 2.2)
        profile = bright_here * np.exp(-0.5 * ((seen.distance - gap / 2) / 1.2) ** 2) - np.minimum(
            dark_here, 0.8
        ) * np.exp(-0.5 * ((seen.distance + gap / 2) / 1.3) ** 2)
        self.image[seen.window] *= 1 + profile * _fade(seen, 25)

    def knot(self, point: Floats, depth: float, width: float) -> None:
        """Paint a dark blob, where a dislocation meets a surface or others."""
        self.line(np.array([point, point + self.rng.normal(0, width, 2)]), depth, width, patchy=0.1)

    def wandering(self, start: Floats, angle_deg: float, length: float, *, turn_deg: float) -> Floats:
        """Points (n, 2) of a random smooth curve."""
        count = max(int(length / 5), 3)
        turning = ndimage.gaussian_filter1d(self.rng.normal(size=count), 2.0) * turn_deg
        heading = np.deg2rad(angle_deg + np.cumsum(turning))
        steps = 5 * np.stack([np.sin(heading), np.cos(heading)], axis=1)
        curve: Floats = start + np.concatenate([np.zeros((1, 2)), np.cumsum(steps, axis=0)])
        return curve


def _fade(seen: Near, reach: float) -> Floats:
    """Rise from 0 at both ends of a line to 1 at `reach` pixels from them."""
    ends: Floats = np.minimum(seen.along, seen.along.max() - seen.along)
    return np.clip(ends / reach, 0, 1)


def still_canvas(
    rng: np.random.Generator,
    shape: tuple[int, int],
    margin: int,
    *,
    boundaries: tuple[Boundary, ...],
    bands: tuple[GlideBand, ...],
    slip_angles_deg: tuple[float, float],
    sessile: int,
) -> Canvas:
    """Paint what does not change in the specimen.

    Parameters
    ----------
    rng : Generator
        Where everything not given comes from.
    shape : tuple of int
        (y, x) of a frame.
    margin : int
        Pixels by which the canvas is larger on every side.
    boundaries : tuple of Boundary
        Of the grain.
    bands : tuple of GlideBand
        Slip planes with gliding dislocations, of which the traces are painted here.
    slip_angles_deg : tuple of float
        Directions of the traces of the two active slip systems.
    sessile : int
        Dislocations that never move.

    Returns
    -------
    Canvas
    """
    paint = _Painter(rng, shape, margin)
    paint.mottle()
    height, width = shape
    steep, flat = slip_angles_deg
    for band in bands:
        for trace, strength in zip(band.traces(), (1.0, 0.75), strict=True):
            paint.double_line(trace, 0.26 * strength, 0.12 * strength, float(rng.uniform(2.5, 4)))
    for _ in range(12):
        middle = rng.uniform((0, 0), (height, width))
        angle = steep if rng.random() < 0.6 else flat
        half = direction(angle + rng.normal(0, 0.8)) * rng.uniform(60, 260)
        trace = np.array([middle - half, middle + half])
        if rng.random() < 0.5:
            paint.double_line(trace, rng.uniform(0.12, 0.4), rng.uniform(0.08, 0.3), rng.uniform(2.2, 5))
        else:
            paint.line(trace, rng.uniform(0.08, 0.28), rng.uniform(0.9, 1.5), patchy=0.5)
    bundle = np.array([rng.uniform(0.55, 0.7) * height, rng.uniform(0.1, 0.2) * width])
    for _ in range(7):
        middle = bundle + direction(steep - 90) * rng.normal(0, 0.06 * width)
        half = direction(steep + rng.normal(0, 1.0)) * rng.uniform(25, 90)
        middle = middle + half * rng.uniform(-0.6, 0.6)
        trace = np.array([middle - half, middle + half])
        paint.double_line(trace, rng.uniform(0.1, 0.35), rng.uniform(0.03, 0.24), rng.uniform(2, 6))
    for _ in range(sessile):
        _sessile(paint, rng.uniform((0.0, 0.0), (height, width)), steep, flat)
    tangle = np.array([rng.uniform(0.7, 0.92) * height, rng.uniform(0.5, 0.75) * width])
    for _ in range(sessile // 2):
        _sessile(paint, tangle + rng.normal(0, 0.055 * width, 2), steep, flat)
        paint.knot(tangle + rng.normal(0, 0.045 * width, 2), rng.uniform(0.2, 0.5), rng.uniform(1.6, 3.2))
    for edge in boundaries:
        paint.image *= edge.factor(paint.y, paint.x)
    return Canvas(paint.image, margin)


def _sessile(paint: _Painter, start: Floats, steep: float, flat: float) -> None:
    """One dislocation that never moves, with the look of the gliding ones."""
    rng = paint.rng
    angle = rng.choice([steep, flat, rng.uniform(0, 180)]) + rng.normal(0, 14)
    curve = paint.wandering(start, angle, rng.uniform(25, 100), turn_deg=float(rng.uniform(6, 38)))
    paint.line(curve, rng.uniform(0.2, 0.42), rng.uniform(0.95, 1.3))
    if rng.random() < 0.4:
        paint.knot(curve[-1], rng.uniform(0.15, 0.4), rng.uniform(1.4, 2.2))
