"""Which frames a compressed video has, when each is shown, and where decoding may start."""

from dataclasses import dataclass
from itertools import islice
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from glissile.errors import InputError
from glissile.io.stream_decoder import StreamDecoder, is_whole_picture

# Decoders hold back at most 16 frames for reordering; twice that shows whether packets and frames agree.
_CHECKED_FRAMES = 32

# Groups of pictures at the end that are tried before the whole file is decoded.
_TRIED_GROUPS = 3

# A file that plays for 2 % less than its header says has lost its end; less may be rounding.
_LOST_SHARE = 0.02


@dataclass(frozen=True, eq=False)
class FrameTable:
    """The frames of a video in display order.

    Attributes
    ----------
    pts : ndarray of int, shape (t,)
        Presentation time stamps, increasing. Where `counted` is True, ordinals.
    keyframes : ndarray of int, shape (k,)
        Indices along t that decoding may start from, increasing; 0 is always one.
    times_s : ndarray of float, shape (t,)
        Seconds after the first frame.
    expected : int
        Frames that the file says it has; more than t where its end is missing.
    counted : bool
        True where the file has no usable time stamps, so that frames are told apart by counting from the
        start of the file.
    """

    pts: NDArray[np.int64]
    keyframes: NDArray[np.int64]
    times_s: NDArray[np.float64]
    expected: int
    counted: bool

    def __len__(self) -> int:
        return len(self.pts)

    def index_of(self, pts: int) -> int | None:
        """Index of the frame shown at `pts`; None where the table has none."""
        index = int(np.searchsorted(self.pts, pts))
        return index if index < len(self.pts) and self.pts[index] == pts else None

    def group_of(self, index: int) -> int:
        """Which of `keyframes` is the last one at or before frame `index`."""
        return int(np.searchsorted(self.keyframes, index, side="right")) - 1


@dataclass(frozen=True)
class _Packets:
    """What demuxing tells.

    Attributes
    ----------
    pts : list of int or None
        Of the packets that are shown, in file order.
    keyframe_pts : list of int
        Of those among them that decoding may start from.
    hidden : int
        Packets that an edit list leaves out.
    covered_s : float
        Seconds from the first shown frame to the last.
    end_s : float
        When the last packet of any stream ends.
    """

    pts: list[int | None]
    keyframe_pts: list[int]
    hidden: int
    covered_s: float
    end_s: float


def frame_table(decoder: StreamDecoder, name: str) -> FrameTable:
    """Demux a video once and make the table of its frames.

    The first frames and the last group of pictures are decoded, to learn whether packets and frames
    agree and whether the end is whole. Where they do not agree (AVI with reordered frames, time stamps
    that are missing or twice the same, packets without a picture) the whole file is decoded once.

    Parameters
    ----------
    decoder : StreamDecoder
        At the start of the file; left at an undefined place.
    name : str
        Of the file, for messages.

    Returns
    -------
    FrameTable

    Raises
    ------
    InputError
        If no frame decodes, or the frame size changes.
    """
    packets = _scan(decoder)
    keyframe_pts = packets.keyframe_pts
    pts = _table_from_packets(decoder, name, packets)
    counted = False
    if pts is None:
        pts, counted, whole_pts = _table_from_frames(decoder, name)
        keyframe_pts = sorted(whole_pts.intersection(keyframe_pts))
    if not len(pts):
        raise InputError(f"{name}: no frame of the video decodes; the file is damaged, copy it again")
    if counted:
        keyframes = np.zeros(1, dtype=np.int64)
        rate = float(decoder.stream.average_rate or 0)
        times = np.arange(len(pts)) / rate if rate > 0 else np.arange(len(pts), dtype=float)
    else:
        keyframes = np.union1d([0], np.flatnonzero(np.isin(pts, keyframe_pts)))
        times = _times_s(pts, decoder.stream)
    expected = max(_expected(decoder, packets, len(pts)), len(pts))
    return FrameTable(pts, keyframes.astype(np.int64), times, expected, counted)


def _times_s(pts: NDArray[np.int64], stream: Any) -> NDArray[np.float64]:
    """Seconds after the first frame.

    Containers round times to their ticks, Matroska to milliseconds: times that lie within a tick of the
    stream's even rate are taken to be even.
    """
    tick_s = float(stream.time_base)
    times: NDArray[np.float64] = (pts - pts[0]) * tick_s
    if stream.average_rate:
        even: NDArray[np.float64] = np.arange(len(pts)) / float(stream.average_rate)
        if np.abs(even - times).max() <= tick_s:
            return even
    return times


