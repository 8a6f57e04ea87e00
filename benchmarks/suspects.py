"""How well mistakes in labels are found by a network that has learned from these very labels.

Known mistakes are planted into every third training frame and every frame held out, one of each kind: a whole
line is erased, the shape of a line is drawn where there is none, the class of a line is changed; lines are
connected pieces of one class, 30 px long or more. The recipe is trained on the spoiled labels, and all
labelled frames are searched for suspects.

Each row tells what share of the planted mistakes is met by the first k suspects of the list, k being their
number; by the first 2 k; and by the whole list. A suspect meets a mistake where its centre lies on it, or up
to 3 px beside it. In comparison: the same suspects in random order, in the mean; and all connected pieces of
a class on which label and prediction differ, without tolerance or probabilities, the largest area first.
Suspects that are no planted mistake may well be real ones: nobody knows how many of these the labels have.

    python benchmarks/suspects.py --videos twip-2um
    python benchmarks/suspects.py --seeds 0 1 2 --minutes 5
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.ndimage import label as numbered

from glissile.label.split import split
from glissile.learn.agreement import grown
from glissile.learn.length import line_length_px
from glissile.learn.recipes import RECIPES, recipe_named
from glissile.learn.suspects import Suspect, SuspectSettings, ranked, suspects
from glissile.learn.train import TrainingJob, train
from glissile.progress import finish
from glissile.segment.predict import Predictor
from glissile.segment.settings import SegmentSettings
from segmentation import DATA, labelled_folder, table_row

KINDS = ("erased", "invented", "other class")
EVERY = 3
LEAST_PX = 30
CLEAR_PX = 6
NEAR_PX = 3
SHUFFLES = 200
EDGES_AND_CORNERS = np.ones((3, 3), dtype=int)
HEADER = ["", "frames", "mistakes", "planted", "first k", "first 2k", "all"]


@dataclass(frozen=True, eq=False)
class Mistake:
    """One that was planted: index of its frame, kind, and its pixels (y, x)."""

    index: int
    kind: str
    pixels: np.ndarray


def pieces(mask: np.ndarray) -> list[tuple[int, np.ndarray]]:
    """Class value and pixels (y, x) of the long lines of a mask (y, x)."""
    found = []
    for value in np.unique(mask[mask > 0]).tolist():
        parts, count = numbered(mask == value, EDGES_AND_CORNERS)
        found += [(value, parts == n) for n in range(1, count + 1)]
    return [(value, piece) for value, piece in found if line_length_px(piece) >= LEAST_PX]


def moved(piece: np.ndarray, mask: np.ndarray, random: np.random.Generator) -> np.ndarray | None:
    """Shift the shape of a line (y, x) to where nothing is labelled; None where no place was found."""
    taken = grown(mask > 0, CLEAR_PX)
    at = np.argwhere(piece)
    low, high = -at.min(axis=0), np.array(mask.shape) - at.max(axis=0)
    for _ in range(2000):
        y, x = (at + random.integers(low, high)).T
        if not taken[y, x].any():
            shifted = np.zeros_like(piece)
            shifted[y, x] = True
            return shifted
    return None


def spoiled(
    masks: np.ndarray, indices: Sequence[int], random: np.random.Generator
) -> tuple[np.ndarray, list[Mistake]]:
    """Plant one mistake of each kind into these masks of (n, y, x)."""
    masks, planted = masks.copy(), []
    for i in indices:
        lines = pieces(masks[i])
        order = random.permutation(len(lines)).tolist()
        values = sorted({value for value, _ in lines} | {1, 2})
        invented = next(
            (
                (value, shifted)
                for value, piece in (lines[n] for n in order)
                if (shifted := moved(piece, masks[i], random)) is not None
            ),
            None,
        )
        if order:
            _, piece = lines[order[0]]
            masks[i][piece] = 0
            planted.append(Mistake(i, "erased", piece))
        if len(order) > 1:
            value, piece = lines[order[1]]
            masks[i][piece] = next(other for other in values if other != value)
            planted.append(Mistake(i, "other class", piece))
        if invented is not None:
            value, piece = invented
            masks[i][piece] = value
            planted.append(Mistake(i, "invented", piece))
    return masks, planted


def met(mistakes: Sequence[Mistake], listed: Sequence[Suspect], first: int | None = None) -> float:
    """Share of mistakes that one of the first suspects meets."""
    if not mistakes:
        return float("nan")
    found = 0
    for mistake in mistakes:
        near = grown(mistake.pixels, NEAR_PX)
        found += any(s.index == mistake.index and near[s.centre] for s in listed[:first])
    return found / len(mistakes)


def rows(
    name: str, mistakes: Sequence[Mistake], listed: Sequence[Suspect], held: Sequence[int], k: int
) -> list[str]:
    """Rows of the table: per kind, for training frames and those held out."""
    found = []
    for where, inside in (("learned", False), ("held out", True)):
        of_frames = [m for m in mistakes if (m.index in held) is inside]
        for kind in (*KINDS, "all"):
            some = [m for m in of_frames if kind in (m.kind, "all")]
            shares = (met(some, listed, k), met(some, listed, 2 * k), met(some, listed))
            found.append(table_row([name, where, kind, str(len(some)), *(f"{s:.2f}" for s in shares)]))
    return found


def whole_row(name: str, mistakes: Sequence[Mistake], orders: Sequence[Sequence[Suspect]], k: int) -> str:
    """Row of the table over all mistakes, in the mean over several orders of the suspects."""
    shares = (np.mean([met(mistakes, order, first) for order in orders]) for first in (k, 2 * k, None))
    return table_row([name, "all", "all", str(len(mistakes)), *(f"{s:.2f}" for s in shares)])


def shuffled(listed: Sequence[Suspect]) -> list[list[Suspect]]:
    random = np.random.default_rng(0)
    return [[listed[n] for n in random.permutation(len(listed))] for _ in range(SHUFFLES)]


def probabilities(job: TrainingJob) -> list[np.ndarray]:
    """Probabilities (classes, y, x) of every labelled frame, by the network of the job."""
    predictor = Predictor(job.folder, SegmentSettings(device=job.recipe.device))
    return [predictor.probabilities([frame])[0] for frame in job.frames]


def searched(
    job: TrainingJob, found: Sequence[np.ndarray], held: Sequence[int], settings: SuspectSettings
) -> tuple[Suspect, ...]:
    """All suspects of the job's labels, the worst first."""
    return ranked(
        suspect
        for i, (mask, shares) in enumerate(zip(job.masks, found, strict=True))
        for suspect in suspects(
            mask,
            shares,
            job.classes,
            index=i,
            frame_number=job.frame_numbers[i],
            learned=i not in held,
            settings=settings,
        )
    )


