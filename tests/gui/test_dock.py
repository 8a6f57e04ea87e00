"""The main dock in a real napari: opening, trimming, labelling, and what happens to long works' results."""

import threading
import time
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
from idling import idle
from qtpy.QtCore import QObject, QTimer
from qtpy.QtGui import QCloseEvent
from qtpy.QtWidgets import QMessageBox, QPushButton, QToolButton

from glissile import workflow
from glissile.defects import DEFAULT_CLASSES
from glissile.experiment import Calibration, Experiment, StrainLogSettings
from glissile.io.annotations import write_mask
from glissile.progress import Step
from glissile.video import Trim
from glissile.widgets import _bench, _jobs, _label_writer, _study
from glissile.widgets._runner import Runner
from glissile.widgets._state import ViewerState
from glissile.widgets.curves import CurvesDock
from glissile.widgets.glissile_dock import GlissileDock
from glissile.widgets.motion import MotionDock
from glissile.widgets.sections import segment as segment_section
from glissile.widgets.sections import train as train_section
from glissile.workflow import segmentation

T, Y, X = 12, 60, 80


@pytest.fixture
def video_path(tmp_path):
    frames = np.random.default_rng(0).integers(0, 255, (T, Y, X), dtype=np.uint8)
    path = tmp_path / "test 8.4μm.tif"
    tifffile.imwrite(path, frames)
    return path


@pytest.fixture
def opened(dock, video_path, qtbot):
    dock.bench.open_video(video_path)
    idle(dock, qtbot)
    assert dock.bench.study is not None
    return dock


def names(viewer):
    return [layer.name for layer in viewer.layers]


def labels_on_disk(dock):
    """Masks of the labelled frames on the pixels of the source, by frame number."""
    dock.bench.keeper.flush()
    store = dock.bench.study.experiment.labels_or_none()
    return {number: store.read(number) for number in store.frames}


def paint(dock, index, value=1):
    dock.bench.display.go_to(index)
    layer = dock.bench.keeper.layer
    layer.paint([index, 20, 30], value)


def apply_trim(dock, qtbot, trim):
    section = dock.sections["trim"]
    section.set_value(trim)
    section.primary.click()
    idle(dock, qtbot)


@pytest.mark.parametrize(
    ("name", "kind"), [("Glissile", GlissileDock), ("Curves", CurvesDock), ("Motion", MotionDock)]
)
def test_napari_opens_the_docks_by_their_names(make_napari_viewer, qtbot, name, kind):
    window = make_napari_viewer(strict_qt="raise").window
    _, widget = window.add_plugin_dock_widget("napari-glissile", name)
    assert isinstance(widget, kind)
    beside = "Curves (" if kind is CurvesDock else "Motion ("  # which the Glissile dock opens by itself
    qtbot.waitUntil(lambda: any(title.startswith(beside) for title in window.dock_widgets))


def test_curves_that_are_open_are_not_opened_again(viewer, qtbot):
    viewer.window.add_plugin_dock_widget("napari-glissile", "Curves")
    _, dock = viewer.window.add_plugin_dock_widget("napari-glissile", "Glissile")
    qtbot.waitUntil(lambda: dock._docked)
    widgets = viewer.window.dock_widgets.values()
    assert sum(isinstance(widget, CurvesDock) for widget in widgets) == 1


def test_opening_a_video_starts_its_experiment(opened, viewer, video_path):
    folder = video_path.with_name("test 8.4μm.glissile")
    assert opened.bench.study.experiment.folder == folder
    assert names(viewer) == ["test 8.4μm", "Segmentation", "Labels"]
    layer = viewer.layers[0]
    assert layer.axis_labels == ("t", "y", "x")
    assert layer.metadata["glissile"]["role"] == "video"
    assert opened.bench.state.video.shape == (T, Y, X)
    assert opened.sections["trim"].is_open()
    assert opened.sections["trim"].primary.property("next")
    assert not opened.sections["train"].primary.isEnabled()


def test_the_class_that_is_painted_stays_marked_when_classes_change(opened, qtbot):
    section = opened.sections["label"]
    section.primary.click()

    def keys():
        return [key for key in section.classes.findChildren(QToolButton) if key.isCheckable()]

    keys()[1].click()
    section.classes.names[1].setText("twin")
    section.classes.names[1].editingFinished.emit()
    qtbot.waitUntil(lambda: len(keys()) == 2)  # the old ones are deleted
    assert [key.text() for key in keys() if key.isChecked()] == ["2"]


def test_opening_it_again_resumes(opened, viewer, video_path, qtbot):
    paint(opened, 4, 2)
    opened.bench.keeper.flush()
    opened.bench.close()
    second = GlissileDock(viewer)
    qtbot.addWidget(second)
    second.bench.open_video(video_path)
    idle(second, qtbot)
    assert second.bench.keeper.labelled == (4,)
    assert (second.bench.keeper.mask(4) == 2).any()
    assert second.sections["label"].table.model().rowCount() == 1
    second.bench.close()


def test_what_is_open_is_not_opened_again_and_stays_writable(opened, video_path, said, monkeypatch):
    study = opened.bench.study
    monkeypatch.chdir(video_path.parent)
    folder = study.experiment.folder
    for call, path in (
        (opened.bench.open_video, video_path),
        (opened.bench.open_video, Path(video_path.name)),
        (opened.bench.open_folder, folder),
        (opened.bench.open_folder, folder / ".." / folder.name),
    ):
        call(path)
        assert opened.bench.state.running is None
        assert said.pop() == f"{folder.name} is open already"
    assert opened.bench.study is study
    paint(opened, 4)
    assert set(labels_on_disk(opened)) == {4}


