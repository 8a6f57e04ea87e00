"""The stages in their order, on a small synthetic video with known masks, motion and strain."""

import re
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from glissile import workflow
from glissile.defects import DEFAULT_CLASSES, DefectClass
from glissile.errors import InputError
from glissile.experiment import Calibration, Experiment
from glissile.io.annotations import write_mask
from glissile.io.checkpoint import load_model, save_model
from glissile.io.model_card import Certainty
from glissile.io.video_files import write_video
from glissile.label import annotations
from glissile.learn.recipes import Recipe
from glissile.progress import Step, Steps, finish
from glissile.quantify.measure import MeasureSettings, read_table
from glissile.quantify.overlay import frame_caption
from glissile.stabilize.camera_motion import StabilizeSettings
from glissile.stabilize.field_of_view import FieldOfViewSettings
from glissile.stabilize.motion import Motion
from glissile.synthetic.tem import TemSettings, TemVideo, simulate
from glissile.video import Trim
from glissile.workflow import segmentation

SETTINGS = TemSettings(height=160, width=192, frames=24, drift_px=6, jumps=1, jump_px=4)
TRIM = Trim(height=SETTINGS.height - SETTINGS.strip_px, width=SETTINGS.width)
LABELLED = (0, 5, 11, 17, 23)
QUICK = Recipe(epochs=2, widths=(8, 12), least_epoch_steps=2, most_epoch_steps=4)
CALIBRATION = Calibration(
    nm_per_pixel=4.0, seconds_per_frame=0.05, initial_strain=0.0114, strain_rate_per_s=1e-4
)


@pytest.fixture(scope="session")
def truth() -> TemVideo:
    return simulate(SETTINGS, 3)


