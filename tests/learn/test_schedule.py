import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from glissile.learn.schedule import Plan, Plateau, one_cycle, steps_within


def test_one_cycle_rises_to_the_full_rate_and_falls_to_nothing():
    shares = [one_cycle(p) for p in np.linspace(0, 1, 1001)]
    top = int(np.argmax(shares))
    assert shares[0] == pytest.approx(0.05)
    assert shares[top] == pytest.approx(1)
    assert top == 150
    assert shares[-1] == pytest.approx(0)
    assert np.all(np.diff(shares[: top + 1]) > 0)
    assert np.all(np.diff(shares[top:]) < 0)


@settings(deadline=None)
@given(st.lists(st.floats(0.01, 2, allow_nan=False), min_size=1, max_size=30))
def test_plateau_does_what_that_of_torch_does(losses):
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.1, patience=2, eps=0)
    ours = Plateau()
    for loss in losses:
        theirs.step(loss)
        ours.see(loss)
        assert ours.share == pytest.approx(optimizer.param_groups[0]["lr"])


def stops_of(plan):
    stops = [0]
    while stops[-1] < plan.steps:
        stops.append(min(plan.stop_after(stops[-1]), plan.steps))
    return stops[1:]


@settings(deadline=None)
@given(st.integers(1, 400), st.integers(1, 60), st.integers(1, 8))
def test_stops_end_every_epoch_and_the_training(steps, per_epoch, validations):
    plan = Plan(steps, per_epoch, validations)
    stops = stops_of(plan)
    assert set(range(per_epoch, steps + 1, per_epoch)) <= set(stops)
    assert all(1 <= plan.epoch_of(s) <= plan.epochs for s in stops)
    assert plan.epoch_of(steps) == plan.epochs
    # From wherever it is asked, the next stop is the same.
    following = [min(plan.stop_after(step), steps) for step in range(steps)]
    assert following == [next(s for s in stops if s > step) for step in range(steps)]


def test_four_validations_an_epoch():
    assert stops_of(Plan(20, 10, 4)) == [3, 5, 8, 10, 13, 15, 18, 20]


def test_a_budget_holds_steps_and_looks():
    plan = Plan(1, 10, 1)
    steps = steps_within(60, step_s=0.1, look_s=1, plan=plan)
    assert steps * 0.1 + steps / 10 * 1 == pytest.approx(60, rel=0.01)
    assert steps_within(-5, step_s=0.1, look_s=1, plan=plan) == 0
