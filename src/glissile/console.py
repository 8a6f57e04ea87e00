"""What the command line prints: progress on the error stream, results on the output."""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from glissile.progress import Step, Steps, finish
from glissile.table_text import written

if TYPE_CHECKING:
    import pandas as pd

    from glissile.experiment import Backup, Document, Experiment
    from glissile.gan.sliders import Sliders
    from glissile.io.model_card import ModelCard
    from glissile.label.suggestion import Suggestion
    from glissile.learn.scoring import FrameScores, Spread
    from glissile.learn.suspects import Suspect
    from glissile.segment.cross_validation import CrossValidation
    from glissile.workflow import ComparedModel, Comparison, ImportedLabels, RestoredLabels
    from glissile.workflow.memorisation import Memorisation

T = TypeVar("T")


class Stopped(Exception):  # noqa: N818
    """Somebody has pressed Ctrl-C; the message tells what is left of the work."""


_LINE_EVERY_S = 5.0
_MOST_FRAMES = 5
# What is printed of a class: the measure, the width of its column, and how a number is written.
_SCORES = {
    "precision": (10, ".3f"),
    "recall": (7, ".3f"),
    "f": (7, ".3f"),
    "tolerant_f": (11, ".3f"),
    "area_error": (11, "+.1%"),
    "length_error": (13, "+.1%"),
}
# The same of several networks, with the title of the column in front.
_SPREADS = {
    "f": ("F", 14, ".3f"),
    "tolerant_f": ("F (2 px)", 14, ".3f"),
    "area_error": ("area error", 15, ".1%"),
    "length_error": ("length error", 16, ".1%"),
}
_HELD_OUT = {"between": "between those it learned from", "beyond": "beyond those it learned from"}
# The same of several models side by side.
_COMPARED = (("F", "f", ".3f"), ("F (2 px)", "tolerant_f", ".3f"), ("area error", "area_error", "+.1%"))


def show(title: str, steps: Steps[T]) -> T:
    """Run `steps`; a progress bar on a terminal, a plain line now and then otherwise."""
    if not sys.stderr.isatty():
        return finish(steps, _plain_lines(title))
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as progress:
        task = progress.add_task(title, total=None)

        def on_step(step: Step) -> None:
            progress.update(task, completed=step.index, total=step.total, description=step.message)

        return finish(steps, on_step)


def _plain_lines(title: str) -> Callable[[Step], None]:
    last, said = time.monotonic(), ""  # what is refused at once has no line before the refusal

    def on_step(step: Step) -> None:
        nonlocal last, said
        now = time.monotonic()
        at_its_end = step.index == step.total and step.message != said
        if at_its_end or now - last > _LINE_EVERY_S:
            last, said = now, step.message
            print(f"{title}: {step.message}", file=sys.stderr, flush=True)

    return on_step


def run_stages(experiment: "Experiment", *, retrain: bool = False) -> None:
    """Run every stage that is not done yet; say what is shown, what was written, and how long it took.

    With `retrain`, a training begins from the model in use.
    """
    from glissile import workflow

    all_done, told = True, False
    for title, start in workflow.pipeline(experiment, retrain=retrain):
        all_done = False
        if title == "Stabilize" and not workflow.has_labels(experiment):
            print(
                "no frame is labelled yet, so the video is only stabilized; label some frames, then run again"
            )
        if title != "Stabilize" and not told:
            told = True
            shown = workflow.field_of_view(experiment, workflow.trimmed_video(experiment))
            if shown is not None:
                print(shown.sentence)
        print(f"{title} ...", flush=True)
        begun = time.monotonic()
        result = show(title, start())
        print(f"{title}: done in {duration(time.monotonic() - begun)}", flush=True)
        if isinstance(result, workflow.Results):
            for file in result.files:
                print(f"  {file.name}")
    if all_done:
        print("every stage is done already")


def counted(n: int, what: str) -> str:
    """Write a number with its noun: "1 frame" or "2 frames"."""
    return f"{n} {what}{'' if n == 1 else 's'}"


def in_place_of(output: Path) -> str:
    """Say behind the name of a file that it is about to be replaced; empty where there is none."""
    return ", in place of the one before" if output.is_file() else ""


def duration(seconds: float) -> str:
    """Time for a person: "42 s" or "3.5 min"."""
    return f"{seconds / 60:.1f} min" if seconds >= 90 else f"{seconds:.0f} s"


