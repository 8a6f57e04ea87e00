"""Finding a micrograph in the generator: which one, how long, what was found."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Image
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from glissile.gan.pixels import as_pixels
from glissile.gan.points import Point
from glissile.widgets._form import WheelGuard
from glissile.widgets._layer_list import add_beside, remove
from glissile.widgets.gan._crop import Crop, Cut, crop_of
from glissile.widgets.gan._resolve_micrographs import (
    QUALITIES,
    UNIT_IMAGES,
    USUAL,
    MicrographControls,
    found_text,
    quality_text,
)
from glissile.widgets.gan._searching import read_micrograph, sought
from glissile.widgets.gan.beside import PicturePair, crop_layer, look_at_pair
from glissile.widgets.gan.long_work import LongWork
from glissile.widgets.gan.micrograph_choice import MicrographChoice, nm_per_pixel
from glissile.widgets.gan.search_work import SearchWork
from glissile.widgets.sections.section import words

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from numpy.typing import NDArray

    from glissile.gan.projection import Projection
    from glissile.gan.sampler import Sampler
    from glissile.widgets.gan._resolve_micrographs import Quality
    from glissile.widgets.gan.state import GeneratorState

_FILES = "Micrographs (*.png *.tif *.tiff *.jpg *.jpeg);;All files (*)"
_MOST_BAR_PX = 9999
_SPACES = {
    "w": ("Among what was learned (w)", "One vector for all layers: stays a typical image, best for walks"),
    "w+": ("As near as can be (w+)", "One vector for each layer: comes nearer, is less typical"),
}


class MicrographSearch(QWidget):  # type: ignore[misc]  # qtpy brings no types
    """Seeks the image of the generator that is nearest to a micrograph.

    Parameters
    ----------
    viewer : napari.Viewer
        Has the micrograph, and gets the part of it that was used.
    state : GeneratorState
        Gets the point that was found.

    Attributes
    ----------
    crop : Crop, optional
        What of the micrograph is used; None as long as it is not known.
    found : Point, optional
        What was found last.
    """

    changed = Signal()  # what is chosen, known, sought or found

    def __init__(self, viewer: ViewerModel, state: GeneratorState) -> None:
        super().__init__()
        self._viewer, self._state = viewer, state
        self.crop: Crop | None = None
        self.found: Point | None = None
        self._layer: Image | None = None  # what was compared with
        self._whole: Image | None = None  # the micrograph, hidden for it
        self._watching = False
        self._wanted: Cut | None = None  # what is shown, or will be
        self.micrograph = MicrographChoice(viewer)
        self.micrograph.chosen.connect(self._look_at_micrograph)
        self.open = QPushButton("Open file…")
        self.open.clicked.connect(self._ask_file)
        self.bar, self.part, self.space, self.quality = QSpinBox(), QComboBox(), QComboBox(), QComboBox()
        self.about = words("")
        self.pictures = PicturePair("Micrograph", "Nearest found")
        self.reading = LongWork()
        self.reading.running_changed.connect(self.changed)
        self.search = QPushButton("Find in the generator")
        self.search.clicked.connect(self.start)
        self.work = SearchWork()
        self.work.running_changed.connect(self.changed)
        self.work.previewed.connect(self.pictures.show_right)
        self.result = words("")
        self.show_found, self.key = QPushButton("Show it"), QPushButton("Set as key frame")
        self.show_found.clicked.connect(self._show_found)
        self.key.clicked.connect(self._set_as_key)
        self._arrange()
        state.network_changed.connect(self._on_network)
        state.dropped.connect(self._ask_anew)
        state.made.connect(self._show_qualities)
        self._on_network()

    def _arrange(self) -> None:
        self.bar.setRange(0, _MOST_BAR_PX)
        self.bar.setSuffix(" px")
        self.bar.setKeyboardTracking(False)
        self.bar.setToolTip("Height of the data bar at the bottom of the micrograph, which is cut off")
        self.bar.valueChanged.connect(self._look_at_micrograph)
        self.part.addItem("Largest square", False)
        self.part.addItem("Square at the generator's scale", True)
        self.part.setToolTip(
            "The largest square shows most; at the generator's scale structures keep their size, in nm where "
            "both scales are known, else in pixels"
        )
        self.part.activated.connect(self._look_at_micrograph)
        for name, (title, tooltip) in _SPACES.items():
            self.space.addItem(title, name)
            self.space.setItemData(self.space.count() - 1, tooltip, Qt.ItemDataRole.ToolTipRole)
        for quality in QUALITIES:
            self.quality.addItem("", quality)
        self.quality.setCurrentIndex(USUAL)
        self.quality.setToolTip("How many images of the generator are compared with the micrograph")
        chosen = QHBoxLayout()
        chosen.addWidget(self.micrograph, 1)
        chosen.addWidget(self.open)
        rows = QFormLayout()
        rows.addRow("Micrograph", chosen)
        rows.addRow("Data bar", self.bar)
        rows.addRow("Part", self.part)
        rows.addRow("Space", self.space)
        rows.addRow("Quality", self.quality)
        guard = WheelGuard(self)
        for widget in (self.bar, self.part, self.space, self.quality):
            widget.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
            widget.installEventFilter(guard)
        buttons = QHBoxLayout()
        buttons.addWidget(self.show_found, 1)
        buttons.addWidget(self.key, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(rows)
        for widget in (self.reading, self.about, self.pictures, self.search, self.work, self.result):
            column.addWidget(widget)
        column.addLayout(buttons)

    def show_controls(self, controls: MicrographControls) -> None:
        """Show what can be done."""
        tips = {
            self.search: (controls.search, "Seek the image of the generator that is nearest"),
            self.open: (controls.choose, "Open a PNG, TIFF or JPEG file as a layer, grey"),
            self.show_found: (controls.show, "Look at what was found, beside the micrograph"),
            self.key: (controls.key, "Make what was found the next key frame of the walk"),
        }
        for button, (reason, tooltip) in tips.items():
            button.setEnabled(not reason)
            button.setToolTip(reason or tooltip)
        for widget in (self.micrograph, self.bar, self.part, self.space, self.quality):
            widget.setEnabled(not controls.choose)
        self.search.setVisible(not self.work.running)
        for widget in (self.result, self.show_found, self.key):
            widget.setVisible(self.found is not None and not self.work.running)

    def set_watching(self, watching: bool) -> None:
        """Show what of the micrograph is used, or rest while nobody sees it."""
        self._watching = watching
        if watching:
            self._ask_anew()

    # the micrograph

    def _ask_file(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "Open a micrograph", "", _FILES)
        if name:
            self.open_file(Path(name))

    def open_file(self, path: Path) -> None:
        """Read a micrograph in the background, show it as a layer, and choose it."""
        self.reading.run(
            lambda: read_micrograph(path),
            description=f"Reading {path.name}",
            on_done=lambda data: self._add(path, data),
        )

    def _add(self, path: Path, data: NDArray[Any]) -> None:
        layer = Image(data, name=path.stem, colormap="gray", metadata={"glissile": {"path": str(path)}})
        self._viewer.add_layer(layer)
        self.micrograph.choose(layer)

    def _cut(self) -> Cut | None:
        layer = self.micrograph.layer
        if layer is None:
            return None
        return Cut(layer.data, self.bar.value(), bool(self.part.currentData()), nm_per_pixel(layer))

    def _look_at_micrograph(self, _: object = None) -> None:
        """Have the part that is used shown."""
        self.crop = None
        self._ask_anew()
        self._show_crop()

    def _ask_anew(self) -> None:
        """Have it shown, where it is not known yet."""
        cut = self._cut()
        self._wanted = cut
        if cut is None:
            self._state.forget("crop")
        elif self.crop is None and self._watching:
            self._state.generate(
                "crop", lambda sampler: crop_of(cut, sampler.card), lambda crop: self._take_crop(cut, crop)
            )

    def _take_crop(self, cut: Cut, crop: Crop) -> None:
        if cut is self._wanted:
            self.crop = crop
            self._show_crop()

    def _show_crop(self) -> None:
        crop = self.crop
        self.about.setText("" if crop is None else crop.text or crop.problem)
        self.about.setVisible(crop is not None)
        self.pictures.show_left(None if crop is None else crop.pixels)
        self.pictures.show_right(None)
        self.pictures.setVisible(crop is not None and crop.pixels is not None)
        self.changed.emit()

    # searching

    def start(self) -> None:
        """Search, in the background."""
        state, cut, sampler = self._state, self._wanted, self._state.sampler
        if sampler is None or cut is None or self.work.running or self.reading.running:
            return
        layer = self.micrograph.layer
        assert layer is not None
        title, label = f"found: {layer.name}"[:200], state.truncation.label
        quality: Quality = self.quality.currentData()
        settings = {
            "space": self.space.currentData(),
            "samples": quality.samples,
            "steps": quality.steps,
            "starts": quality.starts,
            "noise": "none" if state.look.noise == "none" else "const",
            "device": "cpu" if sampler.on_cpu else "auto",
        }
        self.found = None
        before = state.point
        self.pictures.show_right(None)
        self.work.search(
            lambda: sought(sampler, cut, settings, label),
            quality,
            lambda found: self._take(sampler, found, Point.of_w(found.ws, title, label), layer, before),
        )

    def _take(
        self, sampler: Sampler, found: Projection, point: Point, whole: Image, before: Point | None
    ) -> None:
        """Tell what was found, and show it where the user has not gone on to something else."""
        card = self._state.card
        if card is None or card.weights_sha256 != sampler.card.weights_sha256:
            return
        self.found = point
        told = found_text(found.distances, stopped=self.work.stopped)
        noise = " Measured with the noise of the generator." if self._state.look.noise == "random" else ""
        self.result.setText(f"{whole.name}. {told}{noise}")
        image, target = (as_pixels(one[None])[0] for one in (found.image, found.target))
        self.pictures.show_left(target)
        self.pictures.show_right(image)
        remove(self._viewer, self._layer)
        self._layer, self._whole = crop_layer(target, sampler.card), whole
        if self._state.point is before and not self._state.edits:
            self._show_found()
        self._show_qualities()
        self.changed.emit()

    def _show_found(self) -> None:
        """Show what was found, and beside it what it was compared with."""
        if self.found is None or self._layer is None:
            return
        if self._whole is not None:
            self._whole.visible = False  # it would lie over both
        if self._layer not in self._viewer.layers:
            add_beside(self._viewer, self._layer)
        self._layer.visible = True
        look_at_pair(self._viewer, self._layer)
        self._state.show(self.found)

    def _set_as_key(self) -> None:
        if self.found is not None:
            self._state.add_key(self.found)

    def leave(self) -> None:
        """End a search without a result, and take out what is shown of one before."""
        self.work.abandon()
        remove(self._viewer, self._layer)
        if self._whole is not None:
            self._whole.visible = True
        self.found = self._layer = self._whole = None

    def _on_network(self) -> None:
        self.leave()
        self.work.pace_s = None
        self._show_qualities()
        self._look_at_micrograph()

    def _show_qualities(self) -> None:
        sampler, pace_s = self._state.sampler, self.work.pace_s
        if pace_s is None and sampler is not None and sampler.seconds_per_image is not None:
            pace_s = UNIT_IMAGES * sampler.seconds_per_image
        for row in range(self.quality.count()):
            self.quality.setItemText(row, quality_text(self.quality.itemData(row), pace_s))