def test_bad_video_changes_nothing(dock, viewer, tmp_path, qtbot, said):
    (tmp_path / "empty.mp4").write_bytes(b"")
    dock.bench.open_video(tmp_path / "empty.mp4")
    idle(dock, qtbot)
    assert dock.bench.study is None
    assert not names(viewer)
    assert any("empty.mp4" in message for message in said)


def test_every_stroke_is_saved_and_undo_too(opened, qtbot):
    paint(opened, 3)
    assert set(labels_on_disk(opened)) == {3}
    first = labels_on_disk(opened)[3]
    layer = opened.bench.keeper.layer
    layer.fill([3, 0, 0], 2)
    assert (labels_on_disk(opened)[3] == 2).sum() > 1000
    layer.undo()
    opened.bench.display.go_to(7)  # frame change looks for what has no event of its own
    np.testing.assert_array_equal(labels_on_disk(opened)[3], first)
    qtbot.waitUntil(lambda: "saved" in opened.sections["label"].state_line.text())


@pytest.mark.parametrize("tool", ["paint", "fill", "polygon"])
def test_a_stroke_does_not_wait_for_the_next_look(opened, qtbot, tool):
    keeper = opened.bench.keeper
    keeper.findChild(QTimer).stop()  # the look that is taken every second
    opened.bench.display.go_to(3)
    if tool == "paint":
        keeper.layer.paint([3, 20, 30], 1)
    elif tool == "fill":
        keeper.layer.fill([3, 0, 0], 1)
    else:
        keeper.layer.paint_polygon([[3, 5, 5], [3, 5, 30], [3, 30, 30]], 1)
    qtbot.waitUntil(lambda: keeper.saved_at != "")
    on_disk = opened.bench.study.experiment.labels_or_none().read(3)
    np.testing.assert_array_equal(on_disk, keeper.layer.data[3])
    assert on_disk.any()


def test_strokes_are_saved_beside_a_layer_of_more_axes(opened, viewer, qtbot):
    viewer.add_image(np.zeros((3, T, 8, 8)), name="four axes")
    opened.bench.display.go_to(4)
    assert viewer.dims.current_step[:2] == (0, 4)
    assert opened.bench.display.frame_number() == 4
    paint(opened, 4)
    assert set(labels_on_disk(opened)) == {4}


def full_disk(*_):
    raise OSError("no space left on device")


