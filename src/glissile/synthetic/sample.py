"""The bundled sample: where its files lie, what it was made with, and what is true of it."""

from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from glissile.errors import InputError
from glissile.synthetic.lines import Floats
from glissile.synthetic.tem import TemSettings, TemVideo, simulate, tested
from glissile.video import Trim

SAMPLE_SETTINGS = TemSettings()
SAMPLE_SEED = 12

# Spread over time, and denser where much happens: at the yield point, frame 80.
SAMPLE_LABELLED = (0, 28, 56, 82, 96, 114, 136, 162, 192, 228)
# Every tenth frame, none of them labelled.
SAMPLE_CHECKED = tuple(range(5, SAMPLE_SETTINGS.frames, 10))

SAMPLE_FRAMES_PER_SECOND = SAMPLE_SETTINGS.frames_per_second
SAMPLE_NM_PER_PIXEL = SAMPLE_SETTINGS.nm_per_pixel
SAMPLE_INITIAL_STRAIN = SAMPLE_SETTINGS.initial_strain
SAMPLE_STRAIN_RATE_PER_S = SAMPLE_SETTINGS.strain_rate_per_s

# Leaves the bottom strip with clock and scale bar out.
SAMPLE_TRIM = Trim(
    top=0, left=0, height=SAMPLE_SETTINGS.height - SAMPLE_SETTINGS.strip_px, width=SAMPLE_SETTINGS.width
)

# The rig's clock shows this when frame 0 is taken, and it logs this often.
SAMPLE_LOG_AT_FRAME_0_S = 3.2
SAMPLE_LOG_INTERVAL_S = 0.1


class Field(NamedTuple):
    """A rectangle that moves with the specimen: rows and columns of frame 0, stop not included."""

    top: int
    bottom: int
    left: int
    right: int


def sample_folder() -> Path:
    """Find the files of the sample, in an installed package or in a source tree.

    Returns
    -------
    Path

    Raises
    ------
    InputError
        If they are in neither place.
    """
    installed = Path(__file__).parents[1] / "sample_data"
    in_source_tree = Path(__file__).parents[3] / "sample_data"
    for folder in (installed, in_source_tree):
        if (folder / "video.mp4").is_file():
            return folder
    raise InputError(
        f"The sample's video.mp4 is neither in {installed} nor in {in_source_tree}; run `make sample`"
    )


@cache
def sample_video() -> TemVideo:
    """Make the sample anew, with its truth; `video.mp4` holds the same frames, compressed.

    Returns
    -------
    TemVideo
    """
    return simulate(SAMPLE_SETTINGS, SAMPLE_SEED)


def common_field(displacements_px: Floats, trim: Trim) -> Field:
    """Area of the specimen that lies within the trimmed rectangle in every frame.

    Parameters
    ----------
    displacements_px : ndarray, shape (t, 2)
        (dy, dx) of the specimen since frame 0, down and right positive, pixels.
    trim : Trim
        With height and width.

    Returns
    -------
    Field
    """
    if trim.height is None or trim.width is None:
        raise ValueError("the trim has no height or width")
    low = np.ceil(-displacements_px.min(axis=0)).astype(int)
    high = np.floor(-displacements_px.max(axis=0)).astype(int)
    return Field(
        trim.top + int(low[0]),
        trim.top + trim.height + int(high[0]),
        trim.left + int(low[1]),
        trim.left + trim.width + int(high[1]),
    )


def area_fractions(video: TemVideo, index: int, field: Field) -> tuple[float, float]:
    """Measure the true area fractions of dislocation and stacking fault in one frame.

    Parameters
    ----------
    video : TemVideo
        Whose truth is wanted.
    index : int
        Frame number.
    field : Field
        Where.

    Returns
    -------
    tuple of float
    """
    mask = video.specimen_mask(index)[field.top : field.bottom, field.left : field.right]
    return float(np.mean(mask == 1)), float(np.mean(mask == 2))


def rig_log(video: TemVideo) -> list[tuple[float, float, float]]:
    """Log of the test rig: on its own clock, from before the video to after it.

    Parameters
    ----------
    video : TemVideo
        Whose test it is.

    Returns
    -------
    list of tuple
        Time on the rig's clock in seconds, strain, stress in MPa.
    """
    last = SAMPLE_LOG_AT_FRAME_0_S + float(video.times_s[-1]) + 2
    clock = SAMPLE_LOG_INTERVAL_S * np.arange(round(last / SAMPLE_LOG_INTERVAL_S) + 1, dtype=np.float64)
    strain, stress = tested(video.settings, clock - SAMPLE_LOG_AT_FRAME_0_S)
    return list(zip(clock.tolist(), strain.tolist(), stress.tolist(), strict=True))
