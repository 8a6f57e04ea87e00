"""Puts grain, slip planes, faults, bend contours and drift together into one specimen."""

from dataclasses import dataclass
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from glissile.synthetic.contours import BendContour, bend_contour
from glissile.synthetic.detector import drift_path
from glissile.synthetic.glide import Fault, GlideBand, fault, glide_band
from glissile.synthetic.lines import Floats
from glissile.synthetic.specimen import Boundary, Canvas, boundary, inside_grain, still_canvas


class Drift(TypedDict):
    """How the specimen moves; see `detector.drift_path`."""

    drift_px: float
    jitter_px: float
    jumps: int
    jump_px: float


@dataclass(frozen=True, eq=False)
class Scene:
    """All of the specimen.

    Attributes
    ----------
    canvas : Canvas
        What stays as it is.
    boundaries : tuple of Boundary
        Of the grain.
    bands : tuple of GlideBand
        Slip planes with their gliding dislocations.
    faults : tuple of Fault
        Stacking faults.
    contours : tuple of BendContour
        Bend contours.
    displacements_px : ndarray, shape (t, 2)
        (dy, dx) of the specimen since frame 0, down and right positive, pixels.
    """

    canvas: Canvas
    boundaries: tuple[Boundary, ...]
    bands: tuple[GlideBand, ...]
    faults: tuple[Fault, ...]
    contours: tuple[BendContour, ...]
    displacements_px: Floats

    def inside_grain(self, y: Floats, x: Floats) -> Floats:
        """Distance in pixels of `y`, `x` (specimen coordinates) from the grain's rim, positive inside."""
        return inside_grain(self.boundaries, y, x)

    def gliding(self, frame: int) -> list[tuple[Floats, Floats]]:
        """Lines (n, 2) and contrasts (n,) of all gliding dislocations in one frame, specimen coordinates."""
        return [line for band in self.bands for line in band.lines(frame)]


def scene(
    seed: int,
    *,
    shape: tuple[int, int],
    yielded: NDArray[np.bool_],
    bands: int,
    faults: int,
    sessile: int,
    contours: int,
    drift: Drift,
) -> Scene:
    """Make a specimen.

    Each part draws from its own random stream, so that changing one leaves the others as they are.

    Parameters
    ----------
    seed : int
        The same arguments give the same specimen.
    shape : tuple of int
        (y, x) of a frame.
    yielded : ndarray of bool, shape (frames,)
        Whether the strain of a frame is beyond the yield strain.
    bands, faults, sessile, contours : int
        How many of each.
    drift : Drift
        How the specimen moves.

    Returns
    -------
    Scene
    """
    streams = [np.random.default_rng([seed, part]) for part in range(6)]
    frames = len(yielded)
    path = drift_path(streams[0], frames, **drift)
    edges = _grain(streams[1], shape)
    angles = (58.0 + float(streams[1].uniform(-4, 4)), -8.0 + float(streams[1].uniform(-4, 4)))
    planes = tuple(_bands(streams[2], shape, angles, yielded)[:bands])
    sheets = tuple(_faults(streams[3], edges, shape, angles[0], yielded)[:faults])
    dark = tuple(_contours(streams[4], shape, frames)[:contours])
    canvas = still_canvas(
        streams[5],
        shape,
        int(np.ceil(np.abs(path).max())) + 24,
        boundaries=edges,
        bands=planes,
        slip_angles_deg=angles,
        sessile=sessile,
    )
    return Scene(canvas, edges, planes, sheets, dark, path)


def _grain(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Boundary, ...]:
    """Three boundaries: lower left, upper right, and a fringed one in the lower right corner."""
    h, w = shape

    def place(y: float, x: float) -> tuple[float, float]:
        return (y + rng.uniform(-0.03, 0.03)) * h, (x + rng.uniform(-0.03, 0.03)) * w

    def turned(angle: float) -> float:
        return angle + float(rng.uniform(-4, 4))

    return (
        boundary(rng, place(0.76, 0.06), turned(50), beyond=0.2, fringes=0.15),
        boundary(rng, place(0.15, 0.82), turned(207), beyond=0.42, fringes=0.3),
        boundary(rng, place(0.90, 0.94), turned(-46), beyond=0.55, fringes=0.55),
    )


