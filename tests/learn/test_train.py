import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from drawings import drawings, job_of

from glissile.defects import DEFAULT_CLASSES, DefectClass
from glissile.errors import InputError
from glissile.io.checkpoint import load_model, read_card
from glissile.learn import train as train_module
from glissile.learn.identity import trained_identity
from glissile.learn.recipes import recipe_named
from glissile.learn.reliability import read_reliability
from glissile.learn.stopwatch import Stopwatch
from glissile.learn.train import Preview, Stop, TrainingJob, train
from glissile.learn.trainer import Trainer
from glissile.progress import finish
from glissile.segment.predict import Predictor
from glissile.segment.settings import SegmentSettings


def run(job, on_step=None):
    steps = []
    card = finish(train(job), lambda s: (steps.append(s), on_step(s) if on_step else None))
    return card, steps


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """A network that was trained for long enough to know the drawings."""
    folder = tmp_path_factory.mktemp("learned")
    return run(job_of(folder, n=10, validation=(2, 7), epochs=8, least_epoch_steps=15, most_epoch_steps=15))


def test_it_learns(learned):
    card, steps = learned
    untrained = steps[0].metrics
    for key in ("dislocation", "stacking_fault"):
        score = card.scores["holdout"][key]
        assert score["f"] > 0.8, card.scores
        assert score["tolerant_f"] > 0.95, card.scores
        assert score["f"] > card.scores["copy_nearest"][key]["f"] + 0.3
        assert abs(score["area_error"]) < 0.25
    assert steps[-1].metrics["loss"] < 0.3 * untrained["loss"]


def test_steps_tell_what_a_dock_shows(learned):
    _, steps = learned
    assert [s.index for s in steps] == list(range(15, 121, 15))
    assert {s.total for s in steps} == {120}
    names = {"epoch", "loss", "validation_loss", "seconds_left"}
    names |= {f"{m}_{k}" for m in ("f", "tolerant_f") for k in ("dislocation", "stacking_fault")}
    assert all(set(s.metrics) == names for s in steps)
    assert steps[0].message.startswith("Training on CPU (")
    assert "epoch 3 of 8" in steps[2].message
    assert steps[-1].metrics["seconds_left"] > 0  # the end is to come


def test_areas_are_calibrated_on_the_training_frames(tmp_path):
    job = job_of(tmp_path, epochs=3, least_epoch_steps=12, most_epoch_steps=12)
    card, _ = run(job)
    assert max(card.calibration.thinning) > 0.1  # there was something to calibrate
    predicted = np.stack(Predictor(tmp_path, SegmentSettings(device="cpu")).masks(job.frames))
    training = [i for i in range(6) if i not in job.validation]
    for value in (1, 2):
        areas = [int((masks[training] == value).sum()) for masks in (predicted, job.masks)]
        assert areas[0] == pytest.approx(areas[1], rel=0.03)


def test_the_card_tells_where_it_came_from(learned):
    card, _ = learned
    assert card.frames.training == (0, 10, 30, 40, 50, 60, 80, 90)
    assert card.frames.validation == (20, 70)
    assert card.recipe["name"] == "glissile"
    assert card.classes == DEFAULT_CLASSES
    assert len(card.calibration.offsets) == 3
    assert card.seconds > 0
    assert card.versions["torch"] == torch.__version__
    assert card.scores_note.startswith("Scores between the labels: on 2 frames held out")
    assert card.held_out == "between"


def test_the_frames_are_scored_one_by_one_in_a_table_beside_the_model(tmp_path):
    card, _ = run(job_of(tmp_path, validation=(2, 4), epochs=2))
    table = pd.read_csv(tmp_path / "scores.csv")
    assert list(table["frame"]) == [20, 20, 40, 40]
    for key in ("dislocation", "stacking_fault"):
        rows = table[table["class"] == key]
        for start, subject in (("", "holdout"), ("copy_", "copy_nearest")):
            score = card.scores[subject][key]
            assert rows[f"{start}predicted_px"].sum() == score["predicted_px"]
            lengths = rows[f"{start}predicted_length_px"].sum(), rows["truth_length_px"].sum()
            assert lengths[0] / lengths[1] - 1 == pytest.approx(score["length_error"])
    assert 0 < card.mean_dice["copy_nearest"] < 1
    assert 0 < card.mean_dice["holdout"] < 1
    run(job_of(tmp_path, validation=(), epochs=1))
    assert not (tmp_path / "scores.csv").exists()  # it would be of another model


