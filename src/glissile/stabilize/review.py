"""What of a motion a person should look at."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glissile.stabilize.motion import Flag, Motion

# No measurement is off by as much as this.
_NOT_KNOWN_PX = 16.0


@dataclass(frozen=True)
class Doubt:
    """Frames in a row that are flagged alike.

    Attributes
    ----------
    first, last : int
        Numbers in the source of the first and of the last of them.
    flag : str
        What they are flagged as, see `Motion`.
    """

    first: int
    last: int
    flag: Flag


def doubts(motion: Motion) -> tuple[Doubt, ...]:
    """List the frames that need a look, in order; what was corrected by hand needs none.

    Parameters
    ----------
    motion : Motion
        Where the specimen went.

    Returns
    -------
    tuple of Doubt
        Neighbours with the same flag are one; jumps are not, as each is one of its own.
    """
    found: list[Doubt] = []
    before: Flag = ""
    for number, flag in zip(motion.frame_numbers.tolist(), motion.flags, strict=True):
        if flag not in ("", "corrected"):
            if flag == before and flag != "jump":
                found[-1] = Doubt(found[-1].first, number, flag)
            else:
                found.append(Doubt(number, number, flag))
        before = flag
    return tuple(found)


def is_known(motion: Motion) -> NDArray[np.bool_]:
    """Tell the frames of which it is known where the specimen was.

    Parameters
    ----------
    motion : Motion
        Where the specimen went.

    Returns
    -------
    ndarray of bool, shape (t,)
        False in other views than the one that most frames show, and where the standard error says that
        nothing is known; true where the method tells no standard error.
    """
    return np.asarray((motion.views == motion.main_view) & ~(motion.sigma_px >= _NOT_KNOWN_PX))


def reference_frame(motion: Motion, index: int) -> int:
    """Find the frame to compare a frame with: the last one before it that needs no look.

    Parameters
    ----------
    motion : Motion
        Where the specimen went.
    index : int
        Index along t.

    Returns
    -------
    int
        Index along t; the first frame where all in between are flagged or not known.
    """
    sound = is_known(motion) & np.isin(motion.flags, ("", "corrected"))
    return int(max(np.flatnonzero(sound[:index]), default=0))
