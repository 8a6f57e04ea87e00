"""The stages on plain files and folders, without an experiment; what most commands call."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import TypeAdapter

from glissile.atomic import replacing, replacing_folder
from glissile.defects import DEFAULT_CLASSES, DefectClass, named
from glissile.errors import InputError
from glissile.experiment import Calibration, MaskStore
from glissile.io.annotations import frame_number, read_mask_folder, write_mask
from glissile.io.outputs import refuse_file, refuse_same
from glissile.io.video_files import read_video
from glissile.io.video_writer import VIDEO_SUFFIXES
from glissile.label.coverage import where_to_label
from glissile.label.split import folds, split
from glissile.label.split_again import split_again
from glissile.learn.recipes import Recipe
from glissile.learn.scoring import FOLDS_FILE, FrameScores, write_scores
from glissile.naming import IMAGE_SUFFIXES, LOSSLESS_SUFFIXES, TIFF_SUFFIXES, image_files
from glissile.progress import Step, Steps
from glissile.quantify.measure import measure_frame, read_table, write_table
from glissile.quantify.timeline import check_strain_log_at, timeline
from glissile.segment.settings import SegmentSettings
from glissile.video import Video

if TYPE_CHECKING:
    from glissile.io.model_card import ModelCard
    from glissile.learn.train import TrainingJob
    from glissile.segment.cross_validation import CrossValidation


_CLASSES = "classes"
# Names of one picture, or of what would lose mask values.
_NO_MASKS = (IMAGE_SUFFIXES | VIDEO_SUFFIXES) - TIFF_SUFFIXES


def train_on_folders(
    images: Path,
    masks: Path,
    model_folder: Path,
    recipe: Recipe,
    *,
    classes: Sequence[DefectClass] = DEFAULT_CLASSES,
    resume: bool = False,
    keep_folds: bool = False,
    start: Path | None = None,
) -> Steps["ModelCard"]:
    """Train on a folder of images and a folder of masks, paired by stem.

    Parameters
    ----------
    images : Path
        Frames of one size; those without a mask are left out.
    masks : Path
        Label images as `glissile.io.annotations.read_mask_folder` takes them.
    model_folder : Path
        Where the model goes.
    recipe : Recipe
        How to train.
    classes : sequence of DefectClass
        What the mask values mean.
    resume : bool
        Go on from the last checkpoint in `model_folder`.
    keep_folds : bool
        Leave the table of `cross_validate_folders` in `model_folder`; otherwise it goes, as it would be of
        other labels.
    start : Path, optional
        Model to begin from. Frames that it has learned from are not scored, those that were held out from it
        stay held out; frames are told apart by the numbers in their names.

    Yields
    ------
    Step
        See `glissile.learn.train.train`.

    Returns
    -------
    ModelCard

    Raises
    ------
    InputError
        If no image has a mask, sizes differ, there is no model to begin from, or the model would go among
        images or masks or in the place of the one that it begins from.
    """
    from glissile.learn.train import train

    job = _labelled_job(images, masks, model_folder, recipe, classes, resume=resume, start=start)
    card = yield from train(job)
    if not (resume or keep_folds):
        (model_folder / FOLDS_FILE).unlink(missing_ok=True)
    return card


def cross_validate_folders(
    images: Path,
    masks: Path,
    model_folder: Path,
    recipe: Recipe,
    count: int,
    *,
    classes: Sequence[DefectClass] = DEFAULT_CLASSES,
) -> Steps["CrossValidation"]:
    """Score a recipe on every labelled frame, each by a network that has not seen it.

    Writes `cross_validation.csv` into `model_folder`, one row per frame and class, and keeps no network.

    Parameters
    ----------
    images, masks, model_folder, recipe, classes
        As of `train_on_folders`.
    count : int
        Number of folds, at least 2; as many networks are trained.

    Yields
    ------
    Step
        See `glissile.segment.cross_validation.cross_validated`.

    Returns
    -------
    CrossValidation

    Raises
    ------
    InputError
        As `train_on_folders`, or if fewer than `count` labelled frames differ.
    """
    from glissile.segment.cross_validation import cross_validated

    job = _labelled_job(images, masks, model_folder, recipe, classes)
    parts = folds(job.frame_numbers, job.masks, count)
    found = yield from cross_validated(job, [part.validation for part in parts])
    write_scores(model_folder / FOLDS_FILE, found.table)
    return found


def images_to_label(images: Path, card: "ModelCard") -> str:
    """Say which of a folder of frames, or of a video, lie far from the labels of a model; empty for none."""
    named_by_number = [name for name in frame_names(images, len(read_video(images))) if name[-1:].isdecimal()]
    labelled = card.frames.training + card.frames.validation
    return where_to_label(labelled, [frame_number(name) for name in named_by_number])


def _labelled_job(
    images: Path,
    masks: Path,
    model_folder: Path,
    recipe: Recipe,
    classes: Sequence[DefectClass],
    *,
    resume: bool = False,
    start: Path | None = None,
) -> "TrainingJob":
    from glissile.io.checkpoint import read_card
    from glissile.learn.train import TrainingJob

    truth = read_mask_folder(masks, classes)
    video = read_video(images)
    for read in (images, masks, *([] if start is None else [start])):
        refuse_same(model_folder, read)
    paired = [(i, stem) for i, stem in enumerate(frame_names(images, len(video))) if stem in truth]
    if not paired:
        raise InputError(
            f"{masks}: no mask has the name of an image in {images}; name them alike, such as 0050.png"
        )
    for _, stem in paired:
        if truth[stem].shape != video.shape[1:]:
            raise InputError(
                f"{masks}: mask {stem} is {truth[stem].shape} px (y, x) but its image {video.shape[1:]}; "
                "they must have one size"
            )
    numbers = tuple(frame_number(stem) for _, stem in paired)
    stack = np.stack([truth[stem] for _, stem in paired])
    if start is None:
        chosen = split(numbers, stack, every=recipe.holdout_every, held_out=recipe.held_out)
    else:
        earlier = read_card(start)
        chosen = split_again(
            numbers,
            stack,
            learned=earlier.learned,
            held_out=earlier.frames.validation,
            every=recipe.holdout_every,
        )
    return TrainingJob(
        frames=np.stack([video.frame(i) for i, _ in paired]),
        masks=stack,
        frame_numbers=numbers,
        classes=tuple(classes),
        recipe=recipe,
        folder=model_folder,
        validation=chosen.validation,
        resume=resume,
        start=start,
    )


def segment_to_files(
    model_folder: Path,
    source: Path,
    output: Path,
    settings: SegmentSettings,
    *,
    others: Sequence[Path] = (),
    probabilities: Path | None = None,
) -> Steps[int]:
    """Segment a video or folder of frames into mask files.

    Parameters
    ----------
    model_folder : Path
        A trained model.
    source : Path
        Video file or folder of frames.
    output : Path
        `F.tif` (one page per frame), a new `F.zarr`, or a folder that gets one index PNG per frame, named as
        the input's frames.
    settings : SegmentSettings
        Batch, tiles and device.
    others : sequence of Path
        More models of the same classes; the masks are then of the mean of their probabilities.
    probabilities : Path, optional
        Folder for `probability_CLASS.tif` and `entropy.tif`, 32-bit stacks of 0 to 1.

    Yields
    ------
    Step
        One per frame.

    Returns
    -------
    int
        Number of frames written.

    Raises
    ------
    InputError
        If model, source or output cannot be used, `output` is the source or the model, or it is a folder with
        masks of other frames, among which those of this video could not be told.
    """
    from glissile.io.checkpoint import read_card
    from glissile.segment.predict import segment
    from glissile.segment.uncertainty import segment_by_all

    video = read_video(source)
    for read in (source, model_folder, *others):
        refuse_same(output, read)
        if probabilities is not None:
            refuse_same(probabilities, read)
    if output.suffix.lower() in _NO_MASKS or (
        output.is_file() and output.suffix.lower() not in TIFF_SUFFIXES
    ):
        raise InputError(f"{output}: masks go into a folder, or into F.tif or F.zarr; give such a name")
    _refuse_other_masks(output, source, len(video))
    if probabilities is not None:
        _refuse_stacks(probabilities, output)
    if probabilities is None and not others:
        steps = segment(model_folder, video, settings)
    else:
        steps = segment_by_all((model_folder, *others), video, settings, stacks=probabilities)
    with mask_writer(output, source, video, read_card(model_folder).classes) as write:
        for step in steps:
            if step.preview is not None and step.frame is not None:
                write(step.frame, step.preview.astype(np.uint8))
            yield step
    return len(video)


def _refuse_other_masks(output: Path, source: Path, count: int) -> None:
    """Refuse a folder in which masks would stay that are of no frame of this video."""
    if not output.is_dir() or output.suffix == ".zarr":
        return
    written = {f"{name}.png" for name in frame_names(source, count)}
    others = [path.name for path in image_files(output, LOSSLESS_SUFFIXES) if path.name not in written]
    if others:
        raise InputError(
            f"{output}: holds {len(others)} images of other frames, first {others[0]}, which would be taken "
            "for masks of this video; move them away, or choose another folder"
        )


def _refuse_stacks(folder: Path, masks: Path) -> None:
    if folder.is_file():
        raise InputError(f"{folder}: is a file; give a folder for the probabilities")
    one_file = masks.suffix.lower() in TIFF_SUFFIXES
    if folder.resolve() == (masks.resolve().parent if one_file else masks.resolve()):
        raise InputError(f"{folder}: holds the masks; choose another folder for the probabilities")


@contextmanager
def mask_writer(
    output: Path, source: Path, video: Video, classes: Sequence[DefectClass]
) -> Iterator[Callable[[int, NDArray[np.uint8]], None]]:
    """Open what `segment_to_files` writes into; a Zarr array also keeps the classes, as an attribute.

    Yields
    ------
    callable
        Takes the index along t and the mask (y, x) of each frame, in order.

    Raises
    ------
    InputError
        If the Zarr array exists already.
    """
    if output.suffix.lower() in TIFF_SUFFIXES:
        import tifffile

        with replacing(output) as temporary, tifffile.TiffWriter(temporary) as pages:
            yield lambda _, mask: pages.write(mask, photometric="minisblack", contiguous=True)
    elif output.suffix == ".zarr":
        if output.exists():
            raise InputError(f"{output}: exists already; delete it, or choose another name")
        with replacing_folder(output) as temporary:
            kept = {_CLASSES: [c.model_dump() for c in classes]}
            yield MaskStore.create(temporary, video.shape, kept).write
    else:
        names = frame_names(source, len(video))
        yield lambda index, mask: write_mask(output / f"{names[index]}.png", mask)


def frame_names(source: Path, count: int) -> list[str]:
    """Name each frame of a video: the stems of a folder's images, else its number as "0050"."""
    if source.is_dir():
        return [path.stem for path in image_files(source)]
    digits = max(4, len(str(count - 1)))
    return [f"{index:0{digits}d}" for index in range(count)]


