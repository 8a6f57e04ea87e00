"""What the commands of `glissile gan` share: options are read, a generator is opened, images are written."""

from pathlib import Path
from typing import TYPE_CHECKING

from glissile import console
from glissile.errors import InputError
from glissile.options import Device
from glissile.options_gan import Noise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glissile.gan.look import Look, StillNoise
    from glissile.gan.points import Point
    from glissile.gan.provenance import Provenance
    from glissile.gan.sampler import Sampler
    from glissile.io.generator_card import GeneratorCard
    from glissile.workflow.measuring import Measuring


def still(noise: Noise) -> "StillNoise":
    """Narrow noise to that which is part of the generator, once random noise is refused."""
    return "none" if noise is Noise.none else "const"


def refuse_output(net: Path, output: Path, count: int, *, grid: bool = False, measures: bool = False) -> None:
    """Refuse an impossible output before the network is read."""
    from glissile.workflow import generation

    form = generation.form_of(output, count, grid=grid)
    generation.refuse_target(output, form, net)
    generation.refuse_too_many(output, count)
    if measures:
        generation.refuse_measures(output, form, net)


def opened(net: Path, device: Device) -> "Sampler":
    """Read a generator onto a device."""
    from glissile.gan.sampler import Sampler

    return Sampler.open(net, device=device.value)


def points_of(
    sampler: "Sampler", seeds: "Sequence[int]", psi: float, cutoff: int | None, label: str | None
) -> "list[Point]":
    """Give the points of seeds, once the class is known to exist."""
    from glissile.gan.points import Point

    chosen = class_of(sampler.card, label)
    return [Point(seed=seed, psi=psi, cutoff=cutoff, label=chosen) for seed in seeds]


def class_of(card: "GeneratorCard", label: str | None) -> int | None:
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


def look_of(noise: Noise, noise_seed: int) -> "Look":
    """Read the options of the noise."""
    from glissile.gan.look import Look

    return Look(noise=noise.value, noise_seed=noise_seed)


def measuring(net: Path, card: "GeneratorCard", noise: Noise) -> "Measuring":
    """Read by what numbers images are measured; InputError where there are none yet."""
    from glissile.gan.sliders import load_sliders, sliders_path
    from glissile.workflow.measuring import measure_of

    path = sliders_path(net)
    if not path.exists():
        raise InputError(f"{net}: nothing is measured yet; run glissile gan measure on it first")
    sliders = load_sliders(path, card)
    if sliders.noise not in (None, noise.value):
        print(
            f"these images have --noise {noise.value}; {path.name} and its threshold are of images with "
            f"--noise {sliders.noise}"
        )
    return measure_of(sliders)


def write(
    sampler: "Sampler",
    images: "Sequence[Provenance | None]",
    output: Path,
    title: str,
    net: Path,
    *,
    columns: int | None = None,
    fps: float = 24,
    measure: "Measuring | None" = None,
) -> None:
    """Generate images into a file or folder, and say so."""
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
    if done.dropped is not None:
        print(f"{done.dropped}, the table of the images before, was removed")
    if done.table is not None:
        also = "" if done.form is generation.Form.video else ", and in the metadata of each image"
        print(f"measures in {done.table}{also}")
