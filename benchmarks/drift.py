"""How well known motion is recovered in real frames, and what that takes of memory and time.

    python benchmarks/drift.py [--only tables|memory|speed] [--quick] [VIDEO ...]

Errors are told by the drift benchmark tool, a script that is not part of this repository: it is run once per
video and seed, with one thread. A window travels over one denoised frame with fresh noise (S, static), over
the same under a sweeping dark band (B, band), or over the real frames (R, real), with drift (a), jumps (b),
an excursion of 150 px (c), or drift under shot noise, changing light and an overlay (d). "Split" compares the
motions of the left and the right halves of the real frames.

The tables are written between `<!-- drift: begin -->` and `<!-- drift: end -->` of the page; parts that were
not asked for stay as they are there. A quick run (60 frames, two cases) is only printed.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from glissile.atomic import write_text
from glissile.progress import finish
from glissile.stabilize.camera_motion import StabilizeSettings, estimate_motion, whole_frames
from glissile.video import Video

ROOT = Path(__file__).resolve().parents[1]
TOOL = ROOT.parent / "shared" / "tools" / "drift_bench.py"
DATA = ROOT.parent / "shared" / "data"
VIDEOS = tuple(DATA / name / "video.mp4" for name in ("twip-2um", "twip-8.4um"))
PAGE = ROOT / "docs" / "benchmarks.md"
PARTS = ("tables", "memory", "speed")

OURS = "glissile"
METHODS = {"glissile.stabilize:displacements": OURS, "drift:tanaka2025": "tanaka2025"}
BASELINES = "stackreg_previous,suite2p_style,lk_many_keyframes,cv2_phase_hann_first"
QUICK_CASES = (("static", "a"), ("band", "d"))
GOALS_PX = {"S-a": 0.02, "S-b": 0.02, "S-c": 0.02, "S-d": 0.03} | {f"B-{s}": 0.05 for s in "abcd"}
GOAL_SPLIT_PX, GOALS_OF_VIDEOS_SPLIT_PX = 0.2, {"twip-8.4um": 0.4}
GOAL_SPEED = 20

MEMORY_FRAMES, MEMORY_EDGE_PX = (100, 300, 1000, 3000), 512
SPEED_FRAMES, SPEED_EDGE_PX, SPEED_ROUNDS, VIDEO_RATE = 200, 1024, 3, 20  # the last in frames per second
_LIBRARIES = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "NUMBA")
_SAMPLE_S = 0.002

_ABOUT_ERRORS = """\
RMS of the error in px / % of frames off by more than 1 px. S: one frame with fresh noise, B: the same under a
sweeping dark band, R: the real frames; a drift, b jumps, c an excursion of 150 px, d drift under shot noise,
changing light and an overlay. Split: left against right halves of the real frames. Speed: how many times less
CPU time than pystackreg `previous` takes in the same run, one thread, median over cases. """
_ABOUT_SIGMA = f"""\
{OURS}: % of errors within three of its standard errors / median standard error in px. In R the error includes
that of the truth."""
_ABOUT_MEMORY = f"""\
Resident memory of a fresh process at its highest, above that before the estimate; {MEMORY_EDGE_PX} x
{MEMORY_EDGE_PX} px, 8 bit, each frame drawn when it is asked for."""
_ABOUT_SPEED = """\
Frames per second of the estimate alone, {0} frames of {1} x {1} px in memory, median of {2} runs;
pystackreg, which uses one thread, in the same process."""


def tanaka2025(frames: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Displacements (t, 2) by the published method, in the form that the tool calls."""
    video = Video.from_frames(frames, name="clip")
    return finish(estimate_motion(video, StabilizeSettings(method="tanaka2025"))).displacements_px


# -- errors


