"""Labels imported, exported and compared in a real napari."""

from dataclasses import replace

import numpy as np
import pytest
import tifffile
from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QApplication, QWidget

from glissile import workflow
from glissile.defects import DEFAULT_CLASSES
from glissile.io.label_formats import FORMATS, read_labels
from glissile.video import Trim
from glissile.widgets.sections import compare_labels, export_labels
from glissile.widgets.sections.compare_labels import CompareLabelsDialog, compared_text
from glissile.widgets.sections.export_labels import ExportLabelsDialog
from glissile.widgets.sections.import_labels import ImportLabelsDialog, imported_text

SHAPE = (8, 40, 50)
TRIM = Trim(top=10, left=5, height=24, width=40, first=2)


def line(row):
    mask = np.zeros(SHAPE[1:], np.uint8)
    mask[row, 10:40] = 1
    return mask


@pytest.fixture
def folders(tmp_path):
    """Two experiments on one video; they differ in frame 6, and the second has frame 3 beside."""
    tifffile.imwrite(tmp_path / "video.tif", np.random.default_rng(0).integers(0, 255, SHAPE, np.uint8))
    made = []
    for name, rows in (("first", {4: 20, 6: 15}), ("second", {4: 20, 6: 30, 3: 20})):
        with workflow.create(tmp_path / "video.tif", tmp_path / name, settings={"trim": TRIM}) as experiment:
            for frame, row in rows.items():
                experiment.labels().write(frame, line(row))
            made.append(experiment.folder)
    return made


@pytest.fixture
def open_bench(bench, folders, qtbot):
    bench.open_folder(folders[0])
    qtbot.waitUntil(lambda: bench.study is not None and bench.state.running is None, timeout=60_000)
    return bench


@pytest.fixture
def parent(viewer):
    """A window of which nothing is left before the viewer looks for what was."""
    widget = QWidget()
    yield widget
    widget.deleteLater()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)


def ended(bench, qtbot):
    qtbot.waitUntil(lambda: bench.state.running is None, timeout=60_000)


@pytest.fixture
def said(monkeypatch):
    messages = []
    monkeypatch.setattr(export_labels, "show_info", messages.append)
    return messages


def test_a_file_or_a_folder_may_be_imported(parent, tmp_path, monkeypatch):
    dialog = ImportLabelsDialog(parent)
    ok = dialog.buttons.button(dialog.buttons.StandardButton.Ok)
    assert not ok.isEnabled()
    (tmp_path / "a.json").touch()
    dialog.place.path.setText(str(tmp_path / "a.json"))
    assert ok.isEnabled()
    dialog.place.path.setText(str(tmp_path / "b.json"))
    assert not ok.isEnabled()
    dialog.place.path.setText(str(tmp_path))
    dialog.place.first.setValue(1)
    dialog.place.step.setValue(7.5)
    assert ok.isEnabled()
    assert dialog.value() == (tmp_path, 1, 7.5)


def test_all_that_became_of_an_import_is_said():
    taken = workflow.ImportedLabels((1, 2), 1, ("a",), ("b", "c"), 3, left_out=1, doubt="labels numbered so")
    text = imported_text(taken)
    for part in (
        "2 labelled frames imported; 1 lay between two frames",
        "2 belong to no frame of the video",
        "3 were left out, as their frames are labelled already",
        "1 are of frames that are trimmed away",
        ". Number of the first frame or step between frames are probably wrong: labels numbered so",
    ):
        assert part in text
    assert imported_text(workflow.ImportedLabels((1,), 0, (), (), 0)) == "1 labelled frames imported"
    other = workflow.ImportedLabels((1,), 0, (), (), 0, other_video="b is an experiment on another video")
    assert imported_text(other).endswith(". Mind: b is an experiment on another video")


def test_the_name_of_an_export_follows_the_format_and_says_what_is_in_its_way(parent, tmp_path):
    dialog = ExportLabelsDialog(tmp_path / "8.4um.glissile", parent)
    for index, kind in enumerate(FORMATS):
        dialog.format.setCurrentIndex(index)
        assert dialog.value() == (tmp_path / f"8.4um labels{kind.suffix}", kind)
        assert dialog.export.isEnabled()
        assert dialog.note.text() == ""
    dialog.target.setText(str(tmp_path))
    (tmp_path / "thesis.tex").touch()
    dialog.format.setCurrentIndex(0)
    assert not dialog.export.isEnabled()
    assert "not an empty folder; choose another name" in dialog.note.text()
    coco = next(index for index, kind in enumerate(FORMATS) if kind.name == "coco")
    dialog.format.setCurrentIndex(coco)
    for name, content in (("mine.json", "{}"), ("a.json", '{"labelled_frames": []}')):
        (tmp_path / name).write_text(content)
    dialog.target.setText(str(tmp_path / "mine.json"))
    assert not dialog.export.isEnabled()
    assert "no export of labels; choose another name" in dialog.note.text()
    dialog.target.setText(str(tmp_path / "a.json"))
    assert dialog.export.isEnabled()
    assert dialog.note.text() == "The file that is there is replaced."
    dialog.target.setText(str(tmp_path / "a.txt"))
    assert not dialog.export.isEnabled()


