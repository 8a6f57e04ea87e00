"""Tiny videos with known frames, for all tests."""

import os
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from numpy.typing import NDArray

# Machines are slow now and then; a test is about what comes out.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

Encode = Callable[..., Path]

PLAYED_PER_SECOND = 20
_BY_FILE = ("tests/gui/", "tests/learn/test_export.py", "tests/test_exchange.py", "tests/test_volume.py")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Leave some files to one process each: what their first test opens or makes is there for the rest."""
    from xdist.scheduler import LoadScopeScheduling

    class SomeByFile(LoadScopeScheduling):  # type: ignore[misc,unused-ignore]
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.split("::")[0]
            return file if file.startswith(_BY_FILE) else nodeid

    return SomeByFile(config, log)


def pytest_xdist_auto_num_workers() -> int:
    """Use a process more than there are cores: those with windows wait for other threads at times."""
    return (os.cpu_count() or 1) + 1


@pytest.fixture(scope="session")
def moving_frames() -> NDArray[np.uint8]:
    """40 frames (t, y, x) of 48 x 64 px: noise that moves right by a pixel per frame, and two blocks whose
    brightness spells the frame number to the base 8 (see `number_shown`)."""
    still = np.random.default_rng(0).integers(100, 150, (48, 64), dtype=np.uint8)
    frames = np.stack([np.roll(still, number, axis=1) for number in range(40)])
    for column, digit in ((0, np.arange(40) // 8), (24, np.arange(40) % 8)):
        frames[:, :24, column : column + 24] = 20 + 30 * digit[:, None, None]
    return frames


@pytest.fixture(scope="session")
def number_shown() -> Callable[[NDArray[Any]], int]:
    """Read back which of `moving_frames` a frame is, however badly it was compressed."""

    def read(frame: NDArray[Any]) -> int:
        high, low = (round((float(frame[4:20, left : left + 16].mean()) - 20) / 30) for left in (4, 28))
        return 8 * high + low

    return read


@pytest.fixture(scope="session")
def encode() -> Encode:
    """Write frames with any codec; skips where this FFmpeg has no encoder for it."""
    return _encode


def _encode(
    path: Path,
    frames: NDArray[Any],
    codec: str,
    *,
    pixel_format: str = "yuv420p",
    source_format: str = "gray",
    options: Mapping[str, str] | None = None,
    times_ms: Sequence[int] | None = None,
    rotation: int = 0,
    alter: Callable[[int, Any], None] | None = None,
    alter_picture: Callable[[int, Any], None] | None = None,
) -> Path:
    if codec not in av.codecs_available:
        pytest.skip(f"this FFmpeg has no encoder {codec}")
    rate = Fraction(PLAYED_PER_SECOND)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options=dict(options or {}))
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = pixel_format
        if times_ms is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        if rotation:
            stream.set_display_rotation(rotation)
        packets = []
        for number, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(frame, format=source_format).reformat(format=pixel_format)
            picture.pts = number if times_ms is None else times_ms[number]
            picture.time_base = 1 / rate if times_ms is None else Fraction(1, 1000)
            if alter_picture is not None:
                alter_picture(number, picture)
            packets += stream.encode(picture)
        packets += stream.encode(None)
        for number, packet in enumerate(packets):
            if alter is not None:
                alter(number, packet)
            container.mux(packet)
    return path
