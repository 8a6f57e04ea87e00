"""Fields of view chosen and regions drawn in a real napari; one way of looking at the video at a time."""

import numpy as np
import pytest
import tifffile
from drifting_textures import moved, texture
from idling import idle
from qtpy.QtCore import QEvent

from glissile import workflow
from glissile.experiment import Calibration, Experiment
from glissile.io.annotations import write_mask
from glissile.stabilize.camera_motion import StabilizeSettings
from glissile.stabilize.field_of_view import FieldOfViewSettings
from glissile.stabilize.motion import Motion
from glissile.stabilize.regions import ANCHOR, LEFT_OUT, SPECIMEN, Regions
from glissile.video import Trim
from glissile.widgets.glissile_dock import MOTION_NAME

T, Y, X = 12, 80, 100
# So far that of 76 x 100 px no more than 43 x 56 px are common.
PATH = np.stack([3.0 * np.arange(T), -4.0 * np.arange(T)], axis=1)
PREVIEW = "Field of view (not applied)"
LAYERS = ["video", "Segmentation", "Labels"]


@pytest.fixture
def folder(tmp_path):
    """An experiment whose specimen moves by `PATH`, as is known; a clock was found in a corner."""
    image = texture((Y + 120, X + 120))
    frames = [moved(image, tuple(step))[60:-60, 60:-60].round().astype(np.uint8) for step in PATH]
    tifffile.imwrite(tmp_path / "video.tif", np.stack(frames))
    calibration = Calibration(nm_per_pixel=2.0, seconds_per_frame=0.5)
    still = StabilizeSettings(method="none")
    settings = {"trim": Trim(top=4, height=Y - 4), "stabilize": still}
    with workflow.create(
        tmp_path / "video.tif", tmp_path / "video", calibration=calibration, settings=settings
    ) as experiment:
        for _ in workflow.stabilize(experiment):
            pass
        experiment.save_settings("stabilize", StabilizeSettings())
        origin = experiment.settings("stabilized", workflow.stabilization.MotionOrigin)
        known = origin.model_copy(update={"settings": StabilizeSettings()})
        experiment.save_settings("stabilized", known)
        Motion(PATH, np.full(T, 0.2), ("",) * T, np.arange(T)).write(experiment.motion_path)
        clock = np.zeros((Y, X), np.uint8)
        clock[6:12, 2:20] = 1
        write_mask(experiment.found_overlay_path, clock)
        return experiment.folder


def names(viewer):
    return [layer.name for layer in viewer.layers]


# ---------------------------------------------------------------------------------------------------------
# fields of view


@pytest.fixture
def field(opened):
    return opened.sections["stabilize"].field


def choose(field, kind):
    row = field.combo.findData(kind)
    field.combo.setCurrentIndex(row)
    field.combo.activated.emit(row)


def test_what_was_chosen_automatically_is_said_at_once(opened, field):
    section = opened.sections["stabilize"]
    assert opened.bench.study.field_of_view.kind == "union"
    assert "A canvas of 144 x 109 px holds all frames" in section.kept.text()
    assert "Only 32 % of the frame is common" in field.notice.text()
    assert field.notice.isVisibleTo(field)
    assert field.combo.currentText() == "Automatic: canvas"
    texts = [field.combo.itemText(row) for row in range(field.combo.count())]
    assert texts[1] == "Common area: 32 % of the frame, all frames"
    assert texts[2] == "Canvas: 144 x 109 px, all frames"
    assert not field.preview.isVisibleTo(field)


