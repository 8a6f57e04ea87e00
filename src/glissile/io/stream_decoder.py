"""One compressed video stream, opened: its packets, and its decoded frames in display order."""

import contextlib
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
from av.error import FFmpegError
from av.video.frame import PictureType

from glissile.errors import InputError

# The head of a file that is looked at to tell text from video.
_HEAD_BYTES = 4096


class StreamDecoder:
    """The video stream of one file, decoded from its start or from a keyframe.

    Parameters
    ----------
    path : Path
        A file that FFmpeg reads.

    Attributes
    ----------
    seeks : int
        How often decoding was started anew away from the start.

    Raises
    ------
    InputError
        If the file is no video.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.seeks = 0
        _refuse_text(path)
        self._open()

    def _open(self) -> None:
        name = self._path.name
        try:
            # The prefix keeps names with a colon or a per cent sign from being read as addresses or patterns.
            self.container: Any = av.open(f"file:{self._path}", metadata_errors="replace")
        except FileNotFoundError as error:
            raise InputError(f"{name}: there is no such file; check the path {self._path}") from error
        except (FFmpegError, OSError, ValueError) as error:
            raise InputError(
                f"{name}: this is not a video that can be opened ({_reason(error)}); it may be cut short or "
                "of another kind, copy or export it again"
            ) from error
        self.stream: Any = self.container.streams.best("video")
        if self.stream is None or self.stream.codec_context is None:
            self.container.close()
            raise InputError(f"{name}: the file holds no video stream that can be decoded; export it again")
        self.stream.thread_type = "AUTO"

    def close(self) -> None:
        """Let go of the file."""
        self.container.close()

    def rewind(self) -> None:
        """Start anew at the first packet of the file, as a fresh opener would."""
        self.container.close()
        self._open()

    def packets(self) -> Iterator[Any]:
        """Packets with content from here on, in file order, until the end or the first unreadable byte.

        An empty packet stands for a dropped frame in AVI; a decoder would take it for the end.
        """
        with contextlib.suppress(FFmpegError):
            yield from (packet for packet in self.container.demux(self.stream) if packet.size)

    def all_packets(self) -> Iterator[Any]:
        """Packets of every stream, sound included, as `packets` gives those of the video."""
        with contextlib.suppress(FFmpegError):
            yield from (packet for packet in self.container.demux() if packet.size)

    def frames(self) -> Iterator[Any]:
        """Decode from here on: frames in display order; packets that do not decode are passed over."""
        yield from self._decode(self.packets())

    def frames_from(self, pts: int) -> Iterator[Any]:
        """Decode from the keyframe at `pts`, or from where the file format lets a seek land.

        Frames before the keyframe that decoding starts from are left out: the frames they refer to were
        not decoded, so they may be wrong. For the same reason there are no frames at all where what the
        file calls a keyframe is not a whole picture (a stream refreshed bit by bit).

        Parameters
        ----------
        pts : int
            Presentation time stamp of a keyframe.

        Yields
        ------
        av.VideoFrame
            In display order; the first may lie after `pts`.
        """
        self.seeks += 1
        try:
            self.container.seek(pts, stream=self.stream)
        except FFmpegError:
            return
        packets = self.packets()
        first = next((packet for packet in packets if packet.is_keyframe), None)
        if first is None or first.pts is None:
            return
        start = first.pts
        frames = self._decode(itertools.chain((first,), packets))
        shown = itertools.dropwhile(lambda frame: frame.pts is None or frame.pts < start, frames)
        keyframe = next(shown, None)
        if keyframe is None or keyframe.pts != start or not is_whole_picture(keyframe):
            return
        yield keyframe
        yield from shown

    def _decode(self, packets: Iterator[Any]) -> Iterator[Any]:
        for packet in packets:
            with contextlib.suppress(FFmpegError):
                yield from packet.decode()
        with contextlib.suppress(FFmpegError):
            yield from self.stream.codec_context.decode(None)


def is_whole_picture(frame: Any) -> bool:
    """Tell whether a frame was decoded from its own packet alone, as far as its codec says."""
    return frame.pict_type in (PictureType.NONE, PictureType.I)


def _refuse_text(path: Path) -> None:
    """FFmpeg draws text files as video and follows the addresses in play lists; both are unwanted here."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError as error:
        raise InputError(f"{path.name}: the file cannot be read ({_reason(error)})") from error
    if not head:
        raise InputError(f"{path.name}: the file is empty; copy or record it again")
    if b"\0" not in head:
        with contextlib.suppress(UnicodeDecodeError):
            head[:-4].decode("utf-8")
            raise InputError(f"{path.name}: this is a text file, not a video; choose the video itself")


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
