"""Waiting for the work of a dock."""

import numpy as np
import tifffile


def idle(dock, qtbot):
    """Wait until nothing runs."""
    qtbot.waitUntil(lambda: dock.bench.state.running is None, timeout=60_000)


def reopen(dock, qtbot):
    """Open another experiment, then the one of now again: from disk, and for writing."""
    folder = dock.bench.study.experiment.folder
    other = folder.with_name("another.tif")
    tifffile.imwrite(other, np.zeros((2, 16, 16), np.uint8))
    dock.bench.open_video(other)
    idle(dock, qtbot)
    dock.bench.open_folder(folder)
    idle(dock, qtbot)
    assert dock.bench.study.experiment.folder == folder
    assert not dock.bench.study.experiment.read_only
