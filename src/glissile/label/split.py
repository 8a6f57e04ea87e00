"""Which labelled frames train and which validate."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from glissile.errors import InputError

# Labellers copy the mask of one frame to the next and move a line or two: such masks differ in a few percent
# of their pixels, newly drawn ones of the same scene in half of them (1 to 2 px of jitter on 3 px lines).
NEARLY_EQUAL = 0.2
FEWEST_GROUPS = 3


@dataclass(frozen=True)
class Split:
    """Labelled frames by use, as ascending-in-time indices into what was split.

    Attributes
    ----------
    training : tuple of int
        Frames to learn from.
    validation : tuple of int
        Frames to score on; empty where there are too few to spare any.
    """

    training: tuple[int, ...]
    validation: tuple[int, ...]


def split(
    frame_numbers: Sequence[int],
    masks: NDArray[np.integer],
    *,
    every: int = 5,
    held_out: Literal["between", "beyond"] = "between",
) -> Split:
    """Hold out one of `every` labelled frames, with near-duplicates on one side.

    Frames that follow one another with nearly the same mask (less than 20 % of their defect pixels differ
    from the first of them) form a group that is never divided: a copied label would otherwise be learned
    and asked for again.

    Parameters
    ----------
    frame_numbers : sequence of int, length n
        Number of each labelled frame, in any order.
    masks : ndarray of int, shape (n, y, x)
        Mask of each.
    every : int
        One group in so many is held out; of 3 to `every` groups, one is.
    held_out : {"between", "beyond"}
        "between": groups spread over time, each from the middle of a run of `every`, the smallest nearest
        to it; the first and the last group always train. So good is a network between labelled frames.
        "beyond": the last groups. So good is it where the specimen goes on changing after the last label.

    Returns
    -------
    Split
        Without validation frames where there are fewer than three groups.

    Raises
    ------
    InputError
        If there is no frame, or a frame comes twice.
    """
    groups = _groups(frame_numbers, masks)
    if len(groups) < FEWEST_GROUPS:
        return _parted(groups, set())
    if held_out == "beyond":
        return _parted(groups, set(range(len(groups))[-max(1, len(groups) // every) :]))
    return _parted(groups, _spread(groups, every))


def folds(frame_numbers: Sequence[int], masks: NDArray[np.integer], count: int) -> tuple[Split, ...]:
    """Hold out each labelled frame once, in `count` splits that are spread over time.

    Parameters
    ----------
    frame_numbers : sequence of int, length n
        Number of each labelled frame, in any order.
    masks : ndarray of int, shape (n, y, x)
        Mask of each.
    count : int
        Number of splits, at least 2.

    Returns
    -------
    tuple of Split
        Group after group, as `split` forms them, is held out in one split after the other. The first and the
        last group are held out, too, so one or two frames are asked for beyond the others.

    Raises
    ------
    InputError
        If there are fewer than `count` groups, no frame, or a frame comes twice.
    """
    groups = _groups(frame_numbers, masks)
    if not 2 <= count <= len(groups):
        todo = f"choose from 2 to {len(groups)}" if len(groups) > 1 else "label more frames"
        raise InputError(
            f"{len(frame_numbers)} labelled frames, {len(groups)} of which differ, do not make {count} "
            f"folds; {todo}"
        )
    return tuple(_parted(groups, set(range(first, len(groups), count))) for first in range(count))


def _parted(groups: Sequence[Sequence[int]], held: set[int]) -> Split:
    return Split(
        training=tuple(i for g, group in enumerate(groups) if g not in held for i in group),
        validation=tuple(i for g, group in enumerate(groups) if g in held for i in group),
    )


def _groups(frame_numbers: Sequence[int], masks: NDArray[np.integer]) -> list[list[int]]:
    if len(frame_numbers) != len(masks) or len(masks) == 0:
        raise InputError(
            f"{len(frame_numbers)} frames with {len(masks)} masks cannot be split; label one first"
        )
    if len(set(frame_numbers)) < len(frame_numbers):
        raise InputError("A frame is labelled twice; keep one mask of each frame")
    order = [int(i) for i in np.argsort(np.asarray(frame_numbers), kind="stable")]
    groups = [[order[0]]]
    for i in order[1:]:
        # Compared with the first of the group, so that slow change ends a group at last.
        if difference(masks[groups[-1][0]], masks[i]) < NEARLY_EQUAL:
            groups[-1].append(i)
        else:
            groups.append([i])
    return groups


def difference(a: NDArray[np.integer], b: NDArray[np.integer]) -> float:
    """Share of the pixels with a defect in either mask that differ; 0 for two empty masks."""
    union = np.count_nonzero((a != 0) | (b != 0))
    return np.count_nonzero(a != b) / union if union else 0.0


def _spread(groups: Sequence[Sequence[int]], every: int) -> set[int]:
    held = set()
    for first in range(0, len(groups), every):
        run = range(first, min(first + every, len(groups)))
        if len(run) < every and first > 0:
            continue
        inner = [g for g in run if 0 < g < len(groups) - 1]
        middle = first + (len(run) - 1) / 2
        held.add(min(inner, key=lambda g: (len(groups[g]), abs(g - middle), g)))
    return held
