import numpy as np
import pytest
from drifting_textures import clean, recorded, swept, wandering
from hypothesis import given, settings
from hypothesis import strategies as st

from glissile.stabilize.blocks import aligned
from glissile.stabilize.small_frames import SmallFrames

WINDOW = (96, 112)
SMALL = SmallFrames(WINDOW)


def spectra_of(frames):
    return SMALL.spectra([SMALL.flat(SMALL.small(frame)) for frame in frames])


def started(path, off_px, seed=0):
    """Positions to start from, off by so much."""
    return path + np.random.default_rng(seed).uniform(-off_px, off_px, path.shape)


@pytest.mark.parametrize("count", [2, 3, 4, 16])
def test_frames_are_put_where_they_lie(count):
    path = wandering(count, 1)
    fit = aligned(spectra_of(recorded(clean(path, WINDOW))), started(path, 1.5), SMALL)
    assert not fit.positions_px[0].any()
    assert np.abs(fit.positions_px - path).max() < 0.12


@given(st.integers(0, 2**31))
@settings(max_examples=10)
def test_any_order_of_the_frames_gives_the_same_positions(seed):
    path = wandering(8, 2)
    spectra, start = spectra_of(recorded(clean(path, WINDOW))), started(path, 1.0)
    order = np.random.default_rng(seed).permutation(8)
    plain, other = aligned(spectra, start, SMALL), aligned(spectra[order], start[order], SMALL)
    found = np.empty((8, 2))
    found[order] = other.positions_px
    assert np.abs(found - found[0] - plain.positions_px).max() < 0.02


@given(st.tuples(st.floats(-2, 2), st.floats(-2, 2)))
@settings(max_examples=10)
def test_where_all_frames_start_from_together_does_not_matter(offset):
    path = wandering(8, 3)
    spectra = spectra_of(recorded(clean(path, WINDOW)))
    plain, other = (aligned(spectra, path + o, SMALL) for o in ((0, 0), offset))
    assert np.abs(plain.positions_px - other.positions_px).max() < 0.01


def test_the_mean_shows_the_specimen_where_the_first_frame_does():
    path = wandering(12, 4, 0.1) + np.array((3, -5))
    spectra = spectra_of(recorded(clean(path, WINDOW), noise=30))
    fit = aligned(spectra, path, SMALL)
    still = spectra_of(clean(path[:1], WINDOW))[0]
    shift, _ = SMALL.likeliest(np.conj(still) * fit.mean)
    assert np.abs(shift).max() < 0.2
    # A mean of twelve frames is more like the specimen than a frame is.
    alike, alone = (
        np.vdot(still, s).real / np.linalg.norm(still) / np.linalg.norm(s) for s in (fit.mean, spectra[0])
    )
    assert 1 - alike < 0.3 * (1 - alone)


def test_one_frame_is_its_own_mean():
    (spectrum,) = spectra_of(clean(np.zeros((1, 2)), WINDOW))
    fit = aligned(spectrum[None], np.array([(7.0, -3.0)]), SMALL)
    assert fit.positions_px.tolist() == [[0, 0]]
    np.testing.assert_allclose(fit.mean, spectrum, atol=1e-3 * np.abs(spectrum).max())


def test_what_came_in_is_left_alone():
    path = wandering(4, 5)
    spectra = spectra_of(recorded(clean(path, WINDOW)))
    before, start = spectra.copy(), path.copy()
    aligned(spectra, start, SMALL)
    np.testing.assert_array_equal(spectra, before)
    np.testing.assert_array_equal(start, path)


@pytest.mark.parametrize("seed", range(2))
def test_fringes_that_sweep_over_the_frame_have_no_say(seed):
    window = (128, 160)
    small = SmallFrames(window)
    # The middle third of a passage, where the band fills most of the frame.
    path = wandering(72, seed)
    frames = recorded(swept(clean(path, window, seed=seed), path), seed=seed)[24:48]
    spectra = small.spectra([small.flat(small.small(frame)) for frame in frames])
    told = path[24:48] - path[24]
    fit = aligned(spectra, started(told, 0.5), small)
    assert np.abs(fit.positions_px - told).max() < 0.12


def test_one_odd_frame_does_not_move_the_others():
    path = wandering(10, 6)
    frames = recorded(clean(path, WINDOW))
    frames[5] = recorded(clean(path[5:6], WINDOW, seed=9))[0]
    fit = aligned(spectra_of(frames), path, SMALL)
    assert np.abs(np.delete(fit.positions_px - path, 5, axis=0)).max() < 0.1


def test_the_error_of_each_frame_is_told():
    path = wandering(16, 2, 0.3)
    sigmas, errors = [], []
    for seed in range(6):
        small = SmallFrames((96, 128))
        frames = recorded(clean(path, (96, 128), seed=seed), noise=40, seed=seed)
        flat = [small.flat(small.small(frame)) for frame in frames]
        fit = aligned(small.spectra(flat), path, small)
        error = fit.positions_px - path
        errors.append(error - error.mean(axis=0))
        sigmas.append(fit.sigma_px)
    scatter = np.sqrt(np.square(errors).mean())
    assert 0.6 < np.mean(sigmas) / scatter < 2
