"""Weights and their model card on disk: safetensors and JSON, so that loading a model runs no code of it.

A model is a folder with `model.safetensors` and `model.json`. The weights file carries the card in its
header, and `model.json` is the same card with the hash of the weights. Where the two do not belong together,
because the power failed between the two writes, the card in the weights file is the true one.
"""

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from glissile.atomic import write_text
from glissile.errors import InputError
from glissile.io.model_card import SCHEMA_VERSION, ModelCard
from glissile.io.tensor_file import read_tensors, read_texts, write_tensors

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch

WEIGHTS_FILE = "model.safetensors"
CARD_FILE = "model.json"
_CARD_KEY = "glissile_card"
_CARD_LIMIT_BYTES = 4 << 20


def save_model(folder: Path, tensors: "Mapping[str, torch.Tensor]", card: ModelCard) -> ModelCard:
    """Write weights and card; at any moment the folder holds the old model or the new one.

    Parameters
    ----------
    folder : Path
        Model folder; created when missing.
    tensors : mapping of str to Tensor
        State of the network.
    card : ModelCard
        `weights_sha256` is filled in.

    Returns
    -------
    ModelCard
        As written.

    Raises
    ------
    InputError
        If the card could not be read again; nothing is written then.
    """
    bare = card.model_copy(update={"weights_sha256": ""})
    write_tensors(folder / WEIGHTS_FILE, tensors, {_CARD_KEY: _readable(folder, bare)})
    whole = card.model_copy(update={"weights_sha256": _sha256(folder / WEIGHTS_FILE)})
    write_text(folder / CARD_FILE, whole.model_dump_json(indent=2) + "\n")
    return whole


def _readable(folder: Path, card: ModelCard) -> str:
    """Card as JSON that can be read again: where a number is not finite, it would be `null`."""
    try:
        text = card.model_dump_json()
        ModelCard.model_validate_json(text)
    except ValueError as problem:
        raise InputError(
            f"{folder}: the model is not saved, as its card could not be read again, {_first(problem)}; "
            "train anew"
        ) from problem
    return text


def has_model(folder: Path) -> bool:
    """Whether `folder` holds a trained model."""
    return (folder / WEIGHTS_FILE).is_file()


def read_card(folder: Path) -> ModelCard:
    """Card of the model in `folder`, without loading torch.

    Raises
    ------
    InputError
        If there is no model, it is broken, or it comes from a newer version.
    """
    weights, card_path = folder / WEIGHTS_FILE, folder / CARD_FILE
    if not weights.is_file():
        raise InputError(
            f"{folder}: there is no trained model here, {WEIGHTS_FILE} is missing; train one first"
        )
    embedded = read_texts(weights).get(_CARD_KEY)
    digest = _sha256(weights)
    if card_path.is_file():
        if card_path.stat().st_size > _CARD_LIMIT_BYTES:
            raise InputError(f"{card_path}: this is too large for a model card; copy the model again")
        card = _parsed(card_path, card_path.read_text(encoding="utf-8", errors="replace"))
        if card.weights_sha256 == digest:
            return card
    if embedded is None:
        raise InputError(
            f"{folder}: {CARD_FILE} is missing or does not belong to {WEIGHTS_FILE}; copy both files of the "
            "model together"
        )
    return _parsed(weights, embedded).model_copy(update={"weights_sha256": digest})


def load_model(folder: Path) -> "tuple[dict[str, torch.Tensor], ModelCard]":
    """Weights, on the CPU, and card of the model in `folder`.

    Raises
    ------
    InputError
        If there is no model, it is broken, or it comes from a newer version.
    """
    card = read_card(folder)
    tensors, _ = read_tensors(folder / WEIGHTS_FILE)
    return tensors, card


def _sha256(path: Path) -> str:
    found = path.stat()
    return _digest(path, found.st_ino, found.st_size, found.st_mtime_ns)


@lru_cache(maxsize=64)
def _digest(path: Path, *written: int) -> str:
    """SHA-256 of a file, computed once for what was `written` there: every model is asked for it often."""
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _parsed(path: Path, text: str) -> ModelCard:
    try:
        content = json.loads(text)
        if not isinstance(content, dict):
            raise ValueError("not an object")
    except (ValueError, RecursionError) as problem:
        raise InputError(f"{path}: the model card is not readable as JSON; copy the model again") from problem
    version = content.get("schema_version")
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise InputError(
            f"{path}: the model card has schema version {version}, this program knows up to "
            f"{SCHEMA_VERSION}; update napari-glissile"
        )
    try:
        return ModelCard.model_validate(content)
    except ValidationError as problem:
        raise InputError(
            f"{path}: the model card is not usable, {_first(problem)}; copy the model again or train anew"
        ) from problem


def _first(problem: ValueError) -> str:
    """Say what is wrong with a card, and where; the place may be a text of the file."""
    if not isinstance(problem, ValidationError):
        return str(problem)
    first = problem.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or "card"
    return f"{where if where.isprintable() else ascii(where)}: {first['msg']}"
