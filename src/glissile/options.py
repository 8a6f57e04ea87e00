"""The options of the commands: how they are written, and the settings that they mean."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from glissile.defects import DEFAULT_CLASSES, DefectClass
from glissile.errors import InputError

if TYPE_CHECKING:
    from glissile.experiment import Calibration, StrainLogSettings
    from glissile.learn.recipes import Recipe
    from glissile.video import Trim


class RecipeName(StrEnum):
    """Named training settings."""

    glissile = "glissile"
    tanaka2025 = "tanaka2025"


class HeldOut(StrEnum):
    """Which labelled frames are kept from training."""

    between = "between"
    beyond = "beyond"


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


class FieldOfViewKind(StrEnum):
    """What of the specimen is shown once its motion is known."""

    automatic = "automatic"
    common = "common"
    union = "union"
    range = "range"
    segments = "segments"


VideoPath = Annotated[
    Path, typer.Argument(metavar="VIDEO", help="Video file, TIFF stack or folder of frames.")
]
ExperimentPath = Annotated[Path, typer.Argument(metavar="EXPERIMENT", help="Experiment folder.")]
LabelsPath = Annotated[
    Path, typer.Argument(metavar="LABELS", help="File or folder of labels, or another experiment.")
]
LabelFirst = Annotated[
    float, typer.Option(metavar="N", help="Number of frame 0 in the names, or page numbers, of the labels.")
]
LabelStep = Annotated[
    float, typer.Option(metavar="N", help="What these numbers grow by from frame to frame.")
]
MethodOption = Annotated[
    Method,
    typer.Option(
        metavar="METHOD",
        help="How the motion is found: glissile (the whole frame, sub-pixel), tanaka2025 (one corner, whole "
        "pixels) or none (the specimen stands still).",
    ),
]
RegionsOption = Annotated[
    Path | None,
    typer.Option(
        metavar="PNG",
        help="Image of the size of the frames: 1 where nothing is specimen, 2 on the part of frame 0 that "
        "should stand still, 3 where specimen looks like an overlay.",
    ),
]
FieldOfViewOption = Annotated[
    FieldOfViewKind,
    typer.Option(
        metavar="KIND",
        help="What is shown: common (the area that all frames show), union (a canvas that holds every "
        "frame), range (the run of frames with the largest common area times duration), segments (runs of "
        "frames, each with its common area, on one canvas) or automatic (common where it keeps 60 % of the "
        "frame, else union; segments after a cut to another view).",
    ),
]

MOST_CLASSES = 255  # a mask is of uint8, and 0 is the background
# Nothing is drawn on the command line but by `run`, whose experiment has colours of its own.
_OTHER_CLASSES = "#009e73"

_TRAINING = "Training"
RecipeOption = Annotated[
    RecipeName, typer.Option(metavar="NAME", help="glissile or tanaka2025.", rich_help_panel=_TRAINING)
]
Epochs = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        help="Length of the training; the recipe's own if absent.",
        rich_help_panel=_TRAINING,
    ),
]
Minutes = Annotated[
    float | None,
    typer.Option(
        metavar="M",
        min=0.05,
        max=10_080,
        help="Wall time for the whole training, instead of epochs.",
        rich_help_panel=_TRAINING,
    ),
]
HeldOutOption = Annotated[
    HeldOut,
    typer.Option(
        metavar="WHICH",
        help="Labelled frames that are kept from training to score on: between (spread over time) or beyond "
        "(the last of them: how good masks are where the specimen goes on changing).",
        rich_help_panel=_TRAINING,
    ),
]
Folds = Annotated[
    int | None,
    typer.Option(
        metavar="K",
        min=2,
        help="First score on all labelled frames, in turn: K networks, each of which has not seen a K-th of "
        "them. Takes K times as long again.",
        rich_help_panel=_TRAINING,
    ),
]
Seed = Annotated[
    int,
    typer.Option(
        metavar="S", min=0, max=2**31 - 1, help="Start of all random numbers.", rich_help_panel=_TRAINING
    ),
]
DeviceOption = Annotated[
    Device,
    typer.Option(
        metavar="DEVICE", help="auto, cpu, cuda or mps; auto takes a graphics card if there is one."
    ),
]

_CALIBRATION = "Calibration"
InitialStrain = Annotated[
    float | None,
    typer.Option(metavar="STRAIN", help="Strain of frame 0, as a fraction.", rich_help_panel=_CALIBRATION),
]
StrainRate = Annotated[
    float | None, typer.Option(metavar="RATE", help="Strain rate in 1/s.", rich_help_panel=_CALIBRATION)
]
NmPerPixel = Annotated[
    float | None,
    typer.Option(metavar="NM", help="Edge length of a pixel in nm.", rich_help_panel=_CALIBRATION),
]
Fps = Annotated[
    float | None,
    typer.Option(
        "--fps",
        metavar="FPS",
        help="Frames per second; if absent, the times in the video file.",
        rich_help_panel=_CALIBRATION,
    ),
]
MaskFps = Annotated[
    float | None,
    typer.Option(
        "--fps", metavar="FPS", help="Frames per second; needed for strain.", rich_help_panel=_CALIBRATION
    ),
]
StrainLogPath = Annotated[
    Path | None,
    typer.Option(
        metavar="CSV",
        help="Log of the test rig: time and strain, and stress if known.",
        rich_help_panel=_CALIBRATION,
    ),
]
TimeColumn = Annotated[
    str,
    typer.Option(
        metavar="NAME", help="Column of the log with the time in seconds.", rich_help_panel=_CALIBRATION
    ),
]
StrainColumn = Annotated[
    str, typer.Option(metavar="NAME", help="Column of the log with the strain.", rich_help_panel=_CALIBRATION)
]
StressColumn = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="Column of the log with the stress in MPa.", rich_help_panel=_CALIBRATION
    ),
]
TimeOffset = Annotated[
    float,
    typer.Option(
        metavar="SECONDS", help="Time in the log at frame 0 of the video.", rich_help_panel=_CALIBRATION
    ),
]


Classes = Annotated[
    str,
    typer.Option(
        metavar="NAMES",
        help="Classes in the masks, with commas between: the first has the value 1, the second 2, ...",
    ),
]
MaskClasses = Annotated[
    str | None,
    typer.Option(
        metavar="NAMES", help="As for train; if absent, those that F.zarr keeps, else the two usual ones."
    ),
]
DEFAULT_CLASS_NAMES = ",".join(c.name for c in DEFAULT_CLASSES)
_CROP, _FRAMES = "TOP,LEFT,HEIGHT,WIDTH", "FIRST,LAST"


def classes_of(names: str) -> tuple[DefectClass, ...]:
    """Read `--classes`; InputError where a name is empty, reserved or comes twice, or are too many."""
    given = [" ".join(name.split()) for name in names.split(",")]
    if len(given) > MOST_CLASSES:
        raise InputError(f"--classes: a mask holds at most {MOST_CLASSES} classes, not {len(given)}")
    colors = {c.key: c.color for c in DEFAULT_CLASSES}
    found: list[DefectClass] = []
    for value, name in enumerate(given, start=1):
        try:
            defect = DefectClass(value=value, name=name, color=_OTHER_CLASSES)
        except ValueError as error:
            raise InputError(
                f'--classes {names}: "{name}" cannot be a class; give it another name'
            ) from error
        if defect.key in {c.key for c in found}:
            raise InputError(f'--classes {names}: "{name}" comes twice; name each class once')
        found.append(defect.model_copy(update={"color": colors.get(defect.key, _OTHER_CLASSES)}))
    return tuple(found)


def _numbers(text: str, names: str, option: str) -> tuple[int, ...]:
    count = names.count(",") + 1
    try:
        numbers = tuple(int(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) != count or min(numbers) < 0:
        raise InputError(f"{option} {text}: give {count} whole numbers, {names}, none of them negative")
    return numbers


def refuse_no_model(folder: Path) -> None:
    """Refuse a MODEL_DIR that does not exist, or holds models and is none."""
    from glissile.experiment import folder_named
    from glissile.io.checkpoint import WEIGHTS_FILE, has_model

    named = folder if folder.exists() else folder_named(folder)
    if not named.exists():
        raise InputError(f"{folder}: there is no such folder; check the path of the model")
    inside = sorted(path.parent for path in named.glob(f"models/*/{WEIGHTS_FILE}"))
    if inside and not has_model(folder):
        raise InputError(f"{folder}: is an experiment; give one of its models, such as {inside[0]}")


def trim_of(crop: str | None, frames: str | None) -> "Trim":
    """Read `--crop` and `--frames`; InputError naming the one that is impossible."""
    from glissile.video import Trim

    top, left, height, width = _numbers(crop, _CROP, "--crop") if crop is not None else (0, 0, None, None)
    if 0 in (height, width):
        raise InputError(f"--crop {crop}: HEIGHT and WIDTH must be at least 1 px")
    first, last = _numbers(frames, _FRAMES, "--frames") if frames is not None else (0, None)
    return Trim(top=top, left=left, height=height, width=width, first=first, last=last)


def recipe_of(
    name: RecipeName,
    *,
    epochs: int | None,
    minutes: float | None,
    seed: int,
    device: Device,
    held_out: HeldOut = HeldOut.between,
) -> "Recipe":
    """Take the recipe `name` with the settings that were given; InputError naming an impossible one."""
    from glissile.learn.recipes import recipe_named

    if epochs is not None and minutes is not None:
        raise InputError("--epochs and --minutes both say how long a training takes; give one of them")
    given = {
        "epochs": epochs,
        "minutes": minutes,
        "seed": seed,
        "device": device.value,
        "held_out": held_out.value,
    }
    with options_checked():
        return recipe_named(name.value, **{key: value for key, value in given.items() if value is not None})


def strain_log_of(
    path: Path | None, time_column: str, strain_column: str, stress_column: str | None, time_offset: float
) -> "StrainLogSettings | None":
    """Gather `--strain-log` and its columns; InputError where there is no such file."""
    from glissile.experiment import StrainLogSettings

    if path is None:
        return None
    if not path.is_file():
        raise InputError(f"{path}: there is no such strain log; check the path")
    with options_checked():
        return StrainLogSettings(
            path=path.absolute().as_posix(),
            time_column=time_column,
            strain_column=strain_column,
            stress_column=stress_column,
            time_offset_s=time_offset,
        )


def calibration_of(
    fps: float | None,
    initial_strain: float | None,
    strain_rate: float | None,
    nm_per_pixel: float | None,
    strain_log: "StrainLogSettings | None",
) -> "Calibration":
    """Gather scale, time and strain; InputError naming the option that is impossible."""
    from glissile.experiment import Calibration

    if fps is not None and not 0 < fps < float("inf"):
        raise InputError(f"--fps {fps:g}: a video has more than 0 frames per second")
    if strain_log is None and (initial_strain is None) != (strain_rate is None):
        raise InputError("--initial-strain and --strain-rate belong together; give both or neither")
    if strain_log is not None and strain_rate is not None:
        raise InputError("--strain-rate and --strain-log both tell the strain; give one of them")
    with options_checked():
        return Calibration(
            nm_per_pixel=nm_per_pixel,
            seconds_per_frame=None if fps is None else 1 / fps,
            initial_strain=initial_strain,
            strain_rate_per_s=strain_rate,
            strain_log=strain_log,
        )


@contextmanager
def options_checked() -> Iterator[None]:
    """Name the option that a settings model refuses."""
    from pydantic import ValidationError

    try:
        yield
    except ValidationError as error:
        first = error.errors()[0]
        option = "--" + str(first["loc"][0]).removesuffix("_s").removesuffix("_per").replace("_", "-")
        raise InputError(f"{option} {first['input']}: {first['msg'][0].lower()}{first['msg'][1:]}") from error
