from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from glissile.contrast import contrast_limits
from glissile.defects import DEFAULT_CLASSES
from glissile.errors import InputError
from glissile.quantify.measure import area_counts
from glissile.quantify.overlay import frame_caption, overlay_frame, scale_bar_length

DATA = Path(__file__).parents[2].parent / "shared" / "data"
ORANGE = np.array([0xE6, 0x9F, 0x00])


def with_a_line(shape=(64, 64), value=1):
    mask = np.zeros(shape, np.uint8)
    mask[30:33, 8:-8] = value
    return mask


def grey(shape=(64, 64), level=120, dtype=np.uint8):
    return np.full(shape, level, dtype)


def overlay(frame, mask, **options):
    return overlay_frame(frame, mask, DEFAULT_CLASSES, contrast=(0, 255), **options)


def test_without_anything_to_draw_the_grey_values_stay():
    frame = np.random.default_rng(1).integers(0, 256, (40, 50), dtype=np.uint8)
    picture = overlay(frame, np.zeros_like(frame))
    assert picture.dtype == np.uint8
    np.testing.assert_array_equal(picture, np.stack([frame] * 3, axis=2))


@pytest.mark.parametrize("level", [0, 120, 255])
def test_a_thin_line_stands_out_on_any_grey_and_lets_the_frame_through(level):
    frame = grey(level=level)
    picture = overlay(frame, with_a_line()).astype(int)
    casing = picture[29, 30]
    assert np.abs(casing - ORANGE).max() < 45  # nearly the class colour
    inside = picture[31, 30]
    assert 15 < np.abs(inside - level).max() < 100  # tinted, not painted over
    assert (picture[10] == level).all()


def test_contrast_inside_a_region_survives():
    frame = grey()
    frame[31, 20], frame[31, 40] = 60, 200
    picture = overlay(frame, with_a_line()).astype(int)
    assert (picture[31, 40] - picture[31, 20]).min() > 0.6 * (200 - 60)


def test_the_casing_lies_outside_so_the_region_keeps_its_size():
    frame, mask = grey(), with_a_line()
    changed = (overlay(frame, mask) != frame[..., np.newaxis]).any(axis=2)
    grown = np.zeros_like(changed)
    grown[29:34, 7:-7] = True
    np.testing.assert_array_equal(changed, grown)


def test_each_class_has_its_own_colour():
    one, two = (overlay(grey(), with_a_line(value=v))[29, 30].astype(int) for v in (1, 2))
    assert np.abs(one - two).max() > 100


def test_where_classes_touch_neither_covers_the_other():
    mask = with_a_line()
    mask[33:36] = 2
    picture = overlay(grey(), mask)
    assert (picture[32, 30] == picture[31, 30]).all()
    assert (picture[33, 30] == picture[34, 30]).all()


def test_large_frames_have_a_casing_that_survives_scaling_down():
    mask = np.zeros((2048, 4096), np.uint8)
    mask[1000:1012] = 1
    changed = (overlay(grey(mask.shape), mask) != 120).any(axis=2).sum(axis=0)
    assert changed[2000] >= 12 + 2 * 3


def test_contrast_limits_are_black_and_white_for_any_type():
    ramp = np.linspace(-1, 2, 64 * 64).reshape(64, 64)
    nothing = np.zeros((64, 64), np.uint8)
    shown = overlay_frame(ramp, nothing, DEFAULT_CLASSES, contrast=(0, 1))[..., 0]
    assert (shown[ramp <= 0] == 0).all()
    assert (shown[ramp >= 1] == 255).all()
    sixteen = (np.clip(ramp, 0, 2) * 20000).astype(np.uint16)
    np.testing.assert_allclose(
        overlay_frame(sixteen, nothing, DEFAULT_CLASSES, contrast=(0, 20000))[..., 0], shown, atol=1
    )


