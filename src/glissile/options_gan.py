"""The options of `glissile gan`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Noise(StrEnum):
    """What noise the layers of a generator add."""

    const = "const"
    none = "none"
    random = "random"


class Space(StrEnum):
    """Between which vectors a walk goes."""

    z = "z"
    w = "w"


class WalkPath(StrEnum):
    """On what curve a walk goes."""

    slerp = "slerp"
    linear = "linear"
    spline = "spline"


class Easing(StrEnum):
    """How a walk passes its key frames."""

    none = "none"
    smooth = "smooth"


class ProjectionSpace(StrEnum):
    """Whether all layers of a projection share one w."""

    w = "w"
    w_plus = "w+"


class Method(StrEnum):
    """How directions are found."""

    sefa = "sefa"
    pca = "pca"


IN_LOOK = "Look"
IN_CARD = "What the file itself does not say"
IN_WALK = "Walk"

NetPath = Annotated[
    Path,
    typer.Argument(
        metavar="NET", help="Generator: .safetensors, or a checkpoint of StyleGAN2-ADA (.pkl) or its kin."
    ),
]
Seeds = Annotated[str, typer.Option(metavar="SEEDS", help="Such as 0,1,5-9; both ends count.")]
Psi = Annotated[
    float,
    typer.Option(
        metavar="PSI",
        min=-10,
        max=10,
        help="Truncation: 1 for all variety, towards 0 more typical images.",
        rich_help_panel=IN_LOOK,
    ),
]
Cutoff = Annotated[
    int | None,
    typer.Option(
        metavar="N", min=0, max=64, help="Layers from here on are not truncated.", rich_help_panel=IN_LOOK
    ),
]
NoiseOption = Annotated[
    Noise,
    typer.Option(
        metavar="NOISE",
        help="const (that of the generator), none, or random (drawn from its seed).",
        rich_help_panel=IN_LOOK,
    ),
]
NoiseSeed = Annotated[
    int,
    typer.Option(metavar="SEED", min=0, max=2**32 - 1, help="Seed of random noise.", rich_help_panel=IN_LOOK),
]
Label = Annotated[
    str | None,
    typer.Option(
        "--class",
        "--label",
        metavar="CLASS",
        help="Class, by number or name, of a generator that has classes.",
        rich_help_panel=IN_LOOK,
    ),
]
Measures = Annotated[
    bool, typer.Option("--measures", help="Measure each image, by the numbers of glissile gan measure.")
]
Output = Annotated[
    Path,
    typer.Option(
        metavar="F",
        help="A sheet or one image (.png), a stack (.tif), latents (.npz, .json), or a folder of PNG images "
        "(no ending).",
    ),
]
Fps = Annotated[
    float,
    typer.Option(metavar="FPS", min=0.01, max=1000, help="Frames per second.", rich_help_panel=IN_WALK),
]
