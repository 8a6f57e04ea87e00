"""Seeds that the user pinned, by generator, kept across sessions."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field
from qtpy.QtCore import QStandardPaths

from glissile import atomic
from glissile.errors import InputError
from glissile.gan.latent import LARGEST_SEED

if TYPE_CHECKING:
    from glissile.io.generator_card import GeneratorCard

_FILE = "pinned_seeds.json"
_MOST_BYTES = 10_000_000

_log = logging.getLogger(__name__)


class _Document(BaseModel):
    """Seeds by hash of the weights, or name where there is no hash; in the order they were pinned."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = Field(1, ge=1, le=1)
    pinned: dict[str, tuple[Annotated[int, Field(ge=0, le=LARGEST_SEED)], ...]] = {}


class Pins:
    """Seeds that the user pinned.

    Parameters
    ----------
    path : Path, optional
        JSON file; it need not be there. Default: in the user's folder for settings.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or settings_folder() / _FILE

    def of(self, card: GeneratorCard) -> tuple[int, ...]:
        """Give the pinned seeds of a generator, the first that was pinned first."""
        try:
            return self._read().pinned.get(key_of(card), ())
        except InputError as error:
            _log.warning("%s", error)
            return ()

    def toggle(self, card: GeneratorCard, seed: int) -> tuple[int, ...]:
        """Pin a seed of a generator, or unpin it; all others stay as they are in the file.

        Parameters
        ----------
        card : GeneratorCard
            Of the generator.
        seed : int
            To be pinned where it is not.

        Returns
        -------
        tuple of int
            The pinned seeds of the generator, those of other windows among them.

        Raises
        ------
        InputError
            If the file cannot be read, which is left alone then, or not be written.
        """
        before = self._read().pinned
        pinned = {**before, key_of(card): toggled(before.get(key_of(card), ()), seed)}
        document = _Document(pinned={key: seeds for key, seeds in pinned.items() if seeds})
        try:
            atomic.write_text(self._path, document.model_dump_json(indent=1))
        except OSError as error:
            raise InputError(
                f"{self._path}: pinned seeds could not be written ({error.strerror}); "
                "they are kept until napari is closed"
            ) from error
        return pinned[key_of(card)]

    def _read(self) -> _Document:
        try:
            if self._path.stat().st_size > _MOST_BYTES:
                raise ValueError("larger than any")
            return _Document.model_validate_json(self._path.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return _Document()
        except (OSError, ValueError) as error:
            raise InputError(
                f"{self._path}: the pinned seeds in it cannot be read; move the file away to keep new ones"
            ) from error


def toggled(seeds: tuple[int, ...], seed: int) -> tuple[int, ...]:
    """Take a seed out of those that are pinned, or put it at their end."""
    others = tuple(one for one in seeds if one != seed)
    return others if seed in seeds else (*others, seed)


def settings_folder() -> Path:
    """Give the folder in which the user's settings are kept."""
    above = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.GenericConfigLocation)
    return Path(above) / "glissile"


def key_of(card: GeneratorCard) -> str:
    """Give what a generator is known by: the hash of its weights, or its name where there is no hash."""
    return card.weights_sha256 or card.name
