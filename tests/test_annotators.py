"""Labels of an experiment handed on, taken over, and compared with those of another annotator."""

import json
from dataclasses import replace
from math import inf, isnan, nan

import numpy as np
import pytest
import tifffile
from PIL import Image

from glissile import workflow
from glissile.defects import DEFAULT_CLASSES, DefectClass
from glissile.errors import InputError
from glissile.experiment import Experiment
from glissile.io.label_formats import FORMATS
from glissile.label.tracing import PenSettings
from glissile.learn.agreement import Tally
from glissile.progress import finish
from glissile.video import Trim
from glissile.workflow.annotators import (
    ONLY_FIRST,
    ONLY_SECOND,
    OTHER_CLASS,
    WITHIN_TOLERANCE,
    cohens_kappa,
    differences,
    disagreement_of,
)

SHAPE = (12, 40, 50)
TRIM = Trim(top=10, left=5, height=24, width=40, first=2)


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    path = tmp_path_factory.mktemp("video") / "twip.tif"
    tifffile.imwrite(
        path, np.random.default_rng(0).integers(0, 255, SHAPE, np.uint8), photometric="minisblack"
    )
    return path


@pytest.fixture
def new(video, tmp_path):
    """Make an experiment on the video."""
    made = []

    def create(name, **settings):
        made.append(workflow.create(video, tmp_path / name, **settings))
        return made[-1]

    yield create
    for experiment in made:
        experiment.close()


def random_mask(seed):
    return np.random.default_rng(seed).choice(3, SHAPE[1:], p=(0.7, 0.2, 0.1)).astype(np.uint8)


@pytest.fixture
def labelled(new):
    """Frames 0, 3, 5 and 11 of a trimmed video are labelled, 5 without a defect."""
    experiment = new("first", settings={"trim": TRIM})
    store = experiment.labels()
    for frame in (0, 3, 11):
        store.write(frame, random_mask(frame))
    store.write(5, np.zeros(SHAPE[1:], np.uint8))
    return experiment


def export(experiment, target, name=None):
    return finish(workflow.export_labels(experiment, target, name))


@pytest.mark.parametrize("kind", FORMATS, ids=lambda kind: kind.name)
def test_exported_labels_are_taken_over_by_another_trim_pixel_for_pixel(labelled, new, tmp_path, kind):
    written = export(labelled, tmp_path / f"out{kind.suffix}", kind.name)
    assert (written.frames, written.format) == ((0, 3, 5, 11), kind.title)
    other = new("second", settings={"trim": Trim(top=1, left=1, height=20, width=20, last=8)})
    taken = workflow.import_labels(other, written.target)
    assert (taken.frames, taken.kept, taken.outside, taken.left_out) == ((0, 3, 5, 11), 0, (), 1)
    for frame in (0, 3, 5, 11):
        np.testing.assert_array_equal(other.labels().read(frame), labelled.labels().read(frame))
    again = workflow.import_labels(other, written.target)
    assert (again.frames, again.kept) == ((), 4)


def test_files_are_named_after_the_experiment_and_the_frames_of_the_source(labelled, tmp_path):
    export(labelled, tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        f"first_{frame:04d}.png" for frame in (0, 3, 5, 11)
    ]


def test_labels_of_another_experiment_are_taken_over_by_the_names_of_their_classes(labelled, new):
    classes = [
        DefectClass(value=v, name=name, color="#000000") for v, name in ((2, "dislocations"), (1, "SF"))
    ]
    named = DEFAULT_CLASSES[1].model_copy(update={"name": "sf"})
    labelled.update(classes=(DEFAULT_CLASSES[0], named))
    other = new("second", classes=classes)
    assert workflow.import_labels(other, labelled.folder).frames == (0, 3, 5, 11)
    np.testing.assert_array_equal(other.labels().read(3), np.array([0, 2, 1])[random_mask(3)])


def test_an_export_takes_the_place_of_nothing_it_comes_from(labelled, new, video, tmp_path):
    with pytest.raises(InputError, match="is there already, and no export of labels"):
        export(labelled, video)
    with pytest.raises(InputError, match="is of the experiment first"):
        export(labelled, labelled.folder, "png")
    with pytest.raises(InputError, match="no frame is labelled yet"):
        export(new("second"), tmp_path / "a.json")
    assert not (tmp_path / "a.json").exists()


def test_lines_are_imported_with_the_pens_of_the_experiment(new, tmp_path):
    (tmp_path / "a_0001.json").write_text(
        '{"shapes": [{"label": "SF", "points": [[5, 20], [45, 20]], "shape_type": "linestrip"}],'
        ' "imageHeight": 40, "imageWidth": 50}'
    )
    experiment = new("first", settings={"label": PenSettings(widths_px={"2": 6})})
    assert workflow.import_labels(experiment, tmp_path / "a_0001.json").frames == (1,)
    assert np.count_nonzero(experiment.labels().read(1)[:, 25] == 2) == 6