def test_labels_that_cannot_be_saved_hold_up_what_would_drop_them(opened, qtbot, said, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(_label_writer.annotations, "write_label", full_disk)
        paint(opened, 3)
        assert not opened.bench.keeper.flush()
        apply_trim(opened, qtbot, Trim(first=2))
        assert opened.bench.study.video.shape[0] == T
        assert not opened.bench.keeper.flush()
        qtbot.waitUntil(lambda: any("frame 3 could not be saved" in message for message in said))
    assert opened.bench.keeper.flush()
    assert set(labels_on_disk(opened)) == {3}
    assert sum("frame 3 could not be saved" in message for message in said) == 1
    qtbot.waitUntil(lambda: opened.bench.keeper.saved_at != "")
    with monkeypatch.context() as patched:  # a disk that is full again is told again
        patched.setattr(_label_writer.annotations, "write_label", full_disk)
        paint(opened, 3, 2)
        assert not opened.bench.keeper.flush()
        qtbot.waitUntil(lambda: sum("frame 3 could not be saved" in message for message in said) == 2)
        assert not opened.bench.keeper.flush()  # whoever asks is told
        qtbot.waitUntil(lambda: sum("frame 3 could not be saved" in message for message in said) == 3)


@pytest.mark.parametrize("lose", [False, True])
def test_the_window_closes_over_labels_that_cannot_be_saved_only_once_that_is_agreed(
    opened, viewer, qtbot, monkeypatch, lose
):
    asked = []
    answer = QMessageBox.StandardButton.Yes if lose else QMessageBox.StandardButton.No

    def question(parent, title, text, buttons, default):
        asked.append((text, default))
        return answer

    monkeypatch.setattr(QMessageBox, "question", question)
    with monkeypatch.context() as patched:
        patched.setattr(_label_writer.annotations, "write_label", full_disk)
        for index in (3, 5):
            paint(opened, index)
            event = QCloseEvent()
            assert opened.eventFilter(opened.window(), event) is not lose
            assert event.isAccepted() is lose
        if not lose:
            assert not opened.window().close()
            assert asked.pop() == asked[-1]
    assert asked == [
        (
            f"The labels of {which} cannot be saved: no space left on device. Close all the same, and lose "
            "them?",
            QMessageBox.StandardButton.No,
        )
        for which in ("frame 3", "2 frames")
    ]
    event = QCloseEvent()
    assert not opened.eventFilter(opened.window(), event)
    assert len(asked) == 2
    assert set(labels_on_disk(opened)) == {3, 5}


def test_what_is_known_of_many_labels_is_told_at_once(opened, qtbot):
    told = []
    opened.bench.facts_changed.connect(lambda: told.append(opened.bench.facts().labelled))
    given = np.zeros((T, Y, X), np.uint8)
    given[:, 5:9, 5:9] = 1
    opened.bench.keeper.layer.data = given
    qtbot.waitUntil(lambda: bool(told) and told[-1] == T and not opened.bench.keeper.saving)
    assert len(told) < T / 2
    qtbot.waitUntil(lambda: opened.sections["label"].table.model().rowCount() == T)


def test_labels_that_cannot_be_saved_hold_up_an_import(opened, qtbot, said, tmp_path, monkeypatch):
    write_mask(tmp_path / "masks" / "5.png", np.ones((Y, X), np.uint8))
    with monkeypatch.context() as patched:
        patched.setattr(_label_writer.annotations, "write_label", full_disk)
        paint(opened, 3)
        opened.sections["label"].import_from(tmp_path / "masks", first=0, step=1)
        assert opened.bench.state.running is None
        qtbot.waitUntil(lambda: any("frame 3 could not be saved" in message for message in said))
    assert set(labels_on_disk(opened)) == {3}


def test_labels_that_cannot_be_saved_hold_up_another_video(opened, said, tmp_path, monkeypatch):
    other = tmp_path / "other.tif"
    tifffile.imwrite(other, np.zeros((5, Y, X), np.uint8))
    with monkeypatch.context() as patched:
        patched.setattr(_label_writer.annotations, "write_label", full_disk)
        paint(opened, 3)
        opened.bench.open_video(other)
        assert opened.bench.state.running is None
    assert set(labels_on_disk(opened)) == {3}


def test_a_stroke_whose_write_has_just_failed_is_written_on_closing(opened, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(_label_writer.annotations, "write_label", full_disk)
        paint(opened, 3)
        assert not opened.bench.keeper.flush()
    folder = opened.bench.study.experiment.folder
    opened.bench.close()
    with Experiment.open(folder) as experiment:
        assert experiment.labels_or_none().frames == (3,)


def test_a_stroke_on_a_frame_that_is_not_looked_at_is_saved(opened):
    layer = opened.bench.keeper.layer
    opened.bench.display.go_to(2)
    layer.paint([5, 20, 30], 1)
    layer.data_setitem((np.array([7, 7]), np.array([1, 2]), np.array([3, 3])), 2)
    assert set(labels_on_disk(opened)) == {5, 7}
    layer.undo()
    assert set(labels_on_disk(opened)) == {5}


def test_a_frame_whose_strokes_are_undone_is_not_labelled(opened):
    paint(opened, 3)
    assert set(labels_on_disk(opened)) == {3}
    opened.bench.keeper.layer.undo()
    assert labels_on_disk(opened) == {}
    assert opened.bench.keeper.labelled == ()


def test_undo_on_another_frame_is_noticed(opened):
    paint(opened, 3)
    assert set(labels_on_disk(opened)) == {3}
    opened.bench.display.go_to(8)
    opened.bench.keeper.layer.undo()
    assert labels_on_disk(opened) == {}


def test_a_frame_can_be_marked_as_free_of_defects(opened, qtbot):
    opened.bench.display.go_to(5)
    opened.sections["label"].empty.click()
    assert not labels_on_disk(opened)[5].any()
    paint(opened, 5)
    opened.sections["label"].clear.click()
    assert labels_on_disk(opened) == {}


def test_only_touched_frames_are_written(opened):
    for index in (2, 6):
        paint(opened, index)
    opened.bench.keeper.flush()
    store = opened.bench.study.experiment.labels_or_none()
    before = (store.path / "c.2.0.0").stat().st_mtime_ns
    paint(opened, 6, 2)
    opened.bench.keeper.flush()
    assert (store.path / "c.2.0.0").stat().st_mtime_ns == before


def test_list_of_labelled_frames_leads_to_them(opened, qtbot):
    for index in (2, 9):
        paint(opened, index)
    opened.bench.keeper.flush()
    table = opened.sections["label"].table
    model = table.model()
    qtbot.waitUntil(lambda: model.rowCount() == 2)
    assert [model.data(model.index(row, 0)) for row in range(2)] == ["2", "9"]
    table.clicked.emit(model.index(0, 0))
    assert opened.bench.display.index() == 2
    assert [place.row() for place in table.selectionModel().selectedRows()] == [0]


def test_labels_stay_on_the_source_when_the_trim_changes(opened, qtbot, said):
    opened.bench.display.go_to(6)
    opened.bench.keeper.layer.brush_size = 1
    opened.bench.keeper.layer.paint([6, 20, 30], 1)
    opened.bench.keeper.layer.paint([6, 50, 70], 2)
    apply_trim(opened, qtbot, Trim(top=5, left=10, height=40, width=50, first=4, last=10))
    assert opened.bench.state.video.shape == (7, 40, 50)
    assert opened.bench.keeper.labelled == (2,)
    assert opened.bench.keeper.mask(2)[15, 20] == 1
    assert opened.bench.keeper.mask(2).sum() == 1
    assert opened.bench.display.frame_number() == 6
    opened.bench.keeper.layer.brush_size = 1
    opened.bench.keeper.layer.paint([2, 0, 0], 1)
    paint(opened, 0)
    assert set(labels_on_disk(opened)) == {4, 6}
    apply_trim(opened, qtbot, Trim())
    assert opened.bench.keeper.labelled == (4, 6)
    drawn = np.argwhere(opened.bench.keeper.mask(6)).tolist()
    assert drawn == [[5, 10], [20, 30], [50, 70]]
    assert opened.bench.keeper.mask(6)[50, 70] == 2
    assert not said
    assert opened.sections["trim"].mark.text().strip() == "✓"


def test_a_frame_with_defects_outside_the_trim_stays_labelled(opened, qtbot, said):
    paint(opened, 6)
    small = Trim(top=30, left=40)
    apply_trim(opened, qtbot, small)
    opened.bench.display.go_to(6)
    paint(opened, 6, 2)
    assert (labels_on_disk(opened)[6] == 2).any()
    opened.sections["label"].clear.click()
    opened.bench.keeper.flush()
    qtbot.waitUntil(lambda: any("outside this field of view" in message for message in said))
    assert opened.bench.keeper.labelled == (6,)
    left = labels_on_disk(opened)[6]
    assert (left == 1).any()
    assert not left[30:, 40:].any()
    apply_trim(opened, qtbot, Trim())
    opened.bench.display.go_to(6)
    opened.sections["label"].clear.click()
    assert labels_on_disk(opened) == {}
    assert opened.bench.keeper.labelled == ()


def test_trim_is_drawn_and_typed(opened, viewer, qtbot):
    section = opened.sections["trim"]
    section.draw.setChecked(True)
    crop = viewer.layers["Crop"]
    section.boxes["top"].setValue(10)
    assert np.asarray(crop.data[0])[:, 0].min() == 9.5
    assert section.boxes["height"].value() == Y - 10  # the rectangle stays within the frame
    crop.data = [np.array([[4.5, 9.5], [4.5, 39.5], [24.5, 39.5], [24.5, 9.5]])]
    qtbot.waitUntil(lambda: section.boxes["left"].value() == 10)
    assert section.value() == Trim(top=5, left=10, height=20, width=30)
    crop.add([np.array([[-0.5, -0.5], [-0.5, 19.5], [9.5, 19.5], [9.5, -0.5]])], shape_type="rectangle")
    qtbot.waitUntil(lambda: len(crop.data) == 1)
    assert section.value() == Trim(top=0, left=0, height=10, width=20)
    section.draw.setChecked(False)
    assert names(viewer) == ["test 8.4μm", "Segmentation", "Labels"]
    assert all(layer.visible for layer in viewer.layers)


def test_frame_range_from_the_slider(opened):
    section = opened.sections["trim"]
    opened.bench.display.go_to(3)
    section.from_here.click()
    opened.bench.display.go_to(9)
    section.to_here.click()
    assert section.value() == Trim(first=3, last=9)


def test_stabilizing_fixes_the_field_of_view(opened, viewer, qtbot):
    opened.sections["stabilize"].form.set_value(
        opened.sections["stabilize"].form.value().model_copy(update={"method": "none"})
    )
    opened.sections["stabilize"].primary.click()
    idle(opened, qtbot)
    section = opened.sections["stabilize"]
    assert section.state_line.text().startswith("Drift up to 0.0 px")
    assert "All frames show the same 100 % of the frame, 80 x 60 px" in section.kept.text()
    section.compare.setChecked(True)
    assert "Kept field of view" in names(viewer)
    section.compare.setChecked(False)
    assert names(viewer) == ["test 8.4μm", "Segmentation", "Labels"]


def test_the_stabilized_video_is_not_written_over_the_source(opened, video_path, monkeypatch, said):
    before = video_path.read_bytes()
    dialog = "glissile.widgets.sections.stabilize.QFileDialog.getSaveFileName"
    monkeypatch.setattr(dialog, lambda *args: (str(video_path), ""))
    opened.sections["stabilize"].write.click()
    assert opened.bench.state.running is None
    assert said
    assert video_path.read_bytes() == before


def test_classes_are_edited_in_place(opened, qtbot):
    section = opened.sections["label"]
    section.classes.names[0].setText("perfect dislocation")
    section.classes.names[0].editingFinished.emit()
    section.classes.add.click()
    classes = opened.bench.study.experiment.document.classes
    assert [c.name for c in classes] == ["perfect dislocation", "stacking fault", "class 3"]
    layer = opened.bench.keeper.layer
    assert layer.get_color(3)[3] == 1
    section.classes.names[1].setText("Perfect  Dislocation")  # two classes of one name are refused
    section.classes.names[1].editingFinished.emit()
    assert section.classes.names[1].text() == "stacking fault"
    section.classes.names[1].setText("stacking\x1b fault")
    section.classes.names[1].editingFinished.emit()
    assert section.classes.names[1].text() == "stacking fault"
    section.classes.names[1].setText("Field of view")  # a column of the table
    section.classes.names[1].editingFinished.emit()
    assert section.classes.names[1].text() == "stacking fault"
    section.classes.chosen.emit(3)
    section.classes.remove.click()
    idle(opened, qtbot)
    assert [c.name for c in opened.bench.study.experiment.document.classes] == [
        "perfect dislocation",
        "stacking fault",
    ]


@pytest.mark.parametrize("agreed", [False, True])
def test_a_painted_class_is_removed_after_a_warning_that_says_what_it_costs(
    opened, qtbot, monkeypatch, agreed
):
    asked = []

    def answer(parent, title, question):
        asked.append(question)
        return QMessageBox.StandardButton.Yes if agreed else QMessageBox.StandardButton.No

    monkeypatch.setattr(QMessageBox, "question", answer)
    section = opened.sections["label"]
    labelled = opened.bench.keeper.labelled
    paint(opened, 2, 2)
    paint(opened, 3, 2)
    opened.bench.keeper.layer.paint([3, 40, 40], 1)
    section.classes.chosen.emit(2)
    section.classes.remove.click()
    idle(opened, qtbot)
    assert "stacking fault is painted on" in asked[0]
    assert "labelled frames" in asked[0]
    classes = [c.key for c in opened.bench.study.experiment.document.classes]
    keeper = opened.bench.keeper
    assert classes == (["dislocation"] if agreed else ["dislocation", "stacking_fault"])
    assert (2 in np.unique(keeper.mask(3))) is not agreed
    assert 3 in keeper.labelled
    if agreed:
        keeper.undo(3)  # of before, nothing of the removed class comes back
        assert 2 not in np.unique(keeper.mask(3))
        assert (2 in keeper.labelled) == (2 in labelled)
        assert len(list(opened.bench.study.experiment.backups_folder.glob("*.zip"))) >= 1


def test_a_class_is_hidden_and_shown_again_when_it_is_painted_with(opened):
    section, layer = opened.sections["label"], opened.bench.keeper.layer
    section.classes.eyes[1].click()
    assert layer.get_color(2)[3] == 0
    assert layer.get_color(1)[3] == 1
    section.classes.names[0].setText("line")
    section.classes.names[0].editingFinished.emit()
    assert not section.classes.eyes[1].isChecked()
    section.classes.chosen.emit(2)
    assert layer.get_color(2)[3] == 1
    assert section.classes.eyes[1].isChecked()


def test_number_keys_choose_the_class(opened, viewer):
    layer = opened.bench.keeper.layer
    keys = {str(key): action for key, action in layer.keymap.items()}
    keys["2"](layer)
    assert layer.selected_label == 2
    assert layer.mode == "paint"
    assert viewer.layers.selection.active is layer or viewer.layers.selection.active == layer


def test_importing_labels(opened, tmp_path, qtbot, said):
    folder = tmp_path / "masks"
    folder.mkdir()
    from skimage.io import imsave

    for number in (1, 21, 999):
        mask = np.zeros((Y, X), np.uint8)
        mask[10:14] = 2
        imsave(folder / f"m{number:04d}.png", mask, check_contrast=False)
    opened.sections["label"].import_from(folder, first=1, step=10)
    idle(opened, qtbot)
    assert opened.bench.keeper.labelled == (0, 2)
    assert (opened.bench.keeper.mask(2)[10:14] == 2).all()
    assert any("2 labelled frames imported; 1 belong to no frame" in message for message in said)


def fake_card(scores):
    return SimpleNamespace(
        weights_sha256="abc", scores=scores, scores_note="", classes=DEFAULT_CLASSES, frames=None
    )


def test_training_shows_curves_preview_and_scores(opened, qtbot, monkeypatch):
    for index in range(5):
        paint(opened, index)
    sent, chosen = [], []

    def training(function, folder, shown, resume, start):
        for epoch in range(1, 4):
            metrics = {
                "epoch": epoch,
                "loss": 1 / epoch,
                "tolerant_f_dislocation": 0.2 * epoch,
                "seconds_left": 70,
            }
            wish = yield Step(
                epoch, 3, f"Epoch {epoch} on the CPU", metrics, np.full((Y, X), 2, np.uint8), shown
            )
            if wish is not None:
                sent.append(wish)
        return "glissile"

    value = {"precision": 0.5, "recall": 0.6, "f": 0.55, "tolerant_f": 0.7}
    better = {**value, "tolerant_f": 0.8}
    card = fake_card({"holdout": {"dislocation": value}, "copy_nearest": {"dislocation": better}})
    monkeypatch.setattr(train_section, "in_child_process", training)
    monkeypatch.setattr(_jobs.workflow, "choose_model", lambda experiment, name: chosen.append(name))
    opened.bench.display.go_to(4)
    section = opened.sections["train"]
    qtbot.waitUntil(section.primary.isEnabled)
    monkeypatch.setattr(_study, "trained_card", lambda experiment: card)
    section.primary.click()
    assert opened.bench.state.running == "train"
    assert section.stop.isVisibleTo(section)
    assert not section.settings.isVisibleTo(section)
    assert opened.sections["label"].primary.isEnabled()
    idle(opened, qtbot)
    _, values = section.plot.curves["tolerant_f_dislocation"].getData()
    np.testing.assert_allclose(values, [0.2, 0.4, 0.6])
    assert section.plot.curves["tolerant_f_dislocation"].opts["symbolBrush"] == DEFAULT_CLASSES[0].color
    assert (opened.bench.display.masks[4] == 2).all()
    assert section.scores.rowCount() == 2
    assert section.scores.item(1, 0).text() == "dislocation (copied)"
    assert "Copying the nearest label scores better for dislocation:" in section.note.text()
    assert "dislocation 0.70" in section.state_line.text()
    assert chosen == ["glissile"]
    assert opened.sections["segment"].primary.property("next")


@pytest.fixture
def training(opened, qtbot, monkeypatch):
    """A training that was begun in the dock and takes steps until it is told to stop or cancelled."""
    paint(opened, 0)
    closed = []

    def endless(function, folder, shown, resume, start):
        try:
            for n in range(1, 10_000):
                if (yield Step(n, 10_000, f"step {n}")) == "stop":
                    return "glissile"
                time.sleep(0.005)
        finally:
            closed.append(True)

    monkeypatch.setattr(train_section, "in_child_process", endless)
    monkeypatch.setattr(_jobs.workflow, "choose_model", lambda experiment, name: None)
    section = opened.sections["train"]
    qtbot.waitUntil(section.primary.isEnabled)
    section.primary.click()
    qtbot.waitUntil(lambda: section.message.text().startswith("step"))
    yield section
    opened.bench.runner.cancel()
    idle(opened, qtbot)
    assert closed


def paused(section, qtbot):
    """Pause by the button, and wait until nothing happens any more; give what the section says."""
    section.pause.click()
    qtbot.wait(400)
    return section.message.text(), section.progress.value()


def test_long_work_can_be_paused_and_goes_on(training, opened, qtbot):
    assert training.pause.isVisibleTo(training)
    assert training.pause.text() == "Pause"
    said = paused(training, qtbot)
    assert said[0].startswith("Paused. step ")
    qtbot.wait(400)
    assert (training.message.text(), training.progress.value()) == said
    assert training.pause.text() == "Go on"
    assert opened.bench.state.running == "train"
    training.pause.click()
    assert training.pause.text() == "Pause"
    qtbot.waitUntil(lambda: training.progress.value() > said[1] + 5)
    assert training.message.text().startswith("step ")


def test_a_paused_training_can_be_stopped_and_kept(training, opened, qtbot, said):
    paused(training, qtbot)
    training.stop.click()
    idle(opened, qtbot)
    assert any("The network is trained" in message for message in said)


def test_a_paused_work_can_be_cancelled_and_the_next_is_not_paused(training, opened, qtbot):
    paused(training, qtbot)
    training.cancel.click()
    idle(opened, qtbot)
    assert not training.pause.isVisibleTo(training)
    training.primary.click()
    qtbot.waitUntil(lambda: training.progress.value() > 5)
    assert training.pause.text() == "Pause"


def test_a_paused_work_ends_with_the_dock(training, opened, qtbot):
    paused(training, qtbot)
    opened.bench.close()
    idle(opened, qtbot)


def segmenting(steps):
    """A stand-in for the network: masks with as many pixels of class 1 as the number of the frame."""

    def child(function, folder):
        for index in steps:
            mask = np.zeros((Y, X), np.uint8)
            mask.ravel()[:index] = 1
            yield Step(index + 1, T, f"Segmenting, frame {index}", preview=mask, frame=index)

    return child


@contextmanager
def pretended_network(dock, monkeypatch):
    monkeypatch.setattr(segmentation, "_model_hash", lambda experiment: "abc")
    monkeypatch.setattr(_study, "trained_card", lambda experiment: fake_card({}))
    dock.bench.set_models((), labels_read=True)
    yield


def test_segmenting_fills_layer_table_and_store(opened, qtbot, monkeypatch):
    rows = []
    opened.bench.state.row_added.connect(rows.append)
    with pretended_network(opened, monkeypatch):
        monkeypatch.setattr(segment_section, "in_child_process", segmenting(range(T)))
        opened.sections["segment"].primary.click()
        idle(opened, qtbot)
    assert [row["frame"] for row in rows] == list(range(T))
    assert opened.bench.state.table["dislocation_px"].tolist() == list(range(T))
    assert (opened.bench.display.masks[7] == 1).sum() == 7
    assert opened.sections["segment"].state_line.text() == f"All {T} frames segmented"
    assert opened.sections["measure"].primary.property("next")


def one_step():
    """A work that does nothing."""
    yield Step(0, 1, "")


def test_masks_of_another_crop_are_not_shown(opened, qtbot, monkeypatch):
    with pretended_network(opened, monkeypatch):
        monkeypatch.setattr(segment_section, "in_child_process", segmenting(range(T)))
        opened.sections["segment"].primary.click()
        idle(opened, qtbot)
        assert opened.bench.display.masks[7].any()
        apply_trim(opened, qtbot, Trim(top=5, height=40))
        assert not opened.bench.display.masks[7].any()
        opened.bench.runner.run("train", one_step, description="", on_done=lambda result: None)
        idle(opened, qtbot)  # after each work the masks are looked at anew
        assert opened.bench.display.masks[7].shape == (40, X)
        assert not opened.bench.display.masks[7].any()


def test_masks_are_shown_as_they_come_also_of_another_crop(opened, qtbot, monkeypatch):
    height, written, may_go_on = 40, threading.Event(), threading.Event()

    def child(function, folder):
        yield Step(1, T, "Segmenting, frame 0", preview=np.ones((height, X), np.uint8), frame=0)
        written.set()
        may_go_on.wait(30)

    with pretended_network(opened, monkeypatch):
        monkeypatch.setattr(segment_section, "in_child_process", segmenting(range(T)))
        opened.sections["segment"].primary.click()
        idle(opened, qtbot)
        apply_trim(opened, qtbot, Trim(top=5, height=height))
        opened.bench.set_models((), labels_read=True)
        opened.bench.show_prediction(0, np.full((height, X), 2, np.uint8))
        monkeypatch.setattr(segment_section, "in_child_process", child)
        opened.sections["segment"].primary.click()
        try:
            qtbot.waitUntil(lambda: written.is_set() and len(opened.bench.state.table) == 1)
            assert opened.bench.state.running == "segment"
            assert (opened.bench.display.masks[0] == 1).all()
            assert not opened.bench.display.masks[7].any()  # of the crop before
        finally:
            may_go_on.set()
        idle(opened, qtbot)


def test_nobody_paints_while_the_labels_are_renewed(opened, qtbot):
    layer, runner = opened.bench.keeper.layer, opened.bench.runner
    renewing, beside = ("opening", "trim", "stabilize", "label"), ("reading", "train", "segment", "measure")
    for stage, editable in (*((s, False) for s in renewing), *((s, True) for s in beside)):
        runner.run(stage, one_step, description=stage, on_done=lambda result: None)
        assert layer.editable is editable
        idle(opened, qtbot)
        assert layer.editable


def test_frames_are_counted_as_they_are_segmented(opened, qtbot, monkeypatch):
    may_end = threading.Event()

    def child(function, folder):
        yield from segmenting(range(5))(function, folder)
        may_end.wait(30)

    with pretended_network(opened, monkeypatch):
        monkeypatch.setattr(segment_section, "in_child_process", child)
        opened.sections["segment"].primary.click()
        line = opened.sections["segment"].state_line
        qtbot.waitUntil(lambda: line.text() == f"5 of {T} frames segmented")
        assert opened.bench.state.running == "segment"
        may_end.set()
        idle(opened, qtbot)


def test_what_is_segmented_stays_when_cancelled_and_comes_back(opened, qtbot, monkeypatch, video_path):
    with pretended_network(opened, monkeypatch):
        monkeypatch.setattr(segment_section, "in_child_process", segmenting(range(5)))
        opened.sections["segment"].primary.click()
        idle(opened, qtbot)
        assert opened.sections["segment"].state_line.text() == f"5 of {T} frames segmented"
        opened.bench.change("opening", lambda study: _study.refreshed(study.experiment), "again")
        idle(opened, qtbot)
    assert len(opened.bench.state.table) == 5
    assert opened.sections["segment"].state_line.text() == f"5 of {T} frames segmented"


def test_measuring_writes_and_says_where(opened, qtbot, monkeypatch):
    with pretended_network(opened, monkeypatch):
        monkeypatch.setattr(segment_section, "in_child_process", segmenting(range(T)))
        opened.sections["segment"].primary.click()
        idle(opened, qtbot)
        opened.sections["measure"].primary.click()
        idle(opened, qtbot)
    section = opened.sections["measure"]
    assert opened.bench.study.experiment.measurements_path.exists()
    assert "measurements.csv" in section.files.text()
    assert "dislocation: up to 0.2 % (frame 11)" in section.numbers.text()
    assert section.mark.text().strip() == "✓"
    renamed = DEFAULT_CLASSES[0].model_copy(update={"name": "line"})
    opened.bench.set_classes((renamed, *DEFAULT_CLASSES[1:]))
    idle(opened, qtbot)
    assert section.mark.text().strip() == ""
    opened.bench.set_classes(DEFAULT_CLASSES)
    idle(opened, qtbot)
    assert section.mark.text().strip() == "✓"


def test_a_useless_strain_log_is_refused_when_it_is_applied(opened, tmp_path, qtbot, said):
    log = tmp_path / "log.csv"
    log.write_text("time (s),load (N)\n0,1\n10,2\n", encoding="utf-8")
    fold = opened.header.calibration
    fold.log.setText(str(log))
    fold.apply.click()
    idle(opened, qtbot)
    assert "log.csv" in said[-1]
    assert "strain" in said[-1]
    assert opened.bench.study.experiment.document.calibration.strain_log is None


def test_removing_the_dock_gives_the_experiment_back(opened, viewer, qtbot):
    paint(opened, 3)
    folder, state = opened.bench.study.experiment.folder, opened.bench.state
    viewer.window.remove_dock_widget(opened)
    assert (state.experiment, state.source, state.video, state.shown) == (None, None, None, None)
    with Experiment.open(folder) as experiment:
        assert not experiment.read_only
        assert experiment.labels_or_none().frames == (3,)
    assert names(viewer) == []


def test_the_experiment_is_held_while_a_cancelled_work_still_writes(opened, viewer, qtbot):
    folder, state = opened.bench.study.experiment.folder, opened.bench.state
    writing, may_end = threading.Event(), threading.Event()

    def steps():
        writing.set()
        may_end.wait(30)
        yield Step(1, 1, "")

    opened.bench.runner.run("segment", steps, description="Segmenting", on_done=lambda result: None)
    qtbot.waitUntil(writing.is_set)
    viewer.window.remove_dock_widget(opened)
    qtbot.wait(200)
    try:
        with Experiment.open(folder) as experiment:
            assert experiment.read_only
        assert state.running == "segment"
    finally:
        may_end.set()
    qtbot.waitUntil(lambda: state.running is None)
    with Experiment.open(folder) as experiment:
        assert not experiment.read_only


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("no room for a texture")])
def test_what_cannot_be_shown_is_given_back(dock, video_path, viewer, qtbot, said, monkeypatch, error):
    def no_room(*arguments):
        raise error

    monkeypatch.setattr(_bench, "LabelKeeper", no_room)
    with qtbot.capture_exceptions() as raised:
        dock.bench.open_video(video_path)
        idle(dock, qtbot)
    if isinstance(error, MemoryError):
        assert f"the labels of {T} frames of {X} x {Y} px" in said[-1]
    else:
        assert raised[0][1] is error
    assert dock.bench.study is None
    assert not dock.sections["trim"].primary.isEnabled()
    with Experiment.open(video_path.with_name("test 8.4μm.glissile")) as experiment:
        assert not experiment.read_only


