"""A settings model as a form: titles, tooltips, bounds and choices come from its fields."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError
from qtpy.QtCore import QEvent, QObject, Qt, Signal
from qtpy.QtWidgets import QComboBox, QFormLayout, QLabel, QLineEdit, QToolButton, QVBoxLayout, QWidget
from superqt import QLargeIntSpinBox

from glissile.errors import InputError
from glissile.widgets._editors import Editor, editor_for
from glissile.widgets._fold import Fold

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic.fields import FieldInfo

M = TypeVar("M", bound=BaseModel)

_ERROR_STYLE = "color: #e5484d;"  # reads on napari's dark and light backgrounds


class SettingsForm(QWidget, Generic[M]):  # type: ignore[misc]  # qtpy brings no types
    """Form over a frozen settings model.

    Fields are shown by title, with their description as tooltip; those with the schema extra
    `{"advanced": True}` are folded away. Shown are bool, int, float, str, Literal, tuples of numbers, each of
    these or None, and nested models; other fields keep the value they have.

    Parameters
    ----------
    model : type of BaseModel
        The settings.
    fields : sequence of str, optional
        Which of its fields to show, in this order. Default: all.
    """

    # The new value, when the form holds another valid one.
    value_changed = Signal(object)

    def __init__(self, model: type[M], fields: Sequence[str] | None = None) -> None:
        super().__init__()
        self._model = model
        self._editors: dict[str, Editor] = {}
        self._errors: dict[str, Any] = {}
        self._writing = False
        self._kept: dict[str, Any] = {
            name: field.get_default(call_default_factory=True)
            for name, field in model.model_fields.items()
            if not field.is_required()
        }
        self._wheel_guard = WheelGuard(self)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        plain, advanced = _rows(), _rows()
        for name in model.model_fields if fields is None else fields:
            self._add(name, advanced if _is_advanced(model.model_fields[name]) else plain)
        layout.addLayout(plain)
        if advanced.rowCount():
            fold = Fold("Advanced")
            fold.body.addLayout(advanced)
            layout.addWidget(fold)
        self._whole_error = _error_label()
        layout.addWidget(self._whole_error)
        self._show(self._kept)
        self._last: M | None = self._valid()

    def value(self) -> M:
        """Return what the form holds.

        Raises
        ------
        InputError
            If that is no valid settings model; the form shows the same sentence.
        """
        try:
            return self._read()
        except _FieldError as error:
            raise InputError(str(error)) from None

    def set_value(self, value: M) -> None:
        """Show `value`; fields without an editor are kept as they are in it."""
        self._kept = {name: getattr(value, name) for name in self._model.model_fields}
        self._show(self._kept)
        self._take()

    def showEvent(self, event: Any) -> None:  # noqa: N802
        """Give all text the size that napari's style sheet gives to labels only."""
        super().showEvent(event)
        for widget in (*self.findChildren(QLineEdit), *self.findChildren(QToolButton)):
            if not isinstance(widget.parent(), QLargeIntSpinBox):
                widget.setFont(self._whole_error.font())

    def _add(self, name: str, rows: QFormLayout) -> None:
        field = self._model.model_fields[name]
        editor = _nested(field) or editor_for(field)
        if editor is None:
            return
        self._editors[name] = editor
        tooltip = field.description or ""
        for widget in (editor.widget, *editor.widget.findChildren(QWidget)):
            if isinstance(widget, QComboBox | QLargeIntSpinBox):
                widget.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
                widget.installEventFilter(self._wheel_guard)
        error = self._errors[name] = _error_label()
        if isinstance(editor.widget, SettingsForm):
            rows.addRow(QLabel(_title(name, field)))
            rows.addRow(editor.widget)
            editor.widget.setContentsMargins(14, 0, 0, 0)
        else:
            editor.widget.setToolTip(tooltip)
            editor.widget.setAccessibleName(_title(name, field))
            label = QLabel(_title(name, field))
            label.setToolTip(tooltip)
            rows.addRow(label, editor.widget)
        rows.addRow(error)
        editor.changed.connect(self._take)

    def _show(self, values: Mapping[str, Any]) -> None:
        self._writing = True
        for name, editor in self._editors.items():
            if name in values:
                editor.write(values[name])
        self._writing = False

    def _take(self, *_: object) -> None:
        """See what the form holds now, and say so."""
        if self._writing:
            return
        value = self._valid()
        if value is not None and value != self._last:
            self._last = value
            self.value_changed.emit(value)

    def _valid(self) -> M | None:
        """Value of the form, or None and a visible sentence."""
        for label in (*self._errors.values(), self._whole_error):
            label.hide()
        try:
            return self._read()
        except _FieldError as error:
            label = self._errors.get(error.field, self._whole_error)
            label.setText(str(error))
            label.show()
            return None

    def _read(self) -> M:
        values = dict(self._kept)
        for name, editor in self._editors.items():
            try:
                values[name] = editor.read()
            except ValueError as error:
                raise self._error(name, str(error)) from None
        try:
            return self._model.model_validate(values)
        except ValidationError as invalid:
            first = invalid.errors(include_url=False)[0]
            name = str(first["loc"][0]) if first["loc"] else ""
            raise self._error(name, _plain(first["msg"])) from None

    def _error(self, name: str, message: str) -> _FieldError:
        field = self._model.model_fields.get(name)
        return _FieldError(name, message if field is None else f"{_title(name, field)}: {message}")


class _FieldError(Exception):
    """A field, or the model where `field` is empty, holds no valid value; the message is a sentence."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class WheelGuard(QObject):  # type: ignore[misc]
    """Lets the wheel scroll the dock; it changes a value only after a click into it."""

    def eventFilter(self, widget: Any, event: Any) -> bool:  # noqa: N802
        """Hold back the wheel from `widget` without focus."""
        if event.type() == QEvent.Type.Wheel and not widget.hasFocus():
            event.ignore()
            return True
        return False


def _nested(field: FieldInfo) -> Editor | None:
    """Make a form within the form for a field that is a settings model itself."""
    kind = field.annotation
    if not (isinstance(kind, type) and issubclass(kind, BaseModel)):
        return None
    form: SettingsForm[BaseModel] = SettingsForm(kind)
    return Editor(form, form.value, form.set_value, form.value_changed)


def _rows() -> QFormLayout:
    rows = QFormLayout()
    rows.setContentsMargins(0, 0, 0, 0)
    rows.setHorizontalSpacing(10)
    rows.setVerticalSpacing(4)
    rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    rows.setRowWrapPolicy(QFormLayout.RowWrapPolicy.DontWrapRows)
    return rows


def _error_label() -> QLabel:
    label = QLabel()
    label.setWordWrap(True)
    label.setStyleSheet(_ERROR_STYLE)
    label.hide()
    return label


def _title(name: str, field: FieldInfo) -> str:
    return field.title or name.replace("_", " ").capitalize()


def _is_advanced(field: FieldInfo) -> bool:
    extra = field.json_schema_extra
    return isinstance(extra, dict) and bool(extra.get("advanced"))


def _plain(message: str) -> str:
    """Turn a message of pydantic into the second half of a sentence."""
    return re.sub(r"^(Value error, |Assertion failed, |Input )", "", message)