def test_another_field_of_view_is_only_drawn_until_it_is_applied(opened, field, viewer, folder, qtbot):
    section, display = opened.sections["stabilize"], opened.bench.display
    display.go_to(5)
    before = opened.bench.study.video.shape
    choose(field, "common")
    assert PREVIEW in names(viewer)
    assert "video (as recorded)" in names(viewer)
    assert field.text.text().startswith("Not applied yet. All frames show the same 32 % of the frame")
    assert "canvas of 144" in section.kept.text()
    assert opened.bench.study.video.shape == before
    (corners,) = viewer.layers[PREVIEW].data
    # Where the common area lies in frame 5: it goes with the specimen; the crop begins at row 4.
    np.testing.assert_allclose(corners[0], [4 + 15 - 0.5, 44 - 20 - 0.5])
    display.go_to(6)
    np.testing.assert_allclose(viewer.layers[PREVIEW].data[0][0], [4 + 18 - 0.5, 44 - 24 - 0.5])
    choose(field, "union")
    canvas, valid = viewer.layers[PREVIEW].data
    np.testing.assert_allclose(np.ptp(canvas, axis=0), [109, 144])
    np.testing.assert_allclose(valid[0], [3.5, -0.5])
    field.cancel.click()
    assert names(viewer) == LAYERS
    assert field.combo.currentData() == "automatic"
    choose(field, "common")
    field.apply.click()
    idle(opened, qtbot)
    assert names(viewer) == LAYERS
    assert opened.bench.study.field_of_view.kind == "common"
    assert field.combo.currentData() == "common"
    assert not field.notice.isVisibleTo(field)
    assert "All frames show the same 32 %" in section.kept.text()
    with Experiment.open(folder, read_only=True) as again:
        assert again.settings("field_of_view", FieldOfViewSettings).kind == "common"


def test_labels_outlive_another_field_of_view(opened, field, viewer, qtbot):
    display, keeper = opened.bench.display, opened.bench.keeper
    display.go_to(0)
    keeper.layer.paint([0, 40, 40], 1)
    display.go_to(11)
    keeper.layer.paint([11, 5, 125], 2)  # on the canvas; outside of the common area
    keeper.flush()
    store = opened.bench.study.store
    before = {number: store.read(number) for number in store.frames}
    for kind in ("range", "common", "automatic"):
        choose(field, kind)
        field.apply.click()
        idle(opened, qtbot)
    store = opened.bench.study.store
    assert store.frames == tuple(before)
    for number, mask in before.items():
        np.testing.assert_array_equal(store.read(number), mask)
    assert opened.bench.keeper.labelled == (0, 11)


def test_a_kind_that_is_not_possible_says_why(opened, field, folder, qtbot):
    experiment = opened.bench.study.experiment
    Motion(8 * PATH, np.full(T, 0.2), ("",) * T, np.arange(T)).write(experiment.motion_path)
    opened.sections["trim"].primary.click()  # reads the motion again
    idle(opened, qtbot)
    row = field.combo.findData("common")
    assert field.combo.itemText(row) == "Common area: not possible"
    assert not field.combo.model().item(row).isEnabled()
    assert "px apart" in field.combo.itemData(row, 3)


def test_a_frame_that_would_be_left_out_is_said(opened, field, viewer, qtbot):
    choose(field, "range")
    first, last = opened.bench.study.choices["range"].frame_numbers[[0, -1]].tolist()
    out = 0 if first else last + 1
    opened.bench.display.go_to(out)
    assert not viewer.layers[PREVIEW].visible
    assert field.colors.text() == f"Frame {out} would be left out."
    opened.bench.display.go_to(first)
    assert viewer.layers[PREVIEW].visible


def test_kymographs_of_a_canvas_and_of_a_range(opened, field, viewer, qtbot):
    below = viewer.window.dock_widgets[MOTION_NAME]
    below._redraw()
    with qtbot.waitSignal(below.kymograph.read, timeout=20_000):
        below.lines.click()
    after = below.kymograph.after._image.image
    assert after.shape == (144, T)
    assert np.isnan(after[101:, 0]).all()  # nothing was recorded there: nothing is shown
    assert np.isfinite(after[:100, 0]).all()
    choose(field, "range")
    with qtbot.waitSignal(below.kymograph.read, timeout=20_000):
        field.apply.click()
    kept = len(opened.bench.study.video)
    assert kept < T
    assert below.kymograph.before._image.image.shape[1] == below.kymograph.after._image.image.shape[1] == kept


