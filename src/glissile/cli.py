"""The `glissile` command: every stage on the command line."""

import io
import json
import os
import shutil
import sys
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from glissile import __version__, cli_gan, cli_labels, cli_model, console
from glissile.atomic import is_being_written
from glissile.errors import InputError
from glissile.options import (
    DEFAULT_CLASS_NAMES,
    Classes,
    Device,
    DeviceOption,
    Epochs,
    ExperimentPath,
    FieldOfViewKind,
    FieldOfViewOption,
    Folds,
    Fps,
    HeldOut,
    HeldOutOption,
    InitialStrain,
    LabelFirst,
    LabelStep,
    MaskClasses,
    MaskFps,
    Method,
    MethodOption,
    Minutes,
    NmPerPixel,
    RecipeName,
    RecipeOption,
    RegionsOption,
    Seed,
    StrainColumn,
    StrainLogPath,
    StrainRate,
    StressColumn,
    TimeColumn,
    TimeOffset,
    VideoPath,
    calibration_of,
    classes_of,
    recipe_of,
    refuse_no_model,
    strain_log_of,
    trim_of,
)
from glissile.progress import finish

app = typer.Typer(
    name="glissile",
    help="From an in-situ TEM video of moving crystal defects to area fraction against strain.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)

app.add_typer(cli_labels.app)
app.add_typer(cli_model.app)
app.add_typer(cli_gan.app)

EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130  # what typer returns after Ctrl-C
_NO_NUMBER = {
    "float_parsing": "give a number, with a point before its decimals, such as 1.7",
    "int_parsing": "give a whole number, such as 2",
}


@app.callback(invoke_without_command=True)
def glissile(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """From an in-situ TEM video of moving crystal defects to area fraction against strain."""
    if version:
        print(__version__)
    elif context.invoked_subcommand is None:
        print(context.get_help())


@app.command()
def info(video: VideoPath) -> None:
    """Say what a video holds: frames, size, grey values, frame rate."""
    from glissile.io.video_files import read_video

    found = read_video(video)
    t, y, x = found.shape
    rate = found.frames_per_second
    print(f"{found.name}: {console.counted(t, 'frame')}, {x} x {y} px, {found.frames.dtype}")
    print(
        f"duration {found.times_s[-1] - found.times_s[0]:.2f} s" + (f", {rate:.4g} frames/s" if rate else "")
    )
    if found.nm_per_pixel:
        print(f"{found.nm_per_pixel:.4g} nm per pixel")


@app.command()
def stabilize(
    video: VideoPath,
    output: Annotated[Path, typer.Option(metavar="F", help="Stabilized video: .tif, .mp4, .mkv or .avi.")],
    motion: Annotated[Path | None, typer.Option(metavar="CSV", help="Where the motion goes.")] = None,
    method: MethodOption = Method.glissile,
    field_of_view: FieldOfViewOption = FieldOfViewKind.automatic,
    regions: RegionsOption = None,
) -> None:
    """Remove the drift, so that the specimen stands still in one field of view."""
    from glissile.io.outputs import refuse_file, refuse_same
    from glissile.io.video_files import read_video, write_frames
    from glissile.stabilize import field_of_view as fields
    from glissile.stabilize.camera_motion import StabilizeSettings, estimate_motion
    from glissile.stabilize.resample import fix_field_of_view
    from glissile.video import Trim
    from glissile.workflow.regions import read_regions

    source = read_video(video)
    refuse_same(output, video)
    if motion is not None:
        refuse_file(motion, ".csv", video)
    drawn = None if regions is None else read_regions(regions, source.shape[1:])
    with TemporaryDirectory() as trial:  # an impossible output is refused before the long part
        finish(write_frames(Path(trial) / output.name, source.trimmed(Trim(last=0))))
    steps = estimate_motion(source, StabilizeSettings(method=method.value), drawn)
    found = console.show("Stabilize", steps)
    print(found.sentence)
    if found.distortion is not None:
        print(found.distortion.sentence)
    if motion is not None:
        found.write(motion)
        print(f"motion in {motion}")
    before = console.in_place_of(output)
    settings = fields.FieldOfViewSettings(kind=field_of_view.value)
    chosen = fields.field_of_view(found, source.shape[1:], settings)
    print(chosen.sentence)
    fixed = fix_field_of_view(source, chosen)
    console.show("Write", write_frames(output, fixed))
    _, y, x = fixed.shape
    _, written_y, written_x = read_video(output).shape
    padded = f", padded to even numbers from {x} x {y}," if (written_y, written_x) != (y, x) else ""
    frames = console.counted(len(fixed), "frame")
    print(f"{frames} of {written_x} x {written_y} px{padded} in {output}{before}")


@app.command()
def train(
    images: Annotated[Path, typer.Argument(metavar="IMAGES", help="Folder of frames.")],
    masks: Annotated[
        Path, typer.Argument(metavar="MASKS", help="Folder of label images, named as the frames.")
    ],
    output: Annotated[Path, typer.Option(metavar="MODEL_DIR", help="Folder for the model.")],
    recipe: RecipeOption = RecipeName.glissile,
    epochs: Epochs = None,
    minutes: Minutes = None,
    seed: Seed = 0,
    held_out: HeldOutOption = HeldOut.between,
    folds: Folds = None,
    device: DeviceOption = Device.auto,
    classes: Classes = DEFAULT_CLASS_NAMES,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an interrupted training.", rich_help_panel="Training")
    ] = False,
    start: Annotated[
        Path | None,
        typer.Option(
            metavar="MODEL_DIR",
            help="Begin from this model, for a quarter of the time: for labels that were corrected or added.",
            rich_help_panel="Training",
        ),
    ] = None,
) -> None:
    """Train a U-Net on labelled frames."""
    from glissile.batch import cross_validate_folders, images_to_label, train_on_folders

    if resume and folds is not None:
        raise InputError("--folds starts anew and --resume goes on; give one of them")
    if start is not None:
        refuse_no_model(start)
    settings = recipe_of(recipe, epochs=epochs, minutes=minutes, seed=seed, device=device, held_out=held_out)
    defects = classes_of(classes)
    if folds is not None:
        found = cross_validate_folders(images, masks, output, settings, folds, classes=defects)
        console.print_cross_validation(console.show("Cross-validate", found))
    steps = train_on_folders(
        images,
        masks,
        output,
        settings,
        classes=defects,
        resume=resume,
        keep_folds=folds is not None,
        start=start,
    )
    card = console.show("Train", steps)
    console.print_card(card)
    print(f"model in {output}")
    console.print_if_any(images_to_label(images, card))


@app.command()
def segment(
    model: Annotated[Path, typer.Argument(metavar="MODEL_DIR", help="Folder of a trained model.")],
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="Video file or folder of frames.")],
    output: Annotated[
        Path,
        typer.Option(
            metavar="DIR|F.tif|F.zarr", help="Where the masks go: one PNG per frame, or all in one file."
        ),
    ],
    device: DeviceOption = Device.auto,
    other: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="MODEL_DIR",
            help="One more model of the same classes; masks are then of the mean of their probabilities. "
            "May be given several times.",
        ),
    ] = None,
    probabilities: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Also write the probability of each class, and the entropy, as 32-bit TIFF stacks here.",
        ),
    ] = None,
) -> None:
    """Segment every frame of a video; the masks have the class values of the model."""
    from glissile.batch import segment_to_files
    from glissile.defects import named
    from glissile.io.checkpoint import read_card
    from glissile.segment.settings import SegmentSettings

    for folder in (model, *(other or ())):
        refuse_no_model(folder)
    settings = SegmentSettings(device=device.value)
    before = console.in_place_of(output)
    steps = segment_to_files(model, source, output, settings, others=other or (), probabilities=probabilities)
    n = console.show("Segment", steps)
    values = named(read_card(model).classes)
    print(f"{console.counted(n, 'mask')} in {output}{before}, values: {values}")
    if probabilities is not None:
        print(f"probabilities in {probabilities}")


