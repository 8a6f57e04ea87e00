"""Which layer of the viewer is the micrograph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import ref

from napari.layers import Image
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QSizePolicy

from glissile.widgets._form import WheelGuard

if TYPE_CHECKING:
    from napari.components import ViewerModel

CROP_ROLE = "micrograph crop"
_OF_GENERATORS = ("generated", "walk", CROP_ROLE)
_LEAST_CHARACTERS = 12
_NONE = "No 2D image yet"
_PURPOSE = "Open a file here, or a single image in napari"


class MicrographChoice(QComboBox):  # type: ignore[misc]  # qtpy brings no types
    """Lists the layers that are single images and were not generated.

    Parameters
    ----------
    viewer : napari.Viewer
        Has the layers.
    """

    chosen = Signal()  # another layer, or none

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__()
        self._viewer = viewer
        self._told = ""  # which layer was told last
        self.setAccessibleName("Micrograph")
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(_LEAST_CHARACTERS)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.installEventFilter(WheelGuard(self))
        self.activated.connect(self._tell)
        fill = self._fill
        events = (viewer.layers.events.inserted, viewer.layers.events.removed)
        for event in events:
            event.connect(fill)
        self.destroyed.connect(lambda: [event.disconnect(fill) for event in events])
        self._fill()

    @property
    def layer(self) -> Image | None:
        """The layer; None where there is none."""
        of_layer = self.currentData()
        return None if of_layer is None else of_layer()

    def choose(self, layer: Image) -> None:
        """Choose a layer of the viewer."""
        self._fill()
        for row in range(self.count()):
            of_layer = self.itemData(row)
            if of_layer is not None and of_layer() is layer:
                self.setCurrentIndex(row)
        self._tell()

    def showPopup(self) -> None:  # noqa: N802 - Qt's name
        """List the layers by the names that they have now."""
        self._fill()
        super().showPopup()

    def _fill(self, event: Any = None) -> None:
        before = self.layer
        found = [layer for layer in reversed(self._viewer.layers) if is_micrograph(layer)]
        self.clear()
        for row, layer in enumerate(found):
            self.addItem(layer.name, ref(layer))
            self.setItemData(row, layer.name, Qt.ItemDataRole.ToolTipRole)  # long ones are cut
        if not found:
            self.addItem(_NONE, None)
        if before in found:
            self.setCurrentIndex(found.index(before))
        self._tell()

    def _tell(self) -> None:
        layer = self.layer
        self.setToolTip(_PURPOSE if layer is None else layer.name)
        which = "" if layer is None else str(layer.unique_id)
        if which != self._told:
            self._told = which
            self.chosen.emit()


def is_micrograph(layer: Any) -> bool:
    """Whether a layer is a single image that was not generated."""
    if not isinstance(layer, Image) or layer.multiscale or layer.ndim != 2:
        return False
    return dict(layer.metadata.get("glissile", {})).get("role") not in _OF_GENERATORS


def nm_per_pixel(layer: Image) -> float | None:
    """Scale of a layer, where it has one in units of length and the same along y and x."""
    unit = layer.units[-1]
    y, x = (float(one) for one in layer.scale[-2:])
    if y != x or layer.units[-2] != unit or not unit.is_compatible_with("nm"):
        return None
    return float((x * unit).to("nm").magnitude)
