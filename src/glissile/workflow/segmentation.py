"""The masks of an experiment: predicted, and kept as they come."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glissile.defects import DefectClass, class_values
from glissile.experiment import Experiment, MaskStore
from glissile.experiment.area_uncertainty import write_area_uncertainty
from glissile.io.checkpoint import read_card
from glissile.progress import Steps
from glissile.segment.settings import SegmentSettings
from glissile.video import Video
from glissile.workflow.models import model_folder
from glissile.workflow.stabilization import working_video


def _model_hash(experiment: Experiment) -> str:
    return read_card(model_folder(experiment)).weights_sha256


def segmented_frames(experiment: Experiment, video: Video) -> tuple[int, ...]:
    """List the indices along t of the frames of `video` that are segmented."""
    store = segmentation_of(experiment, video)
    if store is None:
        return ()
    return tuple(int(i) for i in np.flatnonzero(np.isin(video.frame_numbers, store.frames)))


def segmentation_of(experiment: Experiment, video: Video) -> MaskStore | None:
    """Predicted masks that lie on the pixels of `video`; None where there are none, or those of another."""
    store = experiment.segmentation_or_none()
    return store if store is not None and _belongs(store, video) else None


def _belongs(store: MaskStore, video: Video) -> bool:
    """Whether the masks in `store` lie on the pixels of `video`."""
    attributes = store.attributes
    origins, valid = attributes.get("origins_px", {}), attributes.get("valid_px", {})
    return store.shape[1:] == video.shape[1:] and all(
        np.allclose(origins.get(str(number), np.nan), origin) and valid.get(str(number)) == part
        for number, origin, part in zip(video.frame_numbers, video.origins_px, _valid(video), strict=True)
    )


def _valid(video: Video) -> list[list[int] | None]:
    """Give the valid part of each frame of `video`; None where none is kept, as all of it is."""
    return [None] * len(video) if video.valid_px is None else video.valid_px.tolist()


def _place(video: Video) -> dict[str, dict[str, list[Any]]]:
    """Give what `_belongs` compares, as attributes of the masks."""
    numbers = [str(number) for number in video.frame_numbers]
    place = {"origins_px": dict(zip(numbers, video.origins_px.tolist(), strict=True))}
    if video.valid_px is not None:
        place["valid_px"] = dict(zip(numbers, video.valid_px.tolist(), strict=True))
    return place


def of_classes(mask: NDArray[np.uint8], classes: Sequence[DefectClass]) -> NDArray[np.uint8]:
    """Give a mask (y, x) of a network as it is without classes that it has learned and that were removed.

    Returns
    -------
    ndarray of uint8, shape (y, x)
        Background wherever `mask` has the value of none of `classes`.
    """
    return np.where(np.isin(mask, class_values(classes)), mask, 0).astype(np.uint8)


def is_segmented(experiment: Experiment, video: Video) -> bool:
    """Whether every frame of `video` is segmented by the network as it is now.

    Raises
    ------
    InputError
        If there is no trained model.
    """
    return len(segmented_by_model(experiment, video)) == len(video)


def segmented_by_model(experiment: Experiment, video: Video) -> tuple[int, ...]:
    """List the indices along t of the frames of `video` that the present network has segmented."""
    store = experiment.segmentation_or_none()
    current = store is not None and store.attributes.get("model") == _model_hash(experiment)
    return segmented_frames(experiment, video) if current else ()


def predicted(folder: Path) -> Steps[None]:
    """Predict every frame that is not segmented yet; only reads, so that a child process can do it.

    Parameters
    ----------
    folder : Path
        Experiment folder, which may be open elsewhere.

    Yields
    ------
    Step
        One per frame: `preview` is its mask (y, x), `frame` its index along t of the working video, `metrics`
        as of `glissile.segment.predict.segment`.

    Raises
    ------
    InputError
        If there is no trained model.
    """
    from glissile.segment.predict import segment as segment_video

    with Experiment.open(folder, read_only=True) as experiment:
        video = working_video(experiment)
        settings = experiment.settings("segment", SegmentSettings)
        done = segmented_by_model(experiment, video)
        yield from segment_video(model_folder(experiment), video, settings, skip=done)


def store(experiment: Experiment, masks: Steps[None]) -> Steps[int]:
    """Keep predicted masks in `segmentation.zarr` as they come.

    Parameters
    ----------
    experiment : Experiment
        The study, open for writing.
    masks : Steps
        As `predicted` yields them.

    Yields
    ------
    Step
        Those of `masks`, each after its mask is on disk.

    Returns
    -------
    int
        Number of frames segmented.

    Raises
    ------
    InputError
        If there is no trained model.
    """
    video = working_video(experiment)
    model = _model_hash(experiment)
    kept = experiment.segmentation_or_none()
    if kept is None or kept.attributes.get("model") != model or not _belongs(kept, video):
        frames = experiment.document.source.frames
        kept = experiment.new_segmentation((frames, *video.shape[1:]), {"model": model, **_place(video)})
    try:
        for step in masks:
            if step.preview is not None and step.frame is not None:
                number, mask = int(video.frame_numbers[step.frame]), step.preview.astype(np.uint8)
                known = {int(value): uncertainty for value, uncertainty in step.metrics.items()}
                # First, as a mask that is there is not predicted again.
                write_area_uncertainty(kept, number, mask, known)
                kept.write(number, mask)
            yield step
    finally:
        masks.close()
    return len(kept.frames)


def segment(experiment: Experiment) -> Steps[int]:
    """Segment every frame of the working video, in this process; what is done already is kept.

    Yields
    ------
    Step
        One per frame, see `predicted`.

    Returns
    -------
    int
        Number of frames segmented.

    Raises
    ------
    InputError
        If there is no trained model.
    """
    return (yield from store(experiment, predicted(experiment.folder)))
