"""What files call the classes, and which of a study's classes that is."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glissile.defects import DefectClass
from glissile.errors import InputError

_SHOWN = 60  # letters of a name from elsewhere


def words(name: str) -> str:
    """Strip a name of case, separators and plural: "Stacking_faults" and "stacking fault" are one."""
    letters = _letters(name)
    return letters.removesuffix("s") or letters


def _letters(name: str) -> str:
    return "".join(re.findall(r"[^\W_]+", name.casefold()))


def matching_class(name: str, classes: Sequence[DefectClass]) -> DefectClass | None:
    """Find the one class that is called `name`, in words or by its initials; None where none or several are.

    A class of one word has no initials: a single letter could mean anything.

    Parameters
    ----------
    name : str
        "stacking fault", "Stacking_faults", "SF".
    classes : sequence of DefectClass
        Class table.

    Returns
    -------
    DefectClass or None
    """
    exact = [c for c in classes if c.name == name]
    if exact:
        return exact[0]
    word, letters = words(name), _letters(name)
    matching = [c for c in classes if word and word == words(c.name)]
    matching = matching or [c for c in classes if len(letters) > 1 and letters == _initials(c)]
    return matching[0] if len(matching) == 1 else None


def class_called(name: str, classes: Sequence[DefectClass], path: Path) -> DefectClass:
    """Find the class that is called `name` in the file `path`, as `matching_class`.

    Raises
    ------
    InputError
        If none is.
    """
    found = matching_class(name, classes)
    if found is None:
        known = ", ".join(c.name for c in classes)
        raise InputError(
            f'{path}: has labels of "{shown(name)}", which is no single class of {known}; add a class of '
            "this name, or rename it in the file"
        )
    return found


def shown(name: str) -> str:
    """Make a name from elsewhere fit to be shown."""
    return "".join(letter if letter.isprintable() else "?" for letter in name[:_SHOWN])


def with_our_values(
    mask: NDArray[np.unsignedinteger],
    names: Mapping[int, str],
    classes: Sequence[DefectClass],
    path: Path,
) -> NDArray[np.uint8]:
    """Give a mask the values of `classes`.

    Parameters
    ----------
    mask : ndarray of unsigned int, shape (y, x)
        Values as in the file.
    names : mapping of int to str
        What the file calls each value; a value without a name means the class of that value.
    classes : sequence of DefectClass
        Class table.
    path : Path
        The file, for messages.

    Returns
    -------
    ndarray of uint8, shape (y, x)

    Raises
    ------
    InputError
        If a value in the mask belongs to no class.
    """
    result = np.zeros(mask.shape, np.uint8)
    known = {c.value for c in classes}
    for value in np.unique(mask).tolist():
        if value == 0:
            continue
        if value in names:
            ours = class_called(names[value], classes, path).value
        elif value in known:
            ours = value
        else:
            raise InputError(
                f"{path}: has the value {value}, but the classes are 0, "
                f"{', '.join(str(c.value) for c in classes)}; add a class"
            )
        result[mask == value] = ours
    return result


def _initials(defect: DefectClass) -> str:
    return "".join(word[0] for word in defect.key.split("_") if word)
