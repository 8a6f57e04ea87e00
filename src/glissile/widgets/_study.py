"""An open experiment as the dock shows it, and the works that open or change it; no Qt."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glissile import workflow
from glissile.contrast import video_contrast
from glissile.errors import InputError
from glissile.experiment import Backup, Calibration, Experiment, MaskStore
from glissile.io.model_card import ModelCard
from glissile.label import annotations
from glissile.learn.identity import identity
from glissile.learn.recipes import Recipe
from glissile.progress import Step, Steps
from glissile.quantify.timeline import check_strain_log
from glissile.stabilize.field_of_view import FieldOfView, FieldOfViewSettings, fields_of_view
from glissile.stabilize.motion import Motion
from glissile.stabilize.resample import restricted
from glissile.stabilize.review import Doubt, doubts
from glissile.video import Trim, Video
from glissile.widgets._experiment_folder import experiment_folder


@dataclass(frozen=True, eq=False)
class Study:
    """An open experiment and what the dock shows of it.

    Attributes
    ----------
    experiment : Experiment
        Open, for writing where it could be locked.
    source : Video
        The calibrated video as recorded.
    trimmed : Video
        Its part that is studied.
    video : Video
        The working video: that part, of one fixed area once it is stabilized.
    limits : tuple of float
        Grey values shown black and white.
    motion : Motion, optional
        What was removed from the working video, corrections by hand included.
    left_out : tuple of int
        Numbers of the frames whose correction by hand the motion could not take account of.
    field_of_view : FieldOfView, optional
        What of the specimen the working video shows; None before it is stabilized.
    choices : mapping of str to FieldOfView or str
        What it could show, by kind, "automatic" among them; where one is not possible, the sentence that says
        why. Empty before it is stabilized.
    outdated : bool
        The motion was found with other settings or regions than those of now.
    card : ModelCard, optional
        The network in use.
    models : tuple of ComparedModel
        All networks, as they compare; those that are damaged or were cut short, too.
    store : MaskStore, optional
        Labels on the pixels of `source`; None where there are none and the experiment is read-only.
    labels : mapping of int to ndarray (y, x)
        Masks of the labelled frames, by index along t of `video`.
    proposals : mapping of int to ndarray (y, x)
        Masks that are proposed for frames which are not labelled, by index along t of `video`.
    segmented : tuple of int
        Indices along t of the frames that are segmented.
    current : bool
        They were segmented by the network of `card`.
    measured : bool
        The table and figures were made from what the experiment holds now.
    notices : tuple of str
        What the user should be told about opening it.
    """

    experiment: Experiment
    source: Video
    trimmed: Video
    video: Video
    limits: tuple[float, float]
    motion: Motion | None
    field_of_view: FieldOfView | None
    choices: Mapping[str, FieldOfView | str]
    outdated: bool
    left_out: tuple[int, ...]
    card: ModelCard | None
    models: tuple[workflow.ComparedModel, ...]
    store: MaskStore | None
    labels: Mapping[int, NDArray[np.uint8]]
    proposals: Mapping[int, NDArray[np.uint8]]
    segmented: tuple[int, ...]
    current: bool
    measured: bool
    notices: tuple[str, ...] = ()

    @property
    def found(self) -> str:
        """Say what was found and what is shown, a sentence a line; empty before it is stabilized."""
        if self.motion is None or self.field_of_view is None:
            return ""
        told = (self.motion.sentence, self.field_of_view.sentence, workflow.distortion(self.experiment))
        return "\n".join(sentence for sentence in told if sentence)

    @property
    def drift_px(self) -> float | None:
        """Largest distance of the specimen from where it was at first; None where that is not known."""
        if self.motion is None:
            return None
        return float(np.hypot(*self.motion.displacements_px.T).max())

    @property
    def doubts(self) -> tuple[Doubt, ...]:
        """Frames whose motion should be looked at."""
        return () if self.motion is None else doubts(self.motion)

    @property
    def doubtful_frames(self) -> int:
        """How many they are."""
        return 0 if self.motion is None else sum(flag not in ("", "corrected") for flag in self.motion.flags)

    @property
    def corrected(self) -> tuple[int, ...]:
        """Numbers in the source of the frames that were set by hand."""
        if self.motion is None:
            return ()
        flagged = zip(self.motion.frame_numbers.tolist(), self.motion.flags, strict=True)
        return tuple(number for number, flag in flagged if flag == "corrected")

    @property
    def labels_changed(self) -> bool:
        """Whether labels, classes or video are others than those that the network in use was trained on."""
        return any(model.used and model.labels_changed for model in self.models)

    @property
    def scores(self) -> tuple[tuple[str, float], ...] | None:
        """Class name and F-score within 2 px on the held-out frames; None before there is a network."""
        if self.card is None:
            return None
        held_out = self.card.scores.get("holdout", {})
        found = ((c.name, held_out.get(c.key, {}).get("tolerant_f")) for c in self.card.classes)
        return tuple((name, score) for name, score in found if score is not None)


def opened_video(video: Path) -> Steps[Study]:
    """Open the experiment of a video, or start it.

    Parameters
    ----------
    video : Path
        File, or folder of frames.

    Yields
    ------
    Step

    Returns
    -------
    Study

    Raises
    ------
    InputError
        If the video cannot be read.
    """
    yield Step(0, 2, f"Reading {video.name}")
    folder = experiment_folder(video)
    if folder.exists():
        return (yield from _read(Experiment.open(folder), video))
    return (yield from _read(workflow.create(video, folder)))


def opened_folder(folder: Path) -> Steps[Study]:
    """Open an experiment folder; steps, result and errors as those of `opened_video`."""
    yield Step(0, 2, f"Opening {folder.name}")
    return (yield from _read(Experiment.open(folder)))


def _read(experiment: Experiment, video: Path | None = None) -> Steps[Study]:
    try:
        if video is not None:
            _find(experiment, video)
        changed = experiment.source_changed()
        study = yield from refreshed(experiment)
    except BaseException:
        experiment.close()
        raise
    notices = (changed, experiment.backup_problem, _strain_missing(study), *study.notices)
    return replace(study, notices=tuple(notice for notice in notices if notice))


def _strain_missing(study: Study) -> str:
    """Say why the strain log tells no strain; empty where it does, or where there is none."""
    experiment = study.experiment
    try:
        check_strain_log(experiment.document.calibration, study.trimmed, folder=experiment.folder)
    except InputError as error:
        return f"No strain is shown: {error}"
    return ""


def _find(experiment: Experiment, video: Path) -> None:
    """Refer to `video` where the experiment misses its own; it is the same or gets refused."""
    try:
        experiment.source_path()
    except InputError:
        experiment.relocate_source(video)


def refreshed(experiment: Experiment, prepare: Callable[[], None] = lambda: None) -> Steps[Study]:
    """Read the videos of an open experiment again.

    Parameters
    ----------
    experiment : Experiment
        The study.
    prepare : callable
        What to change before.

    Yields
    ------
    Step

    Returns
    -------
    Study

    Raises
    ------
    InputError
        If the source was moved, or `prepare` refuses.
    """
    yield Step(1, 2, "Reading the video")
    prepare()
    return _as_it_is(experiment)


def _as_it_is(experiment: Experiment) -> Study:
    """Read the videos and labels of an open experiment.

    Not in steps: after something was changed on disk, nobody may cancel before the dock shows it.
    """
    source = workflow.source_video(experiment)
    cut = source.trimmed(experiment.settings("trim", Trim))
    video = workflow.fixed(experiment, source)
    store = experiment.labels_or_none() if experiment.read_only else experiment.labels()
    labels = read_labels(store, video)
    proposals, notice = _proposals(experiment, video)
    card = trained_card(experiment)
    motion = workflow.motion(experiment, cut)
    return Study(
        experiment=experiment,
        source=source,
        trimmed=cut,
        video=video,
        limits=video_contrast(source),
        motion=motion,
        field_of_view=workflow.field_of_view(experiment, cut),
        choices={} if motion is None else _choices(experiment, cut, motion),
        outdated=outdated(experiment, cut),
        left_out=workflow.corrections_left_out(experiment, cut),
        card=card,
        models=workflow.compared_models(experiment),
        store=store,
        labels=labels,
        proposals={i: mask for i, mask in proposals.items() if i not in labels},
        segmented=workflow.segmented_frames(experiment, video),
        current=segmented_by(experiment, card),
        measured=workflow.measurements_current(experiment),
        notices=(notice,) if notice else (),
    )


def _proposals(experiment: Experiment, video: Video) -> tuple[dict[int, NDArray[np.uint8]], str]:
    """Masks that are proposed for unlabelled frames, by index along t; why there are none, if damaged."""
    try:
        if not experiment.read_only:
            workflow.drop_settled_proposals(experiment)
        return read_labels(experiment.proposals_or_none(), video), ""
    except InputError as error:  # of no label; these are to be had all the same
        return {}, f"No proposals are shown: {error}"


def _choices(experiment: Experiment, cut: Video, motion: Motion) -> dict[str, FieldOfView | str]:
    automatic = workflow.field_of_view(experiment, cut, FieldOfViewSettings(kind="automatic"))
    assert automatic is not None
    found = fields_of_view(restricted(motion, cut), cut.shape[1:])
    return {"automatic": automatic, **{str(kind): chosen for kind, chosen in found.items()}}


def outdated(experiment: Experiment, cut: Video) -> bool:
    """Whether the motion of the trimmed video `cut` was found with other settings or regions than now."""
    return workflow.motion(experiment, cut) is not None and not workflow.is_stabilized(experiment, cut)


def read_labels(store: MaskStore | None, video: Video) -> dict[int, NDArray[np.uint8]]:
    """Masks (y, x) of the labelled frames of `video`, by index along t."""
    if store is None:
        return {}
    indices = annotations.labelled_indices(store, video)
    return {index: annotations.read_label(store, video, index) for index in indices}


def trimmed(experiment: Experiment, source: Video, trim: Trim) -> Steps[Study]:
    """Set the trim of an experiment.

    Parameters
    ----------
    experiment : Experiment
        The study.
    source : Video
        Its video as recorded.
    trim : Trim
        What to keep of it.

    Yields
    ------
    Step

    Returns
    -------
    Study

    Raises
    ------
    InputError
        If `trim` keeps nothing of the video.
    """

    def set_trim() -> None:
        source.trimmed(trim)  # refuses what does not fit, before it is written down
        experiment.save_settings("trim", trim)

    return (yield from refreshed(experiment, set_trim))


def imported(
    experiment: Experiment, folder: Path, first: float, step: float
) -> Steps[tuple[workflow.ImportedLabels, Study]]:
    """Take over label images, then read the study again; arguments and errors as `workflow.import_labels`.

    Yields
    ------
    Step

    Returns
    -------
    tuple of ImportedLabels and Study
    """
    yield Step(0, 2, f"Importing labels from {folder.name}")
    taken = workflow.import_labels(experiment, folder, first=first, step=step)
    return taken, _as_it_is(experiment)


def restored(experiment: Experiment, backup: Backup) -> Steps[tuple[workflow.RestoredLabels, Study]]:
    """Restore labels, then read the study again; arguments and errors as `workflow.restore_labels`.

    Yields
    ------
    Step

    Returns
    -------
    tuple of RestoredLabels and Study
    """
    yield Step(0, 2, f"Restoring labels from {backup.name}")
    taken = workflow.restore_labels(experiment, backup)
    return taken, _as_it_is(experiment)


def calibrated(experiment: Experiment, calibration: Calibration) -> Steps[Study]:
    """Set the calibration of an experiment; steps and result as those of `refreshed`.

    Raises
    ------
    InputError
        If the strain log is of no use for the video; the calibration stays as it was.
    """

    def set_calibration() -> None:
        known = experiment.document.calibration
        if (known.strain_log, known.seconds_per_frame) != (
            calibration.strain_log,
            calibration.seconds_per_frame,
        ):
            workflow.check_calibration(experiment, calibration)
        experiment.update(calibration=calibration)

    return (yield from refreshed(experiment, set_calibration))


def stabilized(experiment: Experiment) -> Steps[Study]:
    """Stabilize the video of an experiment; steps as those of `workflow.stabilize`, then `refreshed`."""
    yield from workflow.stabilize(experiment)
    return _as_it_is(experiment)


def corrected(
    experiment: Experiment, video: Video, frame_number: int, displacement_px: tuple[float, float] | None
) -> Steps[Study]:
    """Set one frame of the trimmed `video` by hand, as `workflow.correct` does it, then `refreshed`."""
    return (
        yield from refreshed(
            experiment, lambda: workflow.correct(experiment, video, frame_number, displacement_px)
        )
    )


def seen_as(experiment: Experiment, settings: FieldOfViewSettings) -> Steps[Study]:
    """Show another field of view, then `refreshed`."""
    return (yield from refreshed(experiment, lambda: experiment.save_settings("field_of_view", settings)))


def trained_card(experiment: Experiment) -> ModelCard | None:
    """Card of the network in use; None before any is trained, and where it is damaged."""
    try:
        return workflow.model_card(experiment)
    except InputError:
        return None


def segmented_by(experiment: Experiment, card: ModelCard | None) -> bool:
    """Whether the masks that are kept are those of the network of `card`."""
    kept = experiment.segmentation_or_none()
    return card is not None and kept is not None and kept.attributes.get("model") == card.weights_sha256


def resumable(experiment: Experiment) -> bool:
    """Whether a training with the present settings was cut short and can go on here.

    That of an experiment which is open elsewhere may still be running there.
    """
    wanted = identity("", experiment.settings("train", Recipe))["recipe"]
    found = (known.get("recipe") for _, known in workflow.cut_short(experiment))
    return not experiment.read_only and wanted in found


def suggested(
    experiment: Experiment, looks: workflow.FrameLooks | None, count: int
) -> Steps[tuple[workflow.FrameLooks, tuple[workflow.Suggestion, ...]]]:
    """Suggest frames to label.

    Parameters
    ----------
    experiment : Experiment
        The study.
    looks : FrameLooks, optional
        Of its working video, from before; None to look at every frame.
    count : int
        How many frames to suggest at most.

    Yields
    ------
    Step

    Returns
    -------
    tuple of FrameLooks and tuple of Suggestion
    """
    looks = yield from workflow.frame_looks(experiment, looks)
    yield Step(1, 1, "Choosing frames")
    return looks, workflow.suggest_from(experiment, looks, count=count)


def class_removed(experiment: Experiment, value: int) -> Steps[Study]:
    """Remove a class, as `workflow.remove_class` does it, then `refreshed`."""
    return (yield from refreshed(experiment, lambda: workflow.remove_class(experiment, value)))


def painted_with(experiment: Experiment, value: int) -> Steps[workflow.Painted]:
    """Find where a class is painted, as `workflow.painted_with` does."""
    yield Step(0, 1, "Looking where the class is painted")
    return workflow.painted_with(experiment, value)
