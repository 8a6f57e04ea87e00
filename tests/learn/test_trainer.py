import numpy as np
import pytest
import torch
from drawings import drawings, small_recipe

from glissile.io.model_card import Architecture
from glissile.learn import losses
from glissile.learn.losses import dice_loss
from glissile.learn.patches import Batch
from glissile.learn.schedule import Plateau
from glissile.learn.trainer import Trainer

CPU = torch.device("cpu")


def trainer(**changes):
    recipe = small_recipe(**changes)
    return Trainer(Architecture(kind=recipe.network, outputs=3, widths=(4, 6), stem=1), recipe, CPU)


def batch():
    frames, masks = drawings(2)
    return Batch(frames[:, None].astype(np.float32) / 255, masks.astype(np.int64))


@pytest.mark.parametrize("changes", [{}, {"optimizer": "rmsprop", "schedule": "plateau", "average": 0}])
def test_a_restored_trainer_goes_on_as_the_first(changes):
    first, second = trainer(**changes), trainer(seed=9, **changes)
    for step in range(3):
        first.learn(batch(), step=step, steps=10)
    first.plateau.see(1.0)
    first.plateau.see(2.0)
    second.restore(*first.state())
    assert second.plateau == first.plateau == Plateau(best=1.0, waited=1)
    losses = [float(t.learn(batch(), step=3, steps=10)) for t in (first, second)]
    assert losses[0] == losses[1]
    for name, weights in first.kept_weights().items():
        assert torch.equal(weights, second.kept_weights()[name])


def test_a_state_does_not_change_with_later_steps():
    t = trainer()
    t.learn(batch(), step=0, steps=10)
    tensors, _ = t.state()
    before = {name: value.clone() for name, value in tensors.items()}
    t.learn(batch(), step=1, steps=10)
    assert all(torch.equal(before[name], tensors[name]) for name in before)


def test_the_average_lags_behind_the_weights():
    t = trainer(average=0.9)
    start = t.kept_weights()["head.weight"]
    for step in range(20):
        t.learn(batch(), step=step, steps=40)
    own = t.network.state_dict()["head.weight"]
    kept = t.kept_weights()["head.weight"]
    assert 0 < float((kept - own).norm()) < float((start - own).norm())


def test_without_an_average_the_weights_themselves_are_kept():
    t = trainer(average=0)
    t.learn(batch(), step=0, steps=10)
    assert torch.equal(t.kept_weights()["head.weight"], t.network.state_dict()["head.weight"])


def test_looking_leaves_no_trace():
    t = trainer(average=0)
    before = t.kept_weights()
    t.logits(batch().frames[0])
    assert all(torch.equal(before[name], value) for name, value in t.kept_weights().items())


def test_the_plateau_lowers_the_rate():
    t = trainer(optimizer="rmsprop", schedule="plateau", average=0)
    t.plateau = Plateau(share=1e-9)
    before = t.kept_weights()["head.weight"]
    t.learn(batch(), step=0, steps=10)
    torch.testing.assert_close(t.kept_weights()["head.weight"], before, atol=1e-6, rtol=0)


@pytest.fixture
def on_card():
    """Make trainers on a graphics card, in single precision: in 16 bits, sums in another order differ."""
    if not torch.cuda.is_available():
        pytest.skip("needs an NVIDIA card with a CUDA build of torch")

    def _on_card():
        recipe = small_recipe(reduced_precision=False)
        architecture = Architecture(
            kind=recipe.network, outputs=3, widths=(4, 6), stem=1, local_contrast_px=4, references=1
        )
        return Trainer(architecture, recipe, torch.device("cuda"))

    return _on_card


def with_labels_beside():
    own = batch()
    return Batch(np.concatenate([own.frames, own.frames[::-1], own.frames, own.frames], axis=1), own.truth)


def test_replayed_steps_are_those_of_the_first_recording(on_card):
    replayed, plain = on_card(), on_card()
    plain._replayed = None
    for step, each in enumerate([batch(), with_labels_beside(), batch(), with_labels_beside()] * 3):
        losses = [t.learn(each, step=step, steps=12) for t in (replayed, plain)]
        assert losses[0] == pytest.approx(losses[1], rel=1e-3)
    for name, weights in plain.kept_weights().items():
        torch.testing.assert_close(replayed.kept_weights()[name], weights, rtol=0.1, atol=0.02)


def test_a_replayed_step_without_a_finite_loss_changes_nothing(on_card):
    t = on_card()
    for step in range(3):
        t.learn(batch(), step=step, steps=10)
    before, _ = t.state()
    broken = batch()
    broken.frames[0, 0, 0, 0] = np.nan
    assert np.isnan(t.learn(broken, step=3, steps=10))
    after, _ = t.state()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert np.isfinite(t.learn(batch(), step=3, steps=10))


def test_recordings_are_given_up_where_a_step_fails(on_card, monkeypatch):
    t = on_card()
    t.learn(batch(), step=0, steps=10)
    with monkeypatch.context() as patch:
        patch.setattr(t._optimizer, "step", lambda: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            t.learn(batch(), step=1, steps=10)
    assert not t._replayed._recordings
    assert np.isfinite(t.learn(batch(), step=1, steps=10))


def test_what_cannot_be_recorded_is_done_without(on_card, monkeypatch):
    t = on_card()
    monkeypatch.setattr(
        losses, "dice_loss", lambda p, truth, over: dice_loss(p, truth, over=over) + 0 * p.sum().item()
    )
    assert all(np.isfinite(t.learn(batch(), step=step, steps=10)) for step in range(3))
    assert not t._replayed._recordings
