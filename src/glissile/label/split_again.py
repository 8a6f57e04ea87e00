"""Which labelled frames train and which validate where a network has learned from some of them before."""

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from glissile.errors import InputError
from glissile.label.split import NEARLY_EQUAL, Split, difference, split


def split_again(
    frame_numbers: Sequence[int],
    masks: NDArray[np.integer],
    *,
    learned: Collection[int],
    held_out: Collection[int],
    every: int = 5,
) -> Split:
    """Hold out what was held out before, and never a frame that was learned from.

    New frames with nearly the mask of one that is held out are held out with it: it would be asked for again.
    Where nothing that was held out is left, new frames that differ from all that was learned from are split
    as `split` does it.

    Parameters
    ----------
    frame_numbers : sequence of int, length n
        Number of each labelled frame.
    masks : ndarray of int, shape (n, y, x)
        Mask of each.
    learned : collection of int
        Numbers of the frames that the network was trained on, whether they are labelled now or not.
    held_out : collection of int
        Numbers of those it was scored on.
    every : int
        As of `split`.

    Returns
    -------
    Split
        Without validation frames where none can be held out honestly.

    Raises
    ------
    InputError
        If there is no frame left to train on.
    """
    indices = range(len(frame_numbers))
    new = [i for i in indices if frame_numbers[i] not in learned]
    kept = [i for i in new if frame_numbers[i] in held_out]
    if kept:
        held = {i for i in new if i in kept or _like_one(masks[i], masks[kept])}
    else:
        known = masks[[i for i in indices if frame_numbers[i] in learned]]
        strange = [i for i in new if not _like_one(masks[i], known)]
        held = set()
        if strange:
            chosen = split([frame_numbers[i] for i in strange], masks[strange], every=every)
            held = {strange[i] for i in chosen.validation}
    training = tuple(sorted(set(indices) - held, key=lambda i: frame_numbers[i]))
    if not training:
        raise InputError(
            "Every labelled frame was held out when the earlier network was trained, or looks like one that "
            "was, so none is left to learn from; label others, or train anew"
        )
    return Split(training, tuple(sorted(held, key=lambda i: frame_numbers[i])))


def _like_one(mask: NDArray[np.integer], others: NDArray[np.integer]) -> bool:
    return any(difference(other, mask) < NEARLY_EQUAL for other in others)
