"""What was measured in the frames of a video of generated images, as a table beside it."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from glissile import atomic
from glissile.errors import InputError
from glissile.gan.provenance import Provenance
from glissile.io.outputs import refuse_same

# The third tells of each frame that it is synthetic, and what it is.
_FIRST = ("frame", "time_s", "synthetic_image")
_BEGINS = f"{','.join(_FIRST)},".encode()


def table_beside(video: Path) -> Path:
    """Give the path of the table: "walk.csv" beside "walk.mp4"."""
    return video.with_suffix(".csv")


def refuse_table(video: Path, *read: Path) -> None:
    """Refuse to write the table where something else lies.

    Parameters
    ----------
    video : Path
        That is about to be written.
    *read : Path
        What the images come from.

    Raises
    ------
    InputError
        If the table is what is read, a folder, or a file that is no such table.
    """
    table = table_beside(video)
    if not table.exists():
        return
    for source in read:
        if source.exists():
            refuse_same(table, source)
    if table.is_dir() or not _begins_with(table, _BEGINS):
        raise InputError(
            f"{table}: is there already, and is no table of such frames; give the video another name"
        )


def write_table(video: Path, frames: Sequence[Provenance], frames_per_second: float) -> Path:
    """Write what was measured in the frames of a video, atomically; an empty cell has no meaning.

    Parameters
    ----------
    video : Path
        That was written.
    frames : sequence of Provenance
        Of its frames, with their measures.
    frames_per_second : float
        Of the video.

    Returns
    -------
    Path
        Of the table: UTF-8, a row for each frame.
    """
    names = list(dict.fromkeys(name for frame in frames for name in frame.measures))
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow([*_FIRST, *names])
    for index, frame in enumerate(frames):
        found = frame.measures
        cells = [f"{found[name]:.7g}" if name in found else "" for name in names]
        rows.writerow([index, f"{index / frames_per_second:.6g}", frame.title, *cells])
    table = table_beside(video)
    atomic.write_text(table, text.getvalue())
    return table


def drop_table(video: Path) -> None:
    """Take the table of an earlier video away, whose numbers are not of these frames; others stay.

    Parameters
    ----------
    video : Path
        That was written.
    """
    table = table_beside(video)
    if table.is_file() and _begins_with(table, _BEGINS):
        table.unlink()


def _begins_with(path: Path, begin: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(begin)) == begin
