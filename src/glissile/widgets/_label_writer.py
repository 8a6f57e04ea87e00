"""Writing labels in a thread of their own, and what became of it."""

import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from napari.utils.notifications import show_error
from qtpy.QtCore import QObject, QTimer, Signal

from glissile.experiment import Experiment, MaskStore
from glissile.label import annotations
from glissile.label.history import FrameLabel
from glissile.video import Video

_log = logging.getLogger(__name__)

# A write that takes longer than most is told of.
_SLOW_MS = 300


class LabelWriter(QObject):  # type: ignore[misc]  # qtpy brings no types
    """Writes frames to `labels.zarr`, or `proposals.zarr`, in the order in which it is given them.

    Parameters
    ----------
    experiment : Experiment
        Open for writing; proposals get their store with the first of them.
    store : MaskStore
        `labels.zarr`.
    video : Video
        The working video (t, y, x).
    parent : QObject
        Ends with it.

    Attributes
    ----------
    saved_at : str
        Time of the last write, "14:03:12"; empty before it.
    deleted : bool
        The store was deleted and is made anew: all that is labelled is to be written again.
    """

    saved = Signal(int, bool)  # index along t; whether it is or was labelled, and not only proposed
    stays = Signal(int)  # index along t of a removed frame with defects outside the field of view
    lost = Signal()  # `deleted` is true now
    changed = Signal()  # `saving` or `unsaved` is another
    _written = Signal(int, bool, str)  # as `saved`; why it failed, or empty

    def __init__(self, experiment: Experiment, store: MaskStore, video: Video, parent: QObject) -> None:
        super().__init__(parent)
        self._experiment = experiment
        self._store = store
        self._video = video
        self.saved_at = ""
        self.deleted = False
        # By index along t: whether it is or was labelled, and was proposed.
        self._failed: dict[int, tuple[bool, bool]] = {}
        self._reasons: dict[int, str] = {}  # why, of those of them and some that are written by now
        self._told: dict[int, str] = {}  # why, of those of them that the user knows of
        self._pending = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="glissile-labels")
        self._written.connect(self._on_written)
        self._slow = QTimer(self)
        self._slow.setSingleShot(True)
        self._slow.setInterval(_SLOW_MS)
        self._slow.timeout.connect(self.changed)

    @property
    def failed(self) -> frozenset[int]:
        """Frames whose last write failed, by index along t; to be written again."""
        return frozenset(self._failed)

    @property
    def saving(self) -> bool:
        """Whether frames are being written just now."""
        return self._pending > 0

    @property
    def unsaved(self) -> str:
        """Say which frames could not be written, and why; empty where there is none."""
        which, why = self._summary(self._told)
        return f"{which}: {why}" if which else ""

    @property
    def missing(self) -> tuple[str, str]:
        """Say which frames could not be written and why, also of those that the user does not know of yet."""
        return self._summary({index: self._reasons[index] for index in self.failed})

    def _summary(self, reasons: Mapping[int, str]) -> tuple[str, str]:
        if not reasons:
            return "", ""
        numbers = [str(self._video.frame_numbers[index]) for index in sorted(reasons)]
        which = f"frame {numbers[0]}" if len(numbers) == 1 else f"{len(numbers)} frames"
        return which, next(iter(reasons.values()))

    def write(self, index: int, label: FrameLabel | None, before: FrameLabel | None) -> None:
        """Write what is labelled on frame `index`, or proposed for it; None makes it absent.

        Parameters
        ----------
        index : int
            Index along t.
        label : FrameLabel, optional
            Its mask is not to be written to any more.
        before : FrameLabel, optional
            What was written before.
        """
        labelled = any(one is not None and not one.proposed for one in (label, before))
        proposed = before is not None and before.proposed
        if index in self._failed:  # what could not be removed then is removed now
            failed = self._failed.pop(index)
            labelled, proposed = labelled or failed[0], proposed or failed[1]
        self._pending += 1
        self._thread.submit(self._write, index, label, labelled, proposed)
        if not self._slow.isActive():
            self._slow.start()

    def flush(self) -> bool:
        """Wait, and tell whether all is on disk; if not, the user is told which frame and why."""
        self._told.clear()
        self._thread.submit(lambda: None).result()
        return not self._failed

    def close(self) -> None:
        """Wait until all is written."""
        self._slow.stop()
        self._thread.shutdown(wait=True)

    def _write(self, index: int, label: FrameLabel | None, labelled: bool, proposed: bool) -> None:
        """Write or remove one frame; runs in the thread.

        What is new is written before what is old is removed, so that a crash loses neither.
        """
        try:
            self._write_to_stores(index, label, labelled, proposed)
        except Exception as error:
            _log.exception("frame %d could not be saved", index)
            self._reasons[index] = _why(error)
            self._failed[index] = (labelled, proposed)
            self._written.emit(index, labelled, _why(error))
        else:
            self._written.emit(index, labelled, "")

    def _write_to_stores(self, index: int, label: FrameLabel | None, labelled: bool, proposed: bool) -> None:
        store, video = self._store, self._video
        if not store.path.exists() and self._experiment.folder.exists():
            self._experiment.labels()
            self.deleted = True
            self.lost.emit()
        frame = int(video.frame_numbers[index])
        if label is not None and label.proposed:
            annotations.write_label(self._experiment.proposals(), video, index, label.mask)
        elif label is not None:
            outside = self._experiment.proposals() if proposed else store
            annotations.write_label(store, video, index, label.mask, outside)
        gone = label is None or label.proposed
        if labelled and gone and annotations.remove_label(store, video, index):
            self.stays.emit(index)
        if proposed and (label is None or not label.proposed):
            self._experiment.proposals().remove(frame)

    def _on_written(self, index: int, labelled: bool, problem: str) -> None:
        self._pending -= 1
        if not problem:
            self._told.pop(index, None)
            self.saved_at = datetime.now().astimezone().strftime("%H:%M:%S")
            self.saved.emit(index, labelled)
            return
        known, self._told[index] = self._told.get(index), problem
        if known is None:
            number = self._video.frame_numbers[index]
            show_error(f"The labels of frame {number} could not be saved and are tried again: {problem}")
        if known != problem:
            self.changed.emit()


def _why(error: Exception) -> str:
    """Say why a frame could not be written, as people do."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror[0].lower() + error.strerror[1:]
    return str(error) or type(error).__name__
