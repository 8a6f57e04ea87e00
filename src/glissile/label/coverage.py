"""Which stretches of a video lie far from labelled frames."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

# Between more or less regular labels no gap is three times as long as the median one.
_LONG_GAP = 3


@dataclass(frozen=True)
class Stretch:
    """Frames in a row that are far from labelled ones.

    Attributes
    ----------
    first, last : int
        Frame numbers, both included; none of the stretch is labelled.
    place : str
        Where it lies: "after the last labelled frame".
    """

    first: int
    last: int
    place: str


def far_from_labels(labelled: Sequence[int], frames: Sequence[int]) -> tuple[Stretch, ...]:
    """List the stretches of a video on which a network is least to be trusted for want of labels.

    Parameters
    ----------
    labelled : sequence of int
        Numbers of the labelled frames, in any order.
    frames : sequence of int
        Numbers of all frames.

    Returns
    -------
    tuple of Stretch
        In order: what lies beyond the first or the last labelled frame by more than the median distance of
        labelled frames, and gaps of more than three times this distance. With one labelled frame, all
        others; without any, none.
    """
    if not labelled:
        return ()
    known, numbers = np.unique(labelled), np.unique(frames)
    typical = float(np.median(np.diff(known))) if len(known) > 1 else 0.0
    found = []
    before, after = numbers[numbers < known[0]], numbers[numbers > known[-1]]
    if len(before) and known[0] - before[0] > typical:
        found.append(Stretch(int(before[0]), int(before[-1]), "before the first labelled frame"))
    for left, right in pairwise(known):
        inside = numbers[(numbers > left) & (numbers < right)]
        if len(inside) and right - left > _LONG_GAP * typical:
            times = f"between two that are {(right - left) / typical:.0f} times as far apart as usual"
            found.append(Stretch(int(inside[0]), int(inside[-1]), times))
    if len(after) and after[-1] - known[-1] > typical:
        found.append(Stretch(int(after[0]), int(after[-1]), "after the last labelled frame"))
    return tuple(found)


def where_to_label(labelled: Sequence[int], frames: Sequence[int]) -> str:
    """Say in one sentence which frames need labels; arguments as of `far_from_labels`.

    Returns
    -------
    str
        Empty where no stretch is far from labelled frames.
    """
    stretches = [
        f"{s.first} to {s.last} ({s.place})" if s.last > s.first else f"{s.first} ({s.place})"
        for s in far_from_labels(labelled, frames)
    ]
    if not stretches:
        return ""
    *first, last = stretches
    listed = f"{', '.join(first)} and {last}" if first else last
    return f"Label some of frames {listed}: so far from labels, masks are least to be trusted."
