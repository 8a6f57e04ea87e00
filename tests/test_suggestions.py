"""Suggested frames in an experiment: from its labels and uncertainties, kept, and printed."""

import re

import numpy as np
import pytest

from commands import glissile
from glissile import workflow
from glissile.errors import InputError
from glissile.experiment import Experiment
from glissile.io.video_files import write_video
from glissile.label.suggestion import Suggestion
from glissile.progress import Step, finish
from glissile.video import Trim

SIZE = 64
# The state of each frame: two that last, a short third one.
STATES = [1] * 10 + [3] * 3 + [2] * 10
TRIM = Trim(first=2, last=21)


def frame(state, noise):
    texture = np.random.default_rng(state).normal(0, 20, (SIZE // 4, SIZE // 4))
    fresh = np.random.default_rng(100 + noise).normal(0, 2, (SIZE, SIZE))
    return np.clip(120 + np.kron(texture, np.ones((4, 4))) + fresh, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "clip.mkv"
    write_video(path, (frame(s, n) for n, s in enumerate(STATES)), frames_per_second=20)
    return path


@pytest.fixture
def study(clip, tmp_path):
    with workflow.create(clip, tmp_path / "study", settings={"trim": TRIM}) as experiment:
        yield experiment


def label(study, *numbers):
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[5:9, 5:50] = 1
    store = study.labels()
    for number in numbers:
        store.write(number, mask)


def suggested(study):
    return workflow.suggested(study, workflow.working_video(study))


def left_out(study):
    return workflow.left_out_of_suggestions(study, workflow.working_video(study))


def states(found):
    return [STATES[s.frame_number] for s in found]


def test_without_labels_each_state_is_suggested(study):
    steps = []
    found = finish(workflow.suggest(study), steps.append)
    assert sorted(states(found)) == [1, 2, 3]
    assert all(s.frame_number == s.index + TRIM.first for s in found)
    assert [s.index for s in steps] == list(range(1, 21))
    assert len(finish(workflow.suggest(study, count=1))) == 1


def test_what_is_labelled_is_not_suggested(study):
    label(study, 4, 18)
    (only,) = finish(workflow.suggest(study))
    assert STATES[only.frame_number] == 3
    assert only.resembles in (4, 18)
    label(study, 11)
    assert finish(workflow.suggest(study)) == ()


def test_suggestions_are_kept_until_their_frames_are_labelled(study):
    assert suggested(study) == ()
    label(study, 4)
    found = finish(workflow.suggest(study))
    folder = study.folder
    assert len(found) == 2
    assert suggested(study) == found
    study.close()
    with Experiment.open(folder) as again:
        assert suggested(again) == found
        label(again, found[0].frame_number)
        assert suggested(again) == found[1:]
        again.save_settings("trim", Trim(last=found[1].frame_number - 1))
        assert suggested(again) == ()
        again.save_settings("trim", Trim())
        (moved,) = suggested(again)
        assert moved.index == moved.frame_number == found[1].frame_number


def test_suggestions_without_a_label_come_back_as_they_were(study):
    found = finish(workflow.suggest(study))
    assert suggested(study) == found
    assert {(s.resembles, s.likeness) for s in found} == {(None, None)}


def test_after_a_label_they_are_chosen_anew_at_once(study):
    looks = finish(workflow.frame_looks(study))
    before = workflow.suggest_from(study, looks)
    label(study, before[0].frame_number)
    after = workflow.suggest_from(study, looks)
    assert sorted(states(after)) == sorted(states(before[1:]))
    assert suggested(study) == after


def test_frames_left_out_are_never_suggested(study):
    looks = finish(workflow.frame_looks(study))
    before = workflow.suggest_from(study, looks)
    assert left_out(study) == ()
    third = next(s for s in before if STATES[s.frame_number] == 3)
    workflow.leave_out_of_suggestions(study, third.frame_number)
    assert left_out(study) == (third.index,)
    assert suggested(study) == tuple(s for s in before if s != third)
    after = workflow.suggest_from(study, looks)
    assert third.index not in [s.index for s in after]
    assert sorted(states(after)) == [1, 2, 3]  # another frame of the same state
    for number in (10, 11, 12):
        workflow.leave_out_of_suggestions(study, number)
    assert sorted(states(workflow.suggest_from(study, looks))) == [1, 2]
    assert sorted(states(suggested(study))) == [1, 2]
    study.save_settings("trim", Trim(first=11))
    assert left_out(study) == (0, 1)


def test_to_know_what_is_suggested_no_video_is_opened(study, monkeypatch):
    found = finish(workflow.suggest(study))
    workflow.leave_out_of_suggestions(study, found[0].frame_number)
    video = workflow.working_video(study)

    def opened(experiment):
        raise AssertionError("the video was opened")

    for module in (workflow.suggestions, workflow.stabilization):
        monkeypatch.setattr(module, "working_video", opened)
    assert workflow.suggested(study, video) == found[1:]
    assert workflow.left_out_of_suggestions(study, video) == (found[0].index,)


def test_suggestions_are_not_made_from_the_looks_of_other_frames(study):
    looks = finish(workflow.frame_looks(study))
    study.save_settings("trim", Trim())
    with pytest.raises(InputError, match="look at them again"):
        workflow.suggest_from(study, looks)


def test_an_experiment_that_is_only_read_keeps_none(study):
    label(study, 4)
    with Experiment.open(study.folder, read_only=True) as reading:
        assert len(finish(workflow.suggest(reading))) == 2
    with Experiment.open(study.folder, read_only=True) as reading:
        assert suggested(reading) == ()


def test_uncertainties_kept_with_the_masks_are_taken(study, monkeypatch):
    monkeypatch.setattr(workflow.segmentation, "_model_hash", lambda experiment: "a model")
    mask = np.zeros((SIZE, SIZE), np.uint8)

    def predicted():
        for index in range(20):
            if index == 3:
                continue
            uncertain = {"1": 30.0, "2": 40.0} if STATES[index + 2] == 3 else {"1": 5.0}
            yield Step(index + 1, 20, "", {} if index == 4 else uncertain, mask, index)

    looks = finish(workflow.frame_looks(study))
    assert np.isnan(looks.uncertainty).all()
    finish(workflow.store(study, predicted()))
    store = study.segmentation_or_none()
    store.write(7, mask + 1)  # corrected by hand: its uncertainty is of another mask
    uncertainty = finish(workflow.frame_looks(study)).uncertainty
    expected = [70 / SIZE**2 if s == 3 else 5 / SIZE**2 for s in STATES[2:22]]
    assert np.flatnonzero(np.isnan(uncertainty)).tolist() == [3, 4, 5]
    np.testing.assert_allclose(np.delete(uncertainty, [3, 4, 5]), np.delete(expected, [3, 4, 5]))
    again = finish(workflow.frame_looks(study, looks))
    assert again.appearance is looks.appearance
    np.testing.assert_array_equal(again.uncertainty, uncertainty)
    label(study, 4)
    reasons = {STATES[s.frame_number]: s.reason for s in finish(workflow.suggest(study))}
    assert "the network is unsure here" in reasons[3]
    assert "unsure" not in reasons[2]


def test_the_command_prints_a_frame_and_its_reason_a_line(study):
    label(study, 4)
    folder = study.folder
    study.close()
    result = glissile("labels", "suggest", folder)
    assert result.code == 0, result.err
    lines = result.out.splitlines()
    assert len(lines) == 2
    assert all(re.fullmatch(r" +\d+  \S.*", line) for line in lines)
    assert sorted(STATES[int(line.split()[0])] for line in lines) == [2, 3]
    assert len(glissile("labels", "suggest", folder, "--count", 1).out.splitlines()) == 1
    with Experiment.open(folder) as again:
        assert isinstance(suggested(again)[0], Suggestion)
        label(again, *range(len(STATES)))
    assert "no frame would add anything" in glissile("labels", "suggest", folder).out


def test_the_command_refuses_what_is_no_experiment_and_no_count(study, tmp_path):
    assert "no such experiment" in glissile("labels", "suggest", tmp_path / "absent").err
    assert glissile("labels", "suggest", study.folder, "--count", 0).code == 2