def _busy(yielded: NDArray[np.bool_]) -> Floats:
    """Probability that a burst of glide begins at each frame: low, an avalanche at yield, then medium."""
    since = np.cumsum(yielded).astype(float)
    return np.where(yielded, 0.07 + 0.14 * np.exp(-since / 25), 0.035)


def _bands(
    rng: np.random.Generator, shape: tuple[int, int], angles: tuple[float, float], yielded: NDArray[np.bool_]
) -> list[GlideBand]:
    """Draw a dense pile-up, a plane with wide arcs, a short pile-up, and one on the second slip system."""
    h, w = shape
    busy = _busy(yielded)
    steep, flat = angles
    return [
        glide_band(
            rng,
            origin=(y * h, x * w),
            angle_deg=angle + float(rng.normal(0, 0.6)),
            width=width * w,
            length=length * h,
            spacing=spacing,
            bow=bow,
            depth=depth,
            busy=busy,
            pace=pace,
        )
        for y, x, angle, width, length, spacing, bow, depth, pace in (
            (0.20, 0.13, steep, 0.14, 0.44, 12.0, 7.0, 0.36, 1.0),
            (0.06, 0.47, steep, 0.19, 0.62, 30.0, 19.0, 0.42, 2.2),
            (0.56, 0.44, steep, 0.08, 0.28, 15.0, 6.0, 0.38, 1.0),
            (0.84, 0.66, flat, 0.10, 0.30, 27.0, 11.0, 0.40, 1.3),
        )
    ]


def _faults(
    rng: np.random.Generator,
    edges: tuple[Boundary, ...],
    shape: tuple[int, int],
    steep: float,
    yielded: NDArray[np.bool_],
) -> list[Fault]:
    """Faults from the upper right boundary in two bundles, and every fourth from the lower left one."""
    if not yielded.any():
        return []
    first = int(np.argmax(yielded))
    frames = len(yielded)
    made = []
    nucleates = float(first)
    for number in range(40):
        low = number % 4 == 3
        bundle = (-35.0, 55.0)[number % 2]
        along = rng.uniform(-90, 60) if low else bundle + rng.normal(0, 13)
        angle = (-52.0 if low else steep) + float(rng.normal(0, 0.7))
        y, x = edges[0 if low else 1].at(along)
        ahead = np.array([np.sin(np.deg2rad(angle)), np.cos(np.deg2rad(angle))])
        root = np.array([y, x]) - 8 * ahead
        made.append(
            fault(
                rng,
                origin=(float(root[0]), float(root[1])),
                angle_deg=angle,
                length=float(rng.uniform(0.18, 0.55) * shape[0]),
                width=float(rng.uniform(12.0, 17.0)),
                nucleates=min(int(nucleates), frames),
                frames=frames,
            )
        )
        nucleates += rng.exponential(0.075) * frames + 1
    return made


def _contours(rng: np.random.Generator, shape: tuple[int, int], frames: int) -> list[BendContour]:
    """Draw a broad one from the top, a fringed one that sweeps through from the right, and a narrow one."""
    h, w = shape
    return [
        bend_contour(
            rng, (y * h, x * w), angle, width=width * h, depth=depth, travel=travel * h, frames=frames
        )
        for y, x, angle, width, depth, travel in (
            (-0.05, 0.45, 190.0 + rng.uniform(-8, 8), 0.17, 0.72, 0.10),
            (0.35, 1.02, 62.0 + rng.uniform(-6, 6), 0.12, 0.55, -0.30),
            (0.70, 0.20, -38.0 + rng.uniform(-8, 8), 0.05, 0.40, 0.35),
        )
    ]
