"""Which frames of a video are worth labelling next, and why."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from glissile.contrast import stretched
from glissile.progress import Step, Steps
from glissile.video import Video

# Frames are compared as copies whose longer side has so many pixels.
_SMALL_PX = 96
# Grey values that change over distances of this Gaussian sigma, in pixels of the copies, are illumination.
_SLOW_PX = 6.0
_LEAST_CONTRAST = 2.0
# Grey values that differ by less than this part of the largest are one and the same, but for rounding.
_LEAST_RANGE = 1e-5
# Of a longer video every second, third... frame is looked at: distances take memory by the square.
_MOST_FRAMES = 3000
# Frames that share less than this part of the smaller one of them cannot be compared, and count as unlike.
_LEAST_SHARED = 0.25

# Two frames at either end of the video are so much less alike than they look.
_TIME_WEIGHT = 0.25
# A sudden change makes a frame worth at most so much more, and a network that is unsure of it.
_JUMP_WEIGHT, _UNSURE_WEIGHT = 0.25, 1.0
# Changes from the first of these on, in robust standard deviations above the median, are sudden; the second
# and more count in full.
_SUDDEN, _MOST_SUDDEN = 6.0, 18.0
_LEAST_DEVIATION = 0.005
# Percentiles of the uncertainty between which a network grows unsure of frames, and the part of the way from
# which on a person is told. The lower one is no median, as a network can be unsure of half a video.
_UNSURE_PERCENTILES = (25, 98)
_UNSURE = 0.5
# Frames that differ by this multiple of what neighbours differ by are the same to a labeller, if by less than
# the second number: then the difference may be noise.
_SAME_TIMES, _SAME_AT_MOST = 1.5, 0.25
_ROUNDING = 1e-3
_UNLIKE = 0.5


@dataclass(frozen=True)
class Suggestion:
    """A frame worth labelling.

    Attributes
    ----------
    index : int
        Along t of the video.
    frame_number : int
        In the source.
    reason : str
        Why, for a person: "sudden change here".
    resembles : int, optional
        Number of the labelled frame that looks most alike; None where no frame is labelled.
    likeness : float, optional
        How alike the two are: correlation of their details, at most 1.
    """

    index: int
    frame_number: int
    reason: str
    resembles: int | None = None
    likeness: float | None = None


@dataclass(frozen=True, eq=False)
class Appearance:
    """How the frames of a video look beside one another, whatever their brightness and shading.

    Attributes
    ----------
    frame_numbers : ndarray of int, shape (t,)
        Of all frames of the video.
    looked_at : ndarray of int, shape (n,)
        Indices along t of the frames that were compared, ascending; of very long videos not all.
    distances : ndarray of float32, shape (n, n)
        One less the correlation of the details of two frames: 0 where they look the same, 1 where they have
        nothing in common.
    blank : ndarray of bool, shape (n,)
        Frames without any detail, which resemble nothing and need no label.
    """

    frame_numbers: NDArray[np.int64]
    looked_at: NDArray[np.int64]
    distances: NDArray[np.float32]
    blank: NDArray[np.bool_]

    def changes(self) -> NDArray[np.float32]:
        """How much each frame differs from the one before, shape (n,), 0 for the first.

        What is gone a frame later, such as a damaged frame, is no change.
        """
        last = len(self.distances) - 1
        i = np.arange(1, last + 1)
        around = self.distances[np.maximum(i - 2, 0), np.minimum(i + 1, last)]
        changes = np.minimum(self.distances[i - 1, i], around)
        changes[self.blank[i - 1] | self.blank[i]] = 0
        return np.concatenate([np.zeros(1, np.float32), changes])


def appearance(video: Video) -> Steps[Appearance]:
    """Compare the frames of a video with one another; each is read once.

    Parameters
    ----------
    video : Video
        Of a specimen that stands still: of frames that drift, every one is unlike the others.

    Yields
    ------
    Step
        One per frame that is looked at.

    Returns
    -------
    Appearance
    """
    looked_at = np.arange(0, len(video), -(-len(video) // _MOST_FRAMES))
    details, seen = [], []
    for n, index in enumerate(looked_at.tolist(), start=1):
        detail, there = _details(video.frame(index), video.valid_part(index))
        details.append(detail.ravel())
        seen.append(there.ravel())
        yield Step(n, len(looked_at), f"Comparing frames, {n} of {len(looked_at)}")
    vectors = np.stack(details)
    blank = np.asarray(~vectors.any(axis=1))
    return Appearance(video.frame_numbers, looked_at, _distances(vectors, np.stack(seen)), blank)


def suggestions(
    appearance: Appearance,
    labelled: Collection[int],
    *,
    count: int,
    uncertainty: ArrayLike | None = None,
    allowed: ArrayLike | None = None,
) -> tuple[Suggestion, ...]:
    """Choose the frames that are worth labelling next; quick enough to ask again after every label.

    One after the other, that frame is taken which, once labelled, brings the frames of the video nearest to
    labelled ones, in looks and a little in time: unlike the farthest frame, it is no freak. Frames right
    after a sudden change, and those of which a network is unsure, are preferred.

    Parameters
    ----------
    appearance : Appearance
        Of the video.
    labelled : collection of int
        Indices along t of the frames that are labelled.
    count : int
        How many frames to suggest at most.
    uncertainty : array of float, shape (t,), optional
        How unsure a network is of each frame, in any unit; NaN where that is not known.
    allowed : array of bool, shape (t,), optional
        Frames that may be suggested; default: all.

    Returns
    -------
    tuple of Suggestion
        The most useful first. Fewer than `count` where the others are labelled, are not allowed, or look the
        same as labelled or suggested ones or as their neighbours.

    Notes
    -----
    Greedy choice of medoids; how near this comes to the best choice is shown by Nemhauser et al., An analysis
    of approximations for maximizing submodular set functions, Mathematical Programming 14 (1978).
    """
    looked_at, distances = appearance.looked_at, appearance.distances
    known = sorted({int(np.abs(looked_at - i).argmin()) for i in labelled})
    jump = _jumps(appearance.changes())
    unsure = _unsure(uncertainty, looked_at)
    worth = 1 + _JUMP_WEIGHT * jump + _UNSURE_WEIGHT * unsure
    open_ = ~appearance.blank if allowed is None else ~appearance.blank & np.asarray(allowed, bool)[looked_at]
    same = _same(appearance)
    for i in known:
        open_ &= ~_beside(i, distances, same)
    apart = _apart(appearance)
    # Without labels, all is farther from them than any two frames.
    near = apart[:, known].min(axis=1) if known else np.full(len(apart), apart.max() + 1, np.float32)
    near[appearance.blank] = 0
    chosen: list[int] = []
    while len(chosen) < count and open_.any():
        candidates = np.flatnonzero(open_)
        gains = np.maximum(near[:, None] - apart[:, candidates], 0).sum(axis=0)
        best = int(candidates[np.argmax(gains * worth[candidates])])
        chosen.append(best)
        near = np.minimum(near, apart[:, best])
        open_ &= ~_beside(best, distances, same)
    stands_for = apart[:, known + chosen].argmin(axis=1) if chosen else np.zeros(0, np.intp)
    return tuple(
        _explained(appearance, known, i, jump=jump[i], unsure=unsure[i], like_it=stands_for == n)
        for n, i in enumerate(chosen, start=len(known))
    )


def _details(
    frame: NDArray[np.generic], valid: tuple[slice, slice]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Details of a small copy of a frame in units of the contrast around them, and where there are any."""
    import cv2

    height, width = frame.shape
    scale = min(1.0, _SMALL_PX / max(height, width))
    size = max(1, round(scale * width)), max(1, round(scale * height))
    grey, known = np.zeros(frame.shape, np.float32), np.zeros(frame.shape, np.float32)
    part = frame[valid].astype(np.float32)
    finite = np.isfinite(part)
    grey[valid], known[valid] = np.where(finite, part, 0), finite
    small, share = (cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in (grey, known))
    seen = share > 0.5
    level = np.where(seen, small / np.maximum(share, 0.5), np.nan)
    if not seen.any() or np.nanmax(level) - np.nanmin(level) <= _LEAST_RANGE * np.nanmax(np.abs(level)):
        return np.zeros_like(small), seen
    even = stretched(level)
    weight = seen.astype(np.float32)
    around = np.maximum(_slow(weight), 1e-6)
    detail = weight * (even - _slow(even) / around)
    contrast = np.sqrt(_slow(detail**2) / around) + _LEAST_CONTRAST
    return np.asarray(detail / contrast, dtype=np.float32), seen