@pytest.mark.parametrize("value", [0, 7, np.nan])
def test_a_flat_or_missing_frame_is_drawn(value):
    frame = np.full((64, 64), value)
    overlay_frame(frame, with_a_line(), DEFAULT_CLASSES, contrast=contrast_limits([frame]))


@pytest.mark.parametrize(
    ("width", "nm_per_pixel", "nm"),
    [(700, 3.1, 500), (330, 1.7, 100), (64, 0.01, 0.1), (4096, 50, 50_000), (400, 10, 1000)],
)
def test_scale_bars_have_round_lengths(width, nm_per_pixel, nm):
    assert scale_bar_length(width, nm_per_pixel) == pytest.approx(nm)


@given(width=st.integers(16, 8192), nm_per_pixel=st.floats(1e-3, 1e4))
def test_scale_bars_are_of_the_1_2_5_series_and_fill_a_tenth_to_a_quarter(width, nm_per_pixel):
    length = scale_bar_length(width, nm_per_pixel)
    assert f"{length:.6e}"[0] in "125"
    assert f"{length:.6e}"[2:8] == "000000"
    assert 0.1 * width - 1e-6 <= length / nm_per_pixel <= 0.25 * width * (1 + 1e-6)


@pytest.mark.parametrize("level", [0, 120])
def test_scale_bar_is_as_long_as_it_says(level):
    frame = grey((362, 700), level)
    picture = overlay(frame, np.zeros_like(frame), nm_per_pixel=3.125)[..., 0]
    lowest_white = picture[np.nonzero(picture == 255)[0].max()]
    white = np.flatnonzero(lowest_white == 255)
    assert len(white) == 160  # 500 nm of 3.125 nm each
    assert white[-1] - white[0] == 159


def test_scale_bar_has_an_edge_on_a_white_frame():
    frame = grey((362, 700), 255)
    picture = overlay(frame, np.zeros_like(frame), nm_per_pixel=3.125)[..., 0]
    lowest_black = picture[np.nonzero(picture == 0)[0].max()]
    assert np.count_nonzero(lowest_black == 0) > 160


@pytest.mark.parametrize("shape", [(64, 64), (63, 101), (400, 330), (1024, 1024), (2160, 4096)])
def test_caption_and_bar_fit_any_frame(shape):
    frame = grey(shape)
    plain = overlay(frame, np.zeros_like(frame))
    picture = overlay(
        frame, np.zeros_like(frame), nm_per_pixel=0.8, caption=frame_caption(time_s=12.3, strain=0.0345)
    )
    assert picture.shape == (*shape, 3)
    drawn = (picture != plain).any(axis=2)
    height = shape[0]
    assert drawn[: height // 2].any()
    assert drawn[height // 2 :].any()
    # Nothing reaches the right edge: neither text nor bar is cut.
    assert not drawn[:, -1].any()
    assert not drawn[0].any()
    assert not drawn[-1].any()
    assert drawn.mean() < 0.35


def test_caption_says_strain_and_time():
    assert frame_caption(time_s=9.05, strain=0.012305) == "ε = 0.01230   9.1 s"
    assert frame_caption(time_s=9.0) == frame_caption(time_s=9.0, strain=float("nan")) == "9.0 s"


def test_a_mask_of_another_video_is_refused():
    with pytest.raises(InputError, match="64 x 64 px and the frame 64 x 65 px"):
        overlay(grey((64, 65)), with_a_line())


@pytest.mark.skipif(not DATA.exists(), reason="the published data set is not there")
def test_hand_labels_cover_what_their_authors_say():
    frame = next((DATA / "twip-2um" / "images").glob("*.png"))
    mask = np.array(Image.open(DATA / "twip-2um" / "masks" / frame.name))
    picture = overlay(np.array(Image.open(frame)), mask)
    assert picture.shape == (400, 330, 3)
    counts = area_counts(mask, DEFAULT_CLASSES)
    published = pd.read_csv(DATA / "twip-2um" / "published_area.csv").mean()
    assert counts["dislocation"] / mask.size == pytest.approx(published["dislocation_fraction"], abs=0.03)