def test_previews_of_a_training_that_was_cancelled_go(opened, qtbot, monkeypatch):
    shown = threading.Event()

    def training(function, folder, index, resume, start):
        yield Step(1, 3, "Epoch 1", preview=np.full((Y, X), 2, np.uint8), frame=index)
        shown.wait(30)
        yield Step(2, 3, "Epoch 2")

    monkeypatch.setattr(train_section, "in_child_process", training)
    paint(opened, 0)
    section = opened.sections["train"]
    qtbot.waitUntil(section.primary.isEnabled)
    section.primary.click()
    qtbot.waitUntil(lambda: bool(opened.bench.display.masks[0].any()))
    section.cancel_requested.emit()
    shown.set()
    idle(opened, qtbot)
    assert not opened.bench.display.masks[0].any()


def test_the_cursor_of_the_curves_follows_the_video_as_recorded(opened, viewer, qtbot):
    apply_trim(opened, qtbot, Trim(first=4))
    state = opened.bench.state
    assert state.shown is state.video
    opened.bench.display.show_source(True)
    assert state.shown is state.source
    assert len(state.shown) == T
    opened.bench.display.show_source(False)
    assert state.shown is state.video


def test_second_opener_only_reads(viewer, dock, video_path, qtbot):
    with workflow.create(video_path, video_path.with_name("test 8.4μm.glissile")):
        dock.bench.open_video(video_path)
        idle(dock, qtbot)
        assert dock.bench.study.experiment.read_only
        assert dock.header.read_only.isVisibleTo(dock)
        assert not any(section.primary.isEnabled() for section in dock.sections.values())
        assert not dock.bench.keeper.layer.editable
        dock.bench.runner.run("reading", one_step, description="", on_done=lambda result: None)
        idle(dock, qtbot)
        assert not dock.bench.keeper.layer.editable


