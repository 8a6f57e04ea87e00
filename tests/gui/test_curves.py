import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from napari.utils.theme import get_theme
from qtpy.QtCore import QPointF, Qt

from glissile.defects import DEFAULT_CLASSES
from glissile.video import Trim, Video
from glissile.widgets._series import Series
from glissile.widgets._state import state_of
from glissile.widgets.curves import CurvesDock

FRAMES = 40
FIRST = 10  # the working video begins here


@pytest.fixture
def video():
    frames = np.zeros((FIRST + FRAMES, 8, 9), np.uint8)
    whole = Video.from_frames(frames, name="made", seconds_per_frame=0.5)
    return whole.trimmed(Trim(first=FIRST))


@pytest.fixture
def dock(viewer, video, qtbot):
    """The dock in a viewer that shows frames 10 to 49 of a video, and has measured nothing."""
    viewer.add_image(video.frames)
    state_of(viewer).video = state_of(viewer).shown = video
    dock = CurvesDock(viewer)
    viewer.window.add_dock_widget(dock, name="Curves", area="bottom")
    dock.resize(900, 300)
    return dock


def row(frame, **changes):
    """A row of the table whose values tell the frame."""
    return {
        "frame": frame,
        "time_s": 0.5 * frame,
        "strain": 0.02 + 0.001 * frame,
        "dislocation_area_fraction": 0.001 * frame,
        "stacking_fault_area_fraction": 0.0005 * frame,
    } | changes


def measured(dock, frames, **changes):
    for frame in frames:
        dock._state.add_row(row(frame, **changes))
    dock._redraw()


def curve(dock, key="dislocation"):
    x, y = dock.plot._curves[key].getOriginalDataset()
    return (np.array([]), np.array([])) if x is None else (x, y)


def cursor(dock):
    return dock.plot._cursor.value() if dock.plot._cursor.isVisible() else None


def index(viewer):
    return viewer.dims.current_step[0]


def test_an_empty_dock_says_when_that_changes(dock):
    assert dock._pages.currentWidget() is dock.hint
    assert dock.hint.text() == "Curves appear while frames are segmented"
    measured(dock, [12])
    assert dock._pages.currentWidget() is not dock.hint
    dock._state.table = pd.DataFrame()
    dock._redraw()
    assert dock._pages.currentWidget() is dock.hint


def test_a_curve_is_the_fractions_in_percent_against_strain(dock):
    measured(dock, range(10, 20))
    x, y = curve(dock)
    np.testing.assert_allclose(x, 0.02 + 0.001 * np.arange(10, 20))
    np.testing.assert_allclose(y, 0.1 * np.arange(10, 20))
    np.testing.assert_allclose(curve(dock, "stacking_fault")[1], 0.05 * np.arange(10, 20))


def test_curves_have_the_colours_of_their_classes(dock):
    for defect in DEFAULT_CLASSES:
        assert dock.plot._curves[defect.key].opts["pen"].color().name() == defect.color
        assert defect.color in dock._legend(None)


def test_frames_measured_in_any_order_and_again_make_one_curve(dock):
    measured(dock, [30, 12, 20])
    measured(dock, [20], dislocation_area_fraction=0.5)
    dock.against.setCurrentText("Frame")
    dock._choose()
    x, y = curve(dock)
    np.testing.assert_array_equal(x, [12, 20, 30])
    np.testing.assert_allclose(y, [1.2, 50, 3.0])


def test_rows_appear_by_themselves(dock, qtbot):
    dock._state.add_row(row(11))
    qtbot.waitUntil(lambda: len(curve(dock)[0]) == 1)


def test_many_rows_are_drawn_few_times(dock, qtbot, monkeypatch):
    drawn = []
    draw = dock.plot.draw
    monkeypatch.setattr(dock.plot, "draw", lambda *args: drawn.append(1) or draw(*args))
    for frame in range(5000):
        dock._state.add_row(row(frame))
    qtbot.waitUntil(lambda: len(curve(dock)[0]) == 5000)
    assert len(drawn) <= 2


def test_what_is_not_known_breaks_the_curve_and_hurts_nobody(dock):
    measured(dock, range(10, 15))
    measured(dock, [12], dislocation_area_fraction=np.nan)
    x, y = curve(dock)
    assert len(x) == 5
    assert np.isnan(y[2])
    assert np.isfinite(np.delete(y, 2)).all()
    measured(dock, range(10, 15), dislocation_area_fraction=np.nan)
    assert len(curve(dock)[0]) == 0
    assert len(curve(dock, "stacking_fault")[0]) == 5


def test_without_strain_the_curves_are_against_time(dock):
    measured(dock, range(10, 15), strain=np.nan)
    assert dock.against.currentText() == "Time"
    assert dock.plot.quantity == "Time (s)"
    item = dock.against.model().item(0)
    assert not item.isEnabled()
    assert "strain log" in item.toolTip()
    assert dock.note.isVisibleTo(dock)
    np.testing.assert_allclose(curve(dock)[0], 0.5 * np.arange(10, 15))
    dock._state.table = pd.DataFrame([row(frame) for frame in range(10, 15)])
    dock._redraw()
    assert dock.against.currentText() == "Strain"
    assert item.isEnabled()
    assert not dock.note.isVisibleTo(dock)


