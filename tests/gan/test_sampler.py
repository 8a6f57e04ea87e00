from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from stylegan_fixtures import CASES, Case, needs_fixtures
from synthesis_cases import apart, generator_of, plain_images, random_ws, shape_of

from glissile.errors import InputError
from glissile.gan.pixels import as_pixels
from glissile.gan.sampler import Sampler
from glissile.io.generator_card import GeneratorCard

CLOSE = 1e-5


def sampler_of(shape, device="cpu"):
    generator, card = generator_of(shape)
    return Sampler(generator, card, device=device), generator


def ws_of(shape, count=2, seed=0):
    return random_ws(shape, count, seed).numpy()


@pytest.mark.parametrize("architecture", ["skip", "resnet", "orig"])
@pytest.mark.parametrize("noise", ["const", "none", "random"])
def test_images_are_those_of_the_plain_networks(architecture, noise):
    shape = shape_of(16, architecture, channels=3)
    sampler, generator = sampler_of(shape)
    ws = ws_of(shape, 3)
    found = sampler.images(ws, noise=noise, noise_seed=4)
    assert found.dtype == np.float32
    assert apart(torch.from_numpy(found), plain_images(generator, torch.from_numpy(ws), noise, 4)) < CLOSE


@needs_fixtures
@pytest.mark.parametrize("name", CASES)
def test_images_are_those_of_the_official_program(name):
    case = Case(name)
    generator = case.generator()
    sampler = Sampler(generator, GeneratorCard(shape=case.generator_shape()), device="cpu")
    ws = generator.for_all_layers(case.io("w_psi1")).numpy()
    for noise in ("const", "none"):
        found = sampler.images(ws[:2], noise=noise)
        wanted = case.io(f"img_{noise}")
        assert apart(torch.from_numpy(found), wanted) <= CLOSE
        pixels, exact = as_pixels(found).astype(int), as_pixels(wanted.numpy()).astype(int)
        assert (pixels == exact).mean() >= 0.999
        assert abs(pixels - exact).max() <= 1


def test_an_image_does_not_depend_on_its_batch():
    shape = shape_of()
    sampler, _ = sampler_of(shape)
    ws = ws_of(shape, 3)
    for noise in ("const", "none", "random"):
        together = sampler.images(ws, noise=noise, noise_seed=5)
        assert np.array_equal(together[::-1], sampler.images(ws[::-1], noise=noise, noise_seed=5))
        assert np.array_equal(together[1:2], sampler.images(ws[1:2], noise=noise, noise_seed=5))


def test_random_noise_is_that_of_its_seed():
    shape = shape_of()
    sampler, _ = sampler_of(shape)
    ws = ws_of(shape, 1)
    ws.flags.writeable = False
    state = torch.random.get_rng_state()
    one, other = (sampler.images(ws, noise="random", noise_seed=seed) for seed in (1, 2))
    assert not np.array_equal(one, other)
    assert np.array_equal(one, sampler.images(ws, noise="random", noise_seed=1))
    assert torch.equal(state, torch.random.get_rng_state()), "the random numbers of others are theirs"


def test_what_is_given_back_stays_as_it_is():
    shape = shape_of()
    sampler, _ = sampler_of(shape)
    ws = ws_of(shape, 2)
    given = [
        sampler.images(ws[:1]),
        sampler.preview(ws[0], resolution=32),
        sampler.preview(ws[0], resolution=8),
    ]
    given += [
        sampler.w_mean,
        sampler.map(np.ones((1, 10))),
        *(weight for *_, weight in sampler.affine_weights()),
    ]
    kept = [array.copy() for array in given]
    sampler.images(ws[1:])
    sampler.preview(ws[1], resolution=32)
    for array, before in zip(given, kept, strict=True):
        assert np.array_equal(array, before)
        array[...] = np.nan
    assert np.isfinite(sampler.images(ws)).all()
    assert np.isfinite(sampler.w_mean).all()