@pytest.fixture(scope="session")
def files(truth: TemVideo, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `video.mkv` (lossless) and `masks/`, drawn on the frames as recorded."""
    folder = tmp_path_factory.mktemp("8.4μm")
    write_video(folder / "video.mkv", (truth.frame(i) for i in range(len(truth))), frames_per_second=20)
    for number in LABELLED:
        write_mask(folder / "masks" / f"{number:04d}.png", truth.mask(number))
    return folder


@pytest.fixture
def fresh(files: Path, tmp_path: Path):
    settings = {"trim": TRIM, "train": QUICK}
    with workflow.create(
        files / "video.mkv", tmp_path / "study", calibration=CALIBRATION, settings=settings
    ) as experiment:
        yield experiment


@pytest.fixture(scope="session")
def finished(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An experiment of which every stage has run."""
    folder = tmp_path_factory.mktemp("finished") / "study.glissile"
    settings = {"trim": TRIM, "train": QUICK}
    with workflow.create(
        files / "video.mkv", folder, calibration=CALIBRATION, settings=settings
    ) as experiment:
        workflow.import_labels(experiment, files / "masks")
        for _, start in workflow.pipeline(experiment):
            finish(start())
    return folder


@pytest.fixture
def done(finished: Path, tmp_path: Path):
    """The finished experiment, to be changed at will."""
    with Experiment.open(shutil.copytree(finished, tmp_path / "study.glissile")) as experiment:
        yield experiment


def test_the_run_writes_table_figures_overlay_and_motion(done):
    names = {path.name for path in done.folder.iterdir()}
    assert {
        "experiment.toml", "motion.csv", "labels.zarr", "models", "segmentation.zarr", "measurements.csv",
        "area_fraction.png", "area_fraction.svg", "area_fraction.pdf", "overlay.mp4",
    } <= names  # fmt: skip


def test_the_table_has_a_row_per_frame_with_its_strain(done):
    table = read_table(done.measurements_path)
    assert table["frame"].tolist() == list(range(SETTINGS.frames))
    np.testing.assert_allclose(table["time_s"], 0.05 * table["frame"])
    np.testing.assert_allclose(table["strain"], 0.0114 + 1e-4 * table["time_s"])


def test_the_table_counts_the_masks_that_are_kept(done):
    table = read_table(done.measurements_path).set_index("frame")
    store = done.segmentation_or_none()
    for frame in (0, 11, 23):
        mask = store.read(frame)
        assert table.loc[frame, "dislocation_px"] == np.count_nonzero(mask == 1)
        assert table.loc[frame, "field_of_view_px"] == mask.size
        assert table.loc[frame, "field_of_view_um2"] == pytest.approx(mask.size * 0.004**2)


def test_a_second_run_trains_nothing_and_segments_nothing(done):
    assert stages_left(done) == []
    steps = []
    finish(workflow.segment(done), steps.append)
    assert steps == []


def test_other_labels_or_settings_train_again(done):
    video = workflow.working_video(done)
    mask = annotations.read_label(done.labels(), video, 5)
    mask[40:50, 40:60] = 2
    annotations.write_label(done.labels(), video, 5, mask)
    assert stages_left(done) == ["Train"]


def test_a_training_that_was_cut_short_is_resumed_on_the_same_labels_only(fresh, files):
    fresh.save_settings("train", QUICK.model_copy(update={"epochs": 4000}))
    workflow.import_labels(fresh, files / "masks")
    assert not workflow.resumable(fresh)
    steps = workflow.train(fresh)
    while not workflow.cut_short(fresh):
        next(steps)
    steps.close()
    assert workflow.resumable(fresh)
    fresh.labels().remove(LABELLED[1])
    assert not workflow.resumable(fresh)


def test_the_last_labels_are_held_out_where_that_is_asked_for(fresh, files):
    workflow.import_labels(fresh, files / "masks")
    assert workflow.training_job(fresh).validation == (2,)
    fresh.save_settings("train", QUICK.model_copy(update={"held_out": "beyond"}))
    assert workflow.training_job(fresh).validation == (4,)


def test_what_a_network_scored_on_each_frame_lies_beside_it(done):
    card = workflow.model_card(done)
    table = pd.read_csv(workflow.model_folder(done) / "scores.csv")
    assert set(table["frame"]) == set(card.frames.validation)
    assert card.scores_note.startswith("Scores between the labels")


def test_frames_far_from_labels_are_told(fresh, files):
    assert workflow.where_to_label(fresh) == ""
    workflow.import_labels(fresh, files / "masks")
    assert workflow.where_to_label(fresh) == ""
    fresh.labels().remove(LABELLED[-1])
    fresh.labels().remove(LABELLED[-2])
    assert "frames 12 to 23 (after the last labelled frame)" in workflow.where_to_label(fresh)


def test_a_new_model_replaces_the_segmentation_of_the_old_one(done):
    done.save_settings("train", QUICK.model_copy(update={"seed": 1}))
    before = done.segmentation_or_none().attributes["model"]
    ran = []
    for title, start in workflow.pipeline(done):
        ran.append(title)
        finish(start())
    assert ran == ["Train", "Segment", "Measure"]
    after = done.segmentation_or_none()
    assert after.attributes["model"] != before
    assert len(after.frames) == SETTINGS.frames


def test_cancelled_segmentation_goes_on_where_it_stopped(done):
    done.save_settings("train", QUICK.model_copy(update={"seed": 2}))
    finish(workflow.train(done))
    steps = workflow.segment(done)
    for _ in range(5):
        next(steps)
    steps.close()
    video = workflow.working_video(done)
    kept = len(workflow.segmented_frames(done, video))
    assert 5 <= kept < SETTINGS.frames
    left = []
    assert finish(workflow.segment(done), left.append) == SETTINGS.frames
    assert len(left) == SETTINGS.frames - kept


def test_motion_is_found_and_the_working_video_stands_still(done, truth):
    video = workflow.working_video(done)
    t, y, x = video.shape
    assert t == SETTINGS.frames
    assert y < TRIM.height
    assert x < TRIM.width
    drift = video.origins_px - video.origins_px[0]
    error = drift - (truth.displacements_px - truth.displacements_px[0])
    assert np.sqrt(np.mean((error - error.mean(axis=0)) ** 2)) < 0.5


def test_labels_land_on_the_defects_of_the_stabilized_video(fresh, files, truth):
    finish(workflow.stabilize(fresh))
    taken = workflow.import_labels(fresh, files / "masks")
    assert taken.frames == LABELLED
    video = workflow.working_video(fresh)
    store = fresh.labels_or_none()
    for index in LABELLED:
        label = annotations.read_label(store, video, index)
        top, left = np.rint(video.origins_px[index]).astype(int)
        expected = truth.mask(index)[top : top + video.shape[1], left : left + video.shape[2]]
        np.testing.assert_array_equal(label, expected)


def test_labels_drawn_before_stabilizing_lie_on_the_defects_after_it(fresh, truth):
    trimmed = workflow.working_video(fresh)
    for index in LABELLED:
        annotations.write_label(
            fresh.labels(), trimmed, index, annotations.cut(truth.mask(index), trimmed, index)
        )
    fresh.save_settings("trim", Trim(top=20, left=30, height=90, width=120, first=5, last=17))
    finish(workflow.stabilize(fresh))
    video = workflow.working_video(fresh)
    assert video.shape[1] < 90
    assert annotations.labelled_indices(fresh.labels(), video) == (0, 6, 12)
    for index in (0, 6, 12):
        top, left = np.rint(video.origins_px[index]).astype(int)
        number = video.frame_numbers[index]
        expected = truth.mask(number)[top : top + video.shape[1], left : left + video.shape[2]]
        np.testing.assert_array_equal(annotations.read_label(fresh.labels(), video, index), expected)
    fresh.save_settings("trim", TRIM)
    for index in LABELLED:
        label = annotations.read_label(fresh.labels(), workflow.working_video(fresh), index)
        np.testing.assert_array_equal(label, truth.mask(index)[: TRIM.height])


def test_label_names_may_count_differently_from_the_video(fresh, truth, tmp_path):
    for number in (1, 24, 40, 500):
        write_mask(tmp_path / "other" / f"{number:04d}.png", truth.mask(0))
    taken = workflow.import_labels(fresh, tmp_path / "other", first=1, step=10)
    assert taken.frames == (0, 2, 4)
    assert taken.nearest == 2
    assert taken.outside == ("0500",)
    assert taken.doubt == "labels numbered between two frames: 3 of 4"


def test_whole_numbers_beside_a_broken_step_are_in_no_doubt(fresh, truth, tmp_path):
    for number in (0, 7, 15, 22, 38):  # 7.5 to a frame
        write_mask(tmp_path / "other" / f"{number:04d}.png", truth.mask(0))
    taken = workflow.import_labels(fresh, tmp_path / "other", step=7.5)
    assert (taken.frames, taken.doubt) == ((0, 1, 2, 3, 5), "")


def test_of_labels_nearest_to_one_frame_the_nearer_is_taken(fresh, tmp_path):
    for number, value in ((19, 1), (20, 2), (22, 0)):
        write_mask(tmp_path / "other" / f"{number}.png", np.full((SETTINGS.height, SETTINGS.width), value))
    taken = workflow.import_labels(fresh, tmp_path / "other", step=10)
    assert (taken.frames, taken.nearest, taken.farther) == ((2,), 0, ("19", "22"))
    assert (fresh.labels().read(2) == 2).all()


def test_labels_before_the_first_and_after_the_last_frame_are_outside(fresh, truth, tmp_path):
    # -1.3, -0.4, 23.4, 23.5 and 24.3 frames after the first of 24
    for number in (37, 46, 284, 285, 293):
        write_mask(tmp_path / "other" / f"{number:03d}.png", truth.mask(0))
    taken = workflow.import_labels(fresh, tmp_path / "other", first=50, step=10)
    assert (taken.frames, taken.nearest, taken.outside) == ((0, 23), 2, ("037", "285", "293"))
    assert taken.doubt == "labels numbered before the first frame: 2 of 5, between two frames: 5 of 5"


@pytest.mark.parametrize(("first", "step"), [(0, 0), (0, -1), (0, np.nan), (0, np.inf), (np.nan, 1)])
def test_label_numbers_that_tell_no_frame_are_refused(fresh, files, first, step):
    with pytest.raises(InputError, match="tell no frame; give a growth above 0"):
        workflow.import_labels(fresh, files / "masks", first=first, step=step)


def test_small_label_images_outside_the_frame_range_are_told_apart_from_those_kept(fresh, truth, tmp_path):
    fresh.save_settings("trim", TRIM.model_copy(update={"first": 4}))
    video = workflow.working_video(fresh)
    for number in (2, 5):
        mask = truth.mask(number)[: TRIM.height]
        write_mask(tmp_path / "small" / f"f{number}.png", mask)
    write_mask(tmp_path / "small" / "f3.png", truth.mask(3))  # of the whole frame
    taken = workflow.import_labels(fresh, tmp_path / "small")
    assert (taken.frames, taken.outside, taken.kept) == ((3, 5), ("f2",), 0)
    assert taken.left_out == 1
    assert annotations.labelled_indices(fresh.labels(), video) == (1,)
    again = workflow.import_labels(fresh, tmp_path / "small")
    assert (again.frames, again.outside, again.kept) == ((), ("f2",), 2)


def test_existing_labels_are_kept_on_import(fresh, files):
    workflow.import_labels(fresh, files / "masks")
    again = workflow.import_labels(fresh, files / "masks")
    assert again.frames == ()
    assert again.kept == len(LABELLED)


def counted(experiment: Experiment) -> Steps[None]:
    """Masks as a network would yield them, with 100 px of class 1 times the number of the frame."""
    video = workflow.working_video(experiment)
    for index, number in enumerate(video.frame_numbers):
        mask = np.zeros(video.shape[1:], np.uint8)
        mask.ravel()[: 100 * number] = 1
        yield Step(index + 1, len(video), "Segmenting", preview=mask, frame=index)


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segmentation, "_model_hash", lambda experiment: "abc")


