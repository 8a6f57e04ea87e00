"""Networks that are scored on frames that they have not seen."""

from dataclasses import replace
from math import isnan
from pathlib import Path

import numpy as np
import pytest
from drawings import job_of

from glissile.errors import InputError
from glissile.learn.train import train
from glissile.progress import finish
from glissile.segment import cross_validation
from glissile.segment.cross_validation import copied, cross_validated, scored, without
from glissile.segment.predict import Predictor
from glissile.segment.settings import SegmentSettings

FOLDS = ((0, 3), (1, 4), (2, 5))
PARTS = ((slice(0, 64), slice(0, 60)), (slice(2, 64), slice(0, 64))) * 3


@pytest.fixture
def trained_on(monkeypatch):
    """Frame numbers of every training, which goes on as it would."""
    found = []

    def seen(job):
        found.append((job.frame_numbers, job.validation, Path(job.folder)))
        return (yield from train(job))

    monkeypatch.setattr(cross_validation, "train", seen)
    return found


def test_no_network_sees_the_frames_it_is_scored_on(tmp_path, trained_on):
    job = job_of(tmp_path, epochs=2)
    steps = []
    found = finish(cross_validated(job, FOLDS), steps.append)
    assert [numbers for numbers, _, _ in trained_on] == [
        (10, 20, 40, 50),
        (0, 20, 30, 50),
        (0, 10, 30, 40),
    ]
    assert all(validation == () for _, validation, _ in trained_on)  # nor is an epoch chosen on them
    assert not any(folder.exists() for _, _, folder in trained_on)
    assert list(tmp_path.iterdir()) == []
    assert [s.index for s in steps] == sorted(s.index for s in steps)
    assert {s.total for s in steps} == {steps[-1].index}
    for n in range(3):
        part = [s for s in steps if s.message.startswith(f"Fold {n + 1} of 3: Training on CPU")]
        assert n * steps[0].total <= 3 * part[0].index <= 3 * part[-1].index == (n + 1) * steps[0].total
    assert sorted(frame.frame for frame in found.network.frames) == [0, 10, 20, 30, 40, 50]
    for key, value in (("dislocation", 1), ("stacking_fault", 2)):
        assert found.network.pooled()[key].truth_px == np.count_nonzero(job.masks == value)
        assert found.copied.pooled()[key].truth_px == np.count_nonzero(job.masks == value)
    table = found.table
    assert list(table["fold"]) == [1] * 4 + [2] * 4 + [3] * 4
    assert list(table["frame"]) == [0, 0, 30, 30, 10, 10, 40, 40, 20, 20, 50, 50]
    by_fold = [scores.pooled()["dislocation"].f for scores in found.by_fold]
    assert found.spread()["dislocation"]["f"].mean == pytest.approx(np.mean(by_fold))
    assert found.spread()["dislocation"]["f"].deviation == pytest.approx(np.std(by_fold, ddof=1))
    assert 0 < found.mean_dice_spread().mean < 1


def test_it_can_be_cancelled_between_any_two_steps_and_leaves_nothing(tmp_path, trained_on):
    steps = cross_validated(job_of(tmp_path, epochs=2), FOLDS)
    while not next(steps).message.startswith("Fold 2"):
        pass
    steps.close()
    assert len(trained_on) == 2
    assert not any(folder.exists() for _, _, folder in trained_on)
    assert list(tmp_path.iterdir()) == []


def test_copying_takes_only_labels_outside_the_fold(tmp_path):
    job = job_of(tmp_path)
    masks = np.zeros((6, 64, 64), np.uint8)
    masks[:3, :, 5], masks[3:, :, 40] = 1, 1
    job = replace(job, masks=masks)
    assert copied(job, (1,)).pooled()["dislocation"].f == 1
    assert copied(job, (0, 1, 2)).pooled()["dislocation"].f == 0


def test_a_class_that_is_nowhere_has_no_score_and_no_spread(tmp_path):
    job = job_of(tmp_path, epochs=1)
    masks = np.where(job.masks == 1, 1, 0).astype(np.uint8)
    found = finish(cross_validated(replace(job, masks=masks), ((0, 1, 2), (3, 4, 5))))
    assert isnan(found.copied.pooled()["stacking_fault"].f)
    assert isnan(found.network.pooled()["stacking_fault"].length_error)


def test_what_was_not_recorded_is_not_scored(tmp_path):
    job = job_of(tmp_path, epochs=1, valid=PARTS)
    smaller = without(job, (1, 2), tmp_path)
    assert smaller.valid == (PARTS[0], PARTS[3], PARTS[4], PARTS[5])
    np.testing.assert_array_equal(smaller.masks, job.masks[[0, 3, 4, 5]])
    finish(train(smaller))
    predictor = Predictor(tmp_path, SegmentSettings(device="cpu"))
    found = scored(predictor, job, (1, 2))
    expected = sum(np.count_nonzero(job.masks[i][PARTS[i]] == 1) for i in (1, 2))
    assert found.pooled()["dislocation"].truth_px == expected


def test_the_calibration_of_areas_can_be_taken_back(tmp_path):
    job = job_of(tmp_path, epochs=3, least_epoch_steps=12, most_epoch_steps=12)
    card = finish(train(without(job, (2,), tmp_path / "calibrated")))
    assert any(card.calibration.offsets)
    changed = replace(job, recipe=job.recipe.model_copy(update={"calibrate_area": False}))
    finish(train(without(changed, (2,), tmp_path / "plain")))
    cpu = SegmentSettings(device="cpu")
    one, other = (Predictor(tmp_path / n, cpu) for n in ("calibrated", "plain"))
    taken_back = scored(Predictor(tmp_path / "calibrated", cpu, calibrated=False), job, (2,)).pooled()
    for key, score in scored(other, job, (2,)).pooled().items():
        assert taken_back[key].predicted_px == pytest.approx(score.predicted_px, abs=2)
    assert str(scored(one, job, (2,)).pooled()) != str(taken_back)


@pytest.mark.parametrize("folds", [((0, 1), (1, 2)), ((0, 1, 2),), ((0, 1), ())])
def test_folds_that_are_none(tmp_path, folds):
    with pytest.raises(InputError, match="correct the list of folds"):
        finish(cross_validated(job_of(tmp_path), folds))


def test_frames_recorded_in_part_are_scored_as_they_are_segmented(tmp_path):
    """Beside the labelled frames that the network looks at, of the same part."""
    parts = ((slice(0, 64), slice(0, 60)), (slice(2, 64), slice(0, 64))) * 5
    job = job_of(tmp_path, n=10, epochs=1, valid=parts)
    same = replace(
        job, frames=np.repeat(job.frames[:1], 10, axis=0) + np.arange(10, dtype=np.uint8)[:, None, None]
    )
    finish(train(without(same, (1,), tmp_path)))
    predictor = Predictor(tmp_path, SegmentSettings(device="cpu"))
    seen = []
    forward = predictor._forward
    predictor._forward = lambda layers: seen.append(layers.shape) or forward(layers)
    scored(predictor, same, (1,))
    assert seen == [(1, 1 + predictor.card.architecture.reference_channels, 62, 64)]


def test_nothing_is_begun_from_a_network_that_may_know_the_fold(tmp_path):
    assert without(job_of(tmp_path, start=tmp_path / "earlier"), (1,), tmp_path / "fold").start is None
