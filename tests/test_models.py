"""Several models in one experiment: kept, chosen, compared, gone on from."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile

from glissile import console, workflow
from glissile.errors import InputError
from glissile.experiment import Experiment
from glissile.io.checkpoint import WEIGHTS_FILE, read_card
from glissile.learn.identity import identity, trained_identity
from glissile.learn.recipes import Recipe
from glissile.naming import possible_name
from glissile.progress import finish
from glissile.stabilize.camera_motion import StabilizeSettings

T, Y, X = 9, 32, 48
QUICK = Recipe(epochs=1, widths=(4, 6), least_epoch_steps=1, most_epoch_steps=1, device="cpu")
LABELLED = (0, 2, 4, 6, 8)


def drawn(number: int) -> np.ndarray:
    """A line that moves on by two rows a frame, and a block."""
    mask = np.zeros((Y, X), np.uint8)
    mask[2 * number + 4, 4:44] = 1
    mask[24:30, 4 * number + 2 : 4 * number + 8] = 2
    return mask


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    random = np.random.default_rng(0)
    frames = np.stack([120 - 60 * (drawn(n) == 1) + 60 * (drawn(n) == 2) for n in range(T)])
    path = tmp_path_factory.mktemp("video") / "test.tif"
    tifffile.imwrite(path, np.clip(frames + random.normal(0, 5, frames.shape), 0, 255).astype(np.uint8))
    return path


@pytest.fixture(scope="module")
def first(video: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An experiment with one model."""
    settings = {"train": QUICK, "stabilize": StabilizeSettings(method="none")}
    with workflow.create(video, tmp_path_factory.mktemp("first") / "study", settings=settings) as experiment:
        for number in LABELLED:
            experiment.labels().write(number, drawn(number))
        finish(workflow.train(experiment))
        return experiment.folder


@pytest.fixture
def study(first: Path, tmp_path: Path):
    with Experiment.open(shutil.copytree(first, tmp_path / "study.glissile")) as experiment:
        yield experiment


def train(experiment: Experiment, **changes: object):
    recipe = experiment.settings("train", Recipe).model_copy(update=changes)
    experiment.save_settings("train", recipe)
    return finish(workflow.train(experiment))


def names(experiment: Experiment) -> list[str]:
    return [model.name for model in workflow.trained_models(experiment)]


def used(experiment: Experiment) -> str:
    return workflow.used_model(experiment).name


def weights(experiment: Experiment, name: str) -> bytes:
    return (experiment.models_folder / name / WEIGHTS_FILE).read_bytes()


def test_every_training_has_a_folder_of_its_own_and_the_newest_is_used(study):
    before = weights(study, "glissile")
    train(study, seed=1)
    train(study, seed=2)
    assert names(study) == ["glissile", "glissile-2", "glissile-3"]
    assert weights(study, "glissile") == before
    assert used(study) == "glissile-3"
    assert workflow.model_card(study).recipe["seed"] == 2


def test_an_experiment_made_before_uses_its_model(study):
    del (stages := dict(study.document.stages))["model"]
    study.update(stages=stages)
    assert used(study) == "glissile"
    assert workflow.is_trained(study)


def test_without_a_choice_the_one_trained_last_is_used(study):
    train(study, seed=1)
    del (stages := dict(study.document.stages))["model"]
    study.update(stages=stages)
    assert used(study) == "glissile-2"


def test_the_choice_outlives_the_program(study):
    train(study, seed=1)
    workflow.choose_model(study, "glissile")
    study.close()
    with Experiment.open(study.folder) as again:
        assert used(again) == "glissile"
        assert again.settings("train", Recipe).seed == 0


def test_masks_of_another_model_are_never_mixed_in(study):
    video = workflow.working_video(study)
    finish(workflow.segment(study))
    train(study, seed=1)
    assert not workflow.is_segmented(study, video)
    steps = workflow.segment(study)
    next(steps)
    steps.close()
    kept = study.segmentation_or_none()
    assert kept.attributes["model"] == workflow.model_card(study).weights_sha256
    assert len(kept.frames) == 1
    workflow.choose_model(study, "glissile")
    assert finish(workflow.segment(study)) == T
    attributes = study.segmentation_or_none().attributes
    assert attributes["model"] == read_card(study.models_folder / "glissile").weights_sha256


def stages(experiment: Experiment, **options: bool) -> list[str]:
    ran = []
    for title, start in workflow.pipeline(experiment, **options):
        ran.append(title)
        finish(start())
    return ran


def test_run_uses_a_model_that_fits_and_trains_none(study):
    train(study, seed=1)
    study.save_settings("train", QUICK)
    assert stages(study) == ["Segment", "Measure"]
    assert used(study) == "glissile"
    workflow.choose_model(study, "glissile-2")
    assert stages(study) == ["Segment", "Measure"]
    assert used(study) == "glissile-2"
    assert names(study) == ["glissile", "glissile-2"]
    assert stages(study) == []


def change(experiment: Experiment, number: int) -> None:
    mask = drawn(number)
    mask[:3] = 1
    experiment.labels().write(number, mask)


