import numpy as np
import pytest
from drifting_textures import burnt, burnt_in, clean, drifting, lit, recorded, swept, texture, wandering
from hypothesis import given, settings
from hypothesis import strategies as st

from glissile.stabilize.regions import LEFT_OUT, SPECIMEN, Regions
from glissile.stabilize.survey import Anchor, Surveyor

WINDOW = (96, 128)
NOISE = np.random.default_rng(0).normal(100, 20, (30, *WINDOW)).clip(0, 255).astype(np.uint8)


def surveyed(frames, values=None, at_once=24, anchor=None, **changes):
    shape = frames.shape[1:]
    regions = Regions(np.zeros(shape, np.uint8) if values is None else values)
    surveyor = Surveyor(shape, regions, **{"find_overlay": True, "anchor": anchor, **changes})
    for start in range(0, len(frames), at_once):
        surveyor.add(list(frames[start : start + at_once]))
    return surveyor.survey()


def off(survey, path):
    error = survey.positions_px - path
    return np.abs(error - np.nanmedian(error, axis=0))


@pytest.mark.parametrize("fine", [False, True])
def test_the_specimen_is_found_to_a_tenth_of_a_pixel(fine):
    path = wandering(40, 1)
    survey = surveyed(drifting(path, WINDOW), fine=fine)
    assert off(survey, path).max() < 0.15
    assert not survey.views.any()
    assert (survey.sigma_px > 0).all()
    assert survey.overlay is None


@given(st.integers(1, 40))
@settings(max_examples=6)
def test_how_many_frames_come_at_once_does_not_matter(at_once):
    frames = drifting(wandering(40, 2), WINDOW)
    plain, other = surveyed(frames), surveyed(frames, at_once=at_once)
    np.testing.assert_allclose(plain.positions_px, other.positions_px, atol=1e-3)
    np.testing.assert_array_equal(plain.views, other.views)


@pytest.mark.parametrize("kind", ["noise", "constant", "black"])
def test_frames_that_show_nothing_are_not_measured(kind):
    frames = {"noise": NOISE, "constant": np.full_like(NOISE, 90), "black": np.zeros_like(NOISE)}[kind]
    assert (surveyed(frames).views == -1).sum() >= len(frames) - 1
    assert np.isnan(surveyed(frames).positions_px).sum() >= 2 * (len(frames) - 1)


@pytest.mark.parametrize("filling", [0, NOISE[:5]])
def test_frames_without_the_specimen_are_left_out_and_bridged(filling):
    path = wandering(40, 3)
    frames = drifting(path, WINDOW)
    frames[20:25] = filling
    survey = surveyed(frames)
    assert np.flatnonzero(survey.views != 0).tolist() == [20, 21, 22, 23, 24]
    assert (survey.views[20:25] == -1).all()
    assert np.nanmax(off(survey, path)) < 0.15


def test_a_scene_cut_begins_a_view():
    path = wandering(48, 4)
    frames = np.concatenate([drifting(path[:24], WINDOW, seed=1), drifting(path[24:], WINDOW, seed=2)])
    survey = surveyed(frames)
    assert survey.views.tolist() == [0] * 24 + [1] * 24
    assert not survey.positions_px[24].any()
    assert np.abs(survey.positions_px[24:] - (path[24:] - path[24])).max() < 0.2


@pytest.mark.parametrize("away", [3, 8, 30])
def test_a_view_that_comes_back_is_known_again(away):
    path = wandering(48 + away, 5, 0.2)
    there = drifting(path, WINDOW, seed=1)
    there[24 : 24 + away] = drifting(path[24 : 24 + away], WINDOW, seed=2)
    survey = surveyed(there)
    assert (survey.views[:24] == 0).all()
    assert (survey.views[24 + away :] == 0).all()
    assert (survey.views[24 : 24 + away] != 0).all()
    back = np.r_[0:24, 24 + away : 48 + away]
    error = (survey.positions_px - path)[back]
    assert np.abs(error - error[0]).max() < 0.2


def wide(shifts, size=(96, 128)):
    """Frames of one large texture, seen by a window that jumps."""
    image = texture((256, 320), 3)
    frames = [image[80 - dy : 80 - dy + size[0], 96 - dx : 96 - dx + size[1]] for dy, dx in shifts]
    return recorded(np.stack(frames))


@pytest.mark.parametrize("jump", [(0, 50), (0, -50), (38, 0), (-38, 0), (30, 40), (0, 64), (-48, 0)])
def test_a_jump_by_up_to_half_the_frame_is_found(jump):
    path = np.zeros((32, 2), int)
    path[16:] = jump
    survey = surveyed(wide(path))
    assert not survey.views.any()
    assert off(survey, path).max() < 0.5


