"""Steps without a finite loss, and trainings that do not get better."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from drawings import drawings, job_of, small_recipe

from glissile.errors import InputError
from glissile.io.checkpoint import load_model
from glissile.io.model_card import Architecture
from glissile.io.tensor_file import read_tensors
from glissile.learn import trainer as trainer_module
from glissile.learn.losses import segmentation_loss
from glissile.learn.patches import Batch
from glissile.learn.train import train
from glissile.learn.trainer import Trainer
from glissile.progress import finish


def batch(spoilt=False):
    frames, masks = drawings(2)
    frames = frames[:, None].astype(np.float32) / 255
    if spoilt:
        frames[0, 0, 3, 4] = np.nan
    return Batch(frames, masks.astype(np.int64))


def same(a, b):
    return a[1] == b[1] and a[0].keys() == b[0].keys() and all(torch.equal(a[0][k], b[0][k]) for k in a[0])


def without_a_gradient(logits, truth, *, dice_over):
    """A finite loss whose gradient is not."""
    return segmentation_loss(logits, truth, dice_over=dice_over) + (0 * logits).sum().abs().sqrt()


@pytest.mark.parametrize("how", ["loss", "gradient"])
@pytest.mark.parametrize("changes", [{}, {"optimizer": "rmsprop", "schedule": "plateau", "average": 0}])
def test_a_step_that_is_not_finite_is_undone(monkeypatch, how, changes):
    recipe = small_recipe(**changes)
    trainer = Trainer(
        Architecture(kind=recipe.network, outputs=3, widths=(4, 6), stem=1), recipe, torch.device("cpu")
    )
    assert np.isfinite(trainer.learn(batch(), step=0, steps=10))
    before = trainer.state()
    with monkeypatch.context() as patch:
        if how == "gradient":
            patch.setattr(trainer_module, "segmentation_loss", without_a_gradient)
        assert np.isnan(trainer.learn(batch(spoilt=how == "loss"), step=1, steps=10))
    assert same(before, trainer.state())
    trainer.learn(batch(), step=2, steps=10)
    assert not same(before, trainer.state())
    assert trainer.is_finite()


def spoil(monkeypatch, spoilt):
    """Spoil the frames of the steps that `spoilt` tells; gives the learning rate of every step."""
    learn = Trainer.learn
    rates = {}

    def half_spoilt(self, batch, *, step, steps):
        if spoilt(step):
            batch.frames[:] = np.inf
        loss = learn(self, batch, step=step, steps=steps)
        rates[step] = self._optimizer.param_groups[0]["lr"]
        return loss

    monkeypatch.setattr(Trainer, "learn", half_spoilt)
    return rates


def run(job):
    steps = []
    card = finish(train(job), steps.append)
    return card, steps


def finite(folder):
    return all(bool(t.isfinite().all()) for t in load_model(folder)[0].values())


def test_one_spoilt_batch_ends_no_training(tmp_path, monkeypatch):
    rates = spoil(monkeypatch, lambda step: step == 7)
    _, steps = run(job_of(tmp_path, epochs=3))
    assert len(rates) == 18
    assert "left out" not in steps[0].message
    assert all(s.message.endswith("; 1 step without a finite loss left out") for s in steps[1:])
    assert all(np.isfinite(s.metrics["loss"]) for s in steps)
    assert finite(tmp_path)


def test_after_several_in_a_row_it_goes_back_and_learns_with_more_care(tmp_path, monkeypatch):
    starts = []
    start_from = Trainer.start_from
    monkeypatch.setattr(
        Trainer, "start_from", lambda self, weights: (starts.append(weights), start_from(self, weights))
    )
    spoilt = range(13, 18)
    rates = spoil(monkeypatch, lambda step: step in spoilt)
    kept = []
    steps = train(job_of(tmp_path, epochs=5, least_epoch_steps=6, schedule="plateau"))
    for step in steps:
        if step.index == 12:
            tensors, _ = read_tensors(tmp_path / "checkpoint.safetensors")
            kept = {n.removeprefix("best."): t for n, t in tensors.items() if n.startswith("best.")}
        last = step
    (start,) = starts
    assert all(torch.equal(start[name], kept[name]) for name in kept)
    before, after = [{rates[s] for s in part} for part in (range(13), range(18, 30))]
    assert min(before) == pytest.approx(10 * max(after))
    assert "5 steps without a finite loss left out" in last.message
    assert "1/10 of the learning rate" in last.message
    assert finite(tmp_path)


def test_a_training_that_diverges_for_good_is_one_sentence(tmp_path, monkeypatch):
    rates = spoil(monkeypatch, lambda step: step > 2)
    with pytest.raises(InputError, match=r"diverged in epoch .*rate than 0\.01") as caught:
        run(job_of(tmp_path, epochs=50))
    assert "\n" not in str(caught.value)
    assert len(rates) == 3 + 15  # three times five in a row
    assert not (tmp_path / "model.safetensors").exists()


def test_weights_that_are_not_finite_are_never_kept(tmp_path, monkeypatch):
    learn = Trainer.learn

    def explode(self, batch, *, step, steps):
        loss = learn(self, batch, step=step, steps=steps)
        if step == 9:
            with torch.no_grad():
                next(self.network.parameters()).fill_(torch.inf)
                next(self.kept.parameters()).fill_(torch.inf)
        return loss

    monkeypatch.setattr(Trainer, "learn", explode)
    steps = train(job_of(tmp_path, epochs=4))
    for step in steps:
        tensors, _ = read_tensors(tmp_path / "checkpoint.safetensors")
        assert all(bool(t.isfinite().all()) for t in tensors.values())
        last = step
    assert "went back" in last.message
    assert finite(tmp_path)


def test_what_was_undone_survives_a_resume(tmp_path, monkeypatch):
    rates = spoil(monkeypatch, lambda step: step in (1, 2, 3, 4, 5, 8))
    whole = run(job_of(tmp_path / "whole", epochs=3))[1]
    expected = dict(rates)
    steps = train(job_of(tmp_path / "parts", epochs=3))
    next(steps)
    steps.close()
    rates.clear()
    resumed = run(job_of(tmp_path / "parts", epochs=3, resume=True))[1]
    assert rates == {step: rate for step, rate in expected.items() if step >= 6}
    ends = [s.message.partition(";")[2] for s in (*whole, *resumed)]
    assert ends[1:3] == ends[3:]
    assert "6 steps" in ends[-1]
    one, other = (load_model(tmp_path / name)[0] for name in ("whole", "parts"))
    assert all(torch.equal(one[key], other[key]) for key in one)


# ---------------------------------------------------------------------------------------------------------
# patience


@pytest.fixture
def ruined(monkeypatch):
    """Let a network forget everything after its second epoch of six steps."""
    learn = Trainer.learn

    def learn_then_ruin(self, batch, *, step, steps):
        loss = learn(self, batch, step=step, steps=steps)
        if step >= 12:
            with torch.no_grad():
                for weights in self.kept.parameters():
                    weights.zero_()
        return loss

    monkeypatch.setattr(Trainer, "learn", learn_then_ruin)


@pytest.mark.parametrize(("patience", "epochs"), [(None, 9), (2, 4), (3, 5)])
def test_it_ends_when_nothing_gets_better(tmp_path, ruined, patience, epochs):
    job = job_of(tmp_path, epochs=9, patience_epochs=patience, learning_rate=3e-2)
    card, steps = run(job)
    best = max(range(2), key=lambda i: quality(steps[i])) + 1
    assert card.epochs == best
    assert len(steps) == (9 if patience is None else best + patience)
    assert len(steps) in (epochs, epochs - 1)
    assert steps[-1].index == steps[-1].total
    assert steps[-1].message.endswith(f"as {patience} epochs brought nothing better") is (
        patience is not None
    )
    assert all("brought nothing" not in step.message for step in steps[:-1])


def quality(step):
    return sum(value for name, value in step.metrics.items() if "f_" in name)


def test_patience_needs_a_holdout(tmp_path):
    _, steps = run(job_of(tmp_path, validation=(), epochs=3, patience_epochs=1))
    assert len(steps) == 3


def test_a_training_that_has_ended_early_does_not_go_on_when_resumed(tmp_path, ruined, talkative):
    job = job_of(tmp_path, epochs=9, patience_epochs=1, learning_rate=3e-2)
    steps = train(job)
    for step in steps:
        if "nothing better" in step.message:
            break
    next(steps)  # in the midst of the calibration
    steps.close()
    told = run(job_of(tmp_path, epochs=9, patience_epochs=1, learning_rate=3e-2, resume=True))[1]
    assert {s.index for s in told} == {step.index}
    assert all(a.message == b.message for a, b in pairwise(told))