def test_held_out_beyond_is_said(tmp_path):
    card, _ = run(job_of(tmp_path, validation=(4, 5), epochs=1, held_out="beyond"))
    assert card.held_out == "beyond"
    assert card.scores_note.startswith("Scores beyond the labels: on 2 frames from number 40 on")
    assert read_card(tmp_path) == card


def test_a_card_from_before_there_was_a_choice_is_that_of_scores_between(tmp_path):
    card, _ = run(job_of(tmp_path, epochs=1))
    wanted = trained_identity(card)
    text = json.loads((tmp_path / "model.json").read_text(encoding="utf-8"))
    del text["recipe"]["held_out"], text["recipe"]["patience_epochs"], text["mean_dice"]
    for by_class in text["scores"].values():
        for numbers in by_class.values():
            for name in ("length_error", "predicted_length_px", "truth_length_px"):
                del numbers[name]
    (tmp_path / "model.json").write_text(json.dumps(text), encoding="utf-8")
    old = read_card(tmp_path)
    assert (old.held_out, old.mean_dice) == ("between", {})
    assert trained_identity(old) == wanted  # so it is not trained again


def test_the_same_seed_gives_the_same_network(tmp_path):
    weights = []
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        run(job_of(tmp_path / name, epochs=2, seed=seed))
        weights.append(load_model(tmp_path / name)[0])
    assert all(torch.equal(weights[0][k], weights[1][k]) for k in weights[0])
    assert not all(torch.equal(weights[0][k], weights[2][k]) for k in weights[0])


def test_global_random_numbers_are_left_alone(tmp_path):
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    run(job_of(tmp_path, epochs=1))
    assert torch.equal(before[0], torch.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])  # noqa: NPY002


def test_the_previews_are_masks_of_the_frame_asked_for(tmp_path):
    frames, _ = drawings(2, seed=9, size=70)
    steps = train(job_of(tmp_path, epochs=3, preview=Preview(frames[0][:50], 5)))
    first = next(steps)
    assert first.frame == 5
    assert first.preview.shape == (50, 70)
    assert first.preview.dtype == np.uint8
    second = steps.send(Preview(frames[1], 8))
    assert (second.frame, second.preview.shape) == (8, (70, 70))
    assert next(steps).frame == 8
    steps.close()


def test_stop_keeps_the_best_so_far(tmp_path):
    steps = train(job_of(tmp_path, epochs=5))
    next(steps)
    with pytest.raises(StopIteration) as stopped:
        steps.send(Stop())
    assert stopped.value.value.epochs == 1
    assert read_card(tmp_path) == stopped.value.value
    assert not (tmp_path / "checkpoint.safetensors").exists()


@pytest.mark.parametrize("after", [0, 1, 3, 6])
def test_stop_takes_effect_within_a_step_and_looks_at_what_was_learned(tmp_path, talkative, after):
    steps = train(job_of(tmp_path, epochs=50, minutes=1 if after == 0 else None))
    step = next(steps)
    while step.index < after:
        step = next(steps)
    told = [steps.send(Stop())]
    card = finish(steps, told.append)
    learned = max(after, 1)
    assert {s.index for s in told if "validation_loss" in s.metrics} == {learned}
    assert (told[-1].index, told[-1].total) == (learned, learned)
    assert told[-1].message.endswith("; stopped as asked")
    assert card.epochs == 1
    assert (tmp_path / "model.safetensors").exists()


def test_a_training_that_is_asked_to_stop_at_its_end_resumes_as_it_was(tmp_path, talkative):
    finish(train(job_of(tmp_path / "whole", epochs=2)))
    steps = train(job_of(tmp_path / "cut", epochs=2))
    for step in steps:
        if "scoring" in step.message:
            break
    steps.send(Stop())
    steps.close()
    finish(train(job_of(tmp_path / "cut", epochs=2, resume=True)))
    whole, cut = (load_model(tmp_path / name)[0] for name in ("whole", "cut"))
    assert all(torch.equal(whole[name], cut[name]) for name in whole)


