"""What the Train section says of models and of trainings that wait; no Qt, no files."""

from collections.abc import Sequence
from dataclasses import dataclass

from glissile.io.model_words import behind_copying, network
from glissile.learn.recipes import RECIPES, Recipe
from glissile.widgets._resolve import Facts, refused_now
from glissile.workflow import ComparedModel

# Of a class: title of the column, measure and how it is written.
COLUMNS = (("F", "f", ".2f"), ("F 2 px", "tolerant_f", ".2f"), ("area", "area_error", "+.0%"))
_NOT_ALIKE = "≠"
FOOTNOTE = f"{_NOT_ALIKE} scored on other frames or labels than the model in use: no fair comparison."
COLUMNS_EXPLAINED = (
    "Scores on the frames held out, in brackets those of copying the nearest labelled frame: F, F that also "
    "counts what is off by up to 2 px, and error of the area"
)
# Settings that say little to whoever reads a list.
_UNSAID = frozenset({"name", "augmentation"})


@dataclass(frozen=True)
class ModelRow:
    """One row of the table of models, for one class.

    Attributes
    ----------
    name : str
        Of the model.
    history : str
        When it was trained and for how long, what has changed since, and whether its scores compare.
    cells : tuple of str
        Score and, below, that of copying; one per item of `COLUMNS`.
    tooltip : str
        What the row does not say.
    used : bool
        Whether the model is in use.
    usable : bool
        Whether it can be.
    """

    name: str
    history: str
    cells: tuple[str, ...]
    tooltip: str
    used: bool
    usable: bool


def model_row(model: ComparedModel, key: str, *, touched: bool = False) -> ModelRow:
    """Say what the table shows of a model.

    Parameters
    ----------
    model : ComparedModel
        The model.
    key : str
        Of the class whose scores are shown.
    touched : bool
        Whether labels were changed since the models were compared.

    Returns
    -------
    ModelRow
    """
    card = model.card
    if card is None:
        cells = ("–",) * len(COLUMNS)
        shown = "cut short" if "cut short" in model.problem else "damaged"
        return ModelRow(model.name, shown, cells, model.problem, used=model.used, usable=False)
    scores, copied = model.scores.get(key, {}), model.copied.get(key, {})
    cells = tuple(
        f"{_number(scores.get(measure), form)}\n({_number(copied.get(measure), form)})"
        for _, measure, form in COLUMNS
    )
    # Short lines: in a narrow dock with a large font they must not wrap.
    begun = "" if card.parent is None else f", from {card.parent.name}"
    history = [model.trained_at, f"{_duration(card.seconds)}{begun}"]
    if model.labels_changed or touched:
        history.append("labels changed")
    if not model.comparable:
        history.append(f"{_NOT_ALIKE} other hold-out")
    return ModelRow(
        name=model.name,
        history="\n".join(history),
        cells=cells,
        tooltip=_tooltip(model),
        used=model.used,
        usable=True,
    )


def _tooltip(model: ComparedModel) -> str:
    card = model.card
    assert card is not None
    lines = [
        f"{model.name}: recipe {card.recipe.get('name', 'unknown')}, {card.epochs} epochs, "
        f"{len(card.frames.training)} frames learned",
        f"{len(card.frames.validation)} held out: {numbers(card.frames.validation) or 'none'}",
    ]
    if not model.comparable:
        lines.append(FOOTNOTE)
    return "\n".join(lines)


def numbers(frames: Sequence[int]) -> str:
    """Write frame numbers with runs taken together: "3, 7–9, 20"."""
    runs: list[list[int]] = []
    for frame in sorted(frames):
        if runs and frame == runs[-1][1] + 1:
            runs[-1][1] = frame
        else:
            runs.append([frame, frame])
    return ", ".join(str(a) if a == b else f"{a}\u2013{b}" for a, b in runs)


def card_text(model: ComparedModel) -> str:
    """Write down all that is known of a model, for a person, then the card itself."""
    card = model.card
    if card is None:
        return f"{model.name}\n{model.problem}"
    lines = [
        f"Model {model.name}, recipe {card.recipe.get('name', 'unknown')}",
        f"Trained {model.trained_at} for {_duration(card.seconds)} on {card.device}",
        f"Best of its epochs: {card.epochs}",
        *(line[:1].upper() + line[1:] for line in network(card)),
        f"Learned from {len(card.frames.training)} frames: {numbers(card.frames.training)}",
        f"Held out {len(card.frames.validation)} frames: {numbers(card.frames.validation) or 'none'}",
    ]
    if card.parent is not None:
        lines.append(f"Begun from the model {card.parent.name}")
    lines += [note for note in (card.scores_note, behind_copying(card)) if note]
    for subject, title in (("holdout", "Scores"), ("copy_nearest", "Scores of copying")):
        for defect in card.classes:
            found = card.scores.get(subject, {}).get(defect.key)
            if found is not None:
                cells = (f"{name} {_number(found.get(measure), form)}" for name, measure, form in COLUMNS)
                lines.append(f"{title}, {defect.name}: {', '.join(cells)}")
    return "\n".join([*lines, "", card.model_dump_json(indent=2)])


def all_alike(models: Sequence[ComparedModel]) -> bool:
    """Whether all models were scored on the same frames with the same labels."""
    return all(model.comparable for model in models if model.card is not None)


def retrain_refused(facts: Facts) -> str:
    """Say why the network cannot be corrected and trained on; empty where it can."""
    if facts.scores is None:
        return "No trained network yet"
    if reason := refused_now("train", facts):
        return reason
    if facts.labelled == 0:
        return "No labelled frame yet"
    if not facts.labels_changed:
        return "Correct the masks of some frames first, or label more frames: all labels are learned already"
    return ""


def retrain_tooltip(name: str) -> str:
    """Say what correcting and training on does."""
    return (
        f"Goes on from {name} with the labels as they are now: with its settings, a quarter as long and more "
        "gently. Frames that were held out stay held out, so that the scores stay honest. Both models are "
        "kept"
    )


def training_text(recipe: Recipe) -> str:
    """Name a training that waits by its recipe and the settings that are not the recipe's own."""
    usual = RECIPES.get(recipe.name, Recipe())
    length = f"{recipe.epochs} epochs" if recipe.minutes is None else f"{recipe.minutes:g} min"
    said = [f"{recipe.name}, {length}"]
    for name, field in Recipe.model_fields.items():
        value = getattr(recipe, name)
        if name not in _UNSAID | {"epochs", "minutes"} and value != getattr(usual, name):
            shown = "-".join(map(str, value)) if isinstance(value, tuple) else value
            said.append(f"{(field.title or name).lower()} {shown}")
    if recipe.augmentation != usual.augmentation:
        said.append("other augmentation")
    return ", ".join(said)


def _duration(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form).replace("-", "\u2212")
