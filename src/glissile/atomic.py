"""Files and folders that are either the old one or the new one, never half of each."""

import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# Windows refuses to replace a file that a virus scanner or an indexer holds open for a moment.
_REPLACE_ATTEMPTS = 10
_REPLACE_PAUSE_S = 0.05
_WRITING = ".writing-"
_REPLACED = ".replaced-"


def is_being_written(path: Path) -> bool:
    """Whether a file is the beginning of another one, and will have its name once it is whole."""
    return path.name.startswith(_WRITING)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on leaving without an error it becomes `path`.

    The temporary name keeps the suffix of `path`, so that writers which choose a format by suffix do the
    same. The file is flushed to disk before it is moved, and its new name after that. On an error the
    temporary file is removed and `path` is as it was.

    Parameters
    ----------
    path : Path
        File to write; its folder is created when missing.

    Yields
    ------
    Path
        Where to write the new content.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _beside(path)
    temporary.touch(exist_ok=False)
    try:
        yield temporary
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        replace(temporary, path)
        sync_folder(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 with line feeds to `path`, atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def replace(source: Path, target: Path) -> None:
    """Move `source` over `target`, tried again for half a second where another program holds `target` open.

    Raises
    ------
    PermissionError
        If `target` stays held.
    """
    for attempt in range(_REPLACE_ATTEMPTS):
        try:
            source.replace(target)
            return
        except PermissionError:
            if attempt == _REPLACE_ATTEMPTS - 1:
                raise
            time.sleep(_REPLACE_PAUSE_S)


def sync_folder(folder: Path) -> None:
    """Flush the names in `folder` to disk, where the system knows of that: Windows does not."""
    with suppress(OSError):
        entries = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(entries)
        finally:
            os.close(entries)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; on leaving without an error it becomes `path`.

    A folder cannot replace another in one step, so the old one is moved aside first and removed last; a
    crash between the two leaves it as `.replaced-NAME`, from which `recover_folder` brings it back.

    Parameters
    ----------
    path : Path
        Folder to write.

    Yields
    ------
    Path
        An empty folder to fill.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _beside(path)
    temporary.mkdir()
    try:
        yield temporary
        recover_folder(path)
        aside = _aside(path)
        if path.exists():
            replace(path, aside)
        replace(temporary, path)
        sync_folder(path.parent)
        shutil.rmtree(aside, ignore_errors=True)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        recover_folder(path)
        raise


def recover_folder(path: Path) -> None:
    """Undo or finish a `replacing_folder` that was cut short: `path` is whole afterwards, or absent."""
    aside = _aside(path)
    if not aside.exists():
        return
    if path.exists():
        shutil.rmtree(aside)
    else:
        replace(aside, path)


def remove_folder(path: Path) -> None:
    """Remove a folder with all it holds; it is gone from its place at once, or stays whole.

    Raises
    ------
    OSError
        If it cannot be moved away, because a program holds it open.
    """
    aside = _beside(path)
    replace(path, aside)
    shutil.rmtree(aside, ignore_errors=True)  # what is left is tidied up later


def tidy(folder: Path) -> None:
    """Recover or remove what a killed process left half done in `folder`; nothing where it is missing.

    Only for a folder that nobody is writing to: what is being written would be lost.
    """
    for aside in folder.glob(f"{_REPLACED}*"):
        recover_folder(folder / aside.name.removeprefix(_REPLACED))
    for left in folder.glob(f"{_WRITING}*"):
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            with suppress(OSError):  # held open by a virus scanner; there is a next time
                left.unlink()


def _beside(path: Path) -> Path:
    # Not by `tempfile`, whose files nobody but their owner may read: studies lie in shared folders.
    return path.with_name(f"{_WRITING}{secrets.token_hex(6)}{path.suffix}")


def _aside(path: Path) -> Path:
    return path.with_name(f"{_REPLACED}{path.name}")
