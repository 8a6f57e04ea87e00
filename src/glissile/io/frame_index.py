"""Frame-accurate random access into one compressed video.

Seeking in a video is inexact: containers seek by decoding order, to keyframes, and some to places of their
own choice. Here every frame is known by its presentation time stamp (PTS). A read seeks to the last keyframe
at or before the frame and decodes until the PTS is the frame's own; where decoding starts too late, one
keyframe earlier is tried. Reads in order never seek.

A thread of its own decodes, ahead of the last request and in its direction, into a cache of bounded size.
Frames are kept as they were decoded and become grey when they are read, so that a jump far into a group of
pictures, where many are passed on the way, takes no longer than it must.
"""

import itertools
import threading
import weakref
from collections import Counter, OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glissile.errors import InputError
from glissile.io.frame_table import FrameTable, frame_table, same_size
from glissile.io.grey import grey_of_frame
from glissile.io.stream_decoder import StreamDecoder

_CACHE_BYTES = 256 * 2**20
_READ_AHEAD = 24

# Keyframes before the nearest one that are tried before decoding starts at the beginning of the file.
_STEPS_BACK = 3


class FrameIndex:
    """The frames of one compressed video, each read exactly and by its number; safe to use from threads.

    Parameters
    ----------
    path : Path
        Video file.
    cache_bytes : int
        Memory that decoded frames may take.

    Raises
    ------
    InputError
        If the file is no video, none of its frames decode, or their size changes.
    """

    def __init__(self, path: Path, *, cache_bytes: int = _CACHE_BYTES) -> None:
        self._work = _Decoding(path, cache_bytes)
        self._converting = threading.Lock()
        self._close = weakref.finalize(self, self._work.close)

    def __len__(self) -> int:
        return len(self._work.table)

    @property
    def shape(self) -> tuple[int, int]:
        """(y, x) of a frame, in pixels."""
        y, x = self._work.sample.shape
        return y, x

    @property
    def dtype(self) -> np.dtype[Any]:
        """uint8 or uint16."""
        return self._work.sample.dtype

    @property
    def times_s(self) -> NDArray[np.float64]:
        """Time of each frame in seconds after the first, shape (t,)."""
        return self._work.table.times_s

    @property
    def expected_frames(self) -> int:
        """Frames the file says it has: more than `len` where its end is missing or damaged."""
        return self._work.table.expected

    @property
    def codec(self) -> str:
        """FFmpeg's name of the codec, such as "h264"."""
        return self._work.codec

    @property
    def seeks(self) -> int:
        """How often decoding has had to start anew."""
        return self._work.decoder.seeks

    def read(self, index: int) -> NDArray[Any]:
        """Decode one frame, or take it from the cache.

        Parameters
        ----------
        index : int
            0 to t - 1, in display order.

        Returns
        -------
        ndarray, shape (y, x)
            Grey values, the caller's own copy.

        Raises
        ------
        InputError
            If the frame does not decode.
        IndexError
            If there is no such frame.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"frame {index} of {len(self)}")
        frame = self._work.read(index)
        with self._converting:  # a frame and its converter serve one thread at a time
            return np.array(grey_of_frame(frame))  # what is in the memory of the decoder stays there

    def close(self) -> None:
        """Let go of the file now; otherwise it is let go of with the last reference."""
        self._close()


class _Decoding:
    """What the decoding thread works on. It knows no FrameIndex, so that one can be collected."""

    def __init__(self, path: Path, cache_bytes: int) -> None:
        self.name = path.name
        self.decoder = StreamDecoder(path)
        try:
            self.table: FrameTable = frame_table(self.decoder, self.name)
            self.codec: str = self.decoder.stream.codec_context.name
            self.decoder.rewind()
            self._run: Iterator[tuple[int, Any]] = self._indexed(self.decoder.frames())
            first = next(self._run, None)
        except BaseException:
            self.decoder.close()
            raise
        if first is None:
            self.decoder.close()
            raise InputError(f"{self.name}: the first frame does not decode; the file is damaged")
        self._first_frame = first[1]
        self.sample = grey_of_frame(first[1])
        self.decoder.seeks = 0

        self._position = 1  # index of the frame that comes next in the run
        self._cache: OrderedDict[int, Any] = OrderedDict({0: self._first_frame})
        frame_bytes = sum(plane.buffer_size for plane in self._first_frame.planes)
        self._capacity = max(2, cache_bytes // max(1, frame_bytes))
        self._failures: dict[int, str] = {}
        self._wanted: Counter[int] = Counter()
        self._last = 0
        self._forward = True
        self._condition = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    def read(self, index: int) -> Any:
        """Wait for frame `index`, an `av.VideoFrame`."""
        with self._condition:
            self._forward = index >= self._last
            self._last = index
            self._wanted[index] += 1
            try:
                self._ensure_thread()
                self._condition.notify_all()
                self._condition.wait_for(
                    lambda: index in self._cache or index in self._failures or self._closed
                )
                if index in self._cache:
                    self._cache.move_to_end(index)
                    return self._cache[index]
                raise InputError(self._failures.get(index, f"{self.name}: the video was closed"))
            finally:
                self._wanted[index] -= 1
                self._wanted += Counter()  # forget what nobody waits for

    def close(self) -> None:
        with self._condition:
            self._closed = True
            self._cache.clear()
            self._condition.notify_all()
        if self._thread is None:
            self.decoder.close()
        elif self._thread is not threading.current_thread():
            self._thread.join(timeout=1)

    def _ensure_thread(self) -> None:
        if self._thread is None and not self._closed:
            self._thread = threading.Thread(target=self._loop, name=f"decoding {self.name}", daemon=True)
            self._thread.start()

    def _loop(self) -> None:
        try:
            while (target := self._next_target()) is not None:
                self._reach(target)
        finally:
            self.decoder.close()

    def _next_target(self) -> int | None:
        """Index to decode now; waits while there is nothing to do. None when closed."""
        with self._condition:
            while not self._closed:
                target = self._missing()
                if target is not None:
                    return target
                self._condition.wait()
            return None

    def _missing(self) -> int | None:
        """Choose the frame someone waits for, else the next one worth reading ahead, else None."""
        wanted = [i for i in self._wanted if i not in self._cache and i not in self._failures]
        if wanted:
            ahead = [i for i in wanted if i >= self._position]
            return min(ahead or wanted)
        count = min(_READ_AHEAD, self._capacity // 4)
        steps = range(1, count + 1)
        near = (self._last + step if self._forward else self._last - step for step in steps)
        return next(
            (i for i in near if 0 <= i < len(self.table) and not (i in self._cache or i in self._failures)),
            None,
        )

    def _reach(self, target: int) -> None:
        """Decode until `target` is in the cache, or note why it cannot be."""
        table = self.table
        group = table.group_of(target)
        try:
            if table.keyframes[group] <= self._position <= target and self._advance(target):
                return
            for earlier in dict.fromkeys((*range(group, max(group - _STEPS_BACK, 0), -1), 0)):
                self._start(earlier)
                if self._advance(target):
                    return
            failure = (
                f"{self.name}: frame {target} does not decode, the file is damaged there; leave the "
                "frame out or copy the file again"
            )
        except InputError as error:
            failure = str(error)
        except Exception as error:  # whatever it is, whoever waits must hear of it, and the thread live on
            failure = (
                f"{self.name}: frame {target} cannot be read ({type(error).__name__}: {error}); leave the "
                "frame out or open the video again"
            )
        with self._condition:
            self._failures[target] = failure
            self._condition.notify_all()

    def _start(self, group: int) -> None:
        if group == 0:
            self.decoder.rewind()
            self.decoder.seeks += 1
            frames = self.decoder.frames()
        else:
            frames = self.decoder.frames_from(int(self.table.pts[self.table.keyframes[group]]))
        self._run = self._indexed(frames)
        self._position = len(self.table)

    def _indexed(self, frames: Iterator[Any]) -> Iterator[tuple[int, Any]]:
        """Pair decoded frames with their index; those that the table does not know are left out."""
        for ordinal, frame in enumerate(frames):
            index = ordinal if self.table.counted else self.table.index_of(frame.pts)
            if index is not None and index < len(self.table):
                yield index, frame

    def _advance(self, target: int) -> bool:
        """Decode on and keep what comes, up to `target`; False if it is passed over or the video ends."""
        for index, frame in self._run:
            self._position = index + 1
            same_size(frame, self._first_frame, self.name)
            with self._condition:
                if self._closed:
                    return True
                known = index in self._cache
            if not known:
                self._keep(index, frame)
            if index >= target:
                return index == target
        self._position = len(self.table)
        return False

    def _keep(self, index: int, frame: Any) -> None:
        with self._condition:
            self._cache[index] = frame
            spare = (i for i in list(self._cache) if i not in self._wanted and i != index)
            for oldest in itertools.islice(spare, max(0, len(self._cache) - self._capacity)):
                del self._cache[oldest]
            self._condition.notify_all()
