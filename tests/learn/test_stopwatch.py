"""Minutes are wall time for the whole training, whatever else the machine does; the clock is a fake."""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import drawings
import pytest
import torch

from glissile.io.checkpoint import load_model
from glissile.learn import batches, judging, training
from glissile.learn.schedule import Plan
from glissile.learn.stopwatch import LEAST_STEPS, Stopwatch
from glissile.learn.train import train
from glissile.learn.trainer import Trainer
from glissile.learn.training import Training
from glissile.progress import finish

STEP_S, FRAME_S, WRITE_S, CALIBRATE_S = 0.5, 0.2, 0.3, 0.4
# Each part costs what it says: with labelled frames to look at, areas are calibrated twice.
job_of = partial(drawings.job_of, references=0)


class Clock:
    """Stands still but for `spend`, in which everything takes `load` times as long."""

    def __init__(self, load: Callable[[float], float] = lambda now: 1.0) -> None:
        self.now = 0.0
        self.load = load

    def __call__(self) -> float:
        return self.now

    def spend(self, seconds: float) -> None:
        self.now += seconds * self.load(self.now)


@pytest.fixture
def timed(monkeypatch):
    """Let a training run by a clock on which its parts take known times; gives the progress of its steps."""

    def by(clock: Clock, *, quicker: float = 1.0, calibrate_s: float = CALIBRATE_S) -> list[float]:
        progress = []

        def costing(function, seconds):
            def spent(*arguments, **options):
                clock.spend(seconds / quicker)
                return function(*arguments, **options)

            return spent

        def calibrate(logits, truths, *, thinning):
            clock.spend(calibrate_s / quicker * len(logits))
            return real_calibrate(logits, truths, thinning=thinning)

        def learn(self, batch, *, step, steps):
            progress.append((step + 1) / steps)
            return real_learn(self, batch, step=step, steps=steps)

        real_learn, real_calibrate = Trainer.learn, judging.fitted
        monkeypatch.setattr(training, "Stopwatch", partial(Stopwatch, clock=clock))
        monkeypatch.setattr(Trainer, "learn", costing(learn, STEP_S))
        monkeypatch.setattr(Trainer, "logits", costing(Trainer.logits, FRAME_S))
        monkeypatch.setattr(judging, "fitted", calibrate)
        for name in ("write_tensors", "write_checkpoint", "save_model"):
            monkeypatch.setattr(training, name, costing(getattr(training, name), WRITE_S))
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
    assert progress[-1] == pytest.approx(1, abs=0.035)  # to a step of 2 s: the learning rate came down


@pytest.fixture
def at_rest(monkeypatch):
    """Let training steps do nothing, so that thousands of them are over soon."""
    monkeypatch.setattr(batches, "draw_batch", lambda *arguments, **options: None)
    monkeypatch.setattr(Trainer, "learn", lambda self, batch, *, step, steps: 0.0)


@pytest.fixture
def never_resumed(monkeypatch):
    """Let checkpoints cost their time, and not be written."""
    monkeypatch.setattr(training, "write_checkpoint", lambda *arguments: None)


LONG_CALIBRATE_S = 12.0  # so that the end takes as long as 120 steps
TRIED = 6  # steps that find the first pace


@pytest.mark.parametrize(
    ("method", "call"),
    [
        (Trainer.learn, 4),  # as the first paces are found
        (Trainer.learn, TRIED + 41),  # the first after a look
        (Trainer.learn, TRIED + 42),
        (Training._look, 1),
    ],
)
@pytest.mark.parametrize(("minutes", "quicker", "hang_s"), [(10, 5, 60), (0.25, 100, 1)])
def test_what_hangs_once_ends_no_training(
    tmp_path, timed, at_rest, never_resumed, monkeypatch, minutes, quicker, hang_s, method, call
):
    clock = Clock()
    progress = timed(clock, quicker=quicker, calibrate_s=LONG_CALIBRATE_S)
    owner = Trainer if method.__qualname__.startswith("Trainer.") else Training
    real, calls = getattr(owner, method.__name__), []

    def hanging(*arguments, **options):
        calls.append(clock.now)
        if len(calls) == call:
            clock.now += hang_s
        return real(*arguments, **options)

    monkeypatch.setattr(owner, method.__name__, hanging)
    finish(train(job_of(tmp_path, minutes=minutes, least_epoch_steps=40, most_epoch_steps=40)))
    assert len(calls) >= call
    assert 0.9 * 60 * minutes < clock.now < 60 * minutes + STEP_S / quicker
    assert progress[-1] == pytest.approx(1, abs=0.02)


