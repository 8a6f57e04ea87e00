"""Section 6: masks become a table, figures and an overlay video."""

from collections.abc import Sequence

import pandas as pd
from qtpy.QtCore import QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QPushButton

from glissile import workflow
from glissile.defects import DefectClass
from glissile.quantify.measure import FRAME, STRAIN, MeasureSettings, fraction_column, peak
from glissile.widgets._bench import Bench
from glissile.widgets._form import SettingsForm
from glissile.widgets.sections.section import Section, words


class MeasureSection(Section):
    """What is written, where it lies, and the headline numbers."""

    def __init__(self, bench: Bench) -> None:
        super().__init__(
            6,
            "Measure",
            "Writes the area fraction of each class in every frame as a table, a figure against strain or "
            "time, and a video with the masks drawn on it.",
        )
        self._bench = bench
        self.form = SettingsForm(MeasureSettings)
        self.settings_layout.addWidget(self.form)
        self.numbers = words("")
        self.results.addWidget(self.numbers)
        self.files = words("")
        self.results.addWidget(self.files)
        self.folder = QPushButton("Open folder")
        self.folder.clicked.connect(self._open_folder)
        self.results.addWidget(self.folder)
        bench.study_changed.connect(self.study_changed)
        bench.facts_changed.connect(self._show_numbers)
        self.study_changed()

    def study_changed(self) -> None:
        """Show what was written for the study before."""
        study = self._bench.study
        written = study is not None and study.experiment.measurements_path.exists()
        for widget in (self.files, self.folder):
            widget.setVisible(written)
        if study is not None:
            self.form.set_value(study.experiment.settings("measure", MeasureSettings))
            self.files.setText(f"Results lie in {study.experiment.folder}")
        self._show_numbers()

    def start(self) -> None:
        """Measure and write."""
        study = self._bench.study
        assert study is not None
        study.experiment.save_settings("measure", self.form.value())
        self._bench.runner.run(
            "measure", workflow.measure(study.experiment), description="Measuring", on_done=self._take_results
        )

    def _take_results(self, results: workflow.Results) -> None:
        study = self._bench.study
        assert study is not None
        self._bench.set_measured(results.table)
        names = ", ".join(path.name for path in results.files)
        self.files.setText(f"Written: {names}\nin {study.experiment.folder}")
        for widget in (self.files, self.folder):
            widget.show()

    def _show_numbers(self) -> None:
        """Show the headline numbers of a table that is complete, or written all the same."""
        study, table, facts = self._bench.study, self._bench.state.table, self._bench.facts()
        complete = study is not None and (facts.measured or len(table) == len(study.video))
        lines = headlines(table, study.experiment.document.classes) if study is not None and complete else ""
        self.numbers.setText(lines)
        self.numbers.setVisible(bool(lines))

    def _open_folder(self) -> None:
        if self._bench.study is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._bench.study.experiment.folder)))


def headlines(table: pd.DataFrame, classes: Sequence[DefectClass]) -> str:
    """Say where each class covers most: "stacking fault: up to 7.3 % (frame 321, strain 0.0152)"."""
    lines = []
    for defect in classes:
        row = peak(table, defect)
        if row is not None:
            strain = f", strain {row[STRAIN]:.4g}" if pd.notna(row[STRAIN]) else ""
            percent = 100 * row[fraction_column(defect)]
            lines.append(f"{defect.name}: up to {percent:.1f} % (frame {row[FRAME]:.0f}{strain})")
    return "\n".join(lines)
