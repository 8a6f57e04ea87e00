"""`glissile gan info` and `convert`: what is known of a generator, and its file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glissile.errors import InputError
from glissile.options import options_checked
from glissile.options_gan import IN_CARD, NetPath

if TYPE_CHECKING:
    from glissile.io.generator_card import GeneratorCard
    from glissile.io.generator_file import GeneratorFile

_SAMPLE = Path("sample")


def info(net: NetPath) -> None:
    """Say what a generator is, and what is known of its training."""
    from glissile.io.generator_file import read_generator_card
    from glissile.io.generator_words import told

    for line in told(read_generator_card(net)):
        print(line)


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
    """Write a generator as safetensors with a card; nothing in a checkpoint is run.

    NET may be the word sample: a small generator of random weights, to try the other commands with.
    """
    from glissile.io.generator_file import read_generator, write_generator
    from glissile.io.generator_words import told
    from glissile.io.outputs import refuse_file, refuse_in_experiment

    refuse_file(output, ".safetensors", net)
    refuse_in_experiment(output)
    for written in (output, output.with_suffix(".json")):
        if written.exists():
            raise InputError(f"{written}: is there already; choose another name")
    found = _bundled() if net == _SAMPLE and not net.exists() else read_generator(net)
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


def _bundled() -> "GeneratorFile":
    from glissile.gan.randomised import sample_generator
    from glissile.io.generator_file import GeneratorFile

    generator, card = sample_generator()
    return GeneratorFile(card, generator.state_dict())


def _changed(card: "GeneratorCard", given: dict[str, Any]) -> "GeneratorCard":
    with options_checked():
        return type(card).model_validate({**card.model_dump(), **given})
