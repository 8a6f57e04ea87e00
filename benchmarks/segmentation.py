"""Train on some labelled frames, score on the others, beside copying the nearest label.

The frames held out are kept from training altogether (the last network is scored, not the one that did best
on them), near-duplicates on one side: between labelled frames every k-th of them, beyond them the last ones.
With --duplicates near-duplicates stand on both sides, as in figures that others give.
Scores are pooled over frames. F2 tolerates 2 px; length error and area bias are (predicted - labelled) /
labelled; the score of the paper is the mean Dice overlap over classes with background and over frames. With
several seeds: mean ± standard deviation. Minutes are wall time; CPU minutes are those of all threads.

    python benchmarks/segmentation.py --videos twip-2um --epochs 50
    python benchmarks/segmentation.py --videos twip-8.4um sample --held-out beyond --seeds 0 1 2 --minutes 5
    python benchmarks/segmentation.py --compare tanaka2025 --minutes 10
"""

import argparse
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from glissile.defects import DEFAULT_CLASSES
from glissile.io.annotations import frame_number, read_mask_folder
from glissile.io.video_files import read_video
from glissile.label.split import split
from glissile.learn.recipes import RECIPES, Recipe, recipe_named
from glissile.learn.scoring import FrameScores, Spread, spread, spread_of
from glissile.learn.train import TrainingJob, train
from glissile.progress import Step, finish
from glissile.segment.cross_validation import copied, scored, without
from glissile.segment.predict import Predictor
from glissile.segment.settings import SegmentSettings
from glissile.synthetic import sample

DATA = Path(__file__).parents[1].parent / "shared" / "data"
SAMPLE = "sample"
COLUMNS = {
    "f": ("F", ".3f"),
    "tolerant_f": ("F2", ".3f"),
    "precision": ("precision", ".3f"),
    "recall": ("recall", ".3f"),
    "length_error": ("length error", "+.1%"),
    "area_error": ("area bias", "+.1%"),
}
HEADER = ["", "class", *(title for title, _ in COLUMNS.values()), "score of the paper"]


def labelled_folder(folder: Path, recipe: Recipe) -> TrainingJob:
    """All labelled frames of a folder with `images` and `masks`."""
    by_stem = read_mask_folder(folder / "masks", DEFAULT_CLASSES)
    return job_of(
        np.asarray(read_video(folder / "images").frames),
        np.stack(list(by_stem.values())),
        tuple(frame_number(stem) for stem in by_stem),
        recipe,
    )


def labelled_sample(recipe: Recipe) -> TrainingJob:
    """All frames of the bundled sample whose masks come with it, the true drift taken out by whole pixels."""
    folder = sample.sample_folder()
    found = {
        frame_number(stem): mask
        for masks in (folder / "labels", folder / "truth" / "masks")
        for stem, mask in read_mask_folder(masks, DEFAULT_CLASSES).items()
    }
    numbers = tuple(sorted(found))
    video = read_video(folder / "video.mp4")
    displacements = pd.read_csv(folder / "truth" / "motion.csv")[["dy_px", "dx_px"]].to_numpy()
    field = sample.common_field(displacements, sample.SAMPLE_TRIM)
    parts = {}
    for n in numbers:
        dy, dx = displacements[n].round().astype(int)
        parts[n] = slice(field.top + dy, field.bottom + dy), slice(field.left + dx, field.right + dx)
    return job_of(
        np.stack([video.frame(n)[parts[n]] for n in numbers]),
        np.stack([found[n][parts[n]] for n in numbers]),
        numbers,
        recipe,
    )


def job_of(frames: np.ndarray, masks: np.ndarray, numbers: tuple[int, ...], recipe: Recipe) -> TrainingJob:
    return TrainingJob(frames, masks, numbers, DEFAULT_CLASSES, recipe, folder=Path(), validation=())


def with_fewer_labels(
    job: TrainingJob, held: Sequence[int], labels: int | None
) -> tuple[TrainingJob, list[int]]:
    """Leave at most `labels` frames to train on, spread evenly; the frames held out, by their new indices."""
    training = [i for i in range(len(job.frames)) if i not in set(held)]
    if labels is not None and labels < len(training):
        training = [training[i] for i in np.linspace(0, len(training) - 1, labels).round().astype(int)]
    used = sorted({*training, *held})
    kept = replace(
        job,
        frames=job.frames[used],
        masks=job.masks[used],
        frame_numbers=tuple(job.frame_numbers[i] for i in used),
    )
    return kept, [used.index(i) for i in held]


