"""What was measured in generated images, as a table: beside their file, or within their folder."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from glissile import atomic
from glissile.errors import InputError
from glissile.gan.provenance import Provenance
from glissile.io.outputs import refuse_same

_TIME = "time_s"
# "synthetic_image" tells of each image that it is synthetic, and what it is.
_BEGINS = (f"frame,{_TIME},synthetic_image,".encode(), b"frame,synthetic_image,")


def table_of(target: Path) -> Path:
    """Give the path of the table: "a.mp4.csv" beside "a.mp4", "seeds/seeds.csv" in the folder "seeds"."""
    return target.with_name(f"{target.name}.csv") if target.suffix else target / f"{target.name}.csv"


def refuse_table(target: Path, *read: Path) -> None:
    """Refuse to write the table where something else lies, or where it cannot be replaced.

    Parameters
    ----------
    target : Path
        File or folder of images that is about to be written.
    *read : Path
        What the images come from.

    Raises
    ------
    InputError
        If the table is what is read, a folder, a file that is no such table, or one that cannot be written,
        as where another program has it open.
    """
    table = table_of(target)
    if not table.exists():
        return
    for source in read:
        if source.exists():
            refuse_same(table, source)
    if not _is_table(table):
        raise InputError(
            f"{table}: is there already, and is no table of such images; give {target.name} another name"
        )
    try:
        table.open("r+b").close()
    except OSError as problem:
        raise InputError(
            f"{table}: cannot be replaced ({problem.strerror}); close it in other programs, or give "
            f"{target.name} another name"
        ) from problem


def write_table(
    table: Path,
    names: Sequence[str],
    images: Sequence[Provenance],
    frames_per_second: float | None = None,
) -> None:
    """Write what was measured in images, atomically: a row for each; an empty cell has no meaning.

    Parameters
    ----------
    table : Path
        CSV in UTF-8, which is replaced; with a column of seeds where an image is of one.
    names : sequence of str
        Of the measures: one column for each.
    images : sequence of Provenance
        With their measures.
    frames_per_second : float, optional
        Of a video or walk; without it the table has no times.
    """
    seeds = [seed_of(image) for image in images]
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    timed = [] if frames_per_second is None else [_TIME]
    seeded = [] if all(seed is None for seed in seeds) else ["seed"]
    rows.writerow(["frame", *timed, "synthetic_image", *seeded, *names])
    for index, (image, seed) in enumerate(zip(images, seeds, strict=True)):
        time = [] if frames_per_second is None else [f"{index / frames_per_second:.6g}"]
        found = image.measures
        cells = [f"{found[name]:.7g}" if name in found else "" for name in names]
        # An empty cell where it is None.
        rows.writerow([index, *time, _told(image.title), *([seed] if seeded else []), *cells])
    atomic.write_text(table, text.getvalue())


def drop_table(target: Path) -> Path | None:
    """Take the table away that belonged to a file before it was replaced; a file of others stays.

    Parameters
    ----------
    target : Path
        File that was replaced.

    Returns
    -------
    Path or None
        Of the table; None where there was none.

    Raises
    ------
    InputError
        If it cannot be removed.
    """
    table = table_of(target)
    if not _is_table(table):
        return None
    try:
        table.unlink()
    except OSError as problem:
        raise InputError(
            f"{table}: holds numbers of the {target.name} before, and cannot be removed "
            f"({problem.strerror}); remove it"
        ) from problem
    return table


def seed_of(image: Provenance) -> int | None:
    """Give the seed that an image is of; None for frames of a walk, mixed styles, and other points."""
    return None if image.point is None or image.mixing is not None else image.point.seed


def _told(title: str) -> str:
    """Write a title, which may come from a file of others, on one line and as no formula of a spreadsheet."""
    line = " ".join(title.split())
    return f"'{line}" if line.startswith(("=", "+", "-", "@")) else line


def _is_table(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(max(map(len, _BEGINS))).startswith(_BEGINS)
