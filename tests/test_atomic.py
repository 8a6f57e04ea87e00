import os
import stat
import sys

import pytest

from glissile import atomic


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def test_the_target_appears_only_when_it_is_whole(tmp_path):
    path = tmp_path / "new" / "a.csv"
    with atomic.replacing(path) as temporary:
        assert temporary.suffix == ".csv"
        assert temporary.parent == path.parent
        temporary.write_text("one", encoding="utf-8")
        assert not path.exists()
    assert path.read_text(encoding="utf-8") == "one"
    assert names(path.parent) == ["a.csv"]


def test_an_error_keeps_the_old_content(tmp_path):
    path = tmp_path / "a.txt"
    atomic.write_text(path, "old")

    def interrupted():
        with atomic.replacing(path) as temporary:
            temporary.write_text("half", encoding="utf-8")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text(encoding="utf-8") == "old"
    assert names(tmp_path) == ["a.txt"]


def test_a_file_is_on_disk_before_it_takes_the_place_of_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    atomic.write_text(path, "old")
    flush, seen = os.fsync, []

    def fsync(descriptor):
        flush(descriptor)
        seen.append(path.read_text(encoding="utf-8"))

    monkeypatch.setattr(os, "fsync", fsync)
    atomic.write_text(path, "new")
    assert seen == (["old"] if sys.platform == "win32" else ["old", "new"])  # and then its name
    assert path.read_text(encoding="utf-8") == "new"


def test_text_is_utf8_with_line_feeds(tmp_path):
    path = tmp_path / "8.4μm" / "a b.txt"
    atomic.write_text(path, "γ\n")
    assert path.read_bytes() == "γ\n".encode()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no permission bits")
def test_colleagues_may_read_what_is_written(tmp_path):
    mask = os.umask(0o022)
    try:
        atomic.write_text(tmp_path / "a.txt", "shared")
        with atomic.replacing_folder(tmp_path / "b"):
            pass
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o644
    assert stat.S_IMODE((tmp_path / "b").stat().st_mode) == 0o755


def test_replace_waits_for_a_file_held_open_for_a_moment(tmp_path, monkeypatch):
    from pathlib import Path

    held = iter([True, True, False])
    move = Path.replace

    def refuses_twice(self, target):
        if next(held):
            raise PermissionError
        return move(self, target)

    monkeypatch.setattr(Path, "replace", refuses_twice)
    monkeypatch.setattr("time.sleep", lambda _: None)
    atomic.write_text(tmp_path / "a.txt", "held")
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "held"


def test_a_folder_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "model"
    for content in ("old", "new"):
        with atomic.replacing_folder(path) as temporary:
            (temporary / f"{content}.txt").write_text(content, encoding="utf-8")
    assert names(path) == ["new.txt"]
    assert names(tmp_path) == ["model"]


def test_an_error_keeps_the_old_folder(tmp_path):
    path = tmp_path / "model"
    with atomic.replacing_folder(path) as temporary:
        (temporary / "old.txt").touch()

    def failing():
        with atomic.replacing_folder(path) as temporary:
            (temporary / "new.txt").touch()
            raise ValueError("half")

    with pytest.raises(ValueError, match="half"):
        failing()
    assert names(path) == ["old.txt"]
    assert names(tmp_path) == ["model"]


def test_an_error_between_the_two_moves_loses_no_folder(tmp_path, monkeypatch):
    path = tmp_path / "model"
    with atomic.replacing_folder(path) as temporary:
        (temporary / "old.txt").touch()
    move = atomic.replace

    def replace(source, target):
        if source.name.startswith(".writing-"):
            raise PermissionError("held by a virus scanner")
        move(source, target)

    monkeypatch.setattr(atomic, "replace", replace)
    with pytest.raises(PermissionError), atomic.replacing_folder(path) as temporary:
        (temporary / "new.txt").touch()
    atomic.recover_folder(path)
    assert names(path) == ["old.txt"]
    assert names(tmp_path) == ["model"]


def test_a_folder_moved_aside_by_a_killed_process_comes_back(tmp_path):
    aside = tmp_path / ".replaced-model"
    aside.mkdir()
    (aside / "old.txt").touch()
    (tmp_path / ".writing-abc").mkdir()
    (tmp_path / ".writing-abc" / "new.txt").touch()
    (tmp_path / ".writing-def.csv").touch()
    (tmp_path / "table.csv").touch()
    atomic.tidy(tmp_path)
    assert names(tmp_path) == ["model", "table.csv"]
    assert names(tmp_path / "model") == ["old.txt"]


def test_a_folder_moved_aside_is_removed_once_the_new_one_is_there(tmp_path):
    for name in (".replaced-model", "model"):
        (tmp_path / name).mkdir()
    (tmp_path / "model" / "new.txt").touch()
    atomic.tidy(tmp_path)
    assert names(tmp_path) == ["model"]
    assert names(tmp_path / "model") == ["new.txt"]


def test_there_is_nothing_to_tidy_in_a_missing_folder(tmp_path):
    atomic.tidy(tmp_path / "missing")


def test_a_folder_that_cannot_be_moved_into_place_leaves_the_old_one(tmp_path, monkeypatch):
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a").write_text("old")
    real = atomic.replace

    def held_open(source, target):
        if target.name == "labels" and not source.name.startswith(".replaced"):
            raise PermissionError("held open")
        real(source, target)

    monkeypatch.setattr(atomic, "replace", held_open)
    with pytest.raises(PermissionError), atomic.replacing_folder(tmp_path / "labels") as folder:
        (folder / "a").write_text("new")
    assert [path.name for path in tmp_path.iterdir()] == ["labels"]
    assert (tmp_path / "labels" / "a").read_text() == "old"
