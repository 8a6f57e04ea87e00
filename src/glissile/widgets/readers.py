"""What napari calls to open experiment folders and the bundled sample."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from napari import current_viewer
from napari.layers import Image, Labels, Layer
from napari.utils.notifications import show_error

from glissile import workflow
from glissile.contrast import video_contrast
from glissile.errors import InputError
from glissile.experiment import Experiment
from glissile.io.video_files import read_video
from glissile.naming import names_experiment
from glissile.progress import finish
from glissile.synthetic.sample import sample_folder
from glissile.widgets._layers import StoredMasks, mask_layer, placement, video_layer
from glissile.widgets._state import state_of
from glissile.widgets._study import refreshed

LayerData = tuple[Any, dict[str, Any], str]

_WHERE_TO_PAINT = "Shown for reading: to paint, open the Glissile dock (Plugins > Glissile)"


def experiment_reader(
    path: str | Path | Sequence[str | Path],
) -> Callable[[str | Path], list[Layer] | list[tuple[None]]] | None:
    """Give napari the reader of an experiment folder, `NAME.glissile`; None for anything else."""
    if isinstance(path, str | Path) and names_experiment(Path(path)) and Path(path).is_dir():
        return read_experiment
    return None


def read_experiment(path: str | Path) -> list[Layer] | list[tuple[None]]:
    """Show an experiment as it is, for reading; an open Glissile dock opens it for work in place of this.

    Parameters
    ----------
    path : str or Path
        Experiment folder.

    Returns
    -------
    list of Layer
        Working video, segmentation and labels, each (t, y, x); the masks cannot be painted, since nothing
        here would save them. No layer where the experiment or its video cannot be read, which the user is
        told.
    """
    try:
        with Experiment.open(Path(path), read_only=True) as experiment:
            study = finish(refreshed(experiment))
            segmentation = StoredMasks(workflow.segmentation_of(experiment, study.video), study.video)
    except InputError as error:
        show_error(str(error))
        viewer = current_viewer()
        if viewer is not None:
            state_of(viewer).experiment_refused.emit(Path(path))
        return [(None,)]
    labels = StoredMasks(None, study.video)
    labels.previews.update(study.labels)
    video, folder, classes = study.video, experiment.folder, experiment.document.classes
    masks = [
        Labels(**mask_layer(segmentation, "Segmentation", "segmentation", video, folder, classes)),
        Labels(**mask_layer(labels, "Labels (read only)", "labels", video, folder, classes)),
    ]
    for layer in masks:
        layer.editable = False  # which a tuple of layer data could not say
        layer.events.help.connect(_say_where_to_paint)
    return [Image(**video_layer(video, "video", folder, study.limits)), *masks]


def _say_where_to_paint(event: Any) -> None:
    """Keep the sentence in the status bar, where napari puts the shortcuts of tools when it adds a layer."""
    event.source.help = _WHERE_TO_PAINT


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
        "name": video.name,
        "contrast_limits": video_contrast(video),
        "colormap": "gray",
        "metadata": {"glissile": {"path": str(path), "provenance": video.provenance}},
        **placement(video),
    }
    return [(video.frames, layer, "image")]
