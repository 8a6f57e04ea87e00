"""Key frames of earlier walks, by generator, kept across sessions."""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from glissile import atomic
from glissile.errors import InputError
from glissile.gan.points import Point
from glissile.gan.walk import MOST_KEYS
from glissile.widgets.gan._pins import key_of, settings_folder

if TYPE_CHECKING:
    from pathlib import Path

    from glissile.io.generator_card import GeneratorCard

_FOLDER = "walks"
_MOST_WALKS = 20
# Edited key frames are thousands of numbers each, and the file is written anew with each change: of earlier
# walks only so much is kept. The walk that stands now may be larger.
_MOST_CHARACTERS = 8_000_000
_MOST_BYTES = 200_000_000
_LEAST_KEYS = 2

Keys = tuple[Point, ...]

_log = logging.getLogger(__name__)


class _Document(BaseModel):
    """Key frames of walks, the newest first."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = Field(1, ge=1, le=1)
    network: str = Field("", max_length=4000)
    walks: tuple[tuple[Point, ...], ...] = Field((), max_length=_MOST_WALKS, fail_fast=True)


class KeptWalks:
    """Key frames that were set, for each generator in a file of its own.

    The key frames that stand now come first, though there be none. After them come earlier ones that hold
    what none of the others holds: a walk that grows, or is put into another order, is one walk.

    Parameters
    ----------
    folder : Path, optional
        Of the files; it need not be there. Default: in the user's folder for settings.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or settings_folder() / _FOLDER
        self._known: dict[Path, tuple[tuple[int, int], _Document]] = {}  # as of which file

    def of(self, card: GeneratorCard) -> tuple[Keys, ...]:
        """Give the key frames that were set last, and those of earlier walks; none where nothing is kept."""
        try:
            return self._read(card).walks
        except InputError as error:
            _log.warning("%s", error)
            return ()

    def keep(self, card: GeneratorCard, keys: Keys) -> None:
        """Keep key frames as those that were set last; earlier ones, also of other windows, stay.

        Parameters
        ----------
        card : GeneratorCard
            Of the generator.
        keys : tuple of Point
            At most `MOST_KEYS`; may be empty.

        Raises
        ------
        InputError
            If the file cannot be read, which is left alone then, or not be written.
        """
        document, text = _written(card, kept_after(keys, self._read(card).walks))
        path = self._path(card)
        try:
            atomic.write_text(path, text)
            self._known[path] = (_stamp(path), document)
        except OSError as error:
            raise InputError(
                f"{path}: key frames could not be written ({error.strerror}); they are kept until another "
                "network is opened"
            ) from error

    def _path(self, card: GeneratorCard) -> Path:
        name = hashlib.sha256(key_of(card).encode()).hexdigest()[:32]
        return self._folder / f"{name}.json"

    def _read(self, card: GeneratorCard) -> _Document:
        path = self._path(card)
        try:
            stamp = _stamp(path)
            if path in self._known and self._known[path][0] == stamp:
                return self._known[path][1]
            if stamp[0] > _MOST_BYTES:
                raise ValueError("larger than any")
            document = _Document.model_validate_json(path.read_bytes())
            if any(len(keys) > MOST_KEYS for keys in document.walks):
                raise ValueError("more key frames than any walk has")
            self._known[path] = (stamp, document)
            return document
        except (FileNotFoundError, NotADirectoryError):
            return _Document()
        except (OSError, ValueError, ValidationError) as error:
            raise InputError(
                f"{path}: the key frames in it cannot be read; move the file away to keep new ones"
            ) from error


def kept_after(keys: Keys, before: tuple[Keys, ...]) -> tuple[Keys, ...]:
    """Put key frames in front of those that were kept, and drop those that others hold.

    Parameters
    ----------
    keys : tuple of Point
        That are set now.
    before : tuple of tuple of Point
        That were kept, the newest first.
    """
    walks = (keys, *before)
    sets = [frozenset(walk) for walk in walks]

    def is_held(index: int) -> bool:
        return any(
            sets[index] < other or (sets[index] == other and newer < index)
            for newer, other in enumerate(sets)
        )

    found = [walk for index, walk in enumerate(before, 1) if len(walk) >= _LEAST_KEYS and not is_held(index)]
    return (keys, *found)[:_MOST_WALKS]


def _stamp(path: Path) -> tuple[int, int]:
    """Size and time of the last change."""
    state = path.stat()
    return state.st_size, state.st_mtime_ns


def _written(card: GeneratorCard, walks: tuple[Keys, ...]) -> tuple[_Document, str]:
    """Give walks as a document and as JSON; the oldest give way where they are too many numbers."""
    while True:
        document = _Document(network=card.name[:4000], walks=walks)
        text = document.model_dump_json(exclude_defaults=True)
        if len(text) <= _MOST_CHARACTERS or len(walks) == 1:
            return document, text
        walks = walks[:-1]
