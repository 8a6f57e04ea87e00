"""Zip archives of other people: checked before anything is read, and never unpacked by the names in them."""

import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

from glissile.errors import InputError

MOST_BYTES = 4 << 30
_MOST_MEMBERS = 1000
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_ENCRYPTED = 0x1
# What the standard library stumbles over in files made by hand.
_BROKEN = (zipfile.BadZipFile, EOFError, RuntimeError, ValueError, struct.error, zlib.error)


@dataclass(frozen=True)
class Archive:
    """An open zip archive, all of whose members may be read.

    Attributes
    ----------
    path : Path
        Of the file.
    members : mapping of str to ZipInfo
        By name; folders are left out.
    """

    path: Path
    opened: zipfile.ZipFile
    members: dict[str, zipfile.ZipInfo]

    def read(self, name: str, *, most_bytes: int) -> bytes:
        """Content of one member.

        Raises
        ------
        InputError
            If there is no such member, it is larger than `most_bytes`, or it is damaged.
        """
        with self._member(name, most_bytes) as member:
            return member.read()

    def copy(self, name: str, target: Path) -> None:
        """Write one member to the file `target`; raises as `read` does."""
        with self._member(name, MOST_BYTES) as member, target.open("wb") as written:
            shutil.copyfileobj(member, written)

    @contextmanager
    def _member(self, name: str, most_bytes: int) -> Iterator[IO[bytes]]:
        info = self.members.get(name)
        if info is None:
            raise InputError(f"{self.path}: {name} is missing in the archive; get the file again")
        if info.file_size > most_bytes:
            raise InputError(
                f"{self.path}: {name} has {info.file_size} bytes and may have {most_bytes}; it is not read"
            )
        damaged = f"{self.path}: {name} in it is damaged; get the file again"
        try:
            opened = self.opened.open(info)
        except (*_BROKEN, OSError) as problem:  # it may be said to begin before the file
            raise InputError(damaged) from problem
        with opened:
            try:
                yield opened
            except _BROKEN as problem:
                raise InputError(damaged) from problem


@contextmanager
def open_archive(path: Path, *, most_members: int = _MOST_MEMBERS) -> Iterator[Archive]:
    """Open a zip archive whose members are harmless by name, kind, number and size.

    Parameters
    ----------
    path : Path
        Zip file.
    most_members : int
        How many members it may have.

    Yields
    ------
    Archive
        Open until the context is left.

    Raises
    ------
    InputError
        If it is no whole zip file, has more than `most_members` members or 4 GiB, a member twice, encrypted
        or linked, or one whose name leads out of the archive.
    """
    with ExitStack() as stack:
        file = stack.enter_context(path.open("rb"))
        try:
            opened = stack.enter_context(zipfile.ZipFile(file))
        except (*_BROKEN, OSError) as problem:
            raise InputError(f"{path}: this is not a whole zip file; get the file again") from problem
        infos = opened.infolist()
        if len(infos) > most_members:
            raise InputError(
                f"{path}: the archive has {len(infos)} members, more than the {most_members} that a model "
                "may have; it is not read"
            )
        if sum(info.file_size for info in infos) > MOST_BYTES:
            raise InputError(f"{path}: the archive unpacks to more than 4 GiB; it is not read")
        members: dict[str, zipfile.ZipInfo] = {}
        for info in infos:
            strange = _strange(info, members)
            if strange:
                raise InputError(f"{path}: the member {info.filename!r} {strange}; the archive is not read")
            if not info.is_dir():
                members[info.filename] = info
        yield Archive(path, opened, members)


def _strange(info: zipfile.ZipInfo, before: dict[str, zipfile.ZipInfo]) -> str | None:
    """Say why a member is not read, if it is not."""
    posix, windows = PurePosixPath(info.filename), PureWindowsPath(info.filename)
    if ".." in windows.parts or posix.is_absolute() or windows.anchor:
        return "would lie outside of the archive"
    if not info.filename:
        return "has no name"
    if stat.S_ISLNK(info.external_attr >> 16):
        return "is a link"
    if info.filename in before:
        return "comes twice"
    if info.flag_bits & _ENCRYPTED:
        return "is encrypted"
    if info.compress_type not in _METHODS:
        return "is compressed in an uncommon way"
    return None
