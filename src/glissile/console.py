"""What the command line prints: progress on the error stream, results on the output."""

import sys
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from glissile.progress import Step, Steps, finish

if TYPE_CHECKING:
    import pandas as pd

    from glissile.experiment import Experiment
    from glissile.io.checkpoint import ModelCard
    from glissile.workflow import ImportedLabels

T = TypeVar("T")

_LINE_EVERY_S = 5.0
_SCORES = ("precision", "recall", "f", "tolerant_f", "area_error")


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
    last, said = 0.0, ""

    def on_step(step: Step) -> None:
        nonlocal last, said
        now = time.monotonic()
        at_its_end = step.index == step.total and step.message != said
        if at_its_end or now - last > _LINE_EVERY_S:
            last, said = now, step.message
            print(f"{title}: {step.message}", file=sys.stderr, flush=True)

    return on_step


def run_stages(experiment: "Experiment") -> None:
    """Run every stage that is not done yet; say what is shown, what was written, and how long it took."""
    from glissile import workflow

    all_done, told = True, False
    for title, start in workflow.pipeline(experiment):
        all_done = False
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


def duration(seconds: float) -> str:
    """Time for a person: "42 s" or "3.5 min"."""
    return f"{seconds / 60:.1f} min" if seconds >= 90 else f"{seconds:.0f} s"


def print_card(card: "ModelCard") -> None:
    """Print what a network was trained on and how well it agrees with the frames held out."""
    print(f"trained on {len(card.frames.training)} frames, {duration(card.seconds)} on {card.device}")
    if not card.scores:
        print(card.scores_note)
    titles = {
        "holdout": f"Network, on the {len(card.frames.validation)} frames held out:",
        "copy_nearest": "For comparison, the label of the nearest training frame copied:",
    }
    for subject, scores in card.scores.items():
        print(titles.get(subject, f"{subject}:"))
        print_scores(scores, tolerance_px=2)


def print_scores(scores: Mapping[str, Mapping[str, float | None]], tolerance_px: float) -> None:
    """Print one line of scores for each class; "-" where there is nothing to score."""
    titles = ("precision", "recall", "F", f"F ({tolerance_px:g} px)", "area error")
    print("  " + f"{'':18}" + "".join(f"{title:>11}" for title in titles))
    for key, found in scores.items():
        precision, recall, f, tolerant_f, area_error = (found[name] for name in _SCORES)
        cells = [_cell(value, ".3f") for value in (precision, recall, f, tolerant_f)]
        cells.append(_cell(area_error, "+.1%"))
        print("  " + f"{key.replace('_', ' '):18}" + "".join(f"{cell:>11}" for cell in cells))


def _cell(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def print_import(taken: "ImportedLabels") -> None:
    """Print what became of a folder of labels."""
    print(f"labelled frames taken over: {len(taken.frames)}")
    if taken.nearest:
        print(f"labels between two frames, given to the nearer one: {taken.nearest}")
    for what, stems in (
        ("farther from their frame than another", taken.farther),
        ("without a frame", taken.outside),
    ):
        if stems:
            more = ", ..." if len(stems) > 5 else ""
            print(f"labels {what}, left out: {len(stems)} ({', '.join(stems[:5])}{more})")
    if taken.nearest or taken.farther or taken.outside:
        print("where the names count otherwise than the video, say how with --label-first and --label-step")


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
