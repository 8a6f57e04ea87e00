"""From a network to files in the generator dock: samples, a walk, exports; in a real napari."""

import csv
import shutil
from pathlib import Path

import av
import numpy as np
import pytest
import tifffile
from generators import WaitingSampler, random_sampler
from PIL import Image
from qtpy.QtWidgets import QFileDialog, QMessageBox

from glissile.gan.maker import Maker, rebuilt
from glissile.gan.points import Point
from glissile.gan.provenance import of_walk
from glissile.gan.randomised import random_generator
from glissile.gan.records import read_provenance
from glissile.gan.sampler import Sampler
from glissile.gan.sliders import fit_sliders, save_sliders, sliders_path
from glissile.gan.walk import Walk, WalkSettings
from glissile.io.generator_card import SYNTHETIC_NOTICE, GeneratorShape, widths_of
from glissile.io.generator_file import write_generator
from glissile.progress import finish
from glissile.widgets._frame_axis import go_to_frame
from glissile.widgets.gan._export_folder import export_folder
from glissile.widgets.gan._resolve_export import (
    ExportFacts,
    Format,
    What,
    export_refused,
    format_refused,
    proposed_name,
    suffix_of,
    what_refused,
    with_suffix,
)
from glissile.widgets.gan.walk_layer import NAME
from glissile.widgets.generator import GeneratorDock
from glissile.workflow.measuring import measure_of