def test_masks_of_a_trimmed_video_keep_the_numbers_and_times_of_the_recording(fresh, no_network, monkeypatch):
    drawn = []

    def overlay_frame(frame, mask, *arguments, **keywords):
        drawn.append((int(np.count_nonzero(mask)), keywords["caption"]))
        return np.zeros((16, 16, 3), np.uint8)

    monkeypatch.setattr("glissile.quantify.overlay.overlay_frame", overlay_frame)
    fresh.save_settings("trim", TRIM.model_copy(update={"first": 4, "last": 10}))
    assert finish(workflow.store(fresh, counted(fresh))) == 7
    numbers = np.arange(4, 11)
    assert fresh.segmentation_or_none().frames == tuple(numbers)
    finish(workflow.measure(fresh))
    table = read_table(fresh.measurements_path)
    np.testing.assert_array_equal(table["frame"], numbers)
    np.testing.assert_array_equal(table["dislocation_px"], 100 * numbers)
    np.testing.assert_allclose(table["time_s"], 0.05 * numbers)
    np.testing.assert_allclose(table["strain"], 0.0114 + 1e-4 * 0.05 * numbers)
    captions = [frame_caption(time_s=0.05 * n, strain=0.0114 + 1e-4 * 0.05 * n) for n in numbers]
    assert drawn == list(zip(100 * numbers, captions, strict=True))


