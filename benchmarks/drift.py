"""How well known motion is recovered in real frames: ours, the paper's, and pystackreg, in one run.

    python benchmarks/drift.py ../shared/data/twip-8.4um/video.mp4

A window travels along a known path over one denoised frame of the video; fresh noise is added to every
cut-out, so the true motion is exact. Printed per scenario and method: RMS of the error in px after its
constant offset is removed, share of frames off by more than 1 px, and how many times less CPU time the
method needs than pystackreg "previous". Give it one thread (OMP_NUM_THREADS=1).

Scenarios: still (no motion), drift (0.2 px per frame and 0.3 px jitter), jumps (20 px every 15 frames),
overlay (drift under a burnt-in clock and scale bar, with strong noise).
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from pystackreg import StackReg
from scipy import ndimage

from glissile.io.video_files import read_video
from glissile.progress import finish
from glissile.stabilize.camera_motion import StabilizeSettings, estimate_motion
from glissile.video import Video

Frames = NDArray[np.uint8]
Shifts = NDArray[np.float64]
SCENARIOS = ("still", "drift", "jumps", "overlay")
_WINDOW_SHARE = 0.7
_NOISE = 4.0
_STRONG_NOISE = 16.0


def path_of(scenario: str, n: int, room: NDArray[np.float64], rng: np.random.Generator) -> Shifts:
    """Origin (y, x) of the window in each of `n` frames, within `room` (y, x) px."""
    middle = np.tile(room / 2, (n, 1))
    if scenario == "still":
        return middle
    if scenario == "jumps":
        reach = np.minimum(room / 2 - 4, 14)
        corners = np.array([(0, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)])
        return middle + corners[np.arange(n) // 15 % len(corners)] * reach + rng.normal(0, 0.1, (n, 2))
    angle = np.cumsum(rng.normal(0, 0.1, n)) + rng.uniform(0, 2 * np.pi)
    walk = np.cumsum(0.2 * np.stack([np.sin(angle), np.cos(angle)], axis=1), axis=0)
    return np.clip(middle + walk - walk.mean(axis=0) + rng.normal(0, 0.3, (n, 2)), 0, room)


def clip_of(frame: NDArray[np.float64], scenario: str, n: int, seed: int) -> tuple[Frames, Shifts]:
    """Frames (n, y, x) that a window sees, and the true displacement (n, 2) of the specimen in them."""
    rng = np.random.default_rng(seed)
    window = (_WINDOW_SHARE * np.array(frame.shape)).astype(int)
    origins = path_of(scenario, n, frame.shape - window - 8.0, rng) + 4
    noise = _STRONG_NOISE if scenario == "overlay" else _NOISE
    frames = np.empty((n, *window), np.uint8)
    smooth = ndimage.spline_filter(frame)
    for k, origin in enumerate(origins):
        y, x = np.floor(origin).astype(int)
        part = smooth[y - 4 : y + window[0] + 5, x - 4 : x + window[1] + 5]
        pixels = ndimage.shift(part, (y, x) - origin, prefilter=False, mode="nearest")
        pixels = pixels[4 : 4 + window[0], 4 : 4 + window[1]] + rng.normal(0, noise, window)
        frames[k] = pixels.clip(0, 255).round()
        if scenario == "overlay":
            _burn_in(frames[k], k)
    return frames, origins[0] - origins


def _burn_in(frame: Frames, k: int) -> None:
    height, width = frame.shape
    cv2.rectangle(frame, (10, height - 16), (10 + width // 5, height - 11), 255, -1)
    cv2.putText(frame, "1 um", (12, height - 24), cv2.FONT_HERSHEY_SIMPLEX, 0.6, 255, 2)
    cv2.rectangle(frame, (width - 110, 0), (width, 20), 0, -1)
    clock = f"10:{k // 60 % 60:02d}:{k % 60:02d}"
    cv2.putText(frame, clock, (width - 104, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.6, 255, 1)


def ours(method: str) -> Callable[[Frames], Shifts]:
    settings = StabilizeSettings(method=method)
    return lambda frames: (
        finish(estimate_motion(Video.from_frames(frames, name="clip"), settings)).displacements_px
    )


def pystackreg_previous(frames: Frames) -> Shifts:
    registration = StackReg(StackReg.TRANSLATION)
    return registration.register_stack(frames, reference="previous")[:, 1::-1, 2]


METHODS = {
    "pystackreg previous": pystackreg_previous,
    "tanaka2025 (one corner)": ours("tanaka2025"),
    "glissile": ours("glissile"),
}


def cell(found: Shifts, truth: Shifts) -> str:
    error = found - truth
    length = np.linalg.norm(error - np.median(error, axis=0), axis=1)
    return f"{np.sqrt(np.mean(length**2)):.3f} / {100 * np.mean(length > 1):.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("video", type=Path)
    parser.add_argument("--frames", type=int, default=90, help="frames per scenario (default: 90)")
    parser.add_argument("--seed", type=int, default=1, help="of path and noise (default: 1)")
    options = parser.parse_args()
    video = read_video(options.video)
    denoised = np.mean([video.frame(k) for k in range(min(5, len(video)))], axis=0)
    rows = {name: [] for name in METHODS}
    seconds = dict.fromkeys(METHODS, 0.0)
    for scenario in SCENARIOS:
        frames, truth = clip_of(denoised, scenario, options.frames, options.seed)
        for name, method in METHODS.items():
            start = time.process_time()
            found = method(frames)
            seconds[name] += time.process_time() - start
            rows[name].append(cell(found, truth))
    print(f"{options.video.name}, {options.frames} frames per scenario: RMS px / % of frames off by > 1 px\n")
    print("| method | " + " | ".join(SCENARIOS) + " | speed |")
    print("|---" * (len(SCENARIOS) + 2) + "|")
    for name, cells in rows.items():
        ratio = seconds["pystackreg previous"] / seconds[name]
        print(f"| {name} | " + " | ".join(cells) + f" | {ratio:.1f}x |")


if __name__ == "__main__":
    main()
