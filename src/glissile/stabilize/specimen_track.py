"""Follow the specimen from frame to frame against keyframes. Imports OpenCV; import this lazily."""

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from glissile.stabilize.camera_motion import StabilizeSettings
from glissile.stabilize.consensus import Consensus, consensus
from glissile.stabilize.optical_flow import Coarse, Flow, corners, follow, likely_steps, likeness, normalised
from glissile.stabilize.overlay import FixedParts, on_specimen
from glissile.stabilize.track import Track

if TYPE_CHECKING:
    from glissile.stabilize.motion import Flag

# Keyframes held in memory; each new one is measured against all of them, so that errors average out.
_KEYFRAMES_KEPT = 5
_LEAST_CORNERS = 8
_LEAST_TILES = 3
# A keyframe is renewed when fewer corners agree than this share of the most that ever did.
_RENEWAL_SHARE = 0.6
# In standard deviations of chance.
_LEAST_LIKENESS = 5.0
# Two frames must share this much for a match.
_LEAST_OVERLAP = 0.3
# After so many lost frames in a row the view is taken to have changed for good.
_PATIENCE = 8
_JUMP_PX = 5.0
# The standard error does not know what all corners have in common; halves of real frames, tracked apart,
# differ by this much more.
_SIGMA_FACTOR = 3.0
_SIGMA_FLOOR_PX = 0.01
_SIGMA_REFUTED_PX = 3.0
# A link that tells another position than this is not a second opinion but a mistake.
_LINKS_APART_PX = 1.0
# Two links of a keyframe that differ by more than this are not averaged as equals.
_LINK_SCALE_PX = 0.1


@dataclass(frozen=True, eq=False)
class _Keyframe:
    index: int
    image: NDArray[np.uint8]
    corners: NDArray[np.float32]
    coarse: Coarse


@dataclass(frozen=True, eq=False)
class _Link:
    """Corners of keyframe `key` found again in frame `frame`, and what was made of them at the time."""

    key: int
    frame: int
    flow: Flow
    shift: NDArray[np.float64]


_Match = tuple[_Link, Consensus]


