"""Videos, masks and rectangles as layers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from napari.layers import Labels

from glissile.defects import DEFAULT_CLASSES
from glissile.experiment import MaskStore
from glissile.stabilize.field_of_view import FieldOfViewSettings, field_of_view
from glissile.stabilize.motion import Motion
from glissile.video import Trim, Video
from glissile.widgets._layers import (
    StoredMasks,
    class_colormap,
    cropped,
    field_corners,
    placement,
    rectangle_corners,
)

FRAMES = np.arange(10 * 12 * 14, dtype=np.uint16).reshape(10, 12, 14)


@pytest.fixture
def video():
    return Video.from_frames(FRAMES, name="v", nm_per_pixel=2.5).trimmed(
        Trim(top=3, left=4, height=6, width=8, first=2, last=7)
    )


@pytest.fixture
def store(tmp_path):
    store = MaskStore.create(tmp_path / "s.zarr", (10, 6, 8))
    for number in (2, 5, 9):
        store.write(number, np.full((6, 8), number, np.uint8))
    return store


def test_placement_is_where_the_pixels_lie_in_the_source(video):
    place = placement(video)
    assert place["scale"] == (1, 2.5, 2.5)
    assert place["translate"] == (0, 7.5, 10)
    assert place["units"] == ("pixel", "nm", "nm")
    assert place["axis_labels"] == ("t", "y", "x")


def test_unknown_scale_is_in_pixels():
    place = placement(Video.from_frames(FRAMES, name="v"))
    assert place["scale"] == (1, 1, 1)
    assert place["units"] == ("pixel",) * 3


def test_stored_masks_index_as_their_array_does(video, store):
    masks = StoredMasks(store, video)
    whole = np.zeros((6, 6, 8), np.uint8)
    whole[0], whole[3] = 2, 5  # frames 2 to 7 of the source; 9 was trimmed away
    assert masks.shape == whole.shape
    assert masks.size == whole.size
    for key in (0, -3, (3, slice(1, 4), 2), slice(None), (slice(0, 4, 2), 1), ([0, 3], slice(2)), Ellipsis):
        np.testing.assert_array_equal(masks[key], whole[key])
    np.testing.assert_array_equal(np.asarray(masks), whole)


def test_stored_masks_see_what_is_written_later(video, store):
    masks = StoredMasks(store, video)
    store.write(3, np.ones((6, 8), np.uint8))
    assert masks[1].all()


def test_previews_lie_over_the_store(video, store):
    masks = StoredMasks(store, video)
    masks.previews[0] = np.ones((6, 8), np.uint8)
    assert (masks[0] == 1).all()
    assert (store.read(2) == 2).all()


def test_without_a_store_all_is_background(video):
    assert not np.asarray(StoredMasks(None, video)).any()


def test_napari_shows_stored_masks_in_class_colours(video, store):
    layer = Labels(StoredMasks(store, video), colormap=class_colormap(DEFAULT_CLASSES))
    np.testing.assert_allclose(layer.get_color(1), [0xE6 / 255, 0x9F / 255, 0, 1], atol=1e-6)
    assert layer.get_color(0) is None or layer.get_color(0)[3] == 0
    assert layer.get_color(77)[3] == 1  # a value of no class is seen


@given(
    st.integers(0, 20),
    st.integers(0, 30),
    st.integers(1, 20),
    st.integers(1, 30),
    st.permutations(range(4)),
)
def test_drawn_rectangle_is_the_crop(top, left, height, width, order):
    corners = rectangle_corners(top, left, height, width)[order]
    found = cropped(Trim(first=3, last=9), corners, (40, 60))
    assert found == Trim(top=top, left=left, height=height, width=width, first=3, last=9)


@given(st.lists(st.tuples(st.floats(-99, 99), st.floats(-99, 99)), min_size=4, max_size=4))
def test_any_rectangle_gives_a_crop_that_fits(corners):
    found = cropped(Trim(), np.array(corners), (12, 14))
    Video.from_frames(FRAMES, name="v").trimmed(found)


STEPS = Motion(np.array([[0, 0], [0, 1], [0, -2]], float), np.zeros(3), ("",) * 3, np.arange(2, 5))
WHOLE = Video.from_frames(FRAMES.repeat(2, axis=2), name="v").trimmed(Trim(top=3, left=4, height=6, first=2))


def test_the_common_area_follows_the_specimen():
    shown = field_of_view(STEPS, (6, 24), FieldOfViewSettings(kind="common"))
    (corners,) = field_corners(WHOLE, shown, 4)
    np.testing.assert_array_equal(corners[[0, 2]], [[2.5, 3.5], [8.5, 24.5]])
    assert field_corners(WHOLE, shown, 5) == []  # left out


def test_on_a_canvas_the_frame_is_told_from_it():
    shown = field_of_view(STEPS, (6, 24), FieldOfViewSettings(kind="union"))
    canvas, valid = field_corners(WHOLE, shown, 4)
    np.testing.assert_array_equal(canvas[[0, 2]], [[2.5, 0.5], [8.5, 27.5]])
    np.testing.assert_array_equal(valid[[0, 2]], [[2.5, 3.5], [8.5, 27.5]])
