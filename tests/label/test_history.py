"""Undo and redo of each frame, against a list of all that a frame ever was."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glissile.label import history
from glissile.label.history import FrameLabel, LabelHistory, Standing

SHAPE = (9, 11)


class Model:
    """What undo and redo mean: a list of states and a place in it."""

    def __init__(self):
        self.states, self.at = [(np.zeros(SHAPE, np.uint8), Standing.PAINTED)], 0

    def record(self, mask, standing):
        now, stood = self.states[self.at]
        if stood is standing and (now == mask).all():
            return
        self.states[self.at + 1 :] = [(mask.copy(), standing)]
        self.at += 1

    def move(self, by):
        if not 0 <= self.at + by < len(self.states):
            return False
        self.at += by
        return True


patches = st.tuples(
    st.integers(0, 8), st.integers(0, 10), st.integers(1, 9), st.integers(1, 11), st.integers(0, 3)
)
events = st.lists(
    st.tuples(st.sampled_from([0, 5, 7]), st.sampled_from(["stroke", "mark", "undo", "redo"]), patches),
    max_size=60,
)


@given(events)
def test_each_frame_goes_back_and_forth_by_itself(done):
    models = {index: Model() for index in (0, 5, 7)}
    kept = LabelHistory(SHAPE, {})
    for index, what, (y, x, height, width, value) in done:
        model = models[index]
        if what in ("stroke", "mark"):
            mask, standing = model.states[model.at]
            mask = mask.copy()
            if what == "stroke":
                mask[y : y + height, x : x + width] = value
            else:
                standing = list(Standing)[value % 3]
            model.record(mask, standing)
            kept.record(index, mask, standing)
        elif model.move(-1 if what == "undo" else 1):
            assert getattr(kept, what)(index) is not None
        else:
            assert getattr(kept, what)(index) is None
        for frame, one in models.items():
            assert kept.last(frame).same(*one.states[one.at])


def test_a_history_begins_with_the_labels_that_there_are():
    mask = np.full(SHAPE, 2, np.uint8)
    kept = LabelHistory(SHAPE, {3: FrameLabel.of(mask), 4: FrameLabel.of(np.zeros(SHAPE, np.uint8))})
    assert kept.undo(3) is None
    assert kept.redo(3) is None
    assert kept.last(3).standing is Standing.PAINTED
    assert kept.last(4).standing is Standing.MARKED
    assert kept.record(3, np.zeros(SHAPE, np.uint8), Standing.PAINTED)
    np.testing.assert_array_equal(kept.undo(3).mask, mask)


def test_a_mask_may_be_painted_on_after_it_was_recorded():
    kept, mask = LabelHistory(SHAPE, {}), np.zeros(SHAPE, np.uint8)
    mask[2] = 1
    kept.record(0, mask, Standing.PAINTED)
    mask[5] = 2
    assert kept.record(0, mask, Standing.PAINTED)
    assert sorted(np.unique(kept.undo(0).mask)) == [0, 1]


def test_the_oldest_steps_of_a_frame_are_forgotten(monkeypatch):
    monkeypatch.setattr(history, "STEPS_OF_A_FRAME", 3)
    kept = LabelHistory(SHAPE, {})
    for value in range(1, 6):
        kept.record(0, np.full(SHAPE, value, np.uint8), Standing.PAINTED)
    assert [int(kept.undo(0).mask[0, 0]) for _ in range(3)] == [4, 3, 2]
    assert kept.undo(0) is None


@pytest.mark.parametrize("undone", [False, True])
def test_the_oldest_steps_of_all_frames_give_way_to_new_ones(monkeypatch, undone):
    noise = np.random.default_rng(0).integers(0, 255, (5, 64, 64)).astype(np.uint8)
    monkeypatch.setattr(history, "BYTES_OF_ALL", 3 * 64 * 64)  # noise cannot be packed
    kept = LabelHistory((64, 64), {})
    for index, mask in enumerate(noise):
        kept.record(index, mask, Standing.PAINTED)
        if undone and index < 3:
            kept.undo(index)
    going = kept.redo if undone else kept.undo
    assert going(0) is None
    assert kept.undo(4) is not None
    assert kept.undo(3) is not None


def test_the_latest_step_is_kept_however_large_it_is(monkeypatch):
    monkeypatch.setattr(history, "BYTES_OF_ALL", 1)
    kept = LabelHistory(SHAPE, {})
    for value in (1, 2):
        kept.record(0, np.full(SHAPE, value, np.uint8), Standing.PAINTED)
    assert kept.undo(0).mask[0, 0] == 1
    assert kept.undo(0) is None


def test_a_fill_of_a_large_frame_takes_little_memory():
    kept = LabelHistory((2048, 2048), {})
    for value in range(1, 20):
        kept.record(0, np.full((2048, 2048), value, np.uint8), Standing.PAINTED)
    assert kept._bytes < 100_000
