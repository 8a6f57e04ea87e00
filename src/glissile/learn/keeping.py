"""The checkpoint of a training: tensors, and its position as JSON, in one file."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from glissile.errors import InputError
from glissile.io.tensor_file import read_tensors, write_tensors
from glissile.learn.identity import CHECKPOINT_FILE

# What may be other than it was when a training was cut short, by its name in the identity of a training.
_SUBJECTS = {
    "data": "the labelled frames",
    "recipe": "the training settings",
    "start": "the model that the training begins from",
}


def write_checkpoint(
    folder: Path, tensors: Mapping[str, Tensor], position: Mapping[str, Any], identity: Mapping[str, Any]
) -> None:
    """Write a checkpoint, in place of the one before.

    Parameters
    ----------
    folder : Path
        Model folder.
    tensors : Mapping of str to Tensor
        Weights and the state of the optimizer.
    position : Mapping
        What JSON keeps exactly.
    identity : Mapping
        As `glissile.learn.identity.identity` gives it.
    """
    text = json.dumps({"identity": identity} | dict(position))
    write_tensors(folder / CHECKPOINT_FILE, dict(tensors), {"position": text})


def read_checkpoint(folder: Path, identity: Mapping[str, Any]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read the checkpoint of the training that `identity` tells apart.

    Parameters
    ----------
    folder : Path
        Model folder.
    identity : Mapping
        As `glissile.learn.identity.identity` gives it.

    Returns
    -------
    tensors : dict of str to Tensor
    position : dict

    Raises
    ------
    InputError
        If there is none, it is broken, or labels or recipe are other than they were.
    """
    path = folder / CHECKPOINT_FILE
    if not path.is_file():
        raise InputError(f"{folder}: there is no interrupted training to resume; start a new one")
    tensors, texts = read_tensors(path)
    try:
        position: dict[str, Any] = json.loads(texts["position"])
        found = position["identity"]
        changed = next((key for key in _SUBJECTS if found.get(key) != identity.get(key)), None)
    except (AttributeError, KeyError, TypeError, ValueError) as problem:
        raise unusable(folder) from problem
    if changed is not None:
        raise InputError(
            f"{folder}: {_SUBJECTS[changed]} changed since the training was interrupted; start a new training"
        )
    return tensors, position


def unusable(folder: Path) -> InputError:
    """Say that the checkpoint holds something else."""
    return InputError(
        f"{folder / CHECKPOINT_FILE}: this checkpoint does not fit this program; start a new training"
    )
