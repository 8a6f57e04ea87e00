"""The folder of training images of each generator, remembered for the user of this computer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from glissile.widgets.gan._settings import settings

if TYPE_CHECKING:
    from glissile.io.generator_card import GeneratorCard

_GROUP = "training_images"


def training_folder(card: GeneratorCard) -> Path | None:
    """Give the folder of a generator, where it is known and still there."""
    name = str(settings().value(f"{_GROUP}/{card.weights_sha256}", "")) if card.weights_sha256 else ""
    folder = Path(name) if name else None
    return folder if folder is not None and folder.is_dir() else None


def remember_training_folder(card: GeneratorCard, folder: Path) -> None:
    """Remember the folder of a generator, where its weights are known by their hash."""
    if card.weights_sha256:
        settings().setValue(f"{_GROUP}/{card.weights_sha256}", str(folder.absolute()))
