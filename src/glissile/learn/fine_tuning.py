"""Going on from the weights of an earlier model: its area calibration taken off, its classes matched."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from glissile.defects import DefectClass
from glissile.errors import InputError
from glissile.io.checkpoint import load_model
from glissile.io.model_card import Architecture, ModelCard, Normalisation, Parent
from glissile.learn.recipes import Recipe
from glissile.learn.references import without_references
from glissile.learn.unet import build

# A network that knows the defects needs few epochs to learn what was corrected. At the full learning rate it
# would first forget.
LENGTH = 1 / 4
RATE = 1 / 3
_HEAD = ("head.weight", "head.bias")
_BESIDE = "beside."


def shortened(recipe: Recipe) -> Recipe:
    """Give the recipe of a training that goes on from an earlier model.

    Parameters
    ----------
    recipe : Recipe
        Of a training from random weights.

    Returns
    -------
    Recipe
        With a quarter of the epochs and minutes, and a third of the learning rate.
    """
    return recipe.model_copy(
        update={
            "epochs": max(1, round(LENGTH * recipe.epochs)),
            "minutes": None if recipe.minutes is None else LENGTH * recipe.minutes,
            "learning_rate": RATE * recipe.learning_rate,
        }
    )


def begun_from(
    folder: Path,
    architecture: Architecture,
    normalisation: Normalisation,
    classes: Sequence[DefectClass],
    *,
    seed: int,
) -> tuple[dict[str, Tensor], Parent]:
    """Weights of an earlier model as the beginning of a training.

    Parameters
    ----------
    folder : Path
        The earlier model.
    architecture : Architecture
        Of the network to be trained; its outputs may be others than the model's.
    normalisation : Normalisation
        Of what it will see.
    classes : sequence of DefectClass
        What it will learn. A class that the model knows, by its key or else by its mask value, begins as the
        model draws it; others begin from random weights.
    seed : int
        Start of the random weights.

    Returns
    -------
    weights : dict of str to Tensor
        Of the network; the offsets that calibrated the areas of the model are taken off.
    parent : Parent
        The model, as the card of the new one names it.

    Raises
    ------
    InputError
        If there is no model, it is broken, or its network or grey range is another one.
    """
    tensors, card = load_model(folder)
    weights = without_references(tensors)
    free = {"outputs": architecture.outputs, "references": architecture.references}
    alike = card.architecture.model_copy(update=free)
    if (alike, card.normalisation) != (architecture, normalisation):
        raise InputError(
            f"{folder.name}: this model is {_described(card.architecture, card.normalisation)}, but the "
            f"settings ask for {_described(architecture, normalisation)}; train with the settings of the "
            "model, or from the beginning"
        )
    try:
        weights = _matched(weights, card, architecture, classes, seed)
    except (KeyError, RuntimeError) as problem:
        raise InputError(
            f"{folder}: the weights do not fit the network that the model card describes; copy both files of "
            "the model together or train anew"
        ) from problem
    learned = tuple(sorted(card.learned))
    return weights, Parent(name=folder.name, weights_sha256=card.weights_sha256, learned=learned)


def _matched(
    weights: dict[str, Tensor],
    card: ModelCard,
    architecture: Architecture,
    classes: Sequence[DefectClass],
    seed: int,
) -> dict[str, Tensor]:
    """Weights of a network of `architecture` for `classes` from those of the model with this card."""
    network = build(architecture, seed=seed)
    # The head of a residual network gives `stem` x `stem` pixels of one class after the other.
    size = architecture.stem**2 if architecture.kind == "residual" else 1
    rows = _rows(card.classes, classes)
    weights = dict(weights)
    if card.logit_offsets:
        weights["head.bias"] = weights["head.bias"] - torch.from_numpy(
            np.repeat(np.asarray(card.logit_offsets, np.float32), size)
        )
    fresh = network.state_dict()
    for name in _HEAD:
        head = fresh[name].clone()
        for new, old in rows.items():
            head[new * size : (new + 1) * size] = weights[name][old * size : (old + 1) * size]
        weights[name] = head
    kept = card.architecture.references == architecture.references and list(rows.items()) == [
        (row, row) for row in range(len(card.classes) + 1)
    ]
    if not kept or len(classes) != len(card.classes):
        # What labels of other frames say is learned for these classes and this number of frames.
        weights = {name: tensor for name, tensor in weights.items() if not name.startswith(_BESIDE)}
        weights |= {name: tensor for name, tensor in fresh.items() if name.startswith(_BESIDE)}
    network.load_state_dict(weights)
    return weights


def _rows(known: Sequence[DefectClass], classes: Sequence[DefectClass]) -> dict[int, int]:
    """From the index of each output of the new network to that of the old, background first."""
    keys = {c.key: row for row, c in enumerate(known, start=1)}
    # A class that was renamed keeps its value.
    left = {c.value: row for row, c in enumerate(known, start=1) if c.key not in {d.key for d in classes}}
    found = {row: keys.get(c.key, left.get(c.value)) for row, c in enumerate(classes, start=1)}
    return {0: 0} | {new: old for new, old in found.items() if old is not None}


def _described(architecture: Architecture, normalisation: Normalisation) -> str:
    widths = "-".join(str(width) for width in architecture.widths)
    seen = f"local contrast {architecture.local_contrast_px:g} px, grey range {normalisation.kind}"
    return f"{architecture.kind} {widths}, stem {architecture.stem}, {seen}"
