"""Where what is known of training images is kept for the next time."""

import hashlib
from pathlib import Path

from platformdirs import user_cache_path


def index_cache(folder: Path) -> Path:
    """Give the file in which what is known of the images of a folder is kept, for this user.

    Parameters
    ----------
    folder : Path
        With images.
    """
    name = hashlib.sha256(str(folder.absolute()).encode(errors="surrogateescape")).hexdigest()[:32]
    return user_cache_path("glissile", appauthor=False) / f"training-images-{name}.safetensors"
