"""A trained network and a video -> the mask of every frame."""

import os
import zlib
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby, zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from glissile.defects import class_values
from glissile.device import choose, describe, memory_format, out_of_memory, quick_precision
from glissile.errors import InputError
from glissile.io.checkpoint import load_model
from glissile.io.model_card import ModelCard
from glissile.learn.calibrate import with_calibration
from glissile.learn.intensity import normalised
from glissile.learn.labelled import Part
from glissile.learn.probability import area_uncertainties, half_areas, probabilities
from glissile.learn.references import References, seen, without_references
from glissile.learn.tiling import Tile, blended, tiles
from glissile.learn.unet import build, fold, logits_of, winners
from glissile.progress import Step, Steps
from glissile.segment.settings import SegmentSettings
from glissile.video import Video

_SMALLEST_TILE_PX = 64
# More do not fit into the caches of a processor, and for tensors of more than 32 MiB the system is asked for
# memory anew each time: four frames of 1024 x 1024 px together take half as long again as one by one.
_MOST_PX_TOGETHER = 600_000
# Each takes 500 MB for 1024 x 1024 px.
_MOST_LARGE = 4
# A graphics card is quicker than what prepares its frames.
_PREPARING = 4


class Segmented(NamedTuple):
    """What a network makes of a frame.

    Attributes
    ----------
    mask : ndarray of uint8, shape (y, x)
        Class values.
    uncertainty_px : tuple of float or None
        Standard uncertainty of the area of each class, without background; empty where the model does not
        know it.
    """

    mask: NDArray[np.uint8]
    uncertainty_px: tuple[float | None, ...]