def test_masks_of_a_strange_size_are_refused_and_nothing_is_written(labelled, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.ones((3, 9, 9), np.uint8), photometric="minisblack")
    said = r"a\.tif: has a mask of 9 x 9 px \(.*\), but those of this video have 40 x 50 or 24 x 40 px"
    with pytest.raises(InputError, match=said):
        workflow.import_labels(labelled, tmp_path / "a.tif")
    with pytest.raises(InputError, match=said):
        finish(workflow.compare_labels(labelled, tmp_path / "a.tif"))
    assert labelled.labels().frames == (0, 3, 5, 11)


@pytest.fixture
def elsewhere(tmp_path):
    """Make an experiment on a video of another content."""
    made = []

    def create(name, shape):
        frames = np.random.default_rng(1).integers(0, 255, shape, np.uint8)
        tifffile.imwrite(tmp_path / f"{name}.tif", frames, photometric="minisblack")
        made.append(workflow.create(tmp_path / f"{name}.tif", tmp_path / name))
        return made[-1]

    yield create
    for experiment in made:
        experiment.close()


def test_an_experiment_on_a_video_of_another_size_is_refused(labelled, elsewhere):
    other = elsewhere("other", (12, 9, 9))
    other.labels().write(3, np.ones((9, 9), np.uint8))
    with pytest.raises(InputError, match=r"the mask of frame 3 is 9 x 9 px, but the source is 40 x 50 px"):
        finish(workflow.compare_labels(labelled, other.folder))
    other.labels().write(2, np.ones((9, 9), np.uint8))
    with pytest.raises(InputError, match=r"mask of frame 2 is 9 x 9 px, but the video is 24 x 40 px"):
        workflow.import_labels(labelled, other.folder)
    assert labelled.labels().frames == (0, 3, 5, 11)


def test_labels_of_another_video_are_said_to_be_so(labelled, elsewhere, new):
    other = elsewhere("other", SHAPE)
    for frame in (2, 3):
        other.labels().write(frame, random_mask(frame))
    assert finish(workflow.compare_labels(labelled, other.folder)).other_video == (
        "other.glissile is an experiment on another video"
    )
    assert workflow.import_labels(labelled, other.folder).other_video
    same = new("same")
    same.labels().write(3, random_mask(3))
    assert finish(workflow.compare_labels(labelled, same.folder)).other_video == ""
    assert workflow.import_labels(labelled, same.folder).other_video == ""


def test_an_import_that_is_left_off_has_written_nothing(labelled, new, tmp_path):
    export(labelled, tmp_path / "a.json")
    other = new("second")
    steps = workflow.import_in_steps(other, tmp_path / "a.json")
    said = [next(steps) for _ in range(4)]
    assert [(step.index, step.total) for step in said] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    steps.close()
    assert other.labels().frames == ()
    assert finish(workflow.import_in_steps(other, tmp_path / "a.json")).frames == (0, 3, 5, 11)


def test_two_labels_of_one_frame_are_refused_by_name(new, tmp_path):
    experiment = new("first")
    (tmp_path / "masks").mkdir()
    for name in ("cam_0007", "left_0007"):
        Image.fromarray(random_mask(7)).save(tmp_path / "masks" / f"{name}.png")
    square = {"category_id": 1, "segmentation": [[1, 1, 9, 1, 9, 9, 1, 9]]}
    images = [
        {"id": n, "file_name": f"{name}_0007.png", "height": SHAPE[1], "width": SHAPE[2]}
        for n, name in enumerate(("cam", "left"))
    ]
    content = {
        "images": images,
        "annotations": [square | {"image_id": n} for n in (0, 1)],
        "categories": [{"id": 1, "name": "dislocation"}],
    }
    (tmp_path / "a.json").write_text(json.dumps(content))
    for path in (tmp_path / "masks", tmp_path / "a.json"):
        with pytest.raises(InputError, match="both cam_0007 and left_0007 have the number 7"):
            workflow.import_labels(experiment, path)
    assert experiment.labels().frames == ()


@pytest.mark.parametrize(
    ("first", "step"),
    [(0, 1e-320), (-1e308, 0.5), (0, 1e308), (0, -1), (0, 0), (nan, 1), (0, inf)],
)
def test_numbers_that_tell_no_frame_are_refused(labelled, tmp_path, first, step):
    export(labelled, tmp_path / "out")
    with pytest.raises(InputError, match="tell no frame"):
        workflow.import_labels(labelled, tmp_path / "out", first=first, step=step)