@app.command()
def measure(
    masks: Annotated[
        Path,
        typer.Argument(
            metavar="MASKS", help="Folder of label images with frame numbers in their names, F.tif or F.zarr."
        ),
    ],
    output: Annotated[Path, typer.Option(metavar="CSV", help="Table to write.")],
    classes: MaskClasses = None,
    fps: MaskFps = None,
    initial_strain: InitialStrain = None,
    strain_rate: StrainRate = None,
    nm_per_pixel: NmPerPixel = None,
    strain_log: StrainLogPath = None,
    time_column: TimeColumn = "time_s",
    strain_column: StrainColumn = "strain",
    stress_column: StressColumn = None,
    time_offset: TimeOffset = 0.0,
) -> None:
    """Measure the area fraction of each class in every mask."""
    from glissile.batch import measure_masks

    calibration = calibration_of(
        fps,
        initial_strain,
        strain_rate,
        nm_per_pixel,
        strain_log_of(strain_log, time_column, strain_column, stress_column, time_offset),
    )
    given = None if classes is None else classes_of(classes)
    before = console.in_place_of(output)
    table = console.show("Measure", measure_masks(masks, output, calibration, classes=given))
    print(f"{console.counted(len(table), 'frame')} in {output}{before}")
    if fps is None:
        print("time_s is empty, as the times of the frames are not known; give them with --fps")


