"""What experiment folders, models and images are called."""

import re
from pathlib import Path

EXPERIMENT_SUFFIX = ".glissile"
EXPERIMENT_DOCUMENT = "experiment.toml"
TIFF_SUFFIXES = frozenset({".tif", ".tiff"})
LOSSLESS_SUFFIXES = TIFF_SUFFIXES | {".png"}
IMAGE_SUFFIXES = LOSSLESS_SUFFIXES | {".jpg", ".jpeg"}
# What Windows takes for a device, whatever follows after a dot.
_DEVICES = frozenset(
    {"con", "prn", "aux", "nul"} | {f"{kind}{n}" for kind in ("com", "lpt") for n in range(1, 10)}
)
_IMPOSSIBLE = re.compile(r'[<>:"/\\|?*\x00-\x1f]+')
_LONGEST = 60


def names_experiment(path: Path) -> bool:
    """Whether `path` is called as an experiment folder is, in upper or lower case."""
    return path.name.lower().endswith(EXPERIMENT_SUFFIX)


def natural_order(name: str) -> tuple[list[tuple[int, str]], str]:
    """Give the key by which names are sorted as a person does: 2 before 10."""
    parts = re.split(r"([0-9]+)", name.casefold())
    return [(int(part), "") if i % 2 else (-1, part) for i, part in enumerate(parts)], name


def image_files(folder: Path, suffixes: frozenset[str] = IMAGE_SUFFIXES) -> list[Path]:
    """List the images of a folder in natural order; hidden files and sub-folders are left out.

    Parameters
    ----------
    folder : Path
        Not searched below its first level.
    suffixes : frozenset of str
        Of what counts as an image, in lower case.

    Returns
    -------
    list of Path
    """
    found = (
        path
        for path in folder.iterdir()
        if path.suffix.lower() in suffixes and not path.name.startswith(".") and path.is_file()
    )
    return sorted(found, key=lambda path: natural_order(path.name))


def possible_name(text: str) -> str:
    """Turn a text into the name of a folder that every system can have.

    Parameters
    ----------
    text : str
        As someone calls it.

    Returns
    -------
    str
        `text` itself where that is possible, else without what is not; never empty.
    """
    name = _IMPOSSIBLE.sub("-", text)[:_LONGEST].strip(" .")
    if not name or name.partition(".")[0].strip().casefold() in _DEVICES:
        return f"model {name}".strip()
    return name
