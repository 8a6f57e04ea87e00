"""An experiment folder, opened."""

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

from pydantic import BaseModel

from glissile import atomic
from glissile.defects import DEFAULT_CLASSES, DefectClass
from glissile.errors import InputError
from glissile.experiment.backups import Backup, back_up
from glissile.experiment.document import (
    Calibration,
    Document,
    migrate_file,
    plain,
    read_document,
    used_versions,
    validated,
    write_document,
)
from glissile.experiment.lock import StudyLock
from glissile.experiment.mask_store import MaskStore
from glissile.experiment.source import Source
from glissile.naming import EXPERIMENT_DOCUMENT, EXPERIMENT_SUFFIX, names_experiment

M = TypeVar("M", bound=BaseModel)


def folder_named(path: Path) -> Path:
    """Folder of the experiment that a user calls `path`, with the suffix or without it; it need not exist."""
    path = path.absolute()
    if names_experiment(path) or (path / EXPERIMENT_DOCUMENT).exists():
        return path
    return path.parent / f"{path.name}{EXPERIMENT_SUFFIX}"  # Path.suffix of "8.4μm" would be ".4μm"


class Experiment:
    """One study on disk; made by `create` or `open`, given back by `close` or by leaving a `with` block.

    The first to open a folder may write, all others, in this process too, only read. One object may be used
    by several threads.

    Attributes
    ----------
    folder : Path
        `NAME.glissile`.
    read_only : bool
        Whether writing is refused.
    locked_by : str or None
        Who has the study open for writing, where this object has not: "host, process 123".
    backup_problem : str
        Why the labels could not be backed up when it was opened; empty where they could.
    """

    def __init__(
        self,
        folder: Path,
        document: Document,
        lock: StudyLock | None,
        *,
        locked_by: str | None = None,
        problem: str | None = None,
    ) -> None:
        self.folder = folder
        self.locked_by = locked_by
        self.backup_problem = ""
        self._document = document
        self._lock = lock
        self._problem = problem
        self._changing = threading.RLock()

    @classmethod
    def create(
        cls,
        folder: Path,
        *,
        source: Source,
        calibration: Calibration | None = None,
        classes: Sequence[DefectClass] = DEFAULT_CLASSES,
    ) -> Self:
        """Start a study.

        Parameters
        ----------
        folder : Path
            Folder to make; `.glissile` is appended where it is missing.
        source : Source
            The video.
        calibration : Calibration, optional
            Scale, time base and strain, as far as they are known.
        classes : sequence of DefectClass
            What will be labelled and measured.

        Returns
        -------
        Experiment
            Open for writing.

        Raises
        ------
        InputError
            If the folder is used already or cannot be made, or two classes share a value or a name.
        """
        folder = folder_named(folder)
        if folder.is_dir() and any(not p.name.startswith(".") for p in folder.iterdir()):
            raise InputError(f"{folder}: exists already; open it, or choose another name")
        fields = {
            "source": source.seen_from(folder),
            "calibration": calibration or Calibration(),
            "classes": tuple(classes),
            "versions": used_versions(),
        }
        document = validated(Document, fields, str(folder / EXPERIMENT_DOCUMENT))
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{folder}: cannot be made ({error.strerror}); choose another place") from error
        lock = StudyLock(folder)
        try:
            holder = lock.acquire()
        except OSError as error:
            raise InputError(f"{folder}: cannot be written to ({error.strerror})") from error
        if holder is not None:
            raise InputError(f"{folder}: cannot be written to, it is held by {holder}")
        try:
            write_document(folder / EXPERIMENT_DOCUMENT, document)
        except BaseException:
            lock.release()
            raise
        return cls(folder, document, lock)

    @classmethod
    def open(cls, folder: Path, *, read_only: bool = False) -> Self:
        """Open a study; labels that have changed since they were last backed up are backed up.

        Parameters
        ----------
        folder : Path
            `NAME.glissile`, or `NAME` as given to `create`.
        read_only : bool
            Do not lock it. Without this, one that is open elsewhere is opened for reading, too.

        Returns
        -------
        Experiment

        Raises
        ------
        InputError
            If it is not a study, is damaged, or was written by a newer version.
        """
        called, folder = folder, folder_named(folder)
        if folder.name != called.name and not folder.exists():
            raise InputError(
                f"{called}: there is no such experiment, and none called {folder.name} beside it; check the "
                "name"
            )
        # Read before anything is written, so that a newer study stays untouched.
        document = read_document(folder / EXPERIMENT_DOCUMENT)
        if read_only:
            return cls(folder, document, None)
        lock = StudyLock(folder)
        try:
            holder = lock.acquire()
        except OSError as error:
            problem = f"the folder cannot be written to ({error.strerror})"
            return cls(folder, document, None, problem=problem)
        if holder is not None:
            return cls(folder, document, None, locked_by=holder)
        try:
            migrate_file(folder / EXPERIMENT_DOCUMENT)
            opened = cls(folder, read_document(folder / EXPERIMENT_DOCUMENT), lock)
            opened._clean()
            try:
                opened.back_up_labels()
            except (OSError, InputError) as error:
                opened.backup_problem = f"The labels could not be backed up: {error}"
        except BaseException:
            lock.release()
            raise
        return opened

    @property
    def read_only(self) -> bool:
        """Whether writing is refused."""
        return self._lock is None

    @property
    def document(self) -> Document:
        """The present content of `experiment.toml`."""
        return self._document

    @property
    def motion_path(self) -> Path:
        """Motion of the specimen, CSV."""
        return self.folder / "motion.csv"

    @property
    def regions_path(self) -> Path:
        """What to leave out of the motion or to hold on to, label image (PNG) of the size of the source."""
        return self.folder / "regions.png"

    @property
    def found_overlay_path(self) -> Path:
        """What was found to be drawn over the frames, label image (PNG) of the size of the source."""
        return self.folder / "found_overlay.png"

    @property
    def models_folder(self) -> Path:
        """One folder per trained model."""
        return self.folder / "models"

    @property
    def measurements_path(self) -> Path:
        """Table with one row per frame, CSV."""
        return self.folder / "measurements.csv"

    @property
    def labels_path(self) -> Path:
        """Masks of the labelled frames, Zarr."""
        return self.folder / "labels.zarr"

    @property
    def backups_folder(self) -> Path:
        """Earlier labels, a zip archive each."""
        return self.folder / "backups"

    @property
    def proposals_path(self) -> Path:
        """Masks that are proposed as labels, Zarr."""
        return self.folder / "proposals.zarr"

    @property
    def segmentation_path(self) -> Path:
        """Predicted masks, Zarr."""
        return self.folder / "segmentation.zarr"

    def update(self, **changes: Any) -> None:
        """Change parts of the document, in memory and on disk.

        Parameters
        ----------
        **changes
            Fields of `Document`: `calibration`, `classes`.

        Raises
        ------
        InputError
            If the study is read-only, or a change is invalid; then nothing changes.
        """
        self.require_writable()
        with self._changing:
            present = {name: getattr(self._document, name) for name in Document.model_fields}
            path = self.folder / EXPERIMENT_DOCUMENT
            known = {
                **present,
                "last_class_value": self._document.highest_class_value,
                "versions": used_versions(),
            }
            document = validated(Document, {**known, **changes}, str(path))
            write_document(path, document)
            self._document = document

    def settings(self, stage: str, model: type[M]) -> M:
        """Give the settings of a stage, its defaults where none are kept.

        Raises
        ------
        InputError
            Naming file, stage and setting, where one does not exist or is invalid.
        """
        kept = self._document.stages.get(stage, {})
        return validated(model, kept, f"{self.folder / EXPERIMENT_DOCUMENT}, [stages.{stage}]")

    def save_settings(self, stage: str, settings: BaseModel) -> None:
        """Keep the settings of a stage.

        Raises
        ------
        InputError
            If the study is read-only.
        """
        with self._changing:
            self.update(stages={**self._document.stages, stage: plain(settings)})

    def labels_or_none(self) -> MaskStore | None:
        """Labels on the pixels (t, y, x) of the source, None where there are none yet.

        Raises
        ------
        InputError
            If they are the labels of another video.
        """
        return self._drawn_or_none(self.labels_path)

    def labels(self) -> MaskStore:
        """Labels on the pixels (t, y, x) of the source, made where there are none yet.

        Raises
        ------
        InputError
            If they are the labels of another video, or there are none and the study is read-only.
        """
        return self._drawn(self.labels_path)

    def proposals_or_none(self) -> MaskStore | None:
        """Masks that are proposed as labels, laid out and refused as those of `labels_or_none`."""
        return self._drawn_or_none(self.proposals_path)

    def proposals(self) -> MaskStore:
        """Masks that are proposed as labels, made and refused as those of `labels`."""
        return self._drawn(self.proposals_path)

    def back_up_labels(self) -> Backup | None:
        """Copy the labels as they are now, see `backups.back_up`.

        Raises
        ------
        InputError
            If the study is read-only.
        OSError
            If the copy cannot be written.
        """
        self.require_writable()
        return back_up(self.labels_path, self.backups_folder, self._document.classes)

    def segmentation_or_none(self) -> MaskStore | None:
        """Predicted masks, None where there are none yet."""
        return self._store_or_none(self.segmentation_path)

    def new_segmentation(self, shape: tuple[int, int, int], attributes: Mapping[str, Any]) -> MaskStore:
        """Empty store for predicted masks (t, y, x) in place of what was there.

        Raises
        ------
        InputError
            If the study is read-only.
        """
        self.require_writable()
        with atomic.replacing_folder(self.segmentation_path) as temporary:
            MaskStore.create(temporary, shape, attributes)
        return MaskStore.open(self.segmentation_path)

    def source_path(self) -> Path:
        """Where the source video is: at its absolute path, or where it was relative to this folder.

        Raises
        ------
        InputError
            If it is at neither.
        """
        source = self._document.source
        absolute = Path(source.path)
        if absolute.is_absolute() and absolute.exists():
            return absolute
        if source.relative_path is not None:
            beside = (self.folder / source.relative_path).resolve()
            if beside.exists():
                return beside
        raise InputError(
            f"{self.folder.name}: the source video is no longer at {source.path}; move it back, or say where "
            f'it is now: glissile relocate "{self.folder}" VIDEO'
        )

    def source_changed(self) -> str | None:
        """Why the video at `source_path` is not the one the study was made from; None where it is.

        Raises
        ------
        InputError
            If the video is missing or cannot be read.
        """
        wrong = self._document.source.mistaken(self.source_path(), self.folder.name)
        return None if wrong is None else f"{wrong}; labels and results may not fit it"

    def relocate_source(self, path: Path) -> None:
        """Refer to the source video at its new place; nothing else in the experiment changes.

        Parameters
        ----------
        path : Path
            Where the video file or folder of frames lies now.

        Raises
        ------
        InputError
            If there is nothing at `path`, it is not the same video, or the experiment is read-only.
        """
        kept = self._document.source
        wrong = kept.mistaken(path, self.folder.name)
        if wrong is not None:
            raise InputError(f"{wrong}; choose that one, or start a new experiment with this one")
        moved = Source.of(path, frames=kept.frames, height=kept.height, width=kept.width)
        self.update(source=moved.seen_from(self.folder))

    def require_writable(self) -> None:
        """Refuse in one sentence where this study may only be read.

        Raises
        ------
        InputError
            If it is read-only.
        """
        reason = self.why_read_only()
        if reason is not None:
            raise InputError(reason)

    def close(self) -> None:
        """Let others write; from now on this object only reads."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def why_read_only(self) -> str | None:
        """Say in one sentence why nothing can be changed; None where it can."""
        if self._lock is not None:
            return None
        if self.locked_by is not None:
            return (
                f"{self.folder.name}: can only be read, it is held by {self.locked_by}; close it there first"
            )
        if self._problem is not None:
            return f"{self.folder.name}: can only be read, {self._problem}"
        return f"{self.folder.name}: was opened for reading only, so nothing can be changed"

    def _drawn_or_none(self, path: Path) -> MaskStore | None:
        kept = self._store_or_none(path)
        shape = self._document.source.shape
        if kept is not None and kept.shape != shape:
            theirs, ours = (f"{t} frames of {y} x {x} px" for t, y, x in (kept.shape, shape))
            raise InputError(
                f"{kept.path}: the labels belong to a video of {theirs}, the source has {ours}; "
                "move them out of the experiment"
            )
        return kept

    def _drawn(self, path: Path) -> MaskStore:
        kept = self._drawn_or_none(path)
        if kept is None:
            self.require_writable()
            return MaskStore.create(path, self._document.source.shape)
        return kept

    def _store_or_none(self, path: Path) -> MaskStore | None:
        if not (path / "zarr.json").exists():
            return None
        return MaskStore.open(path, read_only=self.why_read_only() or False)

    def _clean(self) -> None:
        for folder in (
            self.folder,
            self.labels_path,
            self.proposals_path,
            self.segmentation_path,
            self.models_folder,
            self.backups_folder,
        ):
            atomic.tidy(folder)
        for model in self.models_folder.glob("*/"):
            atomic.tidy(model)
