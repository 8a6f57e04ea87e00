"""How well motion can be known at all in the static cases of the drift benchmark: the Cramér-Rao bound.

    python benchmarks/drift_bound.py [--scenarios a,d] [--seed 1] [VIDEO ...]

The window travels over the same denoised frame along the same path as in the tool, whose functions are
called. The information on the displacement (dy, dx) of a frame is the sum over its pixels of the products of
derivatives of the expected grey value, over the variance of the noise: that of the fresh noise, and in
scenario d that of 2.5 grey levels per electron, of the reading, and of rounding; the light is the one of the
tool, and what its overlay covers is left out. Printed is the RMS over all frames of the length of the error,
as the tool measures it,

known    if the specimen is known exactly,
light    if the light of each frame (brightness, slopes along y and x) has to be found from it, too,
learned  if nothing is known of the specimen but its power at each frequency, and it has to be learned from
         the same n frames: the information at a frequency of power S under noise N is lowered to
         S / (S + N / n) of it, the bound for a random specimen seen n times; the light is found, too.
"""

import argparse
import importlib.util
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy import ndimage

ROOT = Path(__file__).resolve().parents[1]
TOOL = ROOT.parent / "shared" / "tools" / "drift_bench.py"
DATA = ROOT.parent / "shared" / "data"
VIDEOS = tuple(DATA / name / "video.mp4" for name in ("twip-2um", "twip-8.4um"))

Image = NDArray[np.float64]
_ELECTRON, _READING = 2.5, 5.0
_STEP_PX = 1 / 32
_SMOOTH = 5


@dataclass(frozen=True, eq=False)
class Expected:
    """What is expected of one frame.

    Attributes
    ----------
    derivatives : ndarray, shape (5, y, x)
        Of the grey value by dy, dx, and by brightness and slopes of the light; grey levels.
    variance : ndarray, shape (y, x)
        Of the noise; infinite under the overlay.
    light : ndarray, shape (y, x)
        Multiplies the specimen.
    """

    derivatives: NDArray[np.float64]
    variance: Image
    light: Image


