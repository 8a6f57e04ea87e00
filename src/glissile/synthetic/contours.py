"""Bend contours: where the bent foil meets a Bragg condition it turns dark, and they sweep as it bends."""

from dataclasses import dataclass

import numpy as np

from glissile.synthetic.glide import direction
from glissile.synthetic.lines import Floats


@dataclass(frozen=True, eq=False)
class BendContour:
    """A dark band with subsidiary fringes, lying anywhere in the specimen.

    Attributes
    ----------
    point : ndarray, shape (2,)
        (y, x) of a point on its middle line in frame 0, specimen coordinates, pixels.
    angle_deg : float
        Direction of its middle line.
    width : float
        Half width of the dark band, pixels.
    depth : float
        Share of the light that is lost in the middle.
    sweep : ndarray, shape (frames,)
        Pixels that it has moved sideways since frame 0.
    waves : ndarray, shape (n, 3)
        Amplitude (pixels), wavelength (pixels) and phase of the waviness of its middle line.
    """

    point: Floats
    angle_deg: float
    width: float
    depth: float
    sweep: Floats
    waves: Floats

    def factor(self, y: Floats, x: Floats, frame: int) -> Floats:
        """Factor (y, x) on the intensity at `y`, `x` (specimen coordinates) in one frame."""
        along_vector, across_vector = direction(self.angle_deg), direction(self.angle_deg - 90)
        dy, dx = y - self.point[0], x - self.point[1]
        along = dy * along_vector[0] + dx * along_vector[1]
        across = dy * across_vector[0] + dx * across_vector[1] - self.sweep[frame]
        for amplitude, wavelength, phase in self.waves:
            across = across + amplitude * np.sin(2 * np.pi * along / wavelength + phase)
        u = across / self.width
        # A flat bottom and a steep rim on one side, a slow fall on the other: the foil bends unevenly.
        body = np.where(u > 0, np.exp(-(np.abs(u) ** 2.8)), np.exp(-(np.abs(u / 1.5) ** 2)))
        fringes = 0.09 * np.cos(2 * np.pi * (u - 1.0) / 0.45) * np.exp(-(((u - 1.2) / 0.5) ** 2))
        taken: Floats = self.depth * (body + fringes)
        return np.clip(1 - taken, 0.02, 1.3)


def bend_contour(
    rng: np.random.Generator,
    point: tuple[float, float],
    angle_deg: float,
    *,
    width: float,
    depth: float,
    travel: float,
    frames: int,
) -> BendContour:
    """Draw a bend contour that sweeps about `travel` pixels sideways in the whole video.

    Parameters
    ----------
    rng : Generator
        Where the unevenness comes from.
    point, angle_deg, width, depth
        As in `BendContour`.
    travel : float
        Pixels, positive to the left of its direction.
    frames : int
        Number of frames.

    Returns
    -------
    BendContour
    """
    time = np.arange(frames) / max(frames - 1, 1)
    phase = rng.uniform(0, 2 * np.pi, 2)
    sway = 0.12 * np.sin(2 * np.pi * 1.3 * time + phase[0]) + 0.05 * np.sin(2 * np.pi * 3.7 * time + phase[1])
    sweep = travel * (time + sway)
    waves = np.stack(
        [
            (0.3 * width + 7) * np.array([1.2, 0.4, 0.15]),
            rng.uniform((500, 260, 110), (900, 400, 180)),
            rng.uniform(0, 2 * np.pi, 3),
        ],
        axis=1,
    )
    return BendContour(np.asarray(point, dtype=float), angle_deg, width, depth, sweep - sweep[0], waves)
