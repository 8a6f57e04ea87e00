"""From a drifting video to one fixed field of view: estimate the motion, then apply it."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def displacements(frames: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Motion of the specimen in frames that are in memory, with the default settings.

    Parameters
    ----------
    frames : array, shape (t, y, x)
        Grey values.

    Returns
    -------
    shifts : ndarray, shape (t, 2)
        (dy, dx) of the specimen since frame 0, pixels, down and right positive.
    sigma : ndarray, shape (t,)
        Standard error of `shifts` per axis, pixels.

    Raises
    ------
    InputError
        If `frames` has not the axes (t, y, x), or none of a length.

    Examples
    --------
    >>> import numpy as np
    >>> texture = np.random.default_rng(0).normal(size=(96, 96))
    >>> frames = np.stack([texture[4:84, 10:90], texture[2:82, 13:93]])
    >>> displacements(frames)[0].round(1).tolist()
    [[0.0, 0.0], [2.0, -3.0]]
    """
    from glissile.errors import InputError
    from glissile.progress import finish
    from glissile.stabilize.camera_motion import StabilizeSettings, whole_frames

    array = np.asarray(frames)
    if array.ndim != 3 or array.size == 0:
        raise InputError(f"Frames have axes (t, y, x) and at least a pixel, not shape {array.shape}")
    motion = finish(whole_frames(array, StabilizeSettings()))
    return motion.displacements_px, motion.sigma_px
