import pytest
import torch
from synthesis_cases import apart, generator_of, plain_images, random_ws, shape_of
from torch.nn import functional as F  # noqa: N812

from glissile.gan import winograd
from glissile.gan.folded import FoldedSynthesis
from glissile.gan.modulation import NoiseMaps
from glissile.gan.winograd import Winograd, pays


@pytest.mark.parametrize("rows", [2, 6, 16])
@pytest.mark.parametrize("chunk", [1, 16 * 8 * 5 * 4 * 3, 1 << 20], ids=["rows", "remainder", "whole"])
def test_it_is_a_convolution(monkeypatch, rows, chunk):
    monkeypatch.setattr(winograd, "_CHUNK_BYTES", chunk)
    random = torch.Generator().manual_seed(0)
    weight = torch.randn(5, 3, 3, 3, generator=random)
    convolve = Winograd(weight, torch.float32, 16)
    for _ in range(2):  # the second call finds the memory of the first
        x = torch.randn(1, 3, rows + 2, 16, generator=random).contiguous(memory_format=torch.channels_last)
        found = convolve(x)
        assert found.is_contiguous(memory_format=torch.channels_last)
        assert apart(found, F.conv2d(x, weight, padding=(0, 1))) < 1e-6


def test_in_bfloat16_it_is_near():
    random = torch.Generator().manual_seed(0)
    weight = torch.randn(8, 8, 3, 3, generator=random)
    x = torch.randn(1, 8, 18, 16, generator=random).contiguous(memory_format=torch.channels_last)
    truth = F.conv2d(x, weight, padding=(0, 1))
    found = Winograd(weight, torch.bfloat16, 16)(x.bfloat16()).float()
    assert float((found - truth).square().mean().sqrt() / truth.std()) < 0.015


def test_images_of_a_generator_wide_enough_for_it():
    shape = shape_of(32, widths=(8, 8, 512, 512))
    assert pays(512, 16, torch.float32)
    assert not pays(512, 8, torch.float32)
    generator, _ = generator_of(shape)
    ws = random_ws(shape, 1)
    found = FoldedSynthesis(generator).image(ws[0], NoiseMaps(shape, "const", 0))
    assert apart(found[None], plain_images(generator, ws)) < 1e-5
