"""From a video to the motion of its specimen: settings, the estimate, and its table on disk."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from glissile import atomic
from glissile.errors import InputError
from glissile.progress import Step, Steps
from glissile.video import Video

if TYPE_CHECKING:
    from glissile.stabilize.track import Tracker

Flag = Literal["", "jump", "few features", "interpolated"]
COLUMNS = ("frame", "dy_px", "dx_px", "sigma_px", "flag")


class StabilizeSettings(BaseModel):
    """How the motion of the specimen is found."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: Literal["glissile", "tanaka2025", "none"] = Field(
        "glissile",
        title="Method",
        description="glissile: many corners, sub-pixel; tanaka2025: one corner, whole pixels, as in Tanaka "
        "et al. 2025; none: the specimen is taken to stand still",
    )
    corners: int = Field(
        300,
        ge=30,
        le=2000,
        title="Corners",
        description="Corners that are tracked at most, spread over the frame",
        json_schema_extra={"advanced": True},
    )
    window_px: int = Field(
        21,
        ge=7,
        le=101,
        title="Window (px)",
        description="Edge length of the window that is compared around each corner",
        json_schema_extra={"advanced": True},
    )
    pyramid_levels: int = Field(
        3,
        ge=0,
        le=6,
        title="Pyramid levels",
        description="How often the frame is halved for finding large motion first",
        json_schema_extra={"advanced": True},
    )
    round_trip_px: float = Field(
        0.5,
        gt=0,
        le=5,
        title="Round trip (px)",
        description="A corner tracked forth and back must return to within this distance",
        json_schema_extra={"advanced": True},
    )
    keyframe_frames: int = Field(
        25,
        ge=1,
        le=1000,
        title="Keyframe interval (frames)",
        description="New corners are sought after so many frames at the latest",
        json_schema_extra={"advanced": True},
    )
    least_agreement: float = Field(
        0.05,
        gt=0,
        le=1,
        title="Least agreement",
        description="Share of the corners that must move alike; a frame with fewer is interpolated",
        json_schema_extra={"advanced": True},
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
        "few features" measured, but on little; "interpolated" not measured.
    frame_numbers : ndarray of int, shape (t,)
        Number of each frame in the source, counted from 0, increasing.
    provenance : tuple of str
        How the motion was found.
    """

    displacements_px: NDArray[np.float64]
    sigma_px: NDArray[np.float64]
    flags: tuple[Flag, ...]
    frame_numbers: NDArray[np.int64]
    provenance: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        n = len(self.frame_numbers)
        shapes = (self.displacements_px.shape, self.sigma_px.shape, (len(self.flags),))
        if shapes != ((n, 2), (n,), (n,)):
            raise ValueError(f"displacements, sigma and flags have shapes {shapes} for {n} frames")

    def __len__(self) -> int:
        return len(self.frame_numbers)

    @classmethod
    def still(cls, frame_numbers: NDArray[np.int64], provenance: tuple[str, ...] = ()) -> Self:
        """No motion at all, sigma not told."""
        n = len(frame_numbers)
        flags: list[Flag] = [""] * n
        return cls(np.zeros((n, 2)), np.full(n, np.nan), tuple(flags), frame_numbers, provenance)

    def write(self, path: Path) -> None:
        """Write the table to `path` as CSV, atomically; numbers are read back exactly as they are.

        Columns: frame, dy_px, dx_px, sigma_px, flag.

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
            strict=True,
        )
        table.writerows((number, repr(dy), repr(dx), repr(s), flag) for number, (dy, dx), s, flag in rows)
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
        if not lines or tuple(cell.strip() for cell in lines[0][1]) != COLUMNS:
            raise InputError(
                f"{path.name}: the first line must read {','.join(COLUMNS)}; save it as comma-separated CSV "
                "or run Stabilize again"
            )
        rows = [_read_row(path.name, line, cells) for line, cells in lines[1:]]
        if not rows:
            raise InputError(f"{path.name}: holds no frame; run Stabilize again to make it")
        numbers, dy, dx, sigma, flags = zip(*rows, strict=True)
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
        )


def _read_row(name: str, line: int, cells: Sequence[str]) -> tuple[int, float, float, float, Flag]:
    """One line of the table; InputError where it does not hold what it should."""
    try:
        number, dy, dx, sigma = int(cells[0]), float(cells[1]), float(cells[2]), float(cells[3])
        flag = cells[4].strip()
        if len(cells) != len(COLUMNS) or not (0 <= number < 2**63 and np.isfinite([dy, dx]).all()):
            raise ValueError
        if sigma < 0 or flag not in get_args(Flag):
            raise ValueError
    except (ValueError, IndexError) as error:
        raise InputError(
            f"{name}: line {line} reads {','.join(cells)!r}; it must hold a frame number, dy, dx and sigma "
            'in pixels with a decimal point, and a flag (empty, "jump", "few features" or "interpolated")'
        ) from error
    return number, dy, dx, sigma, flag  # type: ignore[return-value]


def _tracker(settings: StabilizeSettings) -> "Tracker":
    # Loaded here: both need OpenCV, which the settings and the table do not.
    if settings.method == "tanaka2025":
        from glissile.stabilize.single_corner import CornerTracker

        return CornerTracker()
    from glissile.stabilize.specimen_track import SpecimenTracker

    return SpecimenTracker(settings)


def estimate_motion(video: Video, settings: StabilizeSettings) -> Steps[Motion]:
    """Find the motion of the specimen, frame by frame.

    Frames are read once, in order; a few of them are in memory at a time, whatever the length of the video.

    Parameters
    ----------
    video : Video
        Frames of any dtype.
    settings : StabilizeSettings
        Method and its parameters.

    Yields
    ------
    Step
        One per frame, with the frame's index along t.

    Returns
    -------
    Motion
        Its first displacement is (0, 0).
    """
    provenance = (f"motion estimated by {settings.method} from {video.name}",)
    if settings.method == "none":
        yield Step(len(video), len(video), "Taking the specimen to stand still")
        return Motion.still(video.frame_numbers, provenance)
    tracker = _tracker(settings)
    total = len(video)
    for index in range(total):
        tracker.add(video.frame(index))
        message = f"Estimating motion, frame {index + 1} of {total}"
        yield Step(index + 1, total, message, frame=index)
    track = tracker.track()
    return Motion(track.displacements_px, track.sigma_px, track.flags, video.frame_numbers, provenance)
