"""The `glissile` command: every stage on the command line."""

import json
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from glissile import __version__
from glissile.errors import InputError
from glissile.progress import Step, Steps, finish

if TYPE_CHECKING:
    from glissile.experiment import Calibration, Experiment
    from glissile.io.checkpoint import ModelCard
    from glissile.learn.recipes import Recipe
    from glissile.workflow import ImportedLabels

T = TypeVar("T")

app = typer.Typer(
    name="glissile",
    help="From an in-situ TEM video of moving crystal defects to area fraction against strain.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)

EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130
_LINE_EVERY_S = 5.0


class RecipeName(StrEnum):
    """Named training settings."""

    glissile = "glissile"
    tanaka2025 = "tanaka2025"


class Device(StrEnum):
    """Where networks run."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"
    mps = "mps"


class Method(StrEnum):
    """How the motion of the specimen is found."""

    glissile = "glissile"
    tanaka2025 = "tanaka2025"
    none = "none"


VideoPath = Annotated[
    Path, typer.Argument(metavar="VIDEO", help="Video file, TIFF stack or folder of frames.")
]
DeviceOption = Annotated[
    Device, typer.Option(help="Where the network runs; auto takes a GPU if there is one.")
]
InitialStrain = Annotated[float | None, typer.Option(help="Strain of frame 0, as a fraction.")]
StrainRate = Annotated[float | None, typer.Option(help="Strain rate in 1/s.")]
NmPerPixel = Annotated[float | None, typer.Option(help="Edge length of a pixel in nm.")]
Fps = Annotated[
    float | None, typer.Option("--fps", help="Frames per second; the file's own times otherwise.")
]
StrainLogPath = Annotated[
    Path | None, typer.Option(help="CSV of the test rig with time and strain, and stress if known.")
]
StrainColumn = Annotated[str, typer.Option(help="Column of the strain log with the strain.")]
TimeColumn = Annotated[str, typer.Option(help="Column of the strain log with the time in seconds.")]
StressColumn = Annotated[str | None, typer.Option(help="Column of the strain log with the stress in MPa.")]
TimeOffset = Annotated[
    float, typer.Option(help="Time of the strain log, in seconds, at the first frame of the video.")
]


def show(title: str, steps: Steps[T]) -> T:
    """Run `steps`; a progress bar on a terminal, a plain line now and then otherwise."""
    if not sys.stderr.isatty():
        return finish(steps, _plain_lines(title))
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as progress:
        task = progress.add_task(title, total=None)

        def on_step(step: Step) -> None:
            progress.update(task, completed=step.index, total=step.total, description=step.message)

        return finish(steps, on_step)


def _plain_lines(title: str) -> Callable[[Step], None]:
    last = 0.0

    def on_step(step: Step) -> None:
        nonlocal last
        now = time.monotonic()
        if step.index == step.total or now - last > _LINE_EVERY_S:
            last = now
            print(f"{title}: {step.message}", file=sys.stderr, flush=True)

    return on_step


@app.callback(invoke_without_command=True)
def glissile(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """From an in-situ TEM video of moving crystal defects to area fraction against strain."""
    if version:
        print(__version__)
        raise typer.Exit


@app.command()
def info(video: VideoPath) -> None:
    """Say what a video holds: frames, size, grey values, frame rate."""
    from glissile.io.video_files import read_video

    found = read_video(video)
    t, y, x = found.shape
    rate = found.frames_per_second
    print(f"{found.name}: {t} frames, {x} x {y} px, {found.frames.dtype}")
    print(
        f"duration {found.times_s[-1] - found.times_s[0]:.2f} s" + (f", {rate:.4g} frames/s" if rate else "")
    )
    if found.nm_per_pixel:
        print(f"{found.nm_per_pixel:.4g} nm per pixel")


@app.command()
def stabilize(
    video: VideoPath,
    output: Annotated[Path, typer.Option(help="Stabilized video: .tif, .mp4, .mkv or .avi.")],
    motion: Annotated[Path | None, typer.Option(help="CSV for the motion that was found.")] = None,
    method: Annotated[Method, typer.Option(help="How the motion is found.")] = Method.glissile,
) -> None:
    """Fix the field of view: remove the drift and keep the area common to all frames."""
    from glissile.io.video_files import read_video, write_frames
    from glissile.stabilize.camera_motion import StabilizeSettings, estimate_motion
    from glissile.stabilize.field_of_view import fix_field_of_view

    source = read_video(video)
    found = show("Stabilize", estimate_motion(source, StabilizeSettings(method=method.value)))
    if motion is not None:
        found.write(motion)
        print(f"motion in {motion}")
    fixed = fix_field_of_view(source, found)
    show("Write", write_frames(output, fixed))
    _, y, x = fixed.shape
    print(f"{len(fixed)} frames of {x} x {y} px in {output}")


@app.command()
def train(
    images: Annotated[Path, typer.Argument(help="Folder of frames.")],
    masks: Annotated[Path, typer.Argument(help="Folder of label images of the same names.")],
    output: Annotated[Path, typer.Option(metavar="MODEL_DIR", help="Folder for the model.")],
    recipe: Annotated[RecipeName, typer.Option(help="Training settings.")] = RecipeName.glissile,
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes; the recipe's own otherwise.")] = None,
    minutes: Annotated[float | None, typer.Option(min=0.05, help="Train about this long instead.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything random.")] = 0,
    device: DeviceOption = Device.auto,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where MODEL_DIR stopped.")] = False,
) -> None:
    """Train a U-Net on labelled frames."""
    from glissile.batch import train_on_folders

    settings = _recipe(recipe, epochs=epochs, minutes=minutes, seed=seed, device=device)
    card = show("Train", train_on_folders(images, masks, output, settings, resume=resume))
    _print_card(card)
    print(f"model in {output}")


@app.command()
def segment(
    model: Annotated[Path, typer.Argument(metavar="MODEL_DIR", help="Folder of a trained model.")],
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="Video file or folder of frames.")],
    output: Annotated[Path, typer.Option(metavar="DIR|F.tif|F.zarr", help="Where the masks go.")],
    device: DeviceOption = Device.auto,
) -> None:
    """Segment every frame of a video; a folder gets one index PNG per frame."""
    from glissile.batch import segment_to_files
    from glissile.segment.settings import SegmentSettings

    n = show("Segment", segment_to_files(model, source, output, SegmentSettings(device=device.value)))
    print(f"{n} masks in {output}")


@app.command()
def measure(
    masks: Annotated[Path, typer.Argument(help="Folder of masks named by frame number, F.tif or F.zarr.")],
    output: Annotated[Path, typer.Option(metavar="CSV", help="Table to write.")],
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
    """Measure the area fraction of each class in every mask."""
    from glissile.batch import measure_masks

    calibration = _calibration(
        fps,
        initial_strain,
        strain_rate,
        nm_per_pixel,
        strain_log,
        time_column,
        strain_column,
        stress_column,
        time_offset,
    )
    table = show("Measure", measure_masks(masks, output, calibration))
    print(f"{len(table)} frames in {output}")


@app.command()
def score(
    predicted: Annotated[Path, typer.Argument(help="Folder of predicted masks.")],
    truth: Annotated[Path, typer.Argument(help="Folder of true masks of the same names.")],
    tolerance: Annotated[float, typer.Option(min=0, help="Tolerance in px of the tolerant scores.")] = 2.0,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write the scores here.")] = None,
) -> None:
    """Compare masks with the truth: precision, recall and F of each class, pooled over all frames."""
    from glissile.atomic import write_text
    from glissile.batch import score_folders

    scores = score_folders(predicted, truth, tolerance_px=tolerance)
    numbers = {key: found.as_numbers() for key, found in scores.items()}
    _print_scores(numbers, tolerance)
    if json_file is not None:
        write_text(json_file, json.dumps({"tolerance_px": tolerance, "classes": numbers}, indent=2) + "\n")


@app.command()
def new(
    video: VideoPath,
    experiment: Annotated[Path, typer.Argument(metavar="EXPERIMENT", help="Experiment folder to make.")],
    labels: Annotated[Path | None, typer.Option(help="Folder of label images to take over.")] = None,
    label_first: Annotated[float, typer.Option(help="Number, in label names, of the first frame.")] = 0,
    label_step: Annotated[float, typer.Option(help="Step of these numbers from frame to frame.")] = 1,
    crop: Annotated[
        str | None, typer.Option(metavar="TOP,LEFT,HEIGHT,WIDTH", help="Rectangle to keep, in px.")
    ] = None,
    frames: Annotated[str | None, typer.Option(metavar="FIRST,LAST", help="Range of frames to keep.")] = None,
    method: Annotated[Method, typer.Option(help="How the motion is found.")] = Method.glissile,
    recipe: Annotated[RecipeName, typer.Option(help="Training settings.")] = RecipeName.glissile,
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes; the recipe's own otherwise.")] = None,
    minutes: Annotated[float | None, typer.Option(min=0.05, help="Train about this long instead.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything random.")] = 0,
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
    """Start the study of a video: an experiment folder that `run` and napari go on with."""
    from glissile import workflow
    from glissile.segment.settings import SegmentSettings
    from glissile.stabilize.camera_motion import StabilizeSettings
    from glissile.video import Trim

    top, left, height, width = _numbers(crop, 4, "--crop") if crop else (0, 0, None, None)
    first, last = _numbers(frames, 2, "--frames") if frames else (0, None)
    settings = {
        "trim": Trim(top=top, left=left, height=height, width=width, first=first, last=last),
        "stabilize": StabilizeSettings(method=method.value),
        "train": _recipe(recipe, epochs=epochs, minutes=minutes, seed=seed, device=device),
        "segment": SegmentSettings(device=device.value),
    }
    calibration = _calibration(
        fps,
        initial_strain,
        strain_rate,
        nm_per_pixel,
        strain_log,
        time_column,
        strain_column,
        stress_column,
        time_offset,
    )
    with workflow.create(video, experiment, calibration=calibration, settings=settings) as made:
        print(f"experiment in {made.folder}")
        if labels is not None:
            _print_import(workflow.import_labels(made, labels, first=label_first, step=label_step))


@app.command()
def run(
    experiment: Annotated[Path, typer.Argument(metavar="EXPERIMENT", help="Experiment folder.")],
) -> None:
    """Run every stage of an experiment that is not done yet, or whose input has changed."""
    from glissile import workflow
    from glissile.experiment import Experiment

    with Experiment.open(experiment) as opened:
        opened.require_writable()
        changed = opened.source_changed()
        if changed:
            print(changed, file=sys.stderr)
        _run_stages(opened)
        card = workflow.model_card(opened)
        if card is not None:
            _print_card(card)
        print(f"results in {opened.folder}")


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(metavar="EXPERIMENT", help="Experiment folder to make.")] = Path(
        "demo.glissile"
    ),
) -> None:
    """Run the whole way on the bundled sample and compare the result with its known truth."""
    from glissile import demo as sample

    with sample.opened(folder) as experiment:
        _run_stages(experiment)
        print(sample.report(experiment))


def main() -> None:
    """Run the command line; bad input is one sentence and exit code 2."""
    warnings.showwarning = _print_warning
    try:
        app()
    except (InputError, OSError) as error:
        print(f"glissile: {error}", file=sys.stderr)
        sys.exit(EXIT_BAD_INPUT)
    except KeyboardInterrupt:
        print("glissile: stopped; what was done is kept", file=sys.stderr)
        sys.exit(EXIT_INTERRUPTED)


def _run_stages(experiment: "Experiment") -> None:
    from glissile import workflow

    for title, start in workflow.pipeline(experiment):
        begun = time.monotonic()
        result = show(title, start())
        if isinstance(result, workflow.Results):
            for file in result.files:
                print(f"  {file.name}")
        print(f"{title}: done in {(time.monotonic() - begun) / 60:.1f} min", flush=True)


def _numbers(text: str, count: int, option: str) -> tuple[int, ...]:
    try:
        numbers = tuple(int(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) != count or min(numbers) < 0:
        raise InputError(f"{option} {text}: give {count} whole numbers with commas between, none negative")
    return numbers


def _recipe(
    name: RecipeName, *, epochs: int | None, minutes: float | None, seed: int, device: Device
) -> "Recipe":
    from glissile.learn.recipes import recipe_named

    given = {"epochs": epochs, "minutes": minutes, "seed": seed, "device": device.value}
    return recipe_named(name.value, **{key: value for key, value in given.items() if value is not None})


def _calibration(
    fps: float | None,
    initial_strain: float | None,
    strain_rate: float | None,
    nm_per_pixel: float | None,
    strain_log: Path | None,
    time_column: str,
    strain_column: str,
    stress_column: str | None,
    time_offset: float,
) -> "Calibration":
    from pydantic import ValidationError

    from glissile.experiment import Calibration, StrainLogSettings

    log = None
    if strain_log is not None:
        log = StrainLogSettings(
            path=strain_log.absolute().as_posix(),
            time_column=time_column,
            strain_column=strain_column,
            stress_column=stress_column,
            time_offset_s=time_offset,
        )
    try:
        return Calibration(
            nm_per_pixel=nm_per_pixel,
            seconds_per_frame=1 / fps if fps else None,
            initial_strain=initial_strain,
            strain_rate_per_s=strain_rate,
            strain_log=log,
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"{first['loc'][0]}: {first['input']} is not possible, {first['msg']}") from error


def _print_card(card: "ModelCard") -> None:
    print(f"trained on {len(card.frames.training)} frames, {card.seconds / 60:.1f} min on {card.device}")
    if not card.scores:
        print(card.scores_note)
    for subject, scores in card.scores.items():
        print(f"{subject.replace('_', ' ')}, {len(card.frames.validation)} frames held out")
        _print_scores(scores, tolerance_px=2)


def _print_scores(scores: Mapping[str, Mapping[str, float | None]], tolerance_px: float) -> None:
    names = ("precision", "recall", "f", "tolerant_f", "area_error")
    print(
        f"{'':20}"
        + "".join(f"{name.replace('_', ' '):>12}" for name in names)
        + f"  (tolerance {tolerance_px:g} px)"
    )
    for key, found in scores.items():
        values = [found[name] for name in names]
        print(f"{key:20}" + "".join(f"{'-':>12}" if v is None else f"{v:12.3f}" for v in values))


def _print_import(taken: "ImportedLabels") -> None:
    print(f"{len(taken.frames)} labelled frames taken over")
    if taken.nearest:
        print(f"{taken.nearest} labels lay between two frames and went to the nearer one")
    if taken.outside:
        print(f"{len(taken.outside)} labels have no frame in the video: {', '.join(taken.outside[:5])}")


def _print_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: Any = None,
    line: Any = None,
) -> None:
    print(f"glissile: {message}", file=sys.stderr)
