"""How well lines traced through a few clicks lie on those that people drew, beside straight segments.

The truth is the centre line of every piece of the hand labels, between its ends and junctions and at least
12 px long. The tracer is given its ends and so many points between them that none is farther along it than
the spacing; a point of the truth is met within 2 px. Straight segments through the same clicks are the
baseline; they are also given more and more clicks, until they meet as much. Milliseconds are those of one
line with all its clicks, on the frame as it is prepared once, by the shortest of three goes.

    python benchmarks/tracing.py
    python benchmarks/tracing.py --spacing 40 --every 4
"""

import argparse
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.morphology import skeletonize

from glissile.defects import DEFAULT_CLASSES
from glissile.io.annotations import read_mask_folder
from glissile.io.video_files import read_video
from glissile.label.tracing import Clicks, Traced

DATA = Path(__file__).parents[1].parent / "shared" / "data"
VIDEOS = ("twip-2um", "twip-8.4um")
LEAST_PX = 12
TOLERANCE_PX = 2
AROUND = [(dy, dx) for dy, dx in product((-1, 0, 1), repeat=2) if dy or dx]


def centre_lines(mask: NDArray[np.bool_]) -> Iterator[NDArray[np.int_]]:
    """Give the centre lines of a mask (y, x) as points (n, 2), each from end to end without a junction."""
    skeleton = np.pad(skeletonize(mask), 1)
    neighbours = sum(np.roll(skeleton, step, (0, 1)).astype(int) for step in AROUND)
    pieces = (skeleton & (neighbours <= 2))[1:-1, 1:-1].astype(np.uint8)
    count, labels = cv2.connectedComponents(pieces, connectivity=8)
    for k in range(1, count):
        line = in_order({(int(y), int(x)) for y, x in np.argwhere(labels == k)})
        if len(line) >= LEAST_PX:
            yield np.array(line)


def in_order(pixels: set[tuple[int, int]]) -> list[tuple[int, int]]:
    """Walk along the pixels of a line from one of its ends; nothing of a closed one."""
    ends = [p for p in pixels if sum((p[0] + dy, p[1] + dx) in pixels for dy, dx in AROUND) <= 1]
    if not ends:
        return []
    line = [ends[0]]
    left = pixels - {ends[0]}
    while True:
        y, x = line[-1]
        found = [(y + dy, x + dx) for dy, dx in sorted(AROUND, key=lambda s: abs(s[0]) + abs(s[1]))]
        following = next((p for p in found if p in left), None)
        if following is None:
            return line
        line.append(following)
        left.discard(following)


def clicks_on(line: NDArray[np.int_], spacing_px: float) -> NDArray[np.float64]:
    """Give the ends of a line, and as many points between them as the spacing asks for, evenly along it."""
    along = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    pieces = max(1, int(np.ceil(along[-1] / spacing_px)))
    places = np.searchsorted(along, np.linspace(0, along[-1], pieces + 1) - 1e-9)
    return line[np.minimum(places, len(line) - 1)].astype(np.float64)


def clicked(points: NDArray[np.float64], *, straight: bool) -> Clicks:
    return Clicks(tuple((float(y), float(x)) for y, x in points), (straight,) * len(points))


def met(truth: NDArray[np.int_], line: NDArray[np.float64], shape: tuple[int, int]) -> int:
    """How many points of the truth lie within the tolerance of a line."""
    free = np.ones(shape, np.uint8)
    pixels = np.round(line).astype(int)
    free[pixels[:, 0], pixels[:, 1]] = 0
    distance = cv2.distanceTransform(free, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return int(np.count_nonzero(distance[truth[:, 0], truth[:, 1]] <= TOLERANCE_PX))


class Bench:
    """The lines of one class in the frames of one video.

    Parameters
    ----------
    found : list of (Traced, list of ndarray)
        Each frame, and its lines.
    """

    def __init__(self, found: list[tuple[Traced, list[NDArray[np.int_]]]]) -> None:
        self.found = found
        self.lines = sum(len(lines) for _, lines in found)
        self.points = sum(len(line) for _, lines in found for line in lines)

    def share_met(self, spacing_px: float, *, straight: bool) -> tuple[float, float]:
        """Share of the truth that is met, and clicks per line."""
        hits = clicks = 0
        for frame, lines in self.found:
            for truth in lines:
                points = clicks_on(truth, spacing_px)
                hits += met(truth, frame.line(clicked(points, straight=straight)), frame.shape)
                clicks += len(points)
        return hits / self.points, clicks / self.lines

    def straight_clicks_for(self, share: float, spacing_px: float) -> float:
        """Clicks per line with which straight segments meet as much."""
        while True:
            found, clicks = self.share_met(spacing_px, straight=True)
            if found >= share or spacing_px < 2:
                return clicks
            spacing_px *= 0.9

    def milliseconds(self, spacing_px: float) -> float:
        """Time that a line takes, on average."""
        times = []
        for _ in range(3):
            began = time.perf_counter()
            for frame, lines in self.found:
                for truth in lines:
                    frame.line(clicked(clicks_on(truth, spacing_px), straight=False))
            times.append(time.perf_counter() - began)
        return 1e3 * min(times) / self.lines


def labelled(folder: Path, every: int) -> Iterator[tuple[Traced, NDArray[np.uint8]]]:
    frames = read_video(folder / "images")
    for index, mask in list(enumerate(read_mask_folder(folder / "masks", DEFAULT_CLASSES).values()))[::every]:
        yield Traced(frames.frame(index)), mask


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the videos")
    parser.add_argument("--spacing", type=float, default=60, help="most pixels from click to click")
    parser.add_argument("--every", type=int, default=1, help="use one labelled frame in so many")
    chosen = parser.parse_args()
    print("| video | class | lines | clicks per line | traced | straight | straight needs | ms per line |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for video in VIDEOS:
        frames = list(labelled(chosen.data / video, chosen.every))
        for defect in DEFAULT_CLASSES:
            bench = Bench([(frame, list(centre_lines(mask == defect.value))) for frame, mask in frames])
            share, clicks = bench.share_met(chosen.spacing, straight=False)
            straight, _ = bench.share_met(chosen.spacing, straight=True)
            needed = bench.straight_clicks_for(share, chosen.spacing)
            cells = [video, defect.name, f"{bench.lines}", f"{clicks:.1f}", f"{share:.3f}", f"{straight:.3f}"]
            cells += [f"{needed:.1f} clicks ({needed / clicks:.1f} x)"]
            cells += [f"{bench.milliseconds(chosen.spacing):.1f}"]
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
