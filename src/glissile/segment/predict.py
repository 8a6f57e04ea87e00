"""A trained network and a video -> the mask of every frame."""

from collections import deque
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from glissile.defects import class_values
from glissile.errors import InputError
from glissile.io.checkpoint import ModelCard, load_model
from glissile.learn.device import choose, describe, memory_format, out_of_memory, quick_precision
from glissile.learn.intensity import normalised
from glissile.learn.tiling import blended, tiles
from glissile.learn.unet import build, logits_of
from glissile.progress import Step, Steps
from glissile.segment.settings import SegmentSettings
from glissile.video import Video

_SMALLEST_TILE_PX = 64


class Predictor:
    """A trained network, ready to predict.

    Parameters
    ----------
    folder : Path
        Model folder.
    settings : SegmentSettings
        Device, batch and tiles.

    Raises
    ------
    InputError
        If the model is missing or broken, or the device does not work.
    """

    def __init__(self, folder: Path, settings: SegmentSettings) -> None:
        tensors, self.card = load_model(folder)
        self.device = choose(settings.device)
        self._network = _network(folder, tensors, self.card)
        self._precision = quick_precision(self.device)
        self._network.to(device=self.device, memory_format=memory_format(self.device))  # type: ignore[call-overload]
        self._values = np.array(class_values(self.card.classes), dtype=np.uint8)
        self._batch_size = settings.batch_size
        self._tile_px = settings.tile_px
        self._overlap_px = settings.overlap_px
        self.remark = ""

    @property
    def batch_size(self) -> int:
        """Frames that are predicted at once; shrinks when memory is short."""
        return self._batch_size

    def logits(self, frames: Sequence[NDArray[Any]]) -> list[NDArray[np.float32]]:
        """Compute the outputs of the network for frames of one size.

        Parameters
        ----------
        frames : sequence of ndarray of any number type, each of shape (y, x)
            Grey values.

        Returns
        -------
        list of ndarray of float32, each of shape (classes, y, x)
            Background first.

        Raises
        ------
        InputError
            If memory does not suffice for one small tile.
        """
        grey = np.stack([normalised(f, self.card.normalisation) for f in frames])
        while True:
            try:
                return self._tiled(grey) if max(grey.shape[1:]) > self._tile_px else self._whole(grey)
            except (RuntimeError, MemoryError) as problem:
                if not out_of_memory(problem):
                    raise
                self._shrink(grey.shape[1:], problem)
            if self.device.type == "cuda":
                torch.cuda.empty_cache()

    def masks(self, frames: Sequence[NDArray[Any]]) -> list[NDArray[np.uint8]]:
        """Masks, in class values, of frames of one size; as `logits`."""
        return [self._values[z.argmax(axis=0)] for z in self.logits(frames)]

    def _shrink(self, shape: tuple[int, ...], problem: BaseException) -> None:
        if self._batch_size > 1:
            self._batch_size //= 2
        else:
            self._tile_px = min(self._tile_px, max(shape)) // 2
            self._overlap_px = min(self._overlap_px, self._tile_px // 2)
        if self._tile_px < _SMALLEST_TILE_PX:
            raise InputError(
                f"Memory of the {describe(self.device)} does not suffice to segment a tile of "
                f"{2 * self._tile_px} px; close other programs, or choose the CPU"
            ) from problem
        self.remark = (
            f"; memory was short, now {self._batch_size} at once in tiles of up to {self._tile_px} px"
        )

    def _whole(self, grey: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        size = self._batch_size
        return [z for i in range(0, len(grey), size) for z in self._forward(grey[i : i + size])]

    def _tiled(self, grey: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        shape = (int(grey.shape[1]), int(grey.shape[2]))
        stride = self.card.architecture.stride
        places = tiles(shape, tile_px=self._tile_px, overlap_px=self._overlap_px, stride=stride)
        return [
            blended(
                ((p, self._forward(frame[None, p.rows, p.columns])[0]) for p in places),
                shape=shape,
                channels=self.card.architecture.outputs,
                overlap_px=self._overlap_px,
            )
            for frame in grey
        ]

    @torch.inference_mode()
    def _forward(self, grey: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits (n, classes, y, x) of normalised frames (n, y, x)."""
        there = torch.from_numpy(np.ascontiguousarray(grey[:, None])).to(
            device=self.device, memory_format=memory_format(self.device)
        )
        with torch.autocast(
            self.device.type, dtype=self._precision, enabled=self._precision is not torch.float32
        ):
            logits = logits_of(self._network, there, self.card.architecture.stride)
        return logits.cpu().numpy()


def _network(folder: Path, tensors: dict[str, torch.Tensor], card: ModelCard) -> torch.nn.Module:
    with torch.device("meta"):
        network = build(card.architecture)
    try:
        network.load_state_dict(tensors, assign=True)
    except RuntimeError as problem:
        raise InputError(
            f"{folder}: the weights do not fit the network that the model card describes; copy both files "
            "of the model together or train anew"
        ) from problem
    return network.float().eval().requires_grad_(False)


def segment(
    model_folder: Path, video: Video, settings: SegmentSettings, *, skip: Collection[int] = ()
) -> Steps[None]:
    """Predict the mask of every frame, in order.

    Between two frames the work can be stopped; what was yielded is done.

    Parameters
    ----------
    model_folder : Path
        Model to use.
    video : Video
        Frames to segment.
    settings : SegmentSettings
        Device, batch and tiles.
    skip : collection of int
        Indices along t that are done already.

    Yields
    ------
    Step
        One per frame: `preview` is its mask (y, x) of uint8 class values, background outside the valid part,
        of which alone the network gets to see anything; `frame` is its index along t.

    Raises
    ------
    InputError
        If the model cannot be used, or memory does not suffice.
    """
    predictor = Predictor(model_folder, settings)
    done = set(skip)
    todo = [i for i in range(len(video)) if i not in done]
    waiting = deque(todo)
    index = 0
    while waiting:
        batch = [waiting.popleft() for _ in range(min(predictor.batch_size, len(waiting)))]
        for frame, mask in _predicted(predictor, video, batch):
            index += 1
            yield Step(
                index=index,
                total=len(todo),
                message=f"Segmenting on {describe(predictor.device)}, frame {index} of {len(todo)}"
                f"{predictor.remark}",
                preview=mask,
                frame=frame,
            )


def _predicted(
    predictor: Predictor, video: Video, batch: Sequence[int]
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    masks = {i: np.zeros(video.shape[1:], np.uint8) for i in batch}
    frames = {i: video.frame(i)[video.valid_part(i)] for i in batch}
    # Valid parts differ by a row or column where the motion is not whole; a batch is of one size.
    for shape in {frame.shape for frame in frames.values() if frame.size}:
        alike = [i for i in batch if frames[i].shape == shape]
        for i, mask in zip(alike, predictor.masks([frames[i] for i in alike]), strict=True):
            masks[i][video.valid_part(i)] = mask
    yield from masks.items()
