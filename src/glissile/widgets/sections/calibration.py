"""Scale, time base and strain of the open study."""

from pathlib import Path

from napari.utils.notifications import show_error
from pydantic import ValidationError
from qtpy.QtWidgets import (
    QDoubleSpinBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
)

from glissile.errors import InputError
from glissile.experiment import Calibration, StrainLogSettings
from glissile.widgets import _study
from glissile.widgets._bench import Bench
from glissile.widgets._fold import Fold
from glissile.widgets._form import SettingsForm

_NUMBERS = ("nm_per_pixel", "seconds_per_frame", "initial_strain", "strain_rate_per_s")
# Found with or without the unit that follows in brackets, in any case.
_USUAL = {"time_column": "time", "strain_column": "strain", "stress_column": ""}


class CalibrationFold(Fold):
    """Form for the calibration; folded until it is needed."""

    def __init__(self, bench: Bench) -> None:
        super().__init__("Scale, time and strain")
        self._bench = bench
        self.form = SettingsForm(Calibration, fields=_NUMBERS)
        self.body.addWidget(self.form)
        self.log = QLineEdit()
        self.log.setPlaceholderText("none: constant strain rate")
        self.log.setToolTip(
            "CSV file of the test rig, with time and strain; taken before a constant strain rate"
        )
        self.log.textChanged.connect(self._show_columns)
        choose = QPushButton("…")
        choose.setToolTip("Choose a strain log")
        choose.clicked.connect(self._choose)
        row = QHBoxLayout()
        row.addWidget(self.log, 1)
        row.addWidget(choose)
        self.columns = {name: QLineEdit(usual) for name, usual in _USUAL.items()}
        self.offset = QDoubleSpinBox()
        self.offset.setDecimals(3)
        self.offset.setRange(-1e7, 1e7)
        self.offset.setSuffix(" s")
        self.offset.setToolTip(StrainLogSettings.model_fields["time_offset_s"].description or "")
        layout = QFormLayout()
        layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        layout.addRow("Strain log", row)
        for name, box in self.columns.items():
            field = StrainLogSettings.model_fields[name]
            box.setToolTip(field.description or "")
            layout.addRow(field.title or name, box)
        layout.addRow("Time offset", self.offset)
        self._layout = layout
        self.body.addLayout(layout)
        self.apply = QPushButton("Apply")
        self.apply.clicked.connect(self._apply)
        self.body.addWidget(self.apply)
        bench.study_changed.connect(self.study_changed)
        bench.facts_changed.connect(self._facts_changed)
        self._show_columns()

    def study_changed(self) -> None:
        """Show the calibration of the study."""
        if self._bench.study is not None:
            self.set_value(self._bench.study.experiment.document.calibration)

    def set_value(self, calibration: Calibration) -> None:
        """Show `calibration`."""
        self.form.set_value(calibration)
        log = calibration.strain_log
        self.log.setText("" if log is None else str(self._absolute(log.path)))
        for name, box in self.columns.items():
            box.setText(_USUAL[name] if log is None else getattr(log, name) or "")
        self.offset.setValue(0.0 if log is None else log.time_offset_s)
        self._show_columns()

    def value(self) -> Calibration:
        """Read the calibration as shown."""
        log = None
        if self.log.text().strip():
            named = {name: box.text().strip() or None for name, box in self.columns.items()}
            log = StrainLogSettings.model_validate(
                {
                    **named,
                    "path": Path(self.log.text().strip()).as_posix(),
                    "time_offset_s": self.offset.value(),
                }
            )
        shown: Calibration = self.form.value().model_copy(update={"strain_log": log})
        return shown

    def _absolute(self, path: str) -> Path:
        assert self._bench.study is not None
        return self._bench.study.experiment.folder / path

    def _choose(self) -> None:
        name, _ = QFileDialog.getOpenFileName(
            self, "Strain log", self.log.text(), "Tables (*.csv *.txt *.tsv *.dat);;All files (*)"
        )
        if name:
            self.log.setText(name)

    def _show_columns(self) -> None:
        shown = bool(self.log.text().strip())
        for widget in (*self.columns.values(), self.offset):
            self._layout.setRowVisible(widget, shown)

    def _facts_changed(self) -> None:
        facts = self._bench.facts()
        free = facts.source_shape is not None and not facts.read_only and facts.running is None
        self.apply.setEnabled(free)

    def _apply(self) -> None:
        try:
            calibration = self.value()
        except InputError as error:
            show_error(str(error))
            return
        except ValidationError:
            show_error("The strain log needs the names of its columns of time and strain; fill them in")
            return
        self._bench.change(
            "opening", lambda study: _study.calibrated(study.experiment, calibration), "Calibrating the video"
        )
