"""Models and a video -> the probability of each class on every frame; several models are averaged."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glissile.atomic import replacing
from glissile.defects import DefectClass, class_values
from glissile.device import describe
from glissile.errors import InputError
from glissile.io.tiff_files import CLASSIC_LIMIT
from glissile.learn.probability import entropy
from glissile.naming import possible_name
from glissile.progress import Step, Steps
from glissile.segment.predict import Predictor
from glissile.segment.settings import SegmentSettings
from glissile.video import Video


@dataclass(frozen=True)
class Ensemble:
    """Models that look at the same frames; one model is an ensemble, too.

    Parameters
    ----------
    predictors : tuple of Predictor
        At least one.
    """

    predictors: tuple[Predictor, ...]

    @classmethod
    def load(cls, folders: Sequence[Path], settings: SegmentSettings) -> "Ensemble":
        """Load models.

        Parameters
        ----------
        folders : sequence of Path
            Model folders, at least one.
        settings : SegmentSettings
            Device, batch and tiles.

        Raises
        ------
        InputError
            As `Predictor`, or if the models do not find the same classes.
        """
        predictors = tuple(Predictor(folder, settings) for folder in folders)
        first = _classes(predictors[0])
        for folder, predictor in zip(folders, predictors, strict=True):
            if _classes(predictor) != first:
                raise InputError(
                    f"{folder}: finds other classes than {folders[0]}, or in another order; take models of "
                    "the same classes"
                )
        return cls(predictors)

    @property
    def values(self) -> NDArray[np.uint8]:
        """Class values in the order of the probabilities, background first."""
        return np.array(class_values(self.predictors[0].card.classes), dtype=np.uint8)

    def probabilities(self, video: Video, index: int) -> NDArray[np.float32]:
        """Compute the probability of each class on one frame.

        Parameters
        ----------
        video : Video
            Frames to look at.
        index : int
            Along t.

        Returns
        -------
        ndarray of float32, shape (classes, y, x)
            Background first, in the mean over the models: where these do not agree, no class is certain. NaN
            outside the valid part of the frame.

        Raises
        ------
        InputError
            If memory does not suffice for one small tile.

        Notes
        -----
        Averaged as by Lakshminarayanan et al., Simple and Scalable Predictive Uncertainty Estimation using
        Deep Ensembles, NIPS 2017.
        """
        valid = video.valid_part(index)
        frame = video.frame(index)
        found = np.full((len(self.predictors[0].card.classes) + 1, *frame.shape), np.nan, np.float32)
        if frame[valid].size:
            each = [predictor.probabilities([frame[valid]], valid)[0] for predictor in self.predictors]
            found[:, *valid] = np.mean(each, axis=0)
        return found

    def mask(self, probabilities: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Mask (y, x), in class values, of the most probable classes; background where none is known."""
        return np.asarray(self.values[np.nan_to_num(probabilities).argmax(axis=0)])


def segment_by_all(
    folders: Sequence[Path], video: Video, settings: SegmentSettings, *, stacks: Path | None = None
) -> Steps[None]:
    """Predict the mask of every frame from the mean of the probabilities of several models.

    Parameters
    ----------
    folders : sequence of Path
        Model folders, one at least.
    video : Video
        Frames to segment.
    settings : SegmentSettings
        Device, batch and tiles.
    stacks : Path, optional
        Folder for `probability_CLASS.tif` and `entropy.tif`, float32 stacks of 0 to 1, NaN where a frame
        shows nothing; they are there once all frames are done. BigTIFF where the pixels need it.

    Yields
    ------
    Step
        One per frame: `preview` is its mask (y, x), `frame` its index along t.

    Raises
    ------
    InputError
        As `Ensemble.load`, or if memory does not suffice.
    """
    ensemble = Ensemble.load(folders, settings)
    where = describe(ensemble.predictors[0].device)
    with _stacks_in(stacks, video.shape, ensemble.predictors[0].card.classes) as write:
        for index in range(len(video)):
            found = ensemble.probabilities(video, index)
            write(found)
            yield Step(
                index=index + 1,
                total=len(video),
                message=f"Segmenting on {where}, frame {index + 1} of {len(video)}",
                preview=ensemble.mask(found),
                frame=index,
            )


@contextmanager
def _stacks_in(
    folder: Path | None, shape: tuple[int, int, int], classes: Sequence[DefectClass]
) -> Iterator[Callable[[NDArray[np.float32]], None]]:
    """Yield what takes the probabilities (classes, y, x) of each frame, in order; None writes nothing."""
    if folder is None:
        yield lambda found: None
        return
    import tifffile

    names = (*(possible_name(f"probability_{c.key}") for c in classes), "entropy")
    if len({name.casefold() for name in names}) < len(names):  # one file, on some systems or on all
        names = (*(f"probability_{c.value}" for c in classes), "entropy")
    bigtiff = 4 * math.prod(shape) > CLASSIC_LIMIT
    with ExitStack() as files:
        opened = []
        for name in names:
            path = files.enter_context(replacing(folder / f"{name}.tif"))
            opened.append(files.enter_context(tifffile.TiffWriter(path, bigtiff=bigtiff)))

        def write(found: NDArray[np.float32]) -> None:
            for stack, image in zip(opened, (*found[1:], entropy(found)), strict=True):
                stack.write(image, photometric="minisblack", contiguous=True)

        yield write


def _classes(predictor: Predictor) -> list[tuple[int, str]]:
    return [(defect.value, defect.key) for defect in predictor.card.classes]
