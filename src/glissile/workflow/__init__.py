"""The stages in their order, over one experiment folder; what the docks and the command line call."""

from collections.abc import Callable, Iterator

from glissile.experiment import Experiment
from glissile.label.suggestion import Suggestion
from glissile.progress import Steps
from glissile.quantify.timeline import check_strain_log
from glissile.workflow.annotators import Comparison, compare_labels
from glissile.workflow.classes import Painted, painted_with, remove_class
from glissile.workflow.label_backups import (
    BackupDifference,
    RestoredLabels,
    backup_difference,
    label_backup,
    label_backups,
    restore_labels,
)
from glissile.workflow.labelling import (
    ExportedLabels,
    ImportedLabels,
    export_labels,
    has_labels,
    import_in_steps,
    import_labels,
    where_to_label,
)
from glissile.workflow.models import (
    ComparedModel,
    TrainedModel,
    choose_model,
    compared_models,
    cut_short,
    delete_model,
    model_card,
    model_folder,
    model_named,
    rename_model,
    trained_models,
    used_model,
)
from glissile.workflow.probability import Asked, probabilities_asked_for
from glissile.workflow.proposals import carried_labels, drop_settled_proposals, network_labels
from glissile.workflow.regions import drawn_regions, keep_regions, keep_shown_regions, shown_regions
from glissile.workflow.results import (
    Results,
    measure,
    measured,
    measured_row,
    measurements_current,
    strain_of,
)
from glissile.workflow.segmentation import (
    is_segmented,
    predicted,
    segment,
    segmentation_of,
    segmented_frames,
    store,
)
from glissile.workflow.stabilization import (
    correct,
    corrections,
    corrections_left_out,
    distortion,
    field_of_view,
    fixed,
    is_stabilized,
    motion,
    stabilize,
    working_video,
)
from glissile.workflow.suggestions import (
    FrameLooks,
    frame_looks,
    leave_out_of_suggestions,
    left_out_of_suggestions,
    suggest,
    suggest_from,
    suggested,
)
from glissile.workflow.suspects import dismiss_suspect, suspects, suspects_in
from glissile.workflow.training import (
    fitting_model,
    is_trained,
    prepare_retraining,
    resumable,
    train,
    training_job,
)
from glissile.workflow.videos import (
    SETTINGS,
    check_calibration,
    create,
    source_video,
    trimmed_video,
)
from glissile.workflow.waiting import queue_training, unqueue_training, waiting_trainings

__all__ = [
    "SETTINGS",
    "Asked",
    "BackupDifference",
    "ComparedModel",
    "Comparison",
    "ExportedLabels",
    "FrameLooks",
    "ImportedLabels",
    "Painted",
    "RestoredLabels",
    "Results",
    "Suggestion",
    "TrainedModel",
    "backup_difference",
    "carried_labels",
    "check_calibration",
    "choose_model",
    "compare_labels",
    "compared_models",
    "correct",
    "corrections",
    "corrections_left_out",
    "create",
    "cut_short",
    "delete_model",
    "dismiss_suspect",
    "distortion",
    "drawn_regions",
    "drop_settled_proposals",
    "export_labels",
    "field_of_view",
    "fitting_model",
    "fixed",
    "frame_looks",
    "has_labels",
    "import_in_steps",
    "import_labels",
    "is_segmented",
    "is_stabilized",
    "is_trained",
    "keep_regions",
    "keep_shown_regions",
    "label_backup",
    "label_backups",
    "leave_out_of_suggestions",
    "left_out_of_suggestions",
    "measure",
    "measured",
    "measured_row",
    "measurements_current",
    "model_card",
    "model_folder",
    "model_named",
    "motion",
    "network_labels",
    "painted_with",
    "pipeline",
    "predicted",
    "prepare_retraining",
    "probabilities_asked_for",
    "queue_training",
    "remove_class",
    "rename_model",
    "restore_labels",
    "resumable",
    "segment",
    "segmentation_of",
    "segmented_frames",
    "shown_regions",
    "source_video",
    "stabilize",
    "store",
    "strain_of",
    "suggest",
    "suggest_from",
    "suggested",
    "suspects",
    "suspects_in",
    "train",
    "trained_models",
    "training_job",
    "trimmed_video",
    "unqueue_training",
    "used_model",
    "waiting_trainings",
    "where_to_label",
    "working_video",
]


def pipeline(
    experiment: Experiment, *, retrain: bool = False
) -> Iterator[tuple[str, Callable[[], Steps[object]]]]:
    """Name and start, in order, the stages that are not done or whose input has changed.

    The strain log is looked at first, so that nobody learns after an hour of training that it is of no use.
    Where a model fits labels and recipe as they are now, it is used and none is trained.

    Parameters
    ----------
    experiment : Experiment
        The study, open for writing.
    retrain : bool
        Where none fits, begin from the model in use, with its settings, and not anew.

    Yields
    ------
    tuple of str and callable
        Title of the stage, and what starts it. Later stages are decided after earlier ones have run.

    Raises
    ------
    InputError
        If the video was moved or cannot be read, or the strain log is as `check_calibration` refuses it.
    """
    trimmed = trimmed_video(experiment)
    check_strain_log(experiment.document.calibration, trimmed, folder=experiment.folder)
    if not is_stabilized(experiment, trimmed):
        yield "Stabilize", lambda: stabilize(experiment)
    start = prepare_retraining(experiment) if retrain else None
    fitting = fitting_model(experiment)
    if fitting is None:
        resume = resumable(experiment, start=start)
        yield "Train", lambda: train(experiment, resume=resume, start=start)
    elif fitting != _used_name(experiment):
        choose_model(experiment, fitting)
    if not is_segmented(experiment, working_video(experiment)):
        yield "Segment", lambda: segment(experiment)
    if not measurements_current(experiment):
        yield "Measure", lambda: measure(experiment)


def _used_name(experiment: Experiment) -> str | None:
    model = used_model(experiment)
    return None if model is None else model.name