def print_card(card: "ModelCard") -> None:
    """Print what a network was trained on and how well it agrees with the frames held out."""
    from glissile.io.model_words import behind_copying

    frames = counted(len(card.frames.training), "frame")
    print(f"trained on {frames}, {duration(card.seconds)} on {card.device}")
    if card.parent is not None:
        print(f"begun from the model {card.parent.name}")
    n = len(card.frames.validation)
    which = f"{counted(n, 'frame')} held out {_HELD_OUT.get(card.held_out, card.held_out)}"
    titles = {
        "holdout": f"Network, on {which}:",
        "copy_nearest": "For comparison, the label of the nearest training frame copied:",
    }
    for subject, scores in card.scores.items():
        print(titles.get(subject, f"{subject}:"))
        print_scores(scores, tolerance_px=2, mean_dice=card.mean_dice.get(subject))
    print_if_any(card.scores_note)
    print_if_any(behind_copying(card))
    print_if_any(_without_bands(card))


def _without_bands(card: "ModelCard") -> str:
    """Say why curves of this model have no bands of uncertainty; empty where all have them."""
    n = len(card.frames.validation)
    if card.certainty is None and n:
        return "curves have no bands of uncertainty: this model is of an earlier version"
    known = (None,) * len(card.classes) if card.certainty is None else card.certainty.area_factors
    without = [c.name for c, factor in zip(card.classes, known, strict=True) if factor is None]
    if not without:
        return ""
    return (
        f"curves of {' and '.join(without)} have no bands of uncertainty: these take three held-out frames "
        f"with the class, and {counted(n, 'frame')} {'is' if n == 1 else 'are'} held out; label about 15 "
        "frames with it"
    )


def print_reliability(table: "pd.DataFrame") -> None:
    """Print how far probabilities are from labels, before and after the temperature."""
    from glissile.learn.reliability import calibration_errors

    for key, by_temperature in calibration_errors(table).items():
        told = ", ".join(f"{error:.2%} at temperature {t:.3g}" for t, error in by_temperature.items())
        print(f"probability of {key.replace('_', ' ')}: expected calibration error {told}")


def print_scores(
    scores: Mapping[str, Mapping[str, float | None]], tolerance_px: float, mean_dice: float | None = None
) -> None:
    """Print one line of scores for each class; "-" where there is nothing to score."""
    titles = ("precision", "recall", "F", f"F ({tolerance_px:g} px)", "area error", "length error")
    columns = [width for width, _ in _SCORES.values()]
    print(_line("", [f"{title:>{width}}" for title, width in zip(titles, columns, strict=True)]))
    for key, found in scores.items():
        cells = [f"{written(found.get(name), form):>{width}}" for name, (width, form) in _SCORES.items()]
        print(_line(key, cells))
    if mean_dice is not None:
        print(f"  mean Dice with background: {written(mean_dice, '.3f')}")


def print_cross_validation(found: "CrossValidation") -> None:
    """Print the scores over all folds, and how much the folds differ."""
    frames = len(found.network.frames)
    print(f"{len(found.by_fold)} networks, on {frames} frames that each has not seen:")
    print_scores(_numbers(found.network), tolerance_px=2, mean_dice=found.network.mean_dice())
    print("Mean and standard deviation over the folds:")
    print(_line("", [f"{title:>{width}}" for title, width, _ in _SPREADS.values()]))
    for key, measures in found.spread().items():
        cells = [f"{_spread(measures[name], form):>{width}}" for name, (_, width, form) in _SPREADS.items()]
        print(_line(key, cells))
    print("For comparison, the label of the nearest frame outside the fold copied:")
    print_scores(_numbers(found.copied), tolerance_px=2, mean_dice=found.copied.mean_dice())


def print_if_any(sentence: str) -> None:
    """Print a sentence, if there is one."""
    if sentence:
        print(sentence)


def _numbers(scores: "FrameScores") -> dict[str, dict[str, float | None]]:
    return {key: score.as_numbers() for key, score in scores.pooled().items()}


def _line(key: str, cells: Sequence[str]) -> str:
    return f"  {key.replace('_', ' '):17}" + "".join(cells)


