"""What a micrograph is described by: names, symbols and units of its measures, and where they are written."""

from dataclasses import dataclass
from typing import Literal

# From this pixel size on, lengths are told in micrometres.
_MICROMETRES_FROM_NM = 10.0

Dimension = Literal["number", "length", "inverse length", "angle"]


@dataclass(frozen=True)
class Measure:
    """One number that a micrograph is described by.

    Attributes
    ----------
    name : str
        As in `Microstructure` and in tables.
    title, symbol : str
        For a person, and as in the literature.
    dimension : {"number", "length", "inverse length", "angle"}
        What its unit depends on.
    description : str
        How it is measured.
    reference : str
        Where that is written.
    """

    name: str
    title: str
    symbol: str
    dimension: Dimension
    description: str
    reference: str

    def unit(self, nm_per_pixel: float | None = None) -> str:
        """Give the unit of its values: of pixels where their size is not known; "" for plain numbers."""
        if self.dimension == "angle":
            return "°"
        if self.dimension == "number":
            return ""
        length = _unit_of_length(nm_per_pixel)
        return length if self.dimension == "length" else f"1/{length}"


_UNDERWOOD = "Underwood, Quantitative Stereology (1970)"

MEASURES = (
    Measure(
        "phase_fraction",
        "Phase fraction",
        "V_V",
        "number",
        "Share of the pixels that are brighter than the threshold",
        f"{_UNDERWOOD}, chapter 2; ASTM E1245",
    ),
    Measure(
        "island_size",
        "Island size",
        "L̄",
        "length",
        "Mean linear intercept of the bright phase, along x and y",
        f"{_UNDERWOOD}, chapter 4; ASTM E112",
    ),
    Measure(
        "free_path",
        "Matrix free path",
        "λ",
        "length",
        "Mean linear intercept of the matrix, along x and y",
        f"{_UNDERWOOD}, chapter 4",
    ),
    Measure(
        "correlation_length",
        "Correlation length",
        "ξ",
        "length",
        "Distance at which the autocovariance of the phase, averaged over directions, has fallen to 1/e",
        "Torquato, Random Heterogeneous Materials (2002), chapter 2",
    ),
    Measure(
        "boundary_density",
        "Boundary length per area",
        "L_A",
        "inverse length",
        "π/2 times the boundaries crossed per length of test lines in four directions",
        f"{_UNDERWOOD}, chapter 3; Legland et al., Image Anal. Stereol. 26 (2007) 83",
    ),
    Measure(
        "anisotropy",
        "Anisotropy",
        "C",
        "number",
        "Coherence of the structure tensor: 0 without a direction, 1 for straight parallel bands",
        "Bigun and Granlund, ICCV (1987) 433",
    ),
    Measure(
        "along_x",
        "Elongation along x",
        "C cos 2θ",
        "number",
        "Anisotropy along x (positive) or y (negative)",
        "Bigun and Granlund, ICCV (1987) 433",
    ),
    Measure(
        "along_diagonal",
        "Elongation along the diagonal",
        "C sin 2θ",
        "number",
        "Anisotropy along the diagonal that falls to the right (positive) or that rises (negative)",
        "Bigun and Granlund, ICCV (1987) 433",
    ),
    Measure(
        "angle_deg",
        "Direction",
        "θ",
        "angle",
        "Direction of the elongation from the x axis, clockwise on the screen, 0 to 180",
        "Bigun and Granlund, ICCV (1987) 433",
    ),
)


def pixel_size(nm_per_pixel: float | None) -> float:
    """Edge length of a pixel in the unit that lengths are told in."""
    if nm_per_pixel is None:
        return 1.0
    return nm_per_pixel / 1000 if nm_per_pixel >= _MICROMETRES_FROM_NM else nm_per_pixel


def _unit_of_length(nm_per_pixel: float | None) -> str:
    if nm_per_pixel is None:
        return "px"
    return "µm" if nm_per_pixel >= _MICROMETRES_FROM_NM else "nm"