def rows_of(tool: Path, video: Path, seed: int, baselines: str, quick: bool) -> list[dict[str, Any]]:
    """Measure one video with the tool; a row for each case and method."""
    rows = []
    for variants, scenarios in QUICK_CASES if quick else (("all", "all"),):
        with tempfile.TemporaryDirectory() as folder:
            figures = Path(folder) / "figures.json"
            command = [sys.executable, str(tool), "--frames", str(video), "--baselines", baselines]
            for name in METHODS:
                command += ["--method", name]
            command += ["--variants", variants, "--scenarios", scenarios, "--seed", str(seed)]
            command += ["--json", str(figures), *(["--quick"] if quick else [])]
            # The tool imports methods, tanaka2025 from this script.
            paths = (str(Path(__file__).parent), os.environ.get("PYTHONPATH", ""))
            environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
            done = subprocess.run(command, env=environment, check=False)
            if done.returncode:
                raise SystemExit(f"{tool.name} failed on {video}, seed {seed}; see above")
            rows += json.loads(figures.read_text())["results"]
    for row in rows:
        row["method"] = METHODS.get(row["method"], row["method"])
        row["case"] = row["case"].replace("static", "S").replace("band", "B").replace("real", "R")
    return rows


def worst(rows: Iterable[dict[str, Any]]) -> tuple[float, float]:
    """RMS in pixels and share of frames off by more than 1 px in percent; infinite where a run failed."""
    found = [(r.get("rms_px", np.inf), r.get("over_1px_percent", np.inf)) for r in rows]
    return max(rms for rms, _ in found), max(over for _, over in found)


def cell(rms_px: float, over_percent: float) -> str:
    """Two figures that tell a missed goal from one that was met."""
    if not np.isfinite(rms_px):
        return "failed"
    share = "<1" if 0 < over_percent < 1 else f"{over_percent:.0f}"
    return f"{rms_px:.3f} / {share}" if rms_px < 1 else f"{rms_px:.2g} / {share}"


def goal_of(case: str, name: str) -> float | None:
    """RMS in pixels that `case` of the video `name` should not exceed; None for real frames."""
    if case == "split":
        return GOALS_OF_VIDEOS_SPLIT_PX.get(name, GOAL_SPLIT_PX)
    return GOALS_PX.get(case)


def error_table(rows: Sequence[dict[str, Any]], name: str) -> str:
    """Methods by cases: RMS / share of frames off by > 1 px; goals, and whether ours meets them."""
    methods, cases = (list(dict.fromkeys(row[key] for row in rows)) for key in ("method", "case"))
    methods.sort(key=lambda method: method not in METHODS.values())
    lines = [["method", *cases, "speed"]]
    speeds = {}
    for method in methods:
        own = [row for row in rows if row["method"] == method]
        speeds[method] = float(np.median([row.get("speed", 0) for row in own]))
        cells = []
        for case in cases:
            rms, over = worst(row for row in own if row["case"] == case)
            cells.append(cell(rms, over))
        lines.append([method, *cells, f"{speeds[method]:.2g}x"])
    goals, met = ["goal"], [f"{OURS}: goal"]
    for case in cases:
        goal = goal_of(case, name)
        rms, over = worst(row for row in rows if row["method"] == OURS and row["case"] == case)
        goals.append("" if goal is None else f"{goal:g}" if case == "split" else f"{goal:g} / 0")
        reached = goal is not None and rms <= goal and (case == "split" or over == 0)
        met.append("" if goal is None else "met" if reached else "missed")
    goals.append(f"{GOAL_SPEED}x")
    met.append("met" if speeds[OURS] >= GOAL_SPEED else "missed")
    return table([*lines, goals, met])


def sigma_table(rows_by_video: dict[str, list[dict[str, Any]]]) -> str:
    """Videos by cases: share of our errors within three standard errors, and the usual standard error."""
    cases = list(dict.fromkeys(row["case"] for rows in rows_by_video.values() for row in rows))
    lines = [["video", *cases]]
    for name, rows in rows_by_video.items():
        cells = []
        for case in cases:
            own = [r for r in rows if r["method"] == OURS and r["case"] == case and "median_sigma_px" in r]
            share = min((r["within_3_sigma_percent"] for r in own), default=np.nan)
            cells.append(f"{share:.0f} / {np.median([r['median_sigma_px'] for r in own]):.2g}")
        lines.append([name, *cells])
    return table(lines)