def test_a_class_that_was_removed_is_measured_as_background_and_the_rest_as_before(fresh, no_network):
    fresh.save_settings("trim", TRIM.model_copy(update={"last": 3}))
    video = workflow.working_video(fresh)

    def masks():
        for step in counted(fresh):
            mask = step.preview.copy()
            mask[-7:, :10] = 2
            yield replace(step, preview=mask)

    finish(workflow.store(fresh, masks()))
    before = finish(workflow.measured(fresh, video))
    assert before["stacking_fault_px"].tolist() == [70] * 4
    workflow.remove_class(fresh, 2)
    assert workflow.is_segmented(fresh, video)
    finish(workflow.measure(fresh))
    after = read_table(fresh.measurements_path)
    pd.testing.assert_frame_equal(after, before[after.columns])
    assert not any("stacking" in column for column in after)
    crack = DefectClass(value=3, name="crack", color="#ff0000")
    fresh.update(classes=(*(c.model_copy(update={"name": "line"}) for c in fresh.document.classes), crack))
    assert workflow.is_segmented(fresh, video)
    table = finish(workflow.measured(fresh, video))
    assert table["line_px"].tolist() == before["dislocation_px"].tolist()
    assert table["crack_px"].tolist() == [0] * 4


def test_masks_of_another_place_of_the_same_size_are_not_taken(fresh, no_network):
    here = TRIM.model_copy(update={"height": 64, "top": 8})
    fresh.save_settings("trim", here)
    finish(workflow.store(fresh, counted(fresh)))
    assert len(workflow.segmented_frames(fresh, workflow.working_video(fresh))) == SETTINGS.frames
    fresh.save_settings("trim", here.model_copy(update={"top": 9}))
    assert workflow.segmented_frames(fresh, workflow.working_video(fresh)) == ()
    assert workflow.segmentation_of(fresh, workflow.working_video(fresh)) is None
    fresh.save_settings("trim", here.model_copy(update={"first": 3}))
    assert len(workflow.segmented_frames(fresh, workflow.working_video(fresh))) == SETTINGS.frames - 3


def test_a_strain_log_gives_strain_and_stress(fresh, truth, tmp_path):
    log = pd.DataFrame({"t": truth.times_s + 2, "eps": truth.strain, "sigma": truth.stress_mpa})
    log.to_csv(tmp_path / "rig.csv", index=False)
    strain_log = {
        "path": (tmp_path / "rig.csv").as_posix(), "time_column": "t", "strain_column": "eps",
        "stress_column": "sigma", "time_offset_s": 2.0,
    }  # fmt: skip
    fresh.update(calibration=Calibration(seconds_per_frame=0.05, strain_log=strain_log))
    along = workflow.strain_of(fresh, workflow.working_video(fresh))
    np.testing.assert_allclose(along.strain, truth.strain)
    np.testing.assert_allclose(along.stress_mpa, truth.stress_mpa)


# --- fields of view


@pytest.fixture
def far(fresh: Experiment) -> Experiment:
    """An experiment whose specimen stands still, moves 150 px in frames 8 to 16, and stands still again."""
    path = np.zeros((SETTINGS.frames, 2))
    path[:, 1] = np.clip(np.arange(SETTINGS.frames) - 8, 0, 8) * 150 / 8
    Motion(path, np.full(len(path), 0.1), ("",) * len(path), np.arange(len(path))).write(fresh.motion_path)
    return fresh


def choose(experiment: Experiment, kind: str) -> None:
    experiment.save_settings("field_of_view", FieldOfViewSettings(kind=kind))


