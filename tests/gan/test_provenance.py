"""An image can be made again from what is told of it, and from nothing else."""

import json

import numpy as np
import pytest
from pydantic import ValidationError

from glissile.errors import InputError
from glissile.gan.equal_speed import retimed
from glissile.gan.look import Look
from glissile.gan.maker import Maker, rebuilt
from glissile.gan.pixels import as_pixels
from glissile.gan.points import Point, ws_of
from glissile.gan.provenance import GeneratorName, Mixing, Provenance, of_mixing, of_points, of_walk
from glissile.gan.randomised import random_generator
from glissile.gan.records import documented, understood
from glissile.gan.sampler import Sampler
from glissile.gan.walk import Walk, WalkSettings
from glissile.io.generator_card import SYNTHETIC_NOTICE, GeneratorShape

SHAPE = GeneratorShape(
    resolution=16,
    channels=1,
    widths=(8, 8, 4),
    z_dim=6,
    w_dim=6,
    mapping_width=6,
    mapping_layers=2,
    c_dim=3,
    embedding=6,
)


def sampler_of(seed=1, **known):
    generator, card = random_generator(SHAPE, seed)
    return Sampler(
        generator, card.model_copy(update={"weights_sha256": f"{seed:064}", **known}), device="cpu"
    )


@pytest.fixture(scope="module")
def sampler():
    return sampler_of(nm_per_pixel=12.5)


def through_json(provenances):
    common, images = json.loads(json.dumps(documented(provenances), allow_nan=False))
    return understood([{**common, **image} for image in images], "a.png")


W = np.random.RandomState(5).randn(SHAPE.num_ws, SHAPE.w_dim).astype(np.float32)
POINTS = {
    "seed": Point(seed=7),
    "seed, truncated": Point(seed=7, psi=0.3, cutoff=2, label=2),
    "z": Point(z=tuple(np.random.RandomState(3).randn(6).tolist()), label=1),
    "w": Point.of_w(W[:1]),
    "w of every layer": Point.of_w(W, name="found by a slider"),
}


@pytest.mark.parametrize("look", [Look(), Look(noise="none"), Look(noise="random", noise_seed=9)], ids=str)
@pytest.mark.parametrize("name", POINTS)
def test_an_image_of_a_point_is_made_again_from_json(sampler, name, look):
    (told,) = of_points(sampler.card, [POINTS[name]], look)
    image = Maker(sampler).pixels(told)
    (read,) = through_json([told])
    assert read == told
    assert np.array_equal(rebuilt(sampler_of(), read), image)
    assert image.std() > 5


def test_everything_that_is_told_changes_the_image(sampler):
    base = of_points(sampler.card, [Point(seed=7, psi=0.5, cutoff=4, label=1)])[0]
    image = rebuilt(sampler, base)
    for changed in ({"seed": 8}, {"psi": 0.9}, {"cutoff": 1}, {"label": 0}):
        point = base.point.model_copy(update=changed)
        assert not np.array_equal(rebuilt(sampler, base.model_copy(update={"point": point})), image), changed
    for look in (Look(noise="none"), Look(noise="random"), Look(noise="random", noise_seed=1)):
        assert not np.array_equal(rebuilt(sampler, base.model_copy(update={"look": look})), image), look


def test_pixels_are_those_of_the_sampler(sampler):
    point = Point(seed=3, psi=0.5)
    expected = as_pixels(sampler.images(ws_of(sampler, [point])))[0]
    assert np.array_equal(Maker(sampler).pixels(of_points(sampler.card, [point])[0]), expected)


@pytest.mark.parametrize("space", ["z", "w"])
@pytest.mark.parametrize("closed", [False, True])
def test_every_frame_of_a_walk_is_made_again_from_json(sampler, space, closed):
    settings = WalkSettings(steps_per_leg=4, space=space, closed=closed, path="spline")
    walk = Walk(keys=(Point(seed=0), Point(seed=1, psi=0.6), Point(seed=2)), settings=settings)
    walk = retimed(walk, np.random.RandomState(0).rand(walk.legs, 16))
    told = of_walk(sampler.card, walk)
    assert [p.frame for p in told] == list(range(walk.frame_count))
    maker = Maker(sampler)
    images = [maker.pixels(p) for p in told]
    read = through_json(told)
    assert read == told
    for image, provenance in zip(images, read, strict=True):
        assert np.array_equal(rebuilt(sampler, provenance), image)
    assert len({image.tobytes() for image in images}) == walk.frame_count


