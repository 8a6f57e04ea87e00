"""The Labels layer of a study, and every stroke of it on disk."""

import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import numpy as np
from napari.layers import Labels
from napari.utils.notifications import show_error, show_info
from numpy.typing import NDArray
from qtpy.QtCore import QObject, QTimer, Signal

from glissile.experiment import Experiment, MaskStore
from glissile.label import annotations
from glissile.video import Video
from glissile.widgets._layers import BRUSH_SIZE_PX, mask_layer

_log = logging.getLogger(__name__)

# Undo, redo and edits from the console have no event of their own, so they are looked for.
_CHECK_EVERY_MS = 1000


class LabelKeeper(QObject):  # type: ignore[misc]  # qtpy brings no types
    """A Labels layer whose frames are written to `labels.zarr` as they are painted.

    A frame is labelled once it has a stroke, or was marked as free of defects. One whose strokes were all
    undone or erased is not labelled any more, unless it was marked: an accidental stroke must not teach the
    network that a frame is empty. Only touched frames are written, in a thread of their own. A frame with
    defects outside the field of view stays labelled, whatever is removed within it.

    Parameters
    ----------
    experiment : Experiment
        Whose labels they are.
    store : MaskStore, optional
        `labels.zarr`; only a study that cannot be written may lack it.
    video : Video
        Its working video (t, y, x).
    masks : mapping of int to ndarray (y, x)
        Labelled frames by index along t.
    parent : QObject
        Ends with it.

    Attributes
    ----------
    layer : napari.layers.Labels
        Masks (t, y, x) uint8.
    saved_at : str
        Time of the last write, "14:03:12"; empty before it.
    """

    saved = Signal(int)  # index along t
    _written = Signal(int, str)  # index along t; why it failed, or empty
    _stays = Signal(int)  # index along t

    def __init__(
        self,
        experiment: Experiment,
        store: MaskStore | None,
        video: Video,
        masks: Mapping[int, NDArray[np.uint8]],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._store = None if experiment.read_only else store
        self._video = video
        data = np.zeros(video.shape, np.uint8)
        for index, mask in masks.items():
            data[index] = mask
        self._data = data
        self._kept: dict[int, NDArray[np.uint8]] = {i: np.array(mask) for i, mask in masks.items()}
        self._marked = {i for i, mask in masks.items() if not mask.any()}
        self._touched: set[int] = set()
        self._failed: set[int] = set()  # frames whose last write failed
        self._told: set[int] = set()  # those of them that the user knows of
        self._shown = 0
        self.saved_at = ""
        classes = experiment.document.classes
        self.layer = Labels(**mask_layer(data, "Labels", "labels", video, experiment.folder, classes))
        self.layer.brush_size = BRUSH_SIZE_PX
        self.layer.editable = not experiment.read_only
        self.layer.events.paint.connect(self._on_paint)
        self.layer.events.n_edit_dimensions.connect(self._stay_in_frame)
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="glissile-labels")
        self._written.connect(self._on_written)
        self._stays.connect(self._on_stays)
        self._timer = QTimer(self)
        self._timer.setInterval(_CHECK_EVERY_MS)
        self._timer.timeout.connect(self.save)
        self._timer.start()
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(0)
        self._soon.timeout.connect(self.save)

    @property
    def labelled(self) -> tuple[int, ...]:
        """Indices along t of the labelled frames, in order."""
        return tuple(sorted(self._kept))

    def mask(self, index: int) -> NDArray[np.uint8]:
        """Mask (y, x) of frame `index`."""
        frame: NDArray[np.uint8] = self._data[index]
        return frame

    def show_frame(self, index: int) -> None:
        """Tell which frame is looked at; what was painted on the one before is saved."""
        if index != self._shown and 0 <= index < len(self._data):
            self.save()
            self._shown = index

    def mark(self, index: int) -> None:
        """Count frame `index` as labelled, even if it shows no defect."""
        self._marked.add(index)
        if index not in self._kept:
            self._keep(index)

    def remove(self, index: int) -> None:
        """Clear frame `index` and count it as not labelled; its strokes can be undone no more."""
        self._marked.discard(index)
        self._data[index] = 0
        self.layer.refresh()
        self.save_frame(index)

    def save(self) -> None:
        """Write what has changed since it was last written."""
        for index in sorted(self._touched | {self._shown}):
            self.save_frame(index)

    def save_frame(self, index: int) -> None:
        """Write frame `index` if it has changed since it was last written."""
        mask, kept = self._data[index], self._kept.get(index)
        painted = bool(mask.any())
        if painted:
            self._marked.discard(index)
        as_kept = np.array_equal(mask, kept) if kept is not None else not painted
        if as_kept and index not in self._failed:
            if kept is not None and not painted and index not in self._marked:
                self._keep(index)
            return
        self._touched.add(index)
        self._keep(index)

    def flush(self) -> bool:
        """Save, wait, and tell whether all is on disk; if not, the user is told which frame and why."""
        self._told.clear()
        self.save()
        self._writer.submit(lambda: None).result()
        return not self._failed

    def close(self) -> None:
        """Save, and let the layer go."""
        self._timer.stop()
        self._soon.stop()
        self.layer.events.paint.disconnect(self._on_paint)
        self.layer.events.n_edit_dimensions.disconnect(self._stay_in_frame)
        self.save()
        self._writer.shutdown(wait=True)

    def _keep(self, index: int) -> None:
        if self._store is None:
            return
        self._failed.discard(index)  # until this write tells
        mask = np.array(self._data[index])
        if mask.any() or index in self._marked:
            self._kept[index] = mask
            self._writer.submit(self._write, self._store, index, mask)
        else:
            self._kept.pop(index, None)
            self._writer.submit(self._write, self._store, index, None)

    def _write(self, store: MaskStore, index: int, mask: NDArray[np.uint8] | None) -> None:
        """Write or remove one frame; runs in the writer's thread."""
        try:
            if mask is not None:
                annotations.write_label(store, self._video, index, mask)
            elif annotations.remove_label(store, self._video, index):
                self._stays.emit(index)
        except Exception as error:
            _log.exception("frame %d could not be saved", index)
            self._failed.add(index)
            self._written.emit(index, str(error) or type(error).__name__)
        else:
            self._written.emit(index, "")

    def _on_written(self, index: int, problem: str) -> None:
        if problem:
            if index not in self._told:
                self._told.add(index)
                number = self._video.frame_numbers[index]
                show_error(f"The labels of frame {number} could not be saved and are tried again: {problem}")
            return
        self._told.discard(index)
        self.saved_at = datetime.now().astimezone().strftime("%H:%M:%S")
        self.saved.emit(index)

    def _on_stays(self, index: int) -> None:
        """Go on counting a frame as labelled that has defects outside the field of view."""
        if index not in self._kept:
            self._kept[index] = np.zeros(self._data.shape[1:], np.uint8)
            self._marked.add(index)
            show_info(
                f"Frame {self._video.frame_numbers[index]} stays labelled: there are defects on it outside "
                "this field of view"
            )

    def _on_paint(self, event: Any) -> None:
        """Save once the stroke is in the data: napari tells of a fill before it has filled."""
        frames = np.arange(len(self._data))
        for where, *_ in event.value:  # of each change: its index in the data, what was there, what is
            along_t = where[0] if isinstance(where, tuple) else where
            self._touched.update(np.unique(frames[along_t]).tolist())
        self._soon.start()

    def _stay_in_frame(self, event: Any) -> None:
        """Keep brushes and fills in the frame that is looked at."""
        if self.layer.n_edit_dimensions != 2:
            self.layer.n_edit_dimensions = 2
