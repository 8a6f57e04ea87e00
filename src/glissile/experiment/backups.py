"""Copies of the labels as they were: one zip archive each, of which the older ones make room."""

import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from glissile import atomic
from glissile.defects import DefectClass
from glissile.errors import InputError
from glissile.experiment.mask_store import MaskStore

# These many are kept: the latest ones, and the first of each of the latest days on which any was made.
LATEST = 10
DAYS = 14

_NAME = "labels-{}.zip"
_TIME = "%Y%m%dT%H%M%S%f"
_ABOUT = "labels.json"
_FOLDER = "labels.zarr/"
_CHUNK = re.compile(r"c\.(0|[1-9][0-9]{0,8})\.0\.0")
_DESCRIPTION = "zarr.json"
_MOST_TEXT_BYTES = 2**20
_ENCRYPTED = 0x1


class _About(BaseModel):
    """What a backup says of itself."""

    model_config = ConfigDict(extra="forbid")

    made_at: datetime
    shape: tuple[int, int, int]
    classes: tuple[DefectClass, ...]


@dataclass(frozen=True)
class Backup:
    """The labels of an experiment as they were once.

    Attributes
    ----------
    path : Path
        Zip archive with the folder `labels.zarr`, each file of it stored as it was.
    made_at : datetime, optional
        When, with time zone; None where `problem` says why it cannot be used.
    frames : tuple of int
        Numbers of the labelled frames in the source.
    n_bytes : int
        Size of the archive.
    classes : tuple of DefectClass
        What the values meant.
    checksums : mapping of int to int
        CRC-32 of the file of each frame.
    problem : str
        Why it cannot be used; empty where it can.
    """

    path: Path
    made_at: datetime | None
    frames: tuple[int, ...]
    n_bytes: int
    classes: tuple[DefectClass, ...] = ()
    checksums: Mapping[int, int] = field(default_factory=dict)
    problem: str = ""

    @property
    def name(self) -> str:
        """What it is called: the name of its file without the suffix."""
        return self.path.stem


def checksums(labels: Path) -> dict[int, int]:
    """CRC-32 of the file of each labelled frame in the store `labels`, to compare with a backup's."""
    return {frame: zlib.crc32(content) for frame, content in _frame_files(labels).items()}


