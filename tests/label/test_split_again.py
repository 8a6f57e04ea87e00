import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glissile.errors import InputError
from glissile.label.split_again import split_again


def masks_of(drawn):
    """Masks that differ wherever the numbers in `drawn` do."""
    masks = np.zeros((len(drawn), 16, 16), np.uint8)
    for mask, number in zip(masks, drawn, strict=True):
        mask[number % 16, :] = 1
    return masks


@given(st.data())
def test_what_was_learned_is_never_held_out_and_what_was_held_out_stays_so(data):
    numbers = data.draw(st.lists(st.integers(0, 15), min_size=1, unique=True))
    learned = data.draw(st.sets(st.integers(0, 15)))
    before = data.draw(st.sets(st.integers(0, 15))) - learned
    try:
        found = split_again(numbers, masks_of(numbers), learned=learned, held_out=before)
    except InputError:
        assert set(numbers) <= before
        return
    held = {numbers[i] for i in found.validation}
    assert sorted(found.training + found.validation) == list(range(len(numbers)))
    assert not held & learned
    assert before & set(numbers) <= held
    if before & set(numbers):
        assert held == before & set(numbers)  # every other mask is another one


def test_a_copy_of_what_is_held_out_is_not_learned():
    masks = masks_of([1, 2, 3, 2, 2])
    found = split_again([10, 20, 30, 40, 50], masks, learned={10, 50}, held_out={20})
    assert found.validation == (1, 3)
    assert found.training == (0, 2, 4)  # the last one was learned already


def test_where_nothing_held_out_is_left_new_frames_are():
    numbers = [0, 1, 2, 3, 4, 5]
    found = split_again(numbers, masks_of([0, 1, 2, 3, 4, 1]), learned={0, 1}, held_out=())
    assert found.validation == (3,)  # the middle one of 2, 3 and 4: 5 looks like 1
    assert found.training == (0, 1, 2, 4, 5)


def test_too_few_new_frames_hold_nothing_out():
    assert split_again([0, 1, 2], masks_of([0, 1, 2]), learned={0, 1}, held_out=()).validation == ()


def test_nothing_left_to_learn_from_is_said():
    with pytest.raises(InputError, match="none is left to learn from"):
        split_again([5, 6], masks_of([5, 6]), learned={1}, held_out={5, 6})