def _slow(image: NDArray[np.float32]) -> NDArray[np.float32]:
    import cv2

    return np.asarray(cv2.GaussianBlur(image, (0, 0), _SLOW_PX, borderType=cv2.BORDER_REFLECT))


def _distances(vectors: NDArray[np.float32], seen: NDArray[np.bool_]) -> NDArray[np.float32]:
    """One less the correlation of vectors (n, values), of each two over what both have seen (n, values)."""
    products = vectors @ vectors.T
    if seen.all():
        squares = np.diag(products)
        lengths = np.sqrt(np.outer(squares, squares))
    else:
        there = seen.astype(np.float32)
        common = vectors**2 @ there.T
        lengths = np.sqrt(common * common.T)
        pixels = there.sum(axis=1)
        shared = (there @ there.T) / np.maximum(np.minimum.outer(pixels, pixels), 1)
        products[shared < _LEAST_SHARED] = 0
    distances = np.clip(1 - products / np.maximum(lengths, 1e-6), 0, 2)
    np.fill_diagonal(distances, 0)
    return np.asarray(distances, dtype=np.float32)


def _jumps(changes: NDArray[np.float32]) -> NDArray[np.float64]:
    """How sudden each of some changes is, 0 for the usual to 1."""
    usual = np.median(changes[1:]) if len(changes) > 1 else 0.0
    deviation = 1.4826 * np.median(np.abs(changes[1:] - usual)) if len(changes) > 1 else 0.0
    sudden = (changes - usual) / max(deviation, _LEAST_DEVIATION)
    return np.asarray(np.clip((sudden - _SUDDEN) / (_MOST_SUDDEN - _SUDDEN), 0, 1), dtype=np.float64)