@pytest.mark.parametrize(
    ("quantity", "title", "first"),
    [("Strain", "Strain", 0.03), ("Time", "Time (s)", 5), ("Frame", "Frame", 10)],
)
def test_the_axis_is_chosen_and_named(dock, quantity, title, first):
    measured(dock, range(10, 15))
    dock.against.setCurrentText(quantity)
    dock.against.activated.emit(dock.against.currentIndex())
    assert dock.plot.getAxis("bottom").labelText == title
    assert dock.plot.getAxis("left").labelText == "Area fraction (%)"
    assert curve(dock)[0][0] == pytest.approx(first)


@pytest.mark.parametrize(("quantity", "position"), [("Strain", 0.035), ("Time", 7.5), ("Frame", 15)])
def test_the_slider_moves_the_cursor(dock, viewer, quantity, position):
    measured(dock, range(10, 50, 2))
    dock.against.setCurrentText(quantity)
    dock._choose()
    viewer.dims.set_current_step(0, 5)
    assert cursor(dock) == pytest.approx(position)


def test_the_read_out_is_that_of_the_frame_that_is_shown(dock, viewer):
    measured(dock, range(10, 50, 2), stress_MPa=400.0)
    viewer.dims.set_current_step(0, 6)
    text = dock.readout.text()
    for part in ("frame 16", "8.00 s", "strain 0.0360", "<b>1.60 %</b>", "<b>0.80 %</b>", "<b>400 MPa</b>"):
        assert part in text
    viewer.dims.set_current_step(0, 7)
    assert "frame 17 · not measured" in dock.readout.text()


def test_beyond_the_measured_strain_there_is_no_cursor(dock, viewer):
    measured(dock, range(10, 20))
    viewer.dims.set_current_step(0, 5)
    assert cursor(dock) is not None
    viewer.dims.set_current_step(0, 30)
    assert cursor(dock) is None


@pytest.mark.parametrize(("quantity", "position"), [("Strain", 0.04), ("Time", 10.0), ("Frame", 20)])
@pytest.mark.parametrize("off", [-0.3, 0, 0.3])
def test_a_position_on_the_axis_moves_the_slider(dock, viewer, quantity, position, off):
    measured(dock, range(10, 50))
    dock.against.setCurrentText(quantity)
    dock._choose()
    step = {"Strain": 0.001, "Time": 0.5, "Frame": 1}[quantity]
    dock.plot.position_chosen.emit(position + off * step)
    assert index(viewer) == 20 - FIRST
    assert cursor(dock) == pytest.approx(position)


def test_a_click_on_the_curve_moves_the_slider(viewer, video, qtbot):
    viewer.add_image(video.frames)
    state_of(viewer).video = state_of(viewer).shown = video
    dock = CurvesDock(viewer)
    dock.resize(900, 400)
    with qtbot.waitExposed(dock):
        dock.show()
    measured(dock, range(10, 50))
    qtbot.wait(100)
    box = dock.plot.getPlotItem().getViewBox()
    place = dock.plot.mapFromScene(box.mapViewToScene(QPointF(0.05, 1.0)))
    qtbot.mouseClick(dock.plot.viewport(), Qt.MouseButton.LeftButton, pos=place)
    qtbot.waitUntil(lambda: index(viewer) == 30 - FIRST)
    dock.close()
    dock.deleteLater()
    qtbot.wait(1)


def test_frames_that_were_trimmed_away_since_are_not_gone_to(dock, viewer):
    measured(dock, [2, 3, 30])
    viewer.dims.set_current_step(0, 7)
    dock.plot.position_chosen.emit(0.0222)
    assert index(viewer) == 7


def test_the_slider_may_count_the_frames_as_recorded(dock, viewer, video):
    measured(dock, range(10, 50))
    whole = Video.from_frames(np.zeros((FIRST + FRAMES, 8, 9), np.uint8), name="made", seconds_per_frame=0.5)
    viewer.add_image(whole.frames)
    state_of(viewer).shown = whole
    viewer.dims.set_current_step(0, 30)
    assert cursor(dock) == pytest.approx(0.05)
    assert "frame 30" in dock.readout.text()
    dock.plot.position_chosen.emit(0.04)
    assert index(viewer) == 20


def test_stress_has_an_axis_when_it_is_known(dock):
    measured(dock, range(10, 15))
    assert not dock.plot.getAxis("right").isVisible()
    measured(dock, range(12, 15), stress_MPa=350.0)
    assert dock.plot.getAxis("right").isVisible()
    assert dock.plot.getAxis("right").labelText == "Stress (MPa)"
    _, y = dock.plot._stress.getOriginalDataset()
    np.testing.assert_allclose(y, [np.nan, np.nan, 350, 350, 350])
    dock._state.table = pd.DataFrame([row(frame) for frame in range(10, 15)])
    dock._redraw()
    assert not dock.plot.getAxis("right").isVisible()


