"""`glissile gan`: look through the generators of SEM micrographs."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from glissile import console
from glissile.errors import InputError
from glissile.options import Device, DeviceOption, options_checked
from glissile.options_gan import (
    IN_CARD,
    IN_LOOK,
    IN_WALK,
    Cutoff,
    Easing,
    Fps,
    Label,
    Method,
    NetPath,
    Noise,
    NoiseOption,
    NoiseSeed,
    Output,
    ProjectionSpace,
    Psi,
    Seeds,
    Space,
    WalkPath,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glissile.gan.points import Point
    from glissile.gan.provenance import Look, Provenance
    from glissile.gan.sampler import Sampler
    from glissile.gan.walk import Walk, WalkSettings
    from glissile.io.generator_card import GeneratorCard
    from glissile.workflow.generation import Measure

app = typer.Typer(
    name="gan", help="Sample generators of micrographs, and walk through them.", no_args_is_help=True
)

_PAPER_FRAMES = 1440  # Lambard et al. 2023: two seeds and 1438 frames between, a minute at 24 per second
_LONGEST_LEG = 10_000


@app.command()
def info(net: NetPath) -> None:
    """Say what a generator is, and what is known of its training."""
    from glissile.io.generator_file import read_generator_card
    from glissile.io.generator_words import told

    for line in told(read_generator_card(net)):
        print(line)


@app.command()
def convert(
    net: NetPath,
    output: Annotated[
        Path, typer.Argument(metavar="F.safetensors", help="Where the generator goes, with its card.")
    ],
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of the generator.", rich_help_panel=IN_CARD)
    ] = None,
    licence: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Licence of the weights.", rich_help_panel=IN_CARD),
    ] = None,
    training_data: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="What images it learned from.", rich_help_panel=IN_CARD),
    ] = None,
    kimg: Annotated[
        float | None,
        typer.Option(metavar="N", help="Thousands of images seen in training.", rich_help_panel=IN_CARD),
    ] = None,
    fid: Annotated[
        float | None,
        typer.Option(metavar="FID", help="Frechet inception distance.", rich_help_panel=IN_CARD),
    ] = None,
    nm_per_pixel: Annotated[
        float | None,
        typer.Option(metavar="NM", help="Edge length of a pixel in nm.", rich_help_panel=IN_CARD),
    ] = None,
) -> None:
    """Write a generator as safetensors with a card; nothing in a checkpoint is run."""
    from glissile.io.generator_file import read_generator, write_generator
    from glissile.io.generator_words import told
    from glissile.io.outputs import refuse_file, refuse_in_experiment

    refuse_file(output, ".safetensors", net)
    refuse_in_experiment(output)
    for written in (output, output.with_suffix(".json")):
        if written.exists():
            raise InputError(f"{written}: is there already, and would be written; choose another name")
    found = read_generator(net)
    given: dict[str, Any] = {
        "name": name,
        "licence": licence,
        "kimg": kimg,
        "fid": fid,
        "nm_per_pixel": nm_per_pixel,
    }
    card = _changed(found.card, {key: value for key, value in given.items() if value is not None})
    if training_data is not None:
        data = card.training_data.model_copy(update={"description": training_data[:4000]})
        card = card.model_copy(update={"training_data": data})
    for line in told(write_generator(output, found.tensors, card)):
        print(line)
    print(f"generator in {output}")


def _changed(card: "GeneratorCard", given: dict[str, Any]) -> "GeneratorCard":
    with options_checked():
        return type(card).model_validate({**card.model_dump(), **given})


@app.command()
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
    measures: Annotated[
        bool, typer.Option("--measures", help="Measure each image, by the numbers of glissile gan measure.")
    ] = False,
) -> None:
    """Generate the images of seeds, one by one or on a contact sheet."""
    from glissile.gan.latent import seeds_of
    from glissile.gan.provenance import of_points
    from glissile.gan.sliders import load_sliders, sliders_path
    from glissile.workflow import generation

    chosen = seeds_of(seeds)
    columns = None if grid is None else _columns_of(grid, len(chosen), output)
    _refuse(net, output, len(chosen), grid=grid is not None)
    sampler = _opened(net, device)
    points = _points(sampler, chosen, psi, cutoff, label)
    images = of_points(sampler.card, points, _look(noise, noise_seed))
    measure = None
    if measures:
        if not sliders_path(net).exists():
            raise InputError(f"{net}: nothing is measured yet; run glissile gan measure on it first")
        measure = generation.measure_of(load_sliders(sliders_path(net), sampler.card))
    _write(sampler, images, output, f"seeds {seeds}", net, columns=columns, measure=measure)


def _columns_of(grid: str, count: int, output: Path) -> int:
    """Read `--grid`; InputError where it is none, or has too few places."""
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
    return columns


@app.command()
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
) -> None:
    """Walk from seed to seed; if nothing else is said, as in Lambard et al. (2023): a minute, 1440 frames."""
    from glissile.gan.latent import seeds_of
    from glissile.gan.provenance import of_walk
    from glissile.gan.walk import WalkSettings, timed

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
    _refuse(net, output, frames)
    sampler = _opened(net, device)
    walk = _walk(_points(sampler, chosen, psi, cutoff, label), settings)
    walk = console.show("Measure", timed(walk, sampler))
    images = of_walk(sampler.card, walk, _look(noise, noise_seed))
    _write(sampler, images, output, f"walk through seeds {seeds}", net, fps=fps)


def _steps_per_leg(keys: int, frames: int, *, closed: bool) -> int:
    """Share frames out among the legs of a walk; InputError where that cannot be."""
    if not 2 <= keys <= 256:
        raise InputError(f"--seeds: a walk goes through 2 to 256 seeds, and these are {keys}")
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


@app.command()
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
    _refuse(net, output, len(above) * len(left), grid=is_table)
    sampler = _opened(net, device)
    lay_out = generation.table_of_mixing if is_table else of_mixing
    images = lay_out(
        sampler.card,
        _points(sampler, left, psi, cutoff, label),
        _points(sampler, above, psi, cutoff, label),
        layers_of(layers, sampler.shape.num_ws),
        _look(noise, noise_seed),
    )
    title = f"seeds {rows}, layers {layers} of seeds {columns}"
    _write(sampler, images, output, title, net, columns=len(above) + 1 if is_table else None)


@app.command()
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
        _refuse(net, output, count * images)
    sampler = _opened(net, device)
    chosen = None if layers is None else layers_of(layers, sampler.shape.num_ws)
    find = style_directions if method is Method.sefa else variation_directions
    found = find(sampler, layers=chosen, count=count, label=_class_of(sampler.card, label))
    for direction in found:
        print(f"{direction.name}: one standard deviation is {console.significant(direction.scale)} in w")
    if output is not None:
        (point,) = _points(sampler, (seed,), psi, cutoff, label)
        amounts = np.linspace(-reach, reach, images).tolist()
        strips = generation.strips(sampler, point, found, amounts, _look(noise, noise_seed))
        is_sheet = output.suffix.lower() == ".png"
        title = f"{method.value} directions from seed {seed}"
        _write(sampler, strips, output, title, net, columns=images if is_sheet else None)


@app.command("measure")
def measure_(
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

    They are kept beside NET, where the dock and sample --measures find them.
    """
    from glissile.gan.sliders import fit_sliders, load_sliders, save_sliders, sliders_path
    from glissile.io.outputs import refuse_in_experiment

    if noise is Noise.random:
        raise InputError(
            "--noise random: is not part of w, so nothing is learned from it; give const or none"
        )
    sampler = _opened(net, device)
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
        noise=_still(noise),
    )
    found = console.show("Measure", steps)
    console.print_sliders(found)
    before = console.in_place_of(target)
    save_sliders(target, found)
    print(f"sliders in {target}{before}")


