"""The main job on the bundled sample, and how far its result lies from what is true of the sample."""

from pathlib import Path

import numpy as np
import pandas as pd

from glissile import workflow
from glissile.defects import DEFAULT_CLASSES
from glissile.experiment import Calibration, Experiment, StrainLogSettings, folder_named
from glissile.io.annotations import frame_number, read_mask_folder
from glissile.label.annotations import cut
from glissile.learn.agreement import ClassScore, Tally
from glissile.stabilize.motion import Motion
from glissile.synthetic import sample


def opened(folder: Path) -> Experiment:
    """Make the experiment of the sample, with its labels, or open the one made before.

    Parameters
    ----------
    folder : Path
        Experiment folder.

    Returns
    -------
    Experiment
        Open for writing.
    """
    files = sample.sample_folder()
    experiment = Experiment.open(folder) if folder_named(folder).exists() else _created(folder, files)
    try:
        labelled = experiment.labels_or_none()
        if not experiment.read_only and (labelled is None or not labelled.frames):
            workflow.import_labels(experiment, files / "labels")
    except BaseException:
        experiment.close()
        raise
    return experiment


def _created(folder: Path, files: Path) -> Experiment:
    calibration = Calibration(
        nm_per_pixel=sample.SAMPLE_NM_PER_PIXEL,
        initial_strain=sample.SAMPLE_INITIAL_STRAIN,
        strain_rate_per_s=sample.SAMPLE_STRAIN_RATE_PER_S,
        strain_log=StrainLogSettings(
            path=(files / "strain_log.csv").as_posix(),
            time_column="time_s",
            strain_column="strain",
            stress_column="stress_MPa",
            time_offset_s=sample.SAMPLE_LOG_AT_FRAME_0_S,
        ),
    )
    return workflow.create(
        files / "video.mp4", folder, calibration=calibration, settings={"trim": sample.SAMPLE_TRIM}
    )


def report(experiment: Experiment) -> pd.DataFrame:
    """Compare the finished experiment with the truth of the sample.

    Parameters
    ----------
    experiment : Experiment
        As `opened` gives it, after all stages.

    Returns
    -------
    DataFrame
        Rows `quantity`, `value`, `unit`: RMS error of the drift, a constant offset aside; for each class, on
        frames that were not labelled, F-score, F-score within 2 px, and area fraction predicted and true.
    """
    truth = sample.sample_folder() / "truth"
    rows = [("drift error, RMS", drift_error_px(experiment, truth / "motion.csv"), "px")]
    for key, score in compared(experiment, truth / "masks").items():
        name = key.replace("_", " ")
        rows += [
            (f"{name}: F-score", score.f, ""),
            (f"{name}: F-score within 2 px", score.tolerant_f, ""),
            (f"{name}: error of the mean area fraction", 100 * score.area_error, "%"),
        ]
    return pd.DataFrame(rows, columns=["quantity", "value", "unit"])


def drift_error_px(experiment: Experiment, true_motion: Path) -> float:
    """RMS length of the error of `motion.csv`, in pixels, after removing a constant offset."""
    found = Motion.read(experiment.motion_path)
    true = pd.read_csv(true_motion).set_index("frame").loc[found.frame_numbers]
    error = found.displacements_px - true[["dy_px", "dx_px"]].to_numpy()
    error -= error.mean(axis=0)
    return float(np.sqrt(np.mean(np.sum(error**2, axis=1))))


def compared(experiment: Experiment, true_masks: Path) -> dict[str, ClassScore]:
    """Score the segmentation against true masks (y, x) of the source, by class key."""
    video = workflow.working_video(experiment)
    store = experiment.segmentation_or_none()
    assert store is not None
    tally = Tally(DEFAULT_CLASSES)
    for stem, mask in read_mask_folder(true_masks, DEFAULT_CLASSES).items():
        number = frame_number(stem)
        index = video.index_of(number)
        if index is not None:
            tally.add(store.read(number), cut(mask, video, index))
    return tally.scores()
