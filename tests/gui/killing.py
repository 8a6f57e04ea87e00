"""Kills painters in the middle of their work, and looks at what they left."""

import os
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from glissile.errors import InputError
from glissile.experiment import Experiment

PAINTER = Path(__file__).with_name("painter.py")
_STARTS_WITHIN_S = 120


@dataclass(frozen=True)
class Left:
    """What was left of the labels after one kill.

    Attributes
    ----------
    changes : int
        How often a mask was changed before.
    lost : int
        How many of these changes are not on disk.
    lost_s : float
        How long before the kill the earliest of them was made; 0 where none was lost.
    unreadable : int
        Frames that cannot be read, or show what was never painted; of a frame that was just being changed
        it is not known what was painted.
    """

    changes: int
    lost: int
    lost_s: float
    unreadable: int


@contextmanager
def warm_painters() -> Iterator[subprocess.Popen[str]]:
    """Start what begins painters on the bare layer quickly; POSIX only."""
    with subprocess.Popen(
        [sys.executable, PAINTER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        assert server.stdin is not None
        assert server.stdout.readline() == "ready\n"
        yield server
        server.stdin.close()


def killed_on_the_layer(server: subprocess.Popen[str], folder: Path, paint_s: float) -> Left:
    """Let a painter work for `paint_s` seconds on the layer of the experiment `folder`, then kill it."""
    assert server.stdin is not None
    assert server.stdout is not None
    log, before = folder.with_suffix(".log"), checksums(folder)
    log.unlink(missing_ok=True)
    server.stdin.write(f"{folder}\t{log}\n")
    server.stdin.flush()
    painter = int(server.stdout.readline())
    _until_painting(log)
    time.sleep(paint_s)
    killed_at = time.time()
    os.kill(painter, signal.SIGKILL)
    with suppress(ProcessLookupError):
        while True:
            os.kill(painter, 0)
            time.sleep(0.005)
    return left(folder, log, before, killed_at)


def killed_in_the_window(video: Path, paint_s: float) -> Left:
    """Let a painter work for `paint_s` seconds in napari on the experiment of `video`, then kill it."""
    folder = video.with_suffix(".glissile")
    log, before = folder.with_suffix(".log"), checksums(folder)
    log.unlink(missing_ok=True)
    with subprocess.Popen([sys.executable, PAINTER, video, log], stderr=subprocess.DEVNULL) as process:
        try:
            _until_painting(log)
            time.sleep(paint_s)
        finally:
            killed_at = time.time()
            process.kill()
    return left(folder, log, before, killed_at)


def left(folder: Path, log: Path, before: list[int | None], killed_at: float) -> Left:
    """Compare the labels in `folder` with what the painter saw, after `before` was there."""
    seen = [[(0.0, checksum)] for checksum in before]
    lines = [line for line in log.read_text("ascii").splitlines(keepends=True) if line.endswith("\n")]
    changes, changing = 0, None
    for line in lines:  # of which the last may have been cut short
        *at, frame = line.split()[:2]
        if not at:
            changing = int(frame)
            continue
        seen[int(frame)].append((float(at[0]), int(line.split()[2])))
        changes, changing = changes + 1, None
    unreadable, missing = 0, []
    for frame, (known, checksum) in enumerate(zip(seen, checksums(folder), strict=True)):
        places = [place for place, (_, then) in enumerate(known) if then == checksum]
        if checksum is not None and not places and frame == changing:
            continue
        if checksum is None or not places:
            unreadable += 1
        else:
            missing += [killed_at - at for at, _ in known[places[-1] + 1 :]]
    return Left(changes, len(missing), max((*missing, 0.0)), unreadable)


def checksums(folder: Path) -> list[int | None]:
    """CRC-32 of the mask of each frame of an experiment that must open for writing; None where damaged."""
    found: list[int | None] = []
    with Experiment.open(folder) as experiment:
        assert not experiment.read_only
        store = experiment.labels()
        assert not [path for path in store.path.iterdir() if path.name.startswith(".writing")]
        for frame in range(store.shape[0]):
            try:
                found.append(zlib.crc32(store.read(frame)))
            except InputError:
                found.append(None)
    return found


def _until_painting(log: Path) -> None:
    deadline = time.monotonic() + _STARTS_WITHIN_S
    while not log.exists() or not log.stat().st_size:
        assert time.monotonic() < deadline
        time.sleep(0.01)