def test_where_little_is_common_the_working_video_is_a_canvas(far):
    shown = workflow.field_of_view(far, workflow.trimmed_video(far))
    assert shown.kind == "union"
    video = workflow.working_video(far)
    assert video.shape == (SETTINGS.frames, TRIM.height, SETTINGS.width + 150)
    assert video.origins_px[[0, -1]].tolist() == [[0, -150], [0, 0]]
    choose(far, "common")
    assert workflow.working_video(far).shape[2] == SETTINGS.width - 150
    choose(far, "range")
    assert len(workflow.working_video(far)) < SETTINGS.frames
    looked_at = FieldOfViewSettings(kind="segments")
    assert len(workflow.field_of_view(far, workflow.trimmed_video(far), looked_at).segments) == 2
    assert far.settings("field_of_view", FieldOfViewSettings).kind == "range"


def test_there_is_no_field_of_view_without_motion(fresh):
    assert workflow.field_of_view(fresh, workflow.trimmed_video(fresh)) is None
    assert workflow.working_video(fresh).valid_px is None


@pytest.mark.parametrize("kind", ["union", "segments"])
def test_what_is_measured_refers_to_the_valid_part_of_each_frame(far, no_network, kind):
    choose(far, kind)
    video = workflow.working_video(far)

    def masks():
        for index in range(len(video)):
            mask = np.ones(video.shape[1:], np.uint8)
            rows, columns = video.valid_part(index)
            mask[rows, columns.start : columns.start + 10 + index] = 2
            yield Step(index + 1, len(video), "Segmenting", preview=mask, frame=index)

    finish(workflow.store(far, masks()))
    finish(workflow.measure(far))
    table = read_table(far.measurements_path)
    valid = np.array([video.valid_mask(k).sum() for k in range(len(video))])
    assert table["field_of_view_px"].tolist() == valid.tolist()
    assert table["stacking_fault_px"].tolist() == [TRIM.height * (10 + k) for k in range(len(video))]
    np.testing.assert_allclose(table["stacking_fault_area_fraction"], table["stacking_fault_px"] / valid)
    np.testing.assert_allclose(table["field_of_view_um2"], valid * 0.004**2)
    assert (far.folder / "overlay.mp4").stat().st_size > 0


def test_masks_of_another_valid_part_of_the_same_canvas_are_not_taken(far, no_network):
    choose(far, "segments")
    segments = workflow.working_video(far)
    finish(workflow.store(far, counted(far)))
    assert len(workflow.segmented_frames(far, segments)) == SETTINGS.frames
    larger = replace(segments, valid_px=segments.valid_px + np.array([0, -1, 0, 0]))
    assert workflow.segmented_frames(far, larger) == ()
    assert workflow.segmented_frames(far, replace(segments, valid_px=None)) == ()
    far.save_settings("trim", TRIM.model_copy(update={"last": 5}))
    assert workflow.segmented_frames(far, workflow.working_video(far)) == ()


def test_labels_outlive_another_field_of_view(far, files, truth):
    workflow.import_labels(far, files / "masks")
    for kind in ("union", "segments", "range", "common", "union"):
        choose(far, kind)
        video = workflow.working_video(far)
        for index in annotations.labelled_indices(far.labels(), video):
            label = annotations.read_label(far.labels(), video, index)
            y, x = np.nonzero(video.valid_mask(index))
            top, left = np.floor(video.origins_px[index] + 0.5).astype(int)
            expected = truth.mask(int(video.frame_numbers[index]))[y + top, x + left]
            np.testing.assert_array_equal(label[y, x], expected)
            annotations.write_label(far.labels(), video, index, label)  # as a stroke and its undoing do
    for number in LABELLED:
        np.testing.assert_array_equal(far.labels().read(number), truth.mask(number))


def test_learning_is_told_what_is_valid(far, files):
    workflow.import_labels(far, files / "masks")
    video = workflow.working_video(far)
    job = workflow.training_job(far, preview_index=3)
    assert job.valid == tuple(video.valid_part(k) for k in LABELLED)
    assert job.preview.valid == video.valid_part(3)
    assert all(not mask[~video.valid_mask(k)].any() for k, mask in zip(LABELLED, job.masks, strict=True))
    choose(far, "common")
    assert workflow.training_job(far).valid is None


def test_another_field_of_view_asks_for_all_but_the_motion_again(done):
    before = done.motion_path.read_bytes()
    choose(done, "union")
    assert not workflow.measurements_current(done)
    ran = []
    for title, start in workflow.pipeline(done):
        ran.append(title)
        finish(start())
    assert ran == ["Train", "Segment", "Measure"]
    assert done.motion_path.read_bytes() == before
    video = workflow.working_video(done)
    assert video.valid_px is not None
    table = read_table(done.measurements_path)
    assert table["field_of_view_px"].tolist() == [video.valid_mask(k).sum() for k in range(len(video))]
    assert table["field_of_view_px"].min() > 0.98 * TRIM.height * TRIM.width
    store = done.segmentation_or_none()
    for k in (0, 11, 23):
        assert not store.read(k)[~video.valid_mask(k)].any()


