import pytest
import torch
from synthesis_cases import apart, generator_of, plain_images, random_ws, shape_of

from glissile.device import quick_precision
from glissile.gan.batched import BATCHES, BatchedSynthesis
from glissile.gan.modulation import NoiseMaps

CLOSE = 1e-5
needs_cuda = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="needs an NVIDIA card with a CUDA build of torch"
)


@pytest.mark.parametrize("architecture", ["skip", "resnet", "orig"])
@pytest.mark.parametrize("clamp", [None, 0.7])
@pytest.mark.parametrize("noise", ["const", "none", "random"])
def test_images_are_those_of_the_plain_networks(architecture, clamp, noise):
    shape = shape_of(32, architecture, clamp=clamp, channels=3 if clamp else 1)
    generator, _ = generator_of(shape)
    ws = random_ws(shape, max(BATCHES) + 3)
    found = BatchedSynthesis(generator, torch.float32).images(ws, NoiseMaps(shape, noise, 3))
    assert apart(found, plain_images(generator, ws, noise, seed=3)) < CLOSE


def test_the_images_of_an_early_block():
    shape = shape_of(32)
    generator, _ = generator_of(shape)
    ws = random_ws(shape)
    found = BatchedSynthesis(generator, torch.float32).images(ws, NoiseMaps(shape, "const", 0), resolution=16)
    assert apart(found, plain_images(generator, ws, blocks=3)) < CLOSE


def test_float16_holds_weights_and_styles_of_any_size():
    shape = shape_of(16, noise=False)
    generator, _ = generator_of(shape)
    ws = random_ws(shape)
    with torch.no_grad():
        for name, weight in generator.named_parameters():
            if name.endswith(("conv0.weight", "conv1.weight")):
                weight *= 1e4
            elif ".affine." in name and "torgb" not in name:
                weight *= 1e3
    truth = plain_images(generator, ws)
    assert (
        apart(BatchedSynthesis(generator, torch.float32).images(ws, NoiseMaps(shape, "none", 0)), truth)
        < CLOSE
    )
    found = BatchedSynthesis(generator, torch.float16).images(ws, NoiseMaps(shape, "none", 0))
    assert float((found - truth).square().mean().sqrt() / truth.std()) < 0.02


def test_demodulation_of_a_style_that_is_almost_zero():
    shape = shape_of(16, noise=False)
    generator, _ = generator_of(shape)
    ws = random_ws(shape)
    with torch.no_grad():
        generator.synthesis.b8.conv0.affine.weight *= 1e-6
        generator.synthesis.b8.conv0.affine.bias *= 1e-6
    found = BatchedSynthesis(generator, torch.float32).images(ws, NoiseMaps(shape, "none", 0))
    assert apart(found, plain_images(generator, ws)) < CLOSE


@needs_cuda
@pytest.mark.parametrize("noise", ["const", "none", "random"])
def test_recordings_replay_what_the_plain_networks_make(noise):
    shape = shape_of(64)
    generator, _ = generator_of(shape)
    ws = random_ws(shape, 6)
    truth = plain_images(generator, ws, noise, seed=3)
    generator = generator.cuda()
    exact, quick = (
        BatchedSynthesis(generator, dtype) for dtype in (torch.float32, quick_precision(torch.device("cuda")))
    )
    for kind in ("const", noise):  # replayed with other noise than it was recorded with
        found = exact.images(ws.cuda(), NoiseMaps(shape, kind, 3)).cpu()
    assert apart(found, truth) < CLOSE
    near = quick.images(ws.cuda(), NoiseMaps(shape, noise, 3)).cpu()
    assert float((near - truth).square().mean().sqrt() / truth.std()) < 0.04
    assert torch.equal(exact.images(ws.cuda(), NoiseMaps(shape, noise, 3)).cpu(), found)
