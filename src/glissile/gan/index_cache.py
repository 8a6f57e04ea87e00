"""Where what is known of training images is kept for the next time."""

import hashlib
from pathlib import Path

from platformdirs import user_cache_path

_BEGINS = "training-images-"


def index_cache(folder: Path) -> Path:
    """Give the file in which what is known of the images of a folder is kept, for this user.

    Parameters
    ----------
    folder : Path
        With images.
    """
    name = hashlib.sha256(str(folder.absolute()).encode(errors="surrogateescape")).hexdigest()[:32]
    return _folder() / f"{_BEGINS}{name}.safetensors"


def is_own(cache: Path) -> bool:
    """Whether a file is one of `index_cache`, and may be made anew whatever it holds."""
    return cache.parent == _folder() and cache.name.startswith(_BEGINS)


def _folder() -> Path:
    return user_cache_path("glissile", appauthor=False)
