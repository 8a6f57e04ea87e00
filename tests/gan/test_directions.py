import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from linear_generator import LinearGenerator

from glissile.errors import InputError
from glissile.gan.directions import (
    Direction,
    principal_components,
    sampled_w,
    sefa,
    style_directions,
    variation_directions,
)
from glissile.gan.json_text import parsed

seeds = st.integers(0, 2**32 - 1)


def rotation(size: int, seed: int) -> np.ndarray:
    return np.linalg.qr(np.random.RandomState(seed).randn(size, size))[0]


def gains(frame: np.ndarray, strengths, channels: int, seed: int) -> np.ndarray:
    """Weights (channels, w_dim) that amplify the rows of `frame` by `strengths`."""
    out = rotation(channels, seed)[:, : len(strengths)]
    return out @ np.diag(strengths) @ frame[: len(strengths)]


def assert_same_lines(found: np.ndarray, expected: np.ndarray, atol: float = 1e-6) -> None:
    np.testing.assert_allclose(np.abs(np.sum(found * expected, axis=1)), 1, atol=atol)


@given(seeds)
def test_planted_directions_are_found(seed):
    frame = rotation(7, seed)
    weight = gains(frame, [5, 3, 2, 1, 0.5], 12, seed % 1000)
    axes = sefa([weight[:4], weight[4:]], 3)
    assert_same_lines(axes.vectors, frame[:3])
    np.testing.assert_allclose(axes.strengths, [25, 9, 4], rtol=1e-6)
    np.testing.assert_allclose(axes.shares, np.array([25, 9, 4]) / 39.25, rtol=1e-6)


@given(seeds, st.integers(1, 9))
def test_directions_are_perpendicular_and_of_one_sign(seed, count):
    weight = np.random.RandomState(seed).randn(20, 6)
    axes = sefa([weight], count)
    assert len(axes.vectors) == len(axes.strengths) == len(axes.shares) == min(count, 6)
    np.testing.assert_allclose(axes.vectors @ axes.vectors.T, np.eye(len(axes.vectors)), atol=1e-9)
    assert (np.diff(axes.strengths) <= 0).all()
    assert (axes.vectors.max(axis=1) == np.abs(axes.vectors).max(axis=1)).all()
    np.testing.assert_allclose(sefa([-weight], count).vectors, axes.vectors, atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(weight @ axes.vectors.T, axis=0) ** 2, axes.strengths)


def test_components_of_a_known_spread_are_found():
    frame = rotation(8, 1)
    random = np.random.RandomState(2)
    w = 3 + random.randn(20_000, 8) * [4, 2, 1, 0.5, 0.1, 0.1, 0.1, 0.1] @ frame
    axes = principal_components(w.astype(np.float32), 3)
    assert_same_lines(axes.vectors, frame[:3], atol=1e-3)
    np.testing.assert_allclose(axes.strengths, [16, 4, 1], rtol=0.05)
    np.testing.assert_allclose(axes.shares, np.array([16, 4, 1]) / 21.29, rtol=0.05)
    whole = principal_components(w, 8)
    assert whole.shares.sum() == pytest.approx(1)
    np.testing.assert_allclose(whole.strengths.sum(), w.var(axis=0, ddof=1).sum())


def test_w_that_does_not_vary_has_no_shares():
    np.testing.assert_array_equal(principal_components(np.ones((5, 3)), 2).shares, 0)


def planted() -> tuple[LinearGenerator, np.ndarray]:
    sampler = LinearGenerator(w_dim=16)
    frame = rotation(16, 5)
    sampler.styles = [
        ("b4.conv1", (0,), gains(frame, [9, 1], 20, 0)),
        ("b8.conv0", (1,), gains(frame[2:], [7, 1], 20, 1)),
        ("b8.conv1", (2,), gains(frame[2:], [7, 1], 20, 2)),
    ]
    return sampler, frame


def test_only_the_chosen_layers_count_and_move():
    sampler, frame = planted()
    for layers, strongest in (([0], frame[0]), ([2, 1], frame[2]), (None, frame[2])):
        first, *_ = style_directions(sampler, layers=layers, count=2)
        assert first.name == "SeFa 1"
        assert_same_lines(np.array([first.vector]), strongest[None])
        assert first.layers == (tuple(range(10)) if layers is None else tuple(sorted(layers)))


