"""Trainings that go on from the weights of an earlier model."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from drawings import job_of, small_recipe

from glissile.defects import DEFAULT_CLASSES, DefectClass
from glissile.errors import InputError
from glissile.io.checkpoint import load_model, read_card, save_model
from glissile.io.model_card import Architecture, Normalisation
from glissile.learn.fine_tuning import begun_from, shortened
from glissile.learn.recipes import Recipe
from glissile.learn.references import without_references
from glissile.learn.train import train
from glissile.learn.unet import build
from glissile.progress import finish

NETWORK = Architecture(
    kind="residual", outputs=3, widths=(8, 12, 16), stem=2, local_contrast_px=8, references=2
)
TWIN = DefectClass(value=7, name="twin", color="#000000")


@pytest.fixture(scope="module")
def parent(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "first"
    finish(train(job_of(folder, n=9, epochs=2)))
    return folder


def begin(folder, classes=DEFAULT_CLASSES, **changes):
    network = NETWORK.model_copy(update={"outputs": len(classes) + 1, **changes})
    return begun_from(folder, network, Normalisation(), classes, seed=3)


def rows(weights, index):
    """What the head of the network computes class `index` with: 2 x 2 pixels of each class."""
    return weights["head.weight"][4 * index : 4 * index + 4], weights["head.bias"][4 * index : 4 * index + 4]


def test_the_weights_are_taken_over(parent):
    weights, begun = begin(parent)
    tensors, card = load_model(parent)
    theirs = without_references(tensors)
    assert weights.keys() == theirs.keys()
    assert all(torch.equal(weights[name], theirs[name]) for name in theirs)
    assert (begun.name, begun.weights_sha256) == ("first", card.weights_sha256)
    assert begun.learned == card.frames.training


def test_a_calibration_that_is_part_of_the_weights_is_taken_off(parent, tmp_path):
    theirs, card = load_model(parent)
    save_model(tmp_path, theirs, card.model_copy(update={"logit_offsets": (0.0, 0.5, -1.5)}))
    weights, _ = begin(tmp_path)
    offsets = torch.tensor(np.repeat(np.float32([0, 0.5, -1.5]), 4))
    assert torch.equal(weights.pop("head.bias"), theirs.pop("head.bias") - offsets)
    assert all(torch.equal(weights[name], theirs[name]) for name in theirs.keys() & weights.keys())


def test_a_model_that_never_looked_at_labelled_frames_can_learn_to(parent, tmp_path):
    tensors, card = load_model(parent)
    alone = {n: t for n, t in without_references(tensors).items() if not n.startswith("beside.")}
    before = card.architecture.model_copy(update={"references": 0})
    save_model(tmp_path, alone, card.model_copy(update={"architecture": before}))
    weights, _ = begin(tmp_path)
    fresh = build(NETWORK, seed=3).state_dict()
    assert weights.keys() == fresh.keys()
    assert all(torch.equal(weights[n], (alone if n in alone else fresh)[n]) for n in weights)


def test_classes_begin_as_the_model_draws_them_wherever_they_stand_now(parent):
    as_it_was, _ = begin(parent)
    line, fault = DEFAULT_CLASSES
    weights, _ = begin(parent, (TWIN, fault, line))
    for new, old in ((0, 0), (2, 2), (3, 1)):
        for ours, theirs in zip(rows(weights, new), rows(as_it_was, old), strict=True):
            assert torch.equal(ours, theirs)
    assert not any(torch.equal(rows(weights, 1)[0], rows(as_it_was, old)[0]) for old in range(3))


def test_a_class_that_was_renamed_is_known_by_its_value(parent):
    line, fault = DEFAULT_CLASSES
    weights, _ = begin(parent, (line.model_copy(update={"name": "perfect dislocation"}), fault))
    as_it_was, _ = begin(parent)
    assert torch.equal(weights["head.weight"], as_it_was["head.weight"])


@pytest.mark.parametrize("changes", [{"widths": (8, 12)}, {"kind": "ronneberger"}, {"stem": 1}])
def test_another_network_is_refused_in_one_sentence(parent, changes):
    with pytest.raises(InputError, match=r"^first: this model is residual 8-12-16, stem 2") as caught:
        begin(parent, **changes)
    assert "\n" not in str(caught.value)


def test_another_grey_range_is_refused(parent):
    with pytest.raises(InputError, match="grey range full range"):
        begun_from(parent, NETWORK, Normalisation(kind="full range"), DEFAULT_CLASSES, seed=0)


def test_no_model_is_said(tmp_path):
    with pytest.raises(InputError, match="no trained model here"):
        next(train(job_of(tmp_path / "new", start=tmp_path / "nothing")))


def test_it_is_a_quarter_as_long_and_gentler():
    recipe = Recipe(epochs=40, minutes=10, learning_rate=3e-3)
    short = shortened(recipe)
    assert (short.epochs, short.minutes) == (10, 2.5)
    assert short.learning_rate == pytest.approx(1e-3)
    assert shortened(Recipe(epochs=1)).epochs == 1
    kept = {"epochs", "minutes", "learning_rate"}
    assert short.model_dump(exclude=kept) == recipe.model_dump(exclude=kept)


def test_the_card_tells_the_whole_line_of_models(parent, tmp_path):
    steps = []
    second = finish(
        train(job_of(tmp_path / "second", n=8, epochs=8, start=parent, validation=(2,))), steps.append
    )
    assert len(steps) == 2
    assert second.parent.name == "first"
    assert second.recipe["epochs"] == 8  # as asked for: the next one is a quarter of that, too
    assert read_card(tmp_path / "second").parent == second.parent
    third = finish(train(job_of(tmp_path / "third", n=3, epochs=4, start=tmp_path / "second")))
    assert third.parent.weights_sha256 == second.weights_sha256
    assert third.learned == {0, 10, 30, 40, 50, 60, 70, 80}


def test_it_begins_better_than_from_nothing(parent, tmp_path):
    anew = next(train(job_of(tmp_path / "anew", epochs=4))).metrics["validation_loss"]
    on = next(train(job_of(tmp_path / "on", epochs=4, start=parent))).metrics["validation_loss"]
    assert on < anew


def test_it_resumes_as_if_never_stopped_and_from_its_own_beginning_only(parent, tmp_path):
    finish(train(job_of(tmp_path / "whole", epochs=12, start=parent)))
    steps = train(job_of(tmp_path / "parts", epochs=12, start=parent))
    next(steps)
    steps.close()
    with pytest.raises(InputError, match="the model that the training begins from changed"):
        next(train(job_of(tmp_path / "parts", epochs=12, resume=True)))
    finish(train(job_of(tmp_path / "parts", epochs=12, start=parent, resume=True)))
    whole, parts = (load_model(tmp_path / name)[0] for name in ("whole", "parts"))
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_a_card_without_a_parent_is_read(parent):
    assert read_card(parent).parent is None
    assert '"parent":null' in (parent / "model.json").read_text(encoding="utf-8").replace(" ", "")
    text = (parent / "model.json").read_text(encoding="utf-8").replace('  "parent": null,\n', "")
    (parent / "model.json").write_text(text, encoding="utf-8")
    assert read_card(parent).parent is None


def test_weights_of_something_else_are_refused(parent, tmp_path, monkeypatch):
    weights, card = load_model(parent)
    del weights["head.bias"]
    monkeypatch.setattr("glissile.learn.fine_tuning.load_model", lambda folder: (weights, card))
    with pytest.raises(InputError, match="do not fit the network"):
        begin(parent)


def test_the_recipe_of_a_job_is_kept_as_asked(parent, tmp_path):
    job = replace(job_of(tmp_path), recipe=small_recipe(epochs=4), start=parent)
    assert finish(train(job)).recipe == job.recipe.model_dump(mode="json")


def test_classes_of_a_published_network_in_another_order(tmp_path):
    finish(train(job_of(tmp_path / "first", n=3, epochs=1, network="ronneberger")))
    theirs, card = load_model(tmp_path / "first")
    assert card.architecture.kind == "ronneberger"
    assert card.architecture.stem == 2  # which this network does without
    swapped = tuple(c.model_copy(update={"value": 3 - c.value}) for c in reversed(DEFAULT_CLASSES))
    weights, _ = begun_from(tmp_path / "first", card.architecture, card.normalisation, swapped, seed=3)
    for name in ("head.weight", "head.bias"):
        assert torch.equal(weights[name], theirs[name][[0, 2, 1]])
    fewer = card.architecture.model_copy(update={"outputs": 2})
    weights, _ = begun_from(tmp_path / "first", fewer, card.normalisation, DEFAULT_CLASSES[1:], seed=3)
    assert torch.equal(weights["head.bias"], theirs["head.bias"][[0, 2]])
