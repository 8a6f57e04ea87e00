"""Paints on a video in a real napari, frame after frame, until it is killed; not a test itself."""

import sys
from pathlib import Path

import napari
from qtpy.QtCore import QTimer

from glissile.widgets.glissile_dock import GlissileDock


def main(video: Path) -> None:
    """Paint one stroke on every frame in turn; print the index of each frame that is saved."""
    viewer = napari.Viewer(show=False)
    dock = GlissileDock(viewer)
    viewer.window.add_dock_widget(dock, name="Glissile", area="right")
    timer = QTimer()
    index = 0

    def paint() -> None:
        nonlocal index
        keeper = dock.bench.keeper
        if keeper is None or dock.bench.state.running is not None:
            return
        if index == 0:
            keeper.saved.connect(lambda saved: print(saved, flush=True))
        index %= len(dock.bench.study.video)
        dock.bench.display.go_to(index)
        keeper.layer.paint([index, 20, 30], 1 + index % 2)
        index += 1

    timer.timeout.connect(paint)
    timer.start(20)
    dock.bench.open_video(video)
    napari.run()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
