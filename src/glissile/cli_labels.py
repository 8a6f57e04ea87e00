"""`glissile labels`: bring the labels of an experiment in, hand them on, look after them."""

from pathlib import Path
from typing import Annotated

import typer

from glissile import console
from glissile.options import ExperimentPath, LabelFirst, LabelStep

app = typer.Typer(name="labels", help="Import, export and look after labels.", no_args_is_help=True)


@app.command("import")
def import_(
    experiment: ExperimentPath,
    masks: Annotated[Path, typer.Argument(metavar="MASKS", help="Folder of label images to take over.")],
    label_first: LabelFirst = 0,
    label_step: LabelStep = 1,
) -> None:
    """Take label images over into an experiment; frames that are labelled keep their labels."""
    from glissile import workflow
    from glissile.experiment import Experiment

    with Experiment.open(experiment) as opened:
        opened.require_writable()
        console.print_import(workflow.import_labels(opened, masks, first=label_first, step=label_step))
