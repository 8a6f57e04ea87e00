"""The models of an experiment: which there are, which is used, and how they compare."""

import contextlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from glissile import atomic
from glissile.errors import InputError
from glissile.experiment import Experiment
from glissile.io.checkpoint import has_model, read_card
from glissile.io.model_card import ModelCard
from glissile.learn.identity import CHECKPOINT_FILE, interrupted, settings_of
from glissile.learn.recipes import Recipe
from glissile.naming import natural_order, possible_name
from glissile.workflow.labelled_frames import LabelledFrames, labelled_frames


class UsedModel(BaseModel):
    """Which model segments; kept beside the settings of the stages."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(
        "", title="Model", description="Folder below models; empty takes the one that was trained last"
    )


_USED = "model"


@dataclass(frozen=True)
class TrainedModel:
    """A model of an experiment.

    Attributes
    ----------
    folder : Path
        Where it lies.
    card : ModelCard
        What it is.
    """

    folder: Path
    card: ModelCard

    @property
    def name(self) -> str:
        """What it is called."""
        return self.folder.name


@dataclass(frozen=True)
class ComparedModel:
    """One row of the comparison of models.

    Attributes
    ----------
    name : str
        What it is called.
    used : bool
        Whether it is the one that segments.
    card : ModelCard, optional
        When and how it was trained, and how good it is; None where the training was cut short, or the model
        is damaged.
    labels_changed : bool
        Whether labels, classes or the working video are others than those it was trained and scored on.
    comparable : bool
        Whether it was scored on the same frames with the same labels as the model in use.
    problem : str
        Why there is no card, one sentence; empty where there is one.
    """

    name: str
    used: bool
    card: ModelCard | None
    labels_changed: bool
    comparable: bool
    problem: str = ""

    @property
    def trained_at(self) -> str:
        """Local time at which it was trained, "2025-11-27 14:03"; empty where there is no card."""
        if self.card is None:
            return ""
        with contextlib.suppress(ValueError):
            return datetime.fromisoformat(self.card.created).astimezone().strftime("%Y-%m-%d %H:%M")
        return self.card.created

    @property
    def scores(self) -> Mapping[str, Mapping[str, float | None]]:
        """Measures (`f`, `tolerant_f`, `area_error`, ...) on the hold-out, by class key."""
        return {} if self.card is None else self.card.scores.get("holdout", {})

    @property
    def copied(self) -> Mapping[str, Mapping[str, float | None]]:
        """The same measures for copying the nearest training label."""
        return {} if self.card is None else self.card.scores.get("copy_nearest", {})


def _folders(experiment: Experiment) -> list[Path]:
    """List the folders below `models` in natural order of their names."""
    if not experiment.models_folder.is_dir():
        return []
    found = (p for p in experiment.models_folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    return sorted(found, key=lambda path: natural_order(path.name))


def trained_models(experiment: Experiment) -> tuple[TrainedModel, ...]:
    """List the models of an experiment, the one that was trained first first; damaged ones are left out."""
    found = []
    for folder in _folders(experiment):
        if has_model(folder):
            with contextlib.suppress(InputError):
                found.append(TrainedModel(folder, read_card(folder)))
    return tuple(sorted(found, key=lambda model: (model.card.created, natural_order(model.name))))


def used_model(experiment: Experiment) -> TrainedModel | None:
    """Give the model that segments: the one that was chosen, else the one that was trained last.

    Returns
    -------
    TrainedModel, optional
        None before there is any.

    Raises
    ------
    InputError
        If the model that was chosen is damaged.
    """
    chosen = experiment.settings(_USED, UsedModel).name
    for folder in _folders(experiment):
        if folder.name == chosen and has_model(folder):
            return TrainedModel(folder, read_card(folder))
    trained = trained_models(experiment)
    return trained[-1] if trained else None


def model_card(experiment: Experiment) -> ModelCard | None:
    """Card of the model in use; None before any is trained."""
    model = used_model(experiment)
    return None if model is None else model.card


def model_folder(experiment: Experiment) -> Path:
    """Where the model in use lies.

    Raises
    ------
    InputError
        If there is none, or it is damaged.
    """
    model = used_model(experiment)
    if model is None:
        raise InputError(f"{experiment.folder.name}: there is no trained model yet; train one first")
    return model.folder


def model_named(experiment: Experiment, name: str) -> TrainedModel:
    """Give the model that is called `name`.

    Raises
    ------
    InputError
        If there is none of that name, or it is damaged.
    """
    names = [folder.name for folder in _folders(experiment) if has_model(folder)]
    if name not in names:
        there = f"there are {', '.join(names)}" if names else "none is trained yet"
        raise InputError(f'{experiment.folder.name}: there is no model "{name}"; {there}')
    folder = experiment.models_folder / name
    return TrainedModel(folder, read_card(folder))


def choose_model(experiment: Experiment, name: str) -> None:
    """Use a model from now on; its settings become those of the experiment, so that it counts as trained.

    Masks of another model stay until the next segmentation, which replaces them.

    Raises
    ------
    InputError
        If there is no such model, it is damaged, or the experiment is read-only.
    """
    model = model_named(experiment, name)
    experiment.save_settings(_USED, UsedModel(name=name))
    recipe = recipe_of(model.card)
    if recipe is not None:
        here = experiment.settings("train", Recipe).device
        experiment.save_settings("train", recipe.model_copy(update={"device": here}))


def recipe_of(card: ModelCard) -> Recipe | None:
    """Give the settings that a model was trained with; None where they are not of this program."""
    try:
        return Recipe.model_validate(settings_of(card))
    except ValidationError:
        return None


def rename_model(experiment: Experiment, name: str, new: str) -> None:
    """Give a model, or a training that was cut short, another name.

    Raises
    ------
    InputError
        If there is none of that name, another has the new one, not every system can have a folder of that
        name, a program holds the folder open, or the experiment is read-only.
    """
    folder = _kept(experiment, name)
    if possible_name(new) != new:
        raise InputError(
            f'"{new}" cannot be the name of a folder on every system; "{possible_name(new)}" can'
        )
    if new.casefold() != name.casefold() and new.casefold() in _taken(experiment):
        raise InputError(f'There is a model "{new}" already; choose another name')
    _at_rest(name, lambda: atomic.replace(folder, folder.with_name(new)))
    if experiment.settings(_USED, UsedModel).name == name:
        experiment.save_settings(_USED, UsedModel(name=new))


def delete_model(experiment: Experiment, name: str) -> None:
    """Remove a model, or a training that was cut short, from disk.

    Where it was used, the one of the others that was trained last is used from now on.

    Raises
    ------
    InputError
        If there is none of that name, a program holds its folder open, or the experiment is read-only.
    """
    folder = _kept(experiment, name)
    _at_rest(name, lambda: atomic.remove_folder(folder))


def _kept(experiment: Experiment, name: str) -> Path:
    experiment.require_writable()
    folders = {folder.name: folder for folder in _folders(experiment)}
    if name not in folders:
        raise InputError(f'{experiment.folder.name}: there is no model "{name}"')
    return folders[name]


def _at_rest(name: str, move: Any) -> None:
    try:
        move()
    except OSError as error:
        raise InputError(
            f'The folder of the model "{name}" cannot be moved ({error.strerror}); close what has it open'
        ) from error


def _taken(experiment: Experiment) -> set[str]:
    return {folder.name.casefold() for folder in _folders(experiment)}


def free_name(experiment: Experiment, wanted: str) -> str:
    """Give the next free name of a model: "glissile", "glissile-2", "glissile-3", ...

    Parameters
    ----------
    experiment : Experiment
        The study.
    wanted : str
        What it would be called best; what a folder cannot be called is replaced.

    Returns
    -------
    str
    """
    # A folder without model and checkpoint is what was left of a training that was killed as it began.
    taken = {
        folder.name.casefold()
        for folder in _folders(experiment)
        if has_model(folder) or (folder / CHECKPOINT_FILE).exists()
    }
    stem = name = possible_name(wanted)
    number = 1
    while name.casefold() in taken:
        number += 1
        name = f"{stem}-{number}"
    return name


def cut_short(experiment: Experiment) -> tuple[tuple[Path, dict[str, Any]], ...]:
    """List the trainings that were cut short, the one that went on last first.

    Returns
    -------
    tuple of tuple of Path and dict
        Folder, and what the training is told apart by (`glissile.learn.identity.identity`).
    """
    found = []
    for folder in _folders(experiment):
        known = interrupted(folder)
        if known is not None:
            found.append(((folder / CHECKPOINT_FILE).stat().st_mtime_ns, folder, known))
    return tuple((folder, known) for _, folder, known in sorted(found, key=lambda one: -one[0]))


def labels_changed(card: ModelCard, labelled: LabelledFrames | None) -> bool:
    """Whether a model was trained on other labels, classes or frames than those of now."""
    return labelled is None or labelled.data_hash(card.frames.validation) != card.data_hash


def compared_models(
    experiment: Experiment, known: Collection[ComparedModel] = ()
) -> tuple[ComparedModel, ...]:
    """Compare the models of an experiment.

    Parameters
    ----------
    experiment : Experiment
        The study.
    known : collection of ComparedModel
        Models as they compared before. Where all are among them, the labelled frames are not read again to
        see whether they have changed.

    Returns
    -------
    tuple of ComparedModel
        One per model, the one that was trained first first, then those that are damaged or were cut short.

    Raises
    ------
    InputError
        If the working video cannot be read.
    """
    trained = trained_models(experiment)
    used = None
    with contextlib.suppress(InputError):  # a damaged one that was chosen is in the list, with its problem
        used = used_model(experiment)
    changed = {row.card.weights_sha256: row.labels_changed for row in known if row.card is not None}
    if not {model.card.weights_sha256 for model in trained} <= changed.keys():
        labelled = _labelled_or_none(experiment)
        changed = {model.card.weights_sha256: labels_changed(model.card, labelled) for model in trained}
    rows = [
        ComparedModel(
            name=model.name,
            used=used is not None and model.folder == used.folder,
            card=model.card,
            labels_changed=changed[model.card.weights_sha256],
            comparable=used is None or scored_alike(model.card, used.card),
        )
        for model in trained
    ]
    names = {row.name for row in rows}
    for folder in _folders(experiment):
        problem = "" if folder.name in names else _problem(folder)
        if problem:
            rows.append(ComparedModel(folder.name, False, None, False, False, problem))
    return tuple(rows)


def _labelled_or_none(experiment: Experiment) -> LabelledFrames | None:
    with contextlib.suppress(InputError):
        return labelled_frames(experiment)
    return None


def _problem(folder: Path) -> str:
    """Say why a folder holds no usable model; empty where it holds nothing of one."""
    if has_model(folder):
        try:
            read_card(folder)
        except InputError as error:
            return str(error)
    elif (folder / CHECKPOINT_FILE).exists():
        return "The training was cut short; it can be resumed with the same labels and settings"
    return ""


def scored_alike(one: ModelCard, other: ModelCard) -> bool:
    """Whether two models were scored on the same frames with the same areas of each class."""
    return _scored_on(one) == _scored_on(other)


def _scored_on(card: ModelCard) -> tuple[object, ...]:
    scores = card.scores.get("holdout", {})
    areas = {key: found.get("truth_px") for key, found in scores.items()}
    return card.held_out, card.frames.validation, sorted(areas.items())
