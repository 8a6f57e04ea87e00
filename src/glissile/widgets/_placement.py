"""Pixels in napari's world, by their size."""

from typing import Any


def scaled(axes: str, nm_per_pixel: float | None) -> dict[str, Any]:
    """Arguments of a layer that lay its pixels out in nm; in pixels where their size is not known.

    Parameters
    ----------
    axes : str
        "yx" or "tyx"; one step along t is one frame, and has no unit.
    nm_per_pixel : float or None
        Size of a pixel.

    Returns
    -------
    dict
        `scale`, `units` and `axis_labels`, each for all axes.
    """
    size, unit = (1.0, "pixel") if nm_per_pixel is None else (nm_per_pixel, "nm")
    return {
        "scale": tuple(1.0 if axis == "t" else size for axis in axes),
        "units": tuple("pixel" if axis == "t" else unit for axis in axes),
        "axis_labels": tuple(axes),
    }
