"""Takes the screenshots of the documentation from the real program.

    make screenshots                                                    # docs/images/sample.png
    python docs/make_screenshots.py --experiment study.glissile --name study-finished [--training]
    python docs/make_screenshots.py --experiment twip-2um.glissile --name twip-2um-motion --below motion
    python docs/make_screenshots.py --experiment twip-2um.glissile --name twip-2um-kymograph --below kymograph
    python docs/make_screenshots.py --generator --name generator

Every picture is of a copy of the experiment, under napari's default settings, and shows the frame on which
all classes cover most together. `--training` starts a training and takes the picture after its first quarter.
`--below` shows the motion or the kymographs below the video, in place of the curves. `--generator` shows the
bundled generator, which has random weights, half way along a walk.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from qtpy.QtCore import QSettings
from qtpy.QtTest import QTest

from glissile.quantify.measure import FRAME, fraction_column
from glissile.widgets.motion import MotionDock

REPOSITORY = Path(__file__).resolve().parents[1]
SIZE_PX = (1600, 1000)
_COLORS = 256  # of the palette that makes the files small
_LOOK_EVERY_MS = 100
_PICTURES_WORKING = 5
_TRAINED = 0.25  # of the epochs


def until(condition: Callable[[], bool], *, minutes: float = 2.0, what: str) -> None:
    """Let Qt work until a condition is met.

    Raises
    ------
    TimeoutError
        If that takes longer than `minutes`.
    """
    deadline = time.monotonic() + 60 * minutes
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {minutes:g} minutes in vain: {what}")
        QTest.qWait(_LOOK_EVERY_MS)


def sample_experiment() -> Path:
    """Give the finished study of the bundled sample; work through it where that is not done yet."""
    folder = REPOSITORY / "demo.glissile"
    if not (folder / "measurements.csv").exists():
        subprocess.run([sys.executable, "-m", "glissile", "demo", str(folder)], check=True)
    return folder


def take(
    experiment: Path, picture: Path, *, below: str, training: bool, theme: str, font_scale: float
) -> None:
    """Open an experiment in napari and save what its window shows.

    Parameters
    ----------
    experiment : Path
        Finished experiment folder; it is changed by a training.
    picture : Path
        PNG file to write.
    below : str
        What is shown below the video: "curves", "motion" or "kymograph".
    training : bool
        Train anew, and take the picture meanwhile.
    theme : str
        "dark" or "light".
    font_scale : float
        Font size over napari's own.
    """
    viewer = open_napari(theme, font_scale)
    _, dock = viewer.window.add_plugin_dock_widget("napari-glissile", "Glissile")
    viewer.open(experiment, plugin="napari-glissile")
    bench = dock.bench
    if below == "curves":
        until(lambda: len(bench.state.table) > 0, what=f"the curves of {experiment.name}")
    until(lambda: bench.state.running is None, what=f"opening {experiment.name}")
    bench.display.go_to_working(telling_frame(bench))
    if training:
        train_partly(dock)
    if below != "curves":
        show_motion(viewer, dock, kymograph=below == "kymograph")
    viewer.reset_view()
    save_picture(viewer, picture, working=training)
    bench.runner.cancel()
    until(lambda: bench.state.running is None, what="the training to end")
    viewer.close()


def take_generator(picture: Path, *, theme: str, font_scale: float) -> None:
    """Walk through the bundled generator in napari and save what its window shows half way.

    Parameters
    ----------
    picture : Path
        PNG file to write.
    theme : str
        "dark" or "light".
    font_scale : float
        Font size over napari's own.
    """
    viewer = open_napari(theme, font_scale)
    _, dock = viewer.window.add_plugin_dock_widget("napari-glissile", "Microstructure generator")
    dock.network.sample.click()
    until(lambda: "Generated" in viewer.layers, what="the sample")
    for section in dock.sections:
        section.set_open(section in (dock.samples, dock.walk))
    dock.state.set_keys(tuple(dock.state.seeded(seed) for seed in (2, 5, 7)))
    dock.walk.show_walk.click()
    until(lambda: dock.walk.layer.frames is not None, what="the walk")
    until(lambda: dock.walk.layer.frames.ready == len(dock.walk.layer.frames), what="its frames")
    viewer.dims.set_current_step(0, len(dock.walk.layer.frames) // 2)
    viewer.reset_view()
    save_picture(viewer, picture, working=False)
    viewer.close()


def open_napari(theme: str, font_scale: float) -> Any:
    """Open a window of the size of all pictures."""
    import napari
    from napari.settings import get_settings

    appearance = get_settings().appearance
    appearance.theme = theme
    appearance.font_size = round(font_scale * appearance.font_size)
    viewer = napari.Viewer()
    viewer.window.resize(*SIZE_PX)
    return viewer


def save_picture(viewer: Any, picture: Path, *, working: bool) -> None:
    """Save what the window shows, in few colours."""
    image = Image.fromarray(settled_picture(viewer, working=working))
    image.quantize(_COLORS, dither=Image.Dither.NONE).save(picture, optimize=True)


def telling_frame(bench: Any) -> int:
    """Index along t of the frame on which all classes cover most together; the middle one before any does."""
    columns = [fraction_column(c) for c in bench.study.experiment.document.classes]
    table = bench.state.table
    if table.empty:
        return len(bench.study.video) // 2
    number = table.loc[table[columns].prod(axis=1).idxmax(), FRAME]
    return int(bench.study.video.index_of(int(number)))


def train_partly(dock: Any) -> None:
    """Start a training; come back when enough of its epochs are done to see how it goes."""
    section = dock.sections["train"]
    section.set_open(True)
    section.primary.click()
    epochs = section.form.value().epochs
    until(lambda: section.progress.value() >= _TRAINED * epochs, minutes=30, what="the training")
    dock.scroll.ensureWidgetVisible(section.plot)


def show_motion(viewer: Any, dock: Any, *, kymograph: bool) -> None:
    """Open the section on stabilization, and the motion or the kymographs below the video."""
    dock.sections["stabilize"].set_open(True)
    motion = next(w for w in viewer.window.dock_widgets.values() if isinstance(w, MotionDock))
    motion.parent().raise_()
    if kymograph:
        read: list[bool] = []
        motion.kymograph.read.connect(lambda: read.append(True))
        motion.lines.click()
        until(lambda: bool(read), what="the kymographs")


def settled_picture(viewer: Any, *, working: bool) -> NDArray[np.uint8]:
    """Take what the window shows, (y, x, 3), once it is at rest; while something works it never is quite."""
    pictures = [np.zeros(0)]

    def settled() -> bool:
        pictures.append(viewer.window.screenshot(flash=False, canvas_only=False)[..., :3])
        return len(pictures) > _PICTURES_WORKING if working else np.array_equal(*pictures[-2:])

    until(settled, what="the window is never at rest")
    return pictures[-1]


def main() -> None:
    """Read the command line and take the picture."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--generator", action="store_true", help="the dock with the bundled generator")
    parser.add_argument("--experiment", type=Path, help="finished experiment; default: the bundled sample")
    parser.add_argument("--name", default="sample", help="name of the picture, without .png")
    parser.add_argument("--below", choices=("curves", "motion", "kymograph"), default="curves")
    parser.add_argument("--training", action="store_true", help="picture while it trains anew")
    parser.add_argument("--theme", choices=("dark", "light"), default="dark")
    parser.add_argument("--font-scale", type=float, default=1.0)
    parser.add_argument("--folder", type=Path, default=REPOSITORY / "docs" / "images")
    asked = parser.parse_args()
    picture = asked.folder / f"{asked.name}.png"
    with tempfile.TemporaryDirectory(prefix="glissile-", ignore_cleanup_errors=True) as temporary:
        os.environ["NAPARI_CONFIG"] = str(Path(temporary) / "settings.yaml")  # nobody's own settings
        QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, temporary)
        if asked.generator:
            take_generator(picture, theme=asked.theme, font_scale=asked.font_scale)
            return
        experiment = asked.experiment or sample_experiment()
        copy = Path(shutil.copytree(experiment, Path(temporary) / experiment.name))
        take(
            copy,
            picture,
            below=asked.below,
            training=asked.training,
            theme=asked.theme,
            font_scale=asked.font_scale,
        )


if __name__ == "__main__":
    main()
