"""Trainings that are cancelled, killed and resumed."""

import shutil
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
from glissile.io.checkpoint import load_model
from glissile.io.tensor_file import read_tensors
from glissile.learn import training
from glissile.learn.train import train
from glissile.progress import finish

CHECKPOINT = "checkpoint.safetensors"


def weights_equal(a: Path, b: Path) -> bool:
    first, second = load_model(a)[0], load_model(b)[0]
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


def published(folder, **changes):
    """The published recipe with a network that takes milliseconds."""
    job = job_of(folder, n=9, **changes)
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


def looks(steps):
    """The metrics of all looks at the hold-out, by the number of their step."""
    return {
        step.index: {k: v for k, v in step.metrics.items() if k != "seconds_left"}
        for step in steps
        if "validation_loss" in step.metrics
    }


@pytest.mark.parametrize("make", [job_of, published])
@pytest.mark.parametrize("after", [1, 4])
def test_cancel_and_resume_is_as_if_never_stopped(tmp_path, make, after):
    whole = []
    finish(train(make(tmp_path / "whole")), whole.append)
    steps = train(make(tmp_path / "parts"))
    parts = [next(steps) for _ in range(after)]
    steps.close()
    assert (tmp_path / "parts" / CHECKPOINT).exists()
    assert not (tmp_path / "parts" / "model.safetensors").exists()
    finish(train(make(tmp_path / "parts", resume=True)), parts.append)
    assert looks(parts) == looks(whole)
    assert len(parts) == len(whole)
    assert weights_equal(tmp_path / "whole", tmp_path / "parts")
    assert not (tmp_path / "parts" / CHECKPOINT).exists()


# Three, as one step, one frame of the hold-out and one look can be told of before anything new is done.
@pytest.mark.parametrize("every", [3, 5])
@pytest.mark.parametrize("make", [job_of, published])
def test_a_training_that_is_always_cancelled_is_as_if_never_stopped(tmp_path, talkative, make, every):
    whole, parts = [], []
    finish(train(make(tmp_path / "whole")), whole.append)
    last = whole[-1].index
    cancelled = 0
    while not parts or parts[-1].index < last:
        steps = train(make(tmp_path / "parts", resume=cancelled > 0))
        parts += [next(steps) for _ in range(every)]
        steps.close()
        cancelled += 1
    assert cancelled > 5
    finish(train(make(tmp_path / "parts", resume=True)), parts.append)
    assert looks(parts) == looks(whole)
    assert weights_equal(tmp_path / "whole", tmp_path / "parts")


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
from glissile.learn import train
train._TELL_EVERY_S = 0
folder = Path(sys.argv[1])
for step in train.train(job_of(folder, epochs=5, resume=(folder / "checkpoint.safetensors").exists())):
    print(step.index, flush=True)
"""


@pytest.mark.parametrize("kills", [(8,), (3, 11, 16, 27)])
def test_a_killed_training_resumes(tmp_path, kills):
    arguments = [sys.executable, "-c", SCRIPT, str(tmp_path / "killed"), str(Path(__file__).parent)]
    began = []
    for at in kills:
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            told = [int(line) for line in iter_until(process.stdout, at)]
            time.sleep(0.02)  # anywhere in a step or a write
            process.kill()
        began.append(told[0])
    per_epoch = 6
    for first, killed_at in zip(began[1:], kills, strict=False):
        # From the last full epoch at least; perhaps one more was written before the kill arrived.
        assert first > killed_at // per_epoch * per_epoch or killed_at < per_epoch
    resumed, whole = [], []
    finish(train(job_of(tmp_path / "killed", epochs=5, resume=True)), resumed.append)
    finish(train(job_of(tmp_path / "whole", epochs=5)), whole.append)
    assert resumed[0].index > kills[-1] // per_epoch * per_epoch
    assert looks(resumed).items() <= looks(whole).items()
    assert weights_equal(tmp_path / "killed", tmp_path / "whole")


def test_in_long_epochs_a_checkpoint_is_written_now_and_then(tmp_path, talkative, monkeypatch):
    monkeypatch.setattr(training, "_SAVE_EVERY_S", -1.0)
    whole, resumed = [], []
    for step in train(job_of(tmp_path / "whole", epochs=3)):
        whole.append(step)
        if step.index == 9 and not (tmp_path / "killed").exists():
            shutil.copytree(tmp_path / "whole", tmp_path / "killed")
    finish(train(job_of(tmp_path / "killed", epochs=3, resume=True)), resumed.append)
    assert resumed[0].index == 10
    assert looks(resumed).items() <= looks(whole).items()
    assert weights_equal(tmp_path / "killed", tmp_path / "whole")


def iter_until(lines, last):
    """Lines up to the one that is the number `last`."""
    for line in lines:
        yield line
        if int(line) == last:
            return


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
        from glissile.io.tensor_file import write_tensors

        tensors, texts = read_tensors(path)
        tensors = {k: v for k, v in tensors.items() if not k.startswith("network.head")}
        write_tensors(path, tensors, {} if damage == "foreign" else texts)
    with pytest.raises(InputError, match=r"checkpoint\.safetensors"):
        next(train(job_of(tmp_path, resume=True)))


def test_what_a_killed_write_left_is_swept_away(tmp_path):
    (tmp_path / ".writing-abc.safetensors").write_bytes(b"half")
    finish(train(job_of(tmp_path, epochs=1)))
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "model.json",
        "model.safetensors",
        "reliability.csv",
        "scores.csv",
    ]


def test_a_checkpoint_holds_no_pickle(tmp_path):
    cancelled(tmp_path)
    content = (tmp_path / CHECKPOINT).read_bytes()
    assert int.from_bytes(content[:8], "little") < len(content)
    assert content[8:9] == b"{"
    assert np.frombuffer(content[:2], np.uint8).tolist() != [0x80, 0x02]
