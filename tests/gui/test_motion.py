"""Trust on the screen: the motion, kymographs, before and after, frames set by hand; in a real napari."""

from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
from drifting_textures import moved, texture
from idling import idle
from napari.utils.key_bindings import KeyBinding
from qtpy.QtCore import QPointF, Qt

from glissile import workflow
from glissile.experiment import Calibration, Experiment
from glissile.stabilize.field_of_view import FieldOfViewSettings
from glissile.stabilize.motion import Motion
from glissile.widgets._kymograph_panel import LINE_NAME
from glissile.widgets._state import state_of
from glissile.widgets.curves import CurvesDock
from glissile.widgets.glissile_dock import CURVES_NAME, MOTION_NAME
from glissile.widgets.motion import MotionDock, legend_text, told_motion

T, Y, X = 12, 80, 100
PATH = np.stack([np.arange(T) % 4, -np.arange(T)], axis=1).astype(float)
FLAGS = ("", "", "jump", "", "interpolated", "interpolated", "", "overlay", "few features", "jump", "", "")
# What comes after the second jump is not known.
SIGMA = np.where(np.arange(T) < 9, 0.2, 40.0)
SIGMA[4:6] = 2.0


def motion(flags=FLAGS, sigma=SIGMA):
    return Motion(PATH, sigma, flags, np.arange(T))


@pytest.fixture
def folder(tmp_path):
    """An experiment whose specimen moves by `PATH`, and whose motion is known."""
    image = texture((Y + 40, X + 40))
    frames = [moved(image, tuple(step))[20:-20, 20:-20].round().astype(np.uint8) for step in PATH]
    tifffile.imwrite(tmp_path / "video.tif", np.stack(frames))
    calibration = Calibration(nm_per_pixel=2.0, seconds_per_frame=0.5)
    with workflow.create(tmp_path / "video.tif", tmp_path / "video", calibration=calibration) as experiment:
        motion().write(experiment.motion_path)
        experiment.save_settings("field_of_view", FieldOfViewSettings(kind="common"))
        return experiment.folder


@pytest.fixture
def shown(opened, viewer):
    """The motion dock of the opened study."""
    below = viewer.window.dock_widgets[MOTION_NAME]
    below._redraw()
    return below


def index(viewer):
    return viewer.dims.current_step[0]


def names(viewer):
    return [layer.name for layer in viewer.layers]


# ---------------------------------------------------------------------------------------------------------
# the plot


def test_without_a_motion_the_dock_says_when_that_changes(dock, viewer):
    below = viewer.window.dock_widgets[MOTION_NAME]
    assert below._pages.currentWidget() is below.hint
    assert "once the video is stabilized" in below.hint.text()


def test_both_docks_share_the_place_below_the_video(dock, viewer):
    below = viewer.window.dock_widgets[MOTION_NAME].parent()
    beside = dock.window().tabifiedDockWidgets(below)
    assert beside == [viewer.window.dock_widgets[CURVES_NAME].parent()]


def test_the_displacement_is_drawn_with_its_band_where_it_is_known(shown):
    assert shown._pages.currentWidget() is not shown.hint
    for axis, name in enumerate(("dy", "dx")):
        x, y = shown.plot.curves[name].getOriginalDataset()
        np.testing.assert_array_equal(x, np.arange(T))
        np.testing.assert_array_equal(y, PATH[:, axis])
        bounds = shown.plot._bands[axis].path().boundingRect()
        assert (bounds.left(), bounds.right()) == (0, 8)  # nothing is known from frame 9 on
        reach = 3 * SIGMA[:9]
        assert bounds.top() == pytest.approx((PATH[:9, axis] - reach).min())
        assert bounds.bottom() == pytest.approx((PATH[:9, axis] + reach).max())
    assert [region.getRegion() for region in shown.plot._unknown] == [(9, 11)]
    _, kept_in_view = shown.plot._bounds.getOriginalDataset()
    assert np.ptp(kept_in_view) <= 3 * np.ptp(PATH)
    assert shown.plot.getAxis("left").labelText in ("Displacement (px)", "Shift (px)", "px")


