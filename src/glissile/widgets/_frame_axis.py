"""Which frame the slider of a viewer stands at, whatever other layers make its steps.

Videos and masks lie in napari's world with one unit along t per frame, from 0 on, as `_layers.placement` puts
them; the slider has the steps of all layers: the finest, from the earliest beginning on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari.components import Dims


def frame_axis(dims: Dims) -> int:
    """Axis of the viewer along t: it aligns its layers at their last axis, and others may have more."""
    return max(int(dims.ndim) - 3, 0)


def frame_at(dims: Dims) -> int:
    """Index along t of the frame that is looked at, rounded as napari does; a video may not reach there."""
    return int(np.round(dims.point[frame_axis(dims)]))


def go_to_frame(dims: Dims, index: int) -> None:
    """Look at frame `index` along t."""
    dims.set_point(frame_axis(dims), float(index))


def steps_of(dims: Dims, count: int) -> tuple[int, int] | None:
    """Give the steps of the slider at the first and last of `count` frames; None where it has no others."""
    start, stop, step = dims.range[frame_axis(dims)]
    first, last = round(-start / step), round((count - 1 - start) / step)
    return None if first <= 0 and last >= round((stop - start) / step) else (first, last)