def _spread(value: "Spread", form: str) -> str:
    return f"{written(value.mean, form)} ± {written(value.deviation, form)}"


def print_models(models: "Sequence[ComparedModel]") -> None:
    """Print the models of an experiment with their scores on the frames held out; * marks the one in use."""
    if not models:
        print("no model is trained yet")
    for model in models:
        print(f"{'*' if model.used else ' '} {model.name}: {_history(model)}")
        for key, found in model.scores.items():
            copied = model.copied.get(key, {})
            cells = (
                f"{title} {written(found.get(name), form)} (copied {written(copied.get(name), form)})"
                for title, name, form in _COMPARED
            )
            print(f"    {key.replace('_', ' ')}: {', '.join(cells)}")


def _history(model: "ComparedModel") -> str:
    """Say how a model came about, and what speaks against comparing it."""
    card = model.card
    if card is None:
        return model.problem
    said = [
        f"trained {model.trained_at} in {duration(card.seconds)}",
        f"recipe {card.recipe.get('name', 'unknown')}",
        f"{counted(len(card.frames.training), 'frame')} learned and {len(card.frames.validation)} held out",
    ]
    if card.parent is not None:
        said.append(f"begun from {card.parent.name}")
    if model.labels_changed:
        said.append("labels have changed since")
    if not model.comparable:
        said.append("scored on other frames or labels than the one in use")
    return ", ".join(said)


def print_import(taken: "ImportedLabels") -> None:
    """Print what became of a folder of labels."""
    from glissile.io.class_names import shown

    print(f"labelled frames taken over: {len(taken.frames)}")
    if taken.left_out:
        print(f"of these outside the frames that are kept, and so of no use: {taken.left_out}")
    if taken.kept:
        print(f"frames that were labelled already and keep their labels: {taken.kept}")
    if taken.nearest:
        print(f"labels between two frames, given to the nearer one: {taken.nearest}")
    for what, stems in (
        ("farther from their frame than another", taken.farther),
        ("without a frame", taken.outside),
    ):
        if stems:
            more = ", ..." if len(stems) > 5 else ""
            print(f"labels {what}, left out: {len(stems)} ({', '.join(map(shown, stems[:5]))}{more})")
    if taken.other_video:
        print(f"{taken.other_video}; take these labels out again unless both videos have the same frames")
    if taken.doubt:
        print(
            f"{taken.doubt}; --label-first and --label-step are probably wrong: if so, glissile labels "
            "restore brings the labels of before back, or begin the experiment anew"
        )
    elif taken.nearest or taken.farther or taken.outside:
        print("where the names count otherwise than the video, say how with --label-first and --label-step")


def print_backups(backups: "Sequence[Backup]") -> None:
    """Print when each backup of the labels was made, of how many frames, and how large it is."""
    if not backups:
        print("no backup of the labels yet; one is made whenever the experiment is opened for writing")
    for backup in backups:
        if backup.made_at is None:
            print(f"{backup.name}  {backup.problem}")
        else:
            when = f"{backup.made_at.astimezone():%Y-%m-%d %H:%M:%S}"
            frames = counted(len(backup.frames), "labelled frame")
            print(f"{backup.name}  {when}  {frames}  {_size(backup.n_bytes)}")


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 2**20:.1f} MiB" if n_bytes >= 2**20 else f"{n_bytes / 2**10:.1f} KiB"


def print_restored(restored: "RestoredLabels") -> None:
    """Print what became of restoring labels."""
    print(f"labels restored: {counted(len(restored.frames), 'labelled frame')}")
    if restored.before is not None:
        print(f"those of before are kept as {restored.before.name}")
    if restored.classes:
        names = ", ".join(c.name for c in restored.classes)
        print(f"classes that are painted in them and came back: {names}")


def print_suggestions(found: "Sequence[Suggestion]") -> None:
    """Print the number of each frame that is worth labelling, and why."""
    if not found:
        print("no frame would add anything: all are labelled, or look like labelled ones")
    for suggestion in found:
        print(f"{suggestion.frame_number:>6}  {suggestion.reason}")