def test_flags_are_marks_on_both_curves(shown):
    x, y = shown.plot.marks["interpolated"].getData()
    np.testing.assert_array_equal(x, [4, 4, 5, 5])
    np.testing.assert_array_equal(y, PATH[4:6].ravel())
    assert len(shown.plot.marks["corrected"].getData()[0]) == 0
    assert len({marks.opts["symbol"] for marks in shown.plot.marks.values()}) == 5
    for flag in ("jump", "few features", "overlay", "interpolated", "not known", "3\u03c3"):
        assert flag in shown.legend.text()
    assert "corrected" not in shown.legend.text()


def test_a_method_that_tells_no_error_has_no_band(shown):
    shown._state.motion = motion(("",) * T, np.full(T, np.nan))
    shown._redraw()
    assert shown.plot._bands[0].path().isEmpty()
    assert shown.plot._unknown == []
    assert legend_text(shown._state.motion) == ""


@pytest.mark.parametrize(
    ("quantity", "title", "position"), [("Frame", "Frame", 5), ("Time", "Time (s)", 2.5)]
)
def test_slider_and_plot_are_tied_both_ways(shown, viewer, quantity, title, position):
    shown.against.setCurrentText(quantity)
    shown.against.activated.emit(shown.against.currentIndex())
    assert shown.plot.quantity == title
    viewer.dims.set_current_step(0, 5)
    assert shown.plot._cursor.value() == position
    shown.plot.position_chosen.emit(position * 1.38)
    assert index(viewer) == 7


def test_a_click_on_the_plot_moves_the_slider(shown, viewer, qtbot):
    shown.parent().setFloating(True)
    with qtbot.waitExposed(shown.window()):
        shown.window().show()
    qtbot.wait(100)
    box = shown.plot.getPlotItem().getViewBox()
    place = shown.plot.mapFromScene(box.mapViewToScene(QPointF(8.1, -4)))
    qtbot.mouseClick(shown.plot.viewport(), Qt.MouseButton.LeftButton, pos=place)
    qtbot.waitUntil(lambda: index(viewer) == 8)


def test_the_read_out_is_in_words_and_units(shown, viewer):
    viewer.dims.set_current_step(0, 4)
    for part in ("frame 4", "<b>-4.00&nbsp;px</b> (-8 nm)", "6.00&nbsp;px&nbsp;(3\u03c3)", "interpolated"):
        assert part in shown.readout.text()
    assert "not known" in told_motion(motion(), 10, None)
    assert "nm" not in told_motion(motion(), 10, None)
    assert "\u00b1" not in told_motion(motion(sigma=np.full(T, np.nan)), 3, None)


def test_time_is_not_offered_where_it_is_not_known(shown):
    from dataclasses import replace

    shown.against.setCurrentText("Time")
    shown._state.source = replace(shown._state.source, timed=False)
    shown._redraw()
    assert shown.against.currentText() == "Frame"
    assert not shown.against.model().item(1).isEnabled()


def test_the_dock_comes_to_the_front_when_there_is_something_new_in_it(opened, qtbot, monkeypatch):
    raised = []
    monkeypatch.setattr(opened, "_raise", raised.append)
    opened.sections["stabilize"].form.set_value(
        opened.sections["stabilize"].form.value().model_copy(update={"method": "none"})
    )
    opened.sections["stabilize"].primary.click()
    idle(opened, qtbot)
    assert raised == [MotionDock]
    opened.bench.state.running = "segment"
    opened.bench.state.running = None
    assert raised == [MotionDock, CurvesDock]


def test_what_is_not_segmented_yet_opens_with_its_motion_in_front(dock, folder, qtbot, monkeypatch):
    raised = []
    monkeypatch.setattr(dock, "_raise", raised.append)
    dock.bench.open_folder(folder)
    idle(dock, qtbot)
    assert raised == [MotionDock]


