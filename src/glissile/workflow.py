"""The stages in their order, over one experiment folder; what the docks and the command line call."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel

from glissile.defects import DEFAULT_CLASSES, DefectClass
from glissile.errors import InputError
from glissile.experiment import Calibration, Experiment, MaskStore, Source
from glissile.io.annotations import frame_number, read_mask_folder
from glissile.io.video_files import read_video
from glissile.label import annotations
from glissile.label.split import split
from glissile.learn.identity import identity, interrupted, trained_identity
from glissile.learn.labelled import data_hash
from glissile.learn.recipes import Recipe
from glissile.progress import Step, Steps
from glissile.quantify.measure import MeasureSettings, measure_frame, write_table
from glissile.quantify.timeline import Timeline, timeline
from glissile.segment.settings import SegmentSettings
from glissile.stabilize.camera_motion import Motion, StabilizeSettings, estimate_motion
from glissile.stabilize.field_of_view import fix_field_of_view
from glissile.video import Trim, Video

if TYPE_CHECKING:
    from glissile.io.checkpoint import ModelCard
    from glissile.learn.train import TrainingJob

# Which settings each stage keeps in experiment.toml.
SETTINGS: Mapping[str, type[BaseModel]] = {
    "trim": Trim,
    "stabilize": StabilizeSettings,
    "train": Recipe,
    "segment": SegmentSettings,
    "measure": MeasureSettings,
}


def create(
    video_path: Path,
    folder: Path,
    *,
    calibration: Calibration | None = None,
    classes: Sequence[DefectClass] = DEFAULT_CLASSES,
    settings: Mapping[str, BaseModel] | None = None,
) -> Experiment:
    """Start the study of one video.

    Parameters
    ----------
    video_path : Path
        Video file or folder of frames.
    folder : Path
        Experiment folder to make; `.glissile` is appended where it is missing.
    calibration : Calibration, optional
        Scale, time base and strain.
    classes : sequence of DefectClass
        What will be labelled.
    settings : mapping of str to BaseModel, optional
        Settings by stage, as `SETTINGS` names them; the others keep their defaults.

    Returns
    -------
    Experiment
        Open, and locked for this process.

    Raises
    ------
    InputError
        If the video cannot be read or the folder exists already.
    """
    video = read_video(video_path)
    given = settings or {}
    video.trimmed(cast("Trim", given.get("trim", Trim())))  # refuses a crop outside the frame
    t, y, x = video.shape
    source = Source.of(video_path, frames=t, height=y, width=x)
    experiment = Experiment.create(folder, source=source, calibration=calibration, classes=classes)
    for stage, chosen in given.items():
        experiment.save_settings(stage, chosen)
    return experiment


def source_video(experiment: Experiment) -> Video:
    """Read the video of `experiment` with its calibration, untrimmed.

    Raises
    ------
    InputError
        If the video was moved or cannot be read.
    """
    video = read_video(experiment.source_path())
    calibration = experiment.document.calibration
    if calibration.seconds_per_frame is not None:
        times = np.asarray(video.frame_numbers * calibration.seconds_per_frame, dtype=np.float64)
        video = replace(video, times_s=times)
    if calibration.nm_per_pixel is not None:
        video = replace(video, nm_per_pixel=calibration.nm_per_pixel)
    return video


def motion(experiment: Experiment, video: Video) -> Motion | None:
    """Motion to be removed from `video`.

    Parameters
    ----------
    experiment : Experiment
        The study.
    video : Video
        Its trimmed video.

    Returns
    -------
    Motion, optional
        None where the video was not stabilized, or only over other frames than those of `video`.
    """
    if not experiment.motion_path.exists():
        return None
    known = Motion.read(experiment.motion_path)
    return known if np.isin(video.frame_numbers, known.frame_numbers).all() else None


def working_video(experiment: Experiment) -> Video:
    """Open the video that is labelled and measured: trimmed and, once stabilized, of one fixed area.

    Raises
    ------
    InputError
        If the source was moved, or the trim or motion does not fit it.
    """
    return fixed(experiment, source_video(experiment))


def fixed(experiment: Experiment, source: Video) -> Video:
    """Trim and stabilize an already opened `source` as `experiment` has it."""
    video = source.trimmed(experiment.settings("trim", Trim))
    known = motion(experiment, video)
    return video if known is None else fix_field_of_view(video, known)


def stabilize(experiment: Experiment) -> Steps[Motion]:
    """Estimate the motion of the specimen and keep it in `motion.csv`.

    Yields
    ------
    Step
        One per frame or batch of frames.

    Returns
    -------
    Motion
    """
    settings = experiment.settings("stabilize", StabilizeSettings)
    trimmed = source_video(experiment).trimmed(experiment.settings("trim", Trim))
    found = yield from estimate_motion(trimmed, settings)
    fix_field_of_view(trimmed, found)  # refuses a motion that leaves no common area
    found.write(experiment.motion_path)
    experiment.save_settings("stabilize", settings)
    return found


@dataclass(frozen=True)
class ImportedLabels:
    """What became of a folder of label images.

    Attributes
    ----------
    frames : tuple of int
        Source frame numbers that are labelled now.
    nearest : int
        How many lay between two frames and went to the nearer one.
    outside : tuple of str
        Stems whose frame number the video does not have.
    kept : int
        Frames whose existing label was kept.
    """

    frames: tuple[int, ...]
    nearest: int
    outside: tuple[str, ...]
    kept: int


def import_labels(
    experiment: Experiment, folder: Path, *, first: float = 0, step: float = 1, overwrite: bool = False
) -> ImportedLabels:
    """Take over label images, named by frame number.

    Parameters
    ----------
    experiment : Experiment
        The study.
    folder : Path
        Index images, or one sub-folder of images per class.
    first, step : float
        Frame k of the video is number `first + step * k` in the file names; of two labels nearest to the
        same frame the nearer one is taken.
    overwrite : bool
        Replace labels that are there already.

    Returns
    -------
    ImportedLabels

    Raises
    ------
    InputError
        If an image cannot be read, has no number in its name or does not fit the video.
    """
    video = working_video(experiment)
    frames = experiment.document.source.frames
    nearest: dict[int, tuple[float, NDArray[np.uint8]]] = {}
    outside, between = [], 0
    for stem, mask in read_mask_folder(folder, experiment.document.classes).items():
        position = (frame_number(stem) - first) / step
        number = round(position)
        distance = abs(position - number)
        if not -0.5 <= position <= frames - 0.5:
            outside.append(stem)
            continue
        between += distance > 1e-6
        if number not in nearest or distance < nearest[number][0]:
            nearest[number] = (distance, mask)
    masks = {number: mask for number, (_, mask) in sorted(nearest.items())}
    store = annotations.follow(experiment, video)
    taken = annotations.import_masks(store, video, masks, overwrite=overwrite)
    return ImportedLabels(taken, between, tuple(outside), len(masks) - len(taken))


def training_job(
    experiment: Experiment, *, preview_index: int | None = None, resume: bool = False
) -> "TrainingJob":
    """Gather what training needs, as one value that can travel to another process.

    Parameters
    ----------
    experiment : Experiment
        The study.
    preview_index : int, optional
        Index along t of the working video whose prediction is shown after each epoch.
    resume : bool
        Go on from the last checkpoint.

    Returns
    -------
    TrainingJob

    Raises
    ------
    InputError
        If no frame of the working video is labelled.
    """
    from glissile.learn.train import TrainingJob

    video = working_video(experiment)
    store = experiment.labels_or_none()
    labelled = annotations.labelled_indices(store, video) if store is not None else ()
    if store is None or not labelled:
        raise InputError(
            f"{experiment.folder.name}: no frame is labelled yet; paint or import a few labels first"
        )
    recipe = experiment.settings("train", Recipe)
    masks = np.stack([annotations.read_label(store, video, i) for i in labelled])
    frame_numbers = tuple(int(video.frame_numbers[i]) for i in labelled)
    return TrainingJob(
        frames=np.stack([video.frame(i) for i in labelled]),
        masks=masks,
        frame_numbers=frame_numbers,
        classes=experiment.document.classes,
        recipe=recipe,
        folder=model_folder(experiment),
        validation=split(frame_numbers, masks, every=recipe.holdout_every).validation,
        preview=None if preview_index is None else video.frame(preview_index),
        preview_frame=preview_index,
        resume=resume,
    )


def model_folder(experiment: Experiment) -> Path:
    """Where the model of the chosen recipe lies."""
    return experiment.models_folder / experiment.settings("train", Recipe).name


def train(experiment: Experiment, *, resume: bool = False) -> Steps["ModelCard"]:
    """Train the chosen recipe on the labelled frames, in this process.

    Yields
    ------
    Step
        See `glissile.learn.train.train`.

    Returns
    -------
    ModelCard
        Scores and provenance of the trained model.

    Raises
    ------
    InputError
        If no frame is labelled.
    """
    from glissile.learn.train import train as train_model

    job = training_job(experiment, resume=resume)
    experiment.save_settings("train", job.recipe)
    return (yield from train_model(job))


def _model_hash(experiment: Experiment) -> str:
    from glissile.io.checkpoint import read_card

    return read_card(model_folder(experiment)).weights_sha256


def segmented_frames(experiment: Experiment, video: Video) -> tuple[int, ...]:
    """List the indices along t of the frames of `video` that are segmented."""
    store = experiment.segmentation_or_none()
    if store is None or not _belongs(store, video):
        return ()
    return tuple(int(i) for i in np.flatnonzero(np.isin(video.frame_numbers, store.frames)))


def _belongs(store: MaskStore, video: Video) -> bool:
    """Whether the masks in `store` lie on the pixels of `video`."""
    origins = store.attributes.get("origins_px", {})
    return store.shape[1:] == video.shape[1:] and all(
        np.allclose(origins.get(str(number), np.nan), origin)
        for number, origin in zip(video.frame_numbers, video.origins_px, strict=True)
    )


def predicted(folder: Path) -> Steps[None]:
    """Predict every frame that is not segmented yet; only reads, so that a child process can do it.

    Parameters
    ----------
    folder : Path
        Experiment folder, which may be open elsewhere.

    Yields
    ------
    Step
        One per frame: `preview` is its mask (y, x), `frame` its index along t of the working video.

    Raises
    ------
    InputError
        If there is no trained model.
    """
    from glissile.segment.predict import segment as segment_video

    with Experiment.open(folder, read_only=True) as experiment:
        video = working_video(experiment)
        settings = experiment.settings("segment", SegmentSettings)
        store = experiment.segmentation_or_none()
        current = store is not None and store.attributes.get("model") == _model_hash(experiment)
        done = segmented_frames(experiment, video) if current else ()
        yield from segment_video(model_folder(experiment), video, settings, skip=done)


def store(experiment: Experiment, masks: Steps[None]) -> Steps[int]:
    """Keep predicted masks in `segmentation.zarr` as they come.

    Parameters
    ----------
    experiment : Experiment
        The study, open for writing.
    masks : Steps
        As `predicted` yields them.

    Yields
    ------
    Step
        Those of `masks`, each after its mask is on disk.

    Returns
    -------
    int
        Number of frames segmented.

    Raises
    ------
    InputError
        If there is no trained model.
    """
    video = working_video(experiment)
    model = _model_hash(experiment)
    kept = experiment.segmentation_or_none()
    if kept is None or kept.attributes.get("model") != model or not _belongs(kept, video):
        origins = {
            str(n): [float(y), float(x)]
            for n, (y, x) in zip(video.frame_numbers, video.origins_px, strict=True)
        }
        frames = experiment.document.source.frames
        kept = experiment.new_segmentation(
            (frames, *video.shape[1:]), {"model": model, "origins_px": origins}
        )
    try:
        for step in masks:
            if step.preview is not None and step.frame is not None:
                kept.write(int(video.frame_numbers[step.frame]), step.preview.astype(np.uint8))
            yield step
    finally:
        masks.close()
    return len(kept.frames)


def segment(experiment: Experiment) -> Steps[int]:
    """Segment every frame of the working video, in this process; what is done already is kept.

    Yields
    ------
    Step
        One per frame, see `predicted`.

    Returns
    -------
    int
        Number of frames segmented.

    Raises
    ------
    InputError
        If there is no trained model.
    """
    return (yield from store(experiment, predicted(experiment.folder)))


def strain_of(experiment: Experiment, video: Video) -> Timeline:
    """Strain, and stress where it was logged, at the frames of `video`.

    Raises
    ------
    InputError
        If the strain log cannot be read.
    """
    return timeline(experiment.document.calibration, video.times_s, folder=experiment.folder)


def measured_row(
    experiment: Experiment, video: Video, along: Timeline, index: int, mask: NDArray[np.uint8]
) -> dict[str, float]:
    """One row of the table: the mask (y, x) of frame `index` of `video`, measured."""
    return measure_frame(
        mask,
        experiment.document.classes,
        frame=int(video.frame_numbers[index]),
        time_s=float(along.times_s[index]),
        strain=along.strain_at(index),
        stress=along.stress_at(index),
    )


def measured(experiment: Experiment, video: Video) -> Steps[pd.DataFrame]:
    """Measure the segmented frames of `video`; writes nothing.

    Yields
    ------
    Step
        One per frame, its row as `metrics`, its mask (y, x) as `preview` and its index along t as `frame`.

    Returns
    -------
    DataFrame
        One row per segmented frame, in order; columns as `glissile.quantify.measure` documents them.
    """
    along = strain_of(experiment, video)
    done = segmented_frames(experiment, video)
    kept = experiment.segmentation_or_none()
    rows = []
    for n, index in enumerate(done, start=1):
        assert kept is not None
        mask = kept.read(int(video.frame_numbers[index]))
        row = measured_row(experiment, video, along, index, mask)
        rows.append(row)
        yield Step(n, len(done), f"Measuring, frame {n} of {len(done)}", row, mask, index)
    return pd.DataFrame(rows)


@dataclass(frozen=True, eq=False)
class Results:
    """What `measure` wrote.

    Attributes
    ----------
    table : DataFrame
        One row per segmented frame.
    files : tuple of Path
        The table first, then the figures and the overlay video.
    """

    table: pd.DataFrame
    files: tuple[Path, ...]


def measure(experiment: Experiment) -> Steps[Results]:
    """Measure all segmented frames; write the table, the figures and the overlay video.

    Yields
    ------
    Step
        One per frame measured, see `measured`, then one per frame of the overlay video.

    Returns
    -------
    Results

    Raises
    ------
    InputError
        If no frame is segmented.
    """
    from glissile.quantify.against_strain import draw_area_fractions, save_figure

    video = working_video(experiment)
    if not segmented_frames(experiment, video):
        raise InputError(f"{experiment.folder.name}: no frame is segmented yet; segment the video first")
    settings = experiment.settings("measure", MeasureSettings)
    table = yield from measured(experiment, video)
    write_table(experiment.measurements_path, table)
    files = [experiment.measurements_path]
    against: Literal["strain", "time_s"] = "strain" if table["strain"].notna().any() else "time_s"
    figure = draw_area_fractions(table, experiment.document.classes, against=against)
    for suffix in (".png", ".svg", ".pdf"):
        files.append(experiment.folder / f"area_fraction{suffix}")
        save_figure(figure, files[-1])
    if settings.overlay_video:
        files.append(experiment.folder / "overlay.mp4")
        yield from _overlay_video(experiment, video, files[-1], settings.overlay_frames_per_second)
    experiment.save_settings("measure", settings)
    return Results(table, tuple(files))


def _overlay_video(experiment: Experiment, video: Video, path: Path, frames_per_second: float) -> Steps[None]:
    from glissile.io.video_writer import writing_video
    from glissile.quantify.overlay import contrast_limits, frame_caption, overlay_frame

    kept = experiment.segmentation_or_none()
    assert kept is not None
    along = strain_of(experiment, video)
    limits = contrast_limits(video)
    done = segmented_frames(experiment, video)
    pictures = (
        overlay_frame(
            video.frame(index),
            kept.read(int(video.frame_numbers[index])),
            experiment.document.classes,
            nm_per_pixel=video.nm_per_pixel,
            caption=frame_caption(time_s=float(along.times_s[index]), strain=along.strain_at(index)),
            contrast_limits=limits,
        )
        for index in done
    )
    for n in writing_video(path, pictures, frames_per_second=frames_per_second):
        yield Step(n, len(done), f"Drawing the overlay video, frame {n} of {len(done)}")


def model_card(experiment: Experiment) -> "ModelCard | None":
    """Card of the network of the chosen recipe; None before it is trained."""
    from glissile.io.checkpoint import has_model, read_card

    folder = model_folder(experiment)
    return read_card(folder) if has_model(folder) else None


def training_identity(experiment: Experiment) -> dict[str, Any]:
    """Give what a training of the chosen recipe on the present labels is told apart by."""
    job = training_job(experiment)
    known = data_hash(job.frames, job.masks, job.frame_numbers, job.classes, job.validation)
    return identity(known, job.recipe)


def pipeline(experiment: Experiment) -> Iterator[tuple[str, Callable[[], Steps[object]]]]:
    """Name and start, in order, the stages that are not done or whose input has changed.

    Yields
    ------
    tuple of str and callable
        Title of the stage, and what starts it. Later stages are decided after earlier ones have run.
    """
    source = source_video(experiment)
    settings = experiment.settings("stabilize", StabilizeSettings)
    known = motion(experiment, source.trimmed(experiment.settings("trim", Trim)))
    if settings.method != "none" and known is None:
        yield "Stabilize", lambda: stabilize(experiment)
    wanted = training_identity(experiment)
    card = model_card(experiment)
    if card is None or trained_identity(card) != wanted:
        resume = interrupted(model_folder(experiment)) == wanted
        yield "Train", lambda: train(experiment, resume=resume)
    yield "Segment", lambda: segment(experiment)
    yield "Measure", lambda: measure(experiment)
