"""What becomes of an image before it is compared with generated ones."""

from typing import Any

import numpy as np
import pytest

from glissile.errors import InputError
from glissile.gan.pixels import as_pixels
from glissile.gan.target import as_target
from glissile.io.generator_card import GeneratorShape


def shape_of(channels: int = 1, resolution: int = 8) -> GeneratorShape:
    return GeneratorShape(
        resolution=resolution,
        channels=channels,
        widths=(4,) * (resolution.bit_length() - 3 + 1),
        z_dim=4,
        w_dim=4,
        mapping_layers=1,
        mapping_width=4,
    )


def drawn(*shape: int) -> np.ndarray[Any, Any]:
    return np.random.RandomState(0).randint(0, 256, shape).astype(np.uint8)


def test_images_of_a_generator_come_back_as_they_were() -> None:
    for channels, image in ((1, drawn(8, 8)), (3, drawn(8, 8, 3))):
        np.testing.assert_array_equal(as_pixels(as_target(image, shape_of(channels))[None])[0], image)
    assert as_target(np.zeros((8, 8), np.uint8), shape_of()).min() == -1
    assert as_target(np.full((8, 8), 255, np.uint8), shape_of()).max() == 1


def test_the_square_in_the_middle_is_averaged_by_area() -> None:
    image = drawn(24, 40)
    expected = image[:, 8:32].reshape(8, 3, 8, 3).mean(axis=(1, 3)) / 127.5 - 1
    np.testing.assert_allclose(as_target(image, shape_of())[0], expected, atol=1e-5)
    fractional = as_target(drawn(27, 20), shape_of())[0]  # 2.5 px become one
    weights = np.zeros((8, 20))
    for i in range(8):
        for j in range(20):
            weights[i, j] = max(0, min(2.5 * i + 2.5, j + 1) - max(2.5 * i, j)) / 2.5
    np.testing.assert_allclose(fractional, weights @ (drawn(27, 20)[3:23] / 127.5 - 1) @ weights.T, atol=1e-5)


def test_small_images_are_enlarged_smoothly() -> None:
    ramp = np.tile(np.linspace(0, 255, 4).astype(np.uint8), (4, 1))
    large = as_target(ramp, shape_of(resolution=16))[0]
    assert (np.diff(large, axis=1) >= 0).all()
    assert np.diff(large, axis=1).max() < 0.25


@pytest.mark.parametrize("kind", [np.uint16, np.int32, np.float32, np.float64])
def test_other_types_are_stretched(kind: type) -> None:
    image = (1000 + 7 * drawn(8, 8).astype(np.int64)).astype(kind)
    target = as_target(image, shape_of())[0]
    assert target.min() == -1
    assert target.max() == 1
    order = np.argsort(image, axis=None, kind="stable")
    assert (np.diff(target.ravel()[order]) >= 0).all()
    flat = as_target(np.full((8, 8), 7, kind), shape_of())
    assert np.isfinite(flat).all()


def test_grey_and_colour_are_brought_together() -> None:
    grey = drawn(16, 16)
    in_three = as_target(grey, shape_of(3))
    for channel in in_three:
        np.testing.assert_array_equal(channel, as_target(grey, shape_of())[0])
    alike = np.repeat(grey[..., None], 4, axis=2)
    np.testing.assert_allclose(as_target(alike, shape_of()), as_target(grey, shape_of()), atol=1e-6)
    green = np.zeros((8, 8, 3), np.uint8)
    green[..., 1] = 255
    assert as_target(green, shape_of()).mean() == pytest.approx(2 * 0.587 - 1, abs=1e-5)


@pytest.mark.parametrize(
    ("image", "channels", "what"),
    [
        (np.zeros((8, 8, 2), np.uint8), 1, "no image"),
        (np.zeros(8, np.uint8), 1, "no image"),
        (np.zeros((8, 8), bool), 1, "no image"),
        (np.zeros((8, 3), np.uint8), 1, "8 x 3 px"),
        (np.full((8, 8), np.nan), 1, "not finite"),
        (np.zeros((8, 8), np.uint8), 2, "2 channels"),
    ],
)
def test_what_is_no_image_is_refused(image: np.ndarray[Any, Any], channels: int, what: str) -> None:
    with pytest.raises(InputError, match=what):
        as_target(image, shape_of(channels))