def test_run_trains_again_once_labels_are_others_and_keeps_the_old_model(study):
    change(study, 2)
    assert stages(study)[0] == "Train"
    assert names(study) == ["glissile", "glissile-2"]
    study.labels().write(2, drawn(2))
    assert stages(study)[0] == "Segment"
    assert used(study) == "glissile"


def test_retraining_goes_on_from_the_model_in_use(study):
    earlier = workflow.model_card(study)
    assert stages(study, retrain=True) == ["Segment", "Measure"]
    change(study, 2)
    study.labels().write(5, drawn(5))
    assert stages(study, retrain=True) == ["Train", "Segment", "Measure"]
    card = workflow.model_card(study)
    assert card.parent.weights_sha256 == earlier.weights_sha256
    assert card.frames.validation == earlier.frames.validation
    assert set(card.frames.training) == {*earlier.frames.training, 5}
    assert stages(study) == []


def test_what_the_line_of_models_has_learned_is_never_scored(study):
    held, *_ = workflow.model_card(study).frames.validation
    study.labels().remove(held)
    for number in (1, 3, 5, 7):
        study.labels().write(number, drawn(number))
    finish(workflow.train(study, start="glissile"))
    second = workflow.model_card(study)
    assert second.frames.validation
    assert set(second.frames.validation) <= {1, 3, 5, 7}
    study.labels().remove(second.frames.validation[0])
    finish(workflow.train(study, start="glissile-2"))
    assert not set(workflow.model_card(study).frames.validation) & set(second.learned)


def test_an_unknown_model_to_begin_from_is_said(study):
    with pytest.raises(InputError, match='there is no model "best"; there are glissile'):
        workflow.training_job(study, start="best")


def cut(experiment: Experiment, **options: object) -> Path:
    """Cut a training short after its first epoch; its folder."""
    before = {folder for folder, _ in workflow.cut_short(experiment)}
    steps = workflow.train(experiment, **options)
    next(steps)
    steps.close()
    (folder,) = {folder for folder, _ in workflow.cut_short(experiment)} - before
    return folder


@pytest.mark.parametrize("start", [None, "glissile"])
def test_a_training_that_was_cut_short_goes_on_in_its_folder(study, start):
    study.save_settings("train", QUICK.model_copy(update={"seed": 1, "epochs": 8}))
    folder = cut(study, start=start)
    assert folder.name == "glissile-2"
    assert workflow.resumable(study)
    if start is not None:
        assert workflow.resumable(study, start=start)
    card = finish(workflow.train(study, resume=True))
    assert (card.parent is not None) == (start is not None)
    assert names(study) == ["glissile", "glissile-2"]
    assert workflow.cut_short(study) == ()
    assert workflow.is_trained(study)


def test_a_training_with_other_settings_leaves_the_one_that_was_cut_short(study):
    long = QUICK.model_copy(update={"seed": 1, "epochs": 8})
    study.save_settings("train", long)
    folder = cut(study)
    train(study, seed=2, epochs=1)
    assert names(study) == ["glissile", "glissile-3"]
    assert not workflow.resumable(study)
    with pytest.raises(InputError, match="the training settings changed"):
        next(workflow.train(study, resume=True))
    study.save_settings("train", long)
    assert workflow.training_job(study).folder == folder  # the same training, begun anew
    assert workflow.training_job(study, resume=True).folder == folder


def test_a_checkpoint_beside_a_model_is_resumed_apart_from_it(study):
    study.save_settings("train", QUICK.model_copy(update={"seed": 1, "epochs": 8}))
    folder = cut(study)
    before = weights(study, "glissile")
    shutil.move(folder / "checkpoint.safetensors", study.models_folder / "glissile")
    assert workflow.resumable(study)
    finish(workflow.train(study, resume=True))
    assert weights(study, "glissile") == before
    assert names(study) == ["glissile", "glissile-2"]


def test_models_are_compared(study):
    train(study, seed=1)
    one, two = workflow.compared_models(study)
    assert (one.name, one.used, two.name, two.used) == ("glissile", False, "glissile-2", True)
    for row in (one, two):
        assert not row.labels_changed
        assert row.comparable
        assert set(row.scores) == set(row.copied) == {"dislocation", "stacking_fault"}
        assert {"f", "tolerant_f", "area_error"} <= set(row.scores["dislocation"])
        assert row.trained_at[:2] == "20"
    held, *_ = two.card.frames.validation
    change(study, held)
    assert not any(row.labels_changed for row in workflow.compared_models(study, known=(one, two)))
    assert all(row.labels_changed for row in workflow.compared_models(study))
    train(study, seed=2)
    rows = workflow.compared_models(study)
    assert [row.labels_changed for row in rows] == [True, True, False]
    # The same frame was held out, but another label is asked for on it.
    assert rows[2].card.frames.validation == two.card.frames.validation
    assert [row.comparable for row in rows] == [False, False, True]


def test_other_frames_held_out_are_no_fair_comparison(study):
    for number in (1, 3, 5, 7):
        study.labels().write(number, drawn(number))
    train(study)
    assert [row.comparable for row in workflow.compared_models(study)] == [False, True]


