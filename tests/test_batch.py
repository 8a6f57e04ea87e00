"""The stages on files and folders: how frames and masks find each other."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile

from glissile import batch
from glissile.atomic import write_text
from glissile.defects import DEFAULT_CLASSES
from glissile.errors import InputError
from glissile.experiment import Calibration, MaskStore, StrainLogSettings
from glissile.io.annotations import write_mask
from glissile.io.video_files import write_tiff
from glissile.learn.recipes import Recipe
from glissile.progress import Step, finish
from glissile.segment.settings import SegmentSettings
from glissile.video import Video


def drawn(number: int) -> np.ndarray:
    """A mask (y, x) of which `number` rows are class 1 and two columns of the rest class 2."""
    mask = np.zeros((12, 16), np.uint8)
    mask[number:, :2] = 2
    mask[:number] = 1
    return mask


@pytest.fixture
def jobs(monkeypatch):
    """Keep the jobs of trainings that are not done."""
    pytest.importorskip("torch")
    kept = []

    def train(job):
        kept.append(job)
        yield Step(1, 1, "Training")
        return "card"

    monkeypatch.setattr("glissile.learn.train.train", train)
    return kept


@pytest.fixture
def prediction(monkeypatch):
    """Predict `drawn` of the number that the frames are grey with."""
    pytest.importorskip("torch")

    def segment(folder, video, settings):
        for index in range(len(video)):
            mask = drawn(int(video.frame(index)[0, 0]))
            yield Step(index + 1, len(video), "Segmenting", preview=mask, frame=index)

    monkeypatch.setattr("glissile.segment.predict.segment", segment)
    card = SimpleNamespace(classes=DEFAULT_CLASSES[:1])
    monkeypatch.setattr("glissile.io.checkpoint.read_card", lambda folder: card)


def frames_folder(folder, numbers):
    """Write frames (y, x) that are grey with their number."""
    for number in numbers:
        write_mask(folder / f"f_{number}.png", np.full((12, 16), number, np.uint8))
    return folder


def masks_folder(folder, numbers):
    for number in numbers:
        write_mask(folder / f"f_{number}.png", drawn(number))
    return folder


def test_frames_and_masks_are_paired_by_stem_in_natural_order(jobs, tmp_path):
    images = frames_folder(tmp_path / "images", (0, 1, 5, 10, 11))
    masks = masks_folder(tmp_path / "masks", (10, 1, 5, 7))
    recipe = Recipe(holdout_every=3)
    assert finish(batch.train_on_folders(images, masks, tmp_path / "m", recipe, resume=True)) == "card"
    [job] = jobs
    assert job.frame_numbers == (1, 5, 10)
    for number, frame, mask in zip(job.frame_numbers, job.frames, job.masks, strict=True):
        assert (frame == number).all()
        np.testing.assert_array_equal(mask, drawn(number))
    assert len(job.validation) == 1
    assert job.resume
    assert job.classes == DEFAULT_CLASSES


def test_masks_of_another_size_than_their_image_are_named(jobs, tmp_path):
    images = frames_folder(tmp_path / "images", (1, 2))
    write_mask(tmp_path / "masks" / "f_2.png", np.zeros((5, 5), np.uint8))
    with pytest.raises(InputError, match=r"mask f_2 is \(5, 5\) px .* its image \(12, 16\)"):
        finish(batch.train_on_folders(images, tmp_path / "masks", tmp_path / "m", Recipe()))


@pytest.mark.parametrize("name", ["out", "out.tif", "OUT.TIFF", "out.zarr"])
def test_every_output_holds_the_mask_of_its_frame(name, prediction, tmp_path):
    images = frames_folder(tmp_path / "images", (2, 5, 10))
    output = tmp_path / name
    steps = batch.segment_to_files(tmp_path / "model", images, output, SegmentSettings())
    assert finish(steps) == 3
    found = batch.numbered_masks(output, DEFAULT_CLASSES)
    assert list(found) == ([2, 5, 10] if name == "out" else [0, 1, 2])
    for number, read in zip((2, 5, 10), found.values(), strict=True):
        np.testing.assert_array_equal(read(), drawn(number))


def test_masks_are_never_written_over_the_frames(prediction, tmp_path, monkeypatch):
    images = frames_folder(tmp_path / "images", (2, 5, 10))
    before = {path.name: path.read_bytes() for path in images.iterdir()}
    monkeypatch.chdir(tmp_path)
    for output in (images, Path("images"), Path("images/../images")):
        with pytest.raises(InputError, match="is the input itself"):
            finish(batch.segment_to_files(tmp_path / "model", images, output, SegmentSettings()))
    with pytest.raises(InputError, match="among the frames"):
        finish(batch.segment_to_files(tmp_path / "model", images, images / "f.tif", SegmentSettings()))
    assert {path.name: path.read_bytes() for path in images.iterdir()} == before
    inside = images / "masks"
    assert finish(batch.segment_to_files(tmp_path / "model", images, inside, SegmentSettings())) == 3


@pytest.mark.parametrize("name", ["out.tif", "out.zarr"])
def test_a_cancelled_segmentation_leaves_no_half_file(name, prediction, tmp_path):
    images = frames_folder(tmp_path / "images", (2, 5, 10))
    steps = batch.segment_to_files(tmp_path / "model", images, tmp_path / name, SegmentSettings())
    next(steps)
    steps.close()
    assert {path.name for path in tmp_path.iterdir()} == {"images"}


def test_a_cancelled_segmentation_into_a_folder_keeps_what_is_done(prediction, tmp_path):
    images = frames_folder(tmp_path / "images", (2, 5, 10))
    steps = batch.segment_to_files(tmp_path / "model", images, tmp_path / "out", SegmentSettings())
    next(steps)
    next(steps)
    steps.close()
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"f_2.png", "f_5.png"}


def test_frames_of_a_file_are_named_by_number_with_digits_enough():
    assert batch.frame_names(Path("video.mkv"), 3) == ["0000", "0001", "0002"]
    assert batch.frame_names(Path("video.mkv"), 12_000)[-1] == "11999"


def test_only_frames_that_a_zarr_holds_are_measured(tmp_path):
    store = MaskStore.create(tmp_path / "some.zarr", (9, 12, 16))
    for number in (7, 2):
        store.write(number, drawn(number))
    calibration = Calibration(seconds_per_frame=0.5, initial_strain=0.1, strain_rate_per_s=0.2)
    table = finish(batch.measure_masks(tmp_path / "some.zarr", tmp_path / "t.csv", calibration))
    assert table["frame"].tolist() == [2, 7]
    np.testing.assert_allclose(table["time_s"], [1, 3.5])
    np.testing.assert_allclose(table["strain"], [0.3, 0.8])
    np.testing.assert_allclose(table["dislocation_area_fraction"], np.array([2, 7]) / 12)
    np.testing.assert_array_equal(table["stacking_fault_px"], [20, 10])


def swapped():
    return [c.model_copy(update={"value": 3 - c.value}) for c in reversed(DEFAULT_CLASSES)]


def kept_masks(path, classes):
    """Masks of which two rows are of value 1 and the classes are kept."""
    MaskStore.create(path, (1, 12, 16), {"classes": classes}).write(0, drawn(2))
    return path


def test_a_zarr_tells_what_its_values_mean(tmp_path):
    masks = kept_masks(tmp_path / "F.zarr", [c.model_dump() for c in swapped()])
    for given in (None, swapped()):
        table = finish(batch.measure_masks(masks, tmp_path / "t.csv", Calibration(), classes=given))
        assert (table["stacking_fault_px"][0], table["dislocation_px"][0]) == (32, 20)


@pytest.mark.parametrize("given", [DEFAULT_CLASSES, swapped()[:1]])
def test_other_names_than_a_zarr_keeps_are_refused(tmp_path, given):
    masks = kept_masks(tmp_path / "F.zarr", [c.model_dump() for c in swapped()])
    with pytest.raises(InputError, match="its values are 1 stacking fault, 2 dislocation; leave out"):
        finish(batch.measure_masks(masks, tmp_path / "t.csv", Calibration(), classes=given))
    assert not (tmp_path / "t.csv").exists()


def test_classes_that_cannot_be_read_are_one_sentence(tmp_path):
    masks = kept_masks(tmp_path / "F.zarr", [{"value": 0}])
    with pytest.raises(InputError, match="its classes are damaged"):
        finish(batch.measure_masks(masks, tmp_path / "t.csv", Calibration()))


def test_the_field_of_view_has_an_area_where_the_scale_is_given(tmp_path):
    masks = masks_folder(tmp_path / "masks", (1, 2))
    table = finish(batch.measure_masks(masks, tmp_path / "t.csv", Calibration(nm_per_pixel=500)))
    np.testing.assert_allclose(table["field_of_view_um2"], 12 * 16 * 0.25)


def test_a_relative_strain_log_is_found_from_here(tmp_path, monkeypatch):
    masks_folder(tmp_path / "masks", (0, 1))
    write_text(tmp_path / "rig.csv", "t,e\n0,0.5\n10,1.5\n")
    monkeypatch.chdir(tmp_path)
    log = StrainLogSettings(path="rig.csv", time_column="t", strain_column="e")
    calibration = Calibration(seconds_per_frame=1, strain_log=log)
    table = finish(batch.measure_masks(tmp_path / "masks", tmp_path / "t.csv", calibration))
    np.testing.assert_allclose(table["strain"], [0.5, 0.6])
    assert "stress_MPa" not in table


def test_a_strain_log_that_misses_all_masks_is_refused(tmp_path):
    masks = masks_folder(tmp_path / "masks", (3, 5))
    write_text(tmp_path / "rig.csv", "t,e\n100,0.5\n110,1.5\n")
    log = StrainLogSettings(path=str(tmp_path / "rig.csv"), time_column="t", strain_column="e")
    calibration = Calibration(seconds_per_frame=2, strain_log=log)
    with pytest.raises(InputError, match="from 100 s to 110 s, but the frames of masks lie at 6 s to 10 s"):
        finish(batch.measure_masks(masks, tmp_path / "t.csv", calibration))
    assert not (tmp_path / "t.csv").exists()


def test_the_table_never_takes_the_place_of_the_masks(tmp_path):
    path = tmp_path / "masks.tif"
    tifffile.imwrite(path, np.stack([drawn(1), drawn(2)]))
    before = path.read_bytes()
    with pytest.raises(InputError, match="is the input itself"):
        finish(batch.measure_masks(path, path, Calibration()))
    assert path.read_bytes() == before


def test_a_table_is_no_picture_and_takes_the_place_of_no_log(tmp_path):
    masks = masks_folder(tmp_path / "masks", (0, 1))
    log = tmp_path / "rig.csv"
    write_text(log, "t,e\n0,0.5\n10,1.5\n")
    settings = StrainLogSettings(path=str(log), time_column="t", strain_column="e")
    calibration = Calibration(seconds_per_frame=1, strain_log=settings)
    (tmp_path / "folder.csv").mkdir()
    for output, said in (
        (log, "is the input itself"),
        (tmp_path / "1.png", "ends in .csv"),
        (tmp_path / "folder.csv", "folder"),
    ):
        with pytest.raises(InputError, match=said):
            finish(batch.measure_masks(masks, output, calibration))
    assert log.read_text(encoding="utf-8").startswith("t,e")


def test_neither_model_nor_masks_are_written_into_the_input(tmp_path):
    masks = masks_folder(tmp_path / "masks", (0, 1))
    with pytest.raises(InputError, match="is the input itself"):
        finish(batch.train_on_folders(masks, masks, masks, Recipe()))
    model = tmp_path / "model"
    model.mkdir()
    with pytest.raises(InputError, match="is the input itself"):
        finish(batch.segment_to_files(model, masks, model, SegmentSettings()))
    with pytest.raises(InputError, match="masks go into a folder"):
        finish(batch.segment_to_files(model, masks, tmp_path / "out.png", SegmentSettings()))


def test_no_strain_is_made_up_where_the_time_between_frames_is_not_known(tmp_path):
    masks = masks_folder(tmp_path / "masks", (1, 2))
    calibration = Calibration(initial_strain=0.1, strain_rate_per_s=0.2)
    with pytest.raises(InputError, match="give the frames per second, --fps"):
        finish(batch.measure_masks(masks, tmp_path / "t.csv", calibration))
    assert not (tmp_path / "t.csv").exists()


def test_masks_without_a_number_in_their_name_cannot_be_measured(tmp_path):
    write_mask(tmp_path / "masks" / "last.png", drawn(3))
    with pytest.raises(InputError, match="does not end in a frame number"):
        finish(batch.measure_masks(tmp_path / "masks", tmp_path / "t.csv", Calibration()))
    assert not (tmp_path / "t.csv").exists()


def test_two_masks_of_one_frame_number_are_refused(tmp_path):
    for stem in ("a_1", "b_1"):
        write_mask(tmp_path / "masks" / f"{stem}.png", drawn(3))
    with pytest.raises(InputError, match="both a_1 and b_1 are of frame 1"):
        batch.numbered_masks(tmp_path / "masks", DEFAULT_CLASSES)


def test_a_tiff_of_something_else_is_no_mask(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (3, 12, 16), dtype=np.uint8)
    finish(write_tiff(tmp_path / "video.tif", Video.from_frames(noise, name="noise")))
    with pytest.raises(InputError, match="no class"):
        finish(batch.measure_masks(tmp_path / "video.tif", tmp_path / "t.csv", Calibration()))


def test_scores_leave_out_predictions_without_truth(tmp_path):
    predicted = masks_folder(tmp_path / "predicted", (1, 2, 3))
    truth = masks_folder(tmp_path / "truth", (2, 3))
    found = batch.score_folders(predicted, truth)
    scores = found.pooled()
    assert scores["dislocation"].f == scores["stacking_fault"].tolerant_f == 1
    assert scores["dislocation"].truth_px == (2 + 3) * 16
