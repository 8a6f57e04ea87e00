"""The layer "Walk": its frames are made in the background while its slider is moved."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image
from qtpy.QtCore import QObject, Signal

from glissile.gan.walk_frames import WalkFrames, indexed
from glissile.widgets._layer_list import remove
from glissile.widgets._placement import scaled
from glissile.widgets._window import WindowAround
from glissile.widgets.gan._pace import Pace
from glissile.widgets.gan._whole_walk import made_whole

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.components import ViewerModel
    from numpy.typing import NDArray

    from glissile.gan.look import Look
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
    asks for the frame. Read in another thread it gives the frames themselves, however long they take; so it
    does as a whole, by `numpy.asarray`, as napari does in the GUI thread when it saves or projects a layer.

    Parameters
    ----------
    frames : WalkFrames
        The frames.
    ask : callable
        Gets the indices of the frames that are looked at: several where napari projects them, or in 3D.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, frames: WalkFrames, ask: Callable[[tuple[int, ...]], None]) -> None:
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
        shown: list[int] = []

        def at_hand(frame: int) -> Pixels:
            shown.append(frame)
            found = self.frames.at_hand(frame)
            return np.zeros(self.shape[1:], np.uint8) if found is None else found

        found = indexed(key, self.shape, at_hand)
        self._ask(tuple(shown))
        return found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        if threading.current_thread() is not threading.main_thread():
            return self.frames.__array__(dtype, copy)
        return made_whole(self.frames, NAME).astype(dtype or self.dtype, copy=False)

    def __deepcopy__(self, memo: Any) -> LazyWalk:
        """Share the frames with a layer that is duplicated."""
        return self


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
        self._wanted: tuple[int, ...] = ()  # what is looked at
        self._forward = True
        self._pace: Pace | None = None
        removed, taken = viewer.layers.events.removed, self._on_removed
        removed.connect(taken)
        self.destroyed.connect(lambda: removed.disconnect(taken))

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
        self._wanted = ()
        self._pace = Pace(self._state.sampler.shape)
        data = LazyWalk(frames, self._ask)
        told = {"role": ROLE, "synthetic": True, "provenance": frames.record(0).model_dump(mode="json")}
        layer = self._layer
        with WindowAround(self.parent()).unpainted():
            if layer is not None and layer.rgb == (frames.ndim == 4):
                layer.metadata = {"glissile": told}
                layer.data = data
            else:
                self.remove()
                self._frames = frames
                self._layer = Image(
                    data,
                    name=NAME,
                    rgb=frames.ndim == 4,
                    multiscale=False,
                    contrast_limits=(0, 255),
                    metadata={"glissile": told},
                    **scaled("tyx", self._state.sampler.card.nm_per_pixel),
                )
                self._viewer.add_layer(self._layer)
        self.progressed.emit()

    def remove(self) -> None:
        """Take the layer away."""
        with WindowAround(self.parent()).unpainted():
            remove(self._viewer, self._layer)

    def _on_removed(self, event: Any) -> None:
        if event.value is self._layer:
            self._layer = self._frames = None
            self._wanted = ()
            self.progressed.emit()

    def _ask(self, shown: tuple[int, ...]) -> None:
        """Have made what is looked at; called while napari slices the layer."""
        frames = self._frames
        if frames is None or len(shown) > frames.room:
            return
        before, self._wanted = self._wanted, shown
        missing = next((index for index in shown if frames.kept(index) is None), None)
        if missing is None:
            self._note_way(before)
            self._go_ahead()
            return
        jumped = self._note_way(before) and len(shown) == 1
        pace = self._pace
        size = None if pace is None or not jumped else pace.preview_px
        self._state.generate(
            "walk",
            lambda sampler: _make(frames, missing, size),
            lambda seconds: self._came(frames, missing, size, seconds),
        )

    def _note_way(self, before: tuple[int, ...]) -> bool:
        """Note which way the slider goes; whether it jumps."""
        if not before or self._frames is None:
            return True
        n = len(self._frames)
        step = (self._wanted[0] - before[0] + n // 2) % n - n // 2
        if step:
            self._forward = step > 0
        return abs(step) > 1

    def _came(self, frames: WalkFrames, index: int, size: int | None, seconds: float) -> None:
        """Show what was made, if it is still looked at.

        Where more is missing, as the frame itself after its preview, napari asks for that in turn.
        """
        if frames is not self._frames or self._pace is None:
            return
        if size is None:
            self._pace.image_took(seconds)
        else:
            self._pace.preview_took(seconds)
        self.progressed.emit()
        if self._wanted == (index,):
            self._refresh()
        elif index in self._wanted:
            self._ask(self._wanted)
            if all(frames.kept(each) is not None for each in self._wanted):
                self._refresh()

    def _refresh(self) -> None:
        """Have napari slice the layer again, and those that were duplicated from it."""
        for layer in self._viewer.layers:
            if isinstance(layer.data, LazyWalk) and layer.data.frames is self._frames:
                layer.refresh()

    def _go_ahead(self) -> None:
        """Make frames ahead of those looked at, as long as the walk is seen and there is room."""
        frames, forward = self._frames, self._forward
        if frames is None or self._layer is None or not self._layer.visible or not self._wanted:
            return
        begin = self._wanted[0]
        if frames.missing(begin, forward) is not None:
            self._state.generate(
                "walk ahead",
                lambda sampler: _make_ahead(frames, begin, forward),
                lambda done: self._came_ahead(frames),
            )

    def _came_ahead(self, frames: WalkFrames) -> None:
        if frames is self._frames:
            self.progressed.emit()
            self._go_ahead()


def _make(frames: WalkFrames, index: int, size: int | None) -> float:
    """Make a frame, or a preview of `size` pixels; tell how many seconds that took."""
    begin = time.perf_counter()
    if size is None:
        frames.frame(index)
    else:
        frames.preview(index, size)
    return time.perf_counter() - begin


def _make_ahead(frames: WalkFrames, begin: int, forward: bool) -> None:
    end = time.monotonic() + _AHEAD_S
    while (index := frames.missing(begin, forward)) is not None:
        frames.frame(index)
        if time.monotonic() > end:
            return
