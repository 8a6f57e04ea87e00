"""Where the experiment of a video lies."""

import contextlib
import tempfile
from pathlib import Path

from glissile.errors import InputError
from glissile.experiment import Experiment
from glissile.experiment.study import SUFFIX
from glissile.synthetic.sample import sample_folder


def experiment_folder(video: Path) -> Path:
    """Choose where the experiment of `video` lies: beside it, or else in the user's documents.

    An experiment of that name that studies another video, such as the same recording in another format,
    is not taken; the whole file name then tells them apart.
    """
    bundled = _is_bundled(video)
    stem = "Glissile sample" if bundled else video.name if video.is_dir() else video.stem
    documents = Path.home() / "Documents"
    home = documents if documents.is_dir() else Path.home()
    places = [home] if bundled else [video.parent, home]
    candidates = [place / f"{name}{SUFFIX}" for place in places for name in (stem, video.name)]
    for folder in candidates:
        if folder.exists() and _studies(folder, video):
            return folder
    return next(
        (folder for folder in candidates if not folder.exists() and _writable(folder.parent)), candidates[0]
    )


def _is_bundled(video: Path) -> bool:
    """Whether `video` is the sample, beside which nothing should be written."""
    try:
        return video.parent == sample_folder()
    except InputError:
        return False


def _studies(folder: Path, video: Path) -> bool:
    with Experiment.open(folder, read_only=True) as experiment:
        return Path(experiment.document.source.path).name == video.name


def _writable(folder: Path) -> bool:
    with contextlib.suppress(OSError), tempfile.TemporaryFile(dir=folder):
        return True
    return False
