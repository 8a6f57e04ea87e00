"""An in-situ TEM video of a straining TWIP steel foil, with every defect, motion and strain known.

The contrasts follow two-beam bright-field imaging (Williams and Carter, Transmission Electron Microscopy,
chapters 23 to 27): dislocations as dark lines, stacking faults as fringes parallel to their traces, bend
contours where the bent foil meets a Bragg condition. The composition follows the videos of Tanaka et al.,
Scientific Reports (2025).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import dask.array as da
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from glissile.synthetic.detector import burn_in, illumination, record
from glissile.synthetic.lines import Floats, arc_length, line_profile, near, step
from glissile.synthetic.scene import Scene, scene
from glissile.video import Video

DISLOCATION = 1
STACKING_FAULT = 2

# Half of the 3 to 4 px that the hand labels of such videos are wide.
_HALF_LINE_PX = 1.65
_LINE_SIGMA_PX = 1.05
_NOISE_STREAM = 7


class TemSettings(BaseModel):
    """What the video shows and how well."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    height: int = Field(360, ge=128, title="Height (px)", description="Rows of a frame")
    width: int = Field(440, ge=128, title="Width (px)", description="Columns of a frame")
    frames: int = Field(240, ge=1, title="Frames", description="Number of frames")
    frames_per_second: float = Field(20.0, gt=0, title="Frame rate (1/s)", description="Frames per second")
    nm_per_pixel: float = Field(
        4.0, gt=0, title="Pixel size (nm)", description="Edge length of a pixel; sets the scale bar"
    )
    initial_strain: float = Field(0.0114, ge=0, title="Initial strain", description="Strain of frame 0")
    strain_rate_per_s: float = Field(
        1e-4, gt=0, title="Strain rate (1/s)", description="Change of the strain per second"
    )
    yield_strain: float = Field(
        0.0118, gt=0, title="Yield strain", description="Stacking faults nucleate only beyond this strain"
    )
    bands: int = Field(
        4, ge=0, le=4, title="Glide bands", description="Slip planes with gliding dislocations"
    )
    faults: int = Field(
        8, ge=0, le=40, title="Stacking faults", description="Stacking faults that may nucleate"
    )
    sessile: int = Field(
        16, ge=0, le=200, title="Sessile dislocations", description="Dislocations that never move"
    )
    bend_contours: int = Field(
        3, ge=0, le=3, title="Bend contours", description="Dark bands that sweep through the grain"
    )
    drift_px: float = Field(
        16.0, ge=0, le=200, title="Drift (px)", description="Length of the slow drift of the specimen"
    )
    jitter_px: float = Field(
        0.35, ge=0, le=10, title="Jitter (px)", description="Standard deviation of the jitter of each frame"
    )
    jumps: int = Field(3, ge=0, le=50, title="Jumps", description="Sudden movements of the specimen")
    jump_px: float = Field(8.0, ge=0, le=50, title="Jump size (px)", description="Mean length of a jump")
    brightness: float = Field(
        150.0, gt=0, le=255, title="Brightness", description="Grey value of the clear grain"
    )
    electrons_per_grey_level: float = Field(
        1.2, gt=0, title="Dose", description="Electrons per grey level of a pixel; the more, the less noise"
    )
    readout_noise: float = Field(
        1.3, ge=0, title="Readout noise", description="Standard deviation in grey levels"
    )
    noise: bool = Field(True, title="Noise", description="Whether the detector adds noise")
    blur_px: float = Field(
        0.6, ge=0, le=5, title="Blur (px)", description="Standard deviation of the optics' point spread"
    )
    flicker: float = Field(
        0.08, ge=0, le=0.5, title="Illumination change", description="Relative slow change of the light"
    )
    overlay: bool = Field(
        True, title="Clock and scale bar", description="Whether they are burnt into the bottom strip"
    )
    strip_px: int = Field(
        28, ge=18, le=100, title="Bottom strip (px)", description="Height of the strip of clock and scale bar"
    )

    @model_validator(mode="after")
    def _yields_later(self) -> Self:
        if self.yield_strain <= self.initial_strain:
            raise ValueError(
                f"yield strain {self.yield_strain} is not above the initial strain {self.initial_strain}"
            )
        return self


