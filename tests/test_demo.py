"""How the demonstration compares its result with the truth, on motions and masks made to measure."""

import numpy as np
import pandas as pd
import pytest

from glissile import demo, workflow
from glissile.errors import InputError
from glissile.experiment import Experiment
from glissile.io.annotations import write_mask
from glissile.io.video_files import write_video
from glissile.stabilize.motion import Motion
from glissile.synthetic import sample
from glissile.video import Trim

FRAMES, HEIGHT, WIDTH = 4, 40, 48
TRIM = Trim(top=2, left=3, height=30, width=36)
# Whole pixels, so that a mask of the source is cut without interpolation.
SHIFTS = np.array([[0, 0], [2, -1], [3, 1], [1, 4]], np.float64)


@pytest.fixture
def experiment(tmp_path):
    """A stabilized study of four frames of noise."""
    noise = np.random.default_rng(0).integers(0, 255, (FRAMES, HEIGHT, WIDTH), dtype=np.uint8)
    write_video(tmp_path / "video.mkv", noise, frames_per_second=20)
    with workflow.create(tmp_path / "video.mkv", tmp_path / "study", settings={"trim": TRIM}) as made:
        write_motion(made, SHIFTS)
        yield made


def write_motion(experiment: Experiment, displacements: np.ndarray) -> None:
    frames = len(displacements)
    Motion(displacements, np.zeros(frames), ("",) * frames, np.arange(frames)).write(experiment.motion_path)


@pytest.fixture
def true_motion(tmp_path):
    """Table of the true motion, of more frames than were looked at."""
    path = tmp_path / "true_motion.csv"
    more = np.concatenate([SHIFTS, [[9, 9]]])
    pd.DataFrame({"frame": range(5), "dy_px": more[:, 0], "dx_px": more[:, 1]}).to_csv(path, index=False)
    return path


@pytest.fixture
def true_masks(tmp_path):
    """Masks on the frames as recorded: a line and a block that move with the specimen."""
    for number, (dy, dx) in enumerate(SHIFTS.astype(int)):
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        mask[12 + dy, 10 + dx : 25 + dx] = 1
        mask[20 + dy : 24 + dy, 15 + dx : 30 + dx] = 2
        write_mask(tmp_path / "masks" / f"{number:04d}.png", mask)
    return tmp_path / "masks"


def fill(experiment: Experiment, alter=lambda mask: mask) -> None:
    """Segment each frame as it is in truth: the specimen stands still, so all masks are one."""
    video = workflow.working_video(experiment)
    top, left = video.origins_px[0].astype(int)
    still = np.zeros((HEIGHT, WIDTH), np.uint8)
    still[12, 10:25] = 1
    still[20:24, 15:30] = 2
    mask = still[top : top + video.shape[1], left : left + video.shape[2]]
    assert np.count_nonzero(mask) == np.count_nonzero(still)  # nothing of it is cut off
    store = experiment.new_segmentation((FRAMES, *video.shape[1:]), {})
    for number in range(FRAMES):
        store.write(number, alter(mask.copy()))


def test_an_exact_motion_has_no_error(experiment, true_motion):
    assert demo.drift_error_px(experiment, true_motion) == pytest.approx(0, abs=1e-12)


def test_a_constant_offset_is_no_error(experiment, true_motion):
    write_motion(experiment, SHIFTS + np.array([3, -7]))
    assert demo.drift_error_px(experiment, true_motion) == pytest.approx(0, abs=1e-12)


def test_the_error_of_the_motion_is_the_rms_length(experiment, true_motion):
    error = np.array([[3, 4], [-3, -4], [3, 4], [-3, -4]], np.float64)  # each of length 5
    write_motion(experiment, SHIFTS + error)
    assert demo.drift_error_px(experiment, true_motion) == pytest.approx(5)


def test_the_truth_itself_scores_one(experiment, true_masks):
    fill(experiment)
    for score in demo.compared(experiment, true_masks).values():
        assert score.f == score.tolerant_f == 1
        assert score.area_error == 0
        assert score.truth_px > 0


