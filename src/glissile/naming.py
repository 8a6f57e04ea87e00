"""What experiment folders are called."""

from pathlib import Path

EXPERIMENT_SUFFIX = ".glissile"


def names_experiment(path: Path) -> bool:
    """Whether `path` is called as an experiment folder is, in upper or lower case."""
    return path.name.lower().endswith(EXPERIMENT_SUFFIX)