@dataclass(frozen=True, eq=False)
class TemVideo:
    """A synthetic video and its truth; frames and masks are drawn when asked for.

    Specimen coordinates are the pixel coordinates (y, x) of frame 0: what lies at p there lies at
    p + `displacements_px[i]` in frame i.

    Attributes
    ----------
    settings : TemSettings
        What it was made with.
    seed : int
        What it was made with.
    times_s, strain : ndarray, shape (t,)
        Time since frame 0 in seconds, and strain of each frame.
    stress_mpa : ndarray, shape (t,)
        Stress of each frame in MPa.
    displacements_px : ndarray, shape (t, 2)
        (dy, dx) of the specimen since frame 0, down and right positive, pixels.
    """

    settings: TemSettings
    seed: int
    times_s: Floats
    strain: Floats
    stress_mpa: Floats
    displacements_px: Floats
    scene: Scene

    def __len__(self) -> int:
        return self.settings.frames

    @property
    def shape(self) -> tuple[int, int, int]:
        """(t, y, x)."""
        return self.settings.frames, self.settings.height, self.settings.width

    def frame(self, index: int) -> NDArray[np.uint8]:
        """Grey values (y, x) of frame `index`, with noise, light, clock and scale bar as set."""
        settings = self.settings
        light = illumination(self.shape[1:], index, settings.frames, settings.flicker)
        image = record(
            np.random.default_rng([self.seed, _NOISE_STREAM, index]) if settings.noise else None,
            settings.brightness * light * self.transmitted(index),
            electrons=settings.electrons_per_grey_level,
            readout=settings.readout_noise,
            blur_px=settings.blur_px,
        )
        if settings.overlay:
            image = burn_in(
                image,
                seconds=float(self.times_s[index]),
                nm_per_pixel=settings.nm_per_pixel,
                strip_px=settings.strip_px,
            )
        return np.clip(np.rint(image), 0, 255).astype(np.uint8)

    def transmitted(self, index: int) -> Floats:
        """Intensity (y, x) that the specimen lets through in frame `index`; 1 is the clear grain."""
        corner, y, x = self._seen(self.displacements_px[index])
        image = self.scene.canvas.seen_from(corner, self.shape[1:])
        grain = self.scene.inside_grain(y, x)
        inside = step(grain)
        for one in self.scene.faults:
            shown = step(one.inside(y, x, index)) * inside if one.width[index] > 0 else None
            if shown is not None:
                image *= 1 + shown * (one.fringes(y, x, index) - 1)
        for points, depth in self.scene.gliding(index):
            seen = near(points, corner, self.shape[1:], 6 * _LINE_SIGMA_PX)
            if seen is not None:
                # The image of an inclined dislocation oscillates with its depth in the foil.
                beat = 1 + 0.25 * np.cos(seen.along / 1.9) * np.exp(-seen.along / 14)
                here = np.interp(seen.along, arc_length(points), depth)
                profile = line_profile(seen.distance, _LINE_SIGMA_PX)
                image[seen.window] *= 1 - here * beat * profile * inside[seen.window]
        for contour in self.scene.contours:
            image *= contour.factor(y, x, index)
        return image

    def mask(self, index: int) -> NDArray[np.uint8]:
        """Draw the true mask (y, x) as frame `index` shows it: 0, `DISLOCATION` or `STACKING_FAULT`."""
        return self._mask(index, self.displacements_px[index])

    def specimen_mask(self, index: int) -> NDArray[np.uint8]:
        """Draw the true mask (y, x) of frame `index` in specimen coordinates, as if there were no drift."""
        return self._mask(index, np.zeros(2))

    def _mask(self, index: int, displacement: Floats) -> NDArray[np.uint8]:
        corner, y, x = self._seen(displacement)
        inside = self.scene.inside_grain(y, x) > 0
        mask = np.zeros(self.shape[1:], dtype=np.uint8)
        for one in self.scene.faults:
            if one.width[index] > 0:
                mask[(one.inside(y, x, index) > 0) & inside] = STACKING_FAULT
        for points, _ in self.scene.gliding(index):
            seen = near(points, corner, self.shape[1:], _HALF_LINE_PX + 1)
            if seen is not None:
                line = (np.abs(seen.distance) <= _HALF_LINE_PX) & inside[seen.window]
                mask[seen.window][line] = DISLOCATION
        return mask

    def _seen(self, displacement: Floats) -> tuple[tuple[float, float], Floats, Floats]:
        """Specimen coordinates of pixel (0, 0), and of all rows and columns, of a displaced frame."""
        corner = (-float(displacement[0]), -float(displacement[1]))
        y, x = np.meshgrid(
            np.arange(self.shape[1]) + corner[0], np.arange(self.shape[2]) + corner[1], indexing="ij"
        )
        return corner, y, x

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        return (self.frame(i) for i in range(len(self)))

    @cached_property
    def video(self) -> Video:
        """The frames as the stages take them, drawn one by one when read."""
        blocks = da.map_blocks(
            lambda block_info: self.frame(block_info[None]["array-location"][0][0])[None],
            chunks=((1,) * len(self), *((n,) for n in self.shape[1:])),
            dtype=np.uint8,
            meta=np.empty((0, 0, 0), np.uint8),
        )
        return Video.from_frames(
            blocks,
            name="synthetic",
            times_s=self.times_s,
            nm_per_pixel=self.settings.nm_per_pixel,
            provenance=(f"synthetic TEM video, seed {self.seed}",),
        )


