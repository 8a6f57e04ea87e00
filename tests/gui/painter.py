"""Paints at random until it is killed or its strokes are done, in a real napari or on the bare Labels layer.

Not a test itself. Each change of a frame is two lines of a log: which frame is about to change, then when,
which frame, checksum of its mask.
"""

import os
import signal
import sys
import time
import zlib
from math import inf
from pathlib import Path

import napari
import numpy as np
from qtpy.QtCore import QCoreApplication, QObject, QTimer

from glissile.experiment import Experiment
from glissile.label import annotations
from glissile.video import Video
from glissile.widgets._label_keeper import LabelKeeper
from glissile.widgets.glissile_dock import GlissileDock

_EVERY_MS = 15
_ACTIONS = (*["stroke"] * 8, "fill", "put", "undo", "redo", "remove", "mark")


class Painter:
    """One who paints with a keeper, and writes down what he sees.

    Parameters
    ----------
    log : Path
        File to append to.
    """

    def __init__(self, log: Path) -> None:
        self._log = log.open("a", encoding="ascii")
        self._rng = np.random.default_rng()

    def act(self, keeper: LabelKeeper, frame: int) -> None:
        """Do something on `frame`."""
        layer, rng = keeper.layer, self._rng
        shape = layer.data.shape[1:]
        y, x = (int(rng.integers(n)) for n in shape)
        value, what = int(rng.integers(1, 3)), str(rng.choice(_ACTIONS))
        # It may be saved before it is written down what it was.
        self._log.write(f"{frame}\n")
        self._log.flush()
        if what == "stroke":
            layer.brush_size = int(rng.integers(1, 20))
            layer.paint([frame, y, x], value)
        elif what == "fill":
            layer.fill([frame, y, x], value)
        elif what == "put":
            keeper.put(frame, rng.integers(0, 3, shape).astype(np.uint8))
        elif what in ("undo", "redo"):
            getattr(keeper, what)(frame)
        else:
            getattr(keeper, what)(frame)
        checksum = zlib.crc32(np.ascontiguousarray(layer.data[frame]))
        self._log.write(f"{time.time()} {frame} {checksum}\n")
        self._log.flush()


def window(video: Path, log: Path, strokes: float = inf) -> None:
    """Paint in the window of napari, on every frame in turn; it is closed after the last of `strokes`."""
    viewer = napari.Viewer(show=strokes < inf)  # a window that was never seen ends nothing when it closes
    dock = GlissileDock(viewer)
    viewer.window.add_dock_widget(dock, name="Glissile", area="right")
    painter, timer, done = Painter(log), QTimer(), 0

    def paint() -> None:
        nonlocal done
        keeper = dock.bench.keeper
        if keeper is None or dock.bench.state.running is not None:
            return
        if done == strokes:
            timer.stop()
            viewer.window._qt_window.close()
            return
        frame = done % len(dock.bench.study.video)
        dock.bench.display.go_to(frame)
        if strokes < inf:
            keeper.layer.paint([frame, 20, 30], 1)
        else:
            painter.act(keeper, frame)
        done += 1

    timer.timeout.connect(paint)
    timer.start(_EVERY_MS)
    dock.bench.open_video(video)
    napari.run()


def bare(folder: Path, log: Path) -> None:
    """Paint on the Labels layer of an experiment, with no window around it."""
    loop, parent = QCoreApplication([]), QObject()
    experiment = Experiment.open(folder)
    store = experiment.labels()
    video = Video.from_frames(np.zeros(store.shape, np.uint8), name="v")
    indices = annotations.labelled_indices(store, video)
    masks = {index: annotations.read_label(store, video, index) for index in indices}
    keeper = LabelKeeper(experiment, store, video, masks, {}, parent)
    painter, timer = Painter(log), QTimer()

    def paint() -> None:
        frame = int(np.random.default_rng().integers(len(video)))
        keeper.show_frame(frame)
        painter.act(keeper, frame)

    timer.timeout.connect(paint)
    timer.start(_EVERY_MS)
    loop.exec()


def serve() -> None:
    """For each "FOLDER<tab>LOG" that is read, begin a process that paints, and print its number.

    Forking saves each of them the start of Python and napari, which takes longer than the painting.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the killed leave no zombies
    print("ready", flush=True)
    for line in sys.stdin:
        folder, log = line.rstrip("\n").split("\t")
        child = os.fork()
        if child == 0:
            bare(Path(folder), Path(log))
            os._exit(0)
        print(child, flush=True)


if __name__ == "__main__":
    if len(sys.argv) == 1:
        serve()
    else:
        window(Path(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:]))
