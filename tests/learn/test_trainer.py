import numpy as np
import pytest
import torch
from drawings import drawings, small_recipe

from glissile.io.checkpoint import Architecture
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
