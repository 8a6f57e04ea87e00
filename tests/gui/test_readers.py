"""Experiment folders and the sample, as napari opens them."""

import numpy as np
import pytest
import tifffile

from glissile import workflow
from glissile.errors import InputError
from glissile.synthetic.sample import sample_folder
from glissile.video import Trim
from glissile.widgets._experiment_folder import experiment_folder
from glissile.widgets.readers import experiment_reader, open_sample, read_experiment


@pytest.fixture
def folder(tmp_path):
    video = tmp_path / "v.tif"
    tifffile.imwrite(video, np.random.default_rng(0).integers(0, 255, (5, 30, 40), dtype=np.uint8))
    folder = tmp_path / "v.glissile"
    with workflow.create(video, folder) as experiment:
        experiment.labels().write(3, np.full((30, 40), 2, np.uint8))
    return folder


def test_an_experiment_becomes_three_layers(folder):
    layers = experiment_reader(str(folder))(str(folder))
    assert [layer.name for layer in layers] == ["v", "Segmentation", "Labels (read only)"]
    for layer in layers:
        assert layer.data.shape == (5, 30, 40)
        assert layer.axis_labels == ("t", "y", "x")
        assert layer.metadata["glissile"]["experiment"] == str(folder)
    assert (layers[2].data[3] == 2).all()
    assert not layers[2].data[2].any()


def test_predicted_masks_are_shown_where_they_belong_only(folder):
    origins = {str(number): [0.0, 0.0] for number in range(5)}
    with workflow.Experiment.open(folder) as experiment:
        experiment.new_segmentation((5, 30, 40), {"origins_px": origins}).write(
            3, np.ones((30, 40), np.uint8)
        )
    segmentation = read_experiment(folder)[1]
    assert (segmentation.data[3] == 1).all()
    with workflow.Experiment.open(folder) as experiment:
        experiment.save_settings("trim", Trim(top=10))
    segmentation = read_experiment(folder)[1]
    assert segmentation.data[3].shape == (20, 40)
    assert not segmentation.data[3].any()


def stroke(layer):
    layer.paint([3, 10, 10], 1)


def fill(layer):
    layer.fill([3, 10, 10], 1)


def polygon(layer):
    layer.paint_polygon([[3, 5, 5], [3, 5, 20], [3, 20, 20]], 1)


@pytest.mark.parametrize("edit", [stroke, fill, polygon])
@pytest.mark.parametrize("name", ["Segmentation", "Labels (read only)"])
def test_masks_that_nothing_would_save_take_no_stroke(folder, viewer, edit, name):
    viewer.open(folder, plugin="napari-glissile")
    viewer.dims.set_current_step(0, 3)
    layer = viewer.layers[name]
    before = np.array(layer.data[3])
    assert not layer.editable
    layer.mode = "paint"
    assert layer.mode == "pan_zoom"
    with pytest.raises(InputError, match="open in the Glissile dock"):
        edit(layer)
    np.testing.assert_array_equal(layer.data[3], before)
    assert layer.get_value([3, 10, 10], world=False) == before[10, 10]


def test_the_status_bar_says_where_to_paint(folder, viewer):
    viewer.open(folder, plugin="napari-glissile")
    viewer.layers.selection = {viewer.layers["Labels (read only)"]}
    assert "to paint, open the Glissile dock" in viewer.help


def test_reading_takes_no_lock(folder):
    read_experiment(folder)
    with workflow.Experiment.open(folder) as experiment:
        assert not experiment.read_only


def test_other_paths_are_left_to_others(tmp_path, folder):
    assert experiment_reader(tmp_path) is None
    assert experiment_reader([folder]) is None
    (tmp_path / "file.glissile").touch()
    assert experiment_reader(tmp_path / "file.glissile") is None


def test_a_moved_video_is_said_and_adds_no_layer(folder, qapp):
    (folder.parent / "v.tif").rename(folder.parent / "w.tif")
    assert read_experiment(folder) == [(None,)]


def test_experiment_lies_beside_its_video(tmp_path, folder):
    assert experiment_folder(tmp_path / "v.tif") == folder
    frames = tmp_path / "frames of 8.4μm"
    frames.mkdir()
    assert experiment_folder(frames) == tmp_path / "frames of 8.4μm.glissile"


def test_another_video_of_the_same_stem_gets_its_own_experiment(tmp_path, folder):
    assert experiment_folder(tmp_path / "v.mp4") == tmp_path / "v.mp4.glissile"


def another_video(path):
    tifffile.imwrite(path, np.random.default_rng(1).integers(0, 255, (5, 30, 40), dtype=np.uint8))
    return path


def test_another_video_of_the_same_name_gets_its_own_experiment(tmp_path, folder, monkeypatch):
    """Where videos cannot be written beside, those of one name meet in the documents."""
    monkeypatch.setattr("pathlib.Path.home", lambda: tmp_path)
    for number in (1, 2, 3):
        (tmp_path / f"{number}").mkdir()
    monkeypatch.setattr("glissile.widgets._experiment_folder._writable", lambda place: place == tmp_path)
    second = another_video(tmp_path / "2" / "v.tif")
    assert experiment_folder(second) == tmp_path / "v.tif.glissile"
    workflow.create(second, tmp_path / "v.tif.glissile").close()
    third = tmp_path / "3" / "v.tif"
    tifffile.imwrite(third, np.zeros((5, 30, 40), np.uint8))
    assert experiment_folder(third) == tmp_path / "v 2.glissile"
    workflow.create(third, tmp_path / "v 2.glissile").close()
    assert experiment_folder(third) == tmp_path / "v 2.glissile"
    assert experiment_folder(second) == tmp_path / "v.tif.glissile"
    assert experiment_folder(tmp_path / "v.tif") == folder


def test_a_video_that_moved_with_its_experiment_keeps_it(tmp_path, folder):
    (tmp_path / "moved").mkdir()
    for name in ("v.tif", "v.glissile"):
        (tmp_path / name).rename(tmp_path / "moved" / name)
    assert experiment_folder(tmp_path / "moved" / "v.tif") == tmp_path / "moved" / "v.glissile"


@pytest.mark.parametrize("document", [None, "damaged [", "schema_version = 99"])
def test_a_folder_that_is_no_experiment_is_left_alone(tmp_path, document):
    video = another_video(tmp_path / "w.tif")
    (tmp_path / "w.glissile").mkdir()
    if document is not None:
        (tmp_path / "w.glissile" / "experiment.toml").write_text(document, encoding="utf-8")
    assert experiment_folder(video) == tmp_path / "w.tif.glissile"


def test_the_sample_opens_and_is_studied_elsewhere(tmp_path, monkeypatch):
    try:
        video = sample_folder() / "video.mp4"
    except InputError:
        pytest.skip("the sample is not there; run `make sample`")
    ((data, keywords, kind),) = open_sample()
    assert kind == "image"
    assert len(data) > 100
    assert keywords["metadata"]["glissile"]["path"] == str(video)
    monkeypatch.setattr("pathlib.Path.home", lambda: tmp_path)
    assert experiment_folder(video) == tmp_path / "Glissile sample.glissile"
