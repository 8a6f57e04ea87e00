"""The regions that a person drew for the stabilization, and the overlay it found, kept in the experiment."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from glissile.errors import InputError
from glissile.experiment import Experiment
from glissile.io.annotations import read_mask, write_mask
from glissile.stabilize.regions import ANCHOR, LEFT_OUT, SPECIMEN, Regions
from glissile.video import Video

_STAGE = "regions"
_OVERLAY = 1


class RegionSettings(BaseModel):
    """What belongs to the regions beside their image."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    anchor_frame: int = Field(
        0, ge=0, title="Anchor frame", description="Frame of the source on which the anchor was drawn"
    )
    anchor_sha256: str = Field(
        "", title="Anchor", description="SHA-256 of the anchor that was drawn there; empty for none"
    )
    former_frame: int = Field(
        0, ge=0, title="Former frame", description="Anchor frame before that, should its image still be there"
    )
    former_sha256: str = Field("", title="Former anchor", description="SHA-256 of the anchor before that")


def read_regions(path: Path, shape: tuple[int, int]) -> Regions:
    """Read regions that were drawn on frame 0.

    Parameters
    ----------
    path : Path
        Label image of the values of `glissile.stabilize.regions`.
    shape : tuple of int
        (y, x) of the frames.

    Returns
    -------
    Regions

    Raises
    ------
    InputError
        If it cannot be read or has another size.
    """
    values = read_mask(path, SPECIMEN)
    if values.shape != tuple(shape):
        raise InputError(
            f"{path}: is {values.shape[1]} x {values.shape[0]} px, but the video is "
            f"{shape[1]} x {shape[0]} px; draw the regions again or remove it"
        )
    return Regions(values)


def drawn_regions(experiment: Experiment) -> Regions:
    """Read the regions that were drawn; nothing is marked where none were.

    Returns
    -------
    Regions
        On the pixels of the source; `anchor_index` is a frame number of the source.

    Raises
    ------
    InputError
        If their image cannot be read, or has not the size of the source.
    """
    _, height, width = experiment.document.source.shape
    shape = (height, width)
    kept = experiment.settings(_STAGE, RegionSettings)
    if not experiment.regions_path.exists():
        return Regions(np.zeros(shape, np.uint8), kept.anchor_frame)
    drawn = replace(read_regions(experiment.regions_path, shape), anchor_index=kept.anchor_frame)
    if drawn.anchor is None or _digest(drawn.anchor) == kept.anchor_sha256:
        return drawn
    if _digest(drawn.anchor) == kept.former_sha256:
        return replace(drawn, anchor_index=kept.former_frame)
    raise InputError(
        f"{experiment.regions_path}: it is not known on which frame its anchor was drawn, as it was changed "
        "elsewhere; remove the file and draw the regions again"
    )


def keep_regions(experiment: Experiment, drawn: Regions) -> None:
    """Keep what was drawn.

    Parameters
    ----------
    experiment : Experiment
        Open for writing.
    drawn : Regions
        On the pixels of the source; `anchor_index` is a frame number of the source.

    Raises
    ------
    InputError
        If the experiment is read-only, or what was drawn before cannot be read.
    """
    experiment.require_writable()
    kept = experiment.settings(_STAGE, RegionSettings)
    digest = _digest(drawn.anchor)
    if (kept.anchor_frame, kept.anchor_sha256) != (drawn.anchor_index, digest):
        # First what the image will be, beside what it is: whenever that is cut short, one of them is there.
        former = drawn_regions(experiment)
        settings = RegionSettings(
            anchor_frame=drawn.anchor_index,
            anchor_sha256=digest,
            former_frame=former.anchor_index,
            former_sha256=_digest(former.anchor),
        )
        experiment.save_settings(_STAGE, settings)
    if drawn.values.any():
        write_mask(experiment.regions_path, drawn.values)
    else:
        experiment.regions_path.unlink(missing_ok=True)


