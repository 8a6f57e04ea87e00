import numpy as np

from glissile.stabilize.motion import Motion
from glissile.stabilize.review import Doubt, doubts, is_known, reference_frame

FLAGS = ("", "jump", "jump", "interpolated", "interpolated", "", "interpolated", "corrected", "few features")


def motion(flags=FLAGS, sigma=0.1):
    n = len(flags)
    return Motion(np.zeros((n, 2)), np.broadcast_to(sigma, n).astype(float), flags, np.arange(10, 10 + n))


def test_neighbours_that_are_flagged_alike_are_one_entry():
    assert doubts(motion()) == (
        Doubt(11, 11, "jump"),
        Doubt(12, 12, "jump"),
        Doubt(13, 14, "interpolated"),
        Doubt(16, 16, "interpolated"),
        Doubt(18, 18, "few features"),
    )
    assert doubts(motion(("", "corrected"))) == ()


def test_a_standard_error_that_is_not_told_is_no_ignorance():
    assert is_known(motion(("",) * 3, [np.nan, 0.2, 180])).tolist() == [True, True, False]


def test_a_frame_is_compared_with_the_last_one_before_it_that_needs_no_look():
    assert reference_frame(motion(), 6) == 5
    assert reference_frame(motion(), 4) == 0
    assert reference_frame(motion(), 8) == 7
    assert reference_frame(motion(("",) * 4, [0.1, 0.1, 180, 180]), 3) == 1
    assert reference_frame(motion(("jump",) * 4), 2) == 0
