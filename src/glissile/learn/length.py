"""How long the lines of a mask are."""

from math import sqrt

import numpy as np
from numpy.typing import NDArray


def line_length_px(mask: NDArray[np.bool_]) -> float:
    """Length of the skeleton of a mask.

    Pixels of the skeleton that share an edge are 1 px apart, those that share only a corner sqrt(2) px. A
    corner counts where no edges lead around it, so that no step of the skeleton is counted twice. A skeleton
    falls short of its line by up to the line's width, and a single pixel has the length 0: compare lengths
    with one another, of masks of similar width.

    Parameters
    ----------
    mask : ndarray of bool, shape (y, x)
        Lines of any width.

    Returns
    -------
    float
        Sum over all lines, in pixels.

    Notes
    -----
    The skeleton is that of T. Y. Zhang and C. Y. Suen, Communications of the ACM 27 (1984) 236, as
    `skimage.morphology.skeletonize` computes it.
    """
    from skimage.morphology import skeletonize

    thin = skeletonize(mask)
    upper_left, upper_right = thin[:-1, :-1], thin[:-1, 1:]
    lower_left, lower_right = thin[1:, :-1], thin[1:, 1:]
    straight = np.count_nonzero(thin[:, :-1] & thin[:, 1:]) + np.count_nonzero(thin[:-1] & thin[1:])
    falling = upper_left & lower_right & ~(upper_right | lower_left)
    rising = upper_right & lower_left & ~(upper_left | lower_right)
    return straight + sqrt(2) * (np.count_nonzero(falling) + np.count_nonzero(rising))