def test_a_dock_that_is_closed_lets_go_of_the_viewer(shown, viewer, qtbot):
    shown.lines.click()
    assert LINE_NAME in names(viewer)
    state = state_of(viewer)
    before = len(state.motion_changed)
    viewer.window.remove_dock_widget(shown)
    assert LINE_NAME not in names(viewer)
    assert len(state.motion_changed) == before - 1
    viewer.dims.set_current_step(0, 3)
    shown.deleteLater()
    qtbot.wait(1)


# ---------------------------------------------------------------------------------------------------------
# kymographs


def kymographs_of(shown):
    return [plot._image.image for plot in (shown.kymograph.before, shown.kymograph.after)]


@pytest.fixture
def lines(shown, viewer, qtbot):
    with qtbot.waitSignal(shown.kymograph.read, timeout=20_000):
        shown.lines.click()
    return shown


def test_what_stands_still_is_level_after_and_follows_the_motion_before(lines, viewer):
    before, after = kymographs_of(lines)
    video = lines._state.video
    assert after.shape == (video.shape[2], T)  # the line from top to bottom, frames to the right
    assert np.abs(after - after[:, [0]]).max() < 2  # rounded grey values
    assert np.abs(before - before[:, [0]]).max() > 20
    assert lines.kymograph.before._image.levels.tolist() == lines.kymograph.after._image.levels.tolist()
    (line,) = viewer.layers[LINE_NAME].data
    top, left = video.origins_px[0]
    np.testing.assert_allclose(line[:, 0], top + (video.shape[1] - 1) / 2)
    np.testing.assert_allclose(line[:, 1], [left, left + video.shape[2] - 1])
    assert viewer.layers[LINE_NAME].scale.tolist() == [2, 2]
    assert (viewer.layers[LINE_NAME].mode, viewer.layers[LINE_NAME].selected_data) == ("direct", {0})


def test_another_line_is_read_and_kept_over_a_correction(lines, viewer, opened, qtbot):
    layer = viewer.layers[LINE_NAME]
    top, left = lines._state.video.origins_px[0]
    drawn = np.array([[top + 10, left + 10], [top + 30, left + 10]])
    layer.data = [drawn]
    qtbot.waitUntil(lambda: kymographs_of(lines)[1].shape == (21, T), timeout=20_000)
    nudge_frame_3(opened, qtbot)
    lines._redraw()
    np.testing.assert_allclose(viewer.layers[LINE_NAME].data[0], drawn)


def nudge_frame_3(opened, qtbot):
    opened.bench.display.go_to(3)
    panel = opened.sections["stabilize"].correction
    panel.begin.click()
    panel.arrows["down"].click()
    panel.keep.click()
    idle(opened, qtbot)


def test_the_line_goes_with_its_page_and_gives_the_selection_back(lines, viewer):
    assert viewer.layers.selection.active.name == LINE_NAME
    lines.drift.click()
    assert LINE_NAME not in names(viewer)
    assert viewer.layers.selection.active.name == "video"


def test_slider_and_kymographs_are_tied_both_ways(lines, viewer):
    viewer.dims.set_current_step(0, 7)
    assert lines.kymograph.before._cursor.value() == lines.kymograph.after._cursor.value() == 7
    lines.kymograph.before.position_chosen.emit(2.4)
    assert index(viewer) == 2


def test_a_line_without_length_is_said(lines, viewer, qtbot):
    layer = viewer.layers[LINE_NAME]
    layer.data = [np.array([[40.0, 40.0], [40.0, 40.2]])]
    qtbot.waitUntil(lambda: "shorter than a pixel" in lines.kymograph.note.text(), timeout=20_000)


def test_closing_napari_in_the_midst_of_a_kymograph_hurts_nobody(shown, viewer, qtbot):
    shown.lines.click()
    shown.kymograph._read()
    viewer.close()


# ---------------------------------------------------------------------------------------------------------
# before and after, frames to check, flattening


def press(viewer, key):
    viewer.keymap[KeyBinding.from_str(key)](viewer)


