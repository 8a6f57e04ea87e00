"""What a network in training makes of labelled frames."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import Tensor

from glissile.io.model_card import Calibration, Certainty, Normalisation
from glissile.learn.agreement import ClassScore, Tally
from glissile.learn.calibrate import fitted, with_calibration
from glissile.learn.certainty import found_on
from glissile.learn.intensity import normalised
from glissile.learn.labelled import Labelled, Part
from glissile.learn.references import References, seen
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
    references : References, optional
        What the network looks at beside a frame.

    Attributes
    ----------
    calibration : Calibration, optional
        What is done to the outputs of the network before they become a mask.
    alone_calibration : Calibration, optional
        The same where the network could look at labelled frames but none is alike.
    """

    def __init__(
        self,
        trainer: Trainer,
        data: Labelled,
        normalisation: Normalisation,
        references: References | None = None,
    ) -> None:
        self._trainer = trainer
        self._references = references
        self._data = data
        self._normalisation = normalisation
        self.calibration: Calibration | None = None
        self.alone_calibration: Calibration | None = None

    def look(self, indices: Sequence[int]) -> Ticks[tuple[dict[str, ClassScore], float]]:
        """Score some frames together, and give their mean loss."""
        tally, losses = Tally(self._data.classes, lengths=False), []
        for i in indices:
            layers = self._layers(i)
            logits = self._trainer.logits(layers)
            losses.append(self._trainer.loss(logits, self._data.truth(i)))
            tally.add(self._masked(logits, layers), self._data.mask(i))
            yield
        return tally.scores(), float(np.mean(losses))

    def scored(self, indices: Sequence[int]) -> Ticks[FrameScores]:
        """Score some frames one by one and in every way, which takes longer than a look."""
        found = FrameScores(self._data.classes)
        for i in indices:
            layers = self._layers(i)
            mask = self._masked(self._trainer.logits(layers), layers)
            found.add(self._data.frame_numbers[i], mask, self._data.mask(i))
            yield
        return found

    def calibrated(
        self, indices: Sequence[int], *, thinning: float
    ) -> Ticks[tuple[Calibration, Calibration | None]]:
        """Fit the areas of some frames: as the network sees them, and seen alone where that is not the same.

        `thinning` is as of `glissile.learn.calibrate.fitted`.
        """
        calibration = yield from self._fitted((self._layers(i) for i in indices), indices, thinning)
        if self._references is None:
            return calibration, None
        alone = (self._alone(i) for i in indices)
        return calibration, (yield from self._fitted(alone, indices, thinning))

    def _fitted(
        self, seen_of_each: Iterable[NDArray[np.float32]], indices: Sequence[int], thinning: float
    ) -> Ticks[Calibration]:
        logits = []
        for layers in seen_of_each:
            logits.append(self._trainer.logits(layers).cpu().numpy())
            yield
        return fitted(logits, [self._data.truth(i) for i in indices], thinning=thinning)

    def certainty(
        self, indices: Sequence[int]
    ) -> Ticks[tuple[Certainty | None, Certainty | None, pd.DataFrame | None]]:
        """Find out how sure the network may be, on some frames that it has not learned from.

        As the network sees those that have labelled frames beside them (where none has, as it sees them
        alone), as it sees all of them alone, and how far probabilities of the first hold.
        """
        if self._references is None:
            certainty, table = (yield from self._found(self._layers, indices)) or (None, None)
            return certainty, None, table
        accompanied = [i for i in indices if len(self._layers(i)) > 1]
        beside = yield from self._found(self._layers, accompanied)
        alone = yield from self._found(self._alone, indices)
        certainty, table = beside or alone or (None, None)
        return certainty, alone[0] if alone else None, table

    def _found(
        self, layers_of: Callable[[int], NDArray[np.float32]], indices: Sequence[int]
    ) -> Ticks[tuple[Certainty, pd.DataFrame] | None]:
        def logits_of(index: int) -> Tensor:
            layers = layers_of(index)
            return self._calibrated(self._trainer.logits(layers), layers)

        return found_on(logits_of, self._data, indices)

    def predicted(self, frame: NDArray[Any], valid: Part) -> NDArray[np.uint8]:
        """Mask (y, x), in class values, of a frame (y, x) of grey values; background outside `valid`."""
        mask = np.zeros(frame.shape, np.uint8)
        if not mask[valid].size:
            return mask
        layers = seen(normalised(frame[valid], self._normalisation), self._references, valid)
        mask[valid] = self._masked(self._trainer.logits(layers), layers)
        return mask

    def _layers(self, index: int) -> NDArray[np.float32]:
        """Give what the network sees of a labelled frame."""
        return seen(self._data.frame(index), self._references, self._data.valid[index])

    def _alone(self, index: int) -> NDArray[np.float32]:
        return self._data.frame(index)[None]

    def _masked(self, logits: Tensor, layers: NDArray[np.float32]) -> NDArray[np.uint8]:
        return np.asarray(self._data.values[winners(self._calibrated(logits, layers))])

    def _calibrated(self, logits: Tensor, layers: NDArray[np.float32]) -> Tensor:
        alone = self._references is not None and len(layers) == 1
        calibration = self.alone_calibration if alone else self.calibration
        return with_calibration(logits[None], calibration)[0]
