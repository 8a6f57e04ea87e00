"""`glissile gan sample`, `mix` and `directions`: images of seeds, of mixed styles, and along directions."""

import re
from pathlib import Path
from typing import Annotated

import typer

from glissile import console
from glissile.cli_gan.command import class_of, look_of, measuring, opened, points_of, refuse_output, write
from glissile.errors import InputError
from glissile.options import Device, DeviceOption
from glissile.options_gan import (
    Cutoff,
    Label,
    Measures,
    Method,
    NetPath,
    Noise,
    NoiseOption,
    NoiseSeed,
    Output,
    Psi,
    Seeds,
)


def sample(
    net: NetPath,
    seeds: Seeds,
    output: Output,
    grid: Annotated[
        str | None, typer.Option(metavar="RxC", help="Rows and columns of a sheet, such as 8x8.")
    ] = None,
    psi: Psi = 1,
    cutoff: Cutoff = None,
    noise: NoiseOption = Noise.const,
    noise_seed: NoiseSeed = 0,
    label: Label = None,
    device: DeviceOption = Device.auto,
    measures: Measures = False,
) -> None:
    """Generate the images of seeds, one by one or on a contact sheet."""
    from glissile.gan.latent import seeds_of
    from glissile.gan.provenance import of_points

    chosen = seeds_of(seeds)
    columns = None if grid is None else _columns_of(grid, len(chosen), output)
    refuse_output(net, output, len(chosen), grid=grid is not None, measures=measures)
    sampler = opened(net, device)
    points = points_of(sampler, chosen, psi, cutoff, label)
    images = of_points(sampler.card, points, look_of(noise, noise_seed))
    measure = measuring(net, sampler.card, noise) if measures else None
    write(sampler, images, output, f"seeds {seeds}", net, columns=columns, measure=measure)


def _columns_of(grid: str, count: int, output: Path) -> int:
    """Read `--grid`; InputError where it is none, or has too few places, or rows without an image."""
    found = re.fullmatch(r"([1-9][0-9]{0,3})[xX]([1-9][0-9]{0,3})", grid)
    if found is None:
        raise InputError(f"--grid {grid}: give rows and columns, such as 8x8")
    if output.suffix.lower() != ".png":
        raise InputError(f"--grid {grid}: a sheet is written as .png, not {output.name}")
    rows, columns = map(int, found.groups())
    if rows * columns < count:
        raise InputError(
            f"--grid {grid}: has {rows * columns} places, and there are {count} seeds; make it larger"
        )
    filled = -(-count // columns)
    if filled < rows:
        fill = "fills" if count == 1 else "fill"
        raise InputError(
            f"--grid {grid}: {console.counted(count, 'seed')} {fill} {console.counted(filled, 'row')} of "
            f"{columns}; give --grid {filled}x{columns}, or {rows * columns} seeds"
        )
    return columns


def mix(
    net: NetPath,
    rows: Annotated[
        str, typer.Option(metavar="SEEDS", help="Seeds at the left, which give all other layers.")
    ],
    columns: Annotated[str, typer.Option(metavar="SEEDS", help="Seeds above, which give the layers named.")],
    layers: Annotated[
        str,
        typer.Option(metavar="LAYERS", help="Layers of the seeds above, such as 0-3: 0 is the coarsest."),
    ],
    output: Output,
    psi: Psi = 1,
    cutoff: Cutoff = None,
    noise: NoiseOption = Noise.const,
    noise_seed: NoiseSeed = 0,
    label: Label = None,
    device: DeviceOption = Device.auto,
) -> None:
    """Mix the styles of seeds: each row with each column."""
    from glissile.gan.latent import layers_of, seeds_of
    from glissile.gan.provenance import of_mixing
    from glissile.workflow import generation

    above, left = seeds_of(columns), seeds_of(rows)
    is_table = output.suffix.lower() == ".png"
    refuse_output(net, output, len(above) * len(left), grid=is_table)
    sampler = opened(net, device)
    lay_out = generation.table_of_mixing if is_table else of_mixing
    images = lay_out(
        sampler.card,
        points_of(sampler, left, psi, cutoff, label),
        points_of(sampler, above, psi, cutoff, label),
        layers_of(layers, sampler.shape.num_ws),
        look_of(noise, noise_seed),
    )
    title = f"seeds {rows}, layers {layers} of seeds {columns}"
    write(sampler, images, output, title, net, columns=len(above) + 1 if is_table else None)


def directions(
    net: NetPath,
    method: Annotated[
        Method,
        typer.Option(
            metavar="METHOD",
            help="sefa (what the weights amplify most) or pca (what varies most).",
        ),
    ] = Method.sefa,
    count: Annotated[int, typer.Option(metavar="N", min=1, max=64, help="How many.")] = 8,
    layers: Annotated[
        str | None, typer.Option(metavar="LAYERS", help="Layers that they move; all if absent.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(metavar="F", help="Also show what each does, as a sheet (.png) or a stack (.tif)."),
    ] = None,
    seed: Annotated[
        int, typer.Option(metavar="SEED", min=0, max=2**32 - 1, help="Image that they begin at.")
    ] = 0,
    reach: Annotated[
        float,
        typer.Option(metavar="X", min=0.01, max=100, help="How far, in standard deviations of w."),
    ] = 3,
    images: Annotated[int, typer.Option(metavar="N", min=2, max=99, help="Images along each direction.")] = 7,
    psi: Psi = 1,
    cutoff: Cutoff = None,
    noise: NoiseOption = Noise.const,
    noise_seed: NoiseSeed = 0,
    label: Label = None,
    device: DeviceOption = Device.auto,
) -> None:
    """List directions along which images change in one way, and show what they do."""
    import numpy as np

    from glissile.gan.directions import style_directions, variation_directions
    from glissile.gan.latent import layers_of
    from glissile.workflow import generation

    if output is not None:
        refuse_output(net, output, count * images)
    sampler = opened(net, device)
    chosen = None if layers is None else layers_of(layers, sampler.shape.num_ws)
    find = style_directions if method is Method.sefa else variation_directions
    found = find(sampler, layers=chosen, count=count, label=class_of(sampler.card, label))
    for direction in found:
        print(f"{direction.name}: one standard deviation is {console.significant(direction.scale)} in w")
    if output is not None:
        (point,) = points_of(sampler, (seed,), psi, cutoff, label)
        amounts = np.linspace(-reach, reach, images).tolist()
        strips = generation.strips(sampler, point, found, amounts, look_of(noise, noise_seed))
        is_sheet = output.suffix.lower() == ".png"
        title = f"{method.value} directions from seed {seed}"
        write(sampler, strips, output, title, net, columns=images if is_sheet else None)
