"""What lies over the frames of a study for a while: a probability, differences, the frame around a place."""

from typing import Any

import numpy as np
from napari.layers import Image, Labels, Layer, Shapes
from numpy.typing import NDArray

from glissile import workflow
from glissile.video import Video
from glissile.widgets._layer_list import add_beside, remove
from glissile.widgets._layers import difference_layer, place_layer, placement

_PROBABILITY_OPACITY = 0.7


class Overlays:
    """At most one layer of each kind.

    Parameters
    ----------
    viewer : napari.Viewer
        Where they are shown.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self.forget()

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Those that there are."""
        found = (self._probability, self._differences, self._place)
        return tuple(layer for layer in found if layer is not None)

    def clear(self) -> None:
        """Take all of them out of the viewer."""
        for layer in self.layers:
            remove(self._viewer, layer)
        self.forget()

    def forget(self) -> None:
        """Let go of them where they went with their window."""
        self._probability: Image | None = None
        self._faded = False
        self._differences: Labels | None = None
        self._place: Shapes | None = None

    def mark_place(self, box: tuple[int, int, int, int] | None, video: Video) -> None:
        """Draw a frame around a place of `video`: first row and column, and those after the last."""
        place, self._place = self._place, None
        remove(self._viewer, place)
        if box is not None:
            self._place = Shapes(**place_layer(box, video))
            add_beside(self._viewer, self._place)

    def show_differences(self, compared: workflow.Comparison, video: Video) -> None:
        """Show where two sets of labels differ on the frames of `video`."""
        masks = np.zeros(video.shape, np.uint8)
        for number in compared.by_frame:
            index = video.index_of(number)
            if index is not None:
                masks[index] = compared.difference(number)
        remove(self._viewer, self._differences)
        self._differences = Labels(**difference_layer(masks, video))
        add_beside(self._viewer, self._differences)

    def show_probability(self, image: NDArray[np.float32], name: str, colormap: str, video: Video) -> None:
        """Show an image (y, x) of 0 to 1 over a frame of `video`; one that the user has hidden stays so."""
        if self._probability is not None and self._probability.name == name:
            self._probability.data = image
            self._probability.visible = self._probability.visible or self._faded
            self._faded = False
            return
        self.hide_probability()
        self._probability = Image(
            image,
            name=name,
            colormap=colormap,
            contrast_limits=(0, 1),
            opacity=_PROBABILITY_OPACITY,
            metadata={"glissile": {"role": "probability"}},
            **{key: value[1:] for key, value in placement(video).items()},
        )
        add_beside(self._viewer, self._probability)

    def fade_probability(self) -> None:
        """Hide the image of another frame until that of this one is there."""
        if self._probability is not None and self._probability.visible:
            self._probability.visible, self._faded = False, True

    def hide_probability(self) -> None:
        """Take what `show_probability` shows out of the viewer."""
        layer, self._probability, self._faded = self._probability, None, False
        remove(self._viewer, layer)

    @property
    def probability_closed(self) -> bool:
        """Whether the user has closed what `show_probability` shows."""
        return self._probability is not None and self._probability not in self._viewer.layers
