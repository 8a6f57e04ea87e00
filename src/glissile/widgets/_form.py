"""A settings model as a form: titles, tooltips, bounds and choices come from its fields."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from qtpy.QtCore import QEvent, QObject, Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)
from superqt import QLargeIntSpinBox

from glissile.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pydantic.fields import FieldInfo

M = TypeVar("M", bound=BaseModel)

AUTOMATIC = "automatic"  # how an optional number shows None
NONE = "none"  # and an optional text or path
_ERROR_STYLE = "color: #e5484d;"  # reads on napari's dark and light backgrounds
_UNBOUNDED = 10**18


@dataclass(frozen=True)
class _Editor:
    """A widget for one value.

    Attributes
    ----------
    widget : QWidget
        What is shown.
    read : callable
        Returns the value; raises ValueError, with the second half of a sentence, where there is none.
    write : callable
        Shows a value.
    changed : signal
        Emitted when the user changes it, possibly more often.
    """

    widget: Any
    read: Callable[[], Any]
    write: Callable[[Any], None]
    changed: Any


class SettingsForm(QWidget, Generic[M]):  # type: ignore[misc]  # qtpy brings no types
    """Form over a frozen settings model.

    Fields are shown by title, with their description as tooltip; those with the schema extra
    `{"advanced": True}` are folded away. Shown are bool, int, float, str, Path, Literal, tuples of numbers,
    each of these or None, and nested models; other fields keep the value they have.

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
        self._editors: dict[str, _Editor] = {}
        self._errors: dict[str, Any] = {}
        self._writing = False
        self._kept: dict[str, Any] = {
            name: field.get_default(call_default_factory=True)
            for name, field in model.model_fields.items()
            if not field.is_required()
        }
        self._wheel_guard = _WheelGuard(self)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        plain, advanced = _rows(), _rows()
        for name in model.model_fields if fields is None else fields:
            self._add(name, advanced if _is_advanced(model.model_fields[name]) else plain)
        layout.addLayout(plain)
        if advanced.rowCount():
            layout.addWidget(_folded("Advanced", advanced))
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
        editor = _editor_for(field)
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


class _WheelGuard(QObject):  # type: ignore[misc]
    """Lets the wheel scroll the dock; it changes a value only after a click into it."""

    def eventFilter(self, widget: Any, event: Any) -> bool:  # noqa: N802
        """Hold back the wheel from `widget` without focus."""
        if event.type() == QEvent.Type.Wheel and not widget.hasFocus():
            event.ignore()
            return True
        return False


def _rows() -> QFormLayout:
    rows = QFormLayout()
    rows.setContentsMargins(0, 0, 0, 0)
    rows.setHorizontalSpacing(10)
    rows.setVerticalSpacing(4)
    rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    rows.setRowWrapPolicy(QFormLayout.RowWrapPolicy.DontWrapRows)
    return rows


def _folded(title: str, rows: QFormLayout) -> QWidget:
    """`rows` below a title that shows and hides them; hidden at first."""
    content = QWidget()
    content.setLayout(rows)
    rows.setContentsMargins(14, 0, 0, 0)
    button = QToolButton()
    button.setText(title)
    button.setCheckable(True)
    button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
    button.setProperty("fold", True)
    button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def unfold(shown: bool) -> None:
        button.setArrowType(Qt.ArrowType.DownArrow if shown else Qt.ArrowType.RightArrow)
        content.setVisible(shown)

    button.toggled.connect(unfold)
    unfold(False)
    whole = QWidget()
    layout = QVBoxLayout(whole)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(4)
    layout.addWidget(button)
    layout.addWidget(content)
    return whole


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


# ---------------------------------------------------------------------------------------------------------
# one editor for each kind of value


def _editor_for(field: FieldInfo) -> _Editor | None:
    kind, optional = _without_none(field.annotation)
    if get_origin(kind) is Literal:
        return _choice({str(choice): choice for choice in get_args(kind)}, optional)
    if kind is bool:
        return _choice({"yes": True, "no": False}, optional) if optional else _check_box()
    if kind is int:
        return _number_line(int, optional) if optional else _spin_box(field)
    if kind is float:
        return _number_line(float, optional)
    if kind is str:
        return _text_line(optional)
    if isinstance(kind, type) and issubclass(kind, Path):
        return _path_line(optional)
    if get_origin(kind) is tuple and (get_args(kind)[0] in (int, float)):
        return _numbers_line(get_args(kind)[0], optional)
    if isinstance(kind, type) and issubclass(kind, BaseModel) and not optional:
        form: SettingsForm[BaseModel] = SettingsForm(kind)
        return _Editor(form, form.value, form.set_value, form.value_changed)
    return None


