"""What files of labels tell of themselves: which frames are labelled, and what their values are called."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from glissile.defects import DefectClass
from glissile.errors import InputError
from glissile.io.label_set import LABELLED


def classes_written(classes: Sequence[DefectClass]) -> list[dict[str, Any]]:
    """Give the class table as JSON holds it."""
    return [c.model_dump() for c in classes]


def labelled_of(told: Mapping[str, Any], frames: int, path: Path) -> list[int] | None:
    """Read the numbers of the labelled frames; None where a file does not tell them.

    Raises
    ------
    InputError
        If they are not those of a video of so many frames.
    """
    found = told.get(LABELLED)
    if found is None:
        return None
    if not isinstance(found, list) or not all(_is_value(n) and n < frames for n in found):
        raise InputError(f"{path}: its list of labelled frames is damaged; export it again")
    return sorted(set(found))


def names_of(told: Any, key: str, path: Path) -> dict[int, str]:
    """Read what a list of objects calls each value; empty where there is no list.

    Parameters
    ----------
    told : Any
        List of objects with `name`, and a value called `key`.
    key : str
        "value" or "label-value".
    path : Path
        The file, for messages.

    Returns
    -------
    dict of int to str
        Only of values with a name.

    Raises
    ------
    InputError
        If it is another kind of list.
    """
    if told is None:
        return {}
    if not isinstance(told, list) or not all(
        isinstance(row, dict) and _is_value(row.get(key)) for row in told
    ):
        raise InputError(f"{path}: its list of classes is damaged; export it again")
    return {row[key]: row["name"] for row in told if isinstance(row.get("name"), str)}


def _is_value(found: Any) -> bool:
    return isinstance(found, int) and not isinstance(found, bool) and found >= 0
