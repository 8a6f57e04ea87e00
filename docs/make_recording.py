"""Records how lines are traced in the real program, as a short film for the documentation.

    python docs/make_recording.py --video twip-2um/video.mp4 --masks twip-2um/masks --stem 0650 --frame 65

The frame is one that a person has labelled: the lines that are traced are the longest of that label, clicked
at their ends and every 60 px, on a copy of the video in a folder that is deleted afterwards.
"""

import argparse
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from make_screenshots import SIZE_PX, until
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QWidget
from skimage.graph import MCP_Geometric
from skimage.measure import label
from skimage.morphology import skeletonize

from glissile.defects import DEFAULT_CLASSES
from glissile.io.annotations import read_mask_folder

_CLICK_EVERY_PX = 60
_MOVES = 5  # of the pointer from one click to the next
_ZOOM = 1.7  # over the whole frame
_FRAME_MS, _LAST_MS = 140, 2000
_COLORS = 128
_POINTER = ((0, 0), (0, 16), (4, 12), (7, 18), (9, 17), (7, 11), (12, 11))


def courses(mask: NDArray[np.uint8], value: int, count: int) -> list[NDArray[np.int_]]:
    """Give the longest lines of a class, each as pixels (n, 2) along it."""
    pieces = label(mask == value, connectivity=2)
    found = []
    for piece in range(1, int(pieces.max()) + 1):
        skeleton = skeletonize(pieces == piece)
        start = tuple(np.argwhere(skeleton)[0])
        for _ in range(2):
            ways = MCP_Geometric(np.where(skeleton, 1.0, np.inf))
            lengths, _ = ways.find_costs([start])
            end = np.unravel_index(np.where(np.isfinite(lengths), lengths, -1).argmax(), lengths.shape)
            course, start = ways.traceback(end), tuple(end)
        found.append(np.asarray(course))
    return sorted(found, key=len, reverse=True)[:count]


class Film:
    """Pictures of the canvas, with the pointer where the mouse is."""

    def __init__(self, viewer: Any, canvas: QWidget) -> None:
        self._viewer, self._canvas = viewer, canvas
        self.at = QPoint(0, 0)
        self.pictures: list[Image.Image] = []

    def take(self, times: int = 1) -> None:
        """Take a picture, shown for so many times the usual while."""
        QTest.qWait(60)
        image = Image.fromarray(self._viewer.screenshot(flash=False, canvas_only=True)[..., :3])
        corners = [(self.at.x() + x, self.at.y() + y) for x, y in _POINTER]
        ImageDraw.Draw(image).polygon(corners, fill="white", outline="black")
        self.pictures += [image] * times

    def save(self, path: Path) -> None:
        """Write all pictures as GIF."""
        colors = self.pictures[-1].quantize(_COLORS, method=Image.Quantize.MAXCOVERAGE)
        first, *others = (p.quantize(palette=colors, dither=Image.Dither.NONE) for p in self.pictures)
        durations = [_FRAME_MS] * len(others) + [_LAST_MS]
        first.save(path, save_all=True, append_images=others, duration=durations, loop=0, optimize=True)


def on_screen(viewer: Any, layer: Any, canvas: QWidget, frame: int, y: float, x: float) -> QPoint:
    """Where a place of a frame lies on the canvas."""
    world = np.asarray(layer.data_to_world((frame, y, x)))[-2:]
    camera = viewer.scene.camera
    middle = np.array([canvas.height(), canvas.width()]) / 2
    down, right = (world - np.asarray(camera.center)[-2:]) * camera.zoom + middle
    return QPoint(round(right), round(down))


def trace(film: Film, viewer: Any, dock: Any, canvas: QWidget, course: NDArray[np.int_]) -> None:
    """Trace one line with the mouse."""
    layer, frame = dock.bench.keeper.layer, dock.bench.display.working_index()
    n = max(round(len(course) / _CLICK_EVERY_PX), 1) + 1
    for place in course[np.linspace(0, len(course) - 1, n).round().astype(int)]:
        to = on_screen(viewer, layer, canvas, frame, *place)
        begun = film.at
        for k in range(1, _MOVES + 1):
            film.at = begun + (to - begun) * k / _MOVES
            QTest.mouseMove(canvas, film.at)
            film.take()
        QTest.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=to)
        film.take(2)
    QTest.keyClick(canvas, Qt.Key.Key_Return)
    film.take(3)


def record(video: Path, mask: NDArray[np.uint8], frame: int, output: Path) -> None:
    """Open a video in napari, trace lines on a frame of it, and save how that looked."""
    import napari

    viewer = napari.Viewer()
    viewer.window.resize(*SIZE_PX)
    _, dock = viewer.window.add_plugin_dock_widget("napari-glissile", "Glissile")
    bench = dock.bench
    bench.open_video(video)
    until(lambda: bench.study is not None and bench.state.running is None, what="opening the video")
    bench.display.go_to_working(frame)
    section = dock.sections["label"]
    for other in dock.sections.values():
        other.set_open(other is section)
    viewer.reset_view()
    canvas = next(w for w in QApplication.allWidgets() if type(w).__name__.startswith("CanvasBackend"))
    film = Film(viewer, canvas)
    section.primary.click()
    lines = np.argwhere(mask).mean(axis=0)
    viewer.scene.camera.center = bench.keeper.layer.data_to_world((frame, *lines))[-2:]
    viewer.scene.camera.zoom *= _ZOOM
    film.at = QPoint(canvas.width() // 2, canvas.height() // 2)
    film.take(3)
    section.tools.buttons["T"].click()
    film.take(3)
    for value, count in ((1, 3), (2, 2)):
        bench.keeper.layer.selected_label = value
        for course in courses(mask, value, count):
            trace(film, viewer, dock, canvas, course)
    film.take(6)
    film.save(output)
    viewer.close()


def main() -> None:
    """Read the command line and record."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--video", type=Path, required=True)
    parser.add_argument("--masks", type=Path, required=True, help="folder of index images")
    parser.add_argument("--stem", required=True, help="of the mask whose lines are traced")
    parser.add_argument("--frame", type=int, required=True, help="index along t of that frame in the video")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "images" / "tracing.gif")
    asked = parser.parse_args()
    mask = read_mask_folder(asked.masks, DEFAULT_CLASSES)[asked.stem]
    with tempfile.TemporaryDirectory(prefix="glissile-", ignore_cleanup_errors=True) as temporary:
        os.environ["NAPARI_CONFIG"] = str(Path(temporary) / "settings.yaml")  # nobody's own settings
        copy = Path(temporary) / asked.video.name
        copy.write_bytes(asked.video.read_bytes())
        record(copy, mask, asked.frame, asked.output)
    print(f"film in {asked.output}")


if __name__ == "__main__":
    main()