def test_dropped_video_is_offered_and_adopted(viewer, dock, video_path, qtbot):
    viewer.open(video_path, plugin="napari-glissile")
    qtbot.waitUntil(lambda: dock.header.offer.isVisibleTo(dock))
    assert video_path.name in dock.header.offer.text()
    dock.header.offer.click()
    idle(dock, qtbot)
    assert names(viewer) == ["test 8.4μm", "Segmentation", "Labels"]
    assert not dock.header.offer.isVisibleTo(dock)


def test_dropped_experiment_is_opened(viewer, dock, video_path, qtbot):
    folder = video_path.with_name("test 8.4μm.glissile")
    workflow.create(video_path, folder).close()
    viewer.open(folder, plugin="napari-glissile")
    qtbot.waitUntil(lambda: dock.bench.study is not None, timeout=20_000)
    assert dock.bench.study.experiment.folder == folder
    assert names(viewer) == ["test 8.4μm", "Segmentation", "Labels"]


def test_an_experiment_dropped_while_a_closed_dock_still_works_is_opened_after(
    viewer, dock, video_path, qtbot
):
    folder = video_path.with_name("test 8.4μm.glissile")
    workflow.create(video_path, folder).close()
    dock.bench.state.running = "segment"
    viewer.open(folder, plugin="napari-glissile")
    qtbot.wait(100)
    assert dock.bench.study is None
    dock.bench.state.running = None
    qtbot.waitUntil(lambda: dock.bench.study is not None, timeout=20_000)
    assert names(viewer) == ["test 8.4μm", "Segmentation", "Labels"]


