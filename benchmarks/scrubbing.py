"""How long the slider waits: exact reads of `FrameIndex` against plain PyAV and OpenCV seeks, and in napari.

    python benchmarks/scrubbing.py [--size 1024] [--frames 600] [--reads 200] [--napari]

A variable-rate H.264 video with B-frames is generated; each of its frames carries its own number. Three
walks over it (in order, dragged back and forth, random) are timed for each reader, and every frame that comes
back is checked against its number. Printed are the median and the worst wait, the ratio of the median to
ours, and the share of wrong frames. With `--napari` (and a display) napari's own slider makes the same walks
over the video as its reader opened it: from the step of the slider until the window has drawn the frame.
"""

import argparse
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from glissile.io.frame_index import FrameIndex
from glissile.io.grey import grey_of_frame

_TICKS_PER_S = 1000
_BITS = 12


def numbered(number: int, size: int) -> np.ndarray:
    """Grey frame (y, x) that carries `number` as a row of black and white blocks over moving waves."""
    y, x = np.mgrid[:size, :size]
    frame = (128 + 50 * np.sin((x + 2 * number) / 17) * np.cos((y - number) / 23)).astype(np.uint8)
    block = size // _BITS
    for bit in range(_BITS):
        frame[:block, bit * block : (bit + 1) * block] = 235 if number >> bit & 1 else 20
    return frame


def number_shown(frame: np.ndarray) -> int:
    """Read the number back."""
    block = len(frame) // _BITS
    row = frame[: block // 2 + 1, : block * _BITS].mean(axis=0).reshape(_BITS, block)
    return sum(1 << bit for bit in range(_BITS) if row[bit, block // 4 : -block // 4].mean() > 128)


def write(path: Path, size: int, count: int) -> np.ndarray:
    """Write the video; returns the time of each frame in ticks."""
    # As a camera that slows down in the dark: the rate changes every 50 frames.
    times = np.cumsum([0, *np.where(np.arange(count - 1) // 50 % 2, 25, 90)])
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=20, options={"bf": "3", "preset": "veryfast"})
        stream.width = stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, _TICKS_PER_S)
        for number in range(count):
            picture = av.VideoFrame.from_ndarray(numbered(number, size), format="gray").reformat(
                format="yuv420p"
            )
            picture.pts, picture.time_base = int(times[number]), Fraction(1, _TICKS_PER_S)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return times


class Ours:
    """`FrameIndex`."""

    def __init__(self, path: Path, times: np.ndarray) -> None:
        self._index = FrameIndex(path)

    def read(self, number: int) -> np.ndarray:
        """Grey values (y, x) of frame `number`."""
        return self._index.read(number)

    def close(self) -> None:
        """Let go of the file."""
        self._index.close()


class PlainPyAV:
    """Seek to the frame's time, decode until the time is reached."""

    def __init__(self, path: Path, times: np.ndarray) -> None:
        self._container = av.open(str(path))
        self._stream = self._container.streams.video[0]
        self._stream.thread_type = "AUTO"
        self._times = times

    def read(self, number: int) -> np.ndarray:
        """Grey values (y, x) of frame `number`."""
        target = self._times[number] / _TICKS_PER_S
        self._container.seek(int(target / self._stream.time_base), stream=self._stream)
        for frame in self._container.decode(self._stream):
            if frame.time >= target - 0.5 / _TICKS_PER_S:
                break
        return grey_of_frame(frame)

    def close(self) -> None:
        """Let go of the file."""
        self._container.close()


class OpenCV:
    """Set CAP_PROP_POS_FRAMES, read."""

    def __init__(self, path: Path, times: np.ndarray) -> None:
        self._capture = cv2.VideoCapture(str(path))

    def read(self, number: int) -> np.ndarray:
        """Grey values (y, x) of frame `number`."""
        self._capture.set(cv2.CAP_PROP_POS_FRAMES, number)
        done, frame = self._capture.read()
        return frame[..., 0] if done else np.zeros((64, 64), np.uint8)

    def close(self) -> None:
        """Let go of the file."""
        self._capture.release()


class InNapari:
    """The frame slider of a real napari window."""

    def __init__(self, path: Path, times: np.ndarray) -> None:
        import napari
        from qtpy.QtWidgets import QApplication

        self._viewer = napari.Viewer()
        (self._layer,) = self._viewer.open(path, plugin="napari-glissile")
        self._application = QApplication.instance()

    def read(self, number: int) -> np.ndarray:
        """Grey values (y, x) that the window shows of frame `number`."""
        self._viewer.dims.set_current_step(0, number)
        self._application.processEvents()
        return np.asarray(self._layer.data[self._viewer.dims.current_step[0]])

    def close(self) -> None:
        """Close the window."""
        self._viewer.close()


def walks(count: int, reads: int) -> dict[str, np.ndarray]:
    """Frame numbers in the order they are asked for."""
    reads = min(reads, count)
    back_and_forth = (count - 1) / 2 * (1 - np.cos(np.linspace(0, 2 * np.pi, reads)))
    return {
        "in order": np.arange(reads),
        "dragged": back_and_forth.round().astype(int),
        "random": np.random.default_rng(0).integers(0, count, reads),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=1024, help="edge length of a frame, pixels, even")
    parser.add_argument("--frames", type=int, default=600)
    parser.add_argument("--reads", type=int, default=200)
    parser.add_argument("--napari", action="store_true", help="also move napari's slider")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        path = Path(folder) / "scrubbed.mp4"
        times = write(path, asked.size, asked.frames)
        print(
            f"{asked.frames} frames of {asked.size} x {asked.size} px, {path.stat().st_size / 2**20:.1f} MiB"
        )
        print(f"{'walk':10} {'reader':10} {'median ms':>10} {'worst ms':>10} {'x ours':>7} {'wrong':>7}")
        for walk, numbers in walks(asked.frames, asked.reads).items():
            ours = 0.0
            for kind in (Ours, PlainPyAV, OpenCV, *([InNapari] if asked.napari else [])):
                reader = kind(path, times)
                waits, wrong = [], 0
                for number in numbers:
                    start = time.perf_counter()
                    frame = reader.read(int(number))
                    waits.append(1000 * (time.perf_counter() - start))
                    wrong += number_shown(frame) != number
                reader.close()
                median = float(np.median(waits))
                ours = median if kind is Ours else ours
                print(
                    f"{walk:10} {kind.__name__:10} {median:10.2f} {max(waits):10.1f} {median / ours:7.1f} "
                    f"{wrong / len(numbers):7.0%}"
                )


if __name__ == "__main__":
    main()
