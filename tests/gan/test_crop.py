"""The square that is cut out of a micrograph."""

import numpy as np
import pytest

from glissile.errors import InputError
from glissile.gan.crop import cut_square

IMAGE = np.arange(30 * 50).reshape(30, 50)


class Lazy:
    """An image that tells what is read of it."""

    shape = IMAGE.shape

    def __init__(self):
        self.read = []

    def __getitem__(self, key):
        self.read.append(IMAGE[key].shape)
        return IMAGE[key]


def test_the_largest_square_lies_in_the_middle_above_the_data_bar():
    assert np.array_equal(cut_square(IMAGE), IMAGE[:, 10:40])
    assert np.array_equal(cut_square(IMAGE, bar_px=6), IMAGE[:24, 13:37])
    assert np.array_equal(cut_square(IMAGE.T), IMAGE.T[10:40])


def test_a_smaller_square_lies_in_the_middle():
    assert np.array_equal(cut_square(IMAGE, bar_px=6, side_px=10), IMAGE[7:17, 20:30])


def test_colours_stay():
    colour = np.stack([IMAGE, IMAGE + 1, IMAGE + 2], axis=-1)
    assert np.array_equal(cut_square(colour, side_px=4), colour[13:17, 23:27])


def test_no_more_is_read_than_is_used():
    lazy = Lazy()
    assert np.array_equal(cut_square(lazy, side_px=8), IMAGE[11:19, 21:29])
    assert lazy.read == [(8, 8)]


@pytest.mark.parametrize(
    ("image", "settings", "sentence"),
    [
        (IMAGE, {"bar_px": 30}, "lower it"),
        (IMAGE, {"side_px": 31}, "31 x 31 are needed"),
        (IMAGE, {"bar_px": 10, "side_px": 21}, "50 x 20 px above the data bar"),
        (IMAGE[0], {}, "is no micrograph"),
    ],
)
def test_what_has_no_such_square_is_refused(image, settings, sentence):
    with pytest.raises(InputError, match=sentence):
        cut_square(image, **settings)
