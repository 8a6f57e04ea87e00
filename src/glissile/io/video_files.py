"""Files and folders as a `Video`, and a `Video` as a file.

What a path holds is found out from its content. Which grey value a pixel becomes says `glissile.io.grey`.
"""

import warnings
from pathlib import Path

import numpy as np

from glissile.errors import InputError
from glissile.io.frame_index import FrameIndex
from glissile.io.image_folders import read_folder
from glissile.io.lazy_frames import lazy_frames
from glissile.io.tiff_files import MAGIC, read_tiff, write_tiff
from glissile.io.video_writer import VIDEO_SUFFIXES, write_video, writing_video
from glissile.naming import TIFF_SUFFIXES, names_experiment
from glissile.progress import Step, Steps
from glissile.video import Video

__all__ = ["CutShortWarning", "read_video", "write_frames", "write_tiff", "write_video"]


class CutShortWarning(UserWarning):
    """A video that has fewer frames than its header says."""


def read_video(path: Path, *, name: str | None = None) -> Video:
    """Open a video file, a TIFF file or a folder of images, lazily.

    Parameters
    ----------
    path : Path
        MP4, AVI, MOV, MKV, WMV or any other video that FFmpeg decodes; multi-page TIFF; or a folder of
        PNG, TIFF or JPEG images of one size, in natural order of their names.
    name : str, optional
        Of the video; the file's name without its suffix where not given.

    Returns
    -------
    Video
        One frame per chunk, grey by the rule of `glissile.io.grey`. Times are the file's own: presentation
        time stamps of a video, frame interval of an ImageJ or OME-TIFF; else not timed, a second each.

    Raises
    ------
    InputError
        If the path cannot be read as a video; one sentence with the file and the cause.

    Warns
    -----
    CutShortWarning
        If the end of the file is missing; what decodes is in the video.
    """
    if path.is_dir():
        if names_experiment(path):
            raise InputError(
                f"{path.name}: this is an experiment, not a folder of frames; open it as experiment"
            )
        return read_folder(path, name or path.name)
    if not path.exists():
        raise InputError(f"{path}: there is no such file or folder; check the path")
    name = name or path.stem
    if _head(path) in MAGIC:
        video, expected = read_tiff(path, name)
    else:
        video, expected = _read_compressed(path, name)
    if len(video) < expected:
        warnings.warn(
            f"{path.name}: {len(video)} of about {expected} frames decode; the file seems cut short or "
            "damaged, copy it again if the others are needed",
            CutShortWarning,
            stacklevel=2,
        )
    return video


def write_frames(path: Path, video: Video) -> Steps[Path]:
    """Write the frames of a video in the format of the suffix, atomically.

    Parameters
    ----------
    path : Path
        `.tif` or `.tiff` of any dtype; `.mp4`, `.mkv` or `.avi` of 8-bit frames.
    video : Video
        Frames are computed one at a time.

    Yields
    ------
    Step
        One per frame.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    InputError
        If the suffix is unknown or the frames do not fit it.
    """
    suffix = path.suffix.lower()
    if suffix in TIFF_SUFFIXES:
        yield from write_tiff(path, video)
        return path
    if suffix not in VIDEO_SUFFIXES:
        known = ", ".join(sorted((*VIDEO_SUFFIXES, ".tif")))
        raise InputError(f"{path.name}: frames cannot be written with this suffix; choose one of {known}")
    if video.frames.dtype != np.uint8:
        raise InputError(
            f"{path.name}: {video.name} has {video.frames.dtype} values, a video file holds 8 bits; write "
            ".tif instead"
        )
    frames = (video.frame(index) for index in range(len(video)))
    for written in writing_video(path, frames, frames_per_second=video.frames_per_second or 1.0):
        yield Step(written, len(video), f"Writing {path.name}, frame {written} of {len(video)}")
    return path


def _read_compressed(path: Path, name: str) -> tuple[Video, int]:
    index = FrameIndex(path)
    y, x = index.shape
    frames = lazy_frames(index.read, (len(index), y, x), index.dtype)
    video = Video.from_frames(
        frames,
        name=name,
        times_s=index.times_s,
        provenance=(f"read {len(index)} {index.codec} frames of {path.name}",),
    )
    return video, index.expected_frames


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(4)
    except OSError as error:
        raise InputError(f"{path.name}: the file cannot be read ({error.strerror})") from error
