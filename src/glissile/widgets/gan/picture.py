"""The layer "Generated": the picture that is looked at, made anew whenever something about it changes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

from napari.layers import Image
from qtpy.QtCore import QObject

from glissile.gan.thumbnails import enlarged, exact_pixels, quick_pixels
from glissile.widgets._placement import scaled
from glissile.widgets.gan._pace import Pace
from glissile.widgets.gan._resolve_picture import picture_text

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from napari.components import ViewerModel
    from numpy.typing import NDArray

    from glissile.gan.look import Look
    from glissile.gan.points import Point
    from glissile.gan.sampler import Sampler
    from glissile.widgets.gan.state import GeneratorState

NAME = "Generated"
ROLE = "generated"

# Whose layers are whose; a layer that the user has duplicated is nobody's.
_keepers: WeakKeyDictionary[Image, GeneratorState] = WeakKeyDictionary()


class Picture(QObject):  # type: ignore[misc]  # qtpy brings no types
    """Keeps the picture of a generator in the viewer.

    While point, look or edits change quickly, previews of it are shown, as large as the image; the image
    itself follows as soon as they rest. The layer goes when another generator is opened: duplicate it, or
    export the image, to keep it. Where the user takes it away, it comes again with the next change. When the
    dock closes the layer stays, and the next dock in the viewer takes it over.

    Parameters
    ----------
    state : GeneratorState
        Knows what to show, and has it made.
    viewer : napari.Viewer
        Where to show it.
    parent : QObject, optional
        Ends with it.
    """

    def __init__(self, state: GeneratorState, viewer: ViewerModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._state, self._viewer = state, viewer
        self._layer: Image | None = _left_in(viewer)
        self._keep()
        self._wanted = 0  # counts the changes
        self._shown = (0, False)  # change of which a picture came last, and whether it was the image itself
        self._told_ws = 0  # change whose w is known
        self._unwanted = False  # the user took the layer away since the last change
        self._sampler: Sampler | None = None
        self._pace: Pace | None = None
        state.network_changed.connect(self._on_network)
        state.point_changed.connect(self._on_point)
        state.look_changed.connect(self._make)
        state.edits_changed.connect(self._make)
        # Held weakly by napari, and without Qt: no need to disconnect.
        viewer.layers.events.removed.connect(self._on_removed)
        self._make()

    @property
    def layer(self) -> Image | None:
        """The layer; None where there is none."""
        return self._layer

    def _on_network(self) -> None:
        if self._layer is not None:
            self._viewer.layers.remove(self._layer)

    def _on_point(self) -> None:
        if self._layer is not None:
            self._layer.visible = True
            self._raise(self._layer)
        self._make()

    def _raise(self, layer: Image) -> None:
        """Bring the picture before other images that are seen; what is drawn on them stays before it."""
        layers = self._viewer.layers
        here = layers.index(layer)
        above = [
            i for i in range(here + 1, len(layers)) if isinstance(layers[i], Image) and layers[i].visible
        ]
        if above:
            layers.move(here, above[-1] + 1)

    def _on_removed(self, event: Any) -> None:
        if self._layer is not None and self._layer not in self._viewer.layers:
            self._layer, self._unwanted = None, True

    def _make(self) -> None:
        """Have the picture made as it is wanted now: a preview where the image takes long, then the image."""
        state = self._state
        self._wanted += 1
        self._unwanted = False
        for kind in ("picture", "exact"):
            state.forget(kind)
        if state.sampler is None or state.point is None:
            return
        if state.sampler is not self._sampler or self._pace is None:
            self._sampler, self._pace = state.sampler, Pace(state.sampler.shape)
        change, pace, look = self._wanted, self._pace, state.look
        compute = state.picture_ws()
        size = pace.preview_px
        if size is not None:
            preview = _preview(compute, look, size)
            state.generate("picture", preview, lambda made: self._take_preview(change, pace, made))
        exact = _exact(compute, look, state.point, edited=bool(state.edits))
        state.generate("exact", exact, lambda made: self._take_exact(change, pace, made))

    def _take_preview(self, change: int, pace: Pace, made: _Made) -> None:
        pace.preview_took(made.seconds)
        self._take((change, False), made)

    def _take_exact(self, change: int, pace: Pace, made: _Made) -> None:
        pace.image_took(made.seconds)
        self._take((change, True), made)

    def _take(self, which: tuple[int, bool], made: _Made) -> None:
        if which < self._shown:  # what is newer, or the image itself, came before
            return
        self._shown = which
        change, _ = which
        if not self._unwanted:
            self._show(made)
        if change == self._wanted and change != self._told_ws:
            self._told_ws = change
            self._state.set_ws(made.ws)

    def _show(self, made: _Made) -> None:
        pixels, told = made.pixels, {"role": ROLE, "synthetic": True, **made.told}
        layer = self._layer
        if layer is not None and layer.data.shape == pixels.shape:
            layer.data = pixels
            layer.metadata = {"glissile": told}
            return
        if layer is not None:
            self._viewer.layers.remove(layer)
            self._unwanted = False
        rgb, card = pixels.ndim == 3, self._state.card
        shown = {} if rgb else {"colormap": "gray", "contrast_limits": (0, 255)}
        self._layer = Image(
            pixels,
            name=NAME,
            rgb=rgb,
            metadata={"glissile": told},
            **shown,
            **scaled("yx", None if card is None else card.nm_per_pixel),
        )
        self._keep()
        self._viewer.add_layer(self._layer)

    def _keep(self) -> None:
        if self._layer is not None:
            _keepers[self._layer] = self._state


def _left_in(viewer: ViewerModel) -> Image | None:
    """Give the layer of a dock of the viewer that was closed; None where there is none."""
    layers = (getattr(layer, "__wrapped__", layer) for layer in viewer.layers)
    return next((layer for layer in layers if layer in _keepers and _keepers[layer].closed), None)


class _Made(NamedTuple):
    """A picture (y, x) or (y, x, 3), its w (num_ws, w_dim), how it came about, how long it took."""

    pixels: NDArray[np.uint8]
    ws: NDArray[np.float32]
    told: dict[str, Any]
    seconds: float


def _preview(
    compute: Callable[[Sampler], NDArray[np.float32]], look: Look, size: int
) -> Callable[[Sampler], _Made]:
    """Give what previews the picture; nothing is told by which the preview could be made again."""

    def make(sampler: Sampler) -> _Made:
        ws = compute(sampler)
        begin = time.perf_counter()
        pixels = enlarged(quick_pixels(sampler, ws, look, size), sampler.shape.resolution)
        return _Made(pixels, ws, {}, time.perf_counter() - begin)

    return make


def _exact(
    compute: Callable[[Sampler], NDArray[np.float32]], look: Look, point: Point, *, edited: bool
) -> Callable[[Sampler], _Made]:
    """Give what makes the picture, and tells how."""

    def make(sampler: Sampler) -> _Made:
        from glissile.gan.points import Point
        from glissile.gan.provenance import of_points

        ws = compute(sampler)
        begin = time.perf_counter()
        pixels = exact_pixels(sampler, ws, look)
        seconds = time.perf_counter() - begin
        made_of = Point.of_w(ws, f"{point.title}, edited"[:200], point.label) if edited else point
        provenance = of_points(sampler.card, [made_of], look)[0]
        title = picture_text(point, sampler.card, edited=edited)
        told = {"title": title, "provenance": provenance.model_dump(mode="json")}
        return _Made(pixels, ws, told, seconds)

    return make