def test_closing_a_dock_without_work_says_nothing_of_the_work_of_another(viewer, qtbot):
    state, may_end = ViewerState(), threading.Event()
    parents = QObject(), QObject()
    working, idle_one = (Runner(state, parent) for parent in parents)

    def steps():
        may_end.wait(30)
        yield Step(1, 1, "")

    working.run("segment", steps, description="Segmenting", on_done=lambda result: None)
    idle_one.close(lambda: None)
    assert state.running == "segment"
    may_end.set()
    qtbot.waitUntil(lambda: state.running is None)


def test_a_strain_log_that_has_gone_is_said_and_other_numbers_can_be_set(dock, video_path, tmp_path, qtbot):
    log = tmp_path / "log.csv"
    log.write_text("time (s),strain\n0,0.1\n100,0.2\n", encoding="utf-8")
    settings = StrainLogSettings(path=log.as_posix(), time_column="time", strain_column="strain")
    calibration = Calibration(seconds_per_frame=0.5, strain_log=settings)
    workflow.create(video_path, video_path.with_suffix(".glissile"), calibration=calibration).close()
    log.unlink()
    dock.bench.open_video(video_path)
    idle(dock, qtbot)
    (notice,) = dock.bench.study.notices
    assert notice.startswith("No strain is shown: ")
    assert "log.csv" in notice
    dock.header.calibration.set_value(calibration.model_copy(update={"nm_per_pixel": 2.5}))
    dock.header.calibration.apply.click()
    idle(dock, qtbot)
    assert dock.bench.study.experiment.document.calibration.nm_per_pixel == 2.5


