"""Restoring labels of an experiment, from the library and from the command line."""

import numpy as np
import pytest

from commands import glissile
from glissile import workflow
from glissile.defects import DEFAULT_CLASSES, DefectClass
from glissile.errors import InputError
from glissile.experiment import Experiment, Source

Y, X = 12, 16
TWIN = DefectClass(value=3, name="twin", color="#009e73")


def mask(value):
    return np.full((Y, X), value, np.uint8)


def content(experiment):
    store = experiment.labels()
    return {frame: int(store.read(frame)[0, 0]) for frame in store.frames}


@pytest.fixture
def folder(tmp_path):
    """An experiment that was opened with frames 1 (1) and 2 (3), then had 2 (2) and 5 (1) in their place."""
    video = tmp_path / "v.mp4"
    video.write_bytes(b"a video")
    source = Source.of(video, frames=20, height=Y, width=X)
    classes = (*DEFAULT_CLASSES, TWIN)
    with Experiment.create(tmp_path / "v.glissile", source=source, classes=classes) as made:
        made.labels().write(1, mask(1))
        made.labels().write(2, mask(3))
    with Experiment.open(made.folder) as opened:
        opened.labels().remove(1)
        opened.labels().write(2, mask(2))
        opened.labels().write(5, mask(1))
    return made.folder


def test_restoring_can_be_taken_back(folder):
    with Experiment.open(folder, read_only=True) as opened:
        assert [backup.frames for backup in workflow.label_backups(opened)] == [(1, 2)]
    with Experiment.open(folder) as opened:
        now, then = workflow.label_backups(opened)
        assert workflow.backup_difference(opened, now) == workflow.BackupDifference((), (), ())
        assert workflow.backup_difference(opened, then) == workflow.BackupDifference((5,), (1,), (2,))
        opened.labels().write(7, mask(1))
        done = workflow.restore_labels(opened, then)
        assert done.frames == (1, 2)
        assert done.before.frames == (2, 5, 7)
        assert content(opened) == {1: 1, 2: 3}
        assert workflow.restore_labels(opened, done.before).before is not None
        assert content(opened) == {2: 2, 5: 1, 7: 1}


@pytest.mark.parametrize(
    ("classes", "name"),
    [
        (DEFAULT_CLASSES, "twin"),
        ((*DEFAULT_CLASSES, TWIN.model_copy(update={"value": 4})), "twin 3"),
        ((*DEFAULT_CLASSES, TWIN.model_copy(update={"name": "microtwin"})), "microtwin"),
    ],
)
def test_classes_that_are_painted_come_back(folder, classes, name):
    with Experiment.open(folder) as opened:
        opened.update(classes=classes)
        done = workflow.restore_labels(opened, workflow.label_backups(opened)[-1])
        values = {c.value: c.name for c in opened.document.classes}
        assert values[3] == name
        assert [c.name for c in done.classes] == ([] if name == "microtwin" else [name])
        assert len(opened.document.classes) == len(classes) + len(done.classes)


def test_a_class_that_comes_back_is_none_that_was_added_since(folder):
    with Experiment.open(folder) as opened:
        opened.update(classes=DEFAULT_CLASSES)
        value = opened.document.highest_class_value + 1
        crack = DefectClass(value=value, name="crack", color="#ff0000")
        opened.update(classes=(*DEFAULT_CLASSES, crack))
        done = workflow.restore_labels(opened, workflow.label_backups(opened)[-1])
        assert done.classes == (TWIN,)
        assert opened.document.classes == (*DEFAULT_CLASSES, crack, TWIN)


def test_classes_that_are_not_painted_stay_away(folder):
    with Experiment.open(folder) as opened:
        opened.update(classes=DEFAULT_CLASSES)
        assert not workflow.restore_labels(opened, workflow.label_backups(opened)[0]).classes
        assert opened.document.classes == DEFAULT_CLASSES


def test_a_damaged_backup_leaves_all_as_it_is(folder):
    with Experiment.open(folder) as opened:
        chosen = workflow.label_backups(opened)[-1]
        packed = bytearray(chosen.path.read_bytes())
        packed[packed.index(b"c.1.0.0") + 20] ^= 255
        chosen.path.write_bytes(packed)
        before = sorted(path.name for path in folder.rglob("*"))
        with pytest.raises(InputError, match="damaged; choose another"):
            workflow.restore_labels(opened, chosen)
        assert content(opened) == {2: 2, 5: 1}
        assert sorted(path.name for path in folder.rglob("*")) == before


@pytest.mark.parametrize("what", ["pathlib.Path.write_bytes", "os.fsync", "glissile.atomic.replace"])
def test_a_disk_that_is_full_leaves_the_labels_as_they_are(folder, monkeypatch, what):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    with Experiment.open(folder) as opened:
        opened.labels().write(7, mask(1))
        chosen = workflow.label_backups(opened)[-1]
        with monkeypatch.context() as patched:
            patched.setattr(what, full)
            with pytest.raises(InputError, match="stay as they are"):
                workflow.restore_labels(opened, chosen)
        assert content(opened) == {2: 2, 5: 1, 7: 1}
        assert workflow.restore_labels(opened, chosen).frames == (1, 2)


def test_nothing_is_restored_where_what_is_there_cannot_be_backed_up(folder, monkeypatch):
    with Experiment.open(folder) as opened:
        opened.labels().write(7, mask(1))
        chosen = workflow.label_backups(opened)[-1]

        def full():
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(opened, "back_up_labels", full)
        with pytest.raises(InputError, match="stay as they are"):
            workflow.restore_labels(opened, chosen)
        assert content(opened) == {2: 2, 5: 1, 7: 1}


def test_a_second_opener_restores_nothing(folder):
    with Experiment.open(folder), Experiment.open(folder) as second:
        chosen = workflow.label_backups(second)[-1]
        with pytest.raises(InputError, match="is held by"):
            workflow.restore_labels(second, chosen)


def test_backups_are_listed_and_restored_from_the_command_line(folder):
    listed = glissile("labels", "backups", folder)
    assert listed.code == 0
    assert listed.out.count("\n") == 1
    assert "2 labelled frames" in listed.out
    name = listed.out.split()[0]
    restored = glissile("labels", "restore", folder, name)
    assert restored.code == 0, restored.err
    assert "labels restored: 2 labelled frames" in restored.out
    with Experiment.open(folder, read_only=True) as opened:
        assert content(opened) == {1: 1, 2: 3}
    assert glissile("labels", "backups", folder).out.count("\n") == 2
    missing = glissile("labels", "restore", folder, "labels-1999")
    assert missing.code == 2
    assert 'there is no backup "labels-1999"' in missing.err


def test_no_backup_is_said(tmp_path):
    (tmp_path / "v.mp4").write_bytes(b"a video")
    source = Source.of(tmp_path / "v.mp4", frames=20, height=Y, width=X)
    Experiment.create(tmp_path / "v.glissile", source=source).close()
    assert "no backup" in glissile("labels", "backups", tmp_path / "v.glissile").out
