import numpy as np
import pytest
import torch
from overconfident import sample

from glissile.defects import DEFAULT_CLASSES
from glissile.io.model_card import Normalisation
from glissile.learn.certainty import found_on
from glissile.learn.labelled import gathered

SHAPE = (60, 80)


@pytest.fixture
def frames():
    """Outputs (3, y, x) of a network that is twice as sure as it should be, by index, and the labels."""
    logits, truths = sample(4 * SHAPE[0] * SHAPE[1], overconfidence=2)
    masks = truths.reshape(4, *SHAPE)
    data = gathered(np.zeros((4, *SHAPE), np.uint8), masks, range(4), DEFAULT_CLASSES, [3], Normalisation())
    return torch.from_numpy(logits.reshape(3, 4, *SHAPE)).transpose(0, 1).contiguous(), data


def found(logits, data, indices=(0, 1, 2)):
    """Run to the end."""
    ticks = found_on(lambda i: logits[i], data, indices)
    while True:
        try:
            next(ticks)
        except StopIteration as stopped:
            return stopped.value


def test_a_network_that_is_too_sure_is_cooled(frames):
    certainty, table = found(*frames)
    assert certainty.temperature == pytest.approx(2, rel=0.1)
    assert set(table["temperature"]) == {1.0, certainty.temperature}


def test_outputs_that_are_no_numbers_are_left_out(frames):
    logits, data = frames
    expected, _ = found(logits, data)
    broken = logits.clone()
    broken[0, 1, :3] = torch.nan
    broken[1, :, 5, 7] = torch.inf
    certainty, table = found(broken, data)
    assert certainty.temperature == pytest.approx(expected.temperature, rel=0.05)
    assert table.notna().all(axis=None)
    assert found(torch.full_like(logits, torch.nan), data) is None


def test_without_frames_nothing_is_known(frames):
    assert found(*frames, indices=()) is None
