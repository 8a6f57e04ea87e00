"""Lines traced on the Labels layer of the dock, in a real napari."""

import numpy as np
import pytest
import tifffile
from idling import idle, reopen
from mousing import mouse, press_key

from glissile.errors import InputError
from glissile.experiment import Experiment
from glissile.label.tracing import PenSettings
from glissile.video import Video

T, Y, X = 6, 80, 100


def row(x):
    return 40 + 10 * np.sin(x / 16)


@pytest.fixture
def video_path(tmp_path):
    """A dark line that winds, and moves down by a row a frame."""
    t, y, x = np.mgrid[:T, :Y, :X].astype(float)
    grey = 150 - 80 * np.exp(-((y - row(x) - t) ** 2) / 3)
    path = tmp_path / "line.tif"
    tifffile.imwrite(
        path, np.clip(grey + np.random.default_rng(0).normal(0, 4, grey.shape), 0, 255).astype(np.uint8)
    )
    return path


@pytest.fixture
def opened(dock, video_path, qtbot):
    dock.bench.open_video(video_path)
    idle(dock, qtbot)
    return dock


@pytest.fixture
def tracing(opened):
    section = opened.sections["label"]
    section.primary.click()
    section.tools.buttons["T"].click()
    assert section.tools.buttons["T"].isChecked()
    return opened


def labels(dock):
    return dock.bench.keeper.layer


def click(dock, y, x, *, t=0, **how):
    layer = labels(dock)
    mouse(layer, layer.mouse_drag_callbacks, (t, y, x), **how)


def hover(dock, y, x, *, t=0):
    layer = labels(dock)
    mouse(layer, layer.mouse_move_callbacks, (t, y, x))


def press(dock, key):
    press_key(labels(dock), key)


def preview(viewer):
    return viewer.layers["Tracing"].data


def test_a_traced_line_lies_on_the_defect_as_wide_as_its_pen(tracing, viewer):
    section = tracing.sections["label"]
    section.classes.pens[1].setValue(5)
    section.classes.chosen.emit(2)
    assert section.tools.buttons["T"].isChecked()  # choosing a class goes on tracing
    for x in (8, 50, 90):
        click(tracing, row(x), x)
    press(tracing, "Enter")
    mask = labels(tracing).data[0]
    assert set(np.unique(mask)) == {0, 2}
    for x in range(12, 88):
        rows = np.flatnonzero(mask[:, x])
        assert abs(rows.mean() - row(x)) < 2.5
        assert 4 <= len(rows) <= 7
    assert not labels(tracing).data[1:].any()
    assert not preview(viewer)


def test_it_is_saved_and_undone_as_one_stroke(tracing, qtbot):
    for x in (8, 50, 90):
        click(tracing, row(x), x)
    press(tracing, "Enter")
    tracing.bench.keeper.flush()
    store = tracing.bench.study.experiment.labels_or_none()
    assert np.count_nonzero(store.read(0)) > 200
    labels(tracing).undo()
    assert not labels(tracing).data.any()
    tracing.bench.keeper.flush()
    assert store.frames == ()


def test_the_line_is_shown_under_the_pointer_before_the_click(tracing, viewer):
    hover(tracing, row(50), 50)
    assert not preview(viewer)
    click(tracing, row(8), 8)
    hover(tracing, row(50), 50)
    (line,) = preview(viewer)
    assert np.abs(line[:, 0] - row(line[:, 1])).max() < 2.5
    assert line[-1] == pytest.approx((row(50), 50), abs=0.01)
    hover(tracing, row(90), 90)
    assert preview(viewer)[0][-1] == pytest.approx((row(90), 90), abs=0.01)
    assert not labels(tracing).data.any()
    np.testing.assert_allclose(viewer.layers["Tracing"].scale, labels(tracing).scale[1:])


def test_points_are_taken_back_one_by_one_and_all(tracing, viewer):
    for x in (8, 50, 90):
        click(tracing, row(x), x)
    press(tracing, "Backspace")
    assert preview(viewer)[0][-1] == pytest.approx((row(50), 50), abs=0.01)
    press(tracing, "Escape")
    assert not preview(viewer)
    press(tracing, "Backspace")
    press(tracing, "Enter")
    assert not labels(tracing).data.any()
    assert tracing.sections["label"].tools.buttons["T"].isChecked()


def test_with_shift_a_piece_is_straight_and_a_drag_is_no_click(tracing, viewer):
    click(tracing, row(8), 8)
    click(tracing, 10, 40, moved=30)  # moves the view
    click(tracing, row(90), 90, shift=True)
    (line,) = preview(viewer)
    slope = (row(90) - row(8)) / 82
    np.testing.assert_allclose(line[:, 0], row(8) + slope * (line[:, 1] - 8), atol=0.01)


def test_a_double_click_draws_the_line(tracing):
    for x in (8, 50):
        click(tracing, row(x), x)
    layer = labels(tracing)
    mouse(layer, layer.mouse_double_click_callbacks, (0, row(50), 50))
    assert np.count_nonzero(layer.data[0]) > 100


def test_clicks_stay_with_their_frame(tracing, viewer):
    click(tracing, row(8), 8)
    click(tracing, row(50), 50)
    tracing.bench.display.go_to(2)
    assert not preview(viewer)
    press(tracing, "Enter")
    assert not labels(tracing).data.any()
    tracing.bench.display.go_to(0)
    click(tracing, row(8), 8)
    click(tracing, row(50), 50)
    tracing.bench.display.go_to(2)
    click(tracing, row(8) + 2, 8, t=2)
    click(tracing, row(50) + 2, 50, t=2)
    press(tracing, "Enter")
    assert labels(tracing).data[2].any()
    assert not labels(tracing).data[0].any()