@app.command()
def project(
    net: NetPath,
    image: Annotated[
        Path,
        typer.Argument(metavar="IMAGE", help="Micrograph (PNG, TIFF, JPEG); its central square is taken."),
    ],
    output: Annotated[Path, typer.Option(metavar="DIR", help="New folder for what is found.")],
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
    from glissile.gan.projection import ProjectionSettings
    from glissile.workflow.generation import Form, refuse_target
    from glissile.workflow.projection import opened_generator, project_micrograph

    if noise is Noise.random:
        raise InputError("--noise random: belongs to no micrograph; give const or none")
    settings = ProjectionSettings(
        space=space.value, steps=steps, seed=seed, noise=_still(noise), device=device.value
    )
    refuse_target(output, Form.folder, net, image)
    generator, card = opened_generator(net)
    work = project_micrograph(
        generator, card, image, output, settings, label=_class_of(card, label), read=(net,)
    )
    found = console.show("Project", work)
    distances = found.distances
    print(
        f"distance {distances['distance']:.4g}, of the mean image {distances['of_mean']:.4g}; grey values "
        f"differ by {distances['rms'] * 127.5:.1f} of 255 (root mean square)"
    )
    print(f"synthetic image, comparison and latents in {output}")


def _still(noise: Noise) -> Literal["const", "none"]:
    return "none" if noise is Noise.none else "const"


def _refuse(net: Path, output: Path, count: int, *, grid: bool = False) -> None:
    """Refuse an impossible output before the network is read."""
    from glissile.workflow import generation

    form = generation.form_of(output, count, grid=grid)
    generation.refuse_target(output, form, net)


def _opened(net: Path, device: Device) -> "Sampler":
    from glissile.gan.sampler import Sampler

    return Sampler.open(net, device=device.value)


def _points(
    sampler: "Sampler", seeds: "Sequence[int]", psi: float, cutoff: int | None, label: str | None
) -> "list[Point]":
    from glissile.gan.points import Point

    chosen = _class_of(sampler.card, label)
    return [Point(seed=seed, psi=psi, cutoff=cutoff, label=chosen) for seed in seeds]


def _class_of(card: "GeneratorCard", label: str | None) -> int | None:
    """Read `--class`; InputError where the generator has no such class."""
    if label is None:
        return None
    count = card.shape.c_dim
    if not count:
        raise InputError(f"--class {label}: this generator has no classes; leave the option out")
    if label in card.class_names:
        return card.class_names.index(label)
    if label.isascii() and label.isdigit() and len(label) < 6 and int(label) < count:
        return int(label)
    names = f", or one of {', '.join(card.class_names)}" if card.class_names else ""
    raise InputError(f"--class {label}: there is no such class; give a number from 0 to {count - 1}{names}")


def _look(noise: Noise, noise_seed: int) -> "Look":
    from glissile.gan.provenance import Look

    return Look(noise=noise.value, noise_seed=noise_seed)


def _write(
    sampler: "Sampler",
    images: "Sequence[Provenance | None]",
    output: Path,
    title: str,
    net: Path,
    *,
    columns: int | None = None,
    fps: float = 24,
    measure: "Measure | None" = None,
) -> None:
    from glissile.workflow import generation

    before = console.in_place_of(output)
    steps = generation.write_images(
        sampler,
        images,
        output,
        title=f"{sampler.card.name or net.name}, {title}"[:1000],
        columns=columns,
        frames_per_second=fps,
        measure=measure,
        read=(net,),
    )
    done = console.show("Generate", steps)
    print(f"{console.counted(done.images, 'synthetic image')} in {output} ({done.form.value}){before}")
