from itertools import product

import pytest
import torch
from synthesis_cases import apart, generator_of, plain_images, random_ws, shape_of

from glissile.gan import folded, folded_layers, packed
from glissile.gan.folded import FoldedBlock, FoldedSynthesis, strips_of
from glissile.gan.modulation import NoiseMaps

CLOSE = 1e-5
KINDS = ("const", "none", "random")


def images(synthesis, ws, maps, resolution=None):
    return torch.stack([synthesis.image(one, maps, resolution=resolution).clone() for one in ws])


@pytest.mark.parametrize("architecture", ["skip", "resnet", "orig"])
@pytest.mark.parametrize("clamp", [None, 0.7])
@pytest.mark.parametrize("noise", KINDS)
def test_images_are_those_of_the_plain_networks(architecture, clamp, noise):
    shape = shape_of(32, architecture, clamp=clamp, channels=3 if clamp else 1)
    generator, _ = generator_of(shape)
    ws = random_ws(shape)
    truth = plain_images(generator, ws, noise, seed=3)
    assert apart(images(FoldedSynthesis(generator), ws, NoiseMaps(shape, noise, 3)), truth) < CLOSE
    if clamp:
        unlimited, _ = generator_of(shape_of(32, architecture, channels=3))
        assert apart(plain_images(unlimited, ws, noise, seed=3), truth) > 0.1, "the clamp must have acted"


@pytest.mark.parametrize("resolution", [4, 8, 16, 64, 128, 256])
def test_every_resolution(resolution):
    shape = shape_of(resolution)
    generator, _ = generator_of(shape)
    ws = random_ws(shape, 1)
    truth = plain_images(generator, ws)
    assert apart(images(FoldedSynthesis(generator), ws, NoiseMaps(shape, "const", 0)), truth) < CLOSE


def test_a_generator_whose_layers_add_no_noise():
    shape = shape_of(noise=False)
    generator, _ = generator_of(shape)
    ws = random_ws(shape)
    for noise in KINDS:
        maps = NoiseMaps(shape, noise, 0)
        assert apart(images(FoldedSynthesis(generator), ws, maps), plain_images(generator, ws)) < CLOSE


@pytest.mark.parametrize("architecture", ["skip", "resnet"])
@pytest.mark.parametrize("weight_cost", [0, 1e9], ids=["folded", "scaled"])
@pytest.mark.parametrize("sorts", [True, False])
def test_strips_and_both_ways_of_modulation(monkeypatch, architecture, weight_cost, sorts):
    shape = shape_of(64, architecture)
    generator, _ = generator_of(shape)
    ws = random_ws(shape)
    monkeypatch.setattr(folded, "WHOLE_BYTES", 1 << 10)
    monkeypatch.setattr(folded, "STRIP_BYTES", 20 * 64 * 4 * WIDTH_AT_64)
    monkeypatch.setattr(folded_layers, "WEIGHT_COST", weight_cost)
    if not sorts:
        monkeypatch.setattr(packed, "sorts", lambda dtype: False)
    assert [b - a for a, b in strips_of(64, WIDTH_AT_64, torch.float32)] == [20, 20, 20, 4]
    maps = NoiseMaps(shape, "const", 0)
    assert apart(images(FoldedSynthesis(generator), ws, maps), plain_images(generator, ws)) < CLOSE


WIDTH_AT_64 = 6


def test_strips_cover_all_rows_once():
    for resolution, channels in product((4, 8, 64, 512, 1024), (1, 32, 512)):
        strips = strips_of(resolution, channels, torch.float32)
        assert [row for first, end in strips for row in range(first, end)] == list(range(resolution))
        assert all(first % 2 == end % 2 == 0 for first, end in strips)


