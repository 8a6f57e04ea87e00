"""Which frames every training step sees; drawn in the background where the device would have to wait."""

import os
from concurrent.futures import Future, ThreadPoolExecutor

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from glissile.learn.labelled import Labelled
from glissile.learn.patches import Batch, draw_batch
from glissile.learn.recipes import Recipe
from glissile.learn.references import References
from glissile.learn.within_memory import Room

_STREAM_ORDER, _STREAM_SAMPLE = 1, 2
# Batches that are drawn before they are needed, and by how many threads at most: a graphics card learns from
# a small batch in less time than it takes to draw one.
_AHEAD, _THREADS = 8, 6
# In this share of the samples, labelled frames less alike are shown beside a frame: in a video, many frames
# are further from any labelled one than the labelled ones are from each other.
_FURTHER, _FURTHER_AMONG = 0.2, 6


class Batches:
    """The batches of a training, by the number of their step.

    Every random number comes from the seed and the number of the step, so that it matters neither when nor
    where a batch is drawn. For a graphics card, threads draw the next ones meanwhile, into memory that is
    copied from without waiting. On the CPU that would gain nothing: a step keeps all cores busy, and drawing
    for it is a thirtieth of its work.

    Parameters
    ----------
    data : Labelled
        Frames to draw from.
    recipe : Recipe
        Seed and augmentation.
    steps_per_epoch : int
        After so many steps the frames are shuffled anew.
    device : torch.device
        Where they go first.
    references : References, optional
        Of the training frames of `data`. Every frame is shown beside the most similar others.
    """

    def __init__(
        self,
        data: Labelled,
        recipe: Recipe,
        steps_per_epoch: int,
        device: torch.device,
        references: References | None = None,
    ) -> None:
        self._data = data
        self._references = references
        self._alike = {i: references.alike(data.frames[i]) for i in data.training} if references else {}
        self._recipe = recipe
        self._steps_per_epoch = steps_per_epoch
        self._drawn: dict[int, Future[Batch]] = {}
        self._drawn_for: tuple[Room, str] | None = None
        self._threads: ThreadPoolExecutor | None = None
        self._threads_of_opencv = cv2.getNumThreads()
        if device.type != "cpu":
            # Several of OpenCV's to each of these would only wait for one another.
            cv2.setNumThreads(1)
            self._threads = ThreadPoolExecutor(
                min(_THREADS, os.cpu_count() or 1), thread_name_prefix="glissile-batches"
            )

    def take(self, step: int, room: Room, device: torch.device) -> Batch:
        """Give the batch of step `step`, of the size that `room` allows, to be used on `device`."""
        if self._threads is None or device.type == "cpu":
            return self._draw(step, room)
        if self._drawn_for != (room, device.type):
            self._forget()
            self._drawn_for = room, device.type
        for number in range(step, step + _AHEAD + 1):
            if number not in self._drawn:
                self._drawn[number] = self._threads.submit(self._draw_there, number, room, device)
        for number in [n for n in self._drawn if n < step]:
            self._drawn.pop(number).cancel()
        return self._drawn.pop(step).result()

    def close(self) -> None:
        """End the threads, within one batch."""
        self._forget()
        if self._threads is not None:
            self._threads.shutdown(wait=True, cancel_futures=True)
            cv2.setNumThreads(self._threads_of_opencv)

    def _forget(self) -> None:
        for batch in self._drawn.values():
            batch.cancel()
        self._drawn.clear()

    def _draw_there(self, step: int, room: Room, device: torch.device) -> Batch:
        batch = self._draw(step, room)
        return pinned(batch) if device.type == "cuda" else batch

    def _draw(self, step: int, room: Room) -> Batch:
        epoch, place = divmod(step, self._steps_per_epoch)
        order = np.random.default_rng((self._recipe.seed, _STREAM_ORDER, epoch))
        needed = self._steps_per_epoch * room.batch_size
        rounds = -(-needed // len(self._data.training))
        picks = np.concatenate([order.permutation(self._data.training) for _ in range(rounds)])
        chosen = picks[place * room.batch_size : (place + 1) * room.batch_size]
        random = np.random.default_rng((self._recipe.seed, _STREAM_SAMPLE, step))
        return draw_batch(
            [self._data.frames[i] for i in chosen],
            [self._data.truths[i] for i in chosen],
            self._beside(chosen, random),
            crop_px=room.crop_px,
            augmentation=self._recipe.augmentation,
            random=random,
        )

    def _beside(
        self, chosen: NDArray[np.intp], random: np.random.Generator
    ) -> list[NDArray[np.float32]] | None:
        """Give what is shown beside each frame; nothing at all, where one of them has nothing beside it."""
        if self._references is None or not all(self._alike[i] for i in chosen):
            return None
        shown = []
        for i in chosen:
            alike = self._alike[i]
            if random.random() < _FURTHER:
                alike = list(random.permutation(alike[:_FURTHER_AMONG]))
            shown.append(self._references.channels(alike))
        return shown


def pinned(batch: Batch) -> Batch:
    """Copy a batch into memory that the system never moves, from which a graphics card copies by itself."""

    def moved(array: NDArray[np.generic]) -> NDArray[np.generic]:
        return np.asarray(torch.from_numpy(array).pin_memory().numpy())

    return Batch(frames=moved(batch.frames), truth=moved(batch.truth))  # type: ignore[arg-type]
