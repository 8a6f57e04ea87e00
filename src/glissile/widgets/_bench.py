"""The study that the sections of one dock work on: opening it, running its stages, keeping its labels."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from napari.utils.notifications import show_error, show_info, show_warning
from qtpy.QtCore import QObject, QTimer, Signal

from glissile import workflow
from glissile.defects import DefectClass
from glissile.progress import Step, Steps
from glissile.stabilize.regions import Regions
from glissile.video import Video
from glissile.widgets import _study
from glissile.widgets._display import Display
from glissile.widgets._experiment_folder import experiment_folder
from glissile.widgets._label_keeper import LabelKeeper
from glissile.widgets._resolve import Facts, resolve
from glissile.widgets._runner import Runner
from glissile.widgets._seen_masks import SeenMasks
from glissile.widgets._state import state_of
from glissile.widgets._study import Study
from glissile.widgets._window import WindowAround

# What the sections say of frames that come, or of labels that are saved, is not renewed more often.
_COUNT_EVERY_MS = 500
_LABELS_EVERY_MS = 50
# Works whose result comes with a Labels layer of its own.
_RENEWING = frozenset({"opening", "trim", "stabilize", "label"})


class Bench(QObject):  # type: ignore[misc]  # qtpy brings no types
    """What the sections share.

    Parameters
    ----------
    viewer : napari.Viewer
        Where the study is shown.
    parent : QObject
        The dock; ends with it.

    Attributes
    ----------
    study : Study, optional
        What is open.
    keeper : LabelKeeper, optional
        Its labels.
    display : Display
        Its layers.
    runner : Runner
        The long work.
    state : ViewerState
        Shared with the other docks of the viewer.
    """

    study_changed = Signal()  # another study, or another working video, or none
    facts_changed = Signal()
    frame_changed = Signal(int)  # index along t of the video that is shown
    closed = Signal()

    def __init__(self, viewer: Any, parent: QObject) -> None:
        super().__init__(parent)
        self.state = state_of(viewer)
        self.runner = Runner(self.state, self)
        self.runner.begun.connect(self._allow_painting)
        self.runner.ended.connect(self._on_ended)
        self.display = Display(viewer, self.state)
        self.study: Study | None = None
        self.keeper: LabelKeeper | None = None
        self._viewer = viewer
        self._segmented: set[int] = set()
        self._current = True
        self._touched = False
        self._measured = False
        self._table_outdated = False
        self._closed = False
        self._window = WindowAround(parent)
        self._seen = SeenMasks(self.display, self)
        self._count = self._timer(_COUNT_EVERY_MS, self.facts_changed.emit)
        self._labels = self._timer(_LABELS_EVERY_MS, self.facts_changed.emit)
        viewer.dims.events.point.connect(self._on_frame)
        # Other than this runner's, too: the work of a dock that was closed goes on for a moment.
        self.state.running_changed.connect(self._on_running)
        viewer.layers.events.removed.connect(self._on_removed)

    def _timer(self, interval_ms: int, call: Callable[[], object]) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(interval_ms)
        timer.timeout.connect(call)
        return timer

    def open_video(self, path: Path) -> None:
        """Open the experiment of a video file or folder of frames, or start it."""
        if self.study is not None and self._has_open(experiment_folder(path)):
            return
        self._open(lambda: _study.opened_video(path), f"Opening {path.name}")

    def open_folder(self, folder: Path) -> None:
        """Open an experiment folder."""
        if not self._has_open(folder):
            self._open(lambda: _study.opened_folder(folder), f"Opening {folder.name}")

    def _has_open(self, folder: Path) -> bool:
        """Say that an experiment is open already, if it is: opened twice, it could only be read."""
        found = False
        with suppress(OSError):  # of a folder that is not there, or not any more
            found = self.study is not None and folder.samefile(self.study.experiment.folder)
        if found:
            show_info(f"{folder.name} is open already")
        return found

    def _open(self, steps: Callable[[], Steps[Study]], description: str) -> None:
        if self.keeper is not None and not self.keeper.flush():
            return
        self.runner.run("opening", steps, description=description, on_done=self.take)

    def take(self, study: Study) -> None:
        """Show `study` in place of what was open."""
        if self._closed:
            study.experiment.close()
            return
        number = self.display.frame_number()
        self._window = WindowAround(self.parent())
        try:
            with self._window.unpainted():
                self._let_go(closing=self.study is not None and self.study.experiment is not study.experiment)
                self.study = study
                self._show(study, number)
        except BaseException as error:
            self._let_go(closing=True)
            self.study_changed.emit()
            self.facts_changed.emit()
            if isinstance(error, MemoryError):
                show_error(_too_large(study.video))
                return
            raise
        for notice in study.notices:
            show_warning(notice)
        self.study_changed.emit()
        self.facts_changed.emit()
        self.read_table()

    def _show(self, study: Study, frame_number: int | None) -> None:
        self.keeper = LabelKeeper(
            study.experiment, study.store, study.video, study.labels, study.proposals, self
        )
        self.keeper.saved.connect(self._on_saved)
        self.keeper.proposals_changed.connect(self._tell_soon)
        self.keeper.saving_changed.connect(self._tell_soon)
        self._segmented, self._current = set(study.segmented), study.current
        self._measured = study.measured
        self._touched = False
        self.display.show(study, self.keeper.layer, frame_number)
        self.keeper.show_frame(self.display.working_index())
        self.state.experiment = study.experiment
        self.state.trimmed, self.state.motion = study.trimmed, study.motion
        self.state.source, self.state.video = study.source, study.video
        self.state.table = pd.DataFrame()

    def read_table(self) -> None:
        """Measure what is segmented already, for the curves."""
        study = self.study
        if study is not None and self._segmented:
            self.runner.run(
                "reading",
                workflow.measured(study.experiment, study.video),
                description="Reading the segmentation",
                on_done=self._take_table,
            )

    def change(self, stage: str, steps: Callable[[Study], Steps[Study]], description: str) -> None:
        """Run what gives the study another working video, unless the labels cannot be saved before."""
        study, keeper = self.study, self.keeper
        assert study is not None
        assert keeper is not None
        if not keeper.flush():
            return
        self.runner.run(stage, lambda: steps(study), description=description, on_done=self.take)

    def close(self) -> None:
        """Stop the work and save the labels; give the experiment back once the work writes no more."""
        if self._closed:
            return
        self._closed = True
        study = self.study
        self._seen.stop()
        self._count.stop()
        self._labels.stop()
        self._viewer.dims.events.point.disconnect(self._on_frame)
        self.state.running_changed.disconnect(self._on_running)
        self._viewer.layers.events.removed.disconnect(self._on_removed)
        self._let_go(closing=False)
        self.closed.emit()
        self.runner.close(lambda: None if study is None else study.experiment.close())

    def save(self) -> bool:
        """Write the labels to disk now, and tell whether all are there."""
        return self.keeper is None or self.keeper.flush()

    def _let_go(self, *, closing: bool) -> None:
        if self.keeper is not None:
            self.keeper.close()
            self.keeper.deleteLater()
            self.keeper = None
        if self._window.gone:
            self.display.forget()
        else:
            self.display.clear()
        if self.study is not None and closing:
            self.study.experiment.close()
        self.study = None
        self.state.experiment = self.state.source = self.state.video = None
        self.state.trimmed = self.state.motion = None
        self.state.table = pd.DataFrame()

    def facts(self) -> Facts:
        """Gather what is known, for `resolve`."""
        study, keeper = self.study, self.keeper
        if study is None or keeper is None:
            return Facts(running=self.state.running)
        return Facts(
            source_shape=study.source.shape,
            shape=study.video.shape,
            trimmed_shape=study.trimmed.shape,
            frames_per_second=study.source.frames_per_second,
            read_only=study.experiment.read_only,
            trimmed="trim" in study.experiment.document.stages,
            drift_px=study.drift_px,
            motion_outdated=study.outdated,
            doubtful_frames=study.doubtful_frames,
            corrected_frames=len(study.corrected),
            corrections_left_out=len(study.left_out),
            labelled=len(keeper.labelled),
            saved_at=keeper.saved_at,
            saving=keeper.saving,
            unsaved=keeper.unsaved,
            scores=study.scores,
            labels_changed=study.card is not None and (study.labels_changed or self._touched),
            resumable=_study.resumable(study.experiment),
            segmented=len(self._segmented),
            outdated=bool(self._segmented) and not self._current,
            measured=self._measured,
            running=self.state.running,
        )

    @property
    def segmented(self) -> frozenset[int]:
        """Indices along t of the frames that are segmented."""
        return frozenset(self._segmented)

    def set_classes(self, classes: tuple[DefectClass, ...]) -> None:
        """Keep other names and colours, or more classes."""
        assert self.study is not None
        self.study.experiment.update(classes=classes)
        self.display.set_classes(classes)
        self.state.experiment_changed.emit()
        self._measured = workflow.measurements_current(self.study.experiment)
        self._touched = True
        self.facts_changed.emit()
        self._table_outdated = True
        self._read_outdated_table()

    def keep_regions(self, shown: Regions, drawn: Regions) -> None:
        """Keep regions edited as `workflow.shown_regions` gave them.

        Parameters
        ----------
        shown : Regions
            As they are now.
        drawn : Regions
            As `workflow.drawn_regions` gave them before all edits.

        Raises
        ------
        InputError
            If they cannot be kept.
        """
        study = self.study
        assert study is not None
        workflow.keep_shown_regions(study.experiment, shown, drawn)
        # That is known without asking the files, which may take long and may not be there.
        self.study = replace(study, outdated=study.motion is not None)
        self.facts_changed.emit()

    def take_back_regions(self, drawn: Regions, *, outdated: bool) -> None:
        """Keep regions as `workflow.drawn_regions` gave them before they were drawn on.

        Parameters
        ----------
        drawn : Regions
            What was drawn before.
        outdated : bool
            Whether the motion was found with others, then.

        Raises
        ------
        InputError
            If they cannot be kept.
        """
        assert self.study is not None
        workflow.keep_regions(self.study.experiment, drawn)
        self.study = replace(self.study, outdated=outdated)
        self.facts_changed.emit()

    @property
    def labels_touched(self) -> bool:
        """Whether labels or classes were changed since the models were compared."""
        return self._touched

    def set_models(self, models: tuple[workflow.ComparedModel, ...], *, labels_read: bool) -> None:
        """Take over the models after one was trained, chosen, renamed or deleted.

        Parameters
        ----------
        models : tuple of ComparedModel
            All there are.
        labels_read : bool
            Whether they were compared with the labels as they are now.
        """
        assert self.study is not None
        experiment = self.study.experiment
        card = _study.trained_card(experiment)
        self.study = replace(self.study, card=card, models=models)
        self._current = _study.segmented_by(experiment, card)
        if labels_read:
            self._touched = False
        self.facts_changed.emit()

    def show_prediction(self, index: int, mask: Any) -> None:
        """Show a mask (y, x) over frame `index` that is not part of the segmentation."""
        self._seen.preview(index, mask)

    def begin_segmentation(self) -> None:
        """Show and count what is segmented from now on."""
        if not self._current:
            self._segmented.clear()
            self.state.table = pd.DataFrame()
        self._measured = False
        self._seen.drop_previews()
        self.display.show_segmentation()

    def add_segmented(self, step: Step) -> None:
        """Take in one more segmented frame and its row."""
        assert self.study is not None
        if step.frame is None:
            return
        self._current = True
        self._segmented.add(step.frame)
        self.state.add_row(step.metrics)
        self._seen.look(self.study, only=step.frame)
        if not self._count.isActive():
            self._count.start()

    def set_measured(self, table: pd.DataFrame) -> None:
        """Take over the table that was written."""
        assert self.study is not None
        self._measured = workflow.measurements_current(self.study.experiment)
        self._take_table(table)

    def _read_outdated_table(self) -> None:
        """Measure again under other class names, once nothing else runs."""
        if self._table_outdated and self.state.running is None:
            self._table_outdated = False
            self.read_table()

    def _on_running(self) -> None:
        self.facts_changed.emit()

    def _allow_painting(self) -> None:
        """Let nobody paint while a work runs that ends with a new Labels layer."""
        if self.keeper is not None and self.study is not None:
            renewing = self.state.running in _RENEWING
            if renewing:
                self.display.drop_tool()
            self.keeper.allow_edits(not renewing and not self.study.experiment.read_only)

    def _on_ended(self, stage: str, finished: bool) -> None:
        self._allow_painting()
        if stage == "train" and not finished:
            self._seen.drop_previews()  # of a network that is not there
        if self.study is not None:
            self._seen.look(self.study)
        # What has just ended first hands over its result.
        QTimer.singleShot(0, self._read_outdated_table)

    def _take_table(self, table: pd.DataFrame) -> None:
        self.state.table = table
        self.facts_changed.emit()

    def _on_saved(self, index: int) -> None:
        self._touched = True
        self._tell_soon()

    def _tell_soon(self) -> None:
        if not self._labels.isActive():
            self._labels.start()

    def _on_removed(self, event: Any) -> None:
        if self.keeper is not None and event.value is self.keeper.layer:
            self.keeper.save()
            QTimer.singleShot(0, self._tell_of_closed_labels)

    def _tell_of_closed_labels(self) -> None:
        """Say how the Labels layer comes back, unless it was only moved or all is being closed."""
        if not self._closed and self.keeper is not None and self.keeper.layer not in self._viewer.layers:
            button = resolve(self.facts())["label"].button
            show_info(f'The Labels layer was closed, its labels are kept; "{button}" shows it again')

    def _on_frame(self, event: Any = None) -> None:
        index = self.display.index()
        working = self.display.working_index()
        if self.keeper is not None:
            self.keeper.show_frame(working)
        self.frame_changed.emit(index)


def _too_large(video: Video) -> str:
    """Say that the labels of `video` find no room in memory."""
    frames, height, width = video.shape
    return (
        f"{video.name}: memory does not suffice for the labels of {frames} frames of {width} x {height} px; "
        f"free {frames * height * width / 2**30:.1f} GiB, or cut the video into parts, and open it again"
    )