@pytest.fixture
def slow_at_first(monkeypatch):
    """Let the first paces, and so many steps after them, take some times as long as the rest."""

    def by(clock: Clock, slower: float, steps: int) -> None:
        def find_paces(self):
            clock.load = lambda now: slower
            yield from real_find(self)
            left[0] = steps

        def learn(*arguments, **options):
            left[0] -= 1
            if left[0] < 0:
                clock.load = lambda now: 1
            return real_learn(*arguments, **options)

        left = [TRIED]
        real_find, real_learn = Training._find_paces, Trainer.learn
        monkeypatch.setattr(Training, "_find_paces", find_paces)
        monkeypatch.setattr(Trainer, "learn", learn)

    return by


@pytest.mark.parametrize("per_epoch", [6, 400])
@pytest.mark.parametrize("slower", [8, 20])
@pytest.mark.parametrize("steps", [0, 3])
def test_a_slow_start_ends_no_training(
    tmp_path, timed, at_rest, never_resumed, slow_at_first, slower, steps, per_epoch
):
    clock = Clock()
    progress = timed(clock, quicker=40, calibrate_s=LONG_CALIBRATE_S)
    slow_at_first(clock, slower, steps)
    finish(train(job_of(tmp_path, minutes=0.5, least_epoch_steps=per_epoch, most_epoch_steps=per_epoch)))
    assert 27 < clock.now < 30 + STEP_S / 40
    assert progress[-1] == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("slower", [8, 12])
def test_a_slow_start_after_a_pause_ends_no_training(tmp_path, timed, at_rest, slow_at_first, slower):
    clock = Clock()
    timed(clock, quicker=40, calibrate_s=LONG_CALIBRATE_S)
    job = job_of(tmp_path, minutes=0.5, least_epoch_steps=40, most_epoch_steps=40)
    steps = train(job)
    while clock.now < 15:
        next(steps)
    steps.close()
    clock.now += 1000
    slow_at_first(clock, slower, 0)
    finish(train(replace(job, resume=True)))
    assert 27 < clock.now - 1000 < 30 + STEP_S / 40


def test_calibrating_twice_is_counted(tmp_path, timed):
    clock = Clock()
    timed(clock, calibrate_s=1.9)
    finish(train(drawings.job_of(tmp_path, n=9, minutes=1, validation=(2,), references=2)))
    assert 51 < clock.now < 60 + STEP_S


def test_too_short_a_time_still_gives_a_network(tmp_path, timed):
    progress = timed(Clock())
    finish(train(job_of(tmp_path, minutes=0.01)))
    assert len(progress) == TRIED + LEAST_STEPS


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


# Calibrated on five frames; the one held out is scored, and looked at twice to tell how sure masks are.
END_S = 5 * (CALIBRATE_S + FRAME_S) + 3 * FRAME_S + WRITE_S


@pytest.mark.parametrize("minutes", [None, 0.5])
def test_the_time_left_is_right_from_the_first_steps_on(tmp_path, timed, talkative, minutes):
    clock = Clock()
    timed(clock)
    told = []
    job = job_of(tmp_path, epochs=5, minutes=minutes, validation=(2,))
    finish(train(job), lambda step: told.append((clock.now, step)))
    seen = {
        int(left.group(1)): now for now, step in told if (left := re.search(r"(\d+) s left", step.message))
    }
    trained_at = max(now for now, step in told if "seconds_left" in step.metrics)
    first = next(now for now, step in told if "s left" in step.message)
    assert first - next(now for now, step in told if step.index == 1) < 2.5 * STEP_S
    for left, now in seen.items():
        assert now + left == pytest.approx(clock.now, abs=4)
    # Once the hold-out was looked at, only the end is still a guess.
    for now, step in told:
        if "seconds_left" in step.metrics:
            assert now + step.metrics["seconds_left"] == pytest.approx(clock.now, abs=2)
    assert clock.now - trained_at == pytest.approx(END_S, abs=0.01)


@pytest.mark.parametrize("pauses_s", [1000, 0.3])
def test_time_between_two_steps_does_not_count(tmp_path, timed, talkative, pauses_s):
    clock, paused = Clock(), Clock()
    timed(clock)
    finish(train(job_of(tmp_path / "whole", minutes=0.5)))
    unpaused_s = clock.now
    timed(paused)
    rested_s = 0.0

    def rest(step):
        nonlocal rested_s
        if step.index % 4 == 1:
            paused.now += pauses_s
            rested_s += pauses_s

    card = finish(train(job_of(tmp_path / "rested", minutes=0.5)), rest)
    assert rested_s
    assert paused.now - rested_s == pytest.approx(unpaused_s)
    assert card.seconds == pytest.approx(unpaused_s - WRITE_S)
    own, other = (load_model(tmp_path / name)[0] for name in ("whole", "rested"))
    assert all(torch.equal(own[key], other[key]) for key in own)


def test_without_minutes_the_plan_stays():
    plan = Plan(40, 10, 1)
    clock = Clock()
    watch = Stopwatch(None, clock)
    clock.now = 1e6
    assert watch.fitted(plan, 3) is plan