def test_a_class_is_not_removed_under_a_work(opened, qtbot):
    table = opened.sections["label"].classes
    assert table.remove.isEnabled()
    opened.bench.state.running = "segment"
    assert not table.remove.isEnabled()
    opened.bench.state.running = None
    assert table.remove.isEnabled()


def test_a_write_that_takes_its_time_is_not_asked_for_again_and_again(opened, monkeypatch):
    writes, may_end = [], threading.Event()

    def slow_and_full(*arguments):
        writes.append(arguments)
        if len(writes) > 1:
            may_end.wait(30)
        full_disk()

    keeper = opened.bench.keeper
    with monkeypatch.context() as patched:
        patched.setattr(_label_writer.annotations, "write_label", slow_and_full)
        paint(opened, 3)
        assert not keeper.flush()
        for _ in range(5):
            keeper.save()
        may_end.set()
        keeper._writer.flush()
    assert len(writes) == 2


def test_dropping_the_open_experiment_changes_nothing(opened, viewer, qtbot):
    mine = opened.bench.keeper.layer
    viewer.open(opened.bench.study.experiment.folder, plugin="napari-glissile")
    qtbot.waitUntil(lambda: len(viewer.layers) == 3)
    assert names(viewer) == ["test 8.4μm", "Segmentation", "Labels"]
    assert viewer.layers["Labels"].name == mine.name
    assert mine in viewer.layers