def loaded(path: Path) -> ModuleType:
    """Load the tool as a module."""
    spec = importlib.util.spec_from_file_location("drift_bench", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise SystemExit(f"{path} is not there; say where the drift benchmark tool is with --tool")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    return tool


def light_of(s: float, shape: tuple[int, int]) -> Image:
    """Light (y, x) of scenario d at the share `s` of the video, as in the tool's `degrade`."""
    y, x = np.mgrid[: shape[0], : shape[1]] / np.reshape(shape, (2, 1, 1)) - 0.5
    slopes = 0.25 * np.sin(2 * np.pi * s) * x + 0.20 * np.cos(1.4 * np.pi * s) * y
    return np.asarray((0.8 + 0.2 * np.cos(2.6 * np.pi * s)) * (1 + slopes))


def overlay_of(tool: ModuleType, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Where the tool draws over a frame (y, x): where grey frames that it degrades are not grey."""
    count, grey = 32, 128.0
    drawn = tool.degrade(np.full((count, *shape), grey, np.float32), 0)
    expected = grey * np.stack([light_of(k / (count - 1), shape) for k in range(count)])
    deviation = np.sqrt((_ELECTRON * expected + _READING**2).sum(axis=0))
    off = np.abs((drawn - expected).sum(axis=0)) > 6 * deviation
    return np.asarray(ndimage.binary_closing(off, np.ones((5, 5))) | off)


def expected_frames(
    tool: ModuleType, stack: NDArray[np.uint8], scenario: str, seed: int
) -> Iterator[Expected]:
    """Yield what is expected of each frame of a static case."""
    window = tool.window_size(stack.shape[1:])
    room = np.subtract(stack.shape[1:], window)
    origins = tool.trajectory(scenario, len(stack), room, seed)
    still = stack[:5].mean(0, dtype=np.float32)
    coefficients = ndimage.spline_filter(still, output=np.float64)
    fresh = tool.noise_level(stack) ** 2 / still.mean()
    overlay = overlay_of(tool, window)
    slopes = np.mgrid[: window[0], : window[1]] / np.reshape(window, (2, 1, 1)) - 0.5
    for k, origin in enumerate(origins):
        image = tool.cut(coefficients, origin, window)
        moved = [
            (tool.cut(coefficients, origin - step, window) - tool.cut(coefficients, origin + step, window))
            / (2 * _STEP_PX)
            for step in _STEP_PX * np.eye(2)
        ]
        light = np.ones(window)
        variance = fresh * np.clip(image, 5, None) + 1 / 12
        if scenario == "d":
            light = light_of(k / max(1, len(stack) - 1), window)
            shown = np.clip(image * light, 0, 255)
            variance = light**2 * fresh * np.clip(image, 5, None) + _ELECTRON * shown
            variance = np.where(overlay, np.inf, variance + _READING**2 + 1 / 12)
        nuisance = image * light * np.stack([np.ones(window), *slopes])
        yield Expected(np.stack([*(light * m for m in moved), *nuisance]), variance, light)


def learned_share(frames: Iterable[Expected], specimen: Image) -> Image:
    """Share S / (S + N / n) that is left of the information at each frequency, shape of the spectra.

    `specimen`, shape (y, x), is the window in the middle of the path.
    """
    # Noise of the specimen as the mean of n frames, each freed of its light, tells it best.
    noise = float(1 / np.mean(sum(f.light**2 / f.variance for f in frames)))
    window = np.outer(*(np.hanning(n + 2)[1:-1] for n in specimen.shape))
    fine = (specimen - ndimage.gaussian_filter(specimen, 20)) * window
    power = np.square(np.abs(scipy.fft.fft2(fine))) / np.square(window).sum()
    power = ndimage.uniform_filter(power, _SMOOTH, mode="wrap")
    return np.asarray(power / (power + noise))


def bounds(frames: Iterable[Expected], share: Image) -> tuple[float, float, float]:
    """RMS length of the error, pixels: specimen known; light found, too; specimen learned, too."""
    squares = []
    for frame in frames:
        weight = 1 / frame.variance
        information = np.einsum("iyx,jyx,yx->ij", frame.derivatives, frame.derivatives, weight)
        filtered = np.stack([scipy.fft.ifft2(scipy.fft.fft2(d) * share).real for d in frame.derivatives[:2]])
        lowered = information.copy()
        kept = np.einsum("iyx,jyx,yx->ij", filtered, frame.derivatives[:2], weight)
        lowered[:2, :2] = 0.5 * (kept + kept.T)
        lowered[:2, 2:] = np.einsum("iyx,jyx,yx->ij", filtered, frame.derivatives[2:], weight)
        lowered[2:, :2] = lowered[:2, 2:].T
        covariances = (np.linalg.inv(m)[:2, :2] for m in (information[:2, :2], information, lowered))
        squares.append([np.trace(c) for c in covariances])
    known, light, learned = np.sqrt(np.mean(squares, axis=0))
    return float(known), float(light), float(learned)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("videos", nargs="*", type=Path, default=VIDEOS)
    parser.add_argument("--tool", type=Path, default=TOOL, help="the drift benchmark tool")
    parser.add_argument("--scenarios", default="a,d", help="of a,b,c,d")
    parser.add_argument("--seed", type=int, default=1, help="of the path")
    asked = parser.parse_args()
    tool = loaded(asked.tool)
    cv2.setNumThreads(1)
    print("| video | case | known | light | learned |\n|---|---|---|---|---|")
    for path in asked.videos:
        stack = tool.read_frames(path)
        for scenario in asked.scenarios.split(","):
            case = (tool, stack, scenario, asked.seed)
            still = stack[:5].mean(0, dtype=np.float64)
            window = tool.window_size(still.shape)
            top, left = np.subtract(still.shape, window) // 2
            middle = still[top : top + window[0], left : left + window[1]]
            share = learned_share(expected_frames(*case), middle)
            cells = " | ".join(f"{b:.4f}" for b in bounds(expected_frames(*case), share))
            print(f"| {path.parent.name} | static-{scenario} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
