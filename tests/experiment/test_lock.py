import os
from pathlib import Path

import pytest

from glissile.errors import InputError
from glissile.experiment import Experiment
from glissile.experiment.lock import StudyLock


def test_who_does_not_hold_the_lock_cannot_give_it_back(tmp_path):
    first, second = StudyLock(tmp_path), StudyLock(tmp_path)
    assert first.acquire() is None
    assert second.acquire().endswith(f", process {os.getpid()}")
    second.release()
    assert (tmp_path / ".lock.json").exists()
    assert StudyLock(tmp_path).acquire().endswith(f", process {os.getpid()}")
    first.release()
    assert second.acquire() is None
    second.release()


def test_a_note_that_cannot_be_removed_keeps_no_lock(tmp_path, monkeypatch):
    first = StudyLock(tmp_path)
    first.acquire()

    def held(path, **options):
        raise PermissionError("a virus scanner reads it")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", held)
        first.release()
    second = StudyLock(tmp_path)
    assert second.acquire() is None
    second.release()


def test_no_study_is_made_where_another_is_being_made(tmp_path, source):
    folder = tmp_path / "a.glissile"
    folder.mkdir()
    other = StudyLock(folder)
    other.acquire()
    with pytest.raises(InputError, match=f"held by .*, process {os.getpid()}"):
        Experiment.create(folder, source=source)
    assert not (folder / "experiment.toml").exists()
    other.release()
    Experiment.create(folder, source=source).close()
