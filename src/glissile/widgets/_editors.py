"""One editor widget for each kind of value that a setting can have."""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

from qtpy.QtWidgets import QCheckBox, QComboBox, QLineEdit
from superqt import QLargeIntSpinBox

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic.fields import FieldInfo

AUTOMATIC = "automatic"  # how an optional number shows None
NONE = "none"  # and an optional text
_UNBOUNDED = 10**18


@dataclass(frozen=True)
class Editor:
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


def editor_for(field: FieldInfo) -> Editor | None:
    """Make the editor of a field: bool, int, float, str, Literal, tuples of numbers, each of these or None.

    Parameters
    ----------
    field : FieldInfo
        Its annotation, and the bounds of whole numbers.

    Returns
    -------
    Editor, optional
        None for what cannot be shown.
    """
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
    if get_origin(kind) is tuple and (get_args(kind)[0] in (int, float)):
        return _numbers_line(get_args(kind)[0], optional)
    return None


def _without_none(annotation: Any) -> tuple[Any, bool]:
    """Split `X | None` into X and True."""
    if get_origin(annotation) in (Union, UnionType):
        kinds = [kind for kind in get_args(annotation) if kind is not NoneType]
        if len(kinds) == 1:
            return kinds[0], len(get_args(annotation)) > 1
    return annotation, False


def _check_box() -> Editor:
    box = QCheckBox()
    return Editor(box, box.isChecked, box.setChecked, box.toggled)


def _choice(choices: Mapping[str, Any], optional: bool) -> Editor:
    box = QComboBox()
    values = ([None] if optional else []) + list(choices.values())
    box.addItems(([AUTOMATIC] if optional else []) + list(choices))
    return Editor(
        box,
        lambda: values[box.currentIndex()],
        lambda value: box.setCurrentIndex(values.index(value)),
        box.currentIndexChanged,
    )


def _spin_box(field: FieldInfo) -> Editor:
    lowest, highest = -_UNBOUNDED, _UNBOUNDED
    for bound in field.metadata:
        lowest = max(lowest, getattr(bound, "ge", lowest), getattr(bound, "gt", lowest - 1) + 1)
        highest = min(highest, getattr(bound, "le", highest), getattr(bound, "lt", highest + 1) - 1)
    box = QLargeIntSpinBox()
    box.setRange(lowest, highest)
    return Editor(box, box.value, box.setValue, box.valueChanged)


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


def _number_line(kind: type[int] | type[float], optional: bool) -> Editor:
    line = _line(optional, AUTOMATIC)

    def read() -> int | float | None:
        text = line.text().strip()
        if optional and not text:
            return None
        return _number(kind, text.replace(",", "."))

    return Editor(line, read, lambda value: _put(line, _digits(value)), line.textChanged)


def _numbers_line(kind: type[int] | type[float], optional: bool) -> Editor:
    line = _line(optional, AUTOMATIC)

    def read() -> tuple[int | float, ...] | None:
        parts = [part for part in re.split(r"[,;\s]+", line.text()) if part]
        return None if optional and not parts else tuple(_number(kind, part) for part in parts)

    def write(values: tuple[int | float, ...] | None) -> None:
        _put(line, "" if values is None else ", ".join(_digits(value) for value in values))

    return Editor(line, read, write, line.textChanged)


def _number(kind: type[int] | type[float], text: str) -> int | float:
    try:
        return kind(text)
    except ValueError:
        what = "a whole number" if kind is int else "a number"
        raise ValueError(f"{text!r} is not {what}" if text else f"needs {what}") from None


def _digits(value: float | None) -> str:
    """Shortest text that is exactly `value`."""
    return "" if value is None else repr(value).removesuffix(".0")


def _text_line(optional: bool) -> Editor:
    line = _line(optional, NONE)
    return Editor(
        line,
        lambda: None if optional and not line.text() else line.text(),
        lambda value: _put(line, value or ""),
        line.textChanged,
    )
