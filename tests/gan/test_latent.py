import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glissile.errors import InputError
from glissile.gan.latent import (
    along,
    latents,
    layers_of,
    mixed,
    seeds_of,
    slerp,
    slerp_about,
    tangent,
    truncated,
)

seeds = st.integers(0, 2**32 - 1)
sizes = st.integers(2, 40)
shares = st.floats(0, 1)


def pair(seed: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    a, b = np.random.RandomState(seed).randn(2, size).astype(np.float32)
    return a, b


def angle(a, b) -> float:
    a, b = (np.asarray(v, np.float64) / np.linalg.norm(v.astype(np.float64)) for v in (a, b))
    return 2 * np.arctan2(np.linalg.norm(a - b), np.linalg.norm(a + b))


def test_latents_are_those_of_every_stylegan2_program():
    expected = np.concatenate([np.random.RandomState(seed).randn(1, 512) for seed in (0, 7, 2**32 - 1)])
    found = latents([0, 7, 2**32 - 1], 512)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected.astype(np.float32))
    np.testing.assert_allclose(found[0, :3], [1.7640524, 0.4001572, 0.978738], rtol=1e-6)


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_out_of_range_is_named(seed):
    with pytest.raises(InputError, match=rf"Seed {seed} is out of range"):
        latents([seed], 4)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", (0,)),
        ("0,1,5-9", (0, 1, 5, 6, 7, 8, 9)),
        (" 3 , 1 - 2 ", (3, 1, 2)),
        ("4-4", (4,)),
        ("1,1", (1, 1)),
    ],
)
def test_seeds_are_read_in_their_order(text, expected):
    assert seeds_of(text) == expected


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "no list of seeds"),
        ("1,", "no list of seeds"),
        ("-3", "no list of seeds"),
        ("1-2-3", "no list of seeds"),
        ("1.5", "no list of seeds"),
        ("²", "no list of seeds"),
        ("9" * 5000, "no list of seeds"),
        ("4294967296", "go from 0 to 4294967295"),
        ("9-5", "write the smaller number first"),
        ("0-4294967295", "choose fewer"),
        (",".join(["0-999999"] * 2), "choose fewer"),
    ],
)
def test_text_that_is_no_list_of_seeds_is_told(text, sentence):
    with pytest.raises(InputError, match=sentence) as caught:
        seeds_of(text)
    assert len(str(caught.value)) < 200


@given(st.lists(seeds, min_size=1, max_size=20))
def test_seeds_survive_being_written(given_seeds):
    assert seeds_of(",".join(map(str, given_seeds))) == tuple(given_seeds)


def test_layers_are_read_once_each_ascending():
    assert layers_of("8,0-3,2", 10) == (0, 1, 2, 3, 8)
    with pytest.raises(InputError, match="There are no layers 8-10; they go from 0 to 9"):
        layers_of("8-10", 10)


@given(seeds, sizes)
def test_ends_are_met_bit_by_bit(seed, size):
    a, b = pair(seed, size)
    for way in (slerp, lambda a, b, t: slerp_about(np.ones(size, np.float32), a, b, t)):
        assert way(a, b, 0).tobytes() == a.tobytes()
        assert way(a, b, 1.0).tobytes() == b.tobytes()
        assert way(a, b, 0.5).dtype == np.float32


@given(seeds, sizes, shares)
def test_angle_and_length_grow_evenly(seed, size, t):
    a, b = (v.astype(np.float64) for v in pair(seed, size))
    between = slerp(a, b, t)
    whole = angle(a, b)
    assert angle(a, between) == pytest.approx(t * whole, abs=1e-7)
    assert angle(between, b) == pytest.approx((1 - t) * whole, abs=1e-7)
    lengths = np.linalg.norm([a, b], axis=1)
    assert np.linalg.norm(between) == pytest.approx(lengths[0] + t * (lengths[1] - lengths[0]))


@given(seeds, sizes, shares)
def test_the_way_back_is_the_same(seed, size, t):
    a, b = (v.astype(np.float64) for v in pair(seed, size))
    np.testing.assert_allclose(slerp(a, b, t), slerp(b, a, 1 - t), atol=1e-9)
    np.testing.assert_allclose(slerp(a, -a, t), slerp(-a, a, 1 - t), atol=1e-9)


def test_slerp_is_the_formula_of_shoemake():
    a, b = (v / np.linalg.norm(v) for v in latents([0, 1], 512).astype(np.float64))
    omega = np.arccos(a @ b)
    expected = (np.sin(0.7 * omega) * a + np.sin(0.3 * omega) * b) / np.sin(omega)
    np.testing.assert_allclose(slerp(a, b, 0.3), expected, atol=1e-14)


