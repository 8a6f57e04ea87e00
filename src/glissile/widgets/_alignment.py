"""One frame as recorded over the one it is compared with, to be dragged into place."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from napari.layers import Image
from psygnal import Signal

from glissile.stabilize.review import reference_frame
from glissile.widgets._layers import frame_layer
from glissile.widgets._study import Study

# Complementary, so that what coincides is grey.
_REFERENCE_COLORS, _FRAME_COLORS = "green", "magenta"


class Alignment:
    """Two layers, and the displacement with which the upper one lies on the lower one.

    Parameters
    ----------
    study : Study
        A stabilized study.
    frame_number : int
        Number in the source of the frame that is to be set.

    Attributes
    ----------
    frame, reference : int
        Numbers in the source of the frame and of what it is compared with: the last frame before it that
        needs no look.
    layers : tuple of Image
        The reference, and the frame above it. A drag of the frame's layer moves it.
    """

    moved = Signal(float, float)  # (dy, dx) since the first frame of the motion, in pixels
    ended = Signal()  # the layers are gone

    def __init__(self, study: Study, frame_number: int) -> None:
        motion, video = study.motion, study.trimmed
        assert motion is not None
        numbers = motion.frame_numbers.tolist()
        self._estimate = motion.displacements_px
        self._first = numbers.index(video.frame_numbers[0])
        compared = numbers[reference_frame(motion, numbers.index(frame_number))]
        self.frame = frame_number
        self.reference = max(compared, int(video.frame_numbers[0]))
        self._video = video
        self.displacement_px: tuple[float, float] = tuple(
            self._estimate[numbers.index(frame_number)].tolist()
        )
        found = []
        for number, colors in ((self.reference, _REFERENCE_COLORS), (self.frame, _FRAME_COLORS)):
            index = video.index_of(number)
            assert index is not None
            arguments = frame_layer(video, index, study.limits, colors)
            layer = Image(**arguments)
            layer.translate = self._translate(tuple(self._estimate[numbers.index(number)].tolist()))
            found.append(layer)
        self.layers = tuple(found)
        upper = self.layers[-1]
        upper.mouse_pan = False  # a drag moves the picture and not the view
        upper.mouse_drag_callbacks.append(self._drag)

    def _translate(self, displacement_px: tuple[float, float]) -> Any:
        """Where in napari's world a frame lies whose specimen is displaced so much."""
        since_first = np.array(displacement_px) - self._estimate[self._first]
        return (self._video.origins_px[0] - since_first) * (self._video.nm_per_pixel or 1.0)

    def set(self, dy: float, dx: float) -> None:
        """Say that the specimen is displaced by (dy, dx) pixels since the first frame of the motion."""
        if (dy, dx) != self.displacement_px:
            self.displacement_px = (dy, dx)
            self.layers[-1].translate = self._translate(self.displacement_px)
            self.moved.emit(dy, dx)

    def nudge(self, down: float, right: float) -> None:
        """Move the picture of the frame by so many pixels."""
        dy, dx = self.displacement_px
        self.set(dy - down, dx - right)

    def _drag(self, layer: Any, event: Any) -> Iterator[None]:
        """Move the picture with the mouse; napari goes on with this at every move of it."""
        before, from_ = self.displacement_px, np.array(event.position[-2:])
        yield
        while event.type == "mouse_move":
            down, right = (np.array(event.position[-2:]) - from_) / (self._video.nm_per_pixel or 1.0)
            self.set(before[0] - float(down), before[1] - float(right))
            yield
