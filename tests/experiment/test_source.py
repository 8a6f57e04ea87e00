import pytest

from glissile.errors import InputError
from glissile.experiment import Source
from glissile.experiment.source import fingerprint

MIB = 1 << 20


def write_sparse(path, size, marks=()):
    with path.open("wb") as file:
        file.truncate(size)
        for where in marks:
            file.seek(where)
            file.write(b"x")
    return path


@pytest.mark.parametrize("size", [0, 1, MIB, 3 * MIB, 3 * MIB + 1, 40 * MIB])
def test_a_change_at_the_start_middle_or_end_is_noticed(tmp_path, size):
    plain = fingerprint(write_sparse(tmp_path / "a.mp4", size))
    assert plain[0] == size
    if size:
        for mark in (0, size // 2, size - 1):
            assert fingerprint(write_sparse(tmp_path / "b.mp4", size, [mark])) != plain
    assert fingerprint(write_sparse(tmp_path / "b.mp4", size)) == plain
    assert fingerprint(write_sparse(tmp_path / "b.mp4", size + 1))[1] != plain[1]


def test_a_folder_of_frames_is_known_by_its_images_only(tmp_path):
    folder = tmp_path / "8.4μm"
    folder.mkdir()
    for i in range(5):
        (folder / f"{i}.PNG").write_bytes(bytes([i]) * 10)
    known = fingerprint(folder)
    assert known[0] == 50
    for name in ("Thumbs.db", ".DS_Store", "notes.txt", "._0.PNG", "5.bmp"):
        (folder / name).write_bytes(b"x")
    assert fingerprint(folder) == known
    (folder / "4.PNG").write_bytes(bytes([9]) * 10)
    assert fingerprint(folder) != known
    (folder / "4.PNG").rename(folder / "5.PNG")
    assert fingerprint(folder)[0] == 50
    (folder / "4.PNG").write_bytes(bytes([4]) * 10)
    assert fingerprint(folder)[0] == 60


def test_paths_are_absolute_and_written_with_forward_slashes(tmp_path, monkeypatch):
    (tmp_path / "a b").mkdir()
    (tmp_path / "a b" / "μ.mp4").write_bytes(b"1")
    monkeypatch.chdir(tmp_path / "a b")
    from pathlib import Path

    source = Source.of(Path("..") / "a b" / "μ.mp4", frames=1, height=2, width=3)
    assert source.path == (tmp_path / "a b" / "μ.mp4").as_posix()
    assert source.seen_from(tmp_path / "study.glissile").relative_path == "../a b/μ.mp4"


def test_another_drive_has_no_relative_path(tmp_path, monkeypatch):
    (tmp_path / "a.mp4").write_bytes(b"1")
    source = Source.of(tmp_path / "a.mp4", frames=1, height=2, width=3)

    def other_drive(*_):
        raise ValueError("path is on mount 'D:', start on mount 'C:'")

    monkeypatch.setattr("os.path.relpath", other_drive)
    assert source.seen_from(tmp_path).relative_path is None


def test_a_missing_video_is_said_so(tmp_path):
    with pytest.raises(InputError, match=r"gone.mp4: there is no such file or folder; check"):
        Source.of(tmp_path / "gone.mp4", frames=1, height=2, width=3)