def test_no_axis_has_si_prefixes(dock):
    measured(dock, [10, 11], strain=1e-7, dislocation_area_fraction=1e-8)
    for side in ("left", "bottom", "right"):
        assert not dock.plot.getAxis(side).autoSIPrefix


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colours_follow_the_theme(dock, viewer, theme, qtbot):
    measured(dock, [10, 11])
    viewer.theme = "light" if theme == "dark" else "dark"
    viewer.theme = theme
    background = get_theme(theme).background.as_hex()
    qtbot.waitUntil(lambda: dock.plot.backgroundBrush().color().name() == background)
    assert dock.plot.getAxis("left").textPen().color().name() == get_theme(theme).text.as_hex()


def test_a_zoomed_view_stays_while_the_curve_grows(dock):
    measured(dock, range(10, 30))
    dock.plot.setXRange(0.035, 0.036, padding=0)
    measured(dock, range(30, 40))
    assert dock.plot.viewRange()[0] == pytest.approx([0.035, 0.036])


def test_a_dock_that_is_closed_lets_go_of_the_viewer(dock, viewer, qtbot):
    state = dock._state
    viewer.window.remove_dock_widget(dock)  # as its close button does
    state.add_row(row(12))
    viewer.dims.set_current_step(0, 5)
    viewer.theme = "light"
    assert not dock._timer.isActive()
    assert len(dock._series) == 0
    assert len(state.row_added) == len(state.table_changed) == len(state.video_changed) == 0
    dock.deleteLater()
    qtbot.wait(1)


def test_two_viewers_have_two_docks(dock, make_napari_viewer_proxy, video):
    other = make_napari_viewer_proxy()
    other.add_image(video.frames)
    other_dock = CurvesDock(other)
    other.window.add_dock_widget(other_dock)
    measured(dock, [12, 13])
    other_dock._redraw()
    assert len(curve(dock)[0]) == 2
    assert len(other_dock._series) == 0


def test_no_video_is_no_obstacle(viewer):
    dock = CurvesDock(viewer)
    viewer.window.add_dock_widget(dock)
    measured(dock, range(3))
    dock.plot.position_chosen.emit(0.0)
    assert cursor(dock) is None


# ---------------------------------------------------------------------------------------------------------
# the columns


@given(st.lists(st.tuples(st.integers(0, 300), st.none() | st.floats(allow_nan=False))))
def test_a_series_is_a_sorted_dictionary(entries):
    series = Series(["a"])
    for frame, value in entries:
        series.put(frame, {} if value is None else {"a": value, "b": 1.0})
    expected = dict(entries)
    assert len(series) == len(expected)
    assert series.frames.tolist() == sorted(expected)
    np.testing.assert_array_equal(
        series.column("a"), np.array([expected[frame] for frame in sorted(expected)], dtype=float)
    )
    assert series.knows("a") == any(v is not None and np.isfinite(v) for v in expected.values())
    for frame, value in expected.items():
        np.testing.assert_equal(series.at(frame), {"a": np.nan if value is None else value})
    assert series.at(-1) is None


def test_the_menu_of_pyqtgraph_lies_not_on_the_plot(dock):
    assert not dock.plot.getPlotItem().ctrlMenu.isVisible()


def band(dock, key="dislocation"):
    return [part.getOriginalDataset()[1] for part in dock.plot._bands[key][:2]]


def test_the_band_lies_around_the_curve_where_it_is_known(dock):
    measured(dock, range(10, 20), dislocation_area_fraction_uncertainty=0.015)
    low, high = band(dock)
    np.testing.assert_allclose(low, np.maximum(0.1 * np.arange(10, 20) - 1.5, 0), atol=1e-12)
    np.testing.assert_allclose(high, 0.1 * np.arange(10, 20) + 1.5)
    assert "(1.20 ± 1.50) %" in dock._legend(12)
    measured(dock, [15])  # predicted anew, by a model that does not know it
    assert np.isnan(band(dock)[1][5])
    assert "<b>1.50 %</b>" in dock._legend(15)


def test_without_uncertainties_there_is_no_band(dock):
    measured(dock, range(10, 20))
    low, high = band(dock)
    assert low is None or not len(low)
    assert high is None or not len(high)


@pytest.mark.parametrize("uncertainty", [{}, {"dislocation_area_fraction_uncertainty": 0.001}])
def test_the_axis_shows_what_is_measured_and_no_more(dock, uncertainty):
    measured(dock, range(10, 50, 2), **uncertainty)
    box = dock.plot.getPlotItem().getViewBox()
    box.updateAutoRange()
    first, last = curve(dock)[0][[0, -1]]
    (left, right), _ = box.viewRange()
    assert left == pytest.approx(first, abs=0.1 * (last - first))
    assert right == pytest.approx(last, abs=0.1 * (last - first))
