"""`glissile gan slerp`: walks from seed to seed."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from glissile import console
from glissile.cli_gan.command import look_of, measuring, opened, points_of, refuse_output, write
from glissile.errors import InputError
from glissile.options import Device, DeviceOption
from glissile.options_gan import (
    IN_WALK,
    Cutoff,
    Easing,
    Fps,
    Label,
    Measures,
    NetPath,
    Noise,
    NoiseOption,
    NoiseSeed,
    Psi,
    Seeds,
    Space,
    WalkPath,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glissile.gan.points import Point
    from glissile.gan.walk import Walk, WalkSettings

_PAPER_FRAMES = 1440  # Lambard et al. 2023: two seeds and 1438 frames between, a minute at 24 per second
_LONGEST_LEG = 10_000


def slerp(
    net: NetPath,
    seeds: Seeds,
    output: Annotated[
        Path,
        typer.Option(
            metavar="F",
            help="Video (.mp4, .mkv without loss, .avi), stack (.tif), latents (.npz, .json), or a folder of "
            "PNG images (no ending).",
        ),
    ],
    frames: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=2,
            max=1_000_000,
            help="Frames in all; where the legs cannot share them evenly, a few more.",
            rich_help_panel=IN_WALK,
        ),
    ] = _PAPER_FRAMES,
    fps: Fps = 24,
    closed: Annotated[
        bool, typer.Option("--closed", help="Return to the first seed.", rich_help_panel=IN_WALK)
    ] = False,
    space: Annotated[
        Space,
        typer.Option(metavar="z|w", help="Walk between latent or mapped vectors.", rich_help_panel=IN_WALK),
    ] = Space.z,
    path: Annotated[
        WalkPath,
        typer.Option(
            metavar="PATH",
            help="slerp (great circles), linear, or spline (smooth through all seeds).",
            rich_help_panel=IN_WALK,
        ),
    ] = WalkPath.slerp,
    easing: Annotated[
        Easing,
        typer.Option(
            metavar="EASING", help="none, or smooth: slow down at each seed.", rich_help_panel=IN_WALK
        ),
    ] = Easing.none,
    equal_speed: Annotated[
        bool,
        typer.Option(
            "--equal-speed",
            help="Space the frames so that the image changes evenly.",
            rich_help_panel=IN_WALK,
        ),
    ] = False,
    psi: Psi = 1,
    cutoff: Cutoff = None,
    noise: NoiseOption = Noise.const,
    noise_seed: NoiseSeed = 0,
    label: Label = None,
    device: DeviceOption = Device.auto,
    measures: Measures = False,
) -> None:
    """Walk from seed to seed; if nothing else is said, as in Lambard et al. (2023): a minute, 1440 frames."""
    from glissile.gan.equal_speed import timed
    from glissile.gan.latent import seeds_of
    from glissile.gan.provenance import of_walk
    from glissile.gan.walk import WalkSettings

    chosen = seeds_of(seeds)
    settings = WalkSettings(
        steps_per_leg=_steps_per_leg(len(chosen), frames, closed=closed),
        space=space.value,
        path=path.value,
        easing=easing.value,
        closed=closed,
        equal_speed=equal_speed,
    )
    if output.suffix.lower() == ".png":
        raise InputError(f"{output}: a walk is written as video, stack or folder; give another name")
    count = settings.steps_per_leg * (len(chosen) - (not closed)) + (not closed)
    refuse_output(net, output, count, measures=measures)
    sampler = opened(net, device)
    measure = measuring(net, sampler.card, noise) if measures else None
    walk = _walk(points_of(sampler, chosen, psi, cutoff, label), settings)
    walk = console.show("Measure", timed(walk, sampler, noise=noise.value, noise_seed=noise_seed))
    images = of_walk(sampler.card, walk, look_of(noise, noise_seed))
    write(sampler, images, output, f"walk through seeds {seeds}", net, fps=fps, measure=measure)


def _steps_per_leg(keys: int, frames: int, *, closed: bool) -> int:
    """Share frames out among the legs of a walk; InputError where that cannot be."""
    from glissile.gan.walk import MOST_KEYS

    if not 2 <= keys <= MOST_KEYS:
        raise InputError(f"--seeds: a walk goes through 2 to {MOST_KEYS} seeds, and these are {keys}")
    legs, steps = (keys, frames) if closed else (keys - 1, frames - 1)
    if steps < legs:
        raise InputError(f"--frames {frames}: are fewer than a walk through {keys} seeds has; give more")
    if steps > legs * _LONGEST_LEG:
        raise InputError(
            f"--frames {frames}: are more than {_LONGEST_LEG} from one seed to the next; name more seeds"
        )
    return -(-steps // legs)


def _walk(points: "Sequence[Point]", settings: "WalkSettings") -> "Walk":
    from glissile.gan.walk import Walk

    return Walk(keys=tuple(points), settings=settings)