def test_stabilizing_says_what_the_field_of_view_became(fresh):
    steps = []
    finish(workflow.stabilize(fresh), steps.append)
    assert re.fullmatch(r"All frames show the same \d\d % of the frame, \d+ x \d+ px", steps[-1].message)
    assert steps[-1].index == steps[-1].total


LOG = "t,eps\n0,0.01\n60,0.02\n"
USELESS_LOGS = [
    (None, {}, "rig.csv: the strain log cannot be read"),
    (LOG, {"strain_column": "strain"}, 'rig.csv: has no column "strain"; its columns are "t", "eps"'),
    (LOG, {"time_offset_s": 60.5}, "runs from 0 s to 60 s, but the frames of video lie at 60.5 s to 61.65 s"),
]


def logged(path: Path, content: str | None, **changes: object) -> Calibration:
    """Calibration by a log at `path`, written there unless `content` is None."""
    if content is not None:
        path.write_text(content, encoding="utf-8")
    log = {"path": path.as_posix(), "time_column": "t", "strain_column": "eps", **changes}
    return Calibration(seconds_per_frame=0.05, strain_log=log)


@pytest.mark.parametrize(("content", "changes", "sentence"), USELESS_LOGS)
def test_a_useless_strain_log_is_refused_before_the_folder_is_made(
    files, tmp_path, content, changes, sentence
):
    useless = logged(tmp_path / "rig.csv", content, **changes)
    with pytest.raises(InputError, match=re.escape(sentence)):
        workflow.create(files / "video.mkv", tmp_path / "bad", calibration=useless)
    assert not (tmp_path / "bad.glissile").exists()


@pytest.mark.parametrize(("content", "changes", "sentence"), USELESS_LOGS)
def test_a_useless_strain_log_is_refused_before_anything_runs(done, tmp_path, content, changes, sentence):
    done.save_settings("train", QUICK.model_copy(update={"seed": 5}))
    useless = logged(tmp_path / "rig.csv", content, **changes)
    with pytest.raises(InputError, match=re.escape(sentence)):
        workflow.check_calibration(done, useless)
    workflow.check_calibration(done)
    done.update(calibration=useless)
    for refused in (
        lambda: workflow.check_calibration(done),
        lambda: next(workflow.pipeline(done)),
        lambda: finish(workflow.measure(done)),
    ):
        with pytest.raises(InputError, match=re.escape(sentence)):
            refused()


def test_a_log_that_covers_some_frames_of_the_trimmed_video_is_taken(done, tmp_path):
    late = logged(tmp_path / "rig.csv", LOG, time_offset_s=59.5)  # the log ends at frame 10
    workflow.check_calibration(done, late)
    done.save_settings("trim", TRIM.model_copy(update={"first": 11}))
    with pytest.raises(InputError, match=r"the frames of video lie at 60\.05 s"):
        workflow.check_calibration(done, late)


def test_the_log_of_an_experiment_may_be_named_relative_to_its_folder(files, tmp_path):
    logged(tmp_path / "rig.csv", LOG)
    beside = logged(Path("../rig.csv"), None)
    with workflow.create(files / "video.mkv", tmp_path / "new", calibration=beside) as experiment:
        workflow.check_calibration(experiment)


def test_frames_are_segmented_and_looked_at_without_the_log(done, tmp_path):
    done.update(calibration=logged(tmp_path / "rig.csv", LOG))
    video = workflow.working_video(done)
    assert np.isfinite(workflow.strain_of(done, video).strain).all()
    (tmp_path / "rig.csv").unlink()
    assert np.isnan(workflow.strain_of(done, video).strain).all()
    table = finish(workflow.measured(done, video))
    assert table["strain"].isna().all()
    assert table["dislocation_px"].tolist() == read_table(done.measurements_path)["dislocation_px"].tolist()


def test_frames_without_times_have_no_strain_until_a_time_per_frame_is_given(truth, tmp_path):
    for number in range(3):
        write_mask(tmp_path / "frames" / f"{number}.png", truth.frame(number))
    rate = {"initial_strain": 0.01, "strain_rate_per_s": 1e-3}
    with workflow.create(tmp_path / "frames", tmp_path / "s", calibration=Calibration(**rate)) as experiment:
        video = workflow.working_video(experiment)
        assert video.frames_per_second is None
        assert np.isnan(workflow.strain_of(experiment, video).strain).all()
        experiment.update(calibration=Calibration(seconds_per_frame=0.5, **rate))
        video = workflow.working_video(experiment)
        assert video.frames_per_second == 2
        np.testing.assert_allclose(workflow.strain_of(experiment, video).strain, [0.01, 0.0105, 0.011])