def test_a_maker_follows_from_one_walk_to_another(sampler):
    walks = [
        Walk(keys=(Point(seed=a), Point(seed=a + 1)), settings=WalkSettings(steps_per_leg=3)) for a in (0, 5)
    ]
    maker = Maker(sampler)
    for walk in (*walks, walks[0]):
        told = of_walk(sampler.card, walk)[2]
        assert np.array_equal(maker.pixels(told), rebuilt(sampler, told))


def test_mixed_layers_come_from_the_column(sampler):
    rows, columns = [Point(seed=0), Point(seed=1)], [Point(seed=4), Point(seed=5), Point(seed=6)]
    told = of_mixing(sampler.card, rows, columns, (1, 3))
    assert [p.title for p in told][:4] == [
        "seed 0 + seed 4",
        "seed 0 + seed 5",
        "seed 0 + seed 6",
        "seed 1 + seed 4",
    ]
    maker = Maker(sampler)
    for p in through_json(told):
        ws = maker.ws(p)
        row, column = (maker.ws(q) for q in of_points(sampler.card, [p.point, p.mixing.point]))
        taken = np.isin(np.arange(SHAPE.num_ws), (1, 3))
        assert np.array_equal(ws[taken], column[taken])
        assert np.array_equal(ws[~taken], row[~taken])


def test_layers_that_there_are_not_are_refused(sampler):
    (told,) = of_mixing(sampler.card, [Point(seed=0)], [Point(seed=1)], (SHAPE.num_ws,))
    with pytest.raises(InputError, match="there is no layer 6; this generator has layers 0 to 5"):
        Maker(sampler).ws(told)


def test_another_generator_is_refused(sampler):
    (told,) = of_points(sampler.card, [Point(seed=0)])
    with pytest.raises(
        InputError, match="made by Random weights, seed 1, and the generator in use has other"
    ):
        rebuilt(sampler_of(seed=2), told)
    unknown = told.model_copy(update={"generator": GeneratorName(name="X")})
    with pytest.raises(InputError, match="made by X"):
        rebuilt(sampler_of(weights_sha256="", name="Y"), unknown)
    renamed = sampler_of(name="another name")
    assert np.array_equal(rebuilt(renamed, told), rebuilt(sampler, told))


def test_what_is_shared_is_told_once(sampler):
    told = of_walk(
        sampler.card,
        Walk(keys=(Point.of_w(W), Point(seed=1)), settings=WalkSettings(steps_per_leg=500, space="w")),
    )
    common, images = documented(told)
    assert images == [{"frame": i} for i in range(501)]
    assert common["synthetic"] is True
    assert common["notice"] == SYNTHETIC_NOTICE
    assert common["generator"] == {
        "name": "Random weights, seed 1",
        "weights_sha256": f"{1:064}",
        "trained": False,
    }
    assert common["nm_per_pixel"] == 12.5
    assert common["program"].startswith("glissile ")


def test_measures_are_of_each_image(sampler):
    told = [
        p.model_copy(update={"measures": {"phase fraction": i / 3}})
        for i, p in enumerate(of_points(sampler.card, [Point(seed=0), Point(seed=0)]))
    ]
    common, images = documented(told)
    assert images == [{"measures": {"phase fraction": 0.0}}, {"measures": {"phase fraction": 1 / 3}}]
    assert through_json(told) == told
    assert "point" in common


@pytest.mark.parametrize(
    "change",
    [
        {"synthetic": False},
        {"point": None},
        {"frame": 3},
        {"walk": {"keys": [{"seed": 0}, {"seed": 1}]}},
        {"point": None, "walk": {"keys": [{"seed": 0}, {"seed": 1}]}, "frame": 61},
        {"point": {"seed": -1}},
        {"point": {"seed": 0, "z": [1.0]}},
        {"look": {"noise": "loud"}},
        {"measures": {"x": float("nan")}},
        {"measures": {str(i): 0 for i in range(101)}},
        {"unheard": 1},
        {"mixing": {"point": {"seed": 0}, "layers": [-1]}},
    ],
    ids=str,
)
def test_what_is_impossible_is_not_read(sampler, change):
    common, (image,) = documented(of_points(sampler.card, [Point(seed=0)]))
    assert understood([{**common, **image}], "a.png")
    with pytest.raises(InputError, match=r"a\.png: what it tells of its images is damaged"):
        understood([{**common, **image, **change}], "a.png")


def test_a_mixture_needs_a_point():
    with pytest.raises(ValidationError, match="only a point is mixed"):
        Provenance(
            generator=GeneratorName(),
            walk=Walk(keys=(Point(seed=0), Point(seed=1))),
            frame=0,
            mixing=Mixing(point=Point(seed=0), layers=(0,)),
        )