def test_one_unit_is_a_standard_deviation_of_w():
    sampler, _ = planted()
    w = sampled_w(sampler, 4000, seed=9)
    for direction in (*style_directions(sampler, count=3), *variation_directions(sampler, count=3, seed=2)):
        spread = np.std(w @ np.array(direction.vector))
        assert direction.scale == pytest.approx(spread, rel=0.1)


def test_variation_directions_are_components_of_w():
    sampler, _ = planted()
    found = variation_directions(sampler, layers=[3], count=4, samples=700, seed=1)
    axes = principal_components(sampled_w(sampler, 700, seed=1), 4)
    np.testing.assert_allclose([direction.vector for direction in found], axes.vectors, atol=1e-6)
    assert [direction.name for direction in found] == ["PCA 1", "PCA 2", "PCA 3", "PCA 4"]
    assert {direction.layers for direction in found} == {(3,)}


def test_samples_are_mapped_seeds():
    sampler = LinearGenerator()
    z = np.random.RandomState(4).randn(600, 8).astype(np.float32)
    np.testing.assert_allclose(sampled_w(sampler, 600, seed=4), sampler.map(z)[:, 0], atol=1e-6)
    conditional = LinearGenerator(c_dim=2)
    off = sampled_w(conditional, 5, label=1) - sampled_w(conditional, 5)
    np.testing.assert_allclose(off[0], conditional.of_class[1] - conditional.of_class[0], atol=1e-5)


@given(seeds, st.floats(-5, 5))
def test_a_move_adds_the_direction_to_its_layers(seed, amount):
    random = np.random.RandomState(seed)
    direction = Direction(name="d", vector=tuple(random.randn(4)), layers=(1, 3), scale=2.5)
    ws = random.randn(3, 6, 4).astype(np.float32)
    moved = direction.apply(ws, amount)
    expected = ws.astype(np.float64)
    expected[:, [1, 3]] += amount * 2.5 * np.array(direction.vector)
    np.testing.assert_allclose(moved, expected, atol=1e-5)
    assert moved[:, [0, 2, 4, 5]].tobytes() == ws[:, [0, 2, 4, 5]].tobytes()
    np.testing.assert_array_equal(direction.apply(ws, 0), ws)
    assert direction.apply(ws[0], amount).tobytes() == moved[0].tobytes()


@given(seeds)
def test_json_keeps_every_bit(seed):
    vector = np.random.RandomState(seed).randn(9).astype(np.float32)
    direction = Direction(name="d", vector=tuple(vector.tolist()), layers=(0,), scale=1 / 3)
    again = parsed(Direction, direction.model_dump_json(), "d.json")
    assert again == direction
    assert np.array(again.vector, np.float32).tobytes() == vector.tobytes()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"name": "d", "vector": [NaN], "layers": [0]}', "vector.0: Input should be a finite number"),
        ('{"name": "d", "vector": [' + "1," * 9000 + '1], "layers": [0]}', "at most 4096"),
        ('{"name": "d", "vector": [1], "layers": [' + "1," * 9000 + "1]}", "at most 64"),
        ('{"name": "d", "vector": [1], "layers": [-1]}', "layers.0"),
        ('{"name": "d", "vector": [1], "layers": []}', "at least 1"),
        ('{"name": "d", "vector": [1], "layers": [0], "scale": 0}', "greater than 0"),
    ],
)
def test_bad_json_is_refused_with_a_sentence(text, sentence):
    with pytest.raises(InputError, match=sentence):
        parsed(Direction, text, "d.json")


def test_directions_of_another_network_are_refused():
    direction = Direction(name="SeFa 1", vector=(1.0, 0.0), layers=(7,))
    with pytest.raises(InputError, match="SeFa 1: it moves layer 7, this network has layers 0 to 3"):
        direction.apply(np.zeros((4, 2)), 1)
    with pytest.raises(InputError, match="SeFa 1: a direction of 2 numbers does not fit w of 3"):
        direction.apply(np.zeros((8, 3)), 1)


def test_layers_that_are_not_there_are_told():
    sampler, _ = planted()
    for layers in ([10], [-1], []):
        with pytest.raises(InputError, match="choose some of 0 to 9"):
            style_directions(sampler, layers=layers)
    with pytest.raises(InputError, match=r"No convolution takes its style from layers \[9\]"):
        style_directions(sampler, layers=[9])