def same_size(frame: Any, first: Any, name: str) -> None:
    """Refuse a frame whose size differs from the first one's.

    Raises
    ------
    InputError
        Naming both sizes.
    """
    if (frame.width, frame.height) != (first.width, first.height):
        raise InputError(
            f"{name}: the frame size changes from {first.width} x {first.height} to {frame.width} x "
            f"{frame.height} px within the video; split it into one file per size"
        )


def _scan(decoder: StreamDecoder) -> _Packets:
    shown: list[Any] = []
    hidden = 0
    end_s = 0.0
    for packet in decoder.all_packets():
        if packet.pts is not None:
            end_s = max(end_s, float((packet.pts + (packet.duration or 0)) * packet.time_base))
        if packet.stream_index != decoder.stream.index:
            continue
        if packet.is_discard:
            hidden += 1
        else:
            shown.append((packet.pts, packet.is_keyframe))
    stamps = [pts for pts, _ in shown if pts is not None]
    ticks = max(stamps) - min(stamps) if stamps else 0
    return _Packets(
        pts=[pts for pts, _ in shown],
        keyframe_pts=[pts for pts, is_keyframe in shown if is_keyframe and pts is not None],
        hidden=hidden,
        covered_s=float(ticks * decoder.stream.time_base),
        end_s=end_s,
    )


def _table_from_packets(decoder: StreamDecoder, name: str, packets: _Packets) -> NDArray[np.int64] | None:
    """Sorted PTS of the packets that become frames; None where packets and frames do not agree."""
    stamps = [p for p in packets.pts if p is not None]
    if not stamps or len(set(stamps)) < len(packets.pts):
        return None
    if "avi" in decoder.container.format.name.split(",") and decoder.stream.codec_context.has_b_frames:
        return None  # AVI keeps no presentation times; those of reordered frames are guesses
    pts = np.sort(np.asarray(stamps, dtype=np.int64))

    decoder.rewind()
    head = list(islice(decoder.frames(), _CHECKED_FRAMES))
    if not head:
        return pts[:0]
    for frame in head:
        same_size(frame, head[0], name)
    seen = [frame.pts for frame in head]
    first = int(np.searchsorted(pts, seen[0] if seen[0] is not None else pts[-1] + 1))
    pts = pts[first:]
    if seen != pts[: len(seen)].tolist():
        return None

    keys = sorted(k for k in packets.keyframe_pts if k >= pts[0]) or [int(pts[0])]
    for key in keys[: -_TRIED_GROUPS - 1 : -1]:
        tail = list(decoder.frames_from(key))
        for frame in tail:
            same_size(frame, head[0], name)
        while tail and tail[-1].is_corrupt:
            tail.pop()
        if tail and tail[0].pts == key:
            whole = [frame.pts for frame in tail]
            before = pts[pts < key]
            agrees = whole == pts[len(before) :][: len(whole)].tolist()
            return np.concatenate((before, np.asarray(whole, dtype=np.int64))) if agrees else None
    return None


def _table_from_frames(decoder: StreamDecoder, name: str) -> tuple[NDArray[np.int64], bool, set[int]]:
    """Decode everything: PTS of the frames, or ordinals and True where PTS do not order them; keyframes."""
    decoder.rewind()
    stamps: list[int | None] = []
    whole_pts = set()
    first = None
    whole = 0
    for frame in decoder.frames():
        first = frame if first is None else first
        same_size(frame, first, name)
        stamps.append(frame.pts)
        if is_whole_picture(frame):
            whole_pts.add(frame.pts)
        whole = whole if frame.is_corrupt else len(stamps)
    stamps = stamps[:whole]
    known = np.asarray([p for p in stamps if p is not None], dtype=np.int64)
    if len(known) == len(stamps) and bool((np.diff(known) > 0).all()):
        return known, False, whole_pts
    return np.arange(len(stamps), dtype=np.int64), True, set()


def _expected(decoder: StreamDecoder, packets: _Packets, decoded: int) -> int:
    """Frames that the header promises, or that were there as packets, whichever is more."""
    found = len(packets.pts)
    promised = int(decoder.stream.frames) - packets.hidden
    if promised <= 0 and "matroska" in decoder.container.format.name:
        promised = _promised_by_duration(decoder, packets)
    return max(found, promised, decoded)


def _promised_by_duration(decoder: StreamDecoder, packets: _Packets) -> int:
    """Frames in the duration of the header, at the mean spacing of those found; 0 where nothing is lost."""
    found = len(packets.pts)
    duration_s = float((decoder.container.duration or 0) / av.time_base)
    if found < 2 or packets.covered_s <= 0 or packets.end_s >= duration_s * (1 - _LOST_SHARE):
        return 0
    return round(duration_s / packets.covered_s * (found - 1))
