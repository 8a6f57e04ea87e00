"""What a training is told apart by: whether it is done, or was cut short; knows no torch."""

import json
from pathlib import Path
from typing import Any

from glissile.errors import InputError
from glissile.io.model_card import ModelCard
from glissile.io.tensor_file import read_texts
from glissile.learn.recipes import Recipe

CHECKPOINT_FILE = "checkpoint.safetensors"
# Settings that came later, as all went before: a network that was trained then is not trained again for them.
_SINCE_ADDED = {
    "held_out": "between",
    "thinning": 0,
    "local_contrast_px": 0,
    "patience_epochs": None,
    "references": 0,
}


def identity(data_hash: str, recipe: Recipe, start: str = "") -> dict[str, Any]:
    """Give what must be the same for a training to go on; the device may differ.

    Parameters
    ----------
    data_hash : str
        Of the labelled frames, as `glissile.learn.labelled.data_hash` gives it.
    recipe : Recipe
        The settings.
    start : str
        SHA-256 of the weights that the training begins from; empty where they are random.
    """
    known = {"data": data_hash, "recipe": recipe.model_dump(mode="json", exclude={"device"})}
    return {**known, "start": start} if start else known


def interrupted(folder: Path) -> dict[str, Any] | None:
    """Say which training in `folder` can be resumed.

    Parameters
    ----------
    folder : Path
        Model folder.

    Returns
    -------
    dict, optional
        Its `identity`; None where no training was cut short, or its checkpoint is broken.
    """
    path = folder / CHECKPOINT_FILE
    if not path.is_file():
        return None
    try:
        return dict(json.loads(read_texts(path)["position"])["identity"])
    except (InputError, KeyError, RecursionError, TypeError, ValueError):
        return None


def settings_of(card: ModelCard) -> dict[str, Any]:
    """Give the settings that the model of `card` was trained with, as a `Recipe` of today has them."""
    return _SINCE_ADDED | card.recipe


def trained_identity(card: ModelCard) -> dict[str, Any]:
    """Give the `identity` of the training that the model of `card` came from."""
    known = {
        "data": card.data_hash,
        "recipe": {k: v for k, v in settings_of(card).items() if k != "device"},
    }
    return known if card.parent is None else {**known, "start": card.parent.weights_sha256}