def simulate(settings: TemSettings, seed: int = 0) -> TemVideo:
    """Make a video and its truth.

    Parameters
    ----------
    settings : TemSettings
        What it shows.
    seed : int
        The same settings and seed give the same video.

    Returns
    -------
    TemVideo
    """
    times = np.arange(settings.frames) / settings.frames_per_second
    strain, stress = tested(settings, times)
    made = scene(
        seed,
        shape=(settings.height, settings.width),
        yielded=strain > settings.yield_strain,
        bands=settings.bands,
        faults=settings.faults,
        sessile=settings.sessile,
        contours=settings.bend_contours,
        drift={
            "drift_px": settings.drift_px,
            "jitter_px": settings.jitter_px,
            "jumps": settings.jumps,
            "jump_px": settings.jump_px,
        },
    )
    return TemVideo(
        settings,
        seed,
        times,
        strain,
        stress,
        made.displacements_px,
        made,
    )


def tested(settings: TemSettings, times_s: Floats) -> tuple[Floats, Floats]:
    """Strain and stress of the test: elastic up to an upper yield point, a drop, then slow hardening.

    Parameters
    ----------
    settings : TemSettings
        With the strain of frame 0, its rate and the yield strain.
    times_s : ndarray, shape (n,)
        Times in seconds after frame 0; they may be negative.

    Returns
    -------
    tuple of ndarray
        Strain and stress in MPa, both of shape (n,).
    """
    strain: Floats = settings.initial_strain + settings.strain_rate_per_s * times_s
    beyond = strain - settings.yield_strain
    stiffness, hardening = 45e3, 12e3  # MPa; the stiffness includes that of the thin foil's cartridge
    upper, drop, within = 432.0, 14.0, 8e-5
    stress: Floats = np.where(
        beyond <= 0,
        upper + stiffness * beyond,
        np.maximum(upper - drop * beyond / within, upper - drop + hardening * (beyond - within)),
    )
    return strain, stress