def test_nothing_is_cut_off(opened, qtbot):
    for section in opened.sections.values():
        section.set_open(True)
    opened.header.calibration.set_open(True)
    qtbot.wait(50)
    assert opened.scroll.widget().width() <= opened.scroll.viewport().width()
    assert opened.scroll.minimumWidth() <= 420
    for button in opened.findChildren(QPushButton):
        if button.isVisibleTo(opened):
            assert button.width() >= button.minimumSizeHint().width(), button.text()


def test_closing_napari_saves_and_gives_the_experiment_back(opened, viewer, qtbot):
    folder = opened.bench.study.experiment.folder
    layer = opened.bench.keeper.layer
    layer.data[3, 10:12] = 1  # as from the console: no event tells of it
    opened.bench.display.go_to(3)
    viewer.close()

    def given_back():
        with Experiment.open(folder) as experiment:
            assert not experiment.read_only
            assert experiment.labels_or_none().frames == (3,)

    qtbot.waitUntil(given_back, timeout=5000)


def test_the_window_is_painted_only_once_all_layers_are_exchanged(opened, video_path, qtbot, monkeypatch):
    """Half of them, under the brush of a layer that had gone, ended the process."""
    display = type(opened.bench.display)
    painted = []

    def watched(call):
        def watching(self, *args):
            painted.append(opened.window().updatesEnabled())
            call(self, *args)

        return watching

    for name in ("show", "clear"):
        monkeypatch.setattr(display, name, watched(getattr(display, name)))
    other = video_path.with_name("other.tif")
    tifffile.imwrite(other, np.zeros((5, Y, X), np.uint8))
    opened.bench.open_video(other)
    idle(opened, qtbot)
    assert painted == [False, False]
    assert opened.window().updatesEnabled()
    monkeypatch.undo()
