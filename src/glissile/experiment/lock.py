"""One writer per study."""

import json
import os
import socket
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from glissile import atomic

_UNKNOWN_HOLDER = "another program"


class StudyLock:
    """Lock on an experiment folder, held by the operating system until it is released or the process dies.

    A note beside the lock names the holder; it informs, it does not lock, so what a killed process leaves
    behind blocks nobody. Two objects exclude each other in one process, too: each keeps the document in
    memory, and the second to write would undo what the first wrote.

    Parameters
    ----------
    folder : Path
        Experiment folder.
    """

    def __init__(self, folder: Path) -> None:
        self._lock = FileLock(folder / ".lock", thread_local=False)
        self._note = folder / ".lock.json"

    def acquire(self) -> str | None:
        """Take the lock without waiting.

        Returns
        -------
        str or None
            None if it is held now, otherwise who holds it: "host, process 123".

        Raises
        ------
        OSError
            If the folder cannot be written to.
        """
        try:
            self._lock.acquire(blocking=False)
        except Timeout:
            return self._holder()
        note = {
            "host": socket.gethostname(),
            "process": os.getpid(),
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        try:
            atomic.write_text(self._note, json.dumps(note))
        except BaseException:
            self._lock.release()
            raise
        return None

    def release(self) -> None:
        """Let others write; does nothing where the lock is not held."""
        if self._lock.is_locked:
            with suppress(OSError):  # it informs only, and on Windows someone may just read it
                self._note.unlink(missing_ok=True)
            self._lock.release()

    def _holder(self) -> str:
        try:
            note = json.loads(self._note.read_text(encoding="utf-8"))
            return f"{note['host']}, process {note['process']}"
        except (OSError, ValueError, KeyError, TypeError):
            return _UNKNOWN_HOLDER