STEPS = 4


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A file of a generator with random weights, 32 px."""
    shape = GeneratorShape(
        resolution=32,
        channels=1,
        widths=widths_of(32, 256),
        z_dim=16,
        w_dim=16,
        mapping_layers=2,
        mapping_width=16,
    )
    generator, card = random_generator(shape, 1)
    path = tmp_path_factory.mktemp("network") / "steel.safetensors"
    write_generator(path, generator.state_dict(), card)
    return path


@pytest.fixture
def dock(viewer, qtbot):
    dock = GeneratorDock(viewer)
    viewer.window.add_dock_widget(dock, name="Microstructure generator", area="right")
    yield dock
    dock.walk.player.stop()
    dock.state.close(wait_s=20)


@pytest.fixture
def opened(dock, network, qtbot):
    dock.network.open_network(network)
    qtbot.waitUntil(lambda: dock.state.sampler is not None, timeout=20_000)
    return dock


@pytest.fixture
def walked(opened):
    """A walk of three key frames."""
    opened.walk.form.set_value(WalkSettings(steps_per_leg=STEPS))
    opened.state.set_keys(tuple(Point(seed=seed) for seed in (3, 1, 4)))
    return opened


def exported(dock, qtbot, what, kind, target):
    dock.export.choose(what, kind)
    assert dock.export.export.isEnabled()
    dock.export.export_to(target)
    qtbot.waitUntil(lambda: not dock.export.work.running, timeout=60_000)
    return target


def decoded(path):
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="gray") for frame in container.decode(video=0)])


def test_from_a_network_to_a_film_frame_by_frame(dock, viewer, network, qtbot, tmp_path, said):
    """Opens a network, samples, builds a walk of three key frames, scrubs, exports, checks every frame."""
    dock.network.open_network(network)
    qtbot.waitUntil(lambda: dock.state.sampler is not None, timeout=20_000)
    for seed in (3, 1, 4):
        dock.samples.grid.chosen.emit(seed)
        qtbot.waitUntil(lambda: dock.state.ws is not None, timeout=10_000)
        dock.walk.keys.add.click()
    dock.walk.form.set_value(WalkSettings(steps_per_leg=STEPS))
    dock.walk.show_walk.click()
    layer = next(layer for layer in viewer.layers if layer.name == NAME)
    sampler = Sampler.open(network, device="cpu")
    keys = tuple(Point(seed=seed) for seed in (3, 1, 4))
    walk = Walk(keys=keys, settings=WalkSettings(steps_per_leg=STEPS))
    maker = Maker(sampler)
    frames = np.stack([maker.pixels(told) for told in of_walk(sampler.card, walk)])
    for frame in (5, 0, 8, 3):
        go_to_frame(viewer.dims, frame)
        qtbot.waitUntil(
            lambda frame=frame: (
                [layer.get_value((frame, y, y)) for y in range(32)]
                == [frames[frame][y, y] for y in range(32)]
            ),
            timeout=10_000,
        )
    dock.export.rate.setValue(30)
    path = exported(dock, qtbot, What.walk, Format.mp4, tmp_path / "walk.mp4")
    assert any("9 synthetic images" in message for message in said)
    seen = decoded(path)
    assert seen.shape[0] == 9
    # H.264 loses a little: less than tells a frame from those beside it.
    off = np.abs(seen[:, None, :32, :32].astype(float) - frames).mean(axis=(2, 3))
    assert off.argmin(axis=1).tolist() == list(range(9))
    assert off.diagonal().max() < 8
    with av.open(str(path)) as container:
        (stream,) = container.streams.video
        assert stream.codec_context.name == "h264"
        assert stream.average_rate == 30
        assert SYNTHETIC_NOTICE in container.metadata.values()
    told = read_provenance(path)
    assert [one.frame for one in told] == list(range(9))
    for one, frame in zip(told, frames, strict=True):
        assert np.array_equal(rebuilt(sampler, one), frame)


def test_the_picture_is_exported_with_its_edits(opened, qtbot, tmp_path):
    state = opened.state
    state.show(Point(seed=7))
    qtbot.waitUntil(lambda: state.ws is not None, timeout=10_000)
    delta = np.full((state.sampler.shape.num_ws, 16), 0.25, np.float32)
    state.set_edit("mine", delta)
    wanted = state.picture_ws()(state.sampler)
    qtbot.waitUntil(lambda: np.array_equal(state.ws, wanted), timeout=10_000)
    path = exported(opened, qtbot, What.picture, Format.png, tmp_path / "picture.png")
    (told,) = read_provenance(path)
    assert told.point.w is not None
    pixels = np.asarray(Image.open(path))
    assert np.array_equal(pixels, rebuilt(state.sampler, told))
    assert np.array_equal(pixels, np.asarray(opened.picture.layer.data))
    assert told.generator.weights_sha256 == state.card.weights_sha256


@pytest.mark.parametrize("kind", [Format.png, Format.tiff, Format.sheet, Format.npz, Format.json])
def test_the_samples_of_the_grid_are_exported(opened, qtbot, tmp_path, kind):
    target = tmp_path / f"samples{suffix_of(What.grid, kind)}"
    exported(opened, qtbot, What.grid, kind, target)
    seeds = [point.seed for point in opened.samples.shown]
    assert len(seeds) > 1
    if kind is Format.png:
        told = [one for path in sorted(target.iterdir()) for one in read_provenance(path)]
    else:
        told = read_provenance(target)
    assert [one.point.seed for one in told] == seeds
    if kind is Format.tiff:
        pages = tifffile.imread(target)
        assert all(
            np.array_equal(page, rebuilt(opened.state.sampler, one))
            for page, one in zip(pages, told, strict=True)
        )


def test_a_walk_of_equal_speed_is_measured_while_it_is_exported(walked, qtbot, tmp_path):
    walked.walk.form.set_value(WalkSettings(steps_per_leg=STEPS, equal_speed=True))
    walked.walk.work.stop()
    qtbot.waitUntil(lambda: not walked.walk.work.running, timeout=10_000)
    path = exported(walked, qtbot, What.walk, Format.npz, tmp_path / "walk.npz")
    told = read_provenance(path)
    assert told[0].walk.positions is not None
    assert len(told) == 2 * STEPS + 1


@pytest.fixture
def measured(walked, network, qtbot, tmp_path):
    """A walk of a network whose microstructure sliders lie beside it."""
    copied = Path(shutil.copy(network, tmp_path / "measured.safetensors"))
    sampler = Sampler.open(copied, device="cpu")
    save_sliders(sliders_path(copied), finish(fit_sliders(sampler, samples=60)))
    keys = walked.state.keys
    walked.network.open_network(copied)
    qtbot.waitUntil(lambda: walked.sliders.microstructure.fitted is not None, timeout=20_000)
    walked.state.set_keys(keys)
    return walked


def test_what_is_measured_in_a_film_lies_beside_it(measured, qtbot, tmp_path, said):
    measured.export.set_open(True)
    measured.export.choose(What.walk, Format.mp4)
    assert not measured.export.measures.isHidden()
    measured.export.rate.setValue(25)
    path = exported(measured, qtbot, What.walk, Format.mp4, tmp_path / "walk.mp4")
    assert any("their measures in walk.mp4.csv" in message for message in said)
    with (tmp_path / "walk.mp4.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert header[:3] == ["frame", "time_s", "synthetic_image"]
    assert [row[0] for row in rows] == [str(frame) for frame in range(2 * STEPS + 1)]
    assert [float(row[1]) for row in rows] == pytest.approx([frame / 25 for frame in range(2 * STEPS + 1)])
    fitted = measured.sliders.microstructure.fitted
    sampler = measured.state.sampler
    for row, told in zip(rows, read_provenance(path), strict=True):
        wanted = measure_of(fitted)(rebuilt(sampler, told))
        found = {name: float(cell) for name, cell in zip(header[3:], row[3:], strict=True) if cell}
        assert found == pytest.approx(wanted, rel=1e-6)
    # Another export replaces both; a table of somebody else is left alone.
    exported(measured, qtbot, What.walk, Format.mp4, path)
    (tmp_path / "walk.mp4.csv").write_text("frame,mine\n", encoding="utf-8")
    before = path.read_bytes()
    measured.export.rate.setValue(30)
    exported(measured, qtbot, What.walk, Format.mp4, path)
    assert any("no table of such images" in message for message in said)
    assert path.read_bytes() == before
    measured.export.measures.setChecked(False)
    exported(measured, qtbot, What.walk, Format.mp4, path)
    assert path.read_bytes() != before
    assert (tmp_path / "walk.mp4.csv").read_text(encoding="utf-8") == "frame,mine\n"


def test_measures_are_offered_where_images_are_made_and_it_is_known_how(measured, qtbot, tmp_path):
    export = measured.export
    for kind in Format:
        export.choose(What.walk, kind)
        assert export.measures.isHidden() == (kind in (Format.npz, Format.json))
    export.measures.setChecked(False)
    path = exported(measured, qtbot, What.walk, Format.tiff, tmp_path / "a.tif")
    assert not any(told.measures for told in read_provenance(path))
    export.measures.setChecked(True)
    exported(measured, qtbot, What.walk, Format.tiff, path)
    assert all(told.measures for told in read_provenance(path))
    measured.state.use(random_sampler(32))
    export.choose(What.walk, Format.tiff)
    assert export.measures.isHidden()


def test_an_export_can_be_cancelled_and_leaves_nothing(walked, qtbot, tmp_path):
    waiting = WaitingSampler(walked.state.sampler)
    walked.state.replace_sampler(waiting)
    walked.export.choose(What.walk, Format.mp4)
    walked.export.export_to(tmp_path / "out" / "walk.mp4")
    assert not walked.export.export.isEnabled()
    walked.export.work.cancel.click()
    waiting.go_on()
    qtbot.waitUntil(lambda: not walked.export.work.running, timeout=20_000)
    assert not (tmp_path / "out").exists() or list((tmp_path / "out").iterdir()) == []
    assert walked.export.export.isEnabled()


def test_a_foreign_file_is_never_replaced(walked, qtbot, tmp_path, said):
    target = tmp_path / "walk.mp4"
    target.write_bytes(b"mine")
    exported(walked, qtbot, What.walk, Format.mp4, target)
    assert target.read_bytes() == b"mine"
    assert any("was not generated here" in message for message in said)
    exported(walked, qtbot, What.walk, Format.mp4, Path(walked.state.path))
    assert any("safetensors" in message for message in said[1:])


def test_what_was_generated_here_is_replaced(walked, qtbot, tmp_path):
    target = exported(walked, qtbot, What.walk, Format.npz, tmp_path / "walk.npz")
    walked.walk.form.set_value(WalkSettings(steps_per_leg=2))
    exported(walked, qtbot, What.walk, Format.npz, target)
    assert len(read_provenance(target)) == 5


def test_the_last_folder_is_proposed(walked, qtbot, tmp_path, monkeypatch):
    proposals = []

    def ask(parent, title, proposal, kinds):
        proposals.append(Path(proposal))
        return str(folder / "mine"), ""

    monkeypatch.setattr(QFileDialog, "getSaveFileName", ask)
    folder = tmp_path / "here"
    folder.mkdir()
    walked.export.choose(What.walk, Format.json)
    for _ in range(2):
        walked.export.export.click()
        qtbot.waitUntil(lambda: not walked.export.work.running, timeout=20_000)
        monkeypatch.setattr(
            QMessageBox, "question", lambda *asked: QMessageBox.StandardButton.No
        )  # the second time it is there
    assert (folder / "mine.json").exists()
    assert proposals[0].name == "Random weights, seed 1 walk.json"
    assert proposals[1].parent == folder == export_folder()


def test_a_name_that_becomes_that_of_a_file_is_asked_about(walked, qtbot, tmp_path, monkeypatch):
    target = exported(walked, qtbot, What.walk, Format.json, tmp_path / "walk.json")
    before = target.read_bytes()
    walked.walk.form.set_value(WalkSettings(steps_per_leg=2))
    asked = []
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a: (str(tmp_path / "walk"), ""))
    monkeypatch.setattr(QMessageBox, "question", lambda *a: asked.append(a) or QMessageBox.StandardButton.No)
    walked.export.export.click()
    assert len(asked) == 1
    assert not walked.export.work.running
    assert target.read_bytes() == before


def test_closing_the_viewer_while_it_exports(walked, viewer, qtbot, tmp_path):
    waiting = WaitingSampler(walked.state.sampler)
    walked.state.replace_sampler(waiting)
    walked.export.choose(What.walk, Format.mp4)
    walked.export.export_to(tmp_path / "walk.mp4")
    qtbot.waitUntil(lambda: len(waiting.calls) > 0)
    viewer.close()
    waiting.go_on()
    qtbot.wait(300)
    assert not (tmp_path / "walk.mp4").exists()


# what can be exported

THERE = ExportFacts(network=True, picture=True, grid=16, pins=2, frames=121)


@pytest.mark.parametrize(
    ("facts", "what", "reason"),
    [
        (ExportFacts(), What.picture, "Open a network"),
        (ExportFacts(network=True), What.picture, "Choose a sample"),
        (ExportFacts(network=True), What.grid, "no samples"),
        (ExportFacts(network=True), What.pins, "No sample is pinned"),
        (ExportFacts(network=True, no_walk="Add two key frames"), What.walk, "Add two key frames"),
        *((THERE, what, "") for what in What),
    ],
)
def test_what_is_there_to_export(facts, what, reason):
    found = what_refused(facts, what)
    assert reason in found
    assert bool(reason) == bool(found)


def test_formats_suit_what_is_exported():
    allowed = {what: {kind for kind in Format if not format_refused(what, 9, kind)} for what in What}
    latents = {Format.npz, Format.json}
    assert allowed[What.picture] == {Format.png, Format.tiff} | latents
    assert allowed[What.grid] == allowed[What.pins] == {Format.png, Format.tiff, Format.sheet} | latents
    assert allowed[What.walk] == set(Format)
    assert "1440 images are too many" in format_refused(What.walk, 1440, Format.sheet)


def test_one_export_at_a_time():
    running = ExportFacts(network=True, picture=True, running=True)
    assert "running" in export_refused(running, What.picture, Format.png)


def test_names():
    assert suffix_of(What.walk, Format.png) == ""
    assert suffix_of(What.picture, Format.png) == ".png"
    assert proposed_name("a/b: c", What.picture, "seed 7", ".png") == "a b c seed 7.png"
    assert proposed_name("", What.walk, "", ".mp4") == "generated walk.mp4"
    assert with_suffix("x/y", ".mp4") == Path("x/y.mp4")
    assert with_suffix("x/y.MP4", ".mp4") == Path("x/y.MP4")
    assert with_suffix("x/y.v2", ".mp4") == Path("x/y.v2.mp4")
    assert with_suffix("y.tiff", ".tif") == Path("y.tiff")
    assert with_suffix("x/y", "") == Path("x/y")