def segment_by_another_network(done: Experiment) -> None:
    old = done.segmentation_or_none()
    masks = {frame: old.read(frame) for frame in old.frames}
    new = done.new_segmentation(old.shape, {**old.attributes, "model": "another"})
    for frame, mask in masks.items():
        new.write(frame, mask)


@pytest.mark.parametrize(
    "change",
    [
        lambda done: done.update(calibration=CALIBRATION.model_copy(update={"initial_strain": 0.02})),
        lambda done: done.update(
            classes=[c.model_copy(update={"color": "#000000"}) for c in DEFAULT_CLASSES]
        ),
        lambda done: done.save_settings("trim", TRIM.model_copy(update={"first": 1})),
        lambda done: done.save_settings("measure", MeasureSettings(overlay_frames_per_second=5)),
        lambda done: done.segmentation_or_none().remove(7),
        lambda done: done.motion_path.write_text("", encoding="utf-8"),
        lambda done: done.measurements_path.unlink(),
        lambda done: (done.folder / "overlay.mp4").unlink(),
        lambda done: segment_by_another_network(done),
    ],
)
def test_results_are_stale_once_anything_they_come_from_is_another(done, change):
    assert workflow.measurements_current(done)
    change(done)
    assert not workflow.measurements_current(done)


def test_results_are_stale_once_the_strain_log_has_other_content(done, tmp_path):
    done.update(calibration=logged(tmp_path / "rig.csv", LOG))
    finish(workflow.measure(done))
    assert stages_left(done) == []
    (tmp_path / "rig.csv").write_text(LOG.replace("0.02", "0.03"), encoding="utf-8")
    assert stages_left(done) == ["Measure"]


def test_whether_results_are_current_is_asked_without_reading_frame_or_mask(done, monkeypatch):
    def never(*_: object, **__: object) -> None:
        raise AssertionError("was read")

    monkeypatch.setattr("glissile.workflow.videos.read_video", never)
    monkeypatch.setattr("glissile.experiment.MaskStore.read", never)
    assert workflow.measurements_current(done)


def stopped_at_the_overlay(experiment):
    """Begin to measure with another initial strain, and stop when the table is written."""
    experiment.update(calibration=CALIBRATION.model_copy(update={"initial_strain": 0.02}))
    steps = workflow.measure(experiment)
    next(step for step in steps if "overlay" in step.message)
    steps.close()


def test_a_measurement_that_was_stopped_is_made_again(done):
    stopped_at_the_overlay(done)
    assert read_table(done.measurements_path)["strain"].min() == 0.02
    assert stages_left(done) == ["Measure"]
    finish(workflow.measure(done))
    assert stages_left(done) == []


def test_results_of_a_calibration_that_was_tried_pass_for_no_other(done):
    stopped_at_the_overlay(done)
    done.update(calibration=CALIBRATION)
    assert not workflow.measurements_current(done)
    finish(workflow.measure(done))


def test_classes_that_are_renamed_meanwhile_split_no_column(done):
    steps = workflow.measure(done)
    next(steps)
    first, *others = done.document.classes
    done.update(classes=(first.model_copy(update={"name": "screw"}), *others))
    finish(steps)
    table = read_table(done.measurements_path)
    assert "screw_px" not in table
    assert table["dislocation_px"].notna().all()
    assert not workflow.measurements_current(done)


def test_no_overlay_video_is_missed_where_none_is_wanted(done):
    done.save_settings("measure", MeasureSettings(overlay_video=False))
    (done.folder / "overlay.mp4").unlink()
    finish(workflow.measure(done))
    assert workflow.measurements_current(done)
    assert not (done.folder / "overlay.mp4").exists()


def test_a_missing_mask_is_segmented_again(done):
    done.segmentation_or_none().remove(7)
    assert stages_left(done) == ["Segment", "Measure"]


def test_widening_the_frame_range_asks_for_stabilization_again(fresh):
    fresh.save_settings("trim", TRIM.model_copy(update={"first": 4, "last": 12}))
    finish(workflow.stabilize(fresh))
    assert workflow.motion(fresh, workflow.source_video(fresh)) is None
    fresh.save_settings("trim", TRIM.model_copy(update={"first": 5, "last": 10}))
    assert workflow.working_video(fresh).frame_numbers.tolist() == list(range(5, 11))


def stages_left(experiment: Experiment) -> list[str]:
    """Titles of the stages that are left as long as none of them runs."""
    return [title for title, _ in workflow.pipeline(experiment)]


def test_other_stabilization_settings_stabilize_again(done):
    settings = done.settings("stabilize", StabilizeSettings)
    done.save_settings("stabilize", settings.model_copy(update={"find_overlay": False}))
    assert stages_left(done)[0] == "Stabilize"
    stopped = workflow.stabilize(done)
    next(stopped)
    stopped.close()
    assert stages_left(done)[0] == "Stabilize"
    finish(workflow.stabilize(done))
    assert "Stabilize" not in stages_left(done)


