"""How images came about, as the records that their files hold, and back."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from glissile.errors import InputError
from glissile.gan.look import Look
from glissile.gan.points import Point
from glissile.gan.provenance import GeneratorName, Mixing, Provenance
from glissile.gan.walk import Walk
from glissile.io.generated_images import read_records


def documented(provenances: Sequence[Provenance]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Take what all images share apart from what is of each alone.

    Parameters
    ----------
    provenances : sequence of Provenance
        At least one.

    Returns
    -------
    common : dict
        JSON values by field.
    images : list of dict
        The other fields, one for each image.
    """
    first = provenances[0]
    fields = list(Provenance.model_fields)
    shared = [f for f in fields if all(_same(getattr(p, f), getattr(first, f)) for p in provenances)]
    others = set(fields).difference(shared)
    common = first.model_dump(mode="json", include=set(shared))
    images = [p.model_dump(mode="json", include=others) for p in provenances] if others else []
    return common, images or [{} for _ in provenances]


def _same(a: Any, b: Any) -> bool:
    return a is b or bool(a == b)


def read_provenance(path: Path) -> list[Provenance]:
    """Read how the images of a file were generated, whatever its format.

    Parameters
    ----------
    path : Path
        PNG, TIFF, video, NPZ or JSON.

    Returns
    -------
    list of Provenance
        One for each image, in order.

    Raises
    ------
    InputError
        If the file does not tell, or what it tells is damaged or of a later version.
    """
    return understood(read_records(path), str(path))


def understood(records: Sequence[dict[str, Any]], name: str) -> list[Provenance]:
    """Understand what a file tells of its images.

    Parameters
    ----------
    records : sequence of dict
        As `glissile.io.generated_images.read_records` gives them.
    name : str
        Of the file, for messages.

    Raises
    ------
    InputError
        If a record is damaged, or of a later version.
    """
    known: dict[tuple[str, int], BaseModel] = {}
    try:
        return [_read(record, known) for record in records]
    except (ValidationError, RecursionError) as error:
        raise InputError(
            f"{name}: what it tells of its images is damaged, or of a later version of glissile"
        ) from error


# Parts that records may share.
_PARTS: dict[str, type[BaseModel]] = {
    "generator": GeneratorName,
    "point": Point,
    "mixing": Mixing,
    "walk": Walk,
    "look": Look,
}


def _read(record: dict[str, Any], known: dict[tuple[str, int], BaseModel]) -> Provenance:
    """Understand a record; parts that records share are read, and kept, once."""
    found = dict(record)
    for field, model in _PARTS.items():
        part = record.get(field)
        if part is None:
            continue
        key = (field, id(part))
        if key not in known:
            known[key] = model.model_validate(part)
        found[field] = known[key]
    return Provenance.model_validate(found)