@pytest.mark.parametrize("way", ["button", "key", "tool", "source"])
def test_tracing_ends_and_lets_the_layer_go(tracing, viewer, way):
    layer = labels(tracing)
    click(tracing, row(8), 8)
    if way == "button":
        tracing.sections["label"].tools.buttons["T"].click()
    elif way == "key":
        press(tracing, "T")
    elif way == "tool":
        layer.mode = "erase"
    else:
        tracing.bench.display.show_source(True)
        tracing.bench.display.show_source(False)
    assert not tracing.sections["label"].tools.buttons["T"].isChecked()
    assert tracing.sections["label"].tools.hint.isHidden()
    assert "Tracing" not in viewer.layers
    assert not [c for c in layer.mouse_drag_callbacks if "LineTracer" in repr(c)]
    assert not [c for c in layer.mouse_move_callbacks if "LineTracer" in repr(c)]
    assert not [k for k in layer.keymap if str(k) in ("Enter", "Escape", "Backspace")]
    tracing.sections["label"].tools.buttons["T"].click()
    assert preview(viewer) == []


def test_pens_are_kept_with_the_experiment_and_set_the_brush(opened, qtbot):
    section = opened.sections["label"]
    section.primary.click()
    section.classes.pens[1].setValue(6)
    section.classes.chosen.emit(2)
    assert labels(opened).brush_size == 6
    section.classes.chosen.emit(1)
    assert labels(opened).brush_size == 3
    section.classes.pens[0].setValue(4)
    assert labels(opened).brush_size == 4
    with Experiment.open(opened.bench.study.experiment.folder, read_only=True) as again:
        assert again.settings("label", PenSettings).widths_px == {"1": 4, "2": 6}
    reopen(opened, qtbot)
    assert [pen.value() for pen in section.classes.pens] == [4, 6]
    assert labels(opened).brush_size == 4


def test_nothing_is_drawn_where_labels_may_not_be_painted(tracing, viewer):
    for x in (8, 50, 90):
        click(tracing, row(x), x)
    labels(tracing).editable = False
    press(tracing, "Enter")
    assert not labels(tracing).data.any()


def test_work_that_renews_the_labels_ends_tracing(tracing, viewer, monkeypatch):
    monkeypatch.setattr(type(tracing.bench.state), "running", "label")
    click(tracing, row(8), 8)
    tracing.bench._allow_painting()
    assert tracing.bench.display.tool is None
    assert "Tracing" not in viewer.layers
    assert not tracing.sections["label"].tools.buttons["T"].isChecked()


def test_other_classes_are_preserved_where_napari_says_so(tracing):
    labels(tracing).data[0, :, 45:55] = 2
    labels(tracing).preserve_labels = True
    for x in (8, 50, 90):
        click(tracing, row(x), x)
    press(tracing, "Enter")
    assert (labels(tracing).data[0, :, 45:55] == 2).all()
    assert np.count_nonzero(labels(tracing).data[0] == 1) > 100


@pytest.mark.parametrize("way", ["Tracing", "Labels", "ndisplay", "order"])
def test_tracing_ends_where_it_cannot_be_seen(tracing, viewer, way):
    layer = labels(tracing)
    click(tracing, row(8), 8)
    if way == "ndisplay":
        viewer.dims.ndisplay = 3
    elif way == "order":
        viewer.dims.order = (1, 0, 2)
    else:
        viewer.layers.remove(viewer.layers[way])
    assert tracing.bench.display.tool is None
    assert not tracing.sections["label"].tools.buttons["T"].isChecked()
    assert "Tracing" not in viewer.layers
    assert not [c for c in layer.mouse_drag_callbacks if "LineTracer" in repr(c)]


def test_a_frame_that_cannot_be_read_is_said_and_hurts_nobody(tracing, viewer, monkeypatch):
    def unreadable(self, index):
        raise InputError("line.tif: frame 0 cannot be read")

    told = []
    monkeypatch.setattr("glissile.widgets._line_tracer.show_error", told.append)
    monkeypatch.setattr(Video, "frame", unreadable)
    click(tracing, row(8), 8)
    assert told == ["line.tif: frame 0 cannot be read"]
    press(tracing, "Enter")
    assert not preview(viewer)


def test_what_erases_is_seen(tracing, viewer):
    labels(tracing).data[0] = 1
    labels(tracing).selected_label = 0
    for x in (8, 50, 90):
        click(tracing, row(x), x)
    np.testing.assert_allclose(viewer.layers["Tracing"].edge_color[0], (1, 1, 1, 1))
    press(tracing, "Enter")
    assert np.count_nonzero(labels(tracing).data[0] == 0) > 200


def test_pens_stay_when_classes_change_and_a_removed_class_is_painted_no_more(opened, qtbot):
    section = opened.sections["label"]
    section.primary.click()
    section.classes.pens[0].setValue(9)
    section.classes.add.click()
    assert [pen.value() for pen in section.classes.pens] == [9, 3, 3]
    labels(opened).selected_label = 3
    section.classes.remove.click()
    idle(opened, qtbot)
    assert labels(opened).selected_label != 3
    section.classes.pens[0].stepUp()
    assert opened.bench.study.experiment.settings("label", PenSettings).width_px(1) == 10