@app.command()
def score(
    predicted: Annotated[Path, typer.Argument(metavar="PREDICTED", help="Folder of predicted masks.")],
    truth: Annotated[Path, typer.Argument(metavar="TRUTH", help="Folder of true masks of the same names.")],
    tolerance: Annotated[
        float, typer.Option(metavar="PX", min=0, max=64, help="Reach of the tolerant F in pixels.")
    ] = 2.0,
    classes: Classes = DEFAULT_CLASS_NAMES,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="F", help="Also write the scores here.")
    ] = None,
    table: Annotated[
        Path | None, typer.Option(metavar="CSV", help="Also write the scores of each frame here.")
    ] = None,
) -> None:
    """Compare masks with the truth, class by class, over all frames."""
    from glissile.atomic import write_text
    from glissile.batch import score_folders
    from glissile.io.outputs import refuse_file
    from glissile.learn.scoring import write_scores

    if json_file is not None:
        refuse_file(json_file, ".json", predicted, truth)
    if table is not None:
        refuse_file(table, ".csv", predicted, truth)
    scores = score_folders(predicted, truth, tolerance_px=tolerance, classes=classes_of(classes))
    numbers = {key: found.as_numbers() for key, found in scores.pooled().items()}
    dice = scores.mean_dice()
    console.print_scores(numbers, tolerance, dice)
    if json_file is not None:
        written = {"tolerance_px": tolerance, "classes": numbers, "mean_dice": dice}
        write_text(json_file, json.dumps(written, indent=2) + "\n")
    if table is not None:
        write_scores(table, scores.table())


@app.command()
def new(
    video: VideoPath,
    experiment: Annotated[Path, typer.Argument(metavar="EXPERIMENT", help="Experiment folder to make.")],
    labels: Annotated[
        Path | None,
        typer.Option(metavar="LABELS", help="File or folder of labels, or another experiment, to take over."),
    ] = None,
    classes: Classes = DEFAULT_CLASS_NAMES,
    label_first: LabelFirst = 0,
    label_step: LabelStep = 1,
    crop: Annotated[
        str | None, typer.Option(metavar="TOP,LEFT,HEIGHT,WIDTH", help="Rectangle to keep, in px.")
    ] = None,
    frames: Annotated[str | None, typer.Option(metavar="FIRST,LAST", help="Range of frames to keep.")] = None,
    method: MethodOption = Method.glissile,
    field_of_view: FieldOfViewOption = FieldOfViewKind.automatic,
    recipe: RecipeOption = RecipeName.glissile,
    epochs: Epochs = None,
    minutes: Minutes = None,
    seed: Seed = 0,
    held_out: HeldOutOption = HeldOut.between,
    device: DeviceOption = Device.auto,
    fps: Fps = None,
    initial_strain: InitialStrain = None,
    strain_rate: StrainRate = None,
    nm_per_pixel: NmPerPixel = None,
    strain_log: StrainLogPath = None,
    time_column: TimeColumn = "time_s",
    strain_column: StrainColumn = "strain",
    stress_column: StressColumn = None,
    time_offset: TimeOffset = 0.0,
) -> None:
    """Start the experiment of a video, for `glissile run` and for napari."""
    from glissile import workflow
    from glissile.experiment import folder_named
    from glissile.segment.settings import SegmentSettings
    from glissile.stabilize.camera_motion import StabilizeSettings
    from glissile.stabilize.field_of_view import FieldOfViewSettings

    settings = {
        "trim": trim_of(crop, frames),
        "stabilize": StabilizeSettings(method=method.value),
        "field_of_view": FieldOfViewSettings(kind=field_of_view.value),
        "train": recipe_of(
            recipe, epochs=epochs, minutes=minutes, seed=seed, device=device, held_out=held_out
        ),
        "segment": SegmentSettings(device=device.value),
    }
    calibration = calibration_of(
        fps,
        initial_strain,
        strain_rate,
        nm_per_pixel,
        strain_log_of(strain_log, time_column, strain_column, stress_column, time_offset),
    )
    folder = folder_named(experiment)
    before = set(folder.iterdir()) if folder.is_dir() else None
    defects = classes_of(classes)
    with workflow.create(
        video, experiment, calibration=calibration, classes=defects, settings=settings
    ) as made:
        if calibration.tells_strain and not workflow.source_video(made).timed:
            print("no strain is told, as the times of the frames are not known; give them with --fps")
        if labels is None:
            print(f"experiment in {made.folder}")
            return
        try:
            console.print_import(workflow.import_labels(made, labels, first=label_first, step=label_step))
        except BaseException:  # an experiment without its labels would only be in the way of the next try
            made.close()
            _remove_new(folder, before)
            raise
        print(f"experiment in {made.folder}")


