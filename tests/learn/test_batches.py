import threading
import time

import numpy as np
import pytest
import torch
from drawings import drawings, job_of, small_recipe

from glissile.defects import DEFAULT_CLASSES
from glissile.io.checkpoint import load_model
from glissile.io.model_card import Normalisation
from glissile.learn import batches, training
from glissile.learn.batches import Batches, pinned
from glissile.learn.labelled import gathered
from glissile.learn.train import train
from glissile.learn.within_memory import Room
from glissile.progress import finish

CPU = torch.device("cpu")
# Its batches are drawn ahead, and need no card to be made.
AWAY = torch.device("mps")
ROOM = Room(2, 40, 64)


@pytest.fixture(scope="module")
def data():
    frames, masks = drawings(5)
    return gathered(frames, masks, range(5), DEFAULT_CLASSES, (2,), Normalisation(kind="percentiles"))


@pytest.fixture
def make(data):
    """Make batches; close them, and see that no thread is left."""
    made = []
    before = threading.active_count()

    def _make(device):
        made.append(Batches(data, small_recipe(), 6, device))
        return made[-1]

    yield _make
    for some in made:
        some.close()
    assert threading.active_count() == before


def equal(a, b):
    return np.array_equal(a.frames, b.frames) and np.array_equal(a.truth, b.truth)


def test_batches_that_are_drawn_ahead_are_those_that_are_not(make):
    here, ahead = make(CPU), make(AWAY)
    for step in (0, 1, 2, 3, 9, 10, 4, 5, 5, 6):
        assert equal(here.take(step, ROOM, CPU), ahead.take(step, ROOM, AWAY)), step
    smaller = Room(1, 32, 64)
    for step in (7, 8):
        batch = ahead.take(step, smaller, AWAY)
        assert batch.frames.shape == (1, 1, 32, 32)
        assert equal(here.take(step, smaller, CPU), batch)
    assert equal(here.take(9, ROOM, CPU), ahead.take(9, ROOM, CPU))  # once the card was left


def test_the_next_batches_are_drawn_while_one_is_used(make, monkeypatch):
    drawn = []
    draw = batches.draw_batch
    monkeypatch.setattr(
        batches, "draw_batch", lambda *a, **k: (drawn.append(threading.current_thread()), draw(*a, **k))[1]
    )
    ahead = make(AWAY)
    ahead.take(0, ROOM, AWAY)
    deadline = time.monotonic() + 20
    while len(drawn) <= batches._AHEAD and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.1)
    assert len(drawn) == 1 + batches._AHEAD  # not the whole training
    assert threading.current_thread() not in drawn


def test_on_the_processor_no_thread_is_started(make, monkeypatch):
    monkeypatch.setattr(batches, "ThreadPoolExecutor", None)
    make(CPU).take(0, ROOM, CPU)


def test_an_error_in_the_thread_arrives_where_the_batch_is_taken(make, monkeypatch):
    ahead = make(AWAY)

    def short(*arguments, **options):
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(batches, "draw_batch", short)
        with pytest.raises(MemoryError):
            ahead.take(0, ROOM, AWAY)


class Ahead(Batches):
    """Draws ahead for the CPU, too."""

    def __init__(self, data, recipe, steps_per_epoch, device, references=None):
        super().__init__(data, recipe, steps_per_epoch, AWAY, references)

    def take(self, step, room, device):
        return super().take(step, room, AWAY)


def test_a_training_ends_its_threads_and_learns_the_same(tmp_path, monkeypatch, talkative):
    before = threading.active_count()
    finish(train(job_of(tmp_path / "plain", n=9, epochs=2)))
    monkeypatch.setattr(training, "Batches", Ahead)
    steps = train(job_of(tmp_path / "ahead", n=9, epochs=2))
    for _ in range(4):
        next(steps)
    assert before < threading.active_count() <= before + batches._THREADS
    steps.close()
    assert threading.active_count() == before
    finish(train(job_of(tmp_path / "ahead", n=9, epochs=2, resume=True)))
    assert threading.active_count() == before
    plain, ahead = (load_model(tmp_path / name)[0] for name in ("plain", "ahead"))
    assert all(torch.equal(plain[key], ahead[key]) for key in plain)


def test_a_training_that_fails_ends_its_threads(tmp_path, monkeypatch):
    before = threading.active_count()
    monkeypatch.setattr(training, "Batches", Ahead)

    def broken(*arguments, **options):
        raise ValueError("broken")

    monkeypatch.setattr(batches, "draw_batch", broken)
    with pytest.raises(ValueError, match="broken"):
        finish(train(job_of(tmp_path)))
    assert threading.active_count() == before


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA card with a CUDA build of torch")
def test_batches_for_a_card_lie_where_it_copies_by_itself(make):
    batch = make(torch.device("cuda")).take(0, ROOM, torch.device("cuda"))
    assert torch.from_numpy(batch.frames).is_pinned()
    assert torch.from_numpy(batch.truth).is_pinned()
    assert equal(batch, make(CPU).take(0, ROOM, CPU))
    assert equal(pinned(batch), batch)
