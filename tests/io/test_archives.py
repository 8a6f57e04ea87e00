import stat
import struct
import warnings
import zipfile

import pytest

from glissile.errors import InputError
from glissile.io import archives
from glissile.io.archives import open_archive


def written(path, members, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a name that comes twice
        for info, content in members:
            archive.writestr(info, content)
    return path


def refused(path):
    with pytest.raises(InputError) as caught, open_archive(path):
        pass
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def linked(name="a.txt"):
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


def test_members_are_read_and_copied(tmp_path):
    path = written(tmp_path / "a.zip", [("folder/", b""), ("folder/a.txt", b"abc"), ("b..txt", b"d")])
    with open_archive(path) as archive:
        assert set(archive.members) == {"folder/a.txt", "b..txt"}
        assert archive.read("folder/a.txt", most_bytes=3) == b"abc"
        archive.copy("folder/a.txt", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"abc"


@pytest.mark.parametrize(
    "name",
    ["../a.txt", "a/../../b", "/etc/passwd", "C:/a.txt", "C:a.txt", "\\\\host\\share\\a", "a\\..\\..\\b"],
)
def test_names_that_lead_out_of_the_archive_are_refused(tmp_path, name):
    assert "outside of the archive" in refused(written(tmp_path / "a.zip", [(name, b"x")]))


def test_links_and_doubles_are_refused(tmp_path):
    assert "is a link" in refused(written(tmp_path / "a.zip", [(linked(), b"/etc/passwd")]))
    assert "comes twice" in refused(written(tmp_path / "b.zip", [("a", b"x"), ("a", b"y")]))


def test_uncommon_compression_is_refused(tmp_path):
    path = written(tmp_path / "a.zip", [("a", b"x" * 99)], method=zipfile.ZIP_LZMA)
    assert "uncommon way" in refused(path)


def test_encrypted_members_are_refused(tmp_path):
    path = written(tmp_path / "a.zip", [("a", b"x")])
    content = bytearray(path.read_bytes())
    at = content.index(b"PK\x01\x02") + 8  # the flags in the directory at the end
    content[at : at + 2] = struct.pack("<H", 1)
    path.write_bytes(content)
    assert "encrypted" in refused(path)


def test_too_many_members_are_refused(tmp_path):
    assert "1001 members" in refused(written(tmp_path / "a.zip", [(str(i), b"") for i in range(1001)]))


def test_what_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MOST_BYTES", 1 << 20)
    path = written(tmp_path / "a.zip", [(str(i), bytes(1 << 18)) for i in range(5)])
    assert path.stat().st_size < 1 << 14
    assert "4 GiB" in refused(path)


def test_a_member_larger_than_allowed_is_not_read(tmp_path):
    path = written(tmp_path / "a.zip", [("a", bytes(1000))])
    with open_archive(path) as archive, pytest.raises(InputError, match="1000 bytes and may have 999"):
        archive.read("a", most_bytes=999)


def test_a_size_that_is_a_lie_is_found_out(tmp_path):
    path = written(tmp_path / "a.zip", [("a", bytes(100_000))])
    content = bytearray(path.read_bytes())
    for at in (content.index(b"PK\x03\x04") + 22, content.index(b"PK\x01\x02") + 24):
        content[at : at + 4] = struct.pack("<I", 10)
    path.write_bytes(content)
    with open_archive(path) as archive, pytest.raises(InputError, match="a in it is damaged"):
        archive.read("a", most_bytes=10)


def test_a_missing_member_is_named(tmp_path):
    with (
        open_archive(written(tmp_path / "a.zip", [])) as archive,
        pytest.raises(InputError, match="b is miss"),
    ):
        archive.read("b", most_bytes=10)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"text"])
def test_what_is_no_zip_file_is_refused(tmp_path, content):
    (tmp_path / "a.zip").write_bytes(content)
    assert "not a whole zip file" in refused(tmp_path / "a.zip")


def test_a_damaged_member_is_one_sentence(tmp_path):
    path = written(tmp_path / "a.zip", [("a", bytes(range(256)) * 40)])
    content = bytearray(path.read_bytes())
    content[60] ^= 0xFF
    path.write_bytes(content)
    with open_archive(path) as archive, pytest.raises(InputError, match="a in it is damaged"):
        archive.read("a", most_bytes=1 << 20)