def _remove_new(folder: Path, before: set[Path] | None) -> None:
    """Take out of `folder` what was not there before; all of it where there was no folder."""
    if before is None:
        shutil.rmtree(folder)
        return
    for path in set(folder.iterdir()) - before:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


@app.command()
def relocate(experiment: ExperimentPath, video: VideoPath) -> None:
    """Say where the video of an experiment lies after it was moved or renamed."""
    from glissile.experiment import Experiment

    with Experiment.open(experiment) as opened:
        opened.relocate_source(video)
        print(f"{opened.folder.name}: the video is {opened.source_path()}")


@app.command()
def run(
    experiment: ExperimentPath,
    retrain: Annotated[
        bool,
        typer.Option(
            "--retrain",
            help="Where labels have changed, begin from the model in use, for a quarter of the time.",
        ),
    ] = False,
) -> None:
    """Run every stage that is not done yet, or whose input has changed."""
    from glissile import workflow
    from glissile.experiment import Experiment

    with Experiment.open(experiment) as opened:
        opened.require_writable()
        changed = opened.source_changed()
        if changed:
            print(changed, file=sys.stderr)
        console.run_stages(opened, retrain=retrain)
        card = workflow.model_card(opened)
        if card is not None:
            console.print_card(card)
            console.print_if_any(workflow.where_to_label(opened))
            print(f"model in {workflow.model_folder(opened)}")
        print(f"results in {opened.folder}")


@app.command()
def models(
    experiment: ExperimentPath,
    use: Annotated[
        str | None, typer.Option(metavar="NAME", help="Segment with this one from now on.")
    ] = None,
) -> None:
    """Compare the models of an experiment; choose the one that segments."""
    from glissile import workflow
    from glissile.experiment import Experiment

    with Experiment.open(experiment, read_only=use is None) as opened:
        if use is not None:
            workflow.choose_model(opened, use)
        console.print_models(workflow.compared_models(opened))


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(metavar="EXPERIMENT", help="Experiment folder to make.")] = Path(
        "demo"
    ),
) -> None:
    """Go the whole way on the bundled sample; compare with its truth."""
    from glissile import demo as sample

    with sample.opened(folder) as experiment:
        console.run_stages(experiment)
        print("Against the known truth of the sample, on frames that were not labelled:")
        console.print_report(sample.report(experiment))
        print(f"results in {experiment.folder}")


def main() -> None:
    """Run the command line; bad input is one sentence and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a name that the code page of the console lacks
    warnings.showwarning = console.print_warning
    try:
        code = app(standalone_mode=False)
    except typer.TyperException as error:  # a missing or impossible option
        code = _refused(_option_told(error))
    except InputError as error:
        code = _refused(str(error))
    except OSError as error:
        code = _refused(_told(error))
    except console.Stopped as stopped:
        print(f"glissile: stopped; {stopped}", file=sys.stderr)
        sys.exit(EXIT_INTERRUPTED)
    if code == EXIT_INTERRUPTED:
        print("glissile: stopped; what was done is kept", file=sys.stderr)
    sys.exit(code or 0)


def _option_told(error: typer.TyperException) -> str:
    """Name the option that cannot be read, in the manner of those that cannot be used."""
    from pydantic import ValidationError

    cause, param = error.__cause__, getattr(error, "param", None)
    if param is None or not isinstance(cause, ValidationError) or not param.opts[0].startswith("--"):
        return error.format_message().replace("Value error, ", "")
    first = cause.errors()[0]
    words = _NO_NUMBER.get(first["type"], first["msg"].removeprefix("Value error, "))
    return f"{param.opts[0]} {first['input']}: {words[0].lower()}{words[1:]}"


def _told(error: OSError) -> str:
    """Say which file or folder the system refused, and why."""
    named = error.filename2 or error.filename
    if named is None:
        return str(error)
    place = Path(os.fsdecode(named))
    if is_being_written(place):  # a file that nobody has asked for
        place = place.parent
    return f"{place}: {error.strerror}; check that place, or choose another one"


def _refused(sentence: str) -> int:
    print(f"glissile: {' '.join(sentence.split())}", file=sys.stderr)
    return EXIT_BAD_INPUT