class SpecimenTracker:
    """Takes the frames of a video one by one; tells at the end where the specimen went.

    Holds seven frames, and the corners found in every frame (16 bytes each): with these the motion is worked
    out once more at the end, when it is known which parts of the frame never moved with the specimen.

    Parameters
    ----------
    settings : StabilizeSettings
        How to track.
    """

    def __init__(self, settings: StabilizeSettings) -> None:
        self._settings = settings
        self._keys: deque[_Keyframe] = deque(maxlen=_KEYFRAMES_KEPT)
        self._links: list[_Link] = []
        self._breaks: list[int] = []
        self._found: dict[int, NDArray[np.float64]] = {}
        self._count = 0
        self._lost_in_a_row = 0
        self._fixed: FixedParts | None = None
        self._most_agreeing = 0
        self._last: Coarse | None = None
        self._last_index = 0
        self._last_image: NDArray[np.uint8] = np.empty((0, 0), np.uint8)
        self._last_position = np.zeros(2)
        self._shape = (0, 0)

    def add(self, frame: NDArray[Any]) -> None:
        """Take the next frame, (y, x)."""
        index, self._count = self._count, self._count + 1
        image = normalised(frame)
        if self._fixed is None:
            self._shape = image.shape
            self._fixed = FixedParts(self._shape)
        coarse = Coarse.of(image, self._fixed.pixels())
        if not self._keys:
            self._start_key(index, image, coarse)
            return
        match = self._locate(index, image, coarse)
        if match is not None:
            self._accept(match, image, coarse)
            return
        self._lost_in_a_row += 1
        if self._lost_in_a_row >= _PATIENCE:
            self._start_key(index, image, coarse)

    def _start_key(self, index: int, image: NDArray[np.uint8], coarse: Coarse) -> None:
        """Begin at a frame that has no relation to any before."""
        found = self._corners(image)
        if len(found) < _LEAST_CORNERS:
            return
        if self._keys:
            self._breaks.append(index)
        self._keys.clear()
        self._keys.append(_Keyframe(index, image, found, coarse))
        self._found[index] = self._last_position
        self._last, self._last_index, self._last_image = coarse, index, image
        self._lost_in_a_row = self._most_agreeing = 0

    def _accept(self, match: _Match, image: NDArray[np.uint8], coarse: Coarse) -> None:
        """Keep what was measured on a frame, and renew the keyframe where it is due."""
        assert self._fixed is not None
        link, fit = match
        self._links.append(link)
        position = self._found[link.key] + fit.shift
        self._found[link.frame] = position
        self._fixed.vote(link.flow.start, link.flow.moved, fit.shift)
        self._last, self._last_index, self._last_image = coarse, link.frame, image
        self._last_position, self._lost_in_a_row = position, 0
        newest = self._keys[-1]
        self._most_agreeing = max(self._most_agreeing, fit.agreeing)
        fresh = fit.agreeing >= _RENEWAL_SHARE * self._most_agreeing
        if link.key == newest.index and fresh and link.frame - newest.index < self._settings.keyframe_frames:
            return
        found = self._corners(image)
        if len(found) < _LEAST_CORNERS:
            return
        for key in self._keys:
            if key.index != link.key:
                other = self._follow(key, link.frame, image, position - self._found[key.index])
                if other is None:
                    continue
                apart = self._found[key.index] + other[1].shift - position
                if np.hypot(*apart) < _LINKS_APART_PX:
                    self._links.append(other[0])
        self._keys.append(_Keyframe(link.frame, image, found, coarse))
        self._most_agreeing = 0

    def _locate(self, index: int, image: NDArray[np.uint8], coarse: Coarse) -> _Match | None:
        """Find the frame relative to the newest keyframe, or else to an older one."""
        assert self._last is not None
        newest = self._keys[-1]
        steps = likely_steps(self._last, coarse)
        on_as_before = self._last_position - self._found[newest.index]
        guesses = [on_as_before]
        # A jump: the likeliest step is tried beside "on as before"; whichever more corners confirm counts.
        if np.hypot(*steps[0]) > 1.5 * coarse.factor:
            guesses.append(on_as_before + steps[0])
        match = self._best(newest, index, image, guesses)
        if match is None:
            guesses = [on_as_before + step for step in steps[1:]] + likely_steps(newest.coarse, coarse)[:2]
            match = self._best(newest, index, image, guesses)
        for key in list(self._keys)[-2::-1]:
            match = match or self._best(key, index, image, likely_steps(key.coarse, coarse)[:1])
        if match is None and self._last_index > newest.index:
            # The view changes faster than keyframes are renewed: start from the last frame that was found.
            found = self._corners(self._last_image)
            self._keys.append(_Keyframe(self._last_index, self._last_image, found, self._last))
            self._most_agreeing = 0
            match = self._best(self._keys[-1], index, image, [np.zeros(2), *steps])
        return match

    def _best(
        self, key: _Keyframe, index: int, image: NDArray[np.uint8], guesses: list[NDArray[np.float64]]
    ) -> _Match | None:
        """Choose the guess that most corners confirm; None where too few confirm any."""
        matches = [self._follow(key, index, image, guess) for guess in guesses]
        return max((m for m in matches if m is not None), key=lambda m: m[1].agreeing, default=None)

    def _follow(
        self, key: _Keyframe, index: int, image: NDArray[np.uint8], guess: NDArray[np.float64]
    ) -> _Match | None:
        """Track the corners of `key` into a frame; None where too few agree."""
        settings = self._settings
        flow = follow(
            key.image,
            image,
            key.corners,
            guess,
            window_px=settings.window_px,
            levels=settings.pyramid_levels,
            round_trip_px=settings.round_trip_px,
        )
        fit = self._agreed(flow)
        if fit is None or likeness(key.image, image, fit.shift) < _LEAST_LIKENESS:
            return None
        return _Link(key.index, index, flow, fit.shift), fit

    def _agreed(self, flow: Flow) -> Consensus | None:
        """Find what the corners of `flow` on the specimen agree on, if enough of them do."""
        assert self._fixed is not None
        own = on_specimen(flow.start, self._fixed.cells)
        fit = consensus(flow.start[own], flow.moved[own])
        # In the little that two frames far apart share, some corners agree by chance.
        launched = max(flow.launched, _LEAST_OVERLAP * flow.offered)
        on_it = own.sum() / max(1, len(own))
        least = max(_LEAST_CORNERS, self._settings.least_agreement * launched * on_it)
        return None if fit is None or fit.agreeing < least or fit.tiles < _LEAST_TILES else fit

    def _corners(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        assert self._fixed is not None
        fixed = self._fixed.pixels()
        return corners(image, self._settings.corners, None if fixed is None else ~fixed)

    def track(self) -> Track:
        """Work out the motion from all corners of all frames taken so far."""
        n = self._count
        position = np.zeros((n, 2))
        sigma = np.full(n, np.nan)
        if self._found:
            sigma[min(self._found)] = 0.0
        unknown = 0.5 * min(self._shape)
        breaks = set(self._breaks)
        links = iter([*self._links, None])
        link = next(links)
        for frame in sorted(self._found):
            if frame in breaks:
                # Where it went in between, nothing tells: it is taken to have stayed.
                before = np.flatnonzero(np.isfinite(sigma[:frame]))[-1]
                position[frame], sigma[frame] = position[before], unknown
            own = []
            while link is not None and link.frame <= frame:
                own.append(link)
                link = next(links)
            if own:
                position[frame], sigma[frame] = self._combined(own, position, sigma)
        if self._links:
            # The first frame defines the position, but it has noise like those measured against it.
            first = self._links[0].key
            sigma[first] = np.hypot(sigma[first], sigma[self._links[0].frame])
        return _finished(position, sigma, breaks, unknown)

    def _combined(
        self, links: list[_Link], position: NDArray[np.float64], sigma: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], float]:
        """Position and standard error of a frame from its links to keyframes."""
        estimates, errors = [], []
        for link in links:
            fit = self._agreed(link.flow)
            if fit is None:
                # Most of its corners proved to be fixed to the detector later on.
                estimates.append(position[link.key] + link.shift)
                errors.append(np.hypot(sigma[link.key], _SIGMA_REFUTED_PX))
                continue
            estimates.append(position[link.key] + fit.shift)
            errors.append(np.hypot(sigma[link.key], np.hypot(_SIGMA_FACTOR * fit.sigma_px, _SIGMA_FLOOR_PX)))
        spread = np.square(np.array(errors)) + _LINK_SCALE_PX**2
        middle = np.median(estimates, axis=0)
        weights = 1 / (spread * (1 + np.square(estimates - middle).sum(axis=1) / _LINK_SCALE_PX**2))
        return weights @ np.array(estimates) / weights.sum(), float(min(errors))


