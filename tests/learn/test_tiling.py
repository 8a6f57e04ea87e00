from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from glissile.learn.tiling import blended, tiles
from glissile.segment.settings import SegmentSettings

layouts = st.tuples(
    st.integers(1, 150),
    st.integers(1, 150),
    st.integers(8, 64),
    st.integers(0, 32),
    st.sampled_from([1, 4, 8]),
).filter(lambda v: v[3] <= v[2] // 2)


def cut(frame, places):
    return ((p, frame[:, p.rows, p.columns]) for p in places)


@settings(deadline=None)
@given(layouts)
def test_tile_then_blend_is_the_identity(layout):
    y, x, tile_px, overlap_px, stride = layout
    frame = np.random.default_rng(0).normal(size=(2, y, x)).astype(np.float32)
    places = tiles((y, x), tile_px=tile_px, overlap_px=overlap_px, stride=stride)
    joined = blended(cut(frame, places), shape=(y, x), channels=2, overlap_px=overlap_px)
    np.testing.assert_allclose(joined, frame, rtol=1e-5, atol=1e-6)


@settings(deadline=None)
@given(layouts)
def test_tiles_lie_within_the_frame_on_the_grid_and_overlap(layout):
    y, x, tile_px, overlap_px, stride = layout
    covered = np.zeros((y, x), int)
    places = tiles((y, x), tile_px=tile_px, overlap_px=overlap_px, stride=stride)
    for p in places:
        assert p.rows.start % stride == p.columns.start % stride == 0
        assert 0 < p.shape[0] <= max(tile_px, stride)
        assert 0 < p.shape[1] <= max(tile_px, stride)
        covered[p.rows, p.columns] += 1
    assert covered.min() >= 1
    rows = sorted({(p.rows.start, p.rows.stop) for p in places})
    for (_, stop), (start, _) in pairwise(rows):
        assert stop - start >= min(overlap_px, max(tile_px // stride, 1) * stride - stride)


def test_a_small_frame_is_one_tile():
    (only,) = tiles((40, 64), tile_px=64, overlap_px=16, stride=32)
    assert only.shape == (40, 64)


def test_each_tile_gives_way_smoothly():
    """Two tiles that disagree meet in a ramp without a step."""
    places = tiles((8, 96), tile_px=64, overlap_px=32)
    assert len(places) == 2
    constants = ((p, np.full((1, *p.shape), float(i), np.float32)) for i, p in enumerate(places))
    row = blended(constants, shape=(8, 96), channels=1, overlap_px=32)[0, 4]
    assert row[:32].max() == 0
    assert row[64:].min() == 1
    steps = np.diff(row[31:65])
    assert (steps >= 0).all()
    assert steps.max() < 0.06


def test_an_overlap_of_more_than_half_a_tile_is_refused():
    with pytest.raises(ValidationError, match="more than half a tile"):
        SegmentSettings(tile_px=128, overlap_px=65)


def test_every_setting_has_a_title_and_a_description():
    assert all(f.title and f.description for f in SegmentSettings.model_fields.values())
