import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glissile.stabilize.tiles import Tiling, agreed, turn_and_growth

TILES = 40
SHIFTS = st.tuples(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5))


def informed(frames=1, tiles=TILES, seed=0):
    """Matrices (frames, tiles, 2, 2) of textured tiles, some of which tell more than others."""
    rng = np.random.default_rng(seed)
    gradients = rng.normal(0, 1, (tiles, 2, 12)) * rng.uniform(0.5, 2, (tiles, 1, 1))
    return np.broadcast_to(gradients @ gradients.transpose(0, 2, 1), (frames, tiles, 2, 2))


def told(matrices, shifts, noise=None):
    """Sums (frames, 5, tiles) of tiles with these matrices, of which each is displaced by its own shift."""
    vector = np.einsum("ktij,ktj->kti", matrices, np.broadcast_to(shifts, (*matrices.shape[:2], 2)))
    if noise is not None:
        roots = np.linalg.cholesky(matrices)
        vector = vector + np.einsum("ktij,ktj->kti", roots, noise)
    return np.stack(
        [vector[..., 0], vector[..., 1], matrices[..., 0, 0], matrices[..., 0, 1], matrices[..., 1, 1]],
        axis=1,
    )


def robust(sums, cauchy, rounds):
    found = agreed(sums, cauchy, rounds)
    return found.displacements, found.sigma, found.agreeing


SIZES = st.tuples(st.integers(1, 90), st.integers(1, 70))


