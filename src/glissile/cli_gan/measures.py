"""`glissile gan measure`: how w rules the microstructure."""

from typing import Annotated

import typer

from glissile import console
from glissile.cli_gan.command import opened, still
from glissile.errors import InputError
from glissile.options import Device, DeviceOption
from glissile.options_gan import IN_LOOK, NetPath, Noise, Psi


def measure(
    net: NetPath,
    samples: Annotated[int, typer.Option(metavar="N", min=50, max=1_000_000, help="Images to make.")] = 2000,
    seed: Annotated[
        int, typer.Option(metavar="SEED", min=0, max=2**31, help="The first; the others follow.")
    ] = 0,
    threshold: Annotated[
        float | None,
        typer.Option(
            metavar="GREY", min=0, max=255, help="Between the two phases; found by itself if absent."
        ),
    ] = None,
    psi: Psi = 1,
    noise: Annotated[
        Noise, typer.Option(metavar="NOISE", help="const or none.", rich_help_panel=IN_LOOK)
    ] = Noise.const,
    device: DeviceOption = Device.auto,
) -> None:
    """Measure many images and learn how w rules phase fraction, island size and more: the sliders.

    They are kept beside NET, where the dock and the option --measures of sample and slerp find them.
    """
    from glissile.gan.sliders import fit_sliders, load_sliders, save_sliders, sliders_path
    from glissile.io.outputs import refuse_in_experiment

    if noise is Noise.random:
        raise InputError(
            "--noise random: is not part of w, so nothing is learned from it; give const or none"
        )
    sampler = opened(net, device)
    target = sliders_path(net)
    refuse_in_experiment(target)
    if target.exists():
        load_sliders(target, sampler.card)  # refuses what would be lost
    steps = fit_sliders(
        sampler,
        samples=samples,
        seed=seed,
        psi=psi,
        threshold=threshold,
        noise=still(noise),
    )
    found = console.show("Measure", steps)
    console.print_sliders(found)
    before = console.in_place_of(target)
    save_sliders(target, found)
    print(f"sliders in {target}{before}")