def back_up(labels: Path, folder: Path, classes: Sequence[DefectClass]) -> Backup | None:
    """Copy the labels, unless the latest backup holds the same, and let older backups go.

    Parameters
    ----------
    labels : Path
        Folder of a `MaskStore`; nobody may write to it meanwhile.
    folder : Path
        Where backups are kept; made when missing.
    classes : sequence of DefectClass
        What the values in the masks mean.

    Returns
    -------
    Backup or None
        None where no frame is labelled, or nothing has changed.

    Raises
    ------
    OSError
        If the backup cannot be written; then there is none, and no older one goes.
    InputError
        If `labels` is no store of masks.
    """
    if not (labels / _DESCRIPTION).exists():
        return None
    content = _frame_files(labels)
    if not content:
        return None
    found = [backup for backup in listed(folder) if not backup.problem]
    if found and found[0].checksums == {frame: zlib.crc32(c) for frame, c in content.items()}:
        return None
    about = _About(
        made_at=datetime.now(UTC), shape=MaskStore.open(labels, read_only=True).shape, classes=tuple(classes)
    )
    path = _free_path(folder, about.made_at)
    with atomic.replacing(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        archive.writestr(zipfile.ZipInfo(_ABOUT), about.model_dump_json(indent=1))
        archive.writestr(zipfile.ZipInfo(_FOLDER + _DESCRIPTION), (labels / _DESCRIPTION).read_bytes())
        for frame, packed in sorted(content.items()):
            archive.writestr(zipfile.ZipInfo(f"{_FOLDER}c.{frame}.0.0"), packed)
    made = read_backup(path)
    _make_room([made, *found])
    return made


def listed(folder: Path) -> tuple[Backup, ...]:
    """List the backups in `folder`, the latest first, those that cannot be used among them."""
    names = sorted((path.name for path in folder.glob(_NAME.format("*"))), reverse=True)
    return tuple(read_backup(folder / name) for name in names)


def read_backup(path: Path) -> Backup:
    """Read what a backup holds, without its masks; one that cannot be used says why in `problem`."""
    try:
        with _opened(path) as opened:
            about, found = opened.about, {frame: info.CRC for frame, info in opened.frames.items()}
    except InputError as error:
        return Backup(path, None, (), 0, problem=str(error))
    return Backup(path, about.made_at, tuple(sorted(found)), path.stat().st_size, about.classes, found)


@contextmanager
def restoring(backup: Path, labels: Path, shape: tuple[int, int, int]) -> Iterator[MaskStore]:
    """Put the labels of a backup in place of those that there are, which stay as they are on any error.

    Parameters
    ----------
    backup : Path
        The archive.
    labels : Path
        Folder of the store to replace; it need not exist.
    shape : tuple of int
        (t, y, x) of the source.

    Yields
    ------
    MaskStore
        The labels of the backup, all of them read once; on leaving they take the place of the others.

    Raises
    ------
    InputError
        If the backup is damaged, or is of another video.
    OSError
        If the labels cannot be written or replaced.
    """
    with _opened(backup) as opened, atomic.replacing_folder(labels) as temporary:
        if opened.about.shape != shape:
            theirs, ours = (f"{t} frames of {y} x {x} px" for t, y, x in (opened.about.shape, shape))
            raise InputError(f"{backup.name}: is of a video of {theirs}, this one has {ours}")
        store = MaskStore.create(temporary, shape)
        for frame, info in opened.frames.items():
            try:
                packed = opened.archive.read(info)
                with atomic.replacing(temporary / f"c.{frame}.0.0") as written:
                    written.write_bytes(packed)
                store.read(frame)
            except (InputError, zipfile.BadZipFile, EOFError) as error:
                raise InputError(
                    f"{backup.name}: the mask of frame {frame} in it is damaged; choose another backup"
                ) from error
        yield store


@dataclass(frozen=True)
class _Opened:
    archive: zipfile.ZipFile
    about: _About
    frames: Mapping[int, zipfile.ZipInfo]


@contextmanager
def _opened(path: Path) -> Iterator[_Opened]:
    """Open an archive that holds nothing but what `back_up` writes, and no more than its size."""
    damaged = f"{path.name}: this backup is damaged; choose another one"
    try:
        archive = zipfile.ZipFile(path)
    except FileNotFoundError as error:
        raise InputError(f"{path}: there is no such backup; glissile labels backups lists them") from error
    except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise InputError(damaged) from error
    with archive:
        members = archive.infolist()
        as_stored = all(
            info.compress_type == zipfile.ZIP_STORED
            and info.file_size == info.compress_size
            and not info.flag_bits & _ENCRYPTED
            for info in members
        )
        if not as_stored or sum(info.file_size for info in members) > path.stat().st_size:
            raise InputError(damaged)
        try:
            text = archive.getinfo(_ABOUT)
            if text.file_size > _MOST_TEXT_BYTES:
                raise ValueError("too long")
            about = _About.model_validate_json(archive.read(text))
        except (KeyError, ValueError, zipfile.BadZipFile, EOFError) as error:
            raise InputError(damaged) from error
        named = ((_CHUNK.fullmatch(info.filename.removeprefix(_FOLDER)), info) for info in members)
        frames = {int(match[1]): info for match, info in named if match}
        if any(frame >= about.shape[0] for frame in frames) or about.made_at.tzinfo is None:
            raise InputError(damaged)
        yield _Opened(archive, about, frames)


def _frame_files(labels: Path) -> dict[int, bytes]:
    """Content of the file of each labelled frame."""
    frames = MaskStore.open(labels, read_only=True).frames
    return {frame: (labels / f"c.{frame}.0.0").read_bytes() for frame in frames}


def _free_path(folder: Path, made_at: datetime) -> Path:
    while (path := folder / _NAME.format(f"{made_at:{_TIME}}"[:-3])).exists():
        made_at += timedelta(milliseconds=1)
    return path


def _make_room(found: Sequence[Backup]) -> None:
    """Delete all but the latest backups and the first of each of the latest days; `found` begins latest."""
    first_of_day: dict[date, Backup] = {}
    for backup in found:
        if backup.made_at is not None:
            first_of_day[backup.made_at.astimezone().date()] = backup
    kept = {backup.path for backup in (*found[:LATEST], *list(first_of_day.values())[:DAYS])}
    for backup in found:
        if backup.path not in kept:
            with suppress(OSError):  # held open by a virus scanner; there is a next time
                backup.path.unlink()
