"""Where the specimen went in a video: a value to plot, to edit and to apply, and its table on disk."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

from glissile import atomic
from glissile.errors import InputError

Flag = Literal["", "jump", "few features", "overlay", "interpolated", "corrected"]
COLUMNS = ("frame", "dy_px", "dx_px", "sigma_px", "flag", "view")
# Tables written before there were views.
_OLD_COLUMNS = COLUMNS[:-1]


@dataclass(frozen=True)
class Distortion:
    """How far the specimen turns and how far the magnification changes; measured, not corrected.

    Attributes
    ----------
    turn_degrees, turn_sigma_degrees : float
        Largest angle between any two blocks of frames, and its standard error, degrees.
    growth_permille, growth_sigma_permille : float
        Largest relative change of size between any two, and its standard error, per mille.
    """

    turn_degrees: float
    turn_sigma_degrees: float
    growth_permille: float
    growth_sigma_permille: float

    @property
    def sentence(self) -> str:
        """For a person."""
        return (
            f"The specimen turns by {self.turn_degrees:.2f} ± {self.turn_sigma_degrees:.2f} degrees and its "
            f"size changes by {self.growth_permille:.1f} ± {self.growth_sigma_permille:.1f} per mille at most"
        )


@dataclass(frozen=True, eq=False)
class Motion:
    """Where the specimen went in a video: a value to plot, to edit and to apply.

    Attributes
    ----------
    displacements_px : ndarray of float, shape (t, 2)
        (dy, dx) of the specimen since the first frame in pixels, down and right positive: what lies at
        (y, x) in the first frame lies at (y + dy, x + dx) in frame k.
    sigma_px : ndarray of float, shape (t,)
        Standard error of the displacements per axis in pixels, a constant offset aside; NaN where the
        method tells none. Half the shorter edge of the frame stands for "not known".
    flags : tuple of str
        Per frame: "" as it should be; "jump" a large step from the frame before, or no relation to it;
        "few features" measured, but on little; "overlay" much of the frame does not move with the specimen;
        "interpolated" not measured; "corrected" set by hand.
    frame_numbers : ndarray of int, shape (t,)
        Number of each frame in the source, counted from 0, increasing.
    provenance : tuple of str
        How the motion was found.
    overlay : ndarray of bool, shape (y, x), optional
        What was found to be drawn over the frames and left out; not part of the table.
    distortion : Distortion, optional
        Rotation and change of magnification, where they are known; not part of the table.
    views : ndarray of int, shape (t,)
        Frames of one number lie to each other as told; how views lie to each other nobody knows. All of one
        view where not given.
    """

    displacements_px: NDArray[np.float64]
    sigma_px: NDArray[np.float64]
    flags: tuple[Flag, ...]
    frame_numbers: NDArray[np.int64]
    provenance: tuple[str, ...] = ()
    overlay: NDArray[np.bool_] | None = None
    distortion: Distortion | None = None
    views: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    def __post_init__(self) -> None:
        n = len(self.frame_numbers)
        if not len(self.views):
            object.__setattr__(self, "views", np.zeros(n, np.int64))
        shapes = (self.displacements_px.shape, self.sigma_px.shape, (len(self.flags),), self.views.shape)
        if shapes != ((n, 2), (n,), (n,), (n,)):
            raise ValueError(f"displacements, sigma, flags and views have shapes {shapes} for {n} frames")

    @property
    def main_view(self) -> int:
        """Number of the view that most frames show."""
        numbers, counts = np.unique(self.views, return_counts=True)
        return int(numbers[counts.argmax()])

    def __len__(self) -> int:
        return len(self.frame_numbers)

    @property
    def sentence(self) -> str:
        """Say for a person how far the specimen went, how sure that is, and how many frames need a look."""
        if all(flag in ("few features", "interpolated") for flag in self.flags):
            return (
                "No motion was found: no frame shows enough to follow; look at what is left out and trimmed, "
                "or choose the method none"
            )
        far = float(np.hypot(*(self.displacements_px - self.displacements_px[0]).T).max())
        known = self.sigma_px[np.isfinite(self.sigma_px)]
        sure = f", standard error {np.median(known):.2f} px" if len(known) else ""
        doubtful = sum(flag not in ("", "corrected") for flag in self.flags)
        look = f"; {doubtful} of {len(self)} frames need a look" if doubtful else ""
        return f"Drift up to {far:.1f} px{sure}{look}"

    @classmethod
    def still(cls, frame_numbers: NDArray[np.int64], provenance: tuple[str, ...] = ()) -> Self:
        """No motion at all, sigma not told."""
        n = len(frame_numbers)
        flags: list[Flag] = [""] * n
        return cls(np.zeros((n, 2)), np.full(n, np.nan), tuple(flags), frame_numbers, provenance)

    def write(self, path: Path) -> None:
        """Write the table to `path` as CSV, atomically; numbers are read back exactly as they are.

        Columns: frame, dy_px, dx_px, sigma_px, flag, view.

        Parameters
        ----------
        path : Path
            The CSV file.
        """
        text = io.StringIO(newline="")
        table = csv.writer(text, lineterminator="\n")
        table.writerow(COLUMNS)
        rows = zip(
            self.frame_numbers.tolist(),
            self.displacements_px.tolist(),
            self.sigma_px.tolist(),
            self.flags,
            self.views.tolist(),
            strict=True,
        )
        table.writerows((number, repr(dy), repr(dx), repr(s), *rest) for number, (dy, dx), s, *rest in rows)
        atomic.write_text(path, text.getvalue())

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a table that `write` wrote, hand-edited or not.

        Parameters
        ----------
        path : Path
            The CSV file.

        Returns
        -------
        Motion

        Raises
        ------
        InputError
            If `path` cannot be read, or a line of it does not hold what it should.
        """
        try:
            # Spreadsheet programs put a byte order mark before the first column.
            text = path.read_text(encoding="utf-8-sig")
        except OSError as error:
            raise InputError(
                f"{path.name}: cannot be read ({error.strerror}); run Stabilize again to make it"
            ) from error
        except UnicodeDecodeError as error:
            raise InputError(f"{path.name}: not a text file; run Stabilize again to make it") from error
        try:
            lines = [(i, row) for i, row in enumerate(csv.reader(io.StringIO(text)), start=1) if any(row)]
        except csv.Error as error:
            raise InputError(f"{path.name}: not a table ({error}); run Stabilize again to make it") from error
        columns = tuple(cell.strip() for cell in lines[0][1]) if lines else ()
        if columns not in (COLUMNS, _OLD_COLUMNS):
            raise InputError(
                f"{path.name}: the first line must read {','.join(COLUMNS)}; save it as comma-separated CSV "
                "or run Stabilize again"
            )
        rows = [_read_row(path.name, line, cells, columns) for line, cells in lines[1:]]
        if not rows:
            raise InputError(f"{path.name}: holds no frame; run Stabilize again to make it")
        numbers, dy, dx, sigma, flags, views = zip(*rows, strict=True)
        frame_numbers = np.array(numbers, np.int64)
        unordered = np.flatnonzero(np.diff(frame_numbers) <= 0)
        if len(unordered):
            raise InputError(
                f"{path.name}: frame {numbers[unordered[0] + 1]} comes after frame "
                f"{numbers[unordered[0]]}; list every frame once, in increasing order"
            )
        return cls(
            np.array([dy, dx], np.float64).T.copy(),
            np.array(sigma, np.float64),
            flags,
            frame_numbers,
            (f"motion read from {path.name}",),
            views=np.array(views, np.int64),
        )


def _read_row(
    name: str, line: int, cells: Sequence[str], columns: Sequence[str]
) -> tuple[int, float, float, float, Flag, int]:
    """One line of the table; InputError where it does not hold what it should."""
    try:
        number, dy, dx, sigma = int(cells[0]), float(cells[1]), float(cells[2]), float(cells[3])
        flag = cells[4].strip()
        view = int(cells[5]) if columns == COLUMNS else 0
        if len(cells) != len(columns) or not (0 <= number < 2**63 and np.isfinite([dy, dx]).all()):
            raise ValueError
        if sigma < 0 or flag not in get_args(Flag):
            raise ValueError
    except (ValueError, IndexError) as error:
        raise InputError(
            f"{name}: line {line} reads {','.join(cells)!r}; it must hold a frame number, dy, dx and sigma "
            f"in pixels with a decimal point, a flag (empty, {', '.join(get_args(Flag)[1:])}) and a view"
        ) from error
    return number, dy, dx, sigma, flag, view  # type: ignore[return-value]
