"""The masks of an experiment: predicted, and kept as they come."""

from pathlib import Path

import numpy as np

from glissile.experiment import Experiment, MaskStore
from glissile.io.checkpoint import read_card
from glissile.progress import Steps
from glissile.segment.settings import SegmentSettings
from glissile.video import Video
from glissile.workflow.training import model_folder
from glissile.workflow.videos import working_video


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
    origins = store.attributes.get("origins_px", {})
    return store.shape[1:] == video.shape[1:] and all(
        np.allclose(origins.get(str(number), np.nan), origin)
        for number, origin in zip(video.frame_numbers, video.origins_px, strict=True)
    )


def is_segmented(experiment: Experiment, video: Video) -> bool:
    """Whether every frame of `video` is segmented by the network as it is now.

    Raises
    ------
    InputError
        If there is no trained model.
    """
    return len(_done(experiment, video)) == len(video)


def _done(experiment: Experiment, video: Video) -> tuple[int, ...]:
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
        One per frame: `preview` is its mask (y, x), `frame` its index along t of the working video.

    Raises
    ------
    InputError
        If there is no trained model.
    """
    from glissile.segment.predict import segment as segment_video

    with Experiment.open(folder, read_only=True) as experiment:
        video = working_video(experiment)
        settings = experiment.settings("segment", SegmentSettings)
        done = _done(experiment, video)
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
        origins = {
            str(n): [float(y), float(x)]
            for n, (y, x) in zip(video.frame_numbers, video.origins_px, strict=True)
        }
        frames = experiment.document.source.frames
        kept = experiment.new_segmentation(
            (frames, *video.shape[1:]), {"model": model, "origins_px": origins}
        )
    try:
        for step in masks:
            if step.preview is not None and step.frame is not None:
                kept.write(int(video.frame_numbers[step.frame]), step.preview.astype(np.uint8))
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
