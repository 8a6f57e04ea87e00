"""Trainings whose memory is short; which device that is of is pretended."""

import numpy as np
import pytest
import torch
from drawings import drawings, job_of, small_recipe

from glissile.errors import InputError
from glissile.io.checkpoint import load_model
from glissile.io.model_card import Architecture
from glissile.learn import trainer as trainer_module
from glissile.learn import within_memory
from glissile.learn.patches import Batch
from glissile.learn.train import train
from glissile.learn.trainer import Trainer
from glissile.learn.within_memory import FittingTrainer, Room
from glissile.progress import finish

CPU = torch.device("cpu")
# Computes as the CPU, and is another device all the same.
CARD = torch.device("cpu:0")


def short_to_learn(monkeypatch, fits, problem=None):
    """Let memory suffice for the batches that `fits` tells, given the trainer; the (n, y) of all tried."""
    learn = Trainer.learn
    sizes = []

    def limited(self, batch, *, step, steps):
        n, _, y, _ = batch.frames.shape
        sizes.append((n, y))
        if not fits(self, step, n, y):
            raise problem or MemoryError()
        return learn(self, batch, step=step, steps=steps)

    monkeypatch.setattr(Trainer, "learn", limited)
    return sizes


def short_to_look(monkeypatch, fits):
    logits = Trainer.logits
    sizes = []

    def limited(self, frame):
        sizes.append(max(frame.shape))
        if not fits(self, max(frame.shape)):
            raise RuntimeError("CUDA out of memory")
        return logits(self, frame)

    monkeypatch.setattr(Trainer, "logits", limited)
    return sizes


def run(job):
    messages = []
    card = finish(train(job), lambda step: messages.append(step.message))
    return card, messages


@pytest.fixture
def card(monkeypatch):
    """Let there be a graphics card."""
    monkeypatch.setattr(within_memory, "choose", lambda device: CARD)
    monkeypatch.setattr(within_memory, "describe", lambda device: "Card (4 GB)" if device == CARD else "CPU")


@pytest.mark.parametrize(
    "problem",
    [
        torch.cuda.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 1 bytes."),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        MemoryError(),
    ],
)
def test_short_memory_halves_the_batch_and_says_so(tmp_path, monkeypatch, problem):
    sizes = short_to_learn(monkeypatch, lambda trainer, step, n, y: n <= 1, problem)
    released = []
    monkeypatch.setattr(within_memory, "release_memory", released.append)
    _, messages = run(job_of(tmp_path, batch_size=4, epochs=2))
    assert [n for n, _ in sizes[:3]] == [4, 2, 1]
    assert {n for n, _ in sizes[3:]} == {1}
    assert released == [CPU, CPU]
    assert all(message.endswith("; memory was short, the batch is now 1") for message in messages)


LARGE = drawings(3, size=280)


def large_job(folder, **changes):
    frames, masks = LARGE
    few = {"epochs": 1, "least_epoch_steps": 3, "most_epoch_steps": 3, "crop_px": 0, "widths": (4, 6)}
    return job_of(folder, frames=frames, masks=masks, frame_numbers=(0, 1, 2), **few | changes)


def test_when_the_batch_is_one_the_crop_is_halved(tmp_path, monkeypatch):
    sizes = short_to_learn(monkeypatch, lambda trainer, step, n, y: n * y <= 140)
    _, messages = run(large_job(tmp_path))
    assert sizes[:3] == [(2, 280), (1, 280), (1, 140)]
    assert set(sizes[3:]) == {(1, 140)}
    assert messages[-1].endswith("; memory was short, the batch is now 1, learning from crops of 140 px")


def test_what_is_too_large_to_be_looked_at_is_looked_at_in_tiles(tmp_path, monkeypatch):
    sizes = short_to_look(monkeypatch, lambda trainer, size: size <= 70)
    _, messages = run(large_job(tmp_path))
    assert sizes[:2] == [280, 140]
    assert max(sizes[2:]) <= 70
    assert messages[-1].endswith("; memory was short, looking at tiles of 70 px")


def test_tiles_show_what_the_whole_frame_shows():
    recipe = small_recipe()
    architecture = Architecture(kind=recipe.network, outputs=3, widths=(4, 6), stem=2)
    trainer = FittingTrainer(architecture, recipe, Room(1, 200, 200))
    frame = LARGE[0][0][:200, :170].astype(np.float32) / 255
    whole = trainer.logits(frame[None]).numpy()
    trainer.room = Room(1, 200, 96)
    tiled = trainer.logits(frame[None]).numpy()
    assert tiled.shape == whole.shape
    assert tiled.dtype == whole.dtype
    # But for the seams, across which the network cannot see.
    assert np.mean(np.abs(tiled - whole) < 1e-5) > 0.5
    assert np.abs(tiled - whole).max() < 0.1 * np.ptp(whole)


def test_the_order_of_the_batches_is_the_same_again(tmp_path, monkeypatch):
    short_to_learn(monkeypatch, lambda trainer, step, n, y: n <= 2 or step < 8)
    for name in ("one", "other"):
        run(job_of(tmp_path / name, batch_size=4, epochs=3))
    one, other = (load_model(tmp_path / name)[0] for name in ("one", "other"))
    assert all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("what", ["learn", "look"])