# ---------------------------------------------------------------------------------------------------------
# regions


@pytest.fixture
def regions(opened):
    opened.bench.display.go_to(7)
    panel = opened.sections["stabilize"].regions
    panel.begin.click()
    return panel


def kept(folder_or_experiment):
    return workflow.shown_regions(folder_or_experiment)


def test_regions_are_drawn_on_the_source_and_kept(regions, opened, viewer):
    section, study = opened.sections["stabilize"], opened.bench.study
    layer = viewer.layers["Regions"]
    assert layer.data.shape == (Y, X)
    assert layer.scale.tolist() == [2, 2]
    assert layer.data[8, 5] == LEFT_OUT  # what was found
    assert "No anchor" in regions.anchor.text()
    assert "Regions or settings are others" not in section.state_line.text()
    layer.brush_size = 9
    regions.keys[ANCHOR].click()
    assert (layer.selected_label, layer.brush_size) == (ANCHOR, 9)
    layer.paint_polygon([[30, 30], [30, 60], [60, 60], [60, 30]], ANCHOR)
    assert regions.anchor.text() == "Anchor drawn on frame 7."
    opened.bench.display.go_to(9)
    layer.paint([50, 70], ANCHOR)
    assert "frame 7; in this frame it may lie elsewhere" in regions.anchor.text()
    layer.selected_label = 5
    assert layer.selected_label == ANCHOR
    regions.done.click()
    assert names(viewer) == LAYERS
    shown = kept(study.experiment)
    assert shown.anchor_index == 7
    assert shown.anchor[45, 45]
    assert shown.left_out[8, 5]
    assert "Regions or settings are others since: run Stabilize again" in section.state_line.text()
    assert section.primary.text() == "Stabilize again"
    regions.begin.click()
    assert regions.layer.brush_size == 9
    assert opened.bench.display.frame_number() == 7
    regions.clear.click()
    assert "No anchor" in regions.anchor.text()
    regions.layer.undo()
    assert regions.anchor.text() == "Anchor drawn on frame 7."
    regions.clear.click()
    regions.done.click()
    assert kept(study.experiment).anchor is None


def test_cancelling_keeps_no_regions(regions, opened, viewer):
    viewer.layers["Regions"].paint([40, 40], ANCHOR)
    regions.cancel.click()
    assert names(viewer) == LAYERS
    assert regions.begin.isVisibleTo(regions)
    assert kept(opened.bench.study.experiment).anchor is None


def test_every_stroke_is_on_disk_before_the_next(regions, opened, viewer, qtbot):
    experiment = opened.bench.study.experiment
    viewer.layers["Regions"].paint([40, 40], ANCHOR)
    qtbot.waitUntil(lambda: kept(experiment).anchor is not None)
    assert kept(experiment).anchor_index == 7
    assert opened.bench.study.outdated
    viewer.layers["Regions"].undo()
    qtbot.waitUntil(lambda: kept(experiment).anchor is None)


def test_a_stroke_that_is_undone_asks_for_nothing(regions, opened, viewer, qtbot):
    study = opened.bench.study
    assert not study.outdated
    viewer.layers["Regions"].paint([40, 40], LEFT_OUT)
    qtbot.waitUntil(lambda: opened.bench.study.outdated)
    viewer.layers["Regions"].undo()
    qtbot.waitUntil(lambda: not opened.bench.study.outdated)
    regions.done.click()
    assert not opened.bench.study.outdated
    assert not study.experiment.regions_path.exists()


def test_what_cannot_be_taken_back_stays_to_be_tried_again(regions, opened, viewer, qtbot, monkeypatch):
    viewer.layers["Regions"].paint([40, 40], LEFT_OUT)
    qtbot.waitUntil(lambda: opened.bench.study.outdated)
    with monkeypatch.context() as broken:
        broken.setattr(workflow, "keep_regions", _full)
        regions.cancel.click()
    assert regions.editor.isVisibleTo(regions)
    regions.cancel.click()
    assert not kept(opened.bench.study.experiment).left_out[38:42, 38:42].any()


