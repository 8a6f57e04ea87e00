"""Frames whose place was set by hand: the motion with them, its neighbours following."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field

from glissile.errors import InputError
from glissile.stabilize.motion import Flag, Motion
from glissile.stabilize.review import is_known

# A hand on a screen is no better.
_BY_HAND_PX = 0.5
# How far the step to the next frame may give way, in pixels: a measured one, and one that was not measured.
_STEP_PX = 1.0
_UNMEASURED_STEP_PX = 10.0
# For frames that hang on nothing the equations shall have a solution all the same.
_LEAST_WEIGHT = 1e-12


class Correction(BaseModel):
    """Where the specimen is in one frame, as someone has seen it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    frame: int = Field(ge=0, title="Frame", description="Number of the frame in the source")
    since: int = Field(
        ge=0, title="Since", description="Number of the frame from which the displacement is counted"
    )
    dy_px: float = Field(
        allow_inf_nan=False, title="dy (px)", description="Displacement of the specimen, down positive"
    )
    dx_px: float = Field(
        allow_inf_nan=False, title="dx (px)", description="Displacement of the specimen, right positive"
    )


class Corrections(BaseModel):
    """All that was set by hand, in the order in which it was done."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    frames: tuple[Correction, ...] = Field((), title="Frames", description="One entry per corrected frame")

    def with_(self, correction: Correction) -> "Corrections":
        """Add `correction` in place of an earlier one of the same frame."""
        return Corrections(frames=(*self.without(correction.frame).frames, correction))

    def without(self, frame: int) -> "Corrections":
        """Take back what was set for `frame`."""
        return Corrections(frames=tuple(c for c in self.frames if c.frame != frame))


def correction_of(motion: Motion, index: int, displacement_px: ArrayLike) -> Correction:
    """Write down that frame `index` of `motion` is displaced by (dy, dx) pixels since the first one."""
    numbers = motion.frame_numbers.tolist()
    dy, dx = np.asarray(displacement_px, np.float64) - motion.displacements_px[0]
    return Correction(frame=numbers[index], since=numbers[0], dy_px=float(dy), dx_px=float(dx))


def with_corrections(motion: Motion, corrections: Sequence[Correction]) -> tuple[Motion, tuple[int, ...]]:
    """Apply what was set by hand to an estimate, be it that of then or another one.

    Parameters
    ----------
    motion : Motion
        The estimate; it stays as it is.
    corrections : sequence of Correction
        In the order in which they were made.

    Returns
    -------
    motion : Motion
        With all of them that it has the frames for; `motion` itself where it has none.
    left_out : tuple of int
        Frames whose correction could not be applied, as `motion` lacks the frame, or the one that it is
        counted from.
    """
    left_out = []
    places = {number: k for k, number in enumerate(motion.frame_numbers.tolist())}
    for correction in corrections:
        index, since = places.get(correction.frame), places.get(correction.since)
        if index is None or since is None or index == 0:
            left_out.append(correction.frame)
            continue
        step = np.array([correction.dy_px, correction.dx_px])
        motion = corrected(motion, index, motion.displacements_px[since] + step)
    return motion, tuple(left_out)


def counted_anew(corrections: Corrections, before: Motion, first: int) -> Corrections:
    """Count from another frame, for a motion that no longer has the one it was counted from.

    Parameters
    ----------
    corrections : Corrections
        What was set by hand.
    before : Motion
        The motion that they led to.
    first : int
        Number of the frame to count from; where `before` lacks it, all stays as it is.

    Returns
    -------
    Corrections
        With the same displacements between frames.
    """
    places = {number: k for k, number in enumerate(before.frame_numbers.tolist())}
    if first not in places:
        return corrections
    return Corrections(
        frames=tuple(
            c.model_copy(update={"since": first, **_since(before, places[c.frame], places[first])})
            # One of the frame to count from says nothing there, but will when it is counted from another.
            if c.frame in places and c.since in places and c.frame != first
            else c
            for c in corrections.frames
        )
    )


def _since(motion: Motion, index: int, first: int) -> dict[str, float]:
    dy, dx = motion.displacements_px[index] - motion.displacements_px[first]
    return {"dy_px": float(dy), "dx_px": float(dx)}


def corrected(motion: Motion, index: int, displacement_px: ArrayLike) -> Motion:
    """Put the specimen of one frame where someone sees it; the neighbours follow as a chain does.

    The changes minimize the sum of (change of a step / s)^2 over neighbouring frames and of
    (change of a frame / sigma)^2 over all frames. s is 1 px, but 10 px for a step from or to a frame that was
    interpolated, which hangs on its neighbours alone; across a cut to another view nothing holds. So frames
    that are measured well hardly move, and a gap that was interpolated follows linearly. A view of which
    nobody knew how it lies to that of the first frame moves as a whole, and belongs to it from then on.

    Parameters
    ----------
    motion : Motion
        Frames of it that were corrected before, and its first frame, stay where they are.
    index : int
        Index along t of the frame.
    displacement_px : array of float, shape (2,)
        (dy, dx) since the first frame in pixels.

    Returns
    -------
    Motion
        The frame is flagged "corrected", with a standard error of 0.5 px; that of the others is nearer to
        this one the more closely they followed. What drift there is within a part that moved as a whole, its
        standard errors never told.

    Raises
    ------
    InputError
        If it is the first frame: all others are counted from it.
    """
    if index == 0:
        raise InputError(
            f"Frame {motion.frame_numbers[0]} is the first one, from which the motion is counted; "
            "correct the others"
        )
    place = np.asarray(displacement_px, np.float64)
    moved = motion.views == motion.views[index]
    # How another view lies to the first one nobody knew: all of it moves, and belongs to that from now on.
    follow = _following(motion, index) if moved[0] else moved.astype(np.float64)
    change = follow[:, None] * (place - motion.displacements_px[index])
    displacements = motion.displacements_px + change
    displacements[index] = place
    sigma = np.hypot((1 - follow) * motion.sigma_px, follow * _BY_HAND_PX)
    sigma[index] = _BY_HAND_PX
    flags: list[Flag] = list(motion.flags)
    flags[index] = "corrected"
    note = f"frame {motion.frame_numbers[index]} set by hand to dy {place[0]:.2f}, dx {place[1]:.2f} px"
    views = np.where(moved, motion.views[0], motion.views)
    if not moved[0]:
        sigma[views == motion.views[0]] = np.minimum(sigma[views == motion.views[0]], _BY_HAND_PX)
    return replace(
        motion,
        displacements_px=displacements,
        sigma_px=sigma,
        flags=tuple(flags),
        provenance=(*motion.provenance, note),
        views=views,
    )


def _following(motion: Motion, index: int) -> NDArray[np.float64]:
    """Share (t,) of its change, 0 to 1, by which each frame follows frame `index`."""
    from scipy.linalg import solveh_banded

    hold, bonds = _weights(motion)
    pinned = np.array([flag == "corrected" for flag in motion.flags])
    pinned[[0, index]] = True
    to_left = np.concatenate([[0.0], bonds])
    to_right = np.concatenate([bonds, [0.0]])
    # Frame k is drawn to 0 by `hold` and to its two neighbours by the bonds: a tridiagonal system.
    wanted = np.zeros(len(motion))
    wanted[index - 1] += to_left[index]
    if index + 1 < len(motion):
        wanted[index + 1] += to_right[index]
    diagonal = np.where(pinned, 1.0, hold + to_left + to_right)
    wanted = np.where(pinned, 0.0, wanted)
    wanted[index] = 1.0
    free_bonds = np.where(pinned[:-1] | pinned[1:], 0.0, bonds)
    share = solveh_banded(np.stack([np.concatenate([[0.0], -free_bonds]), diagonal]), wanted)
    return np.asarray(np.clip(share, 0.0, 1.0), np.float64)


def _weights(motion: Motion) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How firmly each frame (t,) holds its place, and each step (t - 1,) its length."""
    known = is_known(motion)
    measured = np.array([flag != "interpolated" for flag in motion.flags])
    sigma = np.where(np.isnan(motion.sigma_px), _STEP_PX, np.maximum(motion.sigma_px, 1e-3))
    hold = np.where(known & measured, 1 / sigma**2, 0.0) + _LEAST_WEIGHT
    length = np.where(measured[:-1] & measured[1:], _STEP_PX, _UNMEASURED_STEP_PX)
    cut = motion.views[1:] != motion.views[:-1]
    return hold, np.where(cut, 0.0, 1 / length**2)