def trained(job: TrainingJob, held: Sequence[int], name: str) -> dict[str, FrameScores]:
    """Scores by the name of the row: of the network as it learned, and with its areas calibrated."""
    reported = [0]

    def report(step: Step) -> None:
        tenth = int(10 * step.index / step.total)
        if "loss" in step.metrics and tenth > reported[-1]:
            reported.append(tenth)
            print(f"  {name}: {step.message}, loss {step.metrics['loss']:.3f}", flush=True)

    with tempfile.TemporaryDirectory() as model:
        began, began_cpu = time.perf_counter(), time.process_time()
        card = finish(train(without(job, held, Path(model))), report)
        minutes, cpu = (time.perf_counter() - began) / 60, (time.process_time() - began_cpu) / 60
        settings = SegmentSettings(device=job.recipe.device)
        print(f"  {name}: {minutes:.1f} min, {cpu:.1f} CPU min on {card.device}, {card.epochs} epochs")
        rows = {name: scored(Predictor(Path(model), settings, calibrated=False), job, held)}
        if card.calibration is not None:
            rows[f"{name}, areas calibrated"] = scored(Predictor(Path(model), settings), job, held)
    return rows


def lines(name: str, runs: Sequence[FrameScores]) -> list[str]:
    """Rows of the table, one for each class that is labelled."""
    over = spread([run.pooled() for run in runs])
    dice = cell(spread_of([run.mean_dice() for run in runs]), ".3f")
    return [
        table_row([name, key, *(cell(measures[m], form) for m, (_, form) in COLUMNS.items()), dice])
        for key, measures in over.items()
        if measures["truth_px"].mean
    ]


def cell(value: Spread, form: str) -> str:
    deviation = "" if np.isnan(value.deviation) else f" ± {value.deviation:{form.removeprefix('+')}}"
    return f"{value.mean:{form}}{deviation}"


def table_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def bench(video: str, job: TrainingJob, recipes: Mapping[str, Recipe], chosen: argparse.Namespace) -> None:
    """Train and score on one video, and print its table."""
    if chosen.duplicates:
        held_out: Sequence[int] = range(1, len(job.frames), chosen.every)
    else:
        parts = split(job.frame_numbers, job.masks, every=chosen.every, held_out=chosen.held_out)
        held_out = parts.validation
    job, held = with_fewer_labels(job, held_out, chosen.labels)
    where = "among" if chosen.duplicates else chosen.held_out
    numbers = ", ".join(str(job.frame_numbers[i]) for i in held)
    n = len(job.frames) - len(held)
    print(f"\n{video}: {n} frames to learn from, {len(held)} held out {where} them: {numbers}")
    rows: dict[str, list[FrameScores]] = {"copy the nearest label": [copied(job, held)]}
    for name, recipe in recipes.items():
        for seed in chosen.seeds:
            seeded = replace(job, recipe=recipe.model_copy(update={"seed": seed}))
            for row, scores in trained(seeded, held, name).items():
                rows.setdefault(row, []).append(scores)
    print("\n" + table_row(HEADER) + "\n" + table_row(["---"] * len(HEADER)))
    for name, runs in rows.items():
        print("\n".join(lines(name, runs)))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the videos")
    parser.add_argument(
        "--videos",
        nargs="+",
        default=["twip-2um", "twip-8.4um"],
        help=f"folders in DATA; {SAMPLE} is the sample",
    )
    parser.add_argument("--recipe", choices=list(RECIPES), default="glissile")
    parser.add_argument("--compare", nargs="+", choices=list(RECIPES), default=[], help="train these, too")
    parser.add_argument("--held-out", choices=["between", "beyond"], default="between")
    parser.add_argument("--every", type=int, default=5, help="one labelled frame in so many is held out")
    parser.add_argument(
        "--duplicates",
        action="store_true",
        help="hold out every k-th labelled frame, also where its label is a copy of one that trains",
    )
    parser.add_argument("--labels", type=int, help="train on so many labelled frames only")
    parser.add_argument("--epochs", type=int, help="of every training; the recipe's own if absent")
    parser.add_argument("--minutes", type=float, help="of every training, instead of epochs")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--device", default="auto")
    chosen = parser.parse_args()
    changes = {"device": chosen.device, "minutes": chosen.minutes}
    if chosen.epochs is not None:
        changes["epochs"] = chosen.epochs
    recipes = {name: recipe_named(name, **changes) for name in (chosen.recipe, *chosen.compare)}
    for video in chosen.videos:
        folder, recipe = chosen.data / video, recipes[chosen.recipe]
        if video != SAMPLE and not folder.is_dir():
            parser.error(f"{folder} is not there; say where the labelled videos are with --data")
        job = labelled_sample(recipe) if video == SAMPLE else labelled_folder(folder, recipe)
        bench(video, job, recipes, chosen)


if __name__ == "__main__":
    main()