def test_classes_truncation_and_cutoff():
    shape = shape_of(16, classes=3)
    sampler, generator = sampler_of(shape)
    z = np.random.default_rng(0).normal(size=(2, 10))
    with torch.inference_mode():
        w = generator.mapping(torch.as_tensor(z, dtype=torch.float32), torch.eye(3)[[0, 2]]).numpy()
    whole = sampler.map(z, np.array([0, 2]))
    assert whole.shape == (2, shape.num_ws, 7)
    assert np.array_equal(whole, np.repeat(w[:, None], shape.num_ws, axis=1))
    assert not np.allclose(sampler.map(z)[1], whole[1]), "without labels all are of the first class"
    half = sampler.map(z, np.array([0, 2]), psi=0.5, cutoff=3)
    assert half[:, :3] == pytest.approx((sampler.w_mean + whole[:, :3]) / 2, abs=1e-6)
    assert np.array_equal(half[:, 3:], whole[:, 3:])
    assert sampler.map(z, psi=0) == pytest.approx(np.broadcast_to(sampler.w_mean, whole.shape))


def test_a_preview_is_what_the_first_blocks_have_painted():
    shape = shape_of(32)
    sampler, generator = sampler_of(shape)
    ws = ws_of(shape, 1)
    for blocks, resolution in enumerate(shape.resolutions, start=1):
        truth = plain_images(generator, torch.from_numpy(ws), blocks=blocks)[0].numpy()
        found = sampler.preview(ws[0], resolution=resolution)
        assert found.shape == truth.shape
        assert np.sqrt(np.mean((found - truth) ** 2)) < 0.05 * truth.std()


@pytest.mark.parametrize("architecture", ["resnet", "orig"])
def test_a_preview_of_a_generator_that_paints_once_is_a_mean(architecture):
    shape = shape_of(32, architecture)
    sampler, _ = sampler_of(shape)
    ws = ws_of(shape, 1)
    image = sampler.images(ws, precision="quick")[0, 0]
    found = sampler.preview(ws[0], resolution=8)
    assert found[0, 2, 5] == pytest.approx(image[8:12, 20:24].mean(), rel=1e-4)


def test_a_preview_of_no_block():
    shape = shape_of(32)
    sampler, _ = sampler_of(shape)
    with pytest.raises(InputError, match="no previews of 64 px; choose one of 4, 8, 16, 32"):
        sampler.preview(ws_of(shape)[0], resolution=64)


def test_two_threads_share_one():
    shape = shape_of(32)
    sampler, _ = sampler_of(shape)
    ws = ws_of(shape, 8)
    truth = sampler.images(ws)
    with ThreadPoolExecutor(2) as pool:
        for _ in range(5):
            found = list(pool.map(lambda one: sampler.images(one[None])[0], ws))
            assert np.array_equal(np.stack(found), truth)


def test_matrices_for_directions():
    shape = shape_of(16)
    sampler, generator = sampler_of(shape)
    found = sampler.affine_weights()
    assert [name for name, *_ in found] == ["b4.conv1", "b8.conv0", "b8.conv1", "b16.conv0", "b16.conv1"]
    assert [index for _, index, _ in found] == [(0,), (1,), (2,), (3,), (4,)]
    assert np.array_equal(found[1][2], generator.synthesis.b8.conv0.affine.weight.numpy())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA card with a CUDA build of torch")
@pytest.mark.parametrize("noise", ["const", "none", "random"])
def test_a_graphics_card_makes_the_same_images(noise):
    shape = shape_of(64)
    here, _ = sampler_of(shape)
    there, _ = sampler_of(shape, "cuda")
    ws = ws_of(shape, 5)
    truth = here.images(ws, noise=noise, noise_seed=2)
    assert there.images(ws, noise=noise, noise_seed=2) == pytest.approx(
        truth, abs=CLOSE * np.abs(truth).max()
    )
    quick = there.images(ws, noise=noise, noise_seed=2, precision="quick")
    assert np.sqrt(np.mean((quick - truth) ** 2)) < 0.04 * truth.std()
