from itertools import pairwise

import pytest
import torch

from glissile.io.model_card import Architecture
from glissile.learn.recipes import RECIPES
from glissile.learn.unet import build, fold, logits_of, winners


def architecture(kind="residual", **changes):
    return Architecture(**{"kind": kind, "outputs": 3, "widths": (4, 6, 8), **changes})


def parameters(network):
    return sum(p.numel() for p in network.parameters())


def test_the_published_network_has_31_million_parameters():
    recipe = RECIPES["tanaka2025"]
    with torch.device("meta"):
        network = build(Architecture(kind=recipe.network, outputs=3, widths=recipe.widths, stem=recipe.stem))
    # Counted by hand from Fig. 4: 3 x 3 pairs with batch norm down and up, 2 x 2 transposed up, 1 x 1 out.
    widths = [64, 128, 256, 512, 1024]
    pair = lambda a, b: 9 * a * b + 9 * b * b + 4 * b  # noqa: E731
    down = pair(1, 64) + sum(pair(a, b) for a, b in pairwise(widths))
    up = sum(4 * a * b + a + pair(2 * a, a) for a, b in pairwise(widths))
    assert parameters(network) == down + up + 3 * 64 + 3
    assert parameters(network) == pytest.approx(31.0e6, rel=0.002)


def test_our_network_has_about_one_million():
    recipe = RECIPES["glissile"]
    with torch.device("meta"):
        network = build(Architecture(kind=recipe.network, outputs=3, widths=recipe.widths, stem=recipe.stem))
    assert 0.5e6 < parameters(network) < 1.5e6


@pytest.mark.parametrize("kind", ["residual", "ronneberger"])
@pytest.mark.parametrize("shape", [(16, 16), (33, 50), (17, 70), (1, 1)])
def test_any_frame_size_gives_logits_of_that_size(kind, shape):
    a = architecture(kind, stem=2 if kind == "residual" else 1)
    logits = logits_of(build(a).eval(), torch.zeros(2, 1, *shape), a.stride)
    assert logits.shape == (2, 3, *shape)
    assert logits.dtype == torch.float32


@pytest.mark.parametrize("kind", ["residual", "ronneberger"])
def test_padding_leaves_what_is_far_from_the_edge(kind):
    a = architecture(kind)
    network = build(a).eval()
    frame = torch.rand(1, 1, 128, 128, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        whole = logits_of(network, frame, a.stride)
        cropped = logits_of(network, frame[..., :122, :125], a.stride)
    torch.testing.assert_close(cropped[..., :64, :64], whole[..., :64, :64])


def test_the_seed_decides_the_weights_and_leaves_torch_alone():
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    first, second, other = (
        build(architecture(), seed=1),
        build(architecture(), seed=1),
        build(architecture(), seed=2),
    )
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(first.head.weight, second.head.weight)
    assert not torch.equal(first.head.weight, other.head.weight)


def test_the_stem_sees_every_pixel():
    a = architecture(stem=2)
    network = build(a).eval()
    frame = torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(1), requires_grad=True)
    logits_of(network, frame, a.stride)[0, :, 16:18, 16:18].sum().backward()
    assert (frame.grad[0, 0, 12:22, 12:22] != 0).all()


@pytest.mark.parametrize("kind", ["residual", "ronneberger"])
def test_a_folded_network_gives_the_same_logits(kind):
    a = architecture(kind)
    network = build(a)
    random = torch.Generator().manual_seed(1)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            for values in (module.weight.data, module.bias.data, module.running_mean, module.running_var):
                values.copy_(torch.rand(values.shape, generator=random) + 0.5)
    network.eval()
    frame = torch.rand(2, 1, 48, 64, generator=random)
    with torch.inference_mode():
        expected = logits_of(network, frame, a.stride)
        fold(network)
        found = logits_of(network, frame, a.stride)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in network.modules())
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_the_winner_is_the_first_of_the_largest_logits(classes):
    logits = torch.randint(0, 4, (classes, 20, 30), generator=torch.Generator().manual_seed(classes)).float()
    assert (winners(logits) == logits.numpy().argmax(axis=0)).all()