def test_another_preview_is_shown_at_once(tmp_path, talkative):
    frames, _ = drawings(2, seed=9)
    steps = train(job_of(tmp_path, epochs=3, preview=Preview(frames[0], 5)))
    assert next(steps).preview is None
    step = steps.send(Preview(frames[1], 8))
    assert step.frame == 8
    assert step.preview.shape == (64, 64)
    assert next(steps).preview is None
    steps.close()


def test_long_epochs_have_points_of_their_own(tmp_path, talkative, monkeypatch):
    monkeypatch.setattr(train_module, "_POINT_EVERY_S", 0.0)
    _, steps = run(job_of(tmp_path, epochs=2))
    points = [s for s in steps if "loss" in s.metrics]
    assert {s.index for s in points} == set(range(1, 13))
    assert all(s.metrics["epoch"] == pytest.approx(s.index / 6) for s in points)
    assert all(np.isfinite(s.metrics["loss"]) for s in points)


def test_steps_are_told_of_at_most_every_half_second(tmp_path, monkeypatch):
    now = [0.0]

    class Time:
        @staticmethod
        def monotonic():
            return now[0]

    def learn(self, batch, *, step, steps):
        now[0] += 0.2
        return real(self, batch, step=step, steps=steps)

    real = Trainer.learn
    monkeypatch.setattr(train_module, "_TELL_EVERY_S", 0.5)
    monkeypatch.setattr(train_module, "time", Time)
    monkeypatch.setattr(Trainer, "learn", learn)
    _, steps = run(job_of(tmp_path, epochs=2, least_epoch_steps=10, most_epoch_steps=10))
    assert [s.index for s in steps] == [3, 6, 9, 10, 13, 16, 19, 20]


def test_the_best_epoch_is_kept_not_the_last(tmp_path, monkeypatch):
    ruined = []

    def learn_then_ruin(self, batch, *, step, steps):
        loss = learn(self, batch, step=step, steps=steps)
        if step >= 24:
            with torch.no_grad():
                for weights in self.kept.parameters():
                    weights.zero_()
            ruined.append(step)
        return loss

    learn = Trainer.learn
    monkeypatch.setattr(Trainer, "learn", learn_then_ruin)
    card, steps = run(job_of(tmp_path, epochs=5, least_epoch_steps=12, most_epoch_steps=12))
    assert ruined
    assert card.epochs <= 2
    best = max(s.metrics["f_dislocation"] + s.metrics["f_stacking_fault"] for s in steps)
    assert best > 0
    assert sum(card.scores["holdout"][k]["predicted_px"] for k in ("dislocation", "stacking_fault")) > 0


@pytest.mark.parametrize("n", [1, 2])
def test_one_or_two_labelled_frames_train_without_scores(tmp_path, n):
    card, steps = run(job_of(tmp_path, n=n, validation=(), epochs=2))
    assert card.scores == {}
    assert "no scores" in card.scores_note
    assert card.epochs == 2
    assert "validation_loss" not in steps[0].metrics


def test_frames_held_out_may_show_no_defect(tmp_path):
    job = job_of(tmp_path, epochs=2, validation=(2, 3))
    job.masks[2:4] = 0
    card, steps = run(job)
    assert np.isfinite(steps[-1].metrics["loss"])
    assert card.scores["holdout"]["dislocation"]["truth_px"] == 0


def test_a_class_that_is_never_painted_stays_empty(tmp_path):
    classes = (*DEFAULT_CLASSES, DefectClass(value=9, name="twin", color="#000000"))
    card, _ = run(job_of(tmp_path, classes=classes, epochs=6, least_epoch_steps=12, most_epoch_steps=12))
    assert card.scores["holdout"]["twin"]["f"] is None
    assert card.scores["holdout"]["dislocation"]["f"] > 0.3