@pytest.mark.parametrize("jump", [(0, 76), (0, -90), (58, 0), (-70, 0), (50, 66), (-48, 40)])
def test_a_jump_by_more_than_half_the_frame_is_found_or_begins_a_view(jump):
    path = np.zeros((32, 2), int)
    path[16:] = jump
    survey = surveyed(wide(path))
    assert (survey.views[:16] == 0).all()
    same = survey.views == 0
    assert np.abs(survey.positions_px[same] - path[same]).max() < 1
    assert np.abs(survey.positions_px[survey.views > 0]).max(initial=0) < 1
    assert (survey.views >= 0).mean() > 0.9


@pytest.mark.parametrize("seed", range(2))
def test_a_bend_contour_that_sweeps_over_the_frame_does_not_drag_the_survey(seed):
    path = wandering(72, seed)
    window = (128, 160)
    frames = recorded(swept(clean(path, window, seed=seed), path), seed=seed)
    survey = surveyed(frames)
    assert not survey.views.any()
    assert off(survey, path).max() < 0.3


def test_an_overlay_is_found_and_left_out():
    path = wandering(48, 6, 0.3)
    frames = burnt_in(drifting(path, WINDOW))
    survey = surveyed(frames)
    assert survey.overlay[burnt(frames.shape)].all()
    assert off(survey, path).max() < 0.3


def test_no_overlay_is_looked_for_where_none_is_wanted():
    frames = burnt_in(drifting(wandering(24, 6), WINDOW))
    assert surveyed(frames, find_overlay=False).overlay is None


def standing(path, size=WINDOW):
    """Frames (t, y, x) of which half shows a texture that is fixed to the detector."""
    frames = clean(path, size)
    frames[:, :, : size[1] // 2] = clean(np.zeros((1, 2)), size, seed=7)[0, :, : size[1] // 2]
    return recorded(frames)


def test_what_is_left_out_does_not_hold_the_survey_back():
    path = np.linspace(0, 1, 40)[:, None] * (9.0, -6.0)
    frames = standing(path)
    values = np.zeros(WINDOW, np.uint8)
    values[:, : WINDOW[1] // 2] = LEFT_OUT
    assert off(surveyed(frames, values), path).max() < 0.3
    assert off(surveyed(frames), path).max() > 1


def test_marks_of_specimen_bring_back_what_looks_like_an_overlay():
    # A specimen without noise that stands still most of the time, among noise.
    path = np.zeros((30, 2))
    path[24:] = 4, -3
    frames = np.random.default_rng(1).normal(120, 20, (30, *WINDOW))
    frames[:, 24:72, 32:96] = clean(path, WINDOW)[:, 24:72, 32:96]
    frames = frames.clip(0, 255).astype(np.uint8)
    plain, marked = surveyed(frames), surveyed(frames, np.full(WINDOW, SPECIMEN, np.uint8))
    assert plain.overlay[28:68, 36:92].all()
    assert (plain.views < 0).mean() > 0.9
    assert (marked.views == 0).all()
    assert off(marked, path).max() < 0.3


def test_the_lamp_is_told_for_each_frame():
    frames = recorded(lit(clean(np.zeros((20, 2)), WINDOW)), dtype=np.float32)
    told = surveyed(frames).illumination
    flicker = 1 + 0.33 * np.cos(2.4 * np.arange(20))
    tilt = np.sin(np.linspace(0, 6, 20))
    assert np.ptp(told[:, 0] - np.log(flicker)) < 0.05
    assert np.ptp(told[:, 1] - 0.5 * tilt) < 0.08
    assert np.ptp(told[:, 2] + 0.4 * tilt) < 0.08


@pytest.mark.parametrize("side", [0, 1])
def test_an_anchor_is_followed_and_the_rest_is_not(side):
    path, other = (np.linspace(0, 1, 40)[:, None] * way for way in ((6.0, 4.0), (-5.0, 7.0)))
    frames = clean(path, WINDOW)
    half = slice(None, 64) if side else slice(64, None)
    frames[:, :, half] = clean(other, WINDOW, seed=3)[:, :, half]
    marked = np.zeros(WINDOW, bool)
    marked[12:-12, slice(76, -12) if side else slice(12, 52)] = True
    survey = surveyed(recorded(frames), anchor=Anchor(marked, path))
    assert off(survey, path).max() < 0.35


def test_a_bounded_number_of_spectra_and_images_is_held():
    surveyor = Surveyor((24, 24), Regions(np.zeros((24, 24), np.uint8)), find_overlay=True)
    rng = np.random.default_rng(0)
    frame = texture((24, 24), cutoff=0.3)
    for start in range(0, 960, 24):
        # Views that come and go, and noise in between, so that blocks open, wait and close.
        shown = frame if start % 96 else texture((24, 24), start, 0.3)
        surveyor.add([shown + rng.normal(0, 3, (24, 24)) for _ in range(24)])
        blocks = surveyor._blocks
        held = sum(len(block.spectra) for block in blocks) + len(surveyor._waiting)
        held += 0 if surveyor._open is None else len(surveyor._open.spectra)
        assert held <= 24 + 8
        assert sum(block.image is not None for block in blocks) <= 24
        assert sum(block.mean is not None for block in blocks) <= 24
    assert len(surveyor._blocks) > 30