@given(SIZES, st.integers(3, 20))
def test_tiles_are_about_as_large_as_asked_and_leave_little_over(shape, about):
    tiling = Tiling.of(shape, about)
    for length, edge, count in zip(shape, tiling.edges, tiling.counts, strict=True):
        assert min(length, 2 * about // 3) <= edge <= 4 * about // 3
        assert count >= 1
        assert 0 <= length - edge * count < edge
    # A length that tiles can fill is filled.
    assert Tiling.of((7 * about, about), about) == Tiling((about, about), (7, 1))
    filled = Tiling.of((7 * (about + 1), about), about)
    assert filled.edges[0] * filled.counts[0] == 7 * (about + 1)


@given(SIZES, st.tuples(st.integers(0, 30), st.integers(0, 30)), st.integers(3, 20), st.integers(0, 2**31))
def test_tiles_hold_what_lies_in_them_wherever_the_frame_is(shape, place, about, seed):
    rng = np.random.default_rng(seed)
    plane = rng.integers(0, 100, (shape[0] + place[0] + 7, shape[1] + place[1] + 3)).astype(np.float32)
    factors = rng.integers(0, 9, shape).astype(np.float32)
    frame = plane[place[0] : place[0] + shape[0], place[1] : place[1] + shape[1]]
    tiling = Tiling.of(shape, about)
    (down, right), (rows, columns) = tiling.edges, tiling.counts

    def summed(image):
        inside = image[: rows * down, : columns * right]
        return inside.reshape(rows, down, columns, right).sum(axis=(1, 3)).ravel()

    np.testing.assert_allclose(tiling.sums(frame, factors), summed(frame * factors), rtol=1e-5)
    np.testing.assert_allclose(tiling.at(tiling.everywhere(plane), place), summed(frame), rtol=1e-5)
    y, x = np.indices(shape)
    middles = np.stack([summed(axis + 0.5) / (down * right) for axis in (y, x)], axis=1)
    np.testing.assert_allclose(tiling.centres, middles)


@given(
    SHIFTS, st.floats(-0.01, 0.01), st.floats(-0.01, 0.01), st.tuples(st.floats(-99, 99), st.floats(-99, 99))
)
def test_a_turn_and_a_growth_are_told_apart_from_a_shift(shift, turn, growth, origin):
    places = np.argwhere(np.ones((5, 8))) * 32.0
    y, x = (places - (64, 112)).T
    field = np.stack([shift[0] + turn * x + growth * y, shift[1] - turn * y + growth * x], axis=1)
    found, sigma = turn_and_growth(told(informed(), field), np.ones((1, TILES)), places + origin)
    np.testing.assert_allclose(found, [(turn, growth)], atol=1e-9)
    assert sigma[0] < 1e-6


def test_the_error_of_turn_and_growth_is_told():
    places = np.argwhere(np.ones((5, 8))) * 32.0
    noise = np.random.default_rng(6).normal(0, 1, (300, TILES, 2))
    sums = told(informed(300), (0.1, 0.0), noise)
    found, sigma = turn_and_growth(sums, np.ones((300, TILES)), places)
    scatter = np.sqrt(np.square(found).mean())
    assert 0.7 < np.mean(sigma) / scatter < 1.3


def test_one_tile_tells_no_turn():
    found, sigma = turn_and_growth(told(informed(1, 1), (0.3, 0.2)), np.ones((1, 1)), np.zeros((1, 2)))
    assert not found.any()
    assert np.isinf(sigma).all()


@given(SHIFTS, st.integers(0, 2**31))
def test_what_all_tiles_say_is_found_exactly(shift, seed):
    found, sigma, agreeing = robust(told(informed(2, seed=seed), shift), 12.0, 6)
    assert np.abs(found - shift).max() < 1e-9
    assert sigma.max() < 1e-6
    assert (agreeing == 1).all()


@given(SHIFTS, SHIFTS)
def test_frames_have_no_say_in_each_other(one, other):
    noise = np.random.default_rng(1).normal(0, 1, (2, TILES, 2))
    matrices = informed(2)
    both = robust(told(matrices, np.array([one, other])[:, None], noise), 12.0, 6)
    alone = robust(told(matrices[1:], other, noise[1:]), 12.0, 6)
    for together, single in zip(both, alone, strict=True):
        np.testing.assert_allclose(together[1], single[0], rtol=1e-7, atol=1e-12)


def test_a_quarter_of_the_tiles_that_says_otherwise_has_next_to_no_say():
    shifts = np.zeros((1, TILES, 2))
    shifts[:] = 0.2, -0.3
    shifts[:, ::4] = 8, 8
    noise = np.random.default_rng(0).normal(0, 1, (1, TILES, 2))
    matrices = informed()
    found, sigma, agreeing = robust(told(matrices, shifts, noise), 12.0, 6)
    trace = matrices[0, :, 0, 0] + matrices[0, :, 1, 1]
    off = np.arange(TILES) % 4 == 0
    assert np.abs(found - (0.2, -0.3)).max() < 4 * sigma[0]
    assert sigma[0] < 0.1
    assert agreeing[0] == pytest.approx(trace[~off].sum() / trace.sum(), abs=0.02)


@pytest.mark.parametrize("scale", [0.1, 1.0, 10.0])
def test_sigma_tells_how_far_the_displacements_scatter(scale):
    noise = scale * np.random.default_rng(2).normal(0, 1, (400, TILES, 2))
    found, sigma, _ = robust(told(informed(400), (0.1, 0.2), noise), 12.0, 6)
    scatter = np.sqrt(np.square(found - (0.1, 0.2)).mean())
    assert 0.8 < sigma.mean() / scatter < 1.25


def test_sigma_tells_the_scatter_also_where_a_fifth_of_the_tiles_is_wrong():
    rng = np.random.default_rng(6)
    noise = rng.normal(0, 1, (600, TILES, 2)) * np.where(rng.random((600, TILES, 1)) < 0.2, 8, 1)
    found, sigma, _ = robust(told(informed(600), (0.1, 0.2), noise), 12.0, 6)
    assert 0.88 < sigma.mean() / np.sqrt(np.square(found - (0.1, 0.2)).mean()) < 1.15


def test_more_contrast_changes_no_displacement():
    noise = np.random.default_rng(3).normal(0, 1, (1, TILES, 2))
    sums = told(informed(), (0.3, 0.1), noise)
    plain, brighter = robust(sums, 12.0, 6), robust(1e4 * sums, 12.0, 6)
    for one, other in zip(plain, brighter, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


def test_tiles_that_know_one_direction_only_have_no_say_alone():
    matrices = informed().copy()
    matrices[:, ::2] = np.diag([5.0, 0.0])
    shifts = np.zeros((1, TILES, 2))
    shifts[:, ::2] = 9, 9
    found, _, agreeing = robust(told(matrices, shifts), 12.0, 6)
    assert np.abs(found).max() < 1e-9
    assert agreeing[0] == 1


def test_tiles_that_tell_next_to_nothing_do_not_count():
    matrices = informed().copy()
    matrices[:, ::2] *= 1e-3
    noise = np.random.default_rng(4).normal(0, 1, (1, TILES, 2))
    sums = told(matrices, (0.1, 0.1), noise)
    sums[:, :2, ::2] *= 100  # as what is wrong with them may be large
    found, _, _ = robust(sums, 12.0, 6)
    good, _, _ = robust(sums[:, :, 1::2], 12.0, 6)
    np.testing.assert_allclose(found, good, atol=1e-9)


@pytest.mark.parametrize("tiles", [2, 3, 5])
def test_sigma_of_a_few_tiles_is_not_too_small(tiles):
    noise = np.random.default_rng(5).normal(0, 1, (2000, tiles, 2))
    even = np.broadcast_to(20.0 * np.eye(2), (2000, tiles, 2, 2))
    found, sigma, _ = robust(told(even, (0.1, 0.2), noise), 12.0, 6)
    assert np.sqrt(np.square(sigma).mean()) > 0.9 * np.sqrt(np.square(found - (0.1, 0.2)).mean())


def test_one_tile_cannot_tell_how_sure_it_is():
    found, sigma, _ = robust(told(informed(2, 1), (0.3, -0.2)), 12.0, 6)
    assert np.abs(found - (0.3, -0.2)).max() < 1e-9
    assert np.isinf(sigma).all()


def test_no_information_is_no_displacement_and_no_certainty():
    sums = told(informed(3), (0.3, -0.2))
    sums[1] = 0
    found, sigma, agreeing = robust(sums, 12.0, 6)
    assert not found[1].any()
    assert np.isinf(sigma[1])
    assert agreeing[1] == 0
    assert np.abs(found[[0, 2]] - (0.3, -0.2)).max() < 1e-9
    assert sigma[[0, 2]].max() < 1e-6