def test_what_was_made_before_changes_nothing():
    shape = shape_of(32)
    generator, _ = generator_of(shape)
    ws = random_ws(shape, 3)
    ws[1, :5] = ws[0, :5]  # the same first layers
    asked = [
        (one, kind, seed, resolution)
        for one, (kind, seed), resolution in product(
            (0, 1, 2), (("const", 0), ("random", 1), ("random", 2), ("none", 0)), (None, 8, 16)
        )
    ]
    alone = [
        FoldedSynthesis(generator).image(ws[one], NoiseMaps(shape, kind, seed), resolution=resolution).clone()
        for one, kind, seed, resolution in asked
    ]
    synthesis = FoldedSynthesis(generator)
    order = torch.randperm(4 * len(asked), generator=torch.Generator().manual_seed(0)) % len(asked)
    for i in order.tolist():
        one, kind, seed, resolution = asked[i]
        found = synthesis.image(ws[one], NoiseMaps(shape, kind, seed), resolution=resolution)
        assert torch.equal(found, alone[i])


@pytest.mark.parametrize("architecture", ["skip", "resnet", "orig"])
def test_the_first_layers_are_not_computed_again(monkeypatch, architecture):
    shape = shape_of(32, architecture)
    generator, _ = generator_of(shape)
    (first,) = random_ws(shape, 1)
    computed = []
    compute = FoldedBlock.compute

    def counted(self, *given):
        computed.append(self.resolution)
        compute(self, *given)

    monkeypatch.setattr(FoldedBlock, "compute", counted)
    synthesis = FoldedSynthesis(generator)
    maps = NoiseMaps(shape, "const", 0)
    synthesis.image(first, maps)
    for layer in range(shape.num_ws):
        ws = first.clone()
        ws[layer] += 1
        synthesis.image(first, maps)
        del computed[:]
        found = synthesis.image(ws, maps).clone()
        # A layer that only paints leaves the features of its block; those of the last block are not kept.
        assert computed == [r for i, r in enumerate(shape.resolutions) if 2 * i >= layer or i == 3]
        assert torch.equal(found, FoldedSynthesis(generator).image(ws, maps))
    synthesis.image(ws, maps)
    del computed[:]
    synthesis.image(ws, NoiseMaps(shape, "const", 7))  # a seed that does not matter
    assert computed == []
    synthesis.image(ws, NoiseMaps(shape, "none", 0))
    assert computed == list(shape.resolutions)


@pytest.mark.parametrize("fails_at", [4, 8, 16, 32])
def test_an_image_that_was_not_finished_leaves_nothing_wrong(monkeypatch, fails_at):
    shape = shape_of(32)
    generator, _ = generator_of(shape)
    ws = random_ws(shape)
    maps = NoiseMaps(shape, "const", 0)
    synthesis = FoldedSynthesis(generator)
    truth = images(synthesis, ws, maps)
    compute = FoldedBlock.compute

    def failing(self, *given):
        compute(self, *given)
        if self.resolution == fails_at:
            raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(FoldedBlock, "compute", failing)
        with pytest.raises(MemoryError):
            synthesis.image(ws[0], maps)
    assert torch.equal(images(synthesis, ws.flip(0), maps), truth.flip(0))


def test_the_image_of_an_early_block():
    shape = shape_of(32, channels=3)
    generator, _ = generator_of(shape)
    ws = random_ws(shape)
    for blocks, resolution in enumerate(shape.resolutions, start=1):
        found = images(FoldedSynthesis(generator), ws, NoiseMaps(shape, "const", 0), resolution)
        assert apart(found, plain_images(generator, ws, blocks=blocks)) < CLOSE


def test_bfloat16_is_near():
    shape = shape_of(64)
    generator, _ = generator_of(shape)
    ws = random_ws(shape)
    truth = plain_images(generator, ws)
    found = images(FoldedSynthesis(generator, torch.bfloat16), ws, NoiseMaps(shape, "const", 0))
    assert found.dtype == torch.float32
    assert 0 < float((found - truth).square().mean().sqrt() / truth.std()) < 0.04