def _finished(
    position: NDArray[np.float64], sigma: NDArray[np.float64], breaks: set[int], unknown: float
) -> Track:
    """Fill the frames that could not be measured, and flag what needs a look."""
    measured = np.flatnonzero(np.isfinite(sigma))
    n = len(sigma)
    if not len(measured):
        none_measured: list[Flag] = ["few features"] * n
        return Track(np.zeros((n, 2)), np.full(n, unknown), tuple(none_measured))
    frames = np.arange(n)
    filled = np.stack([np.interp(frames, measured, position[measured, axis]) for axis in (0, 1)], axis=1)
    after = measured[np.minimum(np.searchsorted(measured, frames), len(measured) - 1)]
    before = measured[np.maximum(np.searchsorted(measured, frames, side="right") - 1, 0)]
    gap = np.linalg.norm(position[after] - position[before], axis=1)
    doubt = np.maximum(sigma[after], sigma[before])
    open_end = after == before
    lost = np.isnan(sigma)
    # Between two known positions the specimen may be anywhere near; beyond the last one, further off.
    away = np.where(open_end, np.abs(frames - after), np.minimum(after - frames, frames - before))
    filled_sigma = np.where(lost, np.hypot(doubt, 1.0 + 0.5 * gap + 0.5 * np.sqrt(away)), sigma)
    step = np.zeros(n)
    step[measured[1:]] = np.linalg.norm(np.diff(position[measured], axis=0), axis=1)
    flags: list[Flag] = []
    for k in range(n):
        if lost[k]:
            flags.append("interpolated")
        elif k in breaks or step[k] > _JUMP_PX:
            flags.append("jump")
        elif 0.5 < sigma[k] < unknown:
            flags.append("few features")
        else:
            flags.append("")
    return Track(filled - filled[0], np.minimum(filled_sigma, unknown), tuple(flags))
