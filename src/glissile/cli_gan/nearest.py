"""`glissile gan nearest`: whether a generator has learned training images by heart."""

from pathlib import Path
from typing import Annotated

import typer

from glissile import console
from glissile.cli_gan.command import look_of, opened, points_of
from glissile.options import Device, DeviceOption
from glissile.options_gan import Cutoff, Label, NetPath, Noise, NoiseOption, NoiseSeed, Psi, Seeds


def nearest(
    net: NetPath,
    images: Annotated[
        Path,
        typer.Option(metavar="FOLDER", help="Training images (PNG, TIFF, JPEG), as the generator saw them."),
    ],
    seeds: Seeds,
    output: Annotated[
        Path | None,
        typer.Option(metavar="F.png", help="Sheet: each image beside the nearest training image."),
    ] = None,
    table: Annotated[
        Path | None, typer.Option(metavar="F.csv", help="Table with a row for each image.")
    ] = None,
    psi: Psi = 1,
    cutoff: Cutoff = None,
    noise: NoiseOption = Noise.const,
    noise_seed: NoiseSeed = 0,
    label: Label = None,
    device: DeviceOption = Device.auto,
) -> None:
    """Find the training image that is nearest to each image, and say whether it is a copy.

    Similarity is 1 for the same image; turned, mirrored and shifted copies are found, too.
    """
    from glissile.gan.index_cache import index_cache
    from glissile.gan.latent import seeds_of
    from glissile.gan.provenance import of_points
    from glissile.workflow.memorisation import compare_with_training, refuse_outputs

    chosen = seeds_of(seeds)
    refuse_outputs(images, output, table, net)
    sampler = opened(net, device)
    points = points_of(sampler, chosen, psi, cutoff, label)
    before = {path: console.in_place_of(path) for path in (output, table) if path is not None}
    work = compare_with_training(
        sampler,
        of_points(sampler.card, points, look_of(noise, noise_seed)),
        images,
        cache=index_cache(images),
        sheet=output,
        table=table,
        read=(net,),
    )
    console.print_memorisation(console.show("Nearest", work))
    for path, replaced in before.items():
        print(f"{'sheet' if path == output else 'table'} in {path}{replaced}")
