"""Train on some labelled frames of the real videos, score on the others, beside copying the nearest label.

Every k-th labelled frame is kept from training altogether (the last network is scored, not the one that did
best on them), near-duplicates on one side. F is pooled over frames; F2 tolerates 2 px; the area
bias is (predicted - labelled) / labelled area. Minutes are wall time; CPU minutes are those of all threads.

    python benchmarks/segmentation.py --videos twip-2um --epochs 50
"""

import argparse
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glissile.defects import DEFAULT_CLASSES
from glissile.io.annotations import frame_number, read_mask_folder
from glissile.io.checkpoint import Normalisation
from glissile.io.video_files import read_video
from glissile.label.split import Split, split
from glissile.learn.agreement import ClassScore, Tally
from glissile.learn.labelled import gathered
from glissile.learn.recipes import RECIPES, Recipe, recipe_named
from glissile.learn.train import TrainingJob, train
from glissile.progress import Step, finish
from glissile.segment.predict import Predictor
from glissile.segment.settings import SegmentSettings

DATA = Path(__file__).parents[1].parent / "shared" / "data"
VALUES = np.array([0, *(c.value for c in DEFAULT_CLASSES)], dtype=np.uint8)


def read(folder: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8], tuple[int, ...]]:
    """Frames (n, y, x), masks (n, y, x) and frame numbers of a folder with `images` and `masks`."""
    by_stem = read_mask_folder(folder / "masks", DEFAULT_CLASSES)
    numbers = tuple(frame_number(stem) for stem in by_stem)
    video = read_video(folder / "images")
    return np.asarray(video.frames), np.stack(list(by_stem.values())), numbers


def thinned(parts: Split, labels: int | None) -> Split:
    """`parts` with at most `labels` training frames, spread evenly."""
    if labels is None or labels >= len(parts.training):
        return parts
    kept = np.linspace(0, len(parts.training) - 1, labels).round().astype(int)
    return Split(tuple(parts.training[i] for i in kept), parts.validation)


def row(name: str, scores: Mapping[str, ClassScore]) -> str:
    """One line of the table: F, F2 and area bias of each class."""
    cells = (
        f"{s.f:6.3f} {s.tolerant_f:6.3f} {100 * s.area_error:+6.1f} %" for s in scores.values() if s.truth_px
    )
    return f"{name:<28}" + " | ".join(cells)


def bench(folder: Path, recipe: Recipe, *, every: int, labels: int | None) -> None:
    """Train and score on one video, and print its table."""
    frames, masks, numbers = read(folder)
    parts = thinned(split(numbers, masks, every=every), labels)
    training, held = list(parts.training), list(parts.validation)
    print(
        f"\n{folder.name}: {len(training)} frames to learn from, {len(held)} held out: "
        f"{', '.join(str(numbers[i]) for i in held)}"
    )

    reported = [0]

    def report(step: Step) -> None:
        tenth = int(10 * step.index / step.total)
        if "loss" in step.metrics and tenth > reported[-1]:
            reported.append(tenth)
            print(f"  {step.message}, loss {step.metrics['loss']:.3f}", flush=True)

    with tempfile.TemporaryDirectory() as model:
        began, began_cpu = time.perf_counter(), time.process_time()
        job = TrainingJob(
            frames=frames[training],
            masks=masks[training],
            frame_numbers=tuple(numbers[i] for i in training),
            classes=DEFAULT_CLASSES,
            recipe=recipe,
            folder=Path(model),
            validation=(),
        )
        card = finish(train(job), report)
        minutes, cpu = (time.perf_counter() - began) / 60, (time.process_time() - began_cpu) / 60
        predictor = Predictor(Path(model), SegmentSettings(device=recipe.device))
    plain, calibrated = Tally(DEFAULT_CLASSES), Tally(DEFAULT_CLASSES)
    offsets = np.array(card.logit_offsets or (0.0,) * len(VALUES), dtype=np.float32)[:, None, None]
    for i in held:
        (logits,) = predictor.logits([frames[i]])
        calibrated.add(VALUES[logits.argmax(axis=0)], masks[i])
        plain.add(VALUES[(logits - offsets).argmax(axis=0)], masks[i])
    used = sorted(training + held)
    copy = gathered(
        frames[used],
        masks[used],
        [numbers[i] for i in used],
        DEFAULT_CLASSES,
        [used.index(i) for i in held],
        Normalisation(),
    ).copy_nearest()
    names = [key for key, s in copy.items() if s.truth_px]
    print(f"{'F, F2, area bias':<28}" + " | ".join(f"{n:<22}" for n in names))
    print(row("copy the nearest label", copy))
    print(row(recipe.name, plain.scores()))
    if card.logit_offsets:
        print(row(f"{recipe.name}, areas calibrated", calibrated.scores()))
    print(f"{minutes:.1f} min, {cpu:.1f} CPU min on {card.device}, {card.epochs} epochs")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the videos")
    parser.add_argument("--videos", nargs="+", default=["twip-2um", "twip-8.4um"])
    parser.add_argument("--recipe", choices=list(RECIPES), default="glissile")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--every", type=int, default=5, help="one labelled frame in so many is held out")
    parser.add_argument("--labels", type=int, help="train on so many labelled frames only")
    chosen = parser.parse_args()
    if not chosen.data.is_dir():
        parser.error(f"{chosen.data} is not there; say where the labelled videos are with --data")
    changes = {"seed": chosen.seed, "device": chosen.device, "minutes": chosen.minutes}
    if chosen.epochs is not None:
        changes["epochs"] = chosen.epochs
    for name in chosen.videos:
        bench(
            chosen.data / name,
            recipe_named(chosen.recipe, **changes),
            every=chosen.every,
            labels=chosen.labels,
        )


if __name__ == "__main__":
    main()
