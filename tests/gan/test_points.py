import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from linear_generator import LinearGenerator
from pydantic import ValidationError

from glissile.errors import InputError
from glissile.gan.json_text import MOST_CHARACTERS, parsed
from glissile.gan.latent import latents
from glissile.gan.points import Point, ws_of, z_of

single = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(hnp.arrays(np.float32, st.tuples(st.integers(1, 5), st.integers(1, 7)), elements=single))
def test_json_keeps_every_bit(ws):
    point = Point.of_w(ws, "a", 2)
    again = parsed(Point, point.model_dump_json(), "p.json")
    assert again == point
    rows = np.broadcast_to(np.array(again.w, np.float32), ws.shape)
    assert rows.tobytes() == ws.tobytes()
    z = Point(z=tuple(ws[0].tolist()), psi=0.7, cutoff=3)
    again = parsed(Point, z.model_dump_json(), "p.json")
    assert again == z
    assert z_of(again, ws.shape[1]).tobytes() == ws[0].tobytes()


def test_numbers_are_rounded_once_to_single_precision():
    assert Point(z=(0.1, 1)).z == (float(np.float32(0.1)), 1.0)


def test_equal_layers_are_kept_once():
    row = latents([3], 5)
    assert len(Point.of_w(np.repeat(row, 6, axis=0)).w) == 1
    assert len(Point.of_w(row[0]).w) == 1
    assert len(Point.of_w(latents(range(6), 5)).w) == 6
    assert len(Point.of_w(np.array([[0.0], [-0.0]])).w) == 2


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "Invalid JSON"),
        ("[" * 100_000, "recursion limit"),
        ("[]", "object"),
        ("{}", "one of seed, z and w"),
        ('{"seed": 1, "z": [1]}', "one of seed, z and w"),
        ('{"seed": -1}', "greater than or equal to 0"),
        ('{"seed": 4294967296}', "less than or equal to 4294967295"),
        ('{"seed": 1, "psi": NaN}', "psi: Input should be a finite number"),
        ('{"seed": 1, "psi": 1e99}', "psi: Input should be less"),
        ('{"z": [NaN]}', "z.0: Input should be a finite number"),
        ('{"z": [1e400]}', "z.0: Input should be a finite number"),
        ('{"z": [1e39]}', "z: a number is too large for single precision"),
        ('{"z": []}', "at least 1 item"),
        ('{"z": [' + "1," * 5000 + "1]}", "at most 4096"),
        ('{"w": [' + "[1]," * 5000 + "[1]]}", "at most 64"),
        ('{"w": [[1, 2], [3]]}', "not of one length"),
        ('{"w": [1, 2]}', "w.0: Input should be a valid array"),
        ('{"w": [[1]], "psi": 0.5}', "takes no truncation"),
        ('{"seed": 1, "name": "' + "x" * 300 + '"}', "at most 200"),
        ('{"seed": 1, "__class__\\u001b[31m": 1}', "Extra inputs"),
    ],
)
def test_bad_json_is_refused_with_a_sentence(text, sentence):
    with pytest.raises(InputError, match=sentence) as caught:
        parsed(Point, text, "p.json")
    message = str(caught.value)
    assert message.startswith("p.json: ")
    assert len(message) < 300
    assert message.isprintable()


def test_endless_json_is_not_even_read():
    with pytest.raises(InputError, match="too many"):
        parsed(Point, " " * (MOST_CHARACTERS + 1), "p.json")


def test_titles():
    assert Point(seed=7).title == "seed 7"
    assert Point(z=(1.0,)).title == "vector z"
    assert Point(w=((1.0,),)).title == "vector w"
    assert Point(seed=7, name="coarse").title == "coarse"


def test_truncation_of_a_point_of_w_is_final():
    assert Point(seed=1).truncated(0.5, 2) == Point(seed=1, psi=0.5, cutoff=2)
    point = Point(w=((1.0,),))
    assert point.truncated(0.5) is point
    with pytest.raises(ValidationError):
        Point(seed=1).truncated(float("nan"))


def test_a_seed_and_its_z_are_the_same_image():
    sampler = LinearGenerator()
    z = latents([5], 8)
    a, b = ws_of(
        sampler, [Point(seed=5, psi=0.6, cutoff=3), Point(z=tuple(z[0].tolist()), psi=0.6, cutoff=3)]
    )
    assert a.tobytes() == b.tobytes()
    whole = sampler.map(z)[0]
    np.testing.assert_allclose(a[:3], sampler.w_mean + 0.6 * (whole[:3] - sampler.w_mean), rtol=1e-5)
    assert a[3:].tobytes() == whole[3:].tobytes()


def test_a_point_gives_the_same_bits_in_any_company():
    sampler = LinearGenerator(z_dim=512, w_dim=64)
    points = [Point(seed=seed, psi=0.7) for seed in range(9)]
    together = ws_of(sampler, points)
    for point, ws in zip(points, together, strict=True):
        assert ws_of(sampler, [point])[0].tobytes() == ws.tobytes()


def test_points_of_w_are_what_they_hold():
    sampler = LinearGenerator()
    ws = latents(range(sampler.shape.num_ws), 6)
    found = ws_of(sampler, [Point.of_w(ws), Point.of_w(ws[0])])
    np.testing.assert_array_equal(found[0], ws)
    np.testing.assert_array_equal(found[1], np.repeat(ws[:1], len(ws), axis=0))
    assert z_of(Point.of_w(ws), 8) is None
    assert ws_of(sampler, []).shape == (0, sampler.shape.num_ws, 6)


def test_classes_reach_the_generator():
    sampler = LinearGenerator(c_dim=3)
    found = ws_of(sampler, [Point(seed=1), *(Point(seed=1, label=label) for label in range(3))])
    assert found[0].tobytes() == found[1].tobytes()
    np.testing.assert_allclose(
        found[3, 0] - found[2, 0], sampler.of_class[2] - sampler.of_class[1], atol=1e-5
    )


@pytest.mark.parametrize(
    ("c_dim", "point", "sentence"),
    [
        (0, Point(z=(1.0, 2.0)), "vector z: a z of 2 numbers does not fit this network, which takes 8"),
        (0, Point(w=((1.0, 2.0),)), "1 vectors w of 2 numbers do not fit this network, which takes 10 of 6"),
        (0, Point.of_w(latents(range(3), 6)), "3 vectors w of 6 numbers do not fit"),
        (0, Point(seed=1, label=0), "seed 1: this network has no classes"),
        (3, Point(seed=1, label=3), "no class 3; choose one from 0 to 2"),
    ],
)
def test_points_of_another_network_are_refused(c_dim, point, sentence):
    with pytest.raises(InputError, match=sentence):
        ws_of(LinearGenerator(c_dim=c_dim), [point])


def test_a_point_prints_without_its_numbers():
    assert len(repr(Point(z=(1.0,) * 512))) < 100
    assert json.loads(Point(seed=1).model_dump_json(exclude_defaults=True)) == {"seed": 1}