def print_suspects(found: "Sequence[Suspect]", document: "Document", count: int) -> None:
    """Print the first `count` suspects, a line each, and the frames that have most of them."""
    from glissile.learn.suspects import disagreement

    if not found:
        print("labels and network agree")
        return
    names = {defect.value: defect.name for defect in document.classes}
    nm = document.calibration.nm_per_pixel
    for suspect in found[:count]:
        y, x = suspect.centre
        length = f"{suspect.length_px:.0f} px" if nm is None else f"{suspect.length_px * nm:.0f} nm"
        seen = "learned" if suspect.learned else "held out"
        print(f"frame {suspect.frame_number}, y {y}, x {x}: {suspect.told(names)}, {length} ({seen})")
    if len(found) > count:
        print(f"and {len(found) - count} more: --count {len(found)} shows all")
    worst = ", ".join(f"{frame} ({px:.0f} px)" for frame, px in list(disagreement(found).items())[:5])
    print(f"frames with most disagreement: {worst}")


def print_comparison(found: "Comparison") -> None:
    """Print how well two annotators agree: a line per class, and the frames where they differ most."""
    print(f"labelled by both: {counted(len(found.by_frame), 'frame')}")
    for which, frames in (("first", found.only_first), ("second", found.only_second)):
        if frames:
            print(f"labelled by the {which} only, and not compared: {counted(len(frames), 'frame')}")
    print_if_any(found.other_video)
    widths = (7, 7, 9, 8)
    for key, cells in (("", found.titles()), *((key, found.cells(key)) for key in found.pooled)):
        print(_line(key, [f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True)]))
    worst = [frame for frame in found.frames_by_disagreement if found.disagreement[frame] > 0][:_MOST_FRAMES]
    if worst:
        told = ", ".join(f"{frame} ({found.disagreement[frame]:.0%})" for frame in worst)
        print(f"frames that differ most, with the share beyond {found.tolerance_px:g} px: {told}")


def print_sliders(found: "Sliders") -> None:
    """Print how far each measure follows from w, and between which values it lies."""
    images = f"{found.measured} of {found.samples} images{' without noise' if found.noise == 'none' else ''}"
    print(f"measured: {images}, bright phase above {found.threshold:.0f}")
    titles = [
        f"{one.measure.title} ({unit})" if (unit := found.unit(one.name)) else one.measure.title
        for one in found.sliders
    ]
    width = max(map(len, titles))
    print(f"  {'':{width}}  {'R^2':>5}  {'1 % to 99 % of the images':>26}")
    for title, one in zip(titles, found.sliders, strict=True):
        between = f"{significant(one.low)} to {significant(one.high)}"
        print(f"  {title:{width}}  {one.r2:5.2f}  {between:>26}  {one.trust}")
    logarithmic = [one.measure.title for one in found.sliders if one.scale == "logarithmic"]
    if logarithmic:
        print(f"R^2 of {' and '.join(logarithmic)} is that of the logarithms, which are what is predicted")


def print_memorisation(found: "Memorisation") -> None:
    """Print the nearest training image of each image, and what that means."""
    width = max(map(len, found.titles))
    for title, name, one in zip(found.titles, found.names, found.found, strict=True):
        print(f"  {title:{width}}  {one.similarity:5.2f}  {one.verdict:5}  {name}")
    images = counted(found.training_images, "training image")
    usual = (
        f"among {images} a similarity of {found.usual:.2f} to the nearest other one is usual"
        if found.usual
        else f"{images} cannot tell which similarity is usual"
    )
    print(f"{usual}; from {found.close:.2f} an image is close, from {found.copy:.2f} a copy")
    print(found.sentence)


def print_report(report: "pd.DataFrame") -> None:
    """Print rows `quantity`, `value`, `unit` as a table, values with 3 significant digits."""
    width = max(len(str(quantity)) for quantity in report["quantity"])
    for quantity, value, unit in report[["quantity", "value", "unit"]].itertuples(index=False):
        print(f"  {quantity:{width}}  {'-' if value != value else significant(value):>8} {unit}".rstrip())


def significant(value: float, digits: int = 3) -> str:
    """Write a number with `digits` significant digits, without exponent: "0.870", "12.3", "1235"."""
    exponent = int(f"{value:.{digits - 1}e}".partition("e")[2])
    return f"{value:.{max(0, digits - 1 - exponent)}f}"


def print_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: Any = None,
    line: Any = None,
) -> None:
    """Print a warning as one sentence; takes the place of `warnings.showwarning`."""
    print(f"glissile: {message}", file=sys.stderr)
