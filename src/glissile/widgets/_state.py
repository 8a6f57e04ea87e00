"""What the docks of one viewer share: the experiment, its videos and the table that grows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import pandas as pd
from psygnal import Signal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari.components import ViewerModel

    from glissile.experiment import Experiment
    from glissile.stabilize.motion import Motion
    from glissile.video import Video


class ViewerState:
    """The study that is open in one viewer.

    Every setter emits its signal; all of it happens in the GUI thread.

    Attributes
    ----------
    experiment : Experiment, optional
        The open study.
    source : Video, optional
        Its calibrated source video.
    video : Video, optional
        The working video: trimmed, stabilized, as far as that is done.
    shown : Video, optional
        The one of the two that is shown; the frame slider counts its frames.
    table : DataFrame
        What is measured so far, one row per frame, sorted by `frame` (the number in the source).
    trimmed : Video, optional
        The part of the source that is studied, before it is stabilized.
    motion : Motion, optional
        What was removed from the working video.
    running : str, optional
        The stage that works now, or "opening" or "reading".
    """

    experiment_changed = Signal()
    video_changed = Signal()  # the source, the working video or which of them is shown
    motion_changed = Signal()
    table_changed = Signal()  # the whole table
    row_added = Signal(dict)  # one row, of a new frame or in the place of an old one
    running_changed = Signal()
    experiment_refused = Signal(Path)  # folder that napari's reader could not show

    def __init__(self) -> None:
        self._experiment: Experiment | None = None
        self._source: Video | None = None
        self._video: Video | None = None
        self._shown: Video | None = None
        self.trimmed: Video | None = None
        self._motion: Motion | None = None
        self._rows: dict[int, dict[str, Any]] = {}
        self._table: pd.DataFrame | None = None  # built from the rows when someone asks
        self._running: str | None = None

    @property
    def experiment(self) -> Experiment | None:
        return self._experiment

    @experiment.setter
    def experiment(self, experiment: Experiment | None) -> None:
        self._experiment = experiment
        self.experiment_changed.emit()

    @property
    def source(self) -> Video | None:
        return self._source

    @source.setter
    def source(self, source: Video | None) -> None:
        self._source = source
        self.video_changed.emit()

    @property
    def video(self) -> Video | None:
        return self._video

    @video.setter
    def video(self, video: Video | None) -> None:
        self._video = video
        self.video_changed.emit()

    @property
    def shown(self) -> Video | None:
        return self._shown

    @shown.setter
    def shown(self, video: Video | None) -> None:
        self._shown = video
        self.video_changed.emit()

    @property
    def motion(self) -> Motion | None:
        return self._motion

    @motion.setter
    def motion(self, motion: Motion | None) -> None:
        self._motion = motion
        self.motion_changed.emit()

    @property
    def table(self) -> pd.DataFrame:
        if self._table is None:
            self._table = pd.DataFrame([self._rows[frame] for frame in sorted(self._rows)])
        return self._table

    @table.setter
    def table(self, table: pd.DataFrame) -> None:
        rows = table.to_dict("records")
        self._rows = {int(row["frame"]): {str(name): value for name, value in row.items()} for row in rows}
        self._table = None
        self.table_changed.emit()

    def add_row(self, row: Mapping[str, Any]) -> None:
        """Take in what was measured on one frame; an older row of that frame gives way.

        Parameters
        ----------
        row : Mapping
            As `quantify.measure.measure_frame` returns it; `frame` is the number in the source.
        """
        kept = dict(row)
        self._rows[int(kept["frame"])] = kept
        self._table = None
        self.row_added.emit(kept)

    @property
    def running(self) -> str | None:
        return self._running

    @running.setter
    def running(self, stage: str | None) -> None:
        if stage != self._running:
            self._running = stage
            self.running_changed.emit()


_states: WeakKeyDictionary[Any, ViewerState] = WeakKeyDictionary()


def state_of(viewer: ViewerModel) -> ViewerState:
    """State of `viewer`, made at the first call and gone with the viewer.

    Parameters
    ----------
    viewer : napari.Viewer
        Also in the proxy that napari hands to plugins.

    Returns
    -------
    ViewerState
    """
    # A proxy lives as long as one dock; what it stands for lives as long as the window.
    itself = getattr(viewer, "__wrapped__", viewer)
    return _states.setdefault(itself, ViewerState())