class Predictor:
    """A trained network, ready to predict.

    Parameters
    ----------
    folder : Path
        Model folder.
    settings : SegmentSettings
        Device, batch and tiles.
    calibrated : bool
        False leaves the outputs of the network as it learned to give them.

    Raises
    ------
    InputError
        If the model is missing or broken, or the device does not work.
    """

    def __init__(self, folder: Path, settings: SegmentSettings, *, calibrated: bool = True) -> None:
        tensors, self.card = load_model(folder)
        self.device = choose(settings.device)
        self._network = network_of(folder, tensors, self.card)
        self._references = references_of(folder, tensors, self.card)
        self._precision = quick_precision(self.device)
        self._layout = memory_format(self.device, training=False)
        self._network.to(device=self.device, memory_format=self._layout)  # type: ignore[call-overload]
        self._calibrated = calibrated
        self._values = np.array(class_values(self.card.classes), dtype=np.uint8)
        self._batch_size = settings.batch_size
        self._tile_px = settings.tile_px
        self._overlap_px = settings.overlap_px
        self.remark = ""

    @property
    def preparing_threads(self) -> int:
        """How many threads should prepare frames: one where the network keeps all cores busy."""
        return 1 if self.device.type == "cpu" else min(_PREPARING, os.cpu_count() or 1)

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
            Background first; calibrated, where the model is.

        Raises
        ------
        InputError
            If memory does not suffice for one small tile.
        """
        return [z.cpu().numpy() for z in self._logits([self.prepared(f) for f in frames])]

    def masks(self, frames: Sequence[NDArray[Any]]) -> list[NDArray[np.uint8]]:
        """Masks, in class values, of frames of one size; as `logits`."""
        return self.masks_of([self.prepared(f) for f in frames])

    def probabilities(
        self, frames: Sequence[NDArray[Any]], valid: Part | None = None
    ) -> list[NDArray[np.float32]]:
        """Compute the probability of each class at each pixel of frames of one size.

        Parameters
        ----------
        frames : sequence of ndarray of any number type, each of shape (y, x)
            Grey values.
        valid : tuple of slice, optional
            As of `prepared`, of all of them.

        Returns
        -------
        list of ndarray of float32, each of shape (classes, y, x)
            Background first. They add up to 1 and are those of the calibrated outputs, at the temperature
            that was fitted on the hold-out of the training, or at 1 where nothing was held out.

        Raises
        ------
        InputError
            If memory does not suffice for one small tile.
        """
        prepared = [self.prepared(f, valid) for f in frames]
        return [
            probabilities(z, self.card.temperature_of(len(layers))).cpu().numpy()
            for layers, z in zip(prepared, self._logits(prepared), strict=True)
        ]

    def prepared(self, frame: NDArray[Any], valid: Part | None = None) -> NDArray[np.float32]:
        """Give what the network sees of a frame; in any thread.

        Parameters
        ----------
        frame : ndarray of any number type, shape (y, x)
            Grey values.
        valid : tuple of slice, optional
            Rows and columns of the field of view that the frame shows; default: all.

        Returns
        -------
        ndarray of float32, shape (channels, y, x)
            Normalised, and the labelled frames that the network looks at beside it.
        """
        return seen(normalised(frame, self.card.normalisation), self._references, valid)

    def masks_of(self, prepared: Sequence[NDArray[np.float32]]) -> list[NDArray[np.uint8]]:
        """Masks, in class values, of what `prepared` gives."""
        return [self._values[winners(z)] for z in self._logits(prepared)]

    def segmented(self, prepared: Sequence[NDArray[np.float32]]) -> list[Segmented]:
        """Masks and the uncertainty of their areas, of what `prepared` gives."""
        found = []
        for layers, z in zip(prepared, self._logits(prepared), strict=True):
            uncertainty: tuple[float | None, ...] = ()
            certainty = self.card.certainty_of(len(layers))
            if certainty and any(factor is not None for factor in certainty.area_factors):
                half = half_areas(probabilities(z, certainty.temperature))
                uncertainty = area_uncertainties(half, certainty.area_factors)
            found.append(Segmented(self._values[winners(z)], uncertainty))
        return found

    def _logits(self, prepared: Sequence[NDArray[np.float32]]) -> list[Tensor]:
        """Logits (classes, y, x) of each of the prepared frames (channels, y, x)."""
        alike = groupby(prepared, key=lambda layers: layers.shape)
        return [z for _, group in alike for z in self._together(np.stack(list(group)))]

    def _together(self, layers: NDArray[np.float32]) -> list[Tensor]:
        """Logits (classes, y, x) of prepared frames (n, channels, y, x)."""
        while True:
            try:
                return self._tiled(layers) if max(layers.shape[2:]) > self._tile_px else self._whole(layers)
            except (RuntimeError, MemoryError) as problem:
                if not out_of_memory(problem):
                    raise
                self._shrink(layers.shape[2:], problem)
            if self.device.type == "cuda":
                torch.cuda.empty_cache()

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

    def _whole(self, layers: NDArray[np.float32]) -> list[Tensor]:
        size = self._batch_size
        return [z for i in range(0, len(layers), size) for z in self._at_once(layers[i : i + size])]

    def _at_once(self, layers: NDArray[np.float32]) -> Iterable[Tensor]:
        """Logits (classes, y, x) of a batch of prepared frames or tiles (n, channels, y, x).

        A processor shares the work on small frames, as many as fit into its caches together, among its cores;
        of large frames each core is given one.
        """
        if self.device.type != "cpu":
            return self._forward(layers)
        together = max(1, _MOST_PX_TOGETHER // (layers.shape[2] * layers.shape[3]))
        parts = [layers[i : i + together] for i in range(0, len(layers), together)]
        cores = torch.get_num_threads()
        threads = min(cores, len(parts), _MOST_LARGE)
        if threads == 1:
            return (z for part in parts for z in self._forward(part))
        try:
            with ThreadPoolExecutor(
                threads, "predicting", initializer=torch.set_num_threads, initargs=(cores // threads,)
            ) as several:
                return [z for found in several.map(self._forward, parts) for z in found]
        finally:
            # Threads that others start later would take over our number.
            torch.set_num_threads(cores)

    def _tiled(self, layers: NDArray[np.float32]) -> list[Tensor]:
        shape = (int(layers.shape[2]), int(layers.shape[3]))
        stride = self.card.architecture.stride
        places = tiles(shape, tile_px=self._tile_px, overlap_px=self._overlap_px, stride=stride)
        return [
            torch.from_numpy(
                blended(
                    self._each(frame, places),
                    shape=shape,
                    channels=self.card.architecture.outputs,
                    overlap_px=self._overlap_px,
                )
            )
            for frame in layers
        ]

    def _each(
        self, frame: NDArray[np.float32], places: Sequence[Tile]
    ) -> Iterator[tuple[Tile, NDArray[np.float32]]]:
        """Predict the tiles of a prepared frame (channels, y, x), those of one size together."""
        for _, group in groupby(sorted(places, key=lambda p: p.shape), key=lambda p: p.shape):
            alike = list(group)
            for first in range(0, len(alike), self._batch_size):
                several = alike[first : first + self._batch_size]
                logits = self._at_once(np.stack([frame[:, p.rows, p.columns] for p in several]))
                yield from zip(several, (z.cpu().numpy() for z in logits), strict=True)

    @torch.inference_mode()
    def _forward(self, layers: NDArray[np.float32]) -> Tensor:
        """Logits (n, classes, y, x), on the device, of prepared frames (n, channels, y, x)."""
        there = torch.from_numpy(np.ascontiguousarray(layers))
        there = there.to(device=self.device, memory_format=self._layout)
        with torch.autocast(
            self.device.type, dtype=self._precision, enabled=self._precision is not torch.float32
        ):
            logits = logits_of(self._network, there, self.card.architecture.stride)
        calibration = self.card.calibration_of(layers.shape[1]) if self._calibrated else None
        return with_calibration(logits, calibration)


def network_of(folder: Path, tensors: dict[str, torch.Tensor], card: ModelCard) -> torch.nn.Module:
    """Build the network of a model, on the CPU, to predict with; InputError where the weights do not fit."""
    with torch.device("meta"):
        network = build(card.architecture)
    try:
        network.load_state_dict(without_references(tensors), assign=True)
    except RuntimeError as problem:
        raise InputError(
            f"{folder}: the weights do not fit the network that the model card describes; copy both files "
            "of the model together or train anew"
        ) from problem
    network.float().eval().requires_grad_(False)
    fold(network)
    return network


def references_of(folder: Path, tensors: dict[str, torch.Tensor], card: ModelCard) -> References | None:
    """Labelled frames that the network of a model looks at; InputError where they are broken."""
    try:
        return References.found_in(tensors, card.architecture)
    except (ValueError, zlib.error) as problem:
        raise InputError(
            f"{folder}: the labelled frames in the model are not readable; copy the model again or train anew"
        ) from problem


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
        of which alone the network gets to see anything; `frame` is its index along t. Where the model knows
        the standard uncertainty of the area of a class, `metrics` has it in pixels by class value, "1".

    Raises
    ------
    InputError
        If the model cannot be used, or memory does not suffice.
    """
    predictor = Predictor(model_folder, settings)
    done = set(skip)
    todo = [i for i in range(len(video)) if i not in done]
    index = 0
    for batch in _ahead(predictor, video, todo):
        for frame, found in batch.items():
            index += 1
            yield Step(
                index=index,
                total=len(todo),
                message=f"Segmenting on {describe(predictor.device)}, frame {index} of {len(todo)}"
                f"{predictor.remark}",
                metrics={
                    str(defect.value): uncertainty
                    for defect, uncertainty in zip(predictor.card.classes, found.uncertainty_px, strict=False)
                    if uncertainty is not None
                },
                preview=found.mask,
                frame=frame,
            )


