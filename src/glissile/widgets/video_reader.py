"""What napari calls to open videos, TIFF files and folders of images: by drop, by File > Open, by script."""

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from napari.utils.notifications import show_error

from glissile.contrast import video_contrast
from glissile.errors import InputError
from glissile.io.video_files import CutShortWarning, read_video
from glissile.naming import image_files, names_experiment
from glissile.widgets._layers import placement

LayerData = tuple[Any, dict[str, Any], str] | tuple[None]

# What a reader returns when it has dealt with a path and there is no layer to add.
_NO_LAYER: list[LayerData] = [(None,)]


def get_reader(path: str | Path | Sequence[str | Path]) -> Callable[[Any], list[LayerData]] | None:
    """Give napari the reader of a video; None for what other plugins open.

    Parameters
    ----------
    path : str, Path or a sequence of them
        A file with the suffix of a video or of TIFF, or a folder.

    Returns
    -------
    callable or None
        None for several files at once, for experiments, and for folders without an image.
    """
    if not isinstance(path, str | Path):
        return None
    path = Path(path)
    if path.is_dir() and (names_experiment(path) or not image_files(path)):
        return None
    return read_layer


def read_layer(path: str | Path) -> list[LayerData]:
    """Open a video lazily as one image layer (t, y, x).

    Bad input is shown as a notification and gives no layer: napari would wrap an error raised here into a
    text about plugins, below which its one helpful sentence is not seen. A video that was cut short is
    opened as far as it decodes, with a warning.

    Parameters
    ----------
    path : str or Path
        Video, TIFF file or folder of images.

    Returns
    -------
    list of layer data
        One image; `metadata["glissile"]` holds its `path` and `provenance`.
    """
    path = Path(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always", CutShortWarning)  # said each time the file is opened
            video = read_video(path)
        limits = video_contrast(video, frames=1)  # so that opening stays quick
    except InputError as error:
        show_error(str(error))
        return _NO_LAYER
    layer = {
        "name": video.name,
        "colormap": "gray",
        "contrast_limits": limits,
        "metadata": {"glissile": {"path": str(path), "provenance": video.provenance}},
        **placement(video),
    }
    return [(video.frames, layer, "image")]
