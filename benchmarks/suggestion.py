"""Train on eight labelled frames that were suggested, and on eight that are evenly spaced in time.

One of three groups of labelled frames is held out, as benchmarks/segmentation.py does it (with --duplicates
every third frame); from the others, so many are chosen as there would be time to label, and a network learns
from these alone, with the same recipe and as many steps.

- suggested: from how the frames look, without any label or network.
- suggested in two rounds: half of them so; then a network learns from these, and the others are suggested
  from its mean entropy on the frames of the pool, too.
- even: spaced evenly over the time from the first to the last frame of the pool.

Looks are compared, and sudden changes found, over video.mp4, in which the labelled frames stand at their
numbers. Scores are pooled over the frames held out, mean ± standard deviation over the seeds; F2 tolerates
2 px, area bias is (predicted - labelled) / labelled. Differences from even spacing are of the same seed.
Before the trainings: what copying the label that is nearest in time gives with each choice.

    python benchmarks/suggestion.py --seeds 0 1 2
    python benchmarks/suggestion.py --copy-only
"""

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from glissile.io.video_files import read_video
from glissile.label.split import split
from glissile.label.suggestion import Appearance, appearance, suggestions
from glissile.learn.probability import entropy
from glissile.learn.recipes import RECIPES, recipe_named
from glissile.learn.scoring import FrameScores, spread_of
from glissile.learn.train import TrainingJob, train
from glissile.progress import finish
from glissile.segment.cross_validation import copied, scored
from glissile.segment.predict import Predictor
from glissile.segment.settings import SegmentSettings
from glissile.video import Video
from segmentation import DATA, cell, labelled_folder, table_row

# Frame k of video.mp4 has the number first + step * k.
NUMBERS = {"twip-2um": (1, 10), "twip-8.4um": (0, 1)}
EVERY = 3
EVEN, SUGGESTED, TWO_ROUNDS = "even", "suggested", "suggested in two rounds"
COLUMNS = {"f": ("F", ".3f"), "tolerant_f": ("F2", ".3f"), "area_error": ("area bias", "+.1%")}
RANDOM_DRAWS = 50


class Pool:
    """The labelled frames of a video that may be chosen, those held out, and how all frames look.

    Parameters
    ----------
    folder : Path
        With `images`, `masks` and `video.mp4`.
    job : TrainingJob
        All labelled frames.
    held : sequence of int
        Indices of those held out.
    """

    def __init__(self, folder: Path, job: TrainingJob, held: Sequence[int]) -> None:
        self.job, self.held = job, list(held)
        self.chosen_from = [i for i in range(len(job.frames)) if i not in set(held)]
        video, self._at = with_labelled(folder, job)
        self.looks: Appearance = finish(appearance(video))
        if len(self.looks.looked_at) < len(video):
            raise SystemExit(f"{folder}: too long to look at every frame")

    def suggested(
        self, count: int, labelled: Sequence[int] = (), uncertainty: Mapping[int, float] | None = None
    ) -> list[int]:
        """Suggest `count` frames of the pool beside `labelled`; all by their index in the job."""
        allowed = np.zeros(len(self.looks.frame_numbers), bool)
        allowed[self._at[self.chosen_from]] = True
        known = np.full(len(allowed), np.nan)
        for i, value in (uncertainty or {}).items():
            known[self._at[i]] = value
        found = suggestions(
            self.looks,
            self._at[list(labelled)].tolist(),
            count=count,
            uncertainty=None if uncertainty is None else known,
            allowed=allowed,
        )
        for s in found:
            print(f"    {s.frame_number}: {s.reason}")
        return [int(np.flatnonzero(self._at == s.index)[0]) for s in found]

    def even(self, count: int) -> list[int]:
        """Take those nearest to `count` times that are spaced evenly."""
        numbers = {i: self.job.frame_numbers[i] for i in self.chosen_from}
        wanted = np.linspace(min(numbers.values()), max(numbers.values()), count)
        chosen: list[int] = []
        for time in wanted:
            free = [i for i in numbers if i not in chosen]
            chosen.append(min(free, key=lambda i: abs(numbers[i] - time)))
        return chosen

    def random(self, count: int, seed: int) -> list[int]:
        """Draw `count` frames at random."""
        return np.random.default_rng(seed).choice(self.chosen_from, count, replace=False).tolist()

    def numbers(self, chosen: Sequence[int]) -> str:
        """List the numbers of frames of the job."""
        return ", ".join(str(self.job.frame_numbers[i]) for i in sorted(chosen))

    def copied(self, chosen: Sequence[int]) -> FrameScores:
        """Score copying the nearest of the labels of `chosen`."""
        used = sorted({*chosen, *self.held})
        return copied(_of(self.job, used), [used.index(i) for i in self.held])


