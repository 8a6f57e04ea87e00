"""Trainings that are cancelled, killed, out of memory or resumed."""

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from drawings import job_of

from glissile.errors import InputError
from glissile.io.checkpoint import load_model, read_tensors
from glissile.learn.train import train
from glissile.learn.trainer import Trainer
from glissile.progress import finish

CHECKPOINT = "checkpoint.safetensors"


def weights_equal(a: Path, b: Path) -> bool:
    first, second = load_model(a)[0], load_model(b)[0]
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


def published(folder, **changes):
    """The published recipe with a network that takes milliseconds."""
    job = job_of(folder, n=6, **changes)
    small = job.recipe.model_copy(
        update={
            "optimizer": "rmsprop",
            "schedule": "plateau",
            "network": "ronneberger",
            "stem": 1,
            "average": 0.0,
            "validations_per_epoch": 3,
            "batch_size": 1,
            "learning_rate": 1e-3,
        }
    )
    return replace(job, recipe=small)


@pytest.mark.parametrize("make", [job_of, published])
@pytest.mark.parametrize("after", [1, 4])
def test_cancel_and_resume_is_as_if_never_stopped(tmp_path, make, after):
    finish(train(make(tmp_path / "whole")))
    steps = train(make(tmp_path / "parts"))
    for _ in range(after):
        next(steps)
    steps.close()
    assert (tmp_path / "parts" / CHECKPOINT).exists()
    assert not (tmp_path / "parts" / "model.safetensors").exists()
    seen = []
    finish(train(make(tmp_path / "parts", resume=True)), lambda s: seen.append(s.index))
    assert seen == list(range(after + 1, seen[-1] + 1)) if seen else after == 4
    assert weights_equal(tmp_path / "whole", tmp_path / "parts")
    assert not (tmp_path / "parts" / CHECKPOINT).exists()


def test_cancel_leaves_the_model_of_an_earlier_training(tmp_path):
    finish(train(job_of(tmp_path, epochs=1)))
    before = (tmp_path / "model.safetensors").read_bytes(), (tmp_path / "model.json").read_bytes()
    steps = train(job_of(tmp_path, seed=5))
    next(steps)
    steps.close()
    assert before == ((tmp_path / "model.safetensors").read_bytes(), (tmp_path / "model.json").read_bytes())


SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from drawings import job_of
from glissile.learn.train import train
for step in train(job_of(Path(sys.argv[1]), epochs=400)):
    print(step.index, flush=True)
"""


def test_a_killed_training_resumes(tmp_path):
    here = str(Path(__file__).parent)
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "killed"), here], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    with process, process.stdout:
        for line in process.stdout:
            if int(line) == 3:
                time.sleep(0.05)  # anywhere in an epoch or a write
                process.kill()
                break
    steps = train(job_of(tmp_path / "killed", epochs=400, resume=True))
    resumed = next(steps)
    assert 4 <= resumed.index < 400
    reference = train(job_of(tmp_path / "whole", epochs=400))
    for step in reference:
        if step.index == resumed.index:
            break
    steps.close()
    reference.close()
    for key, value in step.metrics.items():
        assert key == "seconds_left" or resumed.metrics[key] == value, key


def cancelled(folder, **changes):
    steps = train(job_of(folder, **changes))
    next(steps)
    steps.close()


def test_resuming_nothing(tmp_path):
    with pytest.raises(InputError, match="no interrupted training"):
        next(train(job_of(tmp_path, resume=True)))


def test_resuming_with_other_labels_is_refused(tmp_path):
    cancelled(tmp_path)
    job = job_of(tmp_path, resume=True)
    masks = job.masks.copy()
    masks[0, :3] = 1
    with pytest.raises(InputError, match="labelled frames changed"):
        next(train(replace(job, masks=masks)))


def test_resuming_with_other_settings_is_refused(tmp_path):
    cancelled(tmp_path)
    with pytest.raises(InputError, match="settings changed"):
        next(train(job_of(tmp_path, resume=True, learning_rate=1e-4)))


@pytest.mark.parametrize("damage", ["cut", "foreign", "other network"])
def test_resuming_from_a_broken_checkpoint_is_one_sentence(tmp_path, damage):
    cancelled(tmp_path)
    path = tmp_path / CHECKPOINT
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    else:
        from glissile.io.checkpoint import write_tensors

        tensors, texts = read_tensors(path)
        tensors = {k: v for k, v in tensors.items() if not k.startswith("network.head")}
        write_tensors(path, tensors, {} if damage == "foreign" else texts)
    with pytest.raises(InputError, match=r"checkpoint\.safetensors"):
        next(train(job_of(tmp_path, resume=True)))


def test_what_a_killed_write_left_is_swept_away(tmp_path):
    (tmp_path / ".writing-abc.safetensors").write_bytes(b"half")
    finish(train(job_of(tmp_path, epochs=1)))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.json", "model.safetensors", "scores.csv"]


def short_of_memory(monkeypatch, largest, problem):
    learn = Trainer.learn
    sizes = []

    def limited(self, batch, *, step, steps):
        sizes.append(len(batch.frames))
        if len(batch.frames) > largest:
            raise problem
        return learn(self, batch, step=step, steps=steps)

    monkeypatch.setattr(Trainer, "learn", limited)
    return sizes


@pytest.mark.parametrize(
    "problem",
    [
        torch.cuda.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 1 bytes."),
        MemoryError(),
    ],
)
def test_short_memory_halves_the_batch_and_says_so(tmp_path, monkeypatch, problem):
    sizes = short_of_memory(monkeypatch, 1, problem)
    messages = []
    finish(train(job_of(tmp_path, batch_size=4, epochs=2)), lambda s: messages.append(s.message))
    assert sizes[:3] == [4, 2, 1]
    assert set(sizes[3:]) == {1}
    assert all("the batch is now 1" in m for m in messages)


def test_the_smaller_batch_survives_a_resume(tmp_path, monkeypatch):
    sizes = short_of_memory(monkeypatch, 2, MemoryError())
    cancelled(tmp_path, batch_size=4)
    sizes.clear()
    finish(train(job_of(tmp_path, batch_size=4, resume=True)))
    assert set(sizes) == {2}


def test_no_memory_for_one_frame_is_one_sentence(tmp_path, monkeypatch):
    short_of_memory(monkeypatch, 0, MemoryError())
    with pytest.raises(InputError, match=r"does not suffice to train on one frame of 64 x 64 px") as caught:
        next(train(job_of(tmp_path)))
    assert "\n" not in str(caught.value)


def test_no_memory_to_look_at_a_frame_is_one_sentence(tmp_path, monkeypatch):
    def short(self, frame):
        raise RuntimeError("CUDA out of memory")

    monkeypatch.setattr(Trainer, "logits", short)
    with pytest.raises(InputError, match="whole frame"):
        next(train(job_of(tmp_path)))


def test_other_errors_pass(tmp_path, monkeypatch):
    short_of_memory(monkeypatch, 0, RuntimeError("shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="multiplied"):
        next(train(job_of(tmp_path)))


def test_a_checkpoint_holds_no_pickle(tmp_path):
    cancelled(tmp_path)
    content = (tmp_path / CHECKPOINT).read_bytes()
    assert int.from_bytes(content[:8], "little") < len(content)
    assert content[8:9] == b"{"
    assert np.frombuffer(content[:2], np.uint8).tolist() != [0x80, 0x02]