def test_a_card_without_memory_gives_way_to_the_processor(tmp_path, monkeypatch, card, what):
    if what == "learn":
        short_to_learn(monkeypatch, lambda trainer, step, n, y: trainer.device == CPU or step < 9)
    else:
        short_to_look(monkeypatch, lambda trainer, size: trainer.device == CPU)
    _, messages = run(job_of(tmp_path / "card", device="auto", batch_size=2, epochs=3))
    assert messages[-1].endswith("; the memory of Card (4 GB) did not suffice")
    monkeypatch.undo()
    run(job_of(tmp_path / "processor", batch_size=2, epochs=3))
    # From the last state, and with all that was wanted: the same network.
    one, other = (load_model(tmp_path / name)[0] for name in ("card", "processor"))
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_a_card_that_was_asked_for_is_not_left(tmp_path, monkeypatch, card):
    short_to_learn(monkeypatch, lambda trainer, step, n, y: False)
    with pytest.raises(InputError, match=r"Memory of the Card \(4 GB\).*choose the device auto or cpu"):
        run(job_of(tmp_path, device="cuda"))


@pytest.mark.parametrize("asked", ["auto", "cuda"])
def test_a_card_that_cannot_even_hold_the_network(tmp_path, monkeypatch, card, asked):
    set_up = Trainer._set_up

    def full(self, device):
        if device == CARD:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        set_up(self, device)

    monkeypatch.setattr(Trainer, "_set_up", full)
    if asked == "cuda":
        with pytest.raises(InputError, match="does not suffice to hold the network; close other programs"):
            run(job_of(tmp_path, device=asked))
    else:
        _, messages = run(job_of(tmp_path, device=asked, epochs=1))
        assert messages[0].startswith("Training on CPU")
        assert messages[0].endswith("; the memory of Card (4 GB) did not suffice")


def cancelled(job):
    steps = train(job)
    next(steps)
    steps.close()


def test_a_smaller_batch_survives_a_resume_and_so_does_its_remark(tmp_path, monkeypatch):
    sizes = short_to_learn(monkeypatch, lambda trainer, step, n, y: n <= 2)
    cancelled(job_of(tmp_path, batch_size=4))
    sizes.clear()
    _, messages = run(job_of(tmp_path, batch_size=4, resume=True))
    assert {n for n, _ in sizes} == {2}
    assert all("the batch is now 2" in message for message in messages)


@pytest.mark.parametrize("asked", ["auto", "cuda"])
def test_a_resumed_training_returns_to_the_card_only_where_asked_to(tmp_path, monkeypatch, card, asked):
    devices = []

    def fits(trainer, step, n, y):
        devices.append(trainer.device)
        return trainer.device == CPU or step >= 6

    short_to_learn(monkeypatch, fits)
    cancelled(job_of(tmp_path, device="auto"))
    devices.clear()
    _, messages = run(job_of(tmp_path, device=asked, resume=True))
    assert set(devices) == {CPU if asked == "auto" else CARD}
    assert all(("Card (4 GB) did not suffice" in message) is (asked == "auto") for message in messages)


def test_short_memory_is_not_forgotten_after_the_paces_are_found(tmp_path, monkeypatch):
    sizes = short_to_learn(monkeypatch, lambda trainer, step, n, y: n <= 1)
    _, messages = run(job_of(tmp_path, batch_size=4, minutes=0.02))
    assert [n for n, _ in sizes].count(4) == 1
    assert "the batch is now 1" in messages[-1]


def test_no_memory_for_one_frame_is_one_sentence(tmp_path, monkeypatch):
    short_to_learn(monkeypatch, lambda trainer, step, n, y: False)
    with pytest.raises(
        InputError, match=r"does not suffice to train on one frame, in crops of 64 px"
    ) as caught:
        run(job_of(tmp_path))
    assert "\n" not in str(caught.value)


def test_no_memory_to_look_at_a_frame_is_one_sentence(tmp_path, monkeypatch):
    short_to_look(monkeypatch, lambda trainer, size: False)
    with pytest.raises(InputError, match="does not suffice to look at a frame, in tiles of 64 px"):
        run(job_of(tmp_path))


def test_other_errors_pass(tmp_path, monkeypatch):
    short_to_learn(
        monkeypatch, lambda trainer, step, n, y: False, RuntimeError("shapes cannot be multiplied")
    )
    with pytest.raises(RuntimeError, match="multiplied"):
        run(job_of(tmp_path))


def test_a_step_that_fails_half_way_leaves_no_trace(monkeypatch):
    recipe = small_recipe()
    trainer = Trainer(Architecture(kind=recipe.network, outputs=3, widths=(4, 6), stem=1), recipe, CPU)
    frames, masks = drawings(2)
    batch = Batch(frames[:, None].astype(np.float32) / 255, masks.astype(np.int64))
    trainer.learn(batch, step=0, steps=10)
    before = trainer.state()

    def short(logits, truth, *, dice_over):
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(trainer_module, "segmentation_loss", short)
        with pytest.raises(MemoryError):
            trainer.learn(batch, step=1, steps=10)
    after = trainer.state()
    assert after[1] == before[1]
    assert all(torch.equal(after[0][name], tensor) for name, tensor in before[0].items())