def numbered_masks(path: Path, classes: Sequence[DefectClass]) -> dict[int, Callable[[], NDArray[np.uint8]]]:
    """Find masks by frame number, each read when it is called for.

    Parameters
    ----------
    path : Path
        A folder of label images named by frame number, a multi-page TIFF, or a Zarr array as
        `segment_to_files` writes it.
    classes : sequence of DefectClass
        What the mask values mean.

    Returns
    -------
    dict of int to callable
        Frame number to what reads its mask (y, x), in order.

    Raises
    ------
    InputError
        If `path` holds no masks, or a name has no number or that of another.
    """
    if path.suffix == ".zarr":
        kept = MaskStore.open(path, read_only=True)
        return {frame: partial(kept.read, frame) for frame in kept.frames}
    if path.suffix.lower() in TIFF_SUFFIXES:
        pages = read_video(path)
        return {index: partial(pages.frame, index) for index in range(len(pages))}
    found = read_mask_folder(path, classes)
    stems: dict[int, str] = {}
    for stem in found:
        first = stems.setdefault(frame_number(stem), stem)
        if first != stem:
            raise InputError(
                f"{path}: both {first} and {stem} are of frame {frame_number(stem)}; keep one of them"
            )
    return {number: partial(found.__getitem__, stems[number]) for number in sorted(stems)}