def _unsure(uncertainty: ArrayLike | None, looked_at: NDArray[np.int64]) -> NDArray[np.float64]:
    """How unsure a network is of the frames looked at, 0 for the surest and where it is not known, to 1."""
    if uncertainty is None:
        return np.zeros(len(looked_at))
    values = np.asarray(uncertainty, dtype=np.float64)[looked_at]
    if not np.isfinite(values).any():
        return np.zeros(len(looked_at))
    low, high = np.nanpercentile(values, _UNSURE_PERCENTILES)
    if high <= low:
        return np.zeros(len(looked_at))
    return np.asarray(np.nan_to_num(np.clip((values - low) / (high - low), 0, 1)))


def _same(appearance: Appearance) -> float:
    """Distance up to which two frames are the same to a labeller."""
    changes = np.diagonal(appearance.distances, 1)
    usual = float(np.median(changes)) if changes.size else 0.0
    return min(_SAME_TIMES * usual, _SAME_AT_MOST) + _ROUNDING


def _beside(index: int, distances: NDArray[np.float32], same: float) -> NDArray[np.bool_]:
    """Which frames (n,) look the same as one, or are it or its neighbours."""
    return np.asarray((distances[index] <= same) | (np.abs(np.arange(len(distances)) - index) <= 1))


def _apart(appearance: Appearance) -> NDArray[np.float32]:
    """How far the frames are apart in looks and time, shape (n, n)."""
    time = (appearance.looked_at / max(len(appearance.frame_numbers) - 1, 1)).astype(np.float32)
    apart = np.abs(np.subtract.outer(time, time))
    apart *= _TIME_WEIGHT
    apart += appearance.distances
    return np.asarray(apart, dtype=np.float32)


def _explained(
    appearance: Appearance,
    known: list[int],
    chosen: int,
    *,
    jump: float,
    unsure: float,
    like_it: NDArray[np.bool_],
) -> Suggestion:
    """Say why frame `chosen` of those looked at is worth a label; `like_it` are those it stands for."""
    numbers = appearance.frame_numbers[appearance.looked_at]
    resembles = likeness = None
    reasons = []
    if jump > 0:
        reasons.append("sudden change here")
    if unsure > _UNSURE:
        reasons.append("the network is unsure here")
    if known:
        alike = min(known, key=lambda i: float(appearance.distances[chosen, i]))
        resembles, likeness = int(numbers[alike]), 1 - float(appearance.distances[chosen, alike])
        if likeness < _UNLIKE:
            reasons.append(f"unlike any labelled frame, nearest is {resembles} ({max(likeness, 0):.0%})")
        elif not reasons:
            typical = _typical(numbers, chosen, like_it)
            reasons.append(f"{typical}; most like labelled frame {resembles} ({likeness:.0%})")
    elif not reasons:
        reasons.append(_typical(numbers, chosen, like_it))
    return Suggestion(
        int(appearance.looked_at[chosen]), int(numbers[chosen]), "; ".join(reasons), resembles, likeness
    )


def _typical(numbers: NDArray[np.int64], chosen: int, like_it: NDArray[np.bool_]) -> str:
    """Say which frames in a row, `chosen` among them, are most like it."""
    others = np.flatnonzero(~like_it)
    before, after = others[others < chosen], others[others > chosen]
    first = before[-1] + 1 if before.size else 0
    last = after[0] - 1 if after.size else len(numbers) - 1
    if first == last:
        return "looks like no other frame"
    return f"typical of frames {numbers[first]} to {numbers[last]}"
