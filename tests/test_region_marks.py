"""Regions of an experiment: drawn by a person, kept on the source's pixels, used by the stabilization."""

import cv2
import numpy as np
import pytest

from glissile import workflow
from glissile.errors import InputError
from glissile.experiment import Experiment
from glissile.io.annotations import read_mask, write_mask
from glissile.io.video_files import write_video
from glissile.progress import finish
from glissile.stabilize.regions import ANCHOR, LEFT_OUT, SPECIMEN, Regions
from glissile.video import Trim
from glissile.workflow import regions as kept_regions
from glissile.workflow.regions import drawn_regions, regions_within

SHAPE = (96, 128)


def keep_shown(study, shown):
    workflow.keep_shown_regions(study, shown, drawn_regions(study))


def textured(path, noise=3.0):
    rng = np.random.default_rng(4)
    image = cv2.GaussianBlur(rng.normal(size=(160, 200)).astype(np.float32), (0, 0), 2.0)
    image = 120 + 30 * image / image.std()
    frames = []
    for dy, dx in path:
        matrix = np.array([[1, 0, dx - 32], [0, 1, dy - 32]], np.float64)
        frame = cv2.warpAffine(image, matrix, SHAPE[::-1], flags=cv2.INTER_CUBIC)
        frames.append((frame + rng.normal(0, noise, SHAPE)).clip(0, 255).round().astype(np.uint8))
    return np.stack(frames)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A lossless video of 24 frames that drifts, with a bar burnt in from row 80 on."""
    frames = textured(np.linspace((0, 0), (5, -7), 24))
    frames[:, 84:90, 20:70] = 255
    path = tmp_path_factory.mktemp("clip") / "clip.mkv"
    write_video(path, iter(frames), frames_per_second=20)
    return path


@pytest.fixture
def study(clip, tmp_path):
    with workflow.create(clip, tmp_path / "study") as experiment:
        yield experiment


def stages_left(experiment: Experiment) -> list[str]:
    return [title for title, _ in workflow.pipeline(experiment)]


def test_what_is_drawn_comes_back(study):
    values = np.zeros(SHAPE, np.uint8)
    values[3:9, 5:50], values[40:60, 40:90] = LEFT_OUT, ANCHOR
    keep_shown(study, Regions(values, 7))
    again = workflow.shown_regions(study)
    np.testing.assert_array_equal(again.values, values)
    assert again.anchor_index == 7


def test_nothing_drawn_leaves_no_file(study):
    values = np.zeros(SHAPE, np.uint8)
    assert not workflow.shown_regions(study).values.any()
    values[:9] = LEFT_OUT
    keep_shown(study, Regions(values))
    assert study.regions_path.exists()
    keep_shown(study, Regions(np.zeros(SHAPE, np.uint8)))
    assert not study.regions_path.exists()


def test_a_found_overlay_is_shown_as_left_out_and_what_is_erased_of_it_stays_erased(study):
    finish(workflow.stabilize(study))
    found = read_mask(study.found_overlay_path, 1) == 1
    assert found[84:90, 20:70].all()
    assert found.mean() < 0.1
    shown = workflow.shown_regions(study)
    np.testing.assert_array_equal(shown.values == LEFT_OUT, found)
    values = shown.values.copy()
    values[:, :40] = 0
    keep_shown(study, Regions(values))
    kept = drawn_regions(study).values
    np.testing.assert_array_equal(kept == SPECIMEN, found & (np.arange(SHAPE[1]) < 40))
    finish(workflow.stabilize(study))
    assert not (workflow.shown_regions(study).values[:, :40] == LEFT_OUT).any()
    assert (workflow.shown_regions(study).values[84:90, 45:70] == LEFT_OUT).all()


def test_regions_are_cut_to_the_trimmed_video(study):
    values = np.zeros(SHAPE, np.uint8)
    values[10:30, 20:60] = ANCHOR
    keep_shown(study, Regions(values, 9))
    study.save_settings("trim", Trim(top=8, left=16, height=60, width=80, first=4, last=20))
    video = workflow.trimmed_video(study)
    cut = regions_within(study, video)
    assert cut.anchor_index == 5
    np.testing.assert_array_equal(cut.values, values[8:68, 16:96])
    study.save_settings("trim", Trim(first=10))
    with pytest.raises(InputError, match="drawn on frame 9, which is trimmed away"):
        regions_within(study, workflow.trimmed_video(study))


def test_other_regions_ask_for_stabilization_again(study):
    finish(workflow.stabilize(study))
    assert workflow.is_stabilized(study, workflow.trimmed_video(study))
    values = np.zeros(SHAPE, np.uint8)
    values[20:60, 20:100] = ANCHOR
    keep_shown(study, Regions(values, 3))
    assert not workflow.is_stabilized(study, workflow.trimmed_video(study))
    finish(workflow.stabilize(study))
    assert workflow.is_stabilized(study, workflow.trimmed_video(study))
    keep_shown(study, Regions(values, 4))
    assert not workflow.is_stabilized(study, workflow.trimmed_video(study))


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (np.zeros((5, 6), np.uint8), "is 6 x 5 px, but the video is 128 x 96 px"),
        (np.full(SHAPE, 9, np.uint8), "no grey image of the values 0 to 3"),
    ],
)
def test_regions_of_another_kind_are_refused(study, image, said):
    write_mask(study.regions_path, image)
    with pytest.raises(InputError, match=said):
        finish(workflow.stabilize(study))


def test_what_was_drawn_is_kept_through_looking_at_it(study):
    values = np.zeros(SHAPE, np.uint8)
    values[80:94, 15:75] = LEFT_OUT
    keep_shown(study, Regions(values))
    finish(workflow.stabilize(study))
    shown = workflow.shown_regions(study)
    shown.values[5, 5] = LEFT_OUT
    keep_shown(study, shown)
    values[5, 5] = LEFT_OUT
    np.testing.assert_array_equal(drawn_regions(study).values, values)


def test_specimen_that_was_marked_stays_marked_where_nothing_is_found_any_more(study):
    values = np.zeros(SHAPE, np.uint8)
    values[40:50, 40:60] = SPECIMEN
    workflow.regions.keep_regions(study, Regions(values))
    shown = workflow.shown_regions(study)
    shown.values[5, 5] = LEFT_OUT
    keep_shown(study, shown)
    assert (drawn_regions(study).values[40:50, 40:60] == SPECIMEN).all()


def test_an_anchor_whose_frame_is_not_known_is_refused(study):
    values = np.zeros(SHAPE, np.uint8)
    values[20:60, 20:100] = ANCHOR
    keep_shown(study, Regions(values, 3))
    values[20:30] = 0
    write_mask(study.regions_path, values)
    with pytest.raises(InputError, match="not known on which frame its anchor was drawn"):
        drawn_regions(study)


@pytest.mark.parametrize("cut_short", [1, 2])
def test_writing_that_is_cut_short_leaves_what_was_drawn_before(study, monkeypatch, cut_short):
    values = np.zeros(SHAPE, np.uint8)
    values[20:60, 20:100] = ANCHOR
    workflow.keep_regions(study, Regions(values, 3))
    with monkeypatch.context() as broken:
        broken.setattr(kept_regions, "write_mask", _full)
        for k in range(cut_short):
            with pytest.raises(OSError, match="disk full"):
                workflow.keep_regions(study, Regions(np.roll(values, k + 1, axis=0), 5 + k))
    again = drawn_regions(study)
    np.testing.assert_array_equal(again.values, values)
    assert again.anchor_index == 3
    workflow.keep_regions(study, Regions(np.roll(values, 9, axis=0), 8))
    assert drawn_regions(study).anchor_index == 8


def _full(*arguments):
    raise OSError("disk full")


def test_what_was_changed_and_changed_back_is_as_it_was(study):
    values = np.zeros(SHAPE, np.uint8)
    values[20:30] = SPECIMEN
    workflow.keep_regions(study, Regions(values))
    beginning, shown = drawn_regions(study), workflow.shown_regions(study)
    edited = shown.values.copy()
    edited[25:40] = LEFT_OUT
    workflow.keep_shown_regions(study, Regions(edited), beginning)
    assert drawn_regions(study).left_out[25:40].all()
    workflow.keep_shown_regions(study, shown, beginning)
    np.testing.assert_array_equal(drawn_regions(study).values, values)


def test_the_frame_of_an_anchor_that_is_gone_is_of_no_matter(study):
    values = np.zeros(SHAPE, np.uint8)
    values[20:30] = LEFT_OUT
    workflow.keep_regions(study, Regions(values, 0))
    finish(workflow.stabilize(study))
    workflow.keep_regions(study, Regions(values, 7))
    assert workflow.is_stabilized(study, workflow.trimmed_video(study))


def test_an_anchor_outside_the_crop_is_refused(study):
    values = np.zeros(SHAPE, np.uint8)
    values[:20, :20] = ANCHOR
    keep_shown(study, Regions(values, 3))
    study.save_settings("trim", Trim(top=30))
    with pytest.raises(InputError, match="outside the crop"):
        regions_within(study, workflow.trimmed_video(study))