def measure_masks(
    masks: Path,
    table_path: Path,
    calibration: Calibration,
    *,
    classes: Sequence[DefectClass] | None = None,
) -> Steps[pd.DataFrame]:
    """Measure a set of masks and write the table.

    Parameters
    ----------
    masks : Path
        As `numbered_masks` takes them.
    table_path : Path
        CSV to write; an earlier table of measurements is replaced.
    calibration : Calibration
        Time base and strain; without a time per frame, `time_s` is NaN.
    classes : sequence of DefectClass, optional
        What the mask values mean. Default: the classes that `masks` keeps, else `DEFAULT_CLASSES`.

    Yields
    ------
    Step
        One per mask.

    Returns
    -------
    DataFrame
        One row per mask; columns as `glissile.quantify.measure.measure_frame` documents them.

    Raises
    ------
    InputError
        If a mask or the strain log cannot be read, the log tells the strain of no mask, the table would take
        the place of the masks or of a file that is no such table, `classes` are not those that `masks` keeps,
        or strain is asked for and the time between frames is not known.
    """
    log = calibration.strain_log
    refuse_file(table_path, ".csv", masks, None if log is None else Path(log.path))
    if table_path.exists():
        _refuse_other_table(table_path)
    _refuse_made_up_strain(calibration, masks)
    classes = _classes_in(masks, classes)
    found = numbered_masks(masks, classes)
    times = np.array(list(found), dtype=np.float64) * (calibration.seconds_per_frame or np.nan)
    check_strain_log_at(calibration, times, masks.name, folder=Path())
    along = timeline(calibration, times, folder=Path())
    rows = []
    for index, (number, read) in enumerate(found.items()):
        rows.append(
            measure_frame(
                read(),
                classes,
                frame=number,
                time_s=float(times[index]),
                strain=along.strain_at(index),
                stress=along.stress_at(index),
                nm_per_pixel=calibration.nm_per_pixel,
            )
        )
        yield Step(index + 1, len(found), f"Measuring, frame {number}")
    table = pd.DataFrame(rows)
    write_table(table_path, table)
    return table