def test_images_of_a_folder_keep_their_names(tmp_path):
    (tmp_path / "frames").mkdir()
    for number in range(3):
        image = np.random.default_rng(number).integers(0, 255, (20, 30), np.uint8)
        Image.fromarray(image).save(tmp_path / "frames" / f"shot {number + 5}.png")
    with workflow.create(tmp_path / "frames", tmp_path / "first") as experiment:
        experiment.labels().write(1, np.eye(20, 30, dtype=np.uint8))
        export(experiment, tmp_path / "a.json")
        export(experiment, tmp_path / "a", "labelme")
    for target in ("a.json", "a"):
        with workflow.create(tmp_path / "frames", tmp_path / f"of {target}") as other:
            assert workflow.import_labels(other, tmp_path / target).frames == (1,)
    content = json.loads((tmp_path / "a.json").read_text())
    assert content["images"][0]["file_name"] == "shot 6.png"
    content = json.loads((tmp_path / "a" / "first_0001.json").read_text())
    assert content["imagePath"] == "shot 6.png"


# --- two annotators


def test_kappa_is_that_of_cohen():
    # 100 pixels of which 25 and 30 are of the class, 20 in common: p_o = 0.85, p_e = 0.6
    assert cohens_kappa(25, 30, 20, 100) == pytest.approx(0.25 / 0.4)
    assert cohens_kappa(25, 25, 25, 100) == 1
    assert cohens_kappa(50, 50, 25, 100) == 0
    assert cohens_kappa(50, 50, 0, 100) == -1
    assert cohens_kappa(0, 10, 0, 100) == 0
    for nothing in ((0, 0, 0, 100), (100, 100, 100, 100), (0, 0, 0, 0)):
        assert isnan(cohens_kappa(*nothing))


def lines(*rows, value=1):
    mask = np.zeros(SHAPE[1:], np.uint8)
    for row in rows:
        mask[row, 10:40] = value
    return mask


@pytest.fixture
def pair(new):
    """Lines of two annotators: alike in frame 4, a pixel apart in 6, one of two missing in 8."""
    first, second = (new(name, settings={"trim": TRIM}) for name in ("first", "second"))
    for experiment, drawn in (
        (first, {4: lines(20), 6: lines(20), 8: lines(15, 25), 2: lines(20)}),
        (second, {4: lines(20), 6: lines(21), 8: lines(15), 10: lines(20), 0: lines(20)}),
    ):
        for frame, mask in drawn.items():
            experiment.labels().write(frame, mask)
    return first, second


def test_two_annotators_are_compared_over_the_frames_of_both(pair):
    first, second = pair
    found = finish(workflow.compare_labels(first, second.folder))
    assert list(found.by_frame) == [4, 6, 8]
    assert (found.only_first, found.only_second) == ((2,), (10,))
    assert found.frames_by_disagreement == (8, 4, 6)
    alike, shifted, missing = (found.by_frame[n]["dislocation"] for n in (4, 6, 8))
    assert (alike.kappa, alike.score.f, alike.score.tolerant_f, alike.score.length_error) == (1, 1, 1, 0)
    assert (shifted.score.f, shifted.score.tolerant_f, shifted.score.length_error) == (0, 1, 0)
    assert shifted.kappa < 0
    assert missing.score.f == pytest.approx(2 / 3)
    assert missing.score.length_error == pytest.approx(-0.5)
    assert found.disagreement[8] == pytest.approx(30 / 90)
    # Of the 24 x 40 px that the working video shows: 120 px by one, 90 by the other, 60 by both.
    pooled = found.pooled["dislocation"]
    assert pooled.kappa == pytest.approx(cohens_kappa(120, 90, 60, 3 * 24 * 40))
    assert pooled.score.f == pytest.approx(120 / 210)
    assert isnan(found.pooled["stacking_fault"].kappa)
    assert found.titles() == ("kappa", "F", "F (2 px)", "length")
    assert found.cells("dislocation") == (f"{pooled.kappa:.3f}", "0.571", "0.857", "-25.0%")
    assert found.cells("stacking_fault") == ("-", "-", "-", "-")


def test_what_lies_outside_the_working_video_does_not_count(pair):
    first, second = pair
    changed = second.labels().read(4)
    changed[:9] = 2
    second.labels().write(4, changed)
    found = finish(workflow.compare_labels(first, second.folder))
    assert found.by_frame[4]["dislocation"].kappa == 1
    assert not found.difference(4).any()


