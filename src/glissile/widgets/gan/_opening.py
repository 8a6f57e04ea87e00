"""Opening and saving networks, as step generators without Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glissile.errors import InputError
from glissile.progress import Step, Steps

if TYPE_CHECKING:
    from pathlib import Path

    from glissile.gan.sampler import Sampler


def opened(path: Path | None, device: str) -> Steps[Sampler]:
    """Read a network, or make the sample.

    Parameters
    ----------
    path : Path, optional
        File; None for the sample, whose weights are random.
    device : {"auto", "cpu", "cuda", "mps"}
        Where it is to compute.

    Yields
    ------
    Step
        Before and after.

    Returns
    -------
    Sampler

    Raises
    ------
    InputError
        If the file is no generator, or the device does not work.
    """
    name = "the sample" if path is None else path.name
    yield Step(0, 1, f"Opening {name}")
    from glissile.gan.sampler import Sampler

    sampler = _sample(device) if path is None else Sampler.open(path, device=device)
    channels = sampler.shape.channels
    if channels not in (1, 3):
        raise InputError(
            f"{name}: makes images of {channels} channels, and only grey and RGB ones are shown; "
            "glissile gan sample writes its latents"
        )
    yield Step(1, 1, f"Opened {name}")
    return sampler


def saved(path: Path, output: Path) -> Steps[Path]:
    """Write a network that was read from a file of another program as safetensors with its card.

    Parameters
    ----------
    path : Path
        Its file.
    output : Path
        `.safetensors`; a `.json` file goes beside it.

    Yields
    ------
    Step
        Before it is read and before it is written.

    Returns
    -------
    Path
        `output`.

    Raises
    ------
    InputError
        If the file cannot be read any more, or `output` is not for generators.
    """
    from glissile.io.generator_file import read_generator, write_generator
    from glissile.io.outputs import refuse_file, refuse_in_experiment

    refuse_file(output, ".safetensors", path)
    refuse_in_experiment(output)
    beside = output.with_suffix(".json")
    if beside.exists() and not output.exists():
        raise InputError(f"{beside}: is there already; choose another name")
    yield Step(0, 2, f"Reading {path.name}")
    found = read_generator(path)
    yield Step(1, 2, f"Writing {output.name}")
    write_generator(output, found.tensors, found.card)
    return output


def _sample(device: str) -> Sampler:
    from glissile.gan.randomised import sample_generator
    from glissile.gan.sampler import Sampler
    from glissile.io.generator_file import tensors_sha256

    generator, card = sample_generator()
    sha256 = tensors_sha256(generator.state_dict())
    return Sampler(generator, card.model_copy(update={"weights_sha256": sha256}), device=device)
