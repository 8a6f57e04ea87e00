"""Networks trained on overlap draw thin lines too wide; a shift of each class's logit takes that back."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# A class that the network cannot see must not be forced upon it.
_LARGEST_OFFSET = 4.0
_ROUNDS = 4


def area_offsets(
    logits: Sequence[NDArray[np.float32]], truths: Sequence[NDArray[np.uint8]]
) -> NDArray[np.float32]:
    """Offsets of the logits with which each class covers its labelled area in the sum of all frames.

    Parameters
    ----------
    logits : sequence of ndarray, each of shape (classes, y, x)
        Outputs of the network, background first.
    truths : sequence of ndarray, each of shape (y, x)
        Index of the true class.

    Returns
    -------
    ndarray of float32, shape (classes,)
        To be added to the logits; 0 for the background and for classes that were never labelled, and
        never beyond 4.
    """
    values = np.concatenate([z.reshape(len(z), -1) for z in logits], axis=1)
    areas = np.bincount(np.concatenate([t.ravel() for t in truths]), minlength=len(values))
    offsets = np.zeros(len(values), dtype=np.float32)
    # Raising one class takes pixels from the others, so each is fitted in turn until they agree.
    for _ in range(_ROUNDS):
        for k in range(1, len(values)):
            if 0 < areas[k] < values.shape[1]:
                others = np.delete(values + offsets[:, None], k, axis=0).max(axis=0)
                margin = np.partition(values[k] - others, -areas[k] - 1)
                # Between the smallest margin that is to win and the largest that is not.
                cut = (margin[-areas[k] :].min() + margin[-areas[k] - 1]) / 2
                offsets[k] = np.clip(-cut, -_LARGEST_OFFSET, _LARGEST_OFFSET)
    return offsets