def _without_none(annotation: Any) -> tuple[Any, bool]:
    """Split `X | None` into X and True."""
    if get_origin(annotation) in (Union, UnionType):
        kinds = [kind for kind in get_args(annotation) if kind is not NoneType]
        if len(kinds) == 1:
            return kinds[0], len(get_args(annotation)) > 1
    return annotation, False


def _check_box() -> _Editor:
    box = QCheckBox()
    return _Editor(box, box.isChecked, box.setChecked, box.toggled)


def _choice(choices: Mapping[str, Any], optional: bool) -> _Editor:
    box = QComboBox()
    values = ([None] if optional else []) + list(choices.values())
    box.addItems(([AUTOMATIC] if optional else []) + list(choices))
    return _Editor(
        box,
        lambda: values[box.currentIndex()],
        lambda value: box.setCurrentIndex(values.index(value)),
        box.currentIndexChanged,
    )


def _spin_box(field: FieldInfo) -> _Editor:
    lowest, highest = -_UNBOUNDED, _UNBOUNDED
    for bound in field.metadata:
        lowest = max(lowest, getattr(bound, "ge", lowest), getattr(bound, "gt", lowest - 1) + 1)
        highest = min(highest, getattr(bound, "le", highest), getattr(bound, "lt", highest + 1) - 1)
    box = QLargeIntSpinBox()
    box.setRange(lowest, highest)
    return _Editor(box, box.value, box.setValue, box.valueChanged)


def _line(optional: bool, placeholder: str) -> QLineEdit:
    line = QLineEdit()
    if optional:
        line.setPlaceholderText(placeholder)
    return line


def _put(line: QLineEdit, text: str) -> None:
    """Show the beginning of `text`; leave the cursor of someone who types it where it is."""
    if line.text() != text:
        line.setText(text)
        line.setCursorPosition(0)


def _number_line(kind: type[int] | type[float], optional: bool) -> _Editor:
    line = _line(optional, AUTOMATIC)

    def read() -> int | float | None:
        text = line.text().strip()
        if optional and not text:
            return None
        return _number(kind, text.replace(",", "."))

    return _Editor(line, read, lambda value: _put(line, _digits(value)), line.textChanged)


def _numbers_line(kind: type[int] | type[float], optional: bool) -> _Editor:
    line = _line(optional, AUTOMATIC)

    def read() -> tuple[int | float, ...] | None:
        parts = [part for part in re.split(r"[,;\s]+", line.text()) if part]
        return None if optional and not parts else tuple(_number(kind, part) for part in parts)

    def write(values: tuple[int | float, ...] | None) -> None:
        _put(line, "" if values is None else ", ".join(_digits(value) for value in values))

    return _Editor(line, read, write, line.textChanged)


def _number(kind: type[int] | type[float], text: str) -> int | float:
    try:
        return kind(text)
    except ValueError:
        what = "a whole number" if kind is int else "a number"
        raise ValueError(f"{text!r} is not {what}" if text else f"needs {what}") from None


def _digits(value: float | None) -> str:
    """Shortest text that is exactly `value`."""
    return "" if value is None else repr(value).removesuffix(".0")


def _text_line(optional: bool) -> _Editor:
    line = _line(optional, NONE)
    return _Editor(
        line,
        lambda: None if optional and not line.text() else line.text(),
        lambda value: _put(line, value or ""),
        line.textChanged,
    )


def _path_line(optional: bool) -> _Editor:
    line = _line(optional, NONE)
    button = QToolButton()
    button.setText("…")
    button.setToolTip("Choose a file")
    whole = QWidget()
    layout = QHBoxLayout(whole)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(4)
    layout.addWidget(line)
    layout.addWidget(button)

    def choose() -> None:
        chosen, _ = QFileDialog.getOpenFileName(whole, "Choose a file", line.text())
        if chosen:
            line.setText(chosen)

    def read() -> Path | None:
        if line.text():
            return Path(line.text())
        if optional:
            return None
        raise ValueError("needs a file")

    button.clicked.connect(choose)
    return _Editor(
        whole, read, lambda value: _put(line, "" if value is None else str(value)), line.textChanged
    )
