"""Frames too large for memory -> overlapping tiles, and the predictions of the tiles -> one of the frame."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Tile:
    """A rectangle of a frame.

    Attributes
    ----------
    rows, columns : slice
        In pixels of the frame.
    """

    rows: slice
    columns: slice

    @property
    def shape(self) -> tuple[int, int]:
        """(y, x), in pixels."""
        return self.rows.stop - self.rows.start, self.columns.stop - self.columns.start


def tiles(shape: tuple[int, int], *, tile_px: int, overlap_px: int, stride: int = 1) -> list[Tile]:
    """Cover a frame with overlapping tiles of one size.

    Parameters
    ----------
    shape : tuple of int
        (y, x) of the frame, in pixels.
    tile_px : int
        Largest height and width of a tile, which is one stride at least.
    overlap_px : int
        Least overlap of neighbours, at most half of `tile_px`; less where a tile has too few strides for it.
    stride : int
        Tiles begin at multiples of this, so that a network which works on a grid of that width sees each
        pixel at the same place of its grid as in the whole frame.

    Returns
    -------
    list of Tile
        Row by row. Those at the lower and right edge may be smaller by less than `stride`.
    """
    rows, columns = (_intervals(size, tile_px, overlap_px, stride) for size in shape)
    return [Tile(r, c) for r in rows for c in columns]


def _intervals(size: int, tile_px: int, overlap_px: int, stride: int) -> list[slice]:
    if size <= tile_px:
        return [slice(0, size)]
    tile = max(tile_px // stride, 1) * stride
    hop = max((tile - overlap_px) // stride, 1) * stride
    # The last tile ends at the edge or, to begin on the grid, a few pixels before it with one pixel row less.
    last = -(-(size - tile) // stride) * stride
    starts = [*range(0, last, hop), last]
    return [slice(start, min(start + tile, size)) for start in starts]


def blended(
    predictions: Iterable[tuple[Tile, NDArray[np.float32]]],
    *,
    shape: tuple[int, int],
    channels: int,
    overlap_px: int,
) -> NDArray[np.float32]:
    """Join predictions of tiles, each giving way smoothly to its neighbour where they overlap.

    Parameters
    ----------
    predictions : iterable of (Tile, ndarray of float32, shape (channels, tile y, tile x))
        In any order; together they cover the frame.
    shape : tuple of int
        (y, x) of the frame.
    channels : int
        Of the predictions.
    overlap_px : int
        Width over which a tile gives way, in pixels; its half at the edge, where the network could not see
        what follows, counts little.

    Returns
    -------
    ndarray of float32, shape (channels, y, x)
    """
    total = np.zeros((channels, *shape), dtype=np.float64)
    weights = np.zeros(shape, dtype=np.float64)
    for tile, prediction in predictions:
        weight = _weight(tile, shape, overlap_px)
        total[:, tile.rows, tile.columns] += prediction * weight
        weights[tile.rows, tile.columns] += weight
    return (total / weights).astype(np.float32)


def _weight(tile: Tile, shape: tuple[int, int], overlap_px: int) -> NDArray[np.float64]:
    rows, columns = (
        _ramp(interval, size, overlap_px)
        for interval, size in zip((tile.rows, tile.columns), shape, strict=True)
    )
    return rows[:, None] * columns


def _ramp(interval: slice, size: int, overlap_px: int) -> NDArray[np.float64]:
    """Weights along one axis: 1 inside, a raised cosine down to almost 0 at edges within the frame."""
    length = interval.stop - interval.start
    place = np.arange(length) + 0.5
    width = max(min(overlap_px, length), 1)
    ramp = np.ones(length)
    inner_edges: Sequence[tuple[bool, NDArray[np.float64]]] = (
        (interval.start > 0, place),
        (interval.stop < size, length - place),
    )
    for within, distance in inner_edges:
        if within:
            ramp = ramp * (0.5 - 0.5 * np.cos(np.pi * np.clip(distance / width, 0, 1)))
    return ramp
