"""The Segmentation layer while masks are written: drawn again when the frame on screen has another one."""

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, QTimer

from glissile import workflow
from glissile.widgets._display import Display
from glissile.widgets._study import Study

# Masks that come quicker than this are not each drawn.
_REDRAW_EVERY_MS = 100


class SeenMasks:
    """Keeps the Segmentation layer of a display up to date.

    Parameters
    ----------
    display : Display
        Shows the study.
    parent : QObject
        Ends with it.
    """

    def __init__(self, display: Display, parent: QObject) -> None:
        self._display = display
        self._redraw = QTimer(parent)
        self._redraw.setSingleShot(True)
        self._redraw.setInterval(_REDRAW_EVERY_MS)
        self._redraw.timeout.connect(display.refresh_masks)

    def stop(self) -> None:
        """Draw nothing any more."""
        self._redraw.stop()

    def preview(self, index: int, mask: NDArray[np.uint8]) -> None:
        """Show a mask (y, x) over frame `index` that is not part of the segmentation."""
        if self._display.masks is not None:
            self._display.masks.previews[index] = mask
            self._redraw_if(index)

    def drop_previews(self) -> None:
        """Show the segmentation alone, once it is drawn again."""
        if self._display.masks is not None:
            self._display.masks.previews.clear()

    def look(self, study: Study, only: int | None = None) -> None:
        """See what was written, at once or when frame `only` is looked at."""
        masks = self._display.masks
        if masks is None:
            return
        if masks.store is None or only is None:
            masks.store = workflow.segmentation_of(study.experiment, study.video)
        if only is not None:
            self._redraw_if(only)
        else:
            self._display.refresh_masks()

    def _redraw_if(self, index: int) -> None:
        if index == self._display.working_index() and not self._redraw.isActive():
            self._redraw.start()
