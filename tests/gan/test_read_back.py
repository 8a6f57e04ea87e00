"""Key frames from files: those of anybody are refused in a sentence, and at once."""

import numpy as np
import pytest

from glissile.errors import InputError
from glissile.gan.points import Point
from glissile.gan.provenance import of_mixing, of_points, of_walk
from glissile.gan.randomised import random_generator
from glissile.gan.read_back import read_keys
from glissile.gan.sampler import Sampler
from glissile.gan.walk import Walk, WalkSettings
from glissile.io.generated_images import Records, write_latents
from glissile.io.generator_card import GeneratorShape

SHAPE = GeneratorShape(
    resolution=16, channels=1, widths=(4, 4, 4), z_dim=8, w_dim=8, mapping_layers=2, mapping_width=8
)


@pytest.fixture(scope="module")
def sampler():
    generator, card = random_generator(SHAPE, 1)
    return Sampler(generator, card.model_copy(update={"weights_sha256": "1" * 64}), device="cpu")


def written(path, images):
    alone = [image.model_dump(mode="json") for image in images]
    write_latents(path, {}, Records({}, alone, "test"))
    return path


def test_points_come_back_in_their_order(sampler, tmp_path):
    points = [Point(seed=3, psi=0.5), Point(z=(0.25,) * 8), Point.of_w(np.ones((6, 8)), "found")]
    read = read_keys(written(tmp_path / "a.npz", of_points(sampler.card, points)), sampler)
    assert read.keys == tuple(points)
    assert read.settings is None


def test_names_of_mixed_images_are_cut(sampler, tmp_path):
    points = [Point(seed=seed, name=str(seed) * 150) for seed in (1, 2)]
    (mixed,) = of_mixing(sampler.card, points[:1], points[1:], (0,))
    (key,) = read_keys(written(tmp_path / "a.json", [mixed]), sampler).keys
    assert len(key.name) == 200


@pytest.mark.filterwarnings("error")
def test_numbers_that_are_too_large_are_refused(sampler, tmp_path):
    far = [Point(w=((sign * 3e38,) * 8,)) for sign in (1, -1)]
    walk = Walk(keys=tuple(far), settings=WalkSettings(steps_per_leg=2, space="w"))
    other = Walk(keys=tuple(far), settings=WalkSettings(steps_per_leg=4, space="w"))
    frames = [of_walk(sampler.card, walk)[1], of_walk(sampler.card, other)[2]]
    with pytest.raises(InputError, match="numbers that are too large"):
        read_keys(written(tmp_path / "a.json", frames), sampler)


def test_frames_of_many_walks_are_refused(sampler, tmp_path):
    walks = [Walk(keys=(Point(seed=n), Point(seed=n + 1)), settings=WalkSettings()) for n in range(20)]
    frames = [of_walk(sampler.card, walk)[1] for walk in walks]
    with pytest.raises(InputError, match="frames of many walks"):
        read_keys(written(tmp_path / "a.json", frames), sampler)


@pytest.mark.parametrize("point", [Point(z=(0.0,) * 9), Point(w=((0.0,) * 9,)), Point(seed=1, label=0)])
def test_what_does_not_fit_is_refused(sampler, tmp_path, point):
    with pytest.raises(InputError):
        read_keys(written(tmp_path / "a.json", of_points(sampler.card, [point])), sampler)


def test_a_file_that_is_not_there_is_refused(sampler, tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_keys(tmp_path / "absent.json", sampler)
