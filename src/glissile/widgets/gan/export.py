"""Section Export: pictures, samples and walks as files that say how they were made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.utils.notifications import show_error, show_info
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QCheckBox, QComboBox, QFileDialog, QFormLayout, QMessageBox, QPushButton, QSpinBox

from glissile.errors import InputError
from glissile.gan.provenance import of_points, of_walk
from glissile.widgets._fold import Fold
from glissile.widgets._form import WheelGuard
from glissile.widgets.gan._export_folder import export_folder, remember_export_folder
from glissile.widgets.gan._resolve_export import (
    FRAMES_PER_SECOND,
    TITLES,
    ExportFacts,
    Format,
    What,
    export_refused,
    format_refused,
    measures_in,
    proposed_name,
    suffix_of,
    what_refused,
    with_suffix,
)
from glissile.widgets.gan.long_work import LongWork
from glissile.widgets.sections.section import words
from glissile.workflow.generation import Form, form_of, refuse_measures, refuse_target, write_images
from glissile.workflow.measuring import measure_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from glissile.gan.look import Look
    from glissile.gan.points import Point
    from glissile.gan.provenance import Provenance
    from glissile.gan.sampler import Sampler
    from glissile.gan.sliders import Sliders
    from glissile.gan.walk import Walk
    from glissile.progress import Steps
    from glissile.widgets.gan.state import GeneratorState
    from glissile.widgets.gan.walk import WalkSection
    from glissile.workflow.generation import Generated

_NOTICE = (
    "Every image is marked as synthetic and tells how it was made, so that glissile makes it again. Napari's "
    "own File > Save does not mark them."
)


class ExportSection(Fold):
    """Writes what the dock shows.

    Parameters
    ----------
    state : GeneratorState
        Has the picture.
    walk : WalkSection
        Has the walk.
    samples : mapping of What to callable
        Give the points of the grid and those pinned.
    fitted : callable
        Gives the microstructure sliders, by which images are measured; None where there are none.
    """

    def __init__(
        self,
        state: GeneratorState,
        walk: WalkSection,
        samples: Mapping[What, Callable[[], Sequence[Point]]],
        fitted: Callable[[], Sliders | None],
    ) -> None:
        super().__init__("Export", is_section=True)
        self._state, self._walk, self._samples, self._fitted = state, walk, samples, fitted
        guard = WheelGuard(self)
        self.what = QComboBox()
        for what, title in TITLES.items():
            self.what.addItem(title, what)
        self.format = QComboBox()
        for kind in Format:
            self.format.addItem(kind.value, kind)
        self.rate = QSpinBox()
        self.rate.setRange(*FRAMES_PER_SECOND)
        self.rate.setSuffix(" frames/s")
        self.measures = QCheckBox("Measure every image")
        self.measures.setChecked(True)
        rows = self._rows = QFormLayout()
        rows.addRow("What", self.what)
        rows.addRow("Format", self.format)
        rows.addRow("Speed", self.rate)
        rows.addRow("", self.measures)
        for widget in (self.what, self.format, self.rate):
            widget.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
            widget.installEventFilter(guard)
        self.body.addLayout(rows)
        self.export = QPushButton("Export…")
        self.export.clicked.connect(self._ask)
        self.body.addWidget(self.export)
        self.work = LongWork()
        self.work.running_changed.connect(self.refresh)
        self.body.addWidget(self.work)
        self.body.addWidget(words(_NOTICE))
        self.what.activated.connect(self.refresh)
        self.format.activated.connect(self.refresh)
        for signal in (state.network_changed, state.point_changed, state.edits_changed, state.ws_changed):
            signal.connect(self.refresh)
        walk.changed.connect(self.refresh)
        state.made.connect(self._show_measures)  # they are fitted, and used, in the background
        self.toggled.connect(self.refresh)
        self.refresh()

    def facts(self) -> ExportFacts:
        """Give what is known."""
        state = self._state
        return ExportFacts(
            network=state.sampler is not None,
            picture=state.point is not None and (not state.edits or state.ws is not None),
            grid=self._count(What.grid),
            pins=self._count(What.pins),
            frames=self._walk.frame_count,
            no_walk=self._walk.refused,
            running=self.work.running,
        )

    def _count(self, what: What) -> int:
        return len(self._samples[what]()) if what in self._samples else 0

    def refresh(self) -> None:
        """Show what can be exported now."""
        facts = self.facts()
        what, kind = self.chosen
        for row in range(self.what.count()):
            one = self.what.itemData(row)
            count = facts.count(one)
            self.what.setItemText(row, f"{TITLES[one]} ({count})" if count > 1 else TITLES[one])
            _allow(self.what, row, what_refused(facts, one))
        for row in range(self.format.count()):
            _allow(self.format, row, format_refused(what, facts.count(what), self.format.itemData(row)))
        refused = export_refused(facts, what, kind)
        self.export.setEnabled(not refused)
        self.export.setToolTip(refused or "Choose a name, then write")
        timed = what is What.walk and kind in (Format.mp4, Format.tiff)
        self._rows.setRowVisible(self.rate, timed)
        self._show_measures()

    def _show_measures(self) -> None:
        """Offer to measure the images where it is known how, and images are made."""
        _, kind = self.chosen
        where = measures_in(kind)
        self._rows.setRowVisible(self.measures, bool(where) and self._fitted() is not None)
        self.measures.setToolTip(where)

    @property
    def chosen(self) -> tuple[What, Format]:
        """What is exported, and how."""
        return What(self.what.currentData()), Format(self.format.currentData())

    def choose(self, what: What, kind: Format) -> None:
        """Choose what is exported, and how."""
        self.what.setCurrentIndex(self.what.findData(what))
        self.format.setCurrentIndex(self.format.findData(kind))
        self.refresh()

    def _ask(self) -> None:
        """Ask where to, then export."""
        state = self._state
        what, kind = self.chosen
        if state.card is None:
            return
        suffix = suffix_of(what, kind)
        title = "" if state.point is None else state.point.title
        proposal = export_folder() / proposed_name(state.card.name, what, title, suffix)
        name, _ = QFileDialog.getSaveFileName(
            self,
            "File" if suffix else "New folder for the images",
            str(proposal),
            f"{kind.value} (*{suffix})" if suffix else "Folder (*)",
        )
        if not name:
            return
        target = with_suffix(name, suffix)
        # The dialog has asked about the name that was typed only.
        if str(target) != name and target.exists() and not self._may_replace(target):
            return
        self.export_to(target)

    def _may_replace(self, target: Path) -> bool:
        yes, no = QMessageBox.StandardButton.Yes, QMessageBox.StandardButton.No
        question = f"{target.name} is there already. Replace it?"
        return bool(QMessageBox.question(self, "Export", question, yes | no, no) == yes)

    def export_to(self, target: Path) -> None:
        """Export what is chosen, in the background; the user is told where it is, or why not.

        Parameters
        ----------
        target : Path
            File or folder, which is replaced only where it was generated here.
        """
        state = self._state
        what, kind = self.chosen
        sampler = state.sampler
        images = self._images(what)
        if sampler is None or images is None:
            return
        read = () if state.path is None else (state.path,)
        count = self.facts().count(what)
        alone = kind is Format.sheet and count == 1
        try:
            form = form_of(target, count, grid=alone)
            fitted = self._fitted() if self.measures.isChecked() and form is not Form.latents else None
            refuse_target(target, form, *read)
            if fitted is not None:
                refuse_measures(target, form, *read)
        except (InputError, OSError) as error:
            show_error(str(error))
            return
        remember_export_folder(target.parent)
        rate = self.rate.value()
        title = f"{sampler.card.name or 'generator'}, {what.value}"

        def steps() -> Steps[Generated]:
            return (
                yield from write_images(
                    sampler,
                    (yield from images(sampler)),
                    target,
                    title=title,
                    columns=1 if alone else None,
                    frames_per_second=rate,
                    measure=None if fitted is None else measure_of(fitted),
                    read=read,
                )
            )

        self.work.run(steps, description="Exporting", on_done=_tell)

    def _images(self, what: What) -> Callable[[Sampler], Steps[list[Provenance]]] | None:
        """Give what lists the images, in the background where that takes long."""
        state, look = self._state, self._state.look
        if what is What.walk:
            walk = self._walk.timed()
            return None if walk is None else _of_walk(walk, look)
        point = state.edited_point()
        points = self._samples[what]() if what in self._samples else () if point is None else (point,)
        return _of_points(tuple(points), look) if points else None


def _of_points(points: Sequence[Point], look: Look) -> Callable[[Sampler], Steps[list[Provenance]]]:
    def listed(sampler: Sampler) -> Steps[list[Provenance]]:
        yield from ()
        return of_points(sampler.card, points, look)

    return listed


def _of_walk(timed: Callable[[], Steps[Walk]], look: Look) -> Callable[[Sampler], Steps[list[Provenance]]]:
    def listed(sampler: Sampler) -> Steps[list[Provenance]]:
        return of_walk(sampler.card, (yield from timed()), look)

    return listed


def _tell(done: Generated) -> None:
    images = "1 synthetic image" if done.images == 1 else f"{done.images} synthetic images"
    beside = "" if done.table is None else f", their measures in {done.table.name}"
    gone = "" if done.dropped is None else f"; {done.dropped.name}, of the images before, was removed"
    show_info(f"{images} in {done.target} ({done.form.value}){beside}{gone}")


def _allow(box: QComboBox, row: int, refused: str) -> None:
    item = box.model().item(row)
    item.setEnabled(not refused)
    item.setToolTip(refused)
