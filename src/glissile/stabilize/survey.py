"""The first pass: where the specimen is in every frame, to a tenth of a pixel."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glissile.stabilize.blocks import aligned
from glissile.stabilize.cores import each
from glissile.stabilize.grey_levels import Illumination
from glissile.stabilize.links import Comparison, Link, Placement, compared, linked, placed
from glissile.stabilize.motion import Distortion
from glissile.stabilize.overlay import QuietPixels
from glissile.stabilize.regions import Regions
from glissile.stabilize.small_frames import SmallFrames

# A block holds at most so many frames, over which the specimen moves at most so far.
BLOCK_FRAMES = 24
_BLOCK_TRAVEL_PX = 8.0
# Blocks that many before are linked with, and so many are kept.
_LAGS = (1, 2, 4, 8, 16, 24)
_BLOCKS_KEPT = 24
# Heights of a phase correlation, in its standard deviations. Unrelated frames reach 5 once in a thousand,
# the noisiest real ones 17.
_LEAST_HEIGHT = 6.5
_LEAST_HEIGHT_OF_VIEWS = 9.0
# After so many frames in a row that nothing relates to what was before, a new view begins, ...
_PATIENCE = 8
# ... if this many of them relate to the first of them.
_LEAST_VIEW = 3
# A displacement by more than this share of the frame may be one in the other direction: both are tried.
_FAR_SHARE = 0.3
# Rotation in radians and relative growth are not told where they are less sure than this.
_LEAST_DISTORTION_SIGMA = 0.02
# So many comparisons are judged at a time.
_JUDGED_AT_ONCE = 64


@dataclass(eq=False)
class _Block:
    """Frames that are registered together; `image` once it is closed."""

    guess_px: NDArray[np.float64]
    related: int | None
    frames: list[int] = field(default_factory=list)
    spectra: list[NDArray[np.complex64]] = field(default_factory=list)
    positions: list[NDArray[np.float64]] = field(default_factory=list)
    sigma: NDArray[np.float64] | None = None
    mean: NDArray[np.complex64] | None = None
    image: NDArray[np.float32] | None = None


@dataclass(frozen=True, eq=False)
class Anchor:
    """The part of the specimen that should stand still.

    Attributes
    ----------
    marked : ndarray of bool, shape (y, x)
        Where it lies in the frame that it was drawn on.
    moved_px : ndarray, shape (t, 2)
        (dy, dx) from there to where it lies in each frame, about.
    """

    marked: NDArray[np.bool_]
    moved_px: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Survey:
    """What the first pass found.

    Attributes
    ----------
    positions_px : ndarray, shape (t, 2)
        (dy, dx) of the specimen, pixels, since the first frame of its view; NaN where not measured.
    sigma_px : ndarray, shape (t,)
        Standard error per axis that neighbouring frames have in common; NaN where not measured.
    own_sigma_px : ndarray, shape (t,)
        Standard error per axis of each frame among its neighbours; NaN where not measured.
    views : ndarray of int, shape (t,)
        Frames of one number show one specimen; -1 where not measured.
    illumination : ndarray, shape (t, 3)
        As `Illumination.of` tells it.
    overlay : ndarray of bool, shape (y, x), optional
        What is drawn over the frames.
    distortion : Distortion, optional
        Of the largest view; None where it is not known.
    """

    positions_px: NDArray[np.float64]
    sigma_px: NDArray[np.float64]
    own_sigma_px: NDArray[np.float64]
    views: NDArray[np.int64]
    illumination: NDArray[np.float64]
    overlay: NDArray[np.bool_] | None = None
    distortion: Distortion | None = None


class Surveyor:
    """Takes the frames of a video in order, a few at a time.

    Holds the spectra of one block, and a small image of each of the last 24 blocks.

    Parameters
    ----------
    shape : tuple of int
        (y, x) of the frames.
    regions : Regions
        What to leave out.
    find_overlay : bool
        Whether to find what is drawn over the frames.
    anchor : Anchor, optional
        To look at this part of the specimen alone.
    fine : bool
        To compare each frame with others at full size: for some frames only.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        regions: Regions,
        *,
        find_overlay: bool,
        anchor: Anchor | None = None,
        fine: bool = False,
    ) -> None:
        self._small = SmallFrames(shape, fine=fine)
        self._light = Illumination(shape)
        self._quiet = QuietPixels(shape) if find_overlay else None
        # So few frames that they need not be compared in blocks are compared at full size.
        self._block_frames = 1 if fine else BLOCK_FRAMES
        self._regions = regions
        self._anchor = anchor
        self._held = None if anchor is None else self._small.softened(anchor.marked)
        self._planes: list[NDArray[np.float64]] = []
        self._blocks: list[_Block] = []
        self._open: _Block | None = None
        self._waiting: deque[tuple[int, NDArray[np.complex64]]] = deque()
        self._links: list[Link] = []
        self._comparisons: list[Comparison] = []  # of which no links are made yet
        self._guesses: list[NDArray[np.float64]] = []  # position of each closed block, as known so far
        self._count = 0
        self._next_look = 0
        self._leave_out(None)

    def _leave_out(self, overlay: NDArray[np.bool_] | None) -> None:
        ignored = self._regions.ignored(overlay)
        self._small.leave_out(ignored)
        self._light.leave_out(ignored)

    def add(self, frames: Sequence[NDArray[Any]]) -> None:
        """Take the next frames, each of shape (y, x); some 24 at once, as overlays show in their changes."""
        if self._quiet is not None:
            self._quiet.add(frames)
            # What is drawn stays: it is looked for again whenever twice as much is known.
            if self._count + len(frames) >= self._next_look:
                self._leave_out(self._quiet.mask())
                self._next_look = 2 * (self._count + len(frames))
        small = each(self._small.small, frames, frames[0].size)
        self._planes += [self._light.of(image) for image in small]
        flat = [self._small.flat(image) for image in small]
        if self._anchor is not None and self._held is not None:
            for image, moved in zip(flat, self._anchor.moved_px[self._count :], strict=False):
                image *= self._small.shifted(self._held, moved)
        for spectrum in self._small.spectra(flat):
            self._take(self._count, spectrum)
            self._count += 1

    def _take(self, index: int, spectrum: NDArray[np.complex64]) -> None:
        if not spectrum.any():
            return
        block = self._open
        if block is None or block.mean is None:
            self._wait(index, spectrum)
            return
        step, height = self._small.likeliest(np.conj(block.mean) * spectrum)
        if height < _LEAST_HEIGHT:
            self._look_back(index, spectrum)
            return
        self._waiting.clear()
        if len(block.frames) < self._block_frames and np.abs(step).max() <= _BLOCK_TRAVEL_PX:
            self._append(block, index, spectrum, step)
            return
        related = self._close()
        self._begin(index, spectrum, related, self._nearest_way(related, spectrum, step))

    def _look_back(self, index: int, spectrum: NDArray[np.complex64]) -> None:
        """Look for a frame that is unlike the last ones among the views of before."""
        assert self._open is not None
        best, step = None, np.zeros(2)
        highest = _LEAST_HEIGHT_OF_VIEWS
        for number in range(max(0, len(self._blocks) - _BLOCKS_KEPT), len(self._blocks)):
            mean = self._blocks[number].mean
            assert mean is not None
            found, height = self._small.likeliest(np.conj(mean) * spectrum)
            if height > highest:
                best, step, highest = number, found, height
        if best is None:
            self._wait(index, spectrum)
            return
        self._waiting.clear()
        self._close()
        self._begin(index, spectrum, best, self._nearest_way(best, spectrum, step))

    def _wait(self, index: int, spectrum: NDArray[np.complex64]) -> None:
        """Keep a frame that relates to nothing, until it is known whether others relate to it."""
        self._waiting.append((index, spectrum))
        if len(self._waiting) >= _PATIENCE:
            self._begin_view(_LEAST_VIEW)

    def _begin_view(self, least: int) -> None:
        """Begin a new view with the frames that wait, if enough of them relate to the first."""
        (first, spectrum), *others = self._waiting
        related = [
            (index, other)
            for index, other in others
            if self._small.likeliest(np.conj(spectrum) * other)[1] >= _LEAST_HEIGHT
        ]
        self._waiting.popleft()
        if len(related) + 1 < least:
            return
        self._waiting.clear()
        if self._open is not None:
            self._close()
        self._begin(first, spectrum, None, np.zeros(2))
        for index, other in related:
            self._take(index, other)

    def _begin(
        self,
        index: int,
        spectrum: NDArray[np.complex64],
        related: int | None,
        step: NDArray[np.float64],
    ) -> None:
        self._open = _Block(step, related)
        self._append(self._open, index, spectrum, np.zeros(2))

    def _append(
        self, block: _Block, index: int, spectrum: NDArray[np.complex64], step: NDArray[np.float64]
    ) -> None:
        block.frames.append(index)
        block.spectra.append(spectrum)
        block.positions.append(step)
        back = spectrum * self._small.moved(step[None])[0]
        block.mean = back if block.mean is None else block.mean + back

    def _close(self) -> int:
        """Register the frames of the open block and link it with those before; gives its number."""
        block, self._open = self._open, None
        assert block is not None
        fit = aligned(np.array(block.spectra), np.array(block.positions), self._small)
        block.positions = list(fit.positions_px)
        block.mean, block.sigma, block.spectra = fit.mean, fit.sigma_px, []
        block.image = self._small.image(fit.mean)
        number = len(self._blocks)
        self._blocks.append(block)
        self._link(number, block)
        if number >= _BLOCKS_KEPT:
            old = self._blocks[number - _BLOCKS_KEPT]
            old.image = old.mean = None
        return number

    def _link(self, number: int, block: _Block) -> None:
        """Link the block of this number with blocks before it."""
        guess = block.guess_px
        if block.related is not None:
            guess = guess + self._guesses[block.related]
        elif self._guesses:
            guess = self._guesses[-1]
        lags = [number - block.related] if block.related is not None else []
        for lag in dict.fromkeys([*lags, *_LAGS]):
            other = self._blocks[number - lag] if lag <= number else None
            if other is None or other.image is None or block.image is None or block.related is None:
                continue
            step = guess - self._guesses[number - lag]
            found = compared((number - lag, number), other.image, block.image, step, self._small)
            if found is None or found.height < _LEAST_HEIGHT:
                continue
            self._comparisons.append(found)
            if lag == lags[0]:
                guess = self._guesses[number - lag] + found.displacement_px
        self._guesses.append(guess)
        if len(self._comparisons) >= _JUDGED_AT_ONCE:
            self._judge()

    def _judge(self) -> None:
        """Make links of the comparisons that wait for it."""
        self._links += linked(self._comparisons, self._small)
        self._comparisons = []

    def _nearest_way(
        self, related: int, spectrum: NDArray[np.complex64], step: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Tell a long way from the still longer one in the other direction, which looks the same at first."""
        period = self._small.period_px
        far = np.abs(step) > _FAR_SHARE * period
        if not far.any():
            return step
        block = self._blocks[related]
        assert block.image is not None
        image = self._small.image(spectrum)
        ways = [step]
        for axis in np.flatnonzero(far):
            turn = np.zeros(2)
            turn[axis] = -np.sign(step[axis]) * period[axis]
            ways += [way + turn for way in ways]
        found = [compared((0, 1), block.image, image, way, self._small) for way in ways]
        heights = [
            -1.0 if f is None or np.abs(f.displacement_px - w).max() > _BLOCK_TRAVEL_PX else f.height
            for f, w in zip(found, ways, strict=True)
        ]
        return ways[int(np.argmax(heights))] if max(heights) > 0 else step

    def survey(self) -> Survey:
        """Tell what was found in all frames taken so far."""
        while self._waiting:
            self._begin_view(2)
        if self._open is not None:
            self._close()
        count = self._count
        positions, sigma, own = np.full((count, 2), np.nan), np.full(count, np.nan), np.full(count, np.nan)
        views = np.full(count, -1, np.int64)
        distortion = None
        if self._blocks:
            self._judge()
            where = placed(len(self._blocks), self._links)
            for number, block in enumerate(self._blocks):
                positions[block.frames] = where.positions_px[number] + np.array(block.positions)
                sigma[block.frames] = where.sigma_px[number]
                own[block.frames] = block.sigma
                views[block.frames] = where.views[number]
            distortion = _distortion(where)
        overlay = None if self._quiet is None else self._quiet.mask()
        planes = np.array(self._planes).reshape(-1, 3)
        return Survey(positions, sigma, own, views, planes, overlay, distortion)


def _distortion(where: Placement) -> Distortion | None:
    """How far the largest view turns and grows; None where its blocks do not tell."""
    members = np.flatnonzero(where.views == np.bincount(where.views).argmax())
    sigma = where.distortion_sigma[members]
    if len(members) < 2 or not (sigma < _LEAST_DISTORTION_SIGMA).all():
        return None
    turn, growth = where.distortion[members].T
    doubt = float(np.median(sigma))
    return Distortion(
        turn_degrees=float(np.degrees(np.ptp(turn))),
        turn_sigma_degrees=float(np.degrees(doubt)),
        growth_permille=1000 * float(np.ptp(growth)),
        growth_sigma_permille=1000 * doubt,
    )