def test_a_class_that_was_missed_scores_nothing(experiment, true_masks):
    fill(experiment, lambda mask: np.where(mask == 2, 0, mask).astype(np.uint8))
    scores = demo.compared(experiment, true_masks)
    assert scores["dislocation"].f == 1
    assert scores["stacking_fault"].f == 0
    assert scores["stacking_fault"].area_error == -1


def test_frames_that_were_trimmed_away_are_not_compared(experiment, true_masks):
    experiment.save_settings("trim", TRIM.model_copy(update={"last": 1}))
    fill(experiment)
    assert demo.compared(experiment, true_masks)["dislocation"].truth_px == 2 * 15


def test_the_report_has_drift_scores_and_areas(experiment, true_motion, true_masks, tmp_path, monkeypatch):
    fill(experiment)
    (tmp_path / "truth").mkdir()
    true_motion.rename(tmp_path / "truth" / "motion.csv")
    true_masks.rename(tmp_path / "truth" / "masks")
    monkeypatch.setattr(sample, "sample_folder", lambda: tmp_path)
    report = demo.report(experiment).set_index("quantity")
    assert report.loc["drift error, RMS", "value"] == pytest.approx(0, abs=1e-12)
    assert report.loc["drift error, RMS", "unit"] == "px"
    for name in ("dislocation", "stacking fault"):
        assert report.loc[f"{name}: F-score", "value"] == 1
        assert report.loc[f"{name}: error of the mean area fraction", "value"] == 0
        assert report.loc[f"{name}: error of the mean area fraction", "unit"] == "%"


@pytest.fixture
def small_sample(tmp_path, monkeypatch):
    """In place of the sample: a folder of four frames of noise and one label."""
    noise = np.random.default_rng(0).integers(0, 255, (FRAMES, HEIGHT, WIDTH), dtype=np.uint8)
    write_video(tmp_path / "video.mp4", noise, frames_per_second=20)
    write_mask(tmp_path / "labels" / "2.png", np.ones((HEIGHT, WIDTH), np.uint8))
    rows = {"time_s": [0.0, 99.0], "strain": [0.0, 0.1], "stress_MPa": [0.0, 9.0]}
    pd.DataFrame(rows).to_csv(tmp_path / "strain_log.csv", index=False)
    monkeypatch.setattr(sample, "sample_folder", lambda: tmp_path)
    monkeypatch.setattr(sample, "SAMPLE_TRIM", TRIM)
    return tmp_path


def test_a_demonstration_whose_labels_were_refused_goes_on_at_the_next_try(small_sample, tmp_path):
    write_mask(small_sample / "labels" / "3.png", np.ones((5, 5), np.uint8))
    with pytest.raises(InputError, match=r"3\.png: has a mask of 5 x 5 px"):
        demo.opened(tmp_path / "demo.glissile")
    (small_sample / "labels" / "3.png").unlink()
    with demo.opened(tmp_path / "demo.glissile") as again:
        assert not again.read_only
        assert again.labels_or_none().frames == (2,)


def test_a_demonstration_that_is_open_elsewhere_is_only_looked_at(small_sample, tmp_path):
    with demo.opened(tmp_path / "demo.glissile") as made:
        made.labels().remove(2)
        with demo.opened(tmp_path / "demo.glissile") as second:
            assert second.read_only
            assert second.labels_or_none().frames == ()


def test_the_demonstration_begins_with_the_labels_and_goes_on_where_it_was(tmp_path):
    try:
        sample.sample_folder()
    except InputError as error:
        pytest.skip(str(error))
    with demo.opened(tmp_path / "demo") as made:
        assert made.labels_or_none().frames == sample.SAMPLE_LABELLED
        assert made.settings("trim", Trim) == sample.SAMPLE_TRIM
        assert made.document.calibration.strain_log.stress_column == "stress_MPa"
    with demo.opened(tmp_path / "demo") as again:
        assert again.labels_or_none().frames == sample.SAMPLE_LABELLED
        for number in sample.SAMPLE_LABELLED:
            again.labels().remove(number)
    with demo.opened(tmp_path / "demo.glissile") as cut_short:
        assert cut_short.labels_or_none().frames == sample.SAMPLE_LABELLED