def bench(video: str, job: TrainingJob, seed: int) -> None:
    """Spoil, train, search and print the table of one video and seed."""
    random = np.random.default_rng(seed)
    held = split(job.frame_numbers, job.masks, every=job.recipe.holdout_every).validation
    training = [i for i in range(len(job.frames)) if i not in held]
    masks, mistakes = spoiled(job.masks, sorted({*training[::EVERY], *held}), random)
    recipe = job.recipe.model_copy(update={"seed": seed})
    with tempfile.TemporaryDirectory() as model:
        job = replace(job, masks=masks, recipe=recipe, validation=held, folder=Path(model))
        began = time.perf_counter()
        card = finish(train(job))
        minutes = (time.perf_counter() - began) / 60
        shares = probabilities(job)
    began = time.perf_counter()
    listed = searched(job, shares, held, SuspectSettings())
    searching = (time.perf_counter() - began) / len(masks)
    print(
        f"\n{video}, seed {seed}: {len(training)} frames learned and {len(held)} held out, "
        f"{len(mistakes)} mistakes planted, {len(listed)} suspects; {minutes:.1f} min on {card.device}, "
        f"{1e3 * searching:.0f} ms per frame to search"
    )
    print("\n" + table_row(HEADER) + "\n" + table_row(["---"] * len(HEADER)))
    k = len(mistakes)
    print("\n".join(rows("suspects", mistakes, listed, held, k)))
    plain = searched(job, shares, held, SuspectSettings(tolerance_px=0, least_length_px=0))
    by_area = sorted(plain, key=lambda s: -s.area_px)
    print(whole_row("suspects", mistakes, [listed], k))
    print(whole_row(f"plain comparison, {len(plain)} pieces", mistakes, [by_area], k))
    print(whole_row("suspects in random order", mistakes, shuffled(listed), k), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the videos")
    parser.add_argument(
        "--videos", nargs="+", default=["twip-2um", "twip-8.4um"], help="labelled folders in DATA"
    )
    parser.add_argument("--recipe", choices=list(RECIPES), default="glissile")
    parser.add_argument("--epochs", type=int, help="of every training; the recipe's own if absent")
    parser.add_argument("--minutes", type=float, help="of every training, instead of epochs")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--device", default="auto")
    chosen = parser.parse_args()
    changes = {"device": chosen.device, "minutes": chosen.minutes}
    if chosen.epochs is not None:
        changes["epochs"] = chosen.epochs
    recipe = recipe_named(chosen.recipe, **changes)
    for video in chosen.videos:
        folder = chosen.data / video
        if not folder.is_dir():
            parser.error(f"{folder} is not there; say where the labelled videos are with --data")
        job = labelled_folder(folder, recipe)
        for seed in chosen.seeds:
            bench(video, job, seed)


if __name__ == "__main__":
    main()
