"""The Labels layer of a study, and every stroke of it on disk."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from napari.layers import Labels
from napari.utils.notifications import show_info, show_warning
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Qt, QTimer, Signal
from qtpy.QtGui import QGuiApplication

from glissile.errors import InputError
from glissile.experiment import Experiment, MaskStore
from glissile.label.history import FrameLabel, LabelHistory, Standing
from glissile.video import Video
from glissile.widgets._label_writer import LabelWriter
from glissile.widgets._layers import BRUSH_SIZE_PX, mask_layer
from glissile.widgets._other_masks import differing
from glissile.widgets._watched_masks import WatchedMasks

# Edits from the console and by other plugins have no event of their own, so they are looked for.
_CHECK_EVERY_MS = 1000
_UNDO_KEY, _REDO_KEY = "Control-Z", "Control-Shift-Z"


class LabelKeeper(QObject):  # type: ignore[misc]  # qtpy brings no types
    """A Labels layer whose frames are written to `labels.zarr` as they are painted.

    A frame is labelled once it has a stroke, or was marked as free of defects. One whose strokes were all
    undone or erased is not labelled any more, unless it was marked: an accidental stroke must not teach the
    network that a frame is empty. Only touched frames are written, in a thread of their own. A frame with
    defects outside the field of view stays labelled, whatever is removed within it. What is painted where a
    stabilized frame is not valid labels nothing, and is not written.

    Each frame is undone and redone by itself, in place of napari's history, which knows no frames: a step is
    a stroke, a `put`, a mark, a removal, and whatever else is found changed. An array that another plugin
    puts in place of the masks is taken over in steps, too, if it fits.

    Parameters
    ----------
    experiment : Experiment
        Whose labels they are.
    store : MaskStore, optional
        `labels.zarr`; only a study that cannot be written may lack it.
    video : Video
        Its working video (t, y, x).
    masks, proposals : mapping of int to ndarray (y, x)
        Labelled frames, and what is proposed for others, by index along t; kept, and not to be written to.
    parent : QObject
        Ends with it.

    Attributes
    ----------
    layer : napari.layers.Labels
        Masks (t, y, x) uint8.
    """

    saved = Signal(int)  # index along t
    proposals_changed = Signal()
    saving_changed = Signal()  # `saving` or `unsaved` is another

    def __init__(
        self,
        experiment: Experiment,
        store: MaskStore | None,
        video: Video,
        masks: Mapping[int, NDArray[np.uint8]],
        proposals: Mapping[int, NDArray[np.uint8]],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._video = video
        data = np.zeros(video.shape, np.uint8)
        for index, mask in (*masks.items(), *proposals.items()):
            data[index] = mask
        self._data = data
        self._watched = WatchedMasks.of(data)
        self._kept = {i: FrameLabel.of(mask) for i, mask in masks.items()}
        self._kept |= {i: FrameLabel(mask, Standing.PROPOSED) for i, mask in proposals.items()}
        self._listed: dict[bool, tuple[int, ...]] = {}  # of `_kept`, those proposed and those not, once asked
        self._history = LabelHistory(video.shape[1:], self._kept)
        self._standing = {i: label.standing for i, label in self._kept.items()}  # others are painted
        self._touched: set[int] = set()
        self._writer: LabelWriter | None = None
        if store is not None and not experiment.read_only:
            self._writer = LabelWriter(experiment, store, video, self)
            self._writer.saved.connect(self._on_saved)
            self._writer.changed.connect(self.saving_changed)
            self._writer.stays.connect(self._on_stays)
            self._writer.lost.connect(self._write_deleted)
        self._editable = not experiment.read_only
        self._replaced = False  # the array of the layer
        self._shown: int | None = 0
        folder, classes = experiment.folder, experiment.document.classes
        self.layer = Labels(**mask_layer(self._watched, "Labels", "labels", video, folder, classes))
        self.layer.brush_size = BRUSH_SIZE_PX
        self.layer.editable = self._editable
        self.layer.bind_key(_UNDO_KEY, lambda layer: self._on_key("undo", self.undo), overwrite=True)
        self.layer.bind_key(_REDO_KEY, lambda layer: self._on_key("redo", self.redo), overwrite=True)
        self.layer.events.paint.connect(self._on_paint)
        self.layer.events.data.connect(self._on_data)
        self.layer.events.n_edit_dimensions.connect(self._stay_in_frame)
        self._timer = QTimer(self)
        self._timer.setInterval(_CHECK_EVERY_MS)
        self._timer.timeout.connect(self._look)
        self._timer.start()
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(0)
        self._soon.timeout.connect(self.save)

    @property
    def labelled(self) -> tuple[int, ...]:
        """Indices along t of the labelled frames, in order."""
        return self._list(proposed=False)

    @property
    def proposed(self) -> tuple[int, ...]:
        """Indices along t of the frames that have a proposal, in order."""
        return self._list(proposed=True)

    def _list(self, *, proposed: bool) -> tuple[int, ...]:
        if proposed not in self._listed:
            found = (i for i, label in self._kept.items() if label.proposed == proposed)
            self._listed[proposed] = tuple(sorted(found))
        return self._listed[proposed]

    @property
    def saved_at(self) -> str:
        """Time of the last write, "14:03:12"; empty before it."""
        return "" if self._writer is None else self._writer.saved_at

    @property
    def saving(self) -> bool:
        """Whether strokes are being written just now."""
        return self._writer is not None and self._writer.saving

    @property
    def unsaved(self) -> str:
        """Say which frames could not be written, and why; empty where there is none."""
        return "" if self._writer is None else self._writer.unsaved

    @property
    def missing(self) -> tuple[str, str]:
        """Say which frames are not on disk, and why, once `flush` has failed."""
        return ("", "") if self._writer is None else self._writer.missing

    def allow_edits(self, allowed: bool) -> None:
        """Let the masks be edited, or not for now."""
        self._editable = self.layer.editable = allowed

    def mask(self, index: int) -> NDArray[np.uint8]:
        """Mask (y, x) of frame `index`."""
        frame: NDArray[np.uint8] = self._data[index]
        return frame

    def painted(self, index: int) -> bool:
        """Whether anything that counts is painted on frame `index`, labelled or not."""
        return bool(self._data[index][self._video.valid_part(index)].any())

    def show_frame(self, index: int | None) -> None:
        """Tell which frame is looked at, if any of the video; what was painted on the one before is saved."""
        if index != self._shown:
            self.save()
            self._shown = index

    def put(self, index: int, mask: NDArray[np.uint8]) -> bool:
        """Give frame `index` another mask (y, x), as one step that can be undone, and save it.

        Parameters
        ----------
        index : int
            Index along t.
        mask : ndarray of uint8, shape (y, x)
            On the pixels of the working video.

        Returns
        -------
        bool
            False, and nothing changes, where the labels cannot be edited now.
        """
        return self._set(index, mask, self._standing_of(index))

    def mark(self, index: int) -> None:
        """Count frame `index` as labelled, even if it shows no defect."""
        self._set(index, self._data[index], Standing.MARKED)

    def propose(self, index: int, mask: NDArray[np.uint8]) -> bool:
        """Show a mask on frame `index` that can be corrected, but counts only once it is accepted.

        Parameters
        ----------
        index : int
            Index along t.
        mask : ndarray of uint8, shape (y, x)
            On the pixels of the working video.

        Returns
        -------
        bool
            False, and nothing changes, where the frame is labelled or cannot be edited now.
        """
        self.save()
        kept = self._kept.get(index)
        return (kept is None or kept.proposed) and self._set(index, mask, Standing.PROPOSED)

    def accept(self, index: int) -> None:
        """Count the proposal for frame `index` as its label, as one step that can be undone."""
        self.mark(index)

    def remove(self, index: int) -> None:
        """Clear frame `index`, its proposal too, and count it as not labelled; that can be undone."""
        self._set(index, np.zeros_like(self._data[index]), Standing.PAINTED)

    def undo(self, index: int) -> bool:
        """Take the last step on frame `index` back; tell whether there was one."""
        return self._go(index, self._history.undo)

    def redo(self, index: int) -> bool:
        """Do again what was last undone on frame `index`; tell whether there was anything."""
        return self._go(index, self._history.redo)

    def save(self) -> None:
        """Write what has changed since it was last written; it is a step of each frame."""
        self._take_over()
        for index in self._to_look_at():
            self.save_frame(index)

    def save_frame(self, index: int) -> None:
        """Write frame `index` if it has changed since it was last written; that is a step."""
        self._write_changed(index)
        self._record(index)

    def flush(self) -> bool:
        """Save, wait, and tell whether all is on disk; if not, the user is told which frame and why.

        All frames are looked at, so that what was written past `WatchedMasks` is found, too.
        """
        self.save()
        if self._writer is None:
            return True
        for index in self._unlike_kept():
            self.save_frame(index)
        self._writer.flush()
        self._write_deleted()
        return self._writer.flush()

    def close(self) -> None:
        """Save, and let the layer go."""
        self._timer.stop()
        self._soon.stop()
        for key in (_UNDO_KEY, _REDO_KEY):
            self.layer.bind_key(key, None)
        self.layer.events.paint.disconnect(self._on_paint)
        self.layer.events.n_edit_dimensions.disconnect(self._stay_in_frame)
        self.flush()
        self.layer.events.data.disconnect(self._on_data)
        if self._writer is not None:
            self._writer.close()

    def _set(self, index: int, mask: NDArray[np.uint8], standing: Standing) -> bool:
        """Make this a step of frame `index`, after one of what was there and is not recorded yet."""
        if mask.shape != self._data.shape[1:]:
            raise ValueError(f"a mask of {mask.shape} for frames of {self._data.shape[1:]}")
        if not self.layer.editable:
            return False
        self._take_over()
        self.save_frame(index)
        self._show(index, FrameLabel(mask, standing))
        return True

    def _go(self, index: int, step: Callable[[int], FrameLabel | None]) -> bool:
        if not self.layer.editable:
            return False
        self._take_over()
        self.save_frame(index)
        label = step(index)
        if label is None:
            return False
        self._show(index, label)
        return True

    def _show(self, index: int, label: FrameLabel) -> None:
        """Give frame `index` what is labelled on it, and save it."""
        self._data[index] = label.mask
        self._standing[index] = label.standing
        self.layer.refresh()
        self.save_frame(index)

    def _look(self) -> None:
        """Save what nothing told of, which may be a stroke that is still being painted.

        What stays as it is from one look to the next is a step.
        """
        painting = QGuiApplication.mouseButtons() != Qt.MouseButton.NoButton
        self._take_over()
        for index in self._to_look_at():
            if not self._write_changed(index) and not painting:
                self._record(index)
            else:
                self._touched.add(index)

    def _to_look_at(self) -> list[int]:
        """List the frames that may have changed since they were last looked at."""
        found = self._touched | self._watched.take_written()
        if self._shown is not None:
            found.add(self._shown)
        if self._writer is not None:
            found |= self._writer.failed
        self._touched.clear()
        return sorted(found)

    def _unlike_kept(self) -> list[int]:
        """List the frames whose masks are others than those that are kept."""
        kept = ((mask, self._kept.get(index)) for index, mask in enumerate(self._data))
        differ = (m.any() if label is None else not np.array_equal(m, label.mask) for m, label in kept)
        return [index for index, differs in enumerate(differ) if differs]

    def _write_changed(self, index: int) -> bool:
        """Write frame `index` if it has changed since it was last written; tell whether it has."""
        mask, kept = self._data[index], self._kept.get(index)
        painted = self.painted(index)
        if painted and self._standing_of(index) is Standing.MARKED:
            self._standing[index] = Standing.PAINTED
        proposed = self._standing_of(index) is Standing.PROPOSED
        as_kept = not painted
        if kept is not None:
            as_kept = kept.proposed == proposed and np.array_equal(mask, kept.mask)
        counts = self._counts(index)
        failed = self._writer is not None and index in self._writer.failed
        if as_kept and counts == (kept is not None) and not failed:
            return False
        self._keep(index)
        return not as_kept

    def _record(self, index: int) -> None:
        if self._writer is not None:
            self._history.record(index, self._data[index], self._standing_of(index))

    def _keep(self, index: int) -> None:
        if self._writer is None:
            return
        before = self._kept.pop(index, None)
        if self._counts(index):
            self._kept[index] = FrameLabel(np.array(self._data[index]), self._standing_of(index))
        label = self._kept.get(index)
        if label is None or before is None or label.proposed != before.proposed:
            self._listed.clear()
        self._writer.write(index, label, before)

    def _standing_of(self, index: int) -> Standing:
        return self._standing.get(index, Standing.PAINTED)

    def _counts(self, index: int) -> bool:
        """Whether a frame is to be kept on disk."""
        return self.painted(index) or self._standing_of(index) is not Standing.PAINTED

    def _on_saved(self, index: int, labelled: bool) -> None:
        if labelled:
            self.saved.emit(index)
        else:
            self.proposals_changed.emit()

    def _on_stays(self, index: int) -> None:
        """Go on counting a frame as labelled that has defects outside the field of view."""
        if index not in self._kept:
            self._kept[index] = FrameLabel.of(np.zeros(self._data.shape[1:], np.uint8))
            self._listed.clear()
            self._standing[index] = Standing.MARKED
            self._history.set_standing(index, Standing.MARKED)
            show_info(
                f"Frame {self._video.frame_numbers[index]} stays labelled: there are defects on it outside "
                "this field of view"
            )

    def _write_deleted(self) -> None:
        """Write all again where the labels on disk were deleted."""
        if self._writer is None or not self._writer.deleted:
            return
        self._writer.deleted = False
        for index, label in self._kept.items():
            self._writer.write(index, label, label)
        show_warning(
            "The labels on disk were deleted by another program and are written again; those of frames and "
            "places that are not shown here are in the backups: More > Restore labels"
        )

    def _on_paint(self, event: Any) -> None:
        """Save once the stroke is in the data: napari tells of a fill before it has filled."""
        self._soon.start()

    def _on_key(self, what: str, go: Callable[[int], bool]) -> None:
        """Undo or redo on the frame that is looked at, if its labels are."""
        if not self.layer.visible or not self.layer.editable:
            return
        if self._shown is None:
            show_info(f"Nothing to {what}: the video has no frame here")
        elif not go(self._shown):
            show_info(f"Nothing to {what} on frame {self._video.frame_numbers[self._shown]}")

    def _on_data(self, event: Any) -> None:
        """Look, once napari has it, at the array that was put in place of ours, or at all of ours again."""
        self._replaced = True
        self._soon.start()

    def _take_over(self) -> None:
        """Put our array back where another one is in its place; take over what differs, if it fits."""
        if not self._replaced:
            return
        self._replaced = False
        self._touched.update(range(len(self._data)))
        given, refused = self.layer.data, ""
        if given is not self._watched:
            try:
                refused = self._take(given) if self._editable else "they cannot be edited now"
            finally:
                with self.layer.events.data.blocker(self._on_data):
                    self.layer.data = self._watched
        self.layer.editable = self._editable  # napari allows it with any array
        if refused:
            show_warning(f"The labels were put back as they were: {refused}")

    def _take(self, given: Any) -> str:
        """Take over what differs in another array; say why not, and change nothing, where it does not fit."""
        try:
            frames = differing(given, self._data)
        except InputError as error:
            return str(error)
        for index, mask in frames.items():
            self.save_frame(index)
            self._data[index] = mask
        return ""

    def _stay_in_frame(self, event: Any) -> None:
        """Keep brushes and fills in the frame that is looked at."""
        if self.layer.n_edit_dimensions != 2:
            self.layer.n_edit_dimensions = 2
