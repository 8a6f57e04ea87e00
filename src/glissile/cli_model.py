"""`glissile model`: look at a trained model, bring one in, hand one on."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from glissile import console
from glissile.errors import InputError
from glissile.options import classes_of, options_checked, refuse_no_model

if TYPE_CHECKING:
    from glissile.io.bioimage_zoo import ZooEntry

app = typer.Typer(name="model", help="Show, import and export trained models.", no_args_is_help=True)

ModelPath = Annotated[Path, typer.Argument(metavar="MODEL_DIR", help="Folder of a trained model.")]
_PACKAGE = "For a package (.zip)"


@app.command()
def show(
    model: ModelPath,
    reliability: Annotated[
        Path | None,
        typer.Option(
            metavar="F", help="Also draw how far its probabilities hold, as .png, .svg or .pdf here."
        ),
    ] = None,
) -> None:
    """Say what a model finds, how it was trained and how good it is."""
    from glissile.io.checkpoint import read_card
    from glissile.io.model_words import is_imported, told
    from glissile.learn.reliability import read_reliability

    refuse_no_model(model)
    card = read_card(model)
    for line in told(card):
        print(line)
    if is_imported(card):
        print(f"scores: {card.scores_note}")
    else:
        console.print_card(card)
    table = read_reliability(model)
    if table is not None:
        console.print_reliability(table)
    if reliability is not None:
        if table is None:
            raise InputError(
                f"{model}: has no table of reliability, as nothing was held out in its training, it is of an "
                "earlier version, or the table was not copied with it"
            )
        from glissile.quantify.against_strain import save_figure
        from glissile.quantify.reliability_diagram import draw_reliability

        save_figure(draw_reliability(table, card.classes), reliability)
        print(f"figure in {reliability}")


@app.command("import")
def import_(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="Package of the BioImage Model Zoo (.zip), or weights of a U-Net in the layout of "
            "milesial/Pytorch-UNet (.pth, .pt, .safetensors).",
        ),
    ],
    output: Annotated[Path, typer.Option(metavar="MODEL_DIR", help="Folder for the model.")],
    classes: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="Classes that a U-Net from elsewhere tells from background, with commas between.",
        ),
    ] = None,
) -> None:
    """Make a model folder of a model from elsewhere; nothing in the file is run."""
    from glissile.exchange import import_model
    from glissile.io.model_words import told

    if source.suffix.lower() == ".onnx" and source.is_file():
        raise InputError(
            f"{source}: a network as ONNX cannot be imported; give the package (.zip) or the weights (.pth)"
        )
    card = import_model(source, output, None if classes is None else classes_of(classes))
    for line in told(card):
        print(line)
    print(f"model in {output}")


@app.command()
def export(
    model: ModelPath,
    output: Annotated[
        Path,
        typer.Argument(
            metavar="F.zip|F.onnx", help="Package of the BioImage Model Zoo, or the network alone as ONNX."
        ),
    ],
    authors: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES", help="Who made the model, with commas between.", rich_help_panel=_PACKAGE
        ),
    ] = None,
    licence: Annotated[
        str | None,
        typer.Option(
            metavar="SPDX", help="Licence of the model, such as CC-BY-4.0.", rich_help_panel=_PACKAGE
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Name of the model; that of the folder if absent.", rich_help_panel=_PACKAGE
        ),
    ] = None,
    sample: Annotated[
        Path | None,
        typer.Option(
            metavar="VIDEO",
            help="Video whose first frame is published as an example; a drawn one if absent.",
            rich_help_panel=_PACKAGE,
        ),
    ] = None,
    softmax: Annotated[
        bool, typer.Option("--softmax", help="Probabilities instead of logits.", rich_help_panel=_PACKAGE)
    ] = False,
) -> None:
    """Write a model for other programs."""
    _refuse_export(model, output)
    before = console.in_place_of(output)
    from glissile.exchange import export_onnx, export_package

    if output.suffix.lower() == ".onnx":
        if authors or licence or name or sample or softmax:
            raise InputError(f"{output}: the options of a package belong to a .zip; leave them out")
        console.show("Export", export_onnx(model, output))
    else:
        entry = _entry(name or model.resolve().name, authors, licence, softmax=softmax)
        console.show("Export", export_package(model, output, entry, sample=sample))
    print(f"model in {output}{before}")


def _refuse_export(model: Path, output: Path) -> None:
    """Refuse what no option could mend: no model, another kind of file, or no means to write it."""
    from glissile.io.checkpoint import read_card
    from glissile.learn.export import require_onnx

    refuse_no_model(model)
    read_card(model)
    if output.suffix.lower() not in {".zip", ".onnx"}:
        raise InputError(f"{output}: a model is written as .zip or .onnx; give a name that ends so")
    require_onnx()


def _entry(name: str, authors: str | None, licence: str | None, *, softmax: bool) -> "ZooEntry":
    """Gather what a package tells beside the card; InputError naming what is missing or impossible."""
    from glissile.io.bioimage_zoo import ZooEntry

    if authors is None or licence is None:
        raise InputError(
            "a package names its authors and its licence; give, for example, "
            '--authors "A. Author, B. Author" --licence CC-BY-4.0'
        )
    with options_checked():
        return ZooEntry(
            name=name,
            authors=tuple(" ".join(author.split()) for author in authors.split(",")),
            licence=licence,
            output="probabilities" if softmax else "logits",
        )