@pytest.mark.parametrize("dtype", ["uint16", ">i2", "float32"])
def test_pixel_types(tmp_path, dtype):
    frames, _ = drawings(6)
    card, _ = run(job_of(tmp_path, frames=frames.astype(dtype), epochs=1))
    assert card.epochs == 1


def test_large_frames_are_learned_from_crops(tmp_path):
    frames, masks = drawings(3, size=150)
    card, _ = run(job_of(tmp_path, frames=frames, masks=masks, frame_numbers=(0, 1, 2), crop_px=64, epochs=1))
    assert card.epochs == 1


def test_a_training_of_so_many_minutes_leaves_the_model_and_no_working_files(tmp_path):
    run(job_of(tmp_path, minutes=0.02))
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "model.json",
        "model.safetensors",
        "reliability.csv",
        "scores.csv",
    ]


def test_what_is_timed_first_leaves_no_trace_in_the_network(tmp_path, monkeypatch):
    monkeypatch.setattr(Stopwatch, "fitted", lambda self, plan, step: replace(plan, steps=12))
    run(job_of(tmp_path / "timed", minutes=1))
    monkeypatch.undo()
    run(job_of(tmp_path / "counted", epochs=2))
    timed, counted = load_model(tmp_path / "timed")[0], load_model(tmp_path / "counted")[0]
    assert all(torch.equal(timed[k], counted[k]) for k in timed)


def test_divergence_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(Trainer, "learn", lambda self, batch, *, step, steps: torch.tensor(float("nan")))
    with pytest.raises(InputError, match="smaller learning rate"):
        finish(train(job_of(tmp_path)))
    assert not (tmp_path / "model.safetensors").exists()


def test_the_published_recipe_runs(tmp_path):
    recipe = recipe_named("tanaka2025", widths=(4, 8, 16), epochs=2, device="cpu", learning_rate=1e-3)
    frames, masks = drawings(6)
    job = TrainingJob(frames, masks, tuple(range(6)), DEFAULT_CLASSES, recipe, tmp_path, (2,))
    card, steps = run(job)
    assert len(steps) == 8  # four looks at the hold-out in each of two epochs
    assert card.normalisation.kind == "full range"
    assert card.calibration is None
    np.testing.assert_allclose([s.metrics["epoch"] for s in steps], [0.4, 0.6, 0.8, 1, 1.4, 1.6, 1.8, 2])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA card with a CUDA build of torch")
def test_it_learns_on_cuda(tmp_path):
    card, steps = run(
        job_of(
            tmp_path,
            n=10,
            validation=(2, 7),
            epochs=8,
            least_epoch_steps=15,
            most_epoch_steps=15,
            device="cuda",
        )
    )
    assert "GB)" in steps[0].message
    assert card.scores["holdout"]["dislocation"]["f"] > 0.8