def tables(tool: Path, videos: Sequence[Path], seeds: Sequence[int], baselines: str, quick: bool) -> str:
    """Both tables of every video, as Markdown."""
    by_video = {
        video.parent.name: [r for seed in seeds for r in rows_of(tool, video, seed, baselines, quick)]
        for video in (v.resolve() for v in videos)
    }
    parts = [_ABOUT_ERRORS + f"The worst of seeds {', '.join(map(str, seeds))}."]
    for name, rows in by_video.items():
        parts += [f"**{name}**", error_table(rows, name)]
    parts += [_ABOUT_SIGMA, sigma_table(by_video)]
    return "\n\n".join(parts)


# -- memory and time


class Wandering:
    """Frames of a texture that wanders, with noise; drawn when they are asked for.

    Parameters
    ----------
    count : int
        Frames.
    edge_px : int
        Their height and width.
    """

    def __init__(self, count: int, edge_px: int) -> None:
        rng = np.random.default_rng(1)
        self.shape = (count, edge_px, edge_px)
        large = 2 * (edge_px + 64)  # in half pixels
        frequency = np.hypot(np.fft.fftfreq(large)[:, None], np.fft.rfftfreq(large))
        waves = np.fft.rfft2(rng.normal(size=(large, large))) * np.exp(-((frequency / 0.05) ** 2))
        texture = np.fft.irfft2(waves, (large, large))
        self._texture = (120 + 25 * texture / texture.std()).astype(np.float32)
        self._noise = rng.normal(0, 8, (edge_px, 2 * edge_px)).astype(np.float32)
        walk = np.cumsum(rng.normal(0, 1, (count, 2)), axis=0)
        self._origins = np.abs(np.mod(walk, 256) - 128).astype(int)  # half pixels
        self._places = rng.integers(0, edge_px, (count, 2))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        """Grey values (y, x) of frame `index`."""
        (y, x), (row, column), edge = self._origins[index], self._places[index], self.shape[1]
        noise = np.roll(self._noise[:, column : column + edge], row, axis=0)
        seen = self._texture[y : y + 2 * edge : 2, x : x + 2 * edge : 2]
        frame: NDArray[np.uint8] = (seen + noise).clip(0, 255).astype(np.uint8)
        return frame


@contextmanager
def peak_memory() -> Iterator[list[float]]:
    """Yield a list that holds, on leaving, the peak of resident memory above that on entering, MiB."""
    # napari brings psutil; as a high-water mark of the process each system has another name for it.
    import psutil

    process, peak, stop = psutil.Process(), [0.0], threading.Event()
    before = process.memory_info().rss

    def watch() -> None:
        while not stop.wait(_SAMPLE_S):
            peak[0] = max(peak[0], (process.memory_info().rss - before) / 2**20)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        stop.set()
        watcher.join()


def memory_of(count: int) -> float:
    """Peak memory in MiB that the estimate takes for `count` frames; for a fresh process."""
    # What is loaded once is no matter of frames.
    finish(whole_frames(Wandering(2, 64), StabilizeSettings()))
    frames = Wandering(count, MEMORY_EDGE_PX)
    with peak_memory() as peak:
        finish(whole_frames(frames, StabilizeSettings()))
    return peak[0]


def speeds_of(count: int, rounds: int, threads: int | None) -> tuple[float, float]:
    """Frames per second of ours and of pystackreg `previous`; for a fresh process."""
    import cv2
    from pystackreg import StackReg

    if threads is not None:
        cv2.setNumThreads(threads)
    source = Wandering(count, SPEED_EDGE_PX)
    frames = np.stack([source[k] for k in range(count)])
    finish(whole_frames(frames[:30], StabilizeSettings()))
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        finish(whole_frames(frames, StabilizeSettings()))
        seconds.append(time.perf_counter() - start)
    few = frames[:10]
    start = time.perf_counter()
    StackReg(StackReg.TRANSLATION).register_stack(few, reference="previous")
    return count / float(np.median(seconds)), (len(few) - 1) / (time.perf_counter() - start)


def apart(function: Callable[..., Any], *arguments: int | None) -> Any:
    """Call `function` in a process of its own; where its last argument is 1, on one thread."""
    # Read when numpy is loaded.
    names = [f"{library}_NUM_THREADS" for library in _LIBRARIES] if arguments[-1] == 1 else []
    with (
        patch.dict(os.environ, dict.fromkeys(names, "1")),
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process,
    ):
        return process.submit(function, *arguments).result()