@given(seeds, sizes, shares, st.sampled_from([0.0, 1e-17, 1e-13, 1e-9, 1e-6, 1e-4]))
def test_opposite_vectors_are_joined_by_a_half_circle(seed, size, t, off):
    a, other = (v.astype(np.float64) for v in pair(seed, size))
    b = -a + off * other
    between = slerp(a, b, t)
    assert angle(a, between) == pytest.approx(t * np.pi, abs=1e-3)
    np.testing.assert_array_equal(between, slerp(a, b, t))


@given(seeds, sizes, shares, st.sampled_from([0.0, 1e-17, 1e-13, 1e-9, 1e-6, 1e-4]))
def test_nearly_parallel_vectors_are_joined_straight(seed, size, t, off):
    a, other = (v.astype(np.float64) for v in pair(seed, size))
    b = a + off * other
    np.testing.assert_allclose(slerp(a, b, t), a + t * (b - a), atol=1e-6)


def test_vectors_without_direction_go_straight():
    zero, one = np.zeros(4), np.array([0.0, 2.0, 0.0, 0.0])
    np.testing.assert_array_equal(slerp(zero, one, 0.25), [0, 0.5, 0, 0])
    np.testing.assert_array_equal(slerp(zero, zero, 0.25), zero)
    np.testing.assert_array_equal(slerp(np.array([1.0]), np.array([-1.0]), 0.5), [0.0])


@pytest.mark.parametrize("size", [1e-200, 1e-30, 1e30, 1e200])
def test_very_small_and_large_vectors_turn_like_others(size):
    a, b = (v.astype(np.float64) for v in pair(1, 9))
    np.testing.assert_allclose(slerp(a * size, b * size, 0.3) / size, slerp(a, b, 0.3), rtol=1e-12)


@given(seeds, sizes, shares)
def test_each_row_goes_its_own_way(seed, size, t):
    rows_a, rows_b = np.random.RandomState(seed).randn(2, 5, size)
    rows_b[2] = -rows_a[2]
    rows_a[3] = 0
    each = [slerp(a, b, t) for a, b in zip(rows_a, rows_b, strict=True)]
    np.testing.assert_array_equal(slerp(rows_a, rows_b, t), each)


@given(seeds, sizes, shares)
def test_slerp_about_a_centre_is_slerp_of_what_is_seen_from_it(seed, size, t):
    a, b = pair(seed, size)
    centre = np.arange(size)
    expected = centre + slerp(a - centre, b - centre, t)
    np.testing.assert_allclose(slerp_about(centre, a, b, t), expected, rtol=1e-5, atol=1e-5)


@given(seeds, sizes)
def test_a_tangent_leads_to_where_it_points(seed, size):
    a, b = pair(seed, size)
    way = tangent(a, b)
    assert np.linalg.norm(way) == pytest.approx(angle(a, b), abs=1e-6)
    assert way @ a == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(along(a, way), b / np.linalg.norm(b), atol=1e-6)
    np.testing.assert_allclose(along(a, np.zeros(size)), a / np.linalg.norm(a), atol=1e-6)


@given(seeds, st.floats(-1, 2))
def test_truncation_scales_the_distance_from_the_mean(seed, psi):
    random = np.random.RandomState(seed)
    ws, mean = random.randn(6, 5).astype(np.float32), random.randn(5).astype(np.float32)
    found = truncated(ws, mean, psi, 4)
    np.testing.assert_allclose(found[:4] - mean, psi * (ws[:4] - mean), atol=1e-5)
    assert found[4:].tobytes() == ws[4:].tobytes()


def test_truncation_is_exact_at_its_ends():
    ws, mean = latents([0, 1], 5), latents([2], 5)[0]
    assert truncated(ws, mean, 1).tobytes() == ws.tobytes()
    np.testing.assert_array_equal(truncated(ws, mean, 0), [mean, mean])
    kept = ws.copy()
    truncated(ws, mean, 0.5)
    np.testing.assert_array_equal(ws, kept)


def test_mixing_takes_layers_from_the_second():
    a, b = np.zeros((2, 6, 3), np.float32), np.ones((6, 3), np.float32)
    found = mixed(a, b, layers_of("0-1,5", 6))
    np.testing.assert_array_equal(found[:, :, 0], [[1, 1, 0, 0, 0, 1]] * 2)
    assert not a.any()