def test_what_is_not_valid_has_no_part_in_the_network_its_scores_and_previews(tmp_path):
    frames, masks = drawings(9)
    part = slice(0, 50), slice(9, 64)
    other_frames, other_masks = frames.copy(), masks.copy()
    other_frames[:, 50:], other_masks[:, 50:] = 255, 1
    other_frames[:, :, :9], other_masks[:, :, :9] = 255, 2
    cards, previews = [], []
    for name, f, m in (("one", frames, masks), ("other", other_frames, other_masks)):
        job = job_of(
            tmp_path / name, frames=f, masks=m, n=9, valid=(part,) * 9, preview=Preview(f[2], 2, part)
        )
        cards.append(finish(train(job), lambda step: previews.append(step.preview)))
    one, other = (load_model(tmp_path / name)[0] for name in ("one", "other"))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert cards[0].scores == cards[1].scores
    assert cards[0].scores["holdout"]["dislocation"]["truth_px"] == np.count_nonzero(masks[2][part] == 1)
    for one, other in zip(previews[: len(previews) // 2], previews[len(previews) // 2 :], strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.shape == (64, 64)
        assert not one[50:].any()
        assert not one[:, :9].any()


def two_places():
    """Drawings that are alike, six of each of two places."""
    frames, masks = (np.repeat(drawn, 6, axis=0) for drawn in drawings(2))
    noise = np.random.default_rng(0).integers(0, 20, frames.shape, dtype=np.uint8)
    return {"n": 12, "frames": frames // 2 + noise, "masks": masks, "validation": (1, 3, 5)}


def test_a_training_tells_how_sure_the_network_may_be(tmp_path):
    card, _ = run(job_of(tmp_path, **two_places(), epochs=3))
    for certainty in (card.certainty, card.alone_certainty):
        assert 0.1 <= certainty.temperature <= 10
        assert all(factor > 0 for factor in certainty.area_factors)
    table = read_reliability(tmp_path)
    assert set(table["temperature"]) == {1.0, card.certainty.temperature}
    assert table.groupby(["class", "temperature"])["pixels"].sum().tolist() == [3 * 64 * 64] * 4
    assert read_card(tmp_path) == card


def root_mean_square(values):
    return np.sqrt(np.mean(np.square(values)))


@pytest.mark.parametrize("alone", [False, True])
def test_areas_on_the_hold_out_are_uncertain_by_as_much_as_they_are_wrong(tmp_path, alone):
    job = job_of(tmp_path, **two_places(), epochs=8)
    card, _ = run(job)
    assert card.certainty != card.alone_certainty
    predictor = Predictor(tmp_path, SegmentSettings(device="cpu"))
    layers = [predictor.prepared(job.frames[i]) for i in job.validation]
    assert all(len(one) > 1 for one in layers)
    found = predictor.segmented([one[:1] for one in layers] if alone else layers)
    for k, defect in enumerate(card.classes):
        wrong = [
            abs(np.count_nonzero(f.mask == defect.value) - np.count_nonzero(job.masks[i] == defect.value))
            for i, f in zip(job.validation, found, strict=True)
        ]
        told = [f.uncertainty_px[k] for f in found]
        # Folded, the network rounds otherwise, which is worth a pixel or two.
        assert root_mean_square(np.maximum(np.array(wrong) - 2, 0) / told) < 1
        assert root_mean_square((np.array(wrong) + 2) / told) > 1


def test_without_a_hold_out_nothing_is_known_of_certainty(tmp_path):
    run(job_of(tmp_path, **two_places(), epochs=1))
    card, _ = run(job_of(tmp_path, validation=(), epochs=1))
    assert card.certainty is None
    assert card.alone_certainty is None
    assert read_reliability(tmp_path) is None  # it would be of another model


@pytest.mark.parametrize(("size", "widths"), [(16, (4, 6, 8, 8)), (16, (4, 6, 8)), (24, (4, 4, 4, 4, 4))])
def test_frames_that_are_one_pixel_at_the_coarsest_level(tmp_path, size, widths):
    frames, masks = drawings(2, size=size)
    job = job_of(tmp_path, frames=frames, masks=masks, frame_numbers=(0, 1), widths=widths, epochs=1)
    one = replace(job, frames=frames[:1], masks=masks[:1], frame_numbers=(0,), validation=())
    if 2 ** len(widths) >= size:
        with pytest.raises(InputError, match=f"{size} x {size} px, one at a time, are too small"):
            run(one)
    else:
        run(one)
    run(replace(job, validation=()))


def test_a_frame_without_valid_part_is_previewed_empty(tmp_path):
    frames, _ = drawings(1)
    nothing = slice(64, 64), slice(0, 64)
    first = next(train(job_of(tmp_path, epochs=1, preview=Preview(frames[0], 5, nothing))))
    assert first.preview.shape == (64, 64)
    assert not first.preview.any()


@pytest.mark.parametrize(("held_out", "told"), [((2,), "between"), ((4, 5), "beyond"), ((3, 5), "between")])
def test_the_card_says_where_the_frames_held_out_lie(tmp_path, held_out, told):
    card, _ = run(job_of(tmp_path, epochs=1, validation=held_out, held_out="beyond"))
    assert card.held_out == told
    assert card.scores_note.startswith(f"Scores {told} the labels")
    again, _ = run(job_of(tmp_path / "again", epochs=1, n=7, validation=(6,), start=tmp_path))
    assert again.held_out == "beyond"
    learned = job_of(tmp_path / "more", epochs=1, n=7, validation=(3,), start=tmp_path / "again")
    assert run(learned)[0].held_out == "between"
