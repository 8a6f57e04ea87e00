"""What a network in training makes of labelled frames."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from glissile.io.checkpoint import Calibration, Normalisation
from glissile.learn.agreement import ClassScore, Tally
from glissile.learn.calibrate import fitted, with_calibration
from glissile.learn.intensity import normalised
from glissile.learn.labelled import Labelled, Part
from glissile.learn.scoring import FrameScores
from glissile.learn.trainer import Trainer
from glissile.learn.unet import winners
from glissile.progress import Ticks


class Judge:
    """Looks at frames with the kept weights of a trainer.

    Parameters
    ----------
    trainer : Trainer
        Its kept weights are judged.
    data : Labelled
        Indices below are those of its frames.
    normalisation : Normalisation
        Of other frames.

    Attributes
    ----------
    calibration : Calibration, optional
        What is done to the outputs of the network before they become a mask.
    """

    def __init__(self, trainer: Trainer, data: Labelled, normalisation: Normalisation) -> None:
        self._trainer = trainer
        self._data = data
        self._normalisation = normalisation
        self.calibration: Calibration | None = None

    def look(self, indices: Sequence[int]) -> Ticks[tuple[dict[str, ClassScore], float]]:
        """Score some frames together, and give their mean loss."""
        tally, losses = Tally(self._data.classes, lengths=False), []
        for i in indices:
            logits = self._trainer.logits(self._data.frame(i))
            losses.append(self._trainer.loss(logits, self._data.truth(i)))
            tally.add(self._masked(logits), self._data.mask(i))
            yield
        return tally.scores(), float(np.mean(losses))

    def scored(self, indices: Sequence[int]) -> Ticks[FrameScores]:
        """Score some frames one by one and in every way, which takes longer than a look."""
        found = FrameScores(self._data.classes)
        for i in indices:
            logits = self._trainer.logits(self._data.frame(i))
            found.add(self._data.frame_numbers[i], self._masked(logits), self._data.mask(i))
            yield
        return found

    def calibrated(self, indices: Sequence[int], *, thinning: float) -> Ticks[Calibration]:
        """Fit the areas of some frames; `thinning` as of `glissile.learn.calibrate.fitted`."""
        logits = []
        for i in indices:
            logits.append(self._trainer.logits(self._data.frame(i)).cpu().numpy())
            yield
        return fitted(logits, [self._data.truth(i) for i in indices], thinning=thinning)

    def predicted(self, frame: NDArray[Any], valid: Part) -> NDArray[np.uint8]:
        """Mask (y, x), in class values, of a frame (y, x) of grey values; background outside `valid`."""
        mask = np.zeros(frame.shape, np.uint8)
        mask[valid] = self._masked(self._trainer.logits(normalised(frame[valid], self._normalisation)))
        return mask

    def _masked(self, logits: Tensor) -> NDArray[np.uint8]:
        return np.asarray(self._data.values[winners(with_calibration(logits[None], self.calibration)[0])])
