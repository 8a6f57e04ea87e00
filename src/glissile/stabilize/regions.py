"""Which parts of a frame a person has said to leave out, to hold on to, or to take for specimen after all."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEFT_OUT = 1
ANCHOR = 2
SPECIMEN = 3


@dataclass(frozen=True, eq=False)
class Regions:
    """Regions drawn on the frames of a video.

    Attributes
    ----------
    values : ndarray of uint8, shape (y, x)
        `LEFT_OUT` (1): never specimen, such as a clock, a scale bar or vacuum; fixed to the detector.
        `ANCHOR` (2): the part of the specimen that should stand still, as it lies in frame `anchor_index`;
        without any, the whole specimen is meant. `SPECIMEN` (3): specimen, although it looks like an overlay.
        0 elsewhere.
    anchor_index : int
        Frame along t on which the anchor was drawn.
    """

    values: NDArray[np.uint8]
    anchor_index: int = 0

    @property
    def left_out(self) -> NDArray[np.bool_]:
        """Where nothing is specimen, (y, x)."""
        return np.asarray(self.values == LEFT_OUT)

    @property
    def anchor(self) -> NDArray[np.bool_] | None:
        """What should stand still, (y, x) in frame `anchor_index`; None where all of the specimen should."""
        anchor = self.values == ANCHOR
        return anchor if anchor.any() else None

    def ignored(self, overlay: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
        """Tell what is not specimen, (y, x), where `overlay` was found automatically; None where all is."""
        ignored = self.left_out
        if overlay is not None:
            # What is marked as the anchor was meant as specimen, too, but only where it lay in its own frame.
            ignored = ignored | (overlay & (self.values != SPECIMEN))
        return ignored if ignored.any() else None