def test_a_suffix_that_fits_stays_as_it_was_given(parent, tmp_path, monkeypatch):
    dialog = ExportLabelsDialog(tmp_path / "a.glissile", parent)
    formats = {kind.name: index for index, kind in enumerate(FORMATS)}
    for kind, chosen, expected in (
        ("stack", "x.tiff", "x.tiff"),
        ("stack", "x.TIF", "x.TIF"),
        ("stack", "x", "x.tif"),
        ("zarr", "x.zarr", "x.zarr"),
        ("coco", "x.tif", "x.tif.json"),
    ):
        dialog.format.setCurrentIndex(formats[kind])
        monkeypatch.setattr(
            export_labels.QFileDialog, "getSaveFileName", lambda *given, at=chosen: (str(tmp_path / at), "")
        )
        dialog._choose()
        assert dialog.value()[0] == tmp_path / expected
    dialog.format.setCurrentIndex(formats["stack"])
    dialog.target.setText(str(tmp_path / "x.tiff"))
    dialog.format.setCurrentIndex(formats["coco"])
    assert dialog.value()[0] == tmp_path / "x.json"


def test_nothing_is_exported_into_an_experiment(parent, tmp_path):
    dialog = ExportLabelsDialog(tmp_path / "a.glissile", parent)
    dialog.target.setText(str(tmp_path / "a.glissile" / "labels.zarr" / "new"))
    assert not dialog.export.isEnabled()
    assert "is of the experiment a.glissile" in dialog.note.text()
    dialog.target.setText(str(tmp_path / "out.csv"))
    assert not dialog.export.isEnabled()


def test_labels_are_exported_with_the_stroke_that_was_just_drawn(open_bench, qtbot, said, tmp_path):
    keeper = open_bench.keeper
    keeper.mark(1)
    kind = next(kind for kind in FORMATS if kind.name == "coco")
    export_labels.export_to(open_bench, tmp_path / "a.json", kind)
    ended(open_bench, qtbot)
    assert list(read_labels(tmp_path / "a.json", DEFAULT_CLASSES)) == [
        "first_0003",
        "first_0004",
        "first_0006",
    ]
    assert said == [f"3 labelled frames exported to {tmp_path / 'a.json'}"]


def test_an_export_asks_for_its_place(open_bench, qtbot, said, parent, monkeypatch):
    monkeypatch.setattr(ExportLabelsDialog, "exec", lambda dialog: dialog.DialogCode.Accepted)
    export_labels.ask_and_export(open_bench, parent)
    ended(open_bench, qtbot)
    target = open_bench.study.experiment.folder.with_name("first labels")
    assert sorted(p.name for p in target.iterdir()) == ["first_0004.png", "first_0006.png"]
    monkeypatch.setattr(ExportLabelsDialog, "exec", lambda dialog: dialog.DialogCode.Rejected)
    export_labels.ask_and_export(open_bench, parent)
    assert len(said) == 1


@pytest.fixture
def compared(open_bench, folders, parent, qtbot):
    dialog = CompareLabelsDialog(open_bench, parent)
    assert not dialog.compare.isEnabled()
    dialog.place.path.setText(str(folders[1]))
    dialog.compare.click()
    assert not dialog.compare.isEnabled()
    ended(open_bench, qtbot)
    qtbot.waitUntil(lambda: dialog.frames.count() > 0)
    return dialog


def test_two_annotators_are_compared(compared):
    assert compared.told.text() == "Labelled by both: 2; 1 there only"
    headers = [compared.table.horizontalHeaderItem(n).text() for n in range(5)]
    assert headers == ["class", "kappa", "F", "F (2 px)", "length"]
    cells = [[compared.table.item(row, n).text() for n in range(5)] for row in range(2)]
    assert cells[0][0] == "dislocation"
    assert cells[0][2:] == ["0.500", "0.500", "+0.0%"]
    assert cells[1] == ["stacking fault", "-", "-", "-", "-"]
    assert compared.compare.isEnabled()


def test_a_comparison_with_another_video_is_said_to_be_one(compared):
    found = compared._compared
    assert "Mind" not in compared_text(found)
    other = replace(found, other_video="b is an experiment on another video")
    assert compared_text(other).endswith(". Mind: b is an experiment on another video")


def test_a_frame_is_gone_to_and_differences_are_asked_for(compared, qtbot):
    assert [compared.frames.item(n).text() for n in range(2)] == [
        "frame 6: 100% beyond 2 px",
        "frame 4: 0% beyond 2 px",
    ]
    with qtbot.waitSignal(compared.frame_chosen) as chosen:
        compared.frames.itemClicked.emit(compared.frames.item(0))
    assert chosen.args == [6]
    with qtbot.waitSignal(compared.differences_asked_for) as asked:
        compared.show_differences.click()
    mask = asked.args[0].difference(6)
    assert mask.shape == (24, 40)
    assert set(np.unique(mask)) - {0} <= set(compare_labels.DIFFERENCE_COLORS)
    assert np.count_nonzero(mask) == 60


def test_another_study_empties_the_comparison(compared, open_bench, folders, qtbot):
    open_bench.open_folder(folders[1])
    qtbot.waitUntil(lambda: compared.frames.count() == 0, timeout=60_000)
    ended(open_bench, qtbot)
    assert compared.told.text() == ""
    assert not compared.show_differences.isEnabled()


def test_labels_that_cannot_be_compared_leave_an_empty_list(open_bench, parent, qtbot, tmp_path, monkeypatch):
    errors = []
    monkeypatch.setattr("glissile.widgets._worker.show_error", errors.append)
    dialog = CompareLabelsDialog(open_bench, parent)
    (tmp_path / "a.txt").touch()
    dialog.place.path.setText(str(tmp_path / "a.txt"))
    dialog.compare.click()
    ended(open_bench, qtbot)
    assert any("labels are read from PNG" in error for error in errors)
    assert dialog.frames.count() == 0
    assert dialog.compare.isEnabled()
