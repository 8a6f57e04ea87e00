import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glissile.stabilize.consensus import consensus


def corners(n, seed):
    return np.random.default_rng(seed).uniform(0, 256, (n, 2)).astype(np.float32)


@given(st.integers(0, 2**31), st.tuples(st.floats(-50, 50), st.floats(-50, 50)), st.floats(0, 0.4))
@settings(max_examples=60, deadline=None)
def test_the_majority_wins_over_strays(seed, shift, share):
    rng = np.random.default_rng(seed)
    moved = np.add(shift, rng.normal(0, 0.1, (200, 2)))
    strays = rng.permutation(200)[: int(200 * share)]
    moved[strays] = rng.uniform(-60, 60, (len(strays), 2))
    found = consensus(corners(200, seed), moved.astype(np.float32))
    assert np.abs(found.shift - shift).max() < 0.06
    assert found.agreeing >= 200 - len(strays) - 5


def test_a_group_that_stands_still_does_not_pull():
    rng = np.random.default_rng(0)
    moved = rng.normal((4, -3), 0.3, (200, 2))
    moved[:60] = 0
    assert np.abs(consensus(corners(200, 0), moved.astype(np.float32)).shift - (4, -3)).max() < 0.1


@pytest.mark.parametrize("noise", [0.05, 0.3])
def test_the_standard_error_is_that_of_the_mean(noise):
    errors, told = [], []
    for seed in range(200):
        moved = np.random.default_rng(seed).normal(0, noise, (150, 2)).astype(np.float32)
        found = consensus(corners(150, seed), moved)
        errors.append(found.shift)
        told.append(found.sigma_px)
    assert np.mean(told) == pytest.approx(np.std(errors), rel=0.3)


def test_neighbours_that_err_alike_raise_the_standard_error():
    rng = np.random.default_rng(1)
    start = corners(300, 1)
    tile = (start // 32).astype(int) @ (8, 1)
    alone = consensus(start, rng.normal(0, 0.1, (300, 2)).astype(np.float32))
    alike = consensus(start, rng.normal(0, 0.1, (64, 2))[tile].astype(np.float32))
    assert alike.sigma_px > 1.7 * alone.sigma_px


def test_one_tile_is_no_certainty():
    moved = np.random.default_rng(0).normal(0, 0.2, (30, 2)).astype(np.float32)
    found = consensus(corners(30, 0) / 10, moved)
    assert found.tiles == 1
    assert found.sigma_px > 0.02


@pytest.mark.parametrize("n", [0, 1, 2])
def test_too_few_agree_on_nothing(n):
    assert consensus(np.zeros((n, 2), np.float32), np.zeros((n, 2), np.float32)) is None


@given(st.integers(3, 40), st.integers(0, 1000), st.permutations(range(40)))
@settings(max_examples=30, deadline=None)
def test_the_order_of_corners_does_not_matter(n, seed, order):
    rng = np.random.default_rng(seed)
    start, moved = corners(n, seed), rng.normal((2, 1), 0.1, (n, 2)).astype(np.float32)
    order = [k for k in order if k < n]
    one, other = consensus(start, moved), consensus(start[order], moved[order])
    np.testing.assert_allclose(one.shift, other.shift, atol=1e-3)
    assert one.agreeing == other.agreeing
