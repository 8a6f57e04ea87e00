"""Paints on a video in a real napari, until it is killed or its strokes are done; not a test itself."""

import sys
from math import inf
from pathlib import Path

import napari
from qtpy.QtCore import QTimer

from glissile.widgets.glissile_dock import GlissileDock


def main(video: Path, strokes: float = inf) -> None:
    """Paint one stroke on every frame in turn; print the index of each frame that is saved.

    The window is closed at once after the last of `strokes`, as by its cross.
    """
    viewer = napari.Viewer(show=strokes < inf)  # a window that was never seen ends nothing when it closes
    dock = GlissileDock(viewer)
    viewer.window.add_dock_widget(dock, name="Glissile", area="right")
    timer = QTimer()
    index = 0

    def paint() -> None:
        nonlocal index
        keeper = dock.bench.keeper
        if keeper is None or dock.bench.state.running is not None:
            return
        if index == strokes:
            timer.stop()
            viewer.window._qt_window.close()
            return
        if index == 0:
            keeper.saved.connect(lambda saved: print(saved, flush=True))
        frame = index % len(dock.bench.study.video)
        dock.bench.display.go_to(frame)
        keeper.layer.paint([frame, 20, 30], 1 + frame % 2)
        index += 1

    timer.timeout.connect(paint)
    timer.start(20)
    dock.bench.open_video(video)
    napari.run()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