def _ahead(predictor: Predictor, video: Video, todo: Sequence[int]) -> Iterator[dict[int, Segmented]]:
    """Give what was found by index along t; the next batch is read while the network works on one."""
    waiting = deque(todo)

    def batch() -> list[int]:
        return [waiting.popleft() for _ in range(min(predictor.batch_size, len(waiting)))]

    with (
        ThreadPoolExecutor(1, thread_name_prefix="frames") as reader,
        ThreadPoolExecutor(predictor.preparing_threads, thread_name_prefix="prepared-frames") as preparing,
    ):
        coming = reader.submit(_read, predictor, video, batch(), preparing)
        while prepared := coming.result():
            coming = reader.submit(_read, predictor, video, batch(), preparing)
            yield _predicted(predictor, video, prepared)


def _read(
    predictor: Predictor, video: Video, batch: Sequence[int], preparing: ThreadPoolExecutor
) -> list[tuple[list[int], list[NDArray[np.float32]] | None]]:
    """Read the valid parts of the frames of a batch, as indices along t and what the network takes of them.

    Valid parts differ by a row or column where the motion is not whole; each array is of one size. Frames
    without valid part come with None.
    """
    frames = {i: video.frame(i)[video.valid_part(i)] for i in batch}
    alike: dict[tuple[int, ...], list[int]] = {}
    for i, frame in frames.items():
        alike.setdefault(frame.shape if frame.size else (), []).append(i)

    def prepared(i: int) -> NDArray[np.float32]:
        return predictor.prepared(frames[i], video.valid_part(i))

    return [
        (indices, list(preparing.map(prepared, indices)) if shape else None)
        for shape, indices in alike.items()
    ]


def _predicted(
    predictor: Predictor,
    video: Video,
    prepared: Sequence[tuple[Sequence[int], list[NDArray[np.float32]] | None]],
) -> dict[int, Segmented]:
    found = {}
    for indices, grey in prepared:
        parts = [] if grey is None else predictor.segmented(grey)
        for i, part in zip_longest(indices, parts):
            mask = np.zeros(video.shape[1:], np.uint8)
            if part is not None:
                mask[video.valid_part(i)] = part.mask
            found[i] = Segmented(mask, () if part is None else part.uncertainty_px)
    return dict(sorted(found.items()))