def _full(*arguments):
    raise OSError("disk full")


def test_an_anchor_belongs_to_its_frame_also_after_other_strokes(regions, opened, viewer, qtbot):
    experiment = opened.bench.study.experiment
    viewer.layers["Regions"].paint([10, 10], LEFT_OUT)
    qtbot.waitUntil(lambda: kept(experiment).left_out.any())
    viewer.layers["Regions"].paint([60, 60], ANCHOR)
    qtbot.waitUntil(lambda: kept(experiment).anchor is not None)
    assert kept(experiment).anchor_index == 7
    assert regions.anchor.text() == "Anchor drawn on frame 7."
    assert regions.clear.isEnabled()


def test_cancelling_takes_back_what_was_saved(regions, opened, viewer, qtbot):
    """Also what is not seen: that what was found to be an overlay once is specimen after all."""
    study = opened.bench.study
    regions.cancel.click()
    outdated = study.outdated
    values = np.zeros(study.source.shape[1:], np.uint8)
    values[:5, :5] = SPECIMEN
    workflow.keep_regions(study.experiment, Regions(values))
    regions.begin.click()
    viewer.layers["Regions"].paint([2, 2], LEFT_OUT)
    qtbot.waitUntil(lambda: kept(study.experiment).left_out.any())
    regions.cancel.click()
    np.testing.assert_array_equal(workflow.drawn_regions(study.experiment).values, values)
    assert opened.bench.study.outdated == outdated


@pytest.mark.parametrize("closing", ["dock", "napari", "study"])
def test_what_was_drawn_is_not_lost_on_closing(regions, opened, viewer, folder, qtbot, closing):
    viewer.layers["Regions"].paint([40, 40], ANCHOR)
    if closing == "dock":
        viewer.window.remove_dock_widget(opened)
    elif closing == "napari":
        opened.eventFilter(opened.window(), QEvent(QEvent.Type.Close))  # Qt may delete nothing after it
    else:
        opened.sections["trim"].primary.click()
        idle(opened, qtbot)
    with Experiment.open(folder, read_only=True) as again:
        assert kept(again).anchor is not None
        assert kept(again).anchor_index == 7


def test_who_only_reads_draws_no_regions(dock, folder, qtbot):
    with Experiment.open(folder):
        dock.bench.open_folder(folder)
        idle(dock, qtbot)
        section = dock.sections["stabilize"]
        assert not section.regions.begin.isEnabled()
        assert section.regions.begin.toolTip().startswith("Read only")
        assert not section.field.combo.isEnabled()


# ---------------------------------------------------------------------------------------------------------
# one at a time


def test_one_way_of_looking_at_a_time(opened, viewer):
    """Whatever is begun, what was begun before ends, and takes its layer with it."""
    section, trim = opened.sections["stabilize"], opened.sections["trim"]
    opened.bench.display.go_to(5)
    begin = {
        "Crop": trim.draw.click,
        "Kept field of view": section.compare.click,
        PREVIEW: lambda: choose(section.field, "common"),
        "Regions": section.regions.begin.click,
        "Frame 5": section.correction.begin.click,
    }

    def begun():
        return {
            "Crop": trim.draw.isChecked(),
            "Kept field of view": section.compare.isChecked(),
            PREVIEW: section.field.preview.isVisibleTo(section.field),
            "Regions": section.regions.editor.isVisibleTo(section.regions),
            "Frame 5": section.correction.editor.isVisibleTo(section.correction),
        }

    ways = list(begin)
    # From every one to every other, and back to the first.
    walk = [way for i, one in enumerate(ways) for other in ways[i + 1 :] for way in (one, other)]
    for way in (*walk, ways[0]):
        begin[way]()
        assert [name for name, on in begun().items() if on] == [way]
        assert [name for name in names(viewer) if name in begin] == [way]
    opened.bench.display.mode.leave()
    assert names(viewer) == LAYERS
    assert all(layer.visible for layer in viewer.layers)
    assert not any(begun().values())