def _classes_in(masks: Path, given: Sequence[DefectClass] | None) -> Sequence[DefectClass]:
    kept = MaskStore.open(masks, read_only=True).attributes.get(_CLASSES) if masks.suffix == ".zarr" else None
    if kept is None:
        return given or DEFAULT_CLASSES
    try:
        known = TypeAdapter(tuple[DefectClass, ...]).validate_python(kept)
    except ValueError as error:
        raise InputError(f"{masks}: its classes are damaged; segment the video again") from error
    if given is not None and {c.value: c.key for c in given} != {c.value: c.key for c in known}:
        raise InputError(f"{masks}: its values are {named(known)}; leave out --classes, or give these names")
    return known


def _refuse_other_table(path: Path) -> None:
    try:
        read_table(path)
    except InputError as error:
        raise InputError(
            f"{path}: is there already, is no table of measurements and would be lost; choose another name"
        ) from error


def _refuse_made_up_strain(calibration: Calibration, masks: Path) -> None:
    if calibration.tells_strain and calibration.seconds_per_frame is None:
        raise InputError(f"{masks}: strain needs the time between frames; give the frames per second, --fps")


def score_folders(
    predicted: Path,
    truth: Path,
    *,
    tolerance_px: float = 2.0,
    classes: Sequence[DefectClass] = DEFAULT_CLASSES,
) -> FrameScores:
    """Compare two folders of masks, paired by stem.

    Parameters
    ----------
    predicted, truth : Path
        As `glissile.io.annotations.read_mask_folder` takes them; truths without a prediction are an error,
        predictions without a truth are left out.
    tolerance_px : float
        Of the tolerant scores, in pixels.
    classes : sequence of DefectClass
        What the mask values mean.

    Returns
    -------
    FrameScores
        Of all pairs, by stem.

    Raises
    ------
    InputError
        If a truth has no prediction, or the sizes of a pair differ.
    """
    found = read_mask_folder(predicted, classes)
    wanted = read_mask_folder(truth, classes)
    missing = [stem for stem in wanted if stem not in found]
    if missing:
        raise InputError(
            f"{predicted}: {len(missing)} of {len(wanted)} true masks have no prediction of their name, "
            f"first {missing[0]}; segment those frames, or name the masks alike"
        )
    scores = FrameScores(classes, tolerance_px)
    for stem, mask in wanted.items():
        if found[stem].shape != mask.shape:
            raise InputError(
                f"{predicted}: mask {stem} is {found[stem].shape} px (y, x), its truth {mask.shape}; "
                "score masks of one size"
            )
        scores.add(stem, found[stem], mask)
    return scores