def test_masks_of_the_size_of_the_working_video_are_compared_too(pair, tmp_path):
    first, second = pair
    pages = np.stack([second.labels().read(n)[10:34, 5:45] for n in range(SHAPE[0])])
    tifffile.imwrite(tmp_path / "a.tif", pages, photometric="minisblack")
    by_file = finish(workflow.compare_labels(first, tmp_path / "a.tif"))
    by_experiment = finish(workflow.compare_labels(first, second.folder))
    assert by_file.table().equals(by_experiment.table())


def test_what_was_not_recorded_does_not_count(pair, tmp_path, monkeypatch):
    first, second = pair
    video = workflow.working_video(first)
    cut_off = replace(video, valid_px=np.tile([0, 0, 12, 40], (len(video), 1)))
    monkeypatch.setattr("glissile.workflow.annotators.working_video", lambda experiment: cut_off)
    pages = np.stack([second.labels().read(n)[10:34, 5:45] for n in range(SHAPE[0])])
    pages[:, 20] = 2
    tifffile.imwrite(tmp_path / "a.tif", pages, photometric="minisblack")
    for other in (second.folder, tmp_path / "a.tif"):
        found = finish(workflow.compare_labels(first, other))
        assert [found.disagreement[number] for number in (4, 6, 8)] == [0, 0, 0]
        assert found.by_frame[8]["dislocation"].kappa == 1
        assert found.by_frame[6]["dislocation"].kappa == pytest.approx(cohens_kappa(30, 30, 0, 12 * 40))
        assert not found.difference(8).any()


def test_the_table_has_the_pooled_numbers_first_and_then_those_of_each_frame(pair):
    first, second = pair
    table = finish(workflow.compare_labels(first, second.folder)).table()
    assert table["frame"].tolist() == ["all", "all", 4, 4, 6, 6, 8, 8]
    assert table["class"].tolist()[:2] == ["dislocation", "stacking_fault"]
    row = table.iloc[6]
    assert (row["first_px"], row["second_px"], row["frame"]) == (60, 30, 8)
    assert (row["first_length_px"], row["second_length_px"]) == pytest.approx((58, 29))


def test_differences_lie_on_the_pixels_of_the_working_video(pair):
    first, second = pair
    found = finish(workflow.compare_labels(first, second.folder))
    expected = np.zeros((24, 40), np.uint8)
    expected[25 - 10, 5:35] = ONLY_FIRST
    np.testing.assert_array_equal(found.difference(8), expected)
    assert set(np.unique(found.difference(6))) == {0, WITHIN_TOLERANCE}


def test_each_kind_of_difference_has_a_value():
    first, second = np.zeros((2, 20, 30), np.uint8)
    first[2, :] = 1
    second[8, :] = 2
    first[14, :], second[14, :] = 1, 2
    first[18, :10], second[18, 1:11] = 2, 2
    found = differences(first, second, DEFAULT_CLASSES, 2)
    assert (found[2] == ONLY_FIRST).all()
    assert (found[8] == ONLY_SECOND).all()
    assert (found[14] == OTHER_CLASS).all()
    assert np.flatnonzero(found[18]).tolist() == [0, 10]
    assert found[18, 0] == found[18, 10] == WITHIN_TOLERANCE
    assert not differences(first, first, DEFAULT_CLASSES, 2).any()


@pytest.mark.parametrize("seed", range(5))
def test_agreement_is_the_same_from_either_side(seed):
    a, b = random_mask(seed), random_mask(seed + 100)
    there, back = Tally(DEFAULT_CLASSES, 1), Tally(DEFAULT_CLASSES, 1)
    there.add(a, b)
    back.add(b, a)
    assert disagreement_of(there) == pytest.approx(disagreement_of(back))
    for key, score in there.scores().items():
        assert score.f == pytest.approx(back.scores()[key].f)
        assert score.tolerant_f == pytest.approx(back.scores()[key].tolerant_f)


def test_nothing_in_common_is_told(pair, new, tmp_path):
    first, _ = pair
    third = new("third")
    with pytest.raises(InputError, match="no frame is labelled there; choose another experiment"):
        finish(workflow.compare_labels(first, third.folder))
    with pytest.raises(InputError, match=r"third\.glissile: no frame is labelled yet"):
        finish(workflow.compare_labels(third, first.folder))
    third.labels().write(7, lines(20))
    with pytest.raises(InputError, match="no frame of the working video is labelled in both"):
        finish(workflow.compare_labels(first, third.folder))


def test_an_experiment_that_is_open_elsewhere_can_be_compared_with(pair):
    first, second = pair
    assert not second.read_only
    with Experiment.open(first.folder, read_only=True) as opened:
        found = finish(workflow.compare_labels(opened, second.folder))
    assert found.disagreement[4] == 0
    assert 2 not in found.disagreement
