"""`glissile gan project`: the latent vectors of a micrograph."""

from pathlib import Path
from typing import Annotated

import typer

from glissile import console
from glissile.cli_gan.command import class_of, still
from glissile.errors import InputError
from glissile.options import Device, DeviceOption
from glissile.options_gan import IN_LOOK, Label, NetPath, Noise, ProjectionSpace


def project(
    net: NetPath,
    image: Annotated[
        Path,
        typer.Argument(metavar="IMAGE", help="Micrograph (PNG, TIFF, JPEG); its central square is taken."),
    ],
    output: Annotated[Path, typer.Option(metavar="DIR", help="New folder for what is found.")],
    data_bar: Annotated[
        int,
        typer.Option(metavar="PX", min=0, max=100_000, help="Rows of the data bar at the bottom of IMAGE."),
    ] = 0,
    space: Annotated[
        ProjectionSpace,
        typer.Option(
            metavar="w|w+",
            help="w (one vector, as typical as others) or w+ (one for each layer, which comes closer).",
        ),
    ] = ProjectionSpace.w,
    steps: Annotated[
        int, typer.Option(metavar="N", min=10, max=100_000, help="Images that are looked at.")
    ] = 200,
    seed: Annotated[
        int, typer.Option(metavar="SEED", min=0, max=2**31 - 1, help="Start of all random numbers.")
    ] = 0,
    noise: Annotated[
        Noise, typer.Option(metavar="NOISE", help="const or none.", rich_help_panel=IN_LOOK)
    ] = Noise.const,
    label: Label = None,
    device: DeviceOption = Device.auto,
) -> None:
    """Find the latent vectors by which a generator comes closest to a micrograph."""
    from glissile.gan.projection_settings import ProjectionSettings
    from glissile.workflow.generation import Form, refuse_target
    from glissile.workflow.projection import opened_generator, project_micrograph

    if noise is Noise.random:
        raise InputError("--noise random: belongs to no micrograph; give const or none")
    settings = ProjectionSettings(
        space=space.value, steps=steps, seed=seed, noise=still(noise), device=device.value
    )
    refuse_target(output, Form.folder, net, image)
    generator, card = opened_generator(net)
    work = project_micrograph(
        generator,
        card,
        image,
        output,
        settings,
        label=class_of(card, label),
        data_bar_px=data_bar,
        read=(net,),
    )
    found = console.show("Project", work)
    distances = found.distances
    print(
        f"distance {distances['distance']:.4g}, of the mean image {distances['of_mean']:.4g}; grey values "
        f"differ by {distances['rms'] * 127.5:.1f} of 255 (root mean square)"
    )
    print(f"synthetic image, comparison and latents in {output}")
