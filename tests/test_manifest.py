"""What napari is told of the plugin, and what it gets when it opens a video."""

from pathlib import Path

import npe2
import numpy as np
import pytest
from npe2 import PluginManager, PluginManifest

import glissile
from glissile.io.video_files import CutShortWarning, read_video, write_video

MANIFEST = Path(glissile.__file__).with_name("napari.yaml")


@pytest.fixture(scope="module")
def manifest():
    return PluginManifest.from_file(MANIFEST)


@pytest.fixture
def read(manifest):
    """Open a path as napari does."""
    plugins = PluginManager()
    plugins.register(manifest)
    plugins.activate(manifest.name)

    def read_with_the_plugin(path):
        return npe2.io_utils._read([str(path)], stack=False, _pm=plugins)

    return read_with_the_plugin


@pytest.fixture
def shown_errors(monkeypatch):
    sentences = []
    monkeypatch.setattr("glissile.widgets.video_reader.show_error", sentences.append)
    return sentences


def test_everything_the_manifest_names_exists(manifest):
    manifest.validate_imports()


def test_titles_are_unique_and_say_what_they_do(manifest):
    titles = [command.title for command in manifest.contributions.commands]
    assert len(set(titles)) == len(titles)
    assert all(len(title.split()) >= 3 for title in titles)


def test_every_dock_has_a_name_of_its_own(manifest):
    names = {widget.command: widget.display_name for widget in manifest.contributions.widgets}
    assert names["napari-glissile.open_generator"] == "Microstructure generator"
    assert len(set(names.values())) == len(names) == 4


@pytest.mark.parametrize("name", ["8.4μm.MP4", "a.mkv", "b.AVI"])
def test_a_video_becomes_a_lazy_calibrated_layer(name, tmp_path, moving_frames, read):
    path = tmp_path / name
    write_video(path, moving_frames, frames_per_second=20)
    [(data, layer, kind)] = read(path)
    assert kind == "image"
    assert data.chunks[0] == (1,) * 40
    np.testing.assert_array_equal(data[7].compute(), read_video(path).frame(7))
    assert layer["axis_labels"] == ("t", "y", "x")
    assert layer["scale"] == (1, 1, 1)
    assert layer["units"] == ("pixel", "pixel", "pixel")
    assert layer["colormap"] == "gray"
    low, high = layer["contrast_limits"]
    assert 0 <= low < 60 < 130 < high <= 170
    assert layer["metadata"]["glissile"]["path"] == str(path)


def test_napari_takes_the_layer_as_it_is(tmp_path, moving_frames, read):
    from napari.components import ViewerModel

    path = tmp_path / "v.mp4"
    write_video(path, moving_frames, frames_per_second=20)
    viewer = ViewerModel()
    [layer] = viewer._add_layer_from_data(*read(path)[0])
    assert layer.axis_labels == ("t", "y", "x")
    viewer.dims.set_current_step(0, 9)
    np.testing.assert_array_equal(np.asarray(layer.data[9]), read_video(path).frame(9))


def test_a_folder_of_images_is_opened_and_other_folders_are_left_to_others(tmp_path, moving_frames, read):
    from glissile.widgets.video_reader import get_reader

    assert get_reader(tmp_path) is None
    assert get_reader([str(tmp_path / "a.mp4"), str(tmp_path / "b.mp4")]) is None
    import tifffile

    tifffile.imwrite(tmp_path / "1.tif", moving_frames[0])
    [(data, _, _)] = read(tmp_path)
    assert data.shape == (1, 48, 64)
    experiment = tmp_path / "study.glissile"
    experiment.mkdir()
    tifffile.imwrite(experiment / "1.tif", moving_frames[0])
    assert get_reader(experiment) is None


def test_bad_input_is_one_sentence_and_no_layer(tmp_path, read, shown_errors):
    path = tmp_path / "empty.mp4"
    path.touch()
    assert read(path) == [(None,)]
    assert shown_errors == ["empty.mp4: the file is empty; copy or record it again"]


def test_a_cut_video_is_opened_with_a_warning_every_time(tmp_path, moving_frames, read, shown_errors):
    path = tmp_path / "cut.mkv"
    write_video(path, moving_frames, frames_per_second=20)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    for _ in range(2):
        with pytest.warns(CutShortWarning, match=r"cut\.mkv: .* of about 40 frames"):
            assert read(path)[0][2] == "image"
    assert not shown_errors
