"""What is lost of labels when the program is killed while someone paints.

    python benchmarks/kills.py [--kills 100] [--window 10]

Painters change the masks of an experiment every 15 ms at random (strokes, fills, whole masks, removals, undo,
redo), and write down when, and a checksum of the frame. Each is killed (SIGKILL, or as Windows ends
processes) at a moment of chance, within 2 s. Then the experiment is opened as after any crash, every frame is
read, and compared with what was written down. Printed are, for painters in the whole window of napari
(`--window`) and for those on the bare Labels layer (POSIX only): changes that were made, those that are not
on disk, how long before the kill the oldest of these was made, and frames that cannot be read or show what
was never painted. The window needs a display.
"""

import argparse
import os
import random
import sys
import tempfile
from pathlib import Path

import numpy as np
import tifffile

from glissile import workflow

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "gui"))

from killing import Left, killed_in_the_window, killed_on_the_layer, warm_painters

_FRAMES, _HEIGHT, _WIDTH = 8, 362, 700
_LONGEST_S = 2.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--window", type=int, default=10, help="how many of them in the window of napari")
    asked = parser.parse_args()
    in_window = asked.window if hasattr(os, "fork") else asked.kills
    print(f"{'':10} {'kills':>6} {'changes':>8} {'lost':>6} {'oldest lost (s)':>16} {'unreadable':>11}")
    with tempfile.TemporaryDirectory() as folder:
        video = Path(folder) / "video.tif"
        rng = np.random.default_rng(0)
        tifffile.imwrite(video, rng.integers(0, 255, (_FRAMES, _HEIGHT, _WIDTH), dtype=np.uint8))
        experiment = video.with_suffix(".glissile")
        workflow.create(video, experiment).close()
        show("window", [killed_in_the_window(video, _moment()) for _ in range(in_window)])
        if in_window < asked.kills:
            with warm_painters() as server:
                n = asked.kills - in_window
                show("layer", [killed_on_the_layer(server, experiment, _moment()) for _ in range(n)])


def show(where: str, found: list[Left]) -> None:
    if found:
        print(
            f"{where:10} {len(found):6} {sum(one.changes for one in found):8} "
            f"{sum(one.lost for one in found):6} {max(one.lost_s for one in found):16.3f} "
            f"{sum(one.unreadable for one in found):11}",
            flush=True,
        )


def _moment() -> float:
    return random.uniform(0, _LONGEST_S)


if __name__ == "__main__":
    main()