def with_labelled(folder: Path, job: TrainingJob) -> tuple[Video, np.ndarray]:
    """All frames of a video in the order of their numbers, and where among them the labelled ones stand.

    A labelled frame takes the place of that of video.mp4 whose number differs by 1 at most.
    """
    labelled = np.array(job.frame_numbers)
    numbers, frames = labelled, list(job.frames)
    path = folder / "video.mp4"
    if folder.name in NUMBERS and path.is_file():
        recorded = read_video(path)
        first, step = NUMBERS[folder.name]
        theirs = first + step * np.arange(len(recorded))
        others = np.flatnonzero(np.abs(theirs[:, None] - labelled).min(axis=1) > 1)
        numbers = np.concatenate([labelled, theirs[others]])
        frames += [recorded.frame(int(k)) for k in others]
    order = np.argsort(numbers, kind="stable")
    video = Video.from_frames(np.stack([frames[i] for i in order]), name=folder.name)
    return replace(video, frame_numbers=numbers[order]), np.argsort(order)[: len(labelled)]


def _of(job: TrainingJob, used: Sequence[int]) -> TrainingJob:
    return replace(
        job,
        frames=job.frames[used],
        masks=job.masks[used],
        frame_numbers=tuple(job.frame_numbers[i] for i in used),
    )


def predictor(job: TrainingJob, chosen: Sequence[int], seed: int, folder: Path) -> Predictor:
    """Train on the frames of `chosen` alone."""
    recipe = job.recipe.model_copy(update={"seed": seed})
    card = finish(train(replace(_of(job, sorted(chosen)), recipe=recipe, folder=folder, validation=())))
    print(f"    {len(chosen)} frames, {card.epochs} epochs, {card.seconds / 60:.1f} min on {card.device}")
    return Predictor(folder, SegmentSettings(device=job.recipe.device), calibrated=False)