def test_one_key_changes_between_before_and_after(opened, viewer):
    section = opened.sections["stabilize"]
    opened.bench.display.go_to(6)
    assert section.compare.text().startswith("Before: ")
    press(viewer, "Q")
    assert section.compare.isChecked()
    assert section.compare.text().startswith("After: ")
    assert "video (as recorded)" in names(viewer)
    assert opened.bench.display.frame_number() == 6
    press(viewer, "Q")
    assert not section.compare.isChecked()
    assert opened.bench.display.frame_number() == 6
    press(viewer, "Q")
    opened.bench.display.show_labels()  # shows the stabilized video, too
    assert not section.compare.isChecked()


def test_the_key_is_free_again_when_the_dock_goes(opened, viewer, qtbot):
    viewer.window.remove_dock_widget(opened)
    qtbot.waitUntil(lambda: KeyBinding.from_str("Q") not in viewer.keymap)


def test_frames_to_check_are_listed_and_gone_to(opened, viewer):
    doubts = opened.sections["stabilize"].doubts
    assert [doubts.list.item(row).text() for row in range(doubts.list.count())] == [
        "frame 2: jump",
        "frames 4\u20135: interpolated",
        "frame 7: overlay",
        "frame 8: few features",
        "frame 9: jump",
    ]
    assert doubts.count.text() == "To check: 5"
    assert not doubts.back.isEnabled()
    doubts.forth.click()
    doubts.forth.click()
    assert index(viewer) == 4
    assert doubts.count.text() == "To check: 2 of 5"
    opened.bench.display.go_to(5)
    assert doubts.list.currentRow() == 1
    doubts.back.click()
    assert index(viewer) == 2
    doubts.list.itemClicked.emit(doubts.list.item(4))
    assert index(viewer) == 9
    assert not doubts.forth.isEnabled()
    assert "6 frames to check" in opened.sections["stabilize"].state_line.text()


