"""What napari calls to open experiment folders and the bundled sample."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from napari.utils.notifications import show_error

from glissile import workflow
from glissile.errors import InputError
from glissile.experiment import Experiment
from glissile.experiment.study import SUFFIX
from glissile.io.video_files import read_video
from glissile.progress import finish
from glissile.quantify.overlay import contrast_limits
from glissile.synthetic.sample import sample_folder
from glissile.widgets._layers import StoredMasks, mask_layer, placement, video_layer
from glissile.widgets._study import refreshed

LayerData = tuple[Any, dict[str, Any], str] | tuple[None]


def experiment_reader(path: str | Path | Sequence[str | Path]) -> Callable[[Any], list[LayerData]] | None:
    """Give napari the reader of an experiment folder, `NAME.glissile`; None for anything else."""
    if isinstance(path, str | Path) and Path(path).name.endswith(SUFFIX) and Path(path).is_dir():
        return read_experiment
    return None


def read_experiment(path: str | Path) -> list[LayerData]:
    """Show an experiment as it is, for reading; an open Glissile dock opens it for work in place of this.

    Parameters
    ----------
    path : str or Path
        Experiment folder.

    Returns
    -------
    list of layer data
        Working video, segmentation and labels, each (t, y, x); none where the experiment or its video
        cannot be read, which the user is told.
    """
    try:
        with Experiment.open(Path(path), read_only=True) as experiment:
            study = finish(refreshed(experiment))
            segmentation = StoredMasks(workflow.segmentation_of(experiment, study.video), study.video)
    except InputError as error:
        show_error(str(error))
        return [(None,)]
    labels = np.zeros(study.video.shape, np.uint8)
    for index, mask in study.labels.items():
        labels[index] = mask
    folder, classes = experiment.folder, experiment.document.classes
    return [
        _layer_data(video_layer(study.video, "video", folder, study.limits), "image"),
        _layer_data(
            mask_layer(segmentation, "Segmentation", "segmentation", study.video, folder, classes), "labels"
        ),
        _layer_data(mask_layer(labels, "Labels", "labels", study.video, folder, classes), "labels"),
    ]


def open_sample() -> list[LayerData]:
    """Open the bundled sample: a TEM video drawn with known dislocations and stacking faults.

    Returns
    -------
    list of layer data
        One image (t, y, x).
    """
    path = sample_folder() / "video.mp4"
    video = read_video(path, name="Glissile sample")
    layer = {
        "data": video.frames,
        "name": video.name,
        "contrast_limits": contrast_limits(video),
        "colormap": "gray",
        "metadata": {"glissile": {"path": str(path), "provenance": video.provenance}},
        **placement(video),
    }
    return [_layer_data(layer, "image")]


def _layer_data(layer: dict[str, Any], kind: str) -> LayerData:
    data = layer.pop("data")
    return data, layer, kind