def in_two_rounds(pool: Pool, count: int, seed: int) -> list[int]:
    """Half of them without a network, the others with the entropy of one that learned from the first."""
    first = pool.suggested(count // 2)
    with tempfile.TemporaryDirectory() as folder:
        network = predictor(pool.job, first, seed, Path(folder))
        mean = {
            i: float(entropy(network.probabilities([pool.job.frames[i]])[0]).mean())
            for i in pool.chosen_from
            if i not in first
        }
    return first + pool.suggested(count - len(first), first, mean)


def copy_table(pool: Pool, choices: Mapping[str, Sequence[int]], count: int) -> list[str]:
    """Rows of F2 of copying by class, and its mean and worst over the frames held out, of each choice."""
    keys = [c.key for c in pool.job.classes]
    rows = [table_row(["copied", *keys, "mean over frames", "worst frame"]), table_row(["---"] * 5)]
    rows += [table_row([name, *_copy_cells([pool.copied(chosen)])]) for name, chosen in choices.items()]
    draws = [pool.copied(pool.random(count, seed)) for seed in range(RANDOM_DRAWS)]
    rows.append(table_row([f"{RANDOM_DRAWS} random draws", *_copy_cells(draws)]))
    return rows


def _copy_cells(runs: Sequence[FrameScores]) -> list[str]:
    by_class = zip(*([s.tolerant_f for s in run.pooled().values()] for run in runs), strict=True)
    by_frame = [
        [np.nanmean([s.tolerant_f for s in frame.tally.scores().values()]) for frame in run.frames]
        for run in runs
    ]
    columns = [*by_class, [np.mean(f) for f in by_frame], [np.min(f) for f in by_frame]]
    return [cell(spread_of(column), ".3f") for column in columns]


def bench(pool: Pool, chosen: argparse.Namespace) -> None:
    """Choose, train and score on one video, and print its tables."""
    choices = {EVEN: pool.even(chosen.count), SUGGESTED: pool.suggested(chosen.count)}
    for name, frames in choices.items():
        print(f"  {name}: {pool.numbers(frames)}")
    print("\n" + "\n".join(copy_table(pool, choices, chosen.count)) + "\n")
    if chosen.copy_only:
        return
    rows: dict[str, list[FrameScores]] = {EVEN: [], SUGGESTED: [], TWO_ROUNDS: []}
    for seed in chosen.seeds:
        for name, runs in rows.items():
            print(f"  {name}, seed {seed}", flush=True)
            frames = in_two_rounds(pool, chosen.count, seed) if name == TWO_ROUNDS else choices[name]
            if name == TWO_ROUNDS:
                print(f"    {pool.numbers(frames)}")
            with tempfile.TemporaryDirectory() as folder:
                network = predictor(pool.job, frames, seed, Path(folder))
                runs.append(scored(network, pool.job, pool.held))
    print("\n" + table_row(["", "class", *(title for title, _ in COLUMNS.values())]))
    print(table_row(["---"] * (2 + len(COLUMNS))))
    for name, runs in rows.items():
        print("\n".join(_lines(name, [_measures(run) for run in runs])))
    for name in (SUGGESTED, TWO_ROUNDS):
        pairs = zip(rows[name], rows[EVEN], strict=True)
        print("\n".join(_lines(f"{name} - even", [_less(_measures(a), _measures(b)) for a, b in pairs])))


Measures = dict[str, dict[str, float]]


def _measures(run: FrameScores) -> Measures:
    """By class key and name of the measure, of the classes that are labelled."""
    return {
        key: {name: getattr(score, name) for name in COLUMNS}
        for key, score in run.pooled().items()
        if score.truth_px
    }


def _less(one: Measures, other: Measures) -> Measures:
    return {key: {name: one[key][name] - other[key][name] for name in COLUMNS} for key in one}


def _lines(name: str, runs: Sequence[Measures]) -> list[str]:
    """Rows of the table, one for each class."""
    return [
        table_row(
            [
                name,
                key,
                *(cell(spread_of([run[key][m] for run in runs]), form) for m, (_, form) in COLUMNS.items()),
            ]
        )
        for key in runs[0]
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the videos")
    parser.add_argument("--videos", nargs="+", default=list(NUMBERS), help="folders in DATA")
    parser.add_argument("--recipe", choices=list(RECIPES), default="glissile")
    parser.add_argument("--count", type=int, default=8, help="frames to learn from")
    parser.add_argument("--duplicates", action="store_true", help="hold out every third labelled frame")
    parser.add_argument("--epochs", type=int, help="of every training; the recipe's own if absent")
    parser.add_argument("--minutes", type=float, help="of every training, instead of epochs")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--copy-only", action="store_true", help="train nothing")
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
        if chosen.duplicates:
            held: Sequence[int] = range(1, len(job.frames), EVERY)
        else:
            held = split(job.frame_numbers, job.masks, every=EVERY).validation
        pool = Pool(folder, job, held)
        print(
            f"\n{video}: {chosen.count} of {len(pool.chosen_from)} frames to learn from, {len(held)} held "
            f"out: {pool.numbers(held)}"
        )
        bench(pool, chosen)


if __name__ == "__main__":
    main()
