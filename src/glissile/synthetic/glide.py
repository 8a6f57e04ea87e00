"""What moves in the specimen: gliding dislocations and growing stacking faults, as functions of the frame."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from glissile.synthetic.lines import Floats

# In a pile-up the spacing grows from the head to the tail (Eshelby, Frank and Nabarro 1951): of the even
# spacing in which they were emitted, this share at the head, this much more per dislocation, at most this.
PILE_UP_SPACING = (0.5, 0.04, 0.85)
_SHAPE_POINTS = 21


def direction(angle_deg: float) -> Floats:
    """Make the unit vector (y, x) at `angle_deg` from the x axis, clockwise on the screen (y down)."""
    angle = np.deg2rad(angle_deg)
    return np.array([np.sin(angle), np.cos(angle)])


def stop_and_go(rng: np.random.Generator, frames: int, busy: Floats) -> Floats:
    """Draw how far an obstacle-controlled glide has got: waits, and bursts of a few frames.

    Parameters
    ----------
    rng : Generator
        Where waits and bursts come from.
    frames : int
        Number of frames.
    busy : ndarray, shape (frames,)
        Probability that a burst begins at a frame; the larger the stress, the larger.

    Returns
    -------
    ndarray, shape (frames,)
        Pixels gone since frame 0, never falling.
    """
    speed = np.zeros(frames + 16)
    for begin in np.flatnonzero(rng.random(frames) < busy):
        lasting = int(rng.integers(3, 12))
        burst = np.sin(np.pi * (np.arange(lasting) + 0.5) / lasting) ** 2
        speed[begin : begin + lasting] += burst * rng.gamma(2.0, 0.35)
    gone = np.cumsum(speed[:frames])
    since_start: Floats = gone - gone[0]
    return since_start


@dataclass(frozen=True, eq=False)
class GlideBand:
    """Dislocations on one slip plane, between its traces on the two surfaces of the foil.

    Attributes
    ----------
    origin : ndarray, shape (2,)
        (y, x) where the first trace begins, specimen coordinates, pixels.
    angle_deg : float
        Direction of the traces and of the glide.
    width : float
        Distance between the two traces, pixels.
    length : float
        Distance along the traces from the source to the obstacle, pixels.
    skew : float
        How far the end on the second trace lies ahead, in units of `width`.
    bow : ndarray, shape (count,)
        Pixels that the middle of each dislocation bows ahead of its ends.
    lean : ndarray, shape (count,)
        -1 to 1: at which end the bow is the stronger.
    ripple : ndarray, shape (count, points)
        Small deviations ahead, pixels: where solute atoms pin the line.
    depth : ndarray, shape (count, points)
        Contrast along each dislocation, as the share of the light that its core takes.
    position : ndarray, shape (frames, count)
        Pixels from the source along the trace; a dislocation exists once it is positive.
    speed : ndarray, shape (frames, count)
        Pixels per frame.
    """

    origin: Floats
    angle_deg: float
    width: float
    length: float
    skew: float
    bow: Floats
    lean: Floats
    ripple: Floats
    depth: Floats
    position: Floats
    speed: Floats

    def lines(self, frame: int) -> list[tuple[Floats, Floats]]:
        """Dislocations of one frame.

        Parameters
        ----------
        frame : int
            Frame number.

        Returns
        -------
        list of tuple
            Points (n, 2) of the line, (y, x) in specimen coordinates, and its contrast (n,) at them.
        """
        ahead = direction(self.angle_deg)
        across = direction(self.angle_deg - 90)
        share = np.linspace(0, 1, _SHAPE_POINTS)
        drawn = []
        for i in np.flatnonzero(self.position[frame] > 0):
            at = self.position[frame, i]
            bow = self.bow[i] * (0.8 + 0.4 * np.tanh(2 * self.speed[frame, i])) * min(at / 10, 1.0)
            shape = 4 * share * (1 - share)
            shape = np.sqrt(shape) * (1 + self.lean[i] * (2 * share - 1))
            along = at + self.skew * self.width * share + bow * shape + self.ripple[i]
            points = self.origin + along[:, None] * ahead + (share * self.width)[:, None] * across
            drawn.append((points, self.depth[i]))
        return drawn

    def traces(self) -> tuple[Floats, Floats]:
        """Give the two traces of the slip plane, as lines (2, 2) in specimen coordinates."""
        ahead = direction(self.angle_deg)
        second = self.origin + direction(self.angle_deg - 90) * self.width
        offset = ahead * self.skew * self.width
        ends = np.array([-0.15, 1.1])[:, None] * self.length * ahead
        return self.origin + ends, second + offset + ends


def glide_band(
    rng: np.random.Generator,
    *,
    origin: tuple[float, float],
    angle_deg: float,
    width: float,
    length: float,
    spacing: float,
    bow: float,
    depth: float,
    busy: NDArray[np.float64],
    pace: float,
) -> GlideBand:
    """Draw a slip plane with its dislocations: some on their way, some piled up, some still to be emitted.

    Parameters
    ----------
    rng : Generator
        Where everything not given comes from.
    origin, angle_deg, width, length, bow, depth
        As in `GlideBand`; `bow` and `depth` are means.
    spacing : float
        Mean distance between dislocations that leave the source, pixels.
    busy : ndarray, shape (frames,)
        Probability that a burst of motion begins at a frame.
    pace : float
        Scale of the motion, 1 for about a pixel per frame within a burst.

    Returns
    -------
    GlideBand
    """
    frames = len(busy)
    together = pace * stop_and_go(rng, frames, busy)
    count = int((length + together[-1] * 1.1) / spacing) + 1
    order = np.arange(count)
    start = length * rng.uniform(0.72, 0.85) - spacing * (order + rng.uniform(-0.22, 0.22, count))
    alone = np.stack([pace * stop_and_go(rng, frames, busy * 0.25) for _ in range(count)], axis=1)
    lag = rng.integers(0, 8, count) + order
    followed = together[np.maximum(np.arange(frames)[:, None] - lag, 0)]
    free = start + followed + np.minimum(alone, 0.8 * spacing)
    # The head is held at the obstacle; the others queue behind it, each held by the one in front.
    nearest, growth, widest = PILE_UP_SPACING
    stopped = length - spacing * np.cumsum(np.minimum(nearest + growth * order, widest))
    soft = 0.15 * spacing
    position = stopped - soft * np.logaddexp(0, (stopped - free) / soft)
    # A dislocation that was in the foil never returns to its source; the law above only slows it.
    position = np.maximum.accumulate(position, axis=0)
    return GlideBand(
        np.asarray(origin, dtype=float),
        angle_deg,
        width,
        length,
        skew=float(rng.uniform(-0.25, 0.1)),
        bow=bow + min(0.12 * bow, 0.1 * spacing) * rng.normal(size=count),
        lean=np.clip(float(rng.normal(0.1, 0.25)) + rng.normal(0, 0.05, count), -0.5, 0.5),
        ripple=_smooth(rng, count, 2.0) * min(0.055 * spacing, 0.9),
        depth=depth * np.clip(rng.uniform(0.8, 1.2, (count, 1)) + 0.3 * _smooth(rng, count, 1.5), 0.35, 1.6),
        position=position,
        speed=np.diff(position, axis=0, prepend=position[:1]),
    )


def _smooth(rng: np.random.Generator, count: int, sigma: float) -> Floats:
    """Random functions (count, points) along a dislocation, of unit standard deviation."""
    rough = ndimage.gaussian_filter1d(rng.normal(size=(count, _SHAPE_POINTS)), sigma, axis=1)
    smooth: Floats = rough * np.sqrt(2 * sigma * np.sqrt(np.pi))
    return smooth


@dataclass(frozen=True, eq=False)
class Fault:
    """A stacking fault on an inclined plane, grown from a grain boundary; later faults beside it widen it.

    Attributes
    ----------
    origin : ndarray, shape (2,)
        (y, x) of its root at the boundary, specimen coordinates, pixels.
    angle_deg : float
        Direction of its two straight borders.
    skew : float
        Slope of its ends, the partial dislocations, against the perpendicular.
    length, width : ndarray, shape (frames,)
        Pixels; 0 before it nucleates.
    period : float
        Spacing of the fringes, pixels: they are depth contours and run along the borders.
    depth : float
        Contrast of the fringes.
    """

    origin: Floats
    angle_deg: float
    skew: float
    length: Floats
    width: Floats
    period: float
    depth: float

    def coordinates(self, y: Floats, x: Floats) -> tuple[Floats, Floats]:
        """Pixels along and across the fault of the points `y`, `x` (specimen coordinates)."""
        ahead, across = direction(self.angle_deg), direction(self.angle_deg - 90)
        dy, dx = y - self.origin[0], x - self.origin[1]
        return dy * ahead[0] + dx * ahead[1], dy * across[0] + dx * across[1]

    def inside(self, y: Floats, x: Floats, frame: int) -> Floats:
        """Distance in pixels of the points `y`, `x` from the rim of the fault, positive inside."""
        along, across = self.coordinates(y, x)
        leaning = along - self.skew * across
        border: Floats = np.minimum(self.width[frame] / 2 - np.abs(across), self.length[frame] - leaning)
        # The root lies a little outside the grain: what shows ends at the grain boundary.
        return np.minimum(border, leaning)

    def fringes(self, y: Floats, x: Floats, frame: int) -> Floats:
        """Factor (y, x) on the intensity within the fault.

        In bright field the outermost fringes are alike, and new ones appear in the middle: their phase counts
        from the nearer border.
        """
        _, across = self.coordinates(y, x)
        edge = self.width[frame] / 2 - np.abs(across)
        wave: Floats = np.cos(2 * np.pi * (edge - 1.3) / self.period)
        return 1 - self.depth * (0.25 + 0.75 * wave)


def fault(
    rng: np.random.Generator,
    *,
    origin: tuple[float, float],
    angle_deg: float,
    length: float,
    width: float,
    nucleates: int,
    frames: int,
) -> Fault:
    """Draw a stacking fault that nucleates in frame `nucleates`.

    Parameters
    ----------
    rng : Generator
        Where everything not given comes from.
    origin, angle_deg
        As in `Fault`.
    length, width : float
        Size that it reaches when given enough time, pixels.
    nucleates : int
        First frame that shows it.
    frames : int
        Number of frames.

    Returns
    -------
    Fault
    """
    age = np.maximum(np.arange(frames) - nucleates + 1, 0).astype(float)
    bursts = stop_and_go(rng, frames, np.full(frames, 0.12))
    gone = np.where(age > 0, bursts - bursts[min(nucleates, frames - 1)], 0)
    grown = 1 - np.exp(-(age * 0.022 + gone * 0.05))
    steps = np.sort(rng.uniform(10, 110, 3))
    widened = 0.55 + 0.15 * (1 / (1 + np.exp(-(age[:, None] - steps) / 3))).sum(axis=1)
    return Fault(
        np.asarray(origin, dtype=float),
        angle_deg,
        skew=float(rng.uniform(-0.7, 0.7)),
        length=np.where(age > 0, 6 + (length - 6) * grown, 0),
        width=np.where(age > 0, width * widened, 0),
        period=float(rng.uniform(4.8, 5.8)),
        depth=float(rng.uniform(0.42, 0.6)),
    )
