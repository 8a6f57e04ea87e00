"""Where the experiment of a video lies."""

import contextlib
import tempfile
from pathlib import Path

from glissile.errors import InputError
from glissile.experiment import Experiment
from glissile.naming import EXPERIMENT_SUFFIX
from glissile.synthetic.sample import sample_folder

# Videos of one name, each of another folder that cannot be written to, that are told apart.
_NUMBERS = 100


def experiment_folder(video: Path) -> Path:
    """Choose where the experiment of `video` lies: beside it, or else in the user's documents.

    A folder of that name that holds the experiment of another video, of the same recording in another format,
    or none that can be read, is not taken; the whole file name, or a number, then tells them apart.
    """
    bundled = _is_bundled(video)
    stem = "Glissile sample" if bundled else video.name if video.is_dir() else video.stem
    documents = Path.home() / "Documents"
    home = documents if documents.is_dir() else Path.home()
    places = [home] if bundled else [video.parent, home]
    names = [stem, video.name, *(f"{stem} {number}" for number in range(2, _NUMBERS))]
    candidates = [place / f"{name}{EXPERIMENT_SUFFIX}" for place in places for name in names]
    for folder in candidates:
        if folder.exists() and _studies(folder, video):
            return folder
    free = [folder for folder in candidates if not folder.exists()]
    writable = {place for place in places if _writable(place)}
    return next((folder for folder in free if folder.parent in writable), free[0])


def _is_bundled(video: Path) -> bool:
    """Whether `video` is the sample, beside which nothing should be written."""
    try:
        return video.parent == sample_folder()
    except InputError:
        return False


def _studies(folder: Path, video: Path) -> bool:
    """Whether `folder` holds the experiment of `video`: of that very file, or of one of the same content."""
    try:
        with Experiment.open(folder, read_only=True) as experiment:
            source = experiment.document.source
        return Path(source.path).resolve() == video.resolve() or source.difference(video) is None
    except InputError:  # damaged, written by a newer version, or no experiment at all
        return False


def _writable(folder: Path) -> bool:
    with contextlib.suppress(OSError), tempfile.TemporaryFile(dir=folder):
        return True
    return False
