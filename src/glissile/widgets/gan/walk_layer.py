"""The layer "Walk": its frames are made in the background while its slider is moved."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from glissile.gan.walk_frames import WalkFrames

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.components import ViewerModel
    from napari.layers import Image
    from numpy.typing import NDArray

    from glissile.gan.provenance import Look
    from glissile.gan.walk import Walk
    from glissile.widgets.gan.state import GeneratorState

    Pixels = NDArray[np.uint8]

NAME = "Walk"
ROLE = "walk"
# What is made ahead at once, before others who wait for the generator have their turn.
_AHEAD_S = 0.1


class LazyWalk:
    """Frames of a walk as napari reads them.

    Read by index in the GUI thread, where napari slices its layers, it gives at once what is kept nearest and
    asks for the frame. Read in another thread, or as a whole by `numpy.asarray`, as napari does when it saves
    a layer, it gives the frames themselves, however long they take.

    Parameters
    ----------
    frames : WalkFrames
        The frames.
    ask : callable
        Gets the index of a frame that is looked at; None where several are, as in 3D.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, frames: WalkFrames, ask: Callable[[int | None], None]) -> None:
        self.frames = frames
        self.shape = frames.shape
        self.ndim = frames.ndim
        self.size = frames.size
        self._ask = ask

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, key: Any) -> Pixels:
        if threading.current_thread() is not threading.main_thread():
            return self.frames[key]
        first, *rest = key if isinstance(key, tuple) else (key,)
        if isinstance(first, int | np.integer):
            index = int(first) % len(self)
            found = self._at_hand(index)[tuple(rest)]
            self._ask(index)
            return found
        shown = np.arange(len(self))[first]
        found = np.stack([self._at_hand(int(index)) for index in shown])
        self._ask(None)
        return np.asarray(found[(slice(None), *rest)])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self.frames.__array__(dtype, copy)

    def __deepcopy__(self, memo: Any) -> LazyWalk:
        """Share the frames with a layer that is duplicated."""
        return self

    def _at_hand(self, index: int) -> Pixels:
        found = self.frames.at_hand(index)
        return np.zeros(self.shape[1:], np.uint8) if found is None else found


class WalkLayer(QObject):  # type: ignore[misc]  # qtpy brings no types
    """Shows a walk in the viewer, and has its frames made: the one looked at first, then those ahead.

    Parameters
    ----------
    viewer : napari.Viewer
        Where the layer is.
    state : GeneratorState
        Its worker makes the frames.
    parent : QObject
        Ends with it.
    """

    progressed = Signal()  # another frame is ready, or another walk is shown, or none

    def __init__(self, viewer: ViewerModel, state: GeneratorState, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer, self._state = viewer, state
        self._layer: Image | None = None
        self._frames: WalkFrames | None = None
        self._wanted: int | None = None  # index looked at last
        self._forward = True
        viewer.layers.events.removed.connect(self._on_removed)
        self.destroyed.connect(lambda: viewer.layers.events.removed.disconnect(self._on_removed))

    @property
    def layer(self) -> Image | None:
        """The layer; None where there is none."""
        return self._layer

    @property
    def frames(self) -> WalkFrames | None:
        """What it shows."""
        return self._frames

    def show(self, walk: Walk, look: Look) -> None:
        """Show a walk of the open generator, in the place of another one.

        Parameters
        ----------
        walk : Walk
            The walk.
        look : Look
            Of its frames.

        Raises
        ------
        InputError
            If the images of the generator are neither grey nor RGB.
        """
        assert self._state.sampler is not None
        self._frames = frames = WalkFrames(self._state.sampler, walk, look)
        self._wanted = None
        data = LazyWalk(frames, self._ask)
        told = {"role": ROLE, "synthetic": True, "provenance": frames.record(0).model_dump(mode="json")}
        layer = self._layer
        if layer is not None and layer.rgb == (frames.ndim == 4):
            layer.metadata = {"glissile": told}
            layer.data = data
        else:
            self.remove()
            self._frames = frames
            self._layer = self._viewer.add_image(
                data,
                name=NAME,
                rgb=frames.ndim == 4,
                multiscale=False,
                contrast_limits=(0, 255),
                metadata={"glissile": told},
                **_placement(self._state.sampler.card.nm_per_pixel),
            )
        self.progressed.emit()

    def remove(self) -> None:
        """Take the layer away."""
        if self._layer is not None:
            self._viewer.layers.remove(self._layer)

    def _on_removed(self, event: Any) -> None:
        if event.value is self._layer:
            self._layer = self._frames = self._wanted = None
            self.progressed.emit()

    def _ask(self, index: int | None) -> None:
        """Have made what is looked at; called while napari slices the layer."""
        frames = self._frames
        if frames is None:
            return
        before, self._wanted = self._wanted, index
        jumped = index is None or before is None
        if index is not None and before is not None:
            n = len(frames)
            step = (index - before + n // 2) % n - n // 2
            jumped = abs(step) > 1
            if step:
                self._forward = step > 0
        if index is None or frames.kept(index) is not None:
            self._go_ahead()
            return
        make = frames.preview if jumped else frames.frame
        self._state.generate("walk", lambda sampler: make(index), lambda made: self._came(frames, index))

    def _came(self, frames: WalkFrames, index: int) -> None:
        """Show what was made, if it is still looked at; where it is a preview, napari asks for the frame."""
        if frames is not self._frames:
            return
        self.progressed.emit()
        if index == self._wanted:
            self._refresh()

    def _refresh(self) -> None:
        """Have napari slice the layer again, and those that were duplicated from it."""
        for layer in self._viewer.layers:
            if isinstance(layer.data, LazyWalk) and layer.data.frames is self._frames:
                layer.refresh()

    def _go_ahead(self) -> None:
        """Make frames ahead of the one looked at, as long as the walk is seen and there is room."""
        frames, begin, forward = self._frames, self._wanted or 0, self._forward
        if frames is None or self._layer is None or not self._layer.visible:
            return
        if frames.missing(begin, forward) is not None:
            self._state.generate(
                "walk ahead",
                lambda sampler: _make_ahead(frames, begin, forward),
                lambda done: self._came_ahead(frames),
            )

    def _came_ahead(self, frames: WalkFrames) -> None:
        if frames is not self._frames:
            return
        self.progressed.emit()
        if self._wanted is None and frames.missing(0) is None:
            self._refresh()  # all are looked at, and there
        self._go_ahead()


def walk_told(layer: Any) -> dict[str, Any] | None:
    """Give how the first frame of the walk in a layer is made; None for other layers."""
    told = dict(layer.metadata.get("glissile", {}))
    return told.get("provenance") if told.get("role") == ROLE else None


def _make_ahead(frames: WalkFrames, begin: int, forward: bool) -> None:
    end = time.monotonic() + _AHEAD_S
    while (index := frames.missing(begin, forward)) is not None:
        frames.frame(index)
        if time.monotonic() > end:
            return


def _placement(nm_per_pixel: float | None) -> dict[str, Any]:
    """Put a walk in napari's world: one step along t is one frame."""
    size = 1.0 if nm_per_pixel is None else nm_per_pixel
    unit = "pixel" if nm_per_pixel is None else "nm"
    return {
        "scale": (1.0, size, size),
        "units": ("pixel", unit, unit),
        "axis_labels": ("t", "y", "x"),
    }
