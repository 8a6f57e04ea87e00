"""SEM micrographs of a dual-phase steel, with every island of the bright phase known.

Islands of martensite stand out bright, with bright rims, from etched ferrite, whose grains differ a little in
grey and whose boundaries are dark. The islands are a Boolean model (Serra, Image Analysis and Mathematical
Morphology, 1982): ellipses thrown at random, that may overlap, until the phase fraction is reached. Its mean
intercepts, boundary length and two-point correlation are known in closed form.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy import ndimage
from scipy.spatial import cKDTree

from glissile.synthetic.lines import Floats, step

_ISLANDS_STREAM = 0
_GRAINS_STREAM = 1
_TEXTURE_STREAM = 2
_NOISE_STREAM = 3
# Islands are drawn from within so many standard deviations of the logarithm of their size.
_LARGEST_SPREAD = 2.5
_RIM_PX = 1.2
_RIM_BRIGHTNESS = 0.3
_BOUNDARY_PX = 0.9


class SemSettings(BaseModel):
    """What the micrograph shows and how well."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    height: int = Field(256, ge=16, le=4096, title="Height (px)", description="Rows of the image")
    width: int = Field(256, ge=16, le=4096, title="Width (px)", description="Columns of the image")
    phase_fraction: float = Field(
        0.3, ge=0, le=0.95, title="Phase fraction", description="Share of the image that islands cover"
    )
    island_px: float = Field(
        18.0,
        ge=2,
        le=1000,
        title="Island size (px)",
        description="Diameter of a disc of the area of an island",
    )
    size_spread: float = Field(
        0.3,
        ge=0,
        le=1,
        title="Spread of sizes",
        description="Standard deviation of the logarithm of the island size",
    )
    elongation: float = Field(
        1.5, ge=1, le=20, title="Elongation", description="Length of an island over its width"
    )
    angle_deg: float = Field(
        0.0,
        ge=-180,
        le=180,
        title="Direction (°)",
        description="Direction of the islands from the x axis, clockwise on the screen",
    )
    grain_px: float = Field(
        60.0, ge=4, le=4000, title="Grain size (px)", description="Distance between grains of the matrix"
    )
    matrix_grey: float = Field(75.0, ge=0, le=255, title="Matrix", description="Grey value of the matrix")
    island_grey: float = Field(165.0, ge=0, le=255, title="Islands", description="Grey value of the islands")
    texture: float = Field(
        8.0, ge=0, le=100, title="Texture", description="Spread of grey values between grains and in islands"
    )
    noise: float = Field(
        9.0, ge=0, le=100, title="Noise", description="Standard deviation of the noise, grey levels"
    )
    blur_px: float = Field(
        0.7, ge=0, le=20, title="Blur (px)", description="Standard deviation of the point spread of the beam"
    )


@dataclass(frozen=True, eq=False)
class SemImage:
    """A micrograph and the truth behind it.

    Attributes
    ----------
    pixels : ndarray of uint8, shape (y, x)
        As the microscope shows it.
    phase : ndarray of bool, shape (y, x)
        Where the islands are.
    islands : ndarray, shape (n, 4)
        Centre (y, x), half the length and half the width of each, pixels; some reach out of the image.
    """

    pixels: NDArray[np.uint8]
    phase: NDArray[np.bool_]
    islands: Floats

    @property
    def phase_fraction(self) -> float:
        """Share of the image that is covered by islands."""
        return float(self.phase.mean())


