"""Minutes are wall time for the whole training, whatever else the machine does; the clock is a fake."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
from drawings import job_of

from glissile.learn import training
from glissile.learn.schedule import Plan
from glissile.learn.stopwatch import LEAST_STEPS, Stopwatch
from glissile.learn.train import train
from glissile.learn.trainer import Trainer
from glissile.progress import finish

STEP_S, FRAME_S, WRITE_S, CALIBRATE_S = 0.5, 0.2, 0.3, 0.4


class Clock:
    """Stands still but for `spend`, in which everything takes `load` times as long."""

    def __init__(self, load: Callable[[float], float] = lambda now: 1.0) -> None:
        self.now = 0.0
        self._load = load

    def __call__(self) -> float:
        return self.now

    def spend(self, seconds: float) -> None:
        self.now += seconds * self._load(self.now)


@pytest.fixture
def timed(monkeypatch):
    """Let a training run by a clock on which its parts take known times; gives the progress of its steps."""

    def by(clock: Clock) -> list[float]:
        progress = []

        def costing(function, seconds):
            def spent(*arguments, **options):
                clock.spend(seconds)
                return function(*arguments, **options)

            return spent

        def learn(self, batch, *, step, steps):
            progress.append((step + 1) / steps)
            return real_learn(self, batch, step=step, steps=steps)

        real_learn = Trainer.learn
        monkeypatch.setattr(training, "Stopwatch", partial(Stopwatch, clock=clock))
        monkeypatch.setattr(Trainer, "learn", costing(learn, STEP_S))
        monkeypatch.setattr(Trainer, "logits", costing(Trainer.logits, FRAME_S))
        for name, seconds in (
            ("write_tensors", WRITE_S),
            ("save_model", WRITE_S),
            ("area_offsets", CALIBRATE_S),
        ):
            monkeypatch.setattr(training, name, costing(getattr(training, name), seconds))
        return progress

    return by


LOADS = {
    "alone": lambda now: 1,
    "load comes": lambda now: 1 if now < 25 else 4,
    "load goes": lambda now: 4 if now < 25 else 1,
    "load grows": lambda now: 1 + now / 20,
}


@pytest.mark.parametrize("load", LOADS.values(), ids=LOADS)
@pytest.mark.parametrize("per_epoch", [6, 400])
@pytest.mark.parametrize("validation", [(2,), ()])
def test_the_whole_training_takes_the_minutes_it_was_given(tmp_path, timed, load, per_epoch, validation):
    clock = Clock(load)
    progress = timed(clock)
    job = job_of(
        tmp_path, validation=validation, minutes=1, least_epoch_steps=per_epoch, most_epoch_steps=per_epoch
    )
    card = finish(train(job))
    earliest = 40 if load(0) > load(60) else 51  # what goes faster is believed slowly
    assert earliest < clock.now < 60 + STEP_S * load(60)
    assert card.seconds == pytest.approx(clock.now - WRITE_S * load(60), abs=0.2)  # the card is written last
    assert progress[-1] == pytest.approx(1, abs=0.02)  # so the learning rate has come down


def test_too_short_a_time_still_gives_a_network(tmp_path, timed):
    progress = timed(Clock())
    finish(train(job_of(tmp_path, minutes=0.01)))
    tried = 6  # to find the pace
    assert len(progress) == tried + LEAST_STEPS


def test_a_resumed_training_takes_the_time_that_is_left(tmp_path, timed):
    clock = Clock()
    timed(clock)
    job = job_of(tmp_path, minutes=1)
    steps = train(job)
    for _ in range(5):
        next(steps)
    steps.close()
    clock.now += 1000
    finish(train(replace(job, resume=True)))
    assert 50 < clock.now - 1000 < 60 + STEP_S


def test_the_time_left_is_that_of_steps_and_looks(tmp_path, timed):
    clock = Clock()
    timed(clock)
    left = []
    finish(
        train(job_of(tmp_path, epochs=5)), lambda step: left.append((clock.now, step.metrics["seconds_left"]))
    )
    ends = left[-1][0]
    assert left[-1][1] == 0
    for now, seconds in left:
        assert now + seconds == pytest.approx(ends, abs=0.01)


def test_without_minutes_the_plan_stays():
    plan = Plan(40, 10, 1)
    clock = Clock()
    watch = Stopwatch(None, clock)
    clock.now = 1e6
    assert watch.fitted(plan, 3) is plan
