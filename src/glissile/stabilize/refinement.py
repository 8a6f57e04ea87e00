"""The second pass: every frame against what the specimen looks like on average at its time. Needs OpenCV."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from glissile.stabilize.cores import each
from glissile.stabilize.grey_levels import Illumination, finite
from glissile.stabilize.settling import Shares, overlap_shares, template_errors
from glissile.stabilize.survey import Anchor, Survey
from glissile.stabilize.template import Kernels, Phase, Template
from glissile.stabilize.tiles import Tiling, agreed

# Frames are refined at most so many at a time, in chunks of like length, against the mean of the frames of
# this chunk and of so many chunks before it and behind it.
CHUNK_FRAMES = 96
_CHUNKS_ASIDE = 1
# Over a chunk the specimen moves at most by this share of the frame.
_TRAVEL_SHARE = 0.3
_TILE_PX = 14
# A tile that misses by this many standard errors, squared, has half its say.
_CAUCHY = 10.0
_ROUNDS = 3
_NOISE_SAMPLES = 4
# Fewer frames make no template; where there are fewer, the first pass is no better than this.
LEAST_FRAMES = 12
_FEW_FRAMES_PX = 0.02
# Of so many frames in a row the first pass is taken to be off by the same.
_GROUP_FRAMES = 8


@dataclass(eq=False)
class _Chunk:
    """Consecutive frames of one view, and their sums on the pixels of the specimen."""

    number: int = 0
    frames: list[int] = field(default_factory=list)
    pictures: list[NDArray[Any]] = field(default_factory=list)
    low: NDArray[np.int64] = field(default_factory=lambda: np.zeros(2, np.int64))
    sums: NDArray[np.float32] = field(default_factory=lambda: np.zeros((2, 0, 0), np.float32))
    counts: NDArray[np.float32] = field(default_factory=lambda: np.zeros((2, 0, 0), np.float32))

    @property
    def high(self) -> NDArray[np.int64]:
        return self.low + self.sums.shape[1:]


@dataclass(frozen=True, eq=False)
class Refined:
    """What the second pass found, NaN for frames that the first did not measure.

    Attributes
    ----------
    positions_px : ndarray, shape (t, 2)
        (dy, dx) of the specimen, pixels.
    sigma_px : ndarray, shape (t,)
        Standard error per axis, from how the tiles of the frame scatter.
    agreeing : ndarray, shape (t,)
        Share of the information that lies in tiles which move with the specimen, 0 to 1.
    """

    positions_px: NDArray[np.float64]
    sigma_px: NDArray[np.float64]
    agreeing: NDArray[np.float64]


class Refiner:
    """Takes the frames of a video once more, one by one and in order.

    Holds two chunks of at most 96 frames, and the sums of three; and of every frame some 150 numbers.

    Parameters
    ----------
    shape : tuple of int
        (y, x) of the frames.
    survey : Survey
        What the first pass found.
    ignored : ndarray of bool, shape (y, x), optional
        What is not specimen.
    anchor : Anchor, optional
        To look at this part of the specimen alone.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        survey: Survey,
        ignored: NDArray[np.bool_] | None,
        anchor: Anchor | None = None,
    ) -> None:
        self._anchor = anchor
        self._shape = shape
        self._survey = survey
        self._tiling = Tiling.of(shape, _TILE_PX)
        self._light = Illumination(shape)
        self._seen = np.ones(shape, np.float32) if ignored is None else (~ignored).astype(np.float32)
        self._all_seen = ignored is None
        known = survey.illumination[survey.views >= 0]
        # Frames that are divided by their light and frames that are not make no mean.
        self._even = len(known) > 0 and bool(known.any(axis=1).all())
        self._level = float(known[:, 0].mean()) if self._even else 0.0
        count, measured = len(survey.positions_px), len(known)
        self._chunk_frames = -(-measured // max(1, -(-measured // CHUNK_FRAMES)))
        self._found = np.full((count, 2), np.nan)
        self._sigma, self._agreeing = np.full(count, np.nan), np.full(count, np.nan)
        positions = np.nan_to_num(survey.positions_px)
        self._nearest = np.rint(positions).astype(np.int64)
        # Whole pixels and halves of a pixel, so that a frame lies within a quarter of them.
        halves = np.rint(2 * positions).astype(np.int64)
        self._whole, self._phase = halves // 2, halves % 2
        self._aside = positions - self._nearest
        self._from_half = positions - 0.5 * halves
        self._open = _Chunk()
        self._chunks: deque[_Chunk] = deque(maxlen=2 * _CHUNKS_ASIDE + 1)
        self._refined = 0  # chunks so far
        self._closed = 0
        self._group = np.full(count, -1, np.int64)  # of each frame
        self._shares: list[Shares] = []

    def add(self, index: int, frame: NDArray[Any]) -> None:
        """Take frame `index`, (y, x)."""
        if self._survey.views[index] < 0:
            return
        if self._open.frames and not self._fits(index):
            self._close()
        self._open.frames.append(index)
        self._open.pictures.append(frame)

    def _fits(self, index: int) -> bool:
        frames = self._open.frames
        if self._survey.views[index] != self._survey.views[frames[-1]]:
            return False
        if len(frames) == self._chunk_frames:
            return False
        travel = np.ptp(self._whole[[*frames, index]], axis=0)
        return bool((travel <= _TRAVEL_SHARE * np.array(self._shape)).all())

    def _close(self) -> None:
        """Sum up the open chunk, and refine the one whose surroundings are known now."""
        chunk, self._open = self._open, _Chunk()
        whole = self._whole[chunk.frames]
        # Sums are on the nearest whole pixels, which may be one further than those that frames are read at.
        chunk.low = -np.maximum(whole, self._nearest[chunk.frames]).max(axis=0)
        size = self._shape - whole.min(axis=0) - chunk.low
        chunk.sums, chunk.counts = np.zeros((2, *size), np.float32), np.zeros((2, *size), np.float32)
        for order, (index, picture) in enumerate(zip(chunk.frames, chunk.pictures, strict=True)):
            rows, columns = self._window(chunk, self._nearest[index])
            frame = self._evened(index, picture)
            if not self._all_seen:
                frame *= self._seen
            # OpenCV adds in place, and some three times faster than NumPy.
            cv2.accumulate(frame, chunk.sums[order % 2, rows, columns])
            cv2.accumulate(self._seen, chunk.counts[order % 2, rows, columns])
        chunk.number = self._closed
        self._closed += 1
        groups = np.arange(len(chunk.frames)) // _GROUP_FRAMES
        self._group[chunk.frames] = self._group.max(initial=-1) + 1 + groups
        self._chunks.append(chunk)
        if self._closed - self._refined > _CHUNKS_ASIDE:
            self._refine_next()

    def _refine_next(self) -> None:
        chunk = self._chunks[self._refined - self._closed + len(self._chunks)]
        self._refined += 1
        self._refine(chunk, [c for c in self._chunks if abs(c.number - chunk.number) <= _CHUNKS_ASIDE])
        chunk.pictures = []  # only its sums are needed from now on

    def refined(self) -> Refined:
        """Tell what was found in all frames."""
        if self._open.frames:
            self._close()
        while self._refined < self._closed:
            self._refine_next()
        survey = self._survey
        self._found -= template_errors(
            survey.positions_px - self._found, self._sigma, survey.sigma_px, self._group, self._shares
        )
        return Refined(self._found, self._sigma, self._agreeing)

    def _window(self, chunk: _Chunk, whole: NDArray[np.int64]) -> tuple[slice, slice]:
        """Rows and columns of a frame on the pixels of the specimen that `chunk` covers."""
        top, left = (-whole - chunk.low).tolist()
        return slice(top, top + self._shape[0]), slice(left, left + self._shape[1])

    def _evened(self, index: int, picture: NDArray[Any]) -> NDArray[np.float32]:
        frame = finite(picture)
        if not self._even:
            return frame
        return self._light.evened(frame, self._survey.illumination[index], self._level)

    def _template(self, chunk: _Chunk, around: Iterable[_Chunk]) -> tuple[Template, NDArray[np.int64]]:
        """Mean of all frames of `around` on the pixels of `chunk`, and which frames these are."""
        sums, counts = np.zeros_like(chunk.sums), np.zeros_like(chunk.counts)
        frames: list[int] = []
        view = self._survey.views[chunk.frames[0]]
        for other in around:
            low, high = np.maximum(chunk.low, other.low), np.minimum(chunk.high, other.high)
            if self._survey.views[other.frames[0]] != view or (high <= low).any():
                continue
            here, there = (
                (slice(None), *(slice(a, b) for a, b in zip(low - c.low, high - c.low, strict=True)))
                for c in (chunk, other)
            )
            sums[here] += other.sums[there]
            counts[here] += other.counts[there]
            frames += other.frames
        return Template(sums, counts, self._aside[frames]), np.array(frames)

    def _refine(self, chunk: _Chunk, around: Iterable[_Chunk]) -> None:
        frames = chunk.frames
        template, others = self._template(chunk, around)
        if len(others) < LEAST_FRAMES:
            self._found[frames] = self._survey.positions_px[frames]
            self._sigma[frames] = np.maximum(self._survey.own_sigma_px[frames], _FEW_FRAMES_PX)
            self._agreeing[frames] = 1.0
            return
        expected: dict[Phase, NDArray[np.float32]] = {}
        phases = [cast("Phase", tuple(self._phase[index].tolist())) for index in frames]
        for phase in dict.fromkeys(phases):
            expected[phase] = template.expected(phase)
        residuals = np.stack(
            [self._residual(chunk, k, expected[phases[k]]) for k in self._noise_sample(frames)]
        )
        middle = self._window(chunk, self._whole[frames[len(frames) // 2]])
        template.hold(self._held(chunk))
        template.whiten(residuals, self._seen, (middle[0].start, middle[1].start))
        kernels = {phase: template.kernels(phase, e) for phase, e in expected.items()}
        pixels = self._shape[0] * self._shape[1]
        pulls = np.stack(
            each(lambda k: self._pulled(chunk, k, kernels[phases[k]]), range(len(frames)), pixels)
        )
        everywhere = template.information()
        information, own = self._known(chunk, template, everywhere)
        told = agreed(np.concatenate([pulls - own, information], axis=1), _CAUCHY, _ROUNDS)
        found = self._whole[frames] + 0.5 * self._phase[frames] + told.displacements
        lost = ~np.isfinite(told.sigma)
        self._found[frames] = np.where(lost[:, None], self._survey.positions_px[frames], found)
        self._sigma[frames] = np.where(lost, 0.5 * min(self._shape), told.sigma)
        self._agreeing[frames] = np.where(lost, 0.0, told.agreeing)
        self._share(chunk, np.array(frames)[~lost], others, template.counts, everywhere)

    def _noise_sample(self, frames: list[int]) -> list[int]:
        """Choose some of `frames`, by their order, whose residuals are little else than noise.

        They are those, one of each part of the time, that lie nearest to a half pixel.
        """
        far = np.abs(self._from_half[frames]).max(axis=1)
        parts = np.array_split(np.arange(len(frames)), min(len(frames), _NOISE_SAMPLES))
        return [int(part[far[part].argmin()]) for part in parts]

    def _share(
        self,
        chunk: _Chunk,
        frames: NDArray[np.int64],
        others: NDArray[np.int64],
        counts: NDArray[np.float32],
        information: NDArray[np.float32],
    ) -> None:
        """Take down which of the `others` show in the template of `chunk` what each of `frames` shows."""
        places = -self._nearest - chunk.low
        shares = overlap_shares(places[frames], places[others], self._shape, information, counts)
        # Where only some frames were, their mean lies elsewhere among whole pixels than that of all.
        aside = self._aside[others] - self._aside[others].mean(axis=0)
        self._found[frames] += np.einsum("namb,mb->na", shares, aside)
        groups, begin = np.unique(self._group[others], return_index=True)
        of_groups = np.add.reduceat(shares, begin, axis=2).astype(np.float32)
        self._shares.append(Shares(frames, groups, of_groups))

    def _held(self, chunk: _Chunk) -> NDArray[np.float32] | None:
        """Where the anchor lies on the pixels of `chunk`, 1 there and 0 elsewhere; None without anchor."""
        if self._anchor is None:
            return None
        middle = chunk.frames[len(chunk.frames) // 2]
        # From the frame it was drawn on to the middle frame, and from there to the pixels of the specimen.
        top, left = np.rint(self._anchor.moved_px[middle]).astype(int) - self._nearest[middle] - chunk.low
        held: NDArray[np.float32] = np.zeros_like(chunk.sums[0])
        rows, columns = np.nonzero(self._anchor.marked)
        rows, columns = rows + top, columns + left
        inside = (rows >= 0) & (rows < held.shape[0]) & (columns >= 0) & (columns < held.shape[1])
        held[rows[inside], columns[inside]] = 1
        return held

    def _residual(self, chunk: _Chunk, order: int, expected: NDArray[np.float32]) -> NDArray[np.float32]:
        index = chunk.frames[order]
        frame = self._evened(index, chunk.pictures[order])
        residual: NDArray[np.float32] = cv2.subtract(frame, expected[self._window(chunk, self._whole[index])])
        if not self._all_seen:
            residual *= self._seen
        return residual

    def _pulled(self, chunk: _Chunk, order: int, kernels: Kernels) -> NDArray[np.float64]:
        """Sum the residual of one frame times the kernels over tiles; down and right, shape (2, tiles)."""
        window = self._window(chunk, self._whole[chunk.frames[order]])
        residual = self._residual(chunk, order, kernels.expected)
        return np.stack([self._tiling.sums(residual, k[window]) for k in (kernels.down, kernels.right)])

    def _known(
        self, chunk: _Chunk, template: Template, everywhere: NDArray[np.float32]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Tell what does not depend on the grey values of the frames, from the information `everywhere`.

        Returns
        -------
        information : ndarray, shape (frames, 3, tiles)
            Its yy, yx and xx.
        own : ndarray, shape (frames, 2, tiles)
            What the noise of each frame, being in the template, adds to what its tiles say.
        """
        planes = np.stack([*everywhere, *(template.own_share(group) for group in (0, 1))])
        over_tiles = np.stack([self._tiling.everywhere(plane) for plane in planes])
        sums: dict[tuple[int, int], NDArray[Any]] = {}
        noise: dict[tuple[float, ...], NDArray[np.float64]] = {}
        information, own = [], []
        for order, index in enumerate(chunk.frames):
            window = self._window(chunk, self._whole[index])
            place = (window[0].start, window[1].start)
            if place not in sums:
                sums[place] = (
                    self._tiling.at(over_tiles, place)
                    if self._all_seen
                    else np.stack([self._tiling.sums(self._seen, plane[window]) for plane in planes])
                )
            moved = 0.5 * self._phase[index] + self._whole[index] - self._nearest[index]
            aside = (float(moved[0]), float(moved[1]))
            if aside not in noise:
                noise[aside] = template.own_noise(aside)
            information.append(sums[place][:3])
            own.append(noise[aside][:, None] * sums[place][3 + order % 2])
        return np.stack(information), np.stack(own)