def micrograph(settings: SemSettings, seed: int) -> SemImage:
    """Draw a micrograph.

    Parameters
    ----------
    settings : SemSettings
        What it shows. The phase fraction is met to within half of an island.
    seed : int
        Of everything that is random; settings that change the looks only leave the islands where they are.

    Returns
    -------
    SemImage
    """
    shape = settings.height, settings.width
    islands, depth = _islands(settings, np.random.default_rng([seed, _ISLANDS_STREAM]))
    grains = _matrix(settings, np.random.default_rng([seed, _GRAINS_STREAM]))
    texture = ndimage.gaussian_filter(
        np.random.default_rng([seed, _TEXTURE_STREAM]).normal(size=shape), 2.0, mode="wrap"
    )
    inside = settings.island_grey + settings.texture * (texture / texture.std())
    # More electrons leave a specimen near its edges; the rim lies inside, so that the edge stays in place.
    rim = np.exp(-0.5 * ((np.clip(depth, -9, 99) - 2 * _RIM_PX) / _RIM_PX) ** 2)
    inside += _RIM_BRIGHTNESS * (255 - settings.island_grey) * rim
    share = step(depth, softness=0.3)
    image = grains + share * (inside - grains)
    image = ndimage.gaussian_filter(image, settings.blur_px)
    image += settings.noise * np.random.default_rng([seed, _NOISE_STREAM]).normal(size=shape)
    return SemImage(np.clip(np.rint(image), 0, 255).astype(np.uint8), depth > 0, islands)


def _islands(settings: SemSettings, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Throw islands until they cover enough; how deep each pixel (y, x) lies in them, negative outside."""
    shape = settings.height, settings.width
    angle = np.deg2rad(settings.angle_deg)
    length = settings.island_px / 2 * np.sqrt(settings.elongation)
    reach = length * np.exp(_LARGEST_SPREAD * settings.size_spread)
    wanted = settings.phase_fraction * shape[0] * shape[1]
    depth = np.full(shape, -np.inf)
    thrown: list[tuple[float, float, float, float]] = []
    covered = 0
    while covered < wanted:
        centre = rng.uniform(-reach, np.array(shape) + reach)
        scale = np.exp(settings.size_spread * np.clip(rng.normal(), -_LARGEST_SPREAD, _LARGEST_SPREAD))
        half = length * scale, length / settings.elongation * scale
        low = np.clip(np.floor(centre - half[0] - 3), 0, shape).astype(int)
        high = np.clip(np.ceil(centre + half[0] + 4), 0, shape).astype(int)
        window = slice(low[0], high[0]), slice(low[1], high[1])
        y, x = np.ogrid[window]
        found = _depth_in_ellipse(y - centre[0], x - centre[1], half, angle)
        added = int(np.count_nonzero((found > 0) & (depth[window] <= 0)))
        if covered + added - wanted > wanted - covered:
            break
        depth[window] = np.maximum(depth[window], found)
        covered += added
        thrown.append((*centre, *half))
    return np.array(thrown).reshape(-1, 4), depth


def _depth_in_ellipse(dy: Floats, dx: Floats, half: tuple[float, float], angle: float) -> Floats:
    """Pixels from the edge of an ellipse, positive within; exact on the edge and near enough beside it."""
    along = dx * np.cos(angle) + dy * np.sin(angle)
    across = dy * np.cos(angle) - dx * np.sin(angle)
    rise = 1 - (along / half[0]) ** 2 - (across / half[1]) ** 2
    slope = 2 * np.hypot(along / half[0] ** 2, across / half[1] ** 2)
    return np.asarray(np.clip(rise / np.maximum(slope, 1e-9), -half[0] - 3, half[1]))


def _matrix(settings: SemSettings, rng: np.random.Generator) -> Floats:
    """Grey values (y, x) of the matrix: grains around random points, dark at their boundaries."""
    shape = np.array([settings.height, settings.width])
    reach = 2 * settings.grain_px
    # Three at least, so that each pixel has a nearest point and a second one.
    count = max(int(np.prod(shape + 2 * reach) / settings.grain_px**2), 3)
    points = rng.uniform(-reach, shape + reach, size=(count, 2))
    greys = settings.matrix_grey + settings.texture * rng.normal(size=count)
    pixels = np.mgrid[: shape[0], : shape[1]].reshape(2, -1).T
    distances, nearest = cKDTree(points).query(pixels, k=2)
    apart = np.linalg.norm(points[nearest[:, 0]] - points[nearest[:, 1]], axis=1)
    to_boundary = (distances[:, 1] ** 2 - distances[:, 0] ** 2) / (2 * apart)
    grey = greys[nearest[:, 0]] * (1 - 0.5 * np.exp(-0.5 * (to_boundary / _BOUNDARY_PX) ** 2))
    return np.asarray(grey.reshape(shape))
