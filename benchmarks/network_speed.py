"""How quick the networks of the two recipes are, as ratios of one to the other in the same run.

Networks with random weights: how quick they are does not depend on what they have learned. Prediction is the
whole way from grey values to masks, frame by frame, as `glissile segment` goes; training is the step alone,
on whole frames. The network of the recipe `glissile` looks at labelled frames, of which it finds the most
similar among 40. On the processor both run in single precision and in the precision that this recipe uses,
so that like is compared with like. Then whole videos of noise, with all cores.

    python benchmarks/network_speed.py
    python benchmarks/network_speed.py --device cuda
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path
from unittest import mock

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from glissile.defects import DEFAULT_CLASSES
from glissile.device import choose, describe, quick_precision
from glissile.io.checkpoint import save_model
from glissile.io.model_card import Architecture, FramesUsed, ModelCard, Normalisation
from glissile.learn.intensity import normalised
from glissile.learn.patches import Batch
from glissile.learn.recipes import RECIPES, Recipe
from glissile.learn.references import References
from glissile.learn.trainer import Trainer
from glissile.learn.unet import build
from glissile.progress import finish
from glissile.segment.predict import Predictor, segment
from glissile.segment.settings import SegmentSettings
from glissile.video import Video

FRAME = (400, 330)
LABELLED = 40
VIDEOS = {"2360 frames of 400 x 330 px": (2360, 400, 330), "100 frames of 1024 x 1024 px": (100, 1024, 1024)}


def architecture(recipe: Recipe) -> Architecture:
    return Architecture(
        kind=recipe.network,
        outputs=len(DEFAULT_CLASSES) + 1,
        widths=recipe.widths,
        stem=recipe.stem,
        local_contrast_px=recipe.local_contrast_px,
        references=recipe.references,
    )


def frames_of(shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Frames (t, y, x) of one place, in noise."""
    random = np.random.default_rng(0)
    place = random.integers(0, 192, shape[1:], dtype=np.uint8)
    return random.integers(0, 64, shape, dtype=np.uint8) + cv2.blur(place, (9, 9))


def labelled(recipe: Recipe, shape: tuple[int, int]) -> dict[str, Tensor]:
    """Give the labelled frames that a network looks at, as a model keeps them."""
    if not recipe.references:
        return {}
    frames = frames_of((LABELLED, *shape))
    grey = np.stack([normalised(frame, Normalisation(kind=recipe.grey)) for frame in frames])
    truths = np.random.default_rng(1).choice(np.uint8([0, 1, 2]), frames.shape, p=(0.96, 0.02, 0.02))
    return References(grey, truths, classes=len(DEFAULT_CLASSES), looked_at=recipe.references).kept()


def untrained(recipe: Recipe, folder: Path, shape: tuple[int, int]) -> Path:
    """Write a model with random weights into `folder`, and give it back; for frames of `shape` (y, x)."""
    card = ModelCard(
        classes=DEFAULT_CLASSES,
        architecture=architecture(recipe),
        normalisation=Normalisation(kind=recipe.grey),
        recipe=recipe.model_dump(mode="json"),
        frames=FramesUsed(training=(0,)),
        data_hash="",
        epochs=0,
        created="",
        seconds=0,
        device="",
    )
    save_model(folder, build(card.architecture).state_dict() | labelled(recipe, shape), card)
    return folder


def shortest(work: Callable[[], object], times: int) -> float:
    """Seconds of the quickest of some calls, after one that does not count."""
    work()
    durations = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        durations.append(time.perf_counter() - began)
    return min(durations)


def prediction_s(recipe: Recipe, device: str, folder: Path) -> float:
    predictor = Predictor(untrained(recipe, folder, FRAME), SegmentSettings(device=device))
    (frame,) = frames_of((1, *FRAME))
    return shortest(lambda: predictor.masks([frame]), times=5)


def training_s(recipe: Recipe, device: str) -> float:
    """Seconds of a training step, over the number of frames in it."""
    network = architecture(recipe)
    trainer = Trainer(network, recipe, choose(device))
    random = np.random.default_rng(0)
    shape = (recipe.batch_size, *FRAME)
    batch = Batch(
        frames=random.normal(0, 0.3, (shape[0], network.inputs + network.reference_channels, *FRAME)).astype(
            np.float32
        ),
        truth=random.choice(3, p=(0.96, 0.02, 0.02), size=shape),
    )
    return shortest(lambda: trainer.learn(batch, step=0, steps=100), times=3) / recipe.batch_size


def networks(device: str) -> None:
    """Print both networks side by side, in both precisions, on one thread."""
    torch.set_num_threads(1)
    quick = quick_precision(choose(device))
    precisions = {torch.float32, quick}
    found = {}
    for (name, recipe), precision in product(RECIPES.items(), precisions):
        recipe = recipe.model_copy(update={"reduced_precision": True})
        with (
            tempfile.TemporaryDirectory() as folder,
            mock.patch("glissile.segment.predict.quick_precision", lambda device, p=precision: p),
            mock.patch("glissile.learn.trainer.quick_precision", lambda device, p=precision: p),
        ):
            found[name, precision] = prediction_s(recipe, device, Path(folder)), training_s(recipe, device)
    print(f"\n| {describe(choose(device))}, one thread | ms per frame | x | ms of training per frame | x |")
    print("| --- | --- | --- | --- | --- |")
    slowest = found["tanaka2025", torch.float32]
    for (name, precision), seconds in sorted(found.items(), key=lambda entry: -entry[1][0]):
        cells = (f"{1e3 * s:.1f} | {base / s:.1f}" for s, base in zip(seconds, slowest, strict=True))
        print(f"| {name}, {str(precision).removeprefix('torch.')} | {' | '.join(cells)} |")


def videos(device: str, threads: int) -> None:
    """Print how long whole videos take."""
    torch.set_num_threads(threads)
    print("\n| video | s | frames/s |")
    print("| --- | --- | --- |")
    for name, shape in VIDEOS.items():
        frames = frames_of(shape)
        with tempfile.TemporaryDirectory() as folder:
            model = untrained(RECIPES["glissile"], Path(folder), shape[1:])
            began = time.perf_counter()
            finish(segment(model, Video.from_frames(frames, name=name), SegmentSettings(device=device)))
            seconds = time.perf_counter() - began
        print(f"| {name} | {seconds:.1f} | {shape[0] / seconds:.1f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="auto")
    chosen = parser.parse_args()
    threads = torch.get_num_threads()
    networks(chosen.device)
    videos(chosen.device, threads)


if __name__ == "__main__":
    main()
