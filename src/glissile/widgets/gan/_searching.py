"""Reading a micrograph and seeking it in a generator, as step generators without Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glissile.progress import Step, Steps

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from glissile.gan.projection import Projection
    from glissile.gan.sampler import Sampler
    from glissile.widgets.gan._crop import Cut


def read_micrograph(path: Path) -> Steps[NDArray[Any]]:
    """Read a micrograph, grey values (y, x); raises InputError where the file is none."""
    from glissile.io.image_folders import read_image

    yield Step(0, 1, f"Reading {path.name}")
    return read_image(path)


def sought(sampler: Sampler, cut: Cut, settings: dict[str, Any], label: int | None) -> Steps[Projection]:
    """Seek what is used of a micrograph.

    Parameters
    ----------
    sampler : Sampler
        The generator, of which a copy is searched.
    cut : Cut
        The micrograph, and what of it is used.
    settings : dict
        Of a `glissile.gan.projection_settings.ProjectionSettings`.
    label : int, optional
        Class, of conditional generators.

    Yields
    ------
    Step
        As of `glissile.gan.projection.project`; understands its `Stop`.

    Returns
    -------
    Projection
    """
    from glissile.gan.projection import project
    from glissile.gan.projection_settings import ProjectionSettings

    square = cut.square(sampler.card)
    given = ProjectionSettings.model_validate(settings)
    return (yield from project(sampler.generator, square, given, label=label))