def test_a_source_that_changed_is_stabilized_again(done, files, tmp_path):
    changed = tmp_path / "changed.mkv"
    changed.write_bytes((files / "video.mkv").read_bytes() + b"\0")
    path = {"path": changed.as_posix(), "relative_path": None}
    done.update(source=done.document.source.model_copy(update=path))
    assert stages_left(done)[0] == "Stabilize"


def test_method_none_takes_the_motion_of_another_method_away(done):
    done.save_settings("stabilize", StabilizeSettings(method="none"))
    video = workflow.working_video(done)
    assert workflow.motion(done, video) is None
    assert video.shape == (SETTINGS.frames, TRIM.height, TRIM.width)
    assert "Stabilize" not in stages_left(done)
    finish(workflow.stabilize(done))
    assert np.abs(workflow.motion(done, video).displacements_px).max() == 0
    done.save_settings("stabilize", StabilizeSettings())
    assert stages_left(done)[0] == "Stabilize"


def test_method_none_keeps_the_whole_frame(fresh):
    fresh.save_settings("stabilize", StabilizeSettings(method="none"))
    finish(workflow.stabilize(fresh))
    assert workflow.working_video(fresh).shape == (SETTINGS.frames, TRIM.height, TRIM.width)


def test_training_without_labels_says_what_to_do(fresh):
    with pytest.raises(InputError, match="no frame is labelled yet"):
        workflow.training_job(fresh)


def test_measuring_before_segmenting_says_what_to_do(fresh):
    with pytest.raises(InputError, match="segment the video first"):
        finish(workflow.measure(fresh))


def test_a_crop_outside_the_frame_makes_no_experiment(files, tmp_path):
    with pytest.raises(InputError, match="does not lie within"):
        workflow.create(files / "video.mkv", tmp_path / "bad", settings={"trim": Trim(height=1000)})
    assert not (tmp_path / "bad.glissile").exists()


def test_a_moved_source_is_said_so(fresh):
    fresh.update(source=fresh.document.source.model_copy(update={"path": "/gone.mkv", "relative_path": None}))
    with pytest.raises(InputError, match=r"no longer at /gone\.mkv"):
        workflow.working_video(fresh)


def test_a_training_killed_at_any_time_is_resumed_by_the_next_run(fresh, files):
    long = QUICK.model_copy(update={"epochs": 4000})
    fresh.save_settings("train", long)
    fresh.save_settings("stabilize", StabilizeSettings(method="none"))
    finish(workflow.stabilize(fresh))
    workflow.import_labels(fresh, files / "masks")
    folder = fresh.models_folder / "glissile"
    fresh.close()
    child = subprocess.Popen([sys.executable, "-m", "glissile", "run", str(fresh.folder)])
    try:
        deadline = time.monotonic() + 120
        while not (folder / "checkpoint.safetensors").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.5)
    finally:
        child.kill()
        child.wait()
    with Experiment.open(fresh.folder) as again:
        assert not again.read_only
        (_, start), *_ = [stage for stage in workflow.pipeline(again) if stage[0] == "Train"]
        steps = start()
        first = next(steps)
        assert first.index > 1  # goes on from the checkpoint, not from the first epoch
        steps.close()


def test_an_experiment_that_is_opened_again_has_its_bands(fresh, files):
    fresh.save_settings("train", QUICK.model_copy(update={"epochs": 2}))
    workflow.import_labels(fresh, files / "masks")
    finish(workflow.stabilize(fresh))
    finish(workflow.train(fresh))
    folder = workflow.model_folder(fresh)
    tensors, card = load_model(folder)
    sure = Certainty(temperature=2, area_factors=(0.5, None))
    save_model(folder, tensors, card.model_copy(update={"certainty": sure, "alone_certainty": sure}))
    video, rows = workflow.working_video(fresh), []
    finish(workflow.segment(fresh), lambda step: rows.append(step.metrics))
    assert len(rows) == len(video)
    fresh.close()
    with Experiment.open(fresh.folder, read_only=True) as again:
        table = finish(workflow.measured(again, video))
    uncertainty = table["dislocation_area_fraction_uncertainty"] * table["field_of_view_px"]
    np.testing.assert_allclose(uncertainty, [row["1"] for row in rows])
    assert (uncertainty >= 0.5).all()
    assert "stacking_fault_area_fraction_uncertainty" not in table


def test_masks_from_before_there_were_bands_are_measured_as_they_were(done):
    for file in done.segmentation_path.glob("area_uncertainty*"):
        file.unlink()
    table = finish(workflow.measured(done, workflow.working_video(done)))
    assert list(table.columns) == [c for c in read_table(done.measurements_path) if "uncertainty" not in c]