def test_damaged_models_and_trainings_cut_short_are_listed_and_do_no_harm(study):
    (study.models_folder / "broken").mkdir()
    (study.models_folder / "broken" / WEIGHTS_FILE).write_bytes(b"nothing")
    (study.models_folder / "notes").mkdir()
    study.save_settings("train", QUICK.model_copy(update={"epochs": 8}))
    cut(study)
    rows = {row.name: row for row in workflow.compared_models(study)}
    assert list(rows) == ["glissile", "broken", "glissile-2"]
    assert "not a whole safetensors file" in rows["broken"].problem
    assert "cut short" in rows["glissile-2"].problem
    assert rows["glissile"].used
    with pytest.raises(InputError, match="not a whole safetensors file"):
        workflow.choose_model(study, "broken")
    assert used(study) == "glissile"


def test_a_model_is_renamed_and_stays_in_use(study):
    train(study, seed=1)
    workflow.rename_model(study, "glissile-2", "thin lines")
    assert names(study) == ["glissile", "thin lines"]
    assert used(study) == "thin lines"
    workflow.choose_model(study, "glissile")
    workflow.rename_model(study, "thin lines", "Thin lines")
    assert used(study) == "glissile"


@pytest.mark.parametrize(
    ("new", "why"),
    [
        ("a:b", '"a-b" can'),
        ("..", "cannot be"),
        ("CON", "cannot be"),
        ("", "cannot be"),
        ("GLISSILE", "already"),
    ],
)
def test_names_that_cannot_be_are_refused(study, new, why):
    train(study, seed=1)
    with pytest.raises(InputError, match=why):
        workflow.rename_model(study, "glissile-2", new)
    assert names(study) == ["glissile", "glissile-2"]


def test_a_model_that_is_deleted_is_gone_and_the_last_of_the_others_used(study):
    train(study, seed=1)
    workflow.delete_model(study, "glissile-2")
    assert names(study) == ["glissile"]
    assert used(study) == "glissile"
    assert [path.name for path in study.models_folder.iterdir()] == ["glissile"]
    workflow.delete_model(study, "glissile")
    assert workflow.used_model(study) is None
    with pytest.raises(InputError, match="no trained model yet"):
        workflow.model_folder(study)


def test_a_read_only_experiment_keeps_its_models(study):
    other = Experiment.open(study.folder, read_only=True)
    for refused in (
        lambda: workflow.delete_model(other, "glissile"),
        lambda: workflow.rename_model(other, "glissile", "b"),
        lambda: workflow.choose_model(other, "glissile"),
        lambda: next(workflow.train(other)),
    ):
        with pytest.raises(InputError, match="opened for reading only"):
            refused()
    assert names(study) == ["glissile"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("glissile-2", "glissile-2"), ("8.4 μm", "8.4 μm"), ("a/b\\c:d", "a-b-c-d"), ("con", "model con"),
        ("COM1.old", "model COM1.old"), ("...", "model"), (" x. ", "x"), ("", "model"), ("n" * 99, "n" * 60),
    ],
)  # fmt: skip
def test_names_are_possible_on_every_system(text, name):
    assert possible_name(text) == name
    assert possible_name(name) == name


def test_the_comparison_is_printed_with_what_copying_scores(study, capsys):
    train(study, seed=1)
    console.print_models(workflow.compared_models(study))
    printed = capsys.readouterr().out
    assert re.search(r"^\* glissile-2: trained 20[-\d]+ [:\d]+ in \d+ s, recipe glissile, 4 ", printed, re.M)
    number = r"(?:\d\.\d{3}|-)"
    scores = rf"F {number} \(copied {number}\), F \(2 px\) {number} \(copied {number}\), area error "
    assert len(re.findall(rf"^    stacking fault: {scores}", printed, re.M)) == 2


def test_trainings_wait_in_the_experiment(study):
    recipes = (QUICK.model_copy(update={"seed": 1}), QUICK.model_copy(update={"minutes": 2.5, "crop_px": 64}))
    for recipe in recipes:
        workflow.queue_training(study, recipe)
    study.close()
    with Experiment.open(study.folder) as again:
        assert workflow.waiting_trainings(again) == recipes
        workflow.unqueue_training(again, 0)
        assert workflow.waiting_trainings(again) == recipes[1:]


def test_settings_of_a_model_from_before_some_of_them_are_as_they_were(study):
    """Chosen, an earlier model counts as trained, and it can be gone on from."""
    settings = ("held_out", "thinning", "local_contrast_px", "patience_epochs", "references")
    then = QUICK.model_copy(update={"thinning": 0, "local_contrast_px": 0, "references": 0})
    train(study, **then.model_dump(include=set(settings)))
    name = workflow.used_model(study).folder.name
    file = study.models_folder / name / "model.json"
    card = json.loads(file.read_text())
    for setting in settings:
        del card["recipe"][setting]
    file.write_text(json.dumps(card))
    study.save_settings("train", QUICK)
    workflow.choose_model(study, name)
    assert study.settings("train", Recipe) == then
    assert trained_identity(read_card(file.parent)) == identity(card["data_hash"], then)
