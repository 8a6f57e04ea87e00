"""Kymographs of textures whose motion is known."""

import numpy as np
import pytest
from drifting_textures import moved, texture

from glissile.errors import InputError
from glissile.progress import finish
from glissile.stabilize.field_of_view import FieldOfViewSettings, field_of_view
from glissile.stabilize.kymograph import kymograph, kymographs, middle_line
from glissile.stabilize.motion import Motion
from glissile.stabilize.resample import fix_field_of_view
from glissile.video import Trim, Video

PATH = np.array([(0, 0), (1, 3), (2, 5), (-2, 8), (0, -4)])


def scene(path=PATH):
    """A video whose specimen moves by `path`, and where it lies in what is drawn: one window, moved."""
    image = texture((120, 140))
    return np.stack([moved(image, tuple(step))[20:-20, 20:-20] for step in path])


def stabilized(video, path=PATH):
    n = len(path)
    motion = Motion(path.astype(float), np.full(n, 0.1), ("",) * n, video.frame_numbers)
    return fix_field_of_view(
        video, field_of_view(motion, video.shape[1:], FieldOfViewSettings(kind="common"))
    )


def test_rows_are_equal_after_and_shifted_by_the_motion_before():
    whole = Video.from_frames(scene(), name="made")
    before = whole.trimmed(Trim(top=5, left=7, height=70, width=80))
    after = stabilized(before)
    top, left = np.array((30.0, 10.0)) + after.origins_px[0]
    start, stop = (top, left), (top, left + 50)
    found = finish(kymographs(before, after, start, stop, 1))
    assert found.after.shape == found.before.shape == (5, 51)
    np.testing.assert_allclose(found.after, found.after[[0]].repeat(5, 0), atol=1e-9)
    np.testing.assert_allclose(found.before[0], found.after[0])
    # What has come to the line on the detector lay as far to the other side in the first frame.
    image = texture((120, 140))
    for row, (dy, dx) in zip(found.before, PATH, strict=True):
        y, x = int(20 + top - dy), int(20 + left - dx)
        np.testing.assert_allclose(row, image[y, x : x + 51], atol=1e-9)
    np.testing.assert_array_equal(found.frame_numbers, range(5))


def test_a_slanted_wide_line_is_interpolated_and_averaged():
    ramp = np.add.outer(3.0 * np.arange(40), 2.0 * np.arange(50))
    video = Video.from_frames(ramp[None], name="ramp")
    rows = finish(kymograph(video, (10, 10), (22, 26), 5))
    assert rows.shape == (1, 21)
    np.testing.assert_allclose(rows[0], np.linspace(3 * 10 + 2 * 10, 3 * 22 + 2 * 26, 21))
    striped = Video.from_frames(np.tile((np.arange(20) % 2) * 10.0, (30, 1)).T[None], name="stripes")
    assert finish(kymograph(striped, (10, 3), (10, 9), 2))[0].tolist() == [5.0] * 7


def test_a_line_may_leave_the_frame():
    video = Video.from_frames(np.add.outer(np.zeros(8), np.arange(9.0))[None], name="ramp")
    np.testing.assert_allclose(finish(kymograph(video, (4, -2), (4, 10)))[0], [0, 0, *range(9), 8, 8])
    np.testing.assert_allclose(finish(kymograph(video, (-30, 2), (-30, 5)))[0], [2, 3, 4, 5])


def test_the_line_goes_through_the_middle_at_first():
    video = Video.from_frames(scene(), name="made").trimmed(Trim(top=5, left=7, height=71, width=81))
    assert middle_line(video) == ((40, 7), (40, 87))


def test_frames_are_read_one_by_one_and_the_work_can_be_left():
    video = Video.from_frames(scene(), name="made")
    steps = kymograph(video, *middle_line(video))
    assert [next(steps).index for _ in range(3)] == [1, 2, 3]
    steps.close()
    counts = [(step.index, step.total) for step in kymographs(video, video, (4, 4), (4, 9), 1)]
    assert counts == [(k, 10) for k in range(1, 11)]


def test_a_line_without_length_is_refused():
    video = Video.from_frames(scene(), name="made")
    with pytest.raises(InputError, match="shorter than a pixel"):
        finish(kymograph(video, (4, 4), (4, 4.5)))
