"""Labels that are proposed for a frame: carried from another one, or found by the network."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glissile.experiment import Experiment
from glissile.progress import Step, Steps
from glissile.segment.settings import SegmentSettings
from glissile.video import Video
from glissile.workflow.models import model_folder
from glissile.workflow.segmentation import of_classes, segmentation_of, segmented_by_model
from glissile.workflow.stabilization import working_video


def carried_labels(
    video: Video, labelled: int, index: int, mask: NDArray[np.uint8]
) -> Steps[NDArray[np.uint8]]:
    """Carry the labels of one frame to another.

    Parameters
    ----------
    video : Video
        The working video.
    labelled, index : int
        Frames along t: the one that is labelled, and the one to carry to.
    mask : ndarray of uint8, shape (y, x)
        Class values of the labelled frame.

    Yields
    ------
    Step

    Returns
    -------
    ndarray of uint8, shape (y, x)
        As of `glissile.label.propagation.carried`; background outside the valid part of the frame.

    Raises
    ------
    InputError
        If a frame cannot be read.
    """
    from glissile.label.propagation import carried

    numbers = video.frame_numbers
    yield Step(0, 1, f"Carrying the labels of frame {numbers[labelled]} to frame {numbers[index]}")
    found = carried(video.frame(labelled), video.frame(index), mask)
    result, valid = np.zeros_like(found), video.valid_part(index)
    result[valid] = found[valid]
    return result


def network_labels(folder: Path, index: int) -> Steps[NDArray[np.uint8]]:
    """Find the defects of one frame with the network in use; only reads, so that a child process can do it.

    Parameters
    ----------
    folder : Path
        Experiment folder, which may be open elsewhere.
    index : int
        Frame, along t of the working video.

    Yields
    ------
    Step

    Returns
    -------
    ndarray of uint8, shape (y, x)
        Class values: those of the segmentation where the network has segmented the frame already.

    Raises
    ------
    InputError
        If there is no trained model, or the frame cannot be read.
    """
    from glissile.segment.predict import segment

    with Experiment.open(folder, read_only=True) as experiment:
        video = working_video(experiment)
        number = int(video.frame_numbers[index])
        yield Step(0, 1, f"The network looks at frame {number}")
        store = segmentation_of(experiment, video)
        known = experiment.document.classes  # of now; the network may have others
        if store is not None and index in segmented_by_model(experiment, video):
            return of_classes(store.read(number), known)
        others = [i for i in range(len(video)) if i != index]
        settings = experiment.settings("segment", SegmentSettings)
        for step in segment(model_folder(experiment), video, settings, skip=others):
            if step.preview is not None and step.frame == index:
                return of_classes(step.preview.astype(np.uint8), known)
            yield step
    raise AssertionError("unreachable")


def drop_settled_proposals(experiment: Experiment) -> int:
    """Take away the proposals for frames that are labelled, as they are after an import or a crash.

    Returns
    -------
    int
        How many there were.

    Raises
    ------
    InputError
        If labels or proposals cannot be read, or the study is read-only.
    """
    labels, proposals = experiment.labels_or_none(), experiment.proposals_or_none()
    if labels is None or proposals is None:
        return 0
    settled = sorted(set(labels.frames) & set(proposals.frames))
    for frame in settled:
        proposals.remove(frame)
    return len(settled)