def contents(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_flattening_changes_the_picture_and_nothing_else(opened, viewer, folder, qtbot):
    section, layer = opened.sections["stabilize"], viewer.layers["video"]
    before, limits, on_disk = np.asarray(layer.data[3]), layer.contrast_limits, contents(folder)
    section.flatten.click()
    qtbot.waitUntil(lambda: opened.bench.display.is_flat, timeout=20_000)
    assert not np.array_equal(np.asarray(layer.data[3]), before)
    assert "flattened" in layer.metadata["glissile"]["provenance"][-1]
    np.testing.assert_array_equal(opened.bench.study.video.frame(3), before)
    section.compare.click()
    assert "flattened" in viewer.layers["video (as recorded)"].metadata["glissile"]["provenance"][-1]
    section.compare.click()
    nudge_frame_3(opened, qtbot)  # the picture of the new video is flat, too
    assert section.flatten.isChecked()
    assert "flattened" in viewer.layers["video"].metadata["glissile"]["provenance"][-1]
    section.correction.take_back.click()
    idle(opened, qtbot)
    section.flatten.click()
    assert viewer.layers["video"].contrast_limits == limits
    np.testing.assert_array_equal(np.asarray(viewer.layers["video"].data[3]), before)
    left = contents(folder)
    assert {path for path in on_disk if left[path] != on_disk[path]} <= {folder / "experiment.toml"}


# ---------------------------------------------------------------------------------------------------------
# a frame set by hand


@pytest.fixture
def panel(opened):
    opened.bench.display.go_to(6)
    panel = opened.sections["stabilize"].correction
    panel.begin.click()
    return panel


def place_of(opened, number=6):
    return opened.bench.study.motion.displacements_px[number].tolist()


def test_the_frame_lies_on_the_one_before_it_in_complementary_colours(panel, opened, viewer):
    upper, lower = viewer.layers["Frame 6"], viewer.layers["Frame 3"]  # 4 and 5 are interpolated
    assert {upper.colormap.name, lower.colormap.name} == {"magenta", "green"}
    assert upper.blending == lower.blending == "additive"
    assert viewer.layers.selection.active.name == "Frame 6"
    assert not viewer.layers["video"].visible
    np.testing.assert_array_equal(upper.data, opened.bench.study.trimmed.frame(6))
    # What is the same in both lies on the same place of the world: 2 nm per pixel.
    np.testing.assert_allclose(upper.translate, -2 * PATH[6])
    np.testing.assert_allclose(lower.translate, -2 * PATH[3])
    assert "Frame 6" in panel.hint.text()
    assert "frame 3" in panel.hint.text()


def test_a_frame_is_nudged_kept_and_taken_back(panel, opened, viewer, folder, qtbot):
    panel.arrows["down"].click()
    panel.arrows["right"].click()
    assert (panel.dy.value(), panel.dx.value()) == (PATH[6][0] - 1, PATH[6][1] - 1)
    panel.dx.setValue(-9.5)
    np.testing.assert_allclose(viewer.layers["Frame 6"].translate, -2 * np.array([PATH[6][0] - 1, -9.5]))
    panel.keep.click()
    idle(opened, qtbot)
    assert place_of(opened) == [PATH[6][0] - 1, -9.5]
    assert opened.bench.study.motion.flags[6] == "corrected"
    assert names(viewer) == ["video", "Segmentation", "Labels"]
    assert all(layer.visible for layer in viewer.layers)
    assert opened.bench.display.frame_number() == 6
    assert "1 frame set by hand" in opened.sections["stabilize"].state_line.text()
    with Experiment.open(folder, read_only=True) as again:
        assert [c.frame for c in workflow.corrections(again).frames] == [6]
    panel.take_back.click()
    idle(opened, qtbot)
    assert place_of(opened) == PATH[6].tolist()
    assert not panel.take_back.isVisibleTo(panel)


def test_a_frame_is_dragged(panel, viewer):
    layer = viewer.layers["Frame 6"]
    assert not layer.mouse_pan
    (drag,) = [call for call in layer.mouse_drag_callbacks if "Alignment" in repr(call)]
    event = SimpleNamespace(type="mouse_press", position=(6, 10.0, 20.0))
    moving = drag(layer, event)
    next(moving)
    event.type, event.position = "mouse_move", (6, 13.0, 15.0)  # 3 nm down, 5 nm to the left
    next(moving)
    assert (panel.dy.value(), panel.dx.value()) == (PATH[6][0] - 1.5, PATH[6][1] + 2.5)
    event.type = "mouse_release"
    with pytest.raises(StopIteration):
        next(moving)


def test_cancelling_leaves_all_as_it_was(panel, opened, viewer, folder):
    before = contents(folder)
    panel.arrows["up"].click()
    panel.cancel.click()
    assert names(viewer) == ["video", "Segmentation", "Labels"]
    assert all(layer.visible for layer in viewer.layers)
    assert panel.begin.isVisibleTo(panel)
    assert not panel.editor.isVisibleTo(panel)
    assert place_of(opened) == PATH[6].tolist()
    assert contents(folder) == before


def test_painting_ends_a_correction(panel, opened, viewer):
    opened.sections["label"].primary.click()
    assert "Frame 6" not in names(viewer)
    assert viewer.layers["Labels"].visible
    assert not panel.editor.isVisibleTo(panel)


def test_a_place_that_leaves_nothing_in_common_is_refused_and_can_be_mended(panel, opened, viewer, qtbot):
    panel.dy.setValue(500)
    panel.keep.click()
    idle(opened, qtbot)
    assert "Frame 6" in names(viewer)
    assert place_of(opened) == PATH[6].tolist()
    panel.dy.setValue(4)
    panel.keep.click()
    idle(opened, qtbot)
    assert place_of(opened)[0] == 4


def test_the_first_frame_is_not_corrected(opened):
    panel = opened.sections["stabilize"].correction
    opened.bench.display.go_to(0)
    assert not panel.begin.isEnabled()
    assert "counted from this frame" in panel.begin.toolTip()
    opened.bench.display.go_to(1)
    assert panel.begin.isEnabled()
