"""`glissile labels`: bring the labels of an experiment in, hand them on, look after them."""

from pathlib import Path
from typing import Annotated

import typer

from glissile import console
from glissile.options import ExperimentPath, LabelFirst, LabelsPath, LabelStep

app = typer.Typer(name="labels", help="Import, export and look after labels.", no_args_is_help=True)


@app.command("import")
def import_(
    experiment: ExperimentPath,
    labels: LabelsPath,
    label_first: LabelFirst = 0,
    label_step: LabelStep = 1,
) -> None:
    """Take labels over into an experiment; frames that are labelled keep their labels.

    Read are index images (PNG, TIFF) and folders of images per class, multi-page TIFF, OME-Zarr, COCO and
    Labelme JSON, and other experiments.
    """
    from glissile import workflow
    from glissile.experiment import Experiment

    with Experiment.open(experiment) as opened:
        opened.require_writable()
        steps = workflow.import_in_steps(opened, labels, first=label_first, step=label_step)
        console.print_import(console.show("Import", steps))


@app.command()
def export(
    experiment: ExperimentPath,
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="File, or new folder, for the labels.")],
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="NAME",
            help="png or tiff (a folder of index images), classes (a folder of images per class), stack "
            "(multi-page TIFF), zarr (OME-Zarr), coco, or labelme (a folder); if absent, by the suffix of "
            "TARGET: .tif, .zarr, .json (COCO), else png.",
        ),
    ] = None,
) -> None:
    """Write the labels of an experiment for other programs, on the pixels of the source video."""
    from glissile import workflow
    from glissile.experiment import Experiment

    before = console.in_place_of(target)
    with Experiment.open(experiment, read_only=True) as opened:
        written = console.show("Export", workflow.export_labels(opened, target, form))
    print(f"{console.counted(len(written.frames), 'labelled frame')} in {target} ({written.format}){before}")


@app.command()
def compare(
    experiment: ExperimentPath,
    other: Annotated[
        Path,
        typer.Argument(
            metavar="OTHER", help="Labels of the second annotator: an experiment, or what import takes."
        ),
    ],
    label_first: LabelFirst = 0,
    label_step: LabelStep = 1,
    output: Annotated[
        Path | None, typer.Option(metavar="CSV", help="Also write all numbers, frame by frame, here.")
    ] = None,
) -> None:
    """Say how well two annotators agree, over the frames that both labelled."""
    from glissile import atomic, workflow
    from glissile.experiment import Experiment
    from glissile.io.outputs import refuse_file, refuse_in_experiment, refuse_other_table

    if output is not None:
        refuse_file(output, ".csv", other)
        refuse_in_experiment(output)
    with Experiment.open(experiment, read_only=True) as opened:
        steps = workflow.compare_labels(opened, other, first=label_first, step=label_step)
        found = console.show("Compare", steps)
    console.print_comparison(found)
    if output is not None:
        table = found.table().to_csv(index=False, lineterminator="\n")
        refuse_other_table(output, table.partition("\n")[0])
        before = console.in_place_of(output)
        atomic.write_text(output, table)
        print(f"table in {output}{before}")


@app.command()
def suggest(
    experiment: ExperimentPath,
    count: Annotated[int, typer.Option(metavar="N", min=1, help="Frames to suggest at most.")] = 8,
) -> None:
    """Say which frames are worth labelling next, the most useful first, and why."""
    from glissile import workflow
    from glissile.experiment import Experiment

    with Experiment.open(experiment) as opened:
        found = console.show("Suggest", workflow.suggest(opened, count=count))
    console.print_suggestions(found)


@app.command("suspects")
def suspects_(
    experiment: ExperimentPath,
    count: Annotated[int, typer.Option(metavar="N", min=1, help="Show so many, the worst first.")] = 20,
) -> None:
    """List where labels and the network in use disagree most: lines that were missed, slips of the pen."""
    from glissile import workflow
    from glissile.experiment import Experiment

    with Experiment.open(experiment, read_only=True) as opened:
        found = console.show("Check", workflow.suspects(opened))
        console.print_suspects(found, opened.document, count)


@app.command("backups")
def backups_(experiment: ExperimentPath) -> None:
    """List the backups of the labels, the latest first: when, how many frames, how large."""
    from glissile import workflow
    from glissile.experiment import Experiment

    with Experiment.open(experiment, read_only=True) as opened:
        console.print_backups(workflow.label_backups(opened))


@app.command()
def restore(
    experiment: ExperimentPath,
    backup: Annotated[str, typer.Argument(metavar="BACKUP", help="Its name, as backups lists it.")],
) -> None:
    """Put the labels of a backup in place of those of now, which are backed up before."""
    from glissile import workflow
    from glissile.experiment import Experiment

    with Experiment.open(experiment) as opened:
        opened.require_writable()
        console.print_restored(workflow.restore_labels(opened, workflow.label_backup(opened, backup)))