def regions_within(experiment: Experiment, video: Video) -> Regions | None:
    """Cut the regions to the trimmed `video`.

    Returns
    -------
    Regions, optional
        On the pixels of `video`, `anchor_index` along its t; None where nothing is marked in it.

    Raises
    ------
    InputError
        As `drawn_regions`, or if the anchor, or the frame that it was drawn on, is trimmed away.
    """
    whole = drawn_regions(experiment)
    top, left = video.origins_px[0].round().astype(int)
    height, width = video.shape[1:]
    values = whole.values[top : top + height, left : left + width]
    if whole.anchor is not None and not (values == ANCHOR).any():
        raise InputError(
            f"{video.name}: the anchor lies outside the crop; draw it again where the video is not trimmed "
            "away"
        )
    if not values.any():
        return None
    index = video.index_of(whole.anchor_index)
    cut = Regions(values, index or 0)
    if cut.anchor is not None and index is None:
        raise InputError(
            f"{video.name}: the anchor was drawn on frame {whole.anchor_index}, which is trimmed away; "
            "draw it again on a frame that is kept"
        )
    return cut


def _digest(anchor: NDArray[np.bool_] | None) -> str:
    return "" if anchor is None else hashlib.sha256(np.packbits(anchor).tobytes()).hexdigest()


def regions_digest(experiment: Experiment) -> str:
    """SHA-256 of what was drawn; empty where nothing is marked."""
    drawn = drawn_regions(experiment)
    if not drawn.values.any():
        return ""
    # Without an anchor its frame is of no matter.
    frame = 0 if drawn.anchor is None else drawn.anchor_index
    return hashlib.sha256(drawn.values.tobytes() + str(frame).encode()).hexdigest()


def keep_found_overlay(experiment: Experiment, video: Video, overlay: NDArray[np.bool_] | None) -> None:
    """Keep what was found to be drawn over the frames of the trimmed `video`, (y, x); None for nothing."""
    if overlay is None:
        experiment.found_overlay_path.unlink(missing_ok=True)
        return
    top, left = video.origins_px[0].round().astype(int)
    whole = np.zeros(experiment.document.source.shape[1:], np.uint8)
    whole[top : top + overlay.shape[0], left : left + overlay.shape[1]] = _OVERLAY * overlay
    write_mask(experiment.found_overlay_path, whole)


def shown_regions(experiment: Experiment) -> Regions:
    """Regions as a person sees and edits them: what was found to be an overlay counts as left out.

    Returns
    -------
    Regions
        As `drawn_regions` returns them.

    Raises
    ------
    InputError
        As `drawn_regions`, or if the image of the overlay cannot be read.
    """
    return _shown(drawn_regions(experiment), _found_overlay(experiment))


def _shown(drawn: Regions, found: NDArray[np.bool_]) -> Regions:
    values = drawn.values.copy()
    values[found & (values == 0)] = LEFT_OUT
    # That something is specimen after all shows in its not being left out.
    values[values == SPECIMEN] = 0
    return Regions(values, drawn.anchor_index)


def keep_shown_regions(experiment: Experiment, shown: Regions, drawn: Regions) -> None:
    """Keep regions edited as `shown_regions` gave them; what is erased of a found overlay is specimen.

    Parameters
    ----------
    experiment : Experiment
        Open for writing.
    shown : Regions
        As they are now.
    drawn : Regions
        As `drawn_regions` gave them before all edits: what was changed and changed back is as it was there.

    Raises
    ------
    InputError
        If the experiment is read-only, or the image of the overlay cannot be read.
    """
    found = _found_overlay(experiment)
    # Only what was changed: the rest may mean more than it shows, or what was found before.
    values = drawn.values.copy()
    changed = shown.values != _shown(drawn, found).values
    values[changed] = shown.values[changed]
    values[changed & found & (shown.values == 0)] = SPECIMEN
    keep_regions(experiment, Regions(values, shown.anchor_index))


def _found_overlay(experiment: Experiment) -> NDArray[np.bool_]:
    shape = experiment.document.source.shape[1:]
    if not experiment.found_overlay_path.exists():
        return np.zeros(shape, bool)
    found = read_mask(experiment.found_overlay_path, _OVERLAY) == _OVERLAY
    return found if found.shape == tuple(shape) else np.zeros(shape, bool)
