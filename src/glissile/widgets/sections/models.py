"""The models of a study: their scores side by side, and which of them is used."""

from collections.abc import Sequence

from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtGui import QFontDatabase
from qtpy.QtWidgets import (
    QAbstractItemView,
    QButtonGroup,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QHBoxLayout,
    QHeaderView,
    QInputDialog,
    QMessageBox,
    QPlainTextEdit,
    QPushButton,
    QRadioButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from glissile.widgets._fold import Fold
from glissile.widgets._form import WheelGuard
from glissile.widgets._resolve_models import (
    COLUMNS,
    COLUMNS_EXPLAINED,
    FOOTNOTE,
    ModelRow,
    all_alike,
    card_text,
    model_row,
)
from glissile.widgets.sections.section import words
from glissile.workflow import ComparedModel

_USE, _NAME, _SCORES = 0, 1, 2
_LEAST_ROWS, _MOST_ROWS = 1, 4  # that are seen at once; further ones are scrolled to
_CARD_SIZE_PX = (560, 600)


class ModelTable(Fold):
    """A row per model, for one class at a time.

    Signals
    -------
    chosen, deleted
        With the name of a model that is to be used from now on, or removed.
    renamed
        With its name and the new one.
    """

    chosen = Signal(str)
    renamed = Signal(str, str)
    deleted = Signal(str)

    def __init__(self) -> None:
        super().__init__("Models")
        self._models: tuple[ComparedModel, ...] = ()
        self._touched = False
        self.kind = QComboBox()
        self.kind.setAccessibleName("Class whose scores are shown")
        self.kind.setToolTip("Class whose scores are shown")
        self.kind.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.kind.installEventFilter(WheelGuard(self))
        self.kind.activated.connect(lambda: self._fill())
        self.table = QTableWidget(0, _SCORES + len(COLUMNS))
        self.table.setHorizontalHeaderLabels(["use", "model", *(title for title, *_ in COLUMNS)])
        self.table.horizontalHeader().setToolTip(COLUMNS_EXPLAINED)
        self.table.verticalHeader().hide()
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(_NAME, QHeaderView.ResizeMode.Stretch)
        header.setMinimumSectionSize(20)
        header.setHighlightSections(False)
        # Rows wrap by the width that the columns get, which is known only after all else has its place.
        self._refit = QTimer(self)
        self._refit.setSingleShot(True)
        self._refit.timeout.connect(self._fit)
        header.sectionResized.connect(lambda *_: self._refit.start(0))
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.table.itemSelectionChanged.connect(self._allow)
        self.note = words(FOOTNOTE)
        self._radios = QButtonGroup(self)
        self._radios.idClicked.connect(lambda row: self.chosen.emit(self._models[row].name))
        self.rename, self.delete, self.card = (QPushButton(t) for t in ("Rename…", "Delete…", "Card…"))
        self.rename.clicked.connect(self._ask_name)
        self.delete.clicked.connect(self._ask_deletion)
        self.card.clicked.connect(self._show_card)
        self.card.setToolTip("All that is known of the selected model")
        self._editable, self._reason = True, ""
        self._arrange()
        self.toggled.connect(lambda shown: self._refit.start(0))
        self.set_value(())

    def _arrange(self) -> None:
        self.body.setContentsMargins(0, 0, 0, 4)  # every pixel of the width is needed
        buttons = QHBoxLayout()
        for button in (self.rename, self.delete, self.card):
            buttons.addWidget(button)
        for widget in (self.kind, self.table, self.note):
            self.body.addWidget(widget)
        self.body.addLayout(buttons)

    def set_value(self, models: Sequence[ComparedModel], *, touched: bool = False) -> None:
        """Show `models`; `touched` where labels were changed since they were compared."""
        if (tuple(models), touched) == (self._models, self._touched) and self.table.rowCount():
            return
        self._models, self._touched = tuple(models), touched
        self.button.setText(f"Models ({len(models)})")
        self.setVisible(bool(models))
        shown = self.kind.currentData()
        self.kind.clear()
        for model in reversed(self._models):
            for defect in () if model.card is None else model.card.classes:
                if self.kind.findData(defect.key) < 0:
                    self.kind.addItem(f"Scores of: {defect.name}", defect.key)
        self.kind.setCurrentIndex(max(0, self.kind.findData(shown)))
        self.note.setVisible(not all_alike(models))
        self._fill()

    def value(self) -> tuple[ComparedModel, ...]:
        """Return the models that are shown."""
        return self._models

    def set_editable(self, reason: str) -> None:
        """Allow to choose, rename and delete, unless there is a `reason` not to."""
        self._editable, self._reason = not reason, reason
        for radio in self._radios.buttons():
            radio.setEnabled(self._editable and bool(radio.property("usable")))
        self._allow()

    def selected(self) -> ComparedModel | None:
        """Return the model whose row is selected."""
        rows = self.table.selectionModel().selectedRows()
        return self._models[rows[0].row()] if rows else None

    def _fill(self) -> None:
        before = self.selected() if self.table.rowCount() <= len(self._models) else None
        for radio in self._radios.buttons():
            self._radios.removeButton(radio)
        self.table.setRowCount(0)
        self.table.setRowCount(len(self._models))
        for row, model in enumerate(self._models):
            said = model_row(model, self.kind.currentData() or "", touched=self._touched)
            self._fill_row(row, said)
        names = [model.name for model in self._models]
        used = next((row for row, model in enumerate(self._models) if model.used), None)
        if before is not None and before.name in names:
            self.table.selectRow(names.index(before.name))
        elif used is not None:
            self.table.selectRow(used)
        self.set_editable(self._reason)
        self._refit.start(0)

    def _fill_row(self, row: int, said: ModelRow) -> None:
        radio = QRadioButton()
        radio.setChecked(said.used)
        radio.setProperty("usable", said.usable)
        radio.setAccessibleName(f"Use {said.name}")
        radio.setToolTip(f"Segment with {said.name} from now on")
        self._radios.addButton(radio, row)
        holder = QWidget()
        layout = QHBoxLayout(holder)
        layout.setContentsMargins(6, 0, 2, 0)
        layout.addWidget(radio)
        self.table.setItem(row, _USE, QTableWidgetItem())
        self.table.setCellWidget(row, _USE, holder)
        texts = (f"{said.name}\n{said.history}", *said.cells)
        for column, text in enumerate(texts, start=_NAME):
            item = QTableWidgetItem(text)
            item.setToolTip(said.tooltip)
            if column > _NAME:
                item.setTextAlignment(Qt.AlignmentFlag.AlignCenter)
            self.table.setItem(row, column, item)

    def _fit(self) -> None:
        self.table.resizeRowsToContents()
        rows = range(max(_LEAST_ROWS, min(_MOST_ROWS, len(self._models))))
        height = sum(self.table.rowHeight(row) for row in rows)
        header = self.table.horizontalHeader().sizeHint().height()
        self.table.setFixedHeight(header + height + 2 * self.table.frameWidth())

    def _allow(self) -> None:
        model = self.selected()
        for button in (self.rename, self.delete):
            button.setEnabled(self._editable and model is not None)
            button.setToolTip(self._reason)
        self.card.setEnabled(model is not None)

    def _ask_name(self) -> None:
        model = self.selected()
        assert model is not None
        question = f"New name of {model.name}"
        name, agreed = QInputDialog.getText(self, "Rename model", question, text=model.name)
        if agreed and name.strip() != model.name:
            self.renamed.emit(model.name, name.strip())

    def _ask_deletion(self) -> None:
        model = self.selected()
        assert model is not None
        question = f"Delete the model {model.name}? It cannot be brought back; its training took its time."
        if model.used:
            question += " It is the one in use: the last of the others will be used."
        answer = QMessageBox.question(self, "Delete model", question)
        if answer == QMessageBox.StandardButton.Yes:
            self.deleted.emit(model.name)

    def _show_card(self) -> None:
        model = self.selected()
        assert model is not None
        dialog = CardDialog(f"Model {model.name}", card_text(model), self)
        dialog.exec()


class CardDialog(QDialog):  # type: ignore[misc]  # qtpy brings no types
    """A text to read and copy.

    Parameters
    ----------
    title : str
        Of the window.
    text : str
        What is shown.
    parent : QWidget
        Where it belongs.
    """

    def __init__(self, title: str, text: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(title)
        self.resize(*_CARD_SIZE_PX)
        self.text = QPlainTextEdit(text)
        self.text.setReadOnly(True)
        self.text.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        close = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        close.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addWidget(self.text)
        layout.addWidget(close)
