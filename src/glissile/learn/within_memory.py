"""A network in training that computes less at once, or elsewhere, where memory is short."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from glissile.device import choose, describe, out_of_memory, release_memory
from glissile.errors import InputError
from glissile.io.model_card import Architecture
from glissile.learn.patches import Batch
from glissile.learn.recipes import Recipe
from glissile.learn.tiling import blended, tiles
from glissile.learn.trainer import Trainer

# A smaller crop shows too little of what lies around a line to learn from.
_SMALLEST_CROP_PX = 128
_SMALLEST_TILE_PX = 64
_CPU = torch.device("cpu")


@dataclass(frozen=True)
class Room:
    """How much is computed at once.

    Attributes
    ----------
    batch_size : int
        Frames per training step.
    crop_px : int
        Largest height and width of what is learned from.
    tile_px : int
        Largest height and width of what is looked at in one piece.
    """

    batch_size: int
    crop_px: int
    tile_px: int

    @classmethod
    def wanted(cls, recipe: Recipe, training_frames: int, shape: tuple[int, ...]) -> "Room":
        """All that `recipe` asks for, of frames of `shape` (y, x)."""
        return cls(
            batch_size=min(recipe.batch_size, max(training_frames, 1)),
            crop_px=min(recipe.crop_px or max(shape), max(shape)),
            tile_px=max(shape),
        )

    def to_learn_less(self) -> "Room | None":
        """Half the batch, or else half the crop; None where both are as small as they can be."""
        if self.batch_size > 1:
            return replace(self, batch_size=self.batch_size // 2)
        half = self.crop_px // 2
        return replace(self, crop_px=half) if half >= _SMALLEST_CROP_PX else None

    def to_look_at_less(self) -> "Room | None":
        """Half the tile; None where it is as small as it can be."""
        half = self.tile_px // 2
        return replace(self, tile_px=half) if half >= _SMALLEST_TILE_PX else None


class FittingTrainer(Trainer):
    """A trainer that halves batch, crop and tiles, and goes over to the CPU, where memory does not suffice.

    Parameters
    ----------
    architecture : Architecture
        Of the network.
    recipe : Recipe
        How it learns. Where its device is "auto", the CPU is the last resort.
    room : Room
        How much to compute at once as long as memory suffices.

    Attributes
    ----------
    room : Room
        How much is computed at once now.
    left : str
        The device that was given up for the CPU; empty where none was.
    """

    def __init__(self, architecture: Architecture, recipe: Recipe, room: Room) -> None:
        self.room = self._wanted = room
        self.left = ""
        device = choose(recipe.device)
        try:
            super().__init__(architecture, recipe, device)
        except RuntimeError as problem:
            if not out_of_memory(problem):
                raise
            if recipe.device != "auto" or device == _CPU:
                raise _too_little(device, "hold the network") from problem
            self.left = describe(device)
            super().__init__(architecture, recipe, _CPU)

    def learn_from(self, draw: Callable[[Room], Batch], *, step: int, steps: int) -> float:
        """Take a training step as `learn` does.

        Parameters
        ----------
        draw : callable
            Gives the batch of this step, of the size asked for.
        step, steps : int
            As for `learn`.

        Returns
        -------
        float
            As of `learn`.

        Raises
        ------
        InputError
            If memory does not suffice for the smallest step.
        """
        while True:
            try:
                return self.learn(draw(self.room), step=step, steps=steps)
            except (RuntimeError, MemoryError) as problem:
                if not out_of_memory(problem):
                    raise
                purpose = f"train on one frame, in crops of {self.room.crop_px} px"
                self._take_less(self.room.to_learn_less(), problem, purpose)
            release_memory(self.device)

    def logits(self, frame: NDArray[np.float32]) -> Tensor:
        """Logits (classes, y, x) of one frame (channels, y, x), by the kept weights; in tiles if need be.

        Raises
        ------
        InputError
            If memory does not suffice for the smallest tile.
        """
        while True:
            try:
                large = max(frame.shape[1:]) > self.room.tile_px
                return self._tiled(frame) if large else super().logits(frame)
            except (RuntimeError, MemoryError) as problem:
                if not out_of_memory(problem):
                    raise
                purpose = f"look at a frame, in tiles of {self.room.tile_px} px"
                self._take_less(self.room.to_look_at_less(), problem, purpose)
            release_memory(self.device)

    def loss(self, logits: Tensor, truth: NDArray[np.uint8]) -> float:
        """Loss of the logits (classes, y, x) of one frame, whose class indices are `truth` (y, x)."""
        try:
            return super().loss(logits, truth)
        except RuntimeError as problem:
            if logits.device == _CPU or not out_of_memory(problem):
                raise
        release_memory(self.device)
        return super().loss(logits.to(_CPU), truth)

    def _tiled(self, frame: NDArray[np.float32]) -> Tensor:
        shape, tile_px = (frame.shape[1], frame.shape[2]), self.room.tile_px
        overlap_px, whole = tile_px // 4, super().logits
        places = tiles(shape, tile_px=tile_px, overlap_px=overlap_px, stride=self.architecture.stride)
        joined = blended(
            ((p, whole(frame[:, p.rows, p.columns]).cpu().numpy()) for p in places),
            shape=shape,
            channels=self.architecture.outputs,
            overlap_px=overlap_px,
        )
        return torch.from_numpy(joined)

    def _take_less(self, smaller: Room | None, problem: BaseException, purpose: str) -> None:
        """Make do with `smaller`, or with the CPU where there is nothing smaller."""
        if smaller is not None:
            self.room = smaller
            return
        if self._recipe.device == "auto" and self.device != _CPU:
            self.leave_for_cpu()
            return
        raise _too_little(self.device, purpose) from problem

    def leave_for_cpu(self) -> None:
        """Go on from the same state on the CPU, whose memory is another and as a rule larger."""
        self.left = describe(self.device)
        self.room = self._wanted
        self.move(_CPU)

    def remark(self) -> str:
        """Say what a person should know of it; empty as long as memory suffices."""
        text = f"; the memory of {self.left} did not suffice" if self.left else ""
        now, wanted = self.room, self._wanted
        changes = [
            (now.batch_size != wanted.batch_size, f"the batch is now {now.batch_size}"),
            (now.crop_px != wanted.crop_px, f"learning from crops of {now.crop_px} px"),
            (now.tile_px != wanted.tile_px, f"looking at tiles of {now.tile_px} px"),
        ]
        said = [words for changed, words in changes if changed]
        return text + (f"; memory was short, {', '.join(said)}" if said else "")

    def limits(self) -> dict[str, Any]:
        """Give what memory has forced on it, as JSON keeps it."""
        return {"room": asdict(self.room), "left": self.left}

    def limit(self, limits: Mapping[str, Any]) -> None:
        """Take over `limits` of an earlier training; the CPU only where no device was asked for.

        Raises
        ------
        KeyError, TypeError
            If they are something else.
        """
        self.room = Room(**limits["room"])
        if limits["left"] and self._recipe.device == "auto":
            self.left = str(limits["left"])
            if self.device != _CPU:
                self.move(_CPU)


def _too_little(device: torch.device, purpose: str) -> InputError:
    cure = "choose fewer channels" if device == _CPU else "choose the device auto or cpu"
    return InputError(
        f"Memory of the {describe(device)} does not suffice to {purpose}; close other programs, or {cure}"
    )
