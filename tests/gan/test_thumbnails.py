"""Small and quick pictures against what they should be by their definition."""

import numpy as np
import pytest

from glissile.gan.look import Look
from glissile.gan.maker import rebuilt
from glissile.gan.pixels import as_pixels
from glissile.gan.points import Point, ws_of
from glissile.gan.provenance import of_points
from glissile.gan.randomised import random_generator
from glissile.gan.sampler import Sampler
from glissile.gan.thumbnails import enlarged, exact_pixels, preview_sizes, quick_pixels, reduced
from glissile.io.generator_card import GeneratorShape


def shape(resolution, **changes):
    fields = {"channels": 1, "z_dim": 8, "w_dim": 8, "mapping_layers": 2, "mapping_width": 8}
    widths = (8,) * (resolution.bit_length() - 2)
    return GeneratorShape(resolution=resolution, widths=widths, **{**fields, **changes})


@pytest.mark.parametrize(
    ("generator", "sizes"),
    [
        (shape(1024), (64, 32)),
        (shape(128), (64, 32)),
        (shape(64), (32,)),
        (shape(32), ()),
        (shape(1024, architecture="resnet"), ()),
    ],
)
def test_previews_are_smaller_than_the_image_and_painted_before_it(generator, sizes):
    assert preview_sizes(generator) == sizes


@pytest.mark.parametrize("channels", [1, 3])
def test_enlarging_and_reducing_undo_each_other(channels):
    small = np.random.default_rng(0).integers(0, 256, (8, 8, channels), np.uint8).squeeze()
    large = enlarged(small, 32)
    assert large.shape[:2] == (32, 32)
    np.testing.assert_array_equal(large[3::4, ::4], small)
    np.testing.assert_array_equal(reduced(large, 8), small)
    np.testing.assert_array_equal(reduced(small, 8), small)


def test_a_reduced_pixel_is_the_mean_of_those_below_it():
    image = np.random.default_rng(1).integers(0, 256, (16, 16), np.uint8)
    expected = np.round(image[4:8, 8:12].astype(np.float64).mean())
    assert abs(reduced(image, 4)[1, 2] - expected) <= 0.5


def test_pixels_are_those_of_the_generator_and_can_be_made_again():
    sampler = Sampler(*random_generator(shape(64), 1), device="cpu")
    point, look = Point(seed=3, psi=0.7), Look(noise="random", noise_seed=5)
    ws = ws_of(sampler, [point])[0]
    exact = exact_pixels(sampler, ws, look)
    np.testing.assert_array_equal(exact, rebuilt(sampler, of_points(sampler.card, [point], look)[0]))
    preview = sampler.preview(ws, resolution=32, noise="random", noise_seed=5)
    np.testing.assert_array_equal(quick_pixels(sampler, ws, look, 32), as_pixels(preview[None])[0])