def memory_table(counts: Sequence[int]) -> str:
    """Frames by peak memory, as Markdown."""
    lines = [["frames", "of video, MiB", "peak, MiB", "peak over video"]]
    for count in counts:
        video = count * MEMORY_EDGE_PX**2 / 2**20
        peak = apart(memory_of, count)
        lines.append([str(count), f"{video:.0f}", f"{peak:.0f}", f"{peak / video:.2f}"])
        print(*lines[-1], sep="\t", flush=True)
    return f"{_ABOUT_MEMORY}\n\n{table(lines)}"


def speed_table(frames: int, rounds: int) -> str:
    """Cores by speed, as Markdown."""
    cores = os.cpu_count() or 1
    lines = [["cores", f"over a video of {VIDEO_RATE} frames/s", "over pystackreg `previous`"]]
    for count in dict.fromkeys((cores, 1)):
        ours, stackreg = apart(speeds_of, frames, rounds, None if count == cores else count)
        lines.append([str(count), f"{ours / VIDEO_RATE:.2g}x", f"{ours / stackreg:.2g}x"])
        print(*lines[-1], sep="\t", flush=True)
    return f"{_ABOUT_SPEED.format(frames, SPEED_EDGE_PX, rounds)}\n\n{table(lines)}"


# -- the page


def table(lines: Sequence[Sequence[str]]) -> str:
    """Markdown of a table whose first line is its head."""
    head, *body = lines
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, ["---"] * len(head), *body))


def with_parts(page: str, parts: dict[str, str]) -> str:
    """`page` with these parts of the section between the markers in place of what they were."""
    found = re.search(r"(<!-- drift: begin -->\n)(.*?)(<!-- drift: end -->)", page, re.DOTALL)
    if found is None:
        raise SystemExit("the page has no <!-- drift: begin --> and <!-- drift: end -->; put them in")
    _, *pieces = re.split(rf"<!-- drift: ({'|'.join(PARTS)}) -->\n", found[2])
    texts = {name: text.strip() for name, text in zip(pieces[::2], pieces[1::2], strict=True)} | parts
    section = "".join(f"<!-- drift: {name} -->\n{texts[name]}\n\n" for name in PARTS if name in texts)
    return page[: found.start()] + found[1] + section + found[3] + page[found.end() :]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("videos", nargs="*", type=Path, default=VIDEOS, help="in folders of which each is named as its video")
    add("--tool", type=Path, default=TOOL, help="the drift benchmark tool")
    add("--baselines", default=BASELINES, help=f"methods of the tool (default: {BASELINES})")
    add("--seeds", default="1,2", help="of motion and noise (default: 1,2)")
    add("--only", choices=PARTS, help="this part alone")
    add("--quick", action="store_true", help="60 frames, one seed, two cases; short videos for the memory")
    add("--page", type=Path, default=PAGE, help="where the tables go")
    asked = parser.parse_args()
    chosen = PARTS if asked.only is None else (asked.only,)
    missing = [path for path in (asked.tool, *asked.videos) if not path.is_file()]
    if "tables" in chosen and missing:
        parser.error(f"{missing[0]} is not there")
    seeds = [int(seed) for seed in asked.seeds.split(",")]
    if not asked.quick:  # better now than after the run
        with_parts(asked.page.read_text(encoding="utf-8"), {})
    parts = {}
    for name in chosen:
        if name == "tables":
            seeds = seeds[:1] if asked.quick else seeds
            parts[name] = tables(asked.tool.resolve(), asked.videos, seeds, asked.baselines, asked.quick)
        elif name == "memory":
            parts[name] = memory_table(MEMORY_FRAMES[:2] if asked.quick else MEMORY_FRAMES)
        else:
            parts[name] = speed_table(*(60, 1) if asked.quick else (SPEED_FRAMES, SPEED_ROUNDS))
        print(f"\n{parts[name]}\n", flush=True)
        if not asked.quick:
            # Read anew each time: the run takes long.
            write_text(asked.page, with_parts(asked.page.read_text(encoding="utf-8"), parts))


if __name__ == "__main__":
    main()
