"""What the networks are by their definition, whoever trained them."""

import numpy as np
import plain_stylegan
import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from glissile.errors import InputError
from glissile.gan.discriminator import Discriminator, deviation_in_groups
from glissile.gan.losses import path_lengths, r1_penalty
from glissile.gan.networks import Generator
from glissile.gan.randomised import random_generator, randomise, sample_generator
from glissile.gan.resample import downsampled, filter_of, low_pass, upsampled
from glissile.gan.weights import load
from glissile.io.generator_card import DiscriminatorShape, GeneratorShape, widths_of


def shape_of(
    architecture: str = "skip", *, channels: int = 1, classes: int = 0, **more: object
) -> GeneratorShape:
    given: dict[str, object] = {
        "resolution": 16,
        "channels": channels,
        "widths": (12, 8, 4),
        "architecture": architecture,
        "z_dim": 10,
        "w_dim": 14,
        "c_dim": classes,
        "embedding": 6 if classes else 0,
        "mapping_layers": 3,
        "mapping_width": 9,
    }
    return GeneratorShape.model_validate(given | more)


def critic_of(architecture: str = "resnet", *, channels: int = 1, classes: int = 0) -> Discriminator:
    shape = DiscriminatorShape.model_validate(
        {
            "resolution": 16,
            "channels": channels,
            "widths": (12, 8, 4),
            "architecture": architecture,
            "c_dim": classes,
            "class_map": 7 if classes else 0,
            "clamp": 1.5,
        }
    )
    network = Discriminator(shape)
    randomise(network, 3)
    return network


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.RandomState(seed).randn(*shape).astype(np.float32))


# resampling


def test_upsampling_in_closed_form() -> None:
    x = drawn(1, 2, 5, 1).expand(-1, -1, -1, 5)
    padded = F.pad(x, (0, 0, 1, 1))
    even = padded[:, :, :-2] / 4 + 3 * padded[:, :, 1:-1] / 4
    odd = 3 * padded[:, :, 1:-1] / 4 + padded[:, :, 2:] / 4
    wanted = torch.stack([even, odd], dim=3).flatten(2, 3)
    # Columns away from the edges are constant along x, and stay so.
    assert torch.allclose(upsampled(x)[..., 4], wanted[..., 2], atol=1e-6)


def test_a_constant_stays_constant_when_resampled() -> None:
    x = torch.full((1, 3, 8, 8), 2.5)
    assert torch.allclose(upsampled(x)[..., 2:-2, 2:-2], torch.tensor(2.5))
    assert torch.allclose(downsampled(x)[..., 1:-1, 1:-1], torch.tensor(2.5))
    assert float(filter_of(x).sum()) == 1


def test_downsampling_is_the_adjoint_of_upsampling() -> None:
    x, y = drawn(1, 2, 6, 6), drawn(1, 2, 12, 12, seed=1)
    assert torch.allclose((upsampled(x) * y).sum(), 4 * (x * downsampled(y)).sum(), rtol=1e-5)


def test_resampling_can_be_differentiated_twice() -> None:
    x = drawn(1, 2, 6, 6).double().requires_grad_()
    assert torch.autograd.gradgradcheck(lambda x: upsampled(x).pow(3), x)
    assert torch.autograd.gradgradcheck(lambda x: downsampled(x).pow(3), x)
    assert torch.autograd.gradgradcheck(lambda x: low_pass(x, before=2, after=2).pow(3), x)


# generator


@pytest.mark.parametrize("architecture", ["skip", "resnet", "orig"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("classes", [0, 4])
def test_images_of_every_architecture(architecture: str, channels: int, classes: int) -> None:
    network, card = random_generator(shape_of(architecture, channels=channels, classes=classes), 5)
    labels = torch.eye(4)[:2] if classes else None
    images = network(drawn(2, 10), labels)
    assert images.shape == (2, channels, 16, 16)
    assert images.std() > 0.1
    assert (images[0] - images[1]).abs().max() > 0.1
    assert card.trained is False
    if classes:
        assert (network(drawn(2, 10), labels.flip(0)) - images).abs().max() > 0.1


def test_only_the_direction_of_z_matters() -> None:
    network, _ = random_generator(shape_of(), 5)
    z = drawn(3, 10)
    assert torch.allclose(network(z), network(5 * z), atol=1e-4)


def test_every_layer_has_its_own_w() -> None:
    network, card = random_generator(shape_of(), 5)
    ws = network.for_all_layers(network.mapping(drawn(1, 10))).clone()
    assert ws.shape == (1, card.shape.num_ws, 14)
    image = network.synthesis(ws)
    for layer in range(card.shape.num_ws):
        moved = ws.clone()
        moved[:, layer] += 1
        assert (network.synthesis(moved) - image).abs().max() > 1e-4, layer


def test_noise() -> None:
    network, _ = random_generator(shape_of(), 5)
    ws = network.for_all_layers(network.mapping(drawn(1, 10)))
    const, none = network.synthesis(ws), network.synthesis(ws, "none")
    assert torch.equal(const, network.synthesis(ws))
    assert not torch.equal(const, none)
    assert not torch.equal(network.synthesis(ws, "random"), network.synthesis(ws, "random"))
    silent, _ = random_generator(shape_of(noise=False), 5)
    assert not any("noise" in name for name in silent.state_dict())
    assert torch.equal(silent.synthesis(ws), silent.synthesis(ws, "none"))


def test_a_clamp_limits_features() -> None:
    free, _ = random_generator(shape_of(), 5)
    limited, _ = random_generator(shape_of(clamp=2.0), 5)
    features: list[torch.Tensor] = []
    limited.get_submodule("synthesis.b8.conv1").register_forward_hook(
        lambda *given: features.append(given[2])
    )
    z = drawn(4, 10)
    assert (free(z) - limited(z)).abs().max() > 0.01  # the clamp of the test of the formulas does clip
    assert features[0].abs().max() == 2


def test_random_weights_are_the_same_everywhere() -> None:
    one, _ = random_generator(shape_of(), 5)
    two, _ = random_generator(shape_of(), 5)
    other, _ = random_generator(shape_of(), 6)
    z = drawn(1, 10)
    assert torch.equal(one(z), two(z))
    assert not torch.equal(one(z), other(z))


# discriminator


@pytest.mark.parametrize("architecture", ["resnet", "skip", "orig"])
@pytest.mark.parametrize("classes", [0, 4])
def test_logits_of_every_architecture(architecture: str, classes: int) -> None:
    network = critic_of(architecture, channels=3, classes=classes)
    labels = torch.eye(4) if classes else None
    logits = network(drawn(4, 3, 16, 16), labels)
    assert logits.shape == (4, 1)
    assert logits.unique().numel() == 4


def test_groups_take_members_from_afar() -> None:
    x = torch.zeros(8, 2, 4, 4)
    x[0], x[2], x[4], x[6] = 1, 2, 3, 4  # one group of four; the others are all alike
    found = deviation_in_groups(x, 4, 1)
    assert found.shape == (8, 1, 4, 4)
    assert torch.allclose(found[::2], torch.tensor(np.std([1, 2, 3, 4]), dtype=torch.float32))
    assert torch.allclose(found[1::2], torch.tensor(1e-4))
    assert torch.allclose(deviation_in_groups(x[:1], 4, 1), torch.tensor(1e-4))


def test_both_penalties_can_be_differentiated() -> None:
    critic = critic_of()
    r1_penalty(drawn(2, 1, 16, 16), critic).sum().backward()
    assert critic.get_parameter("b16.conv0.weight").grad.abs().max() > 0
    network = Generator(shape_of())
    ws = network.for_all_layers(network.mapping(drawn(2, 10)))
    path_lengths(network.synthesis(ws), ws, drawn(2, 1, 16, 16)).sum().backward()
    assert network.get_parameter("mapping.fc0.weight").grad.abs().max() > 0


def test_r1_is_the_squared_gradient() -> None:
    slope = drawn(1, 1, 4, 4)
    found = r1_penalty(drawn(3, 1, 4, 4), lambda x: (x * slope).sum(dim=(1, 2, 3))[:, None])
    assert torch.allclose(found, slope.square().sum().expand(3), rtol=1e-5)


# weights


def test_weights_that_do_not_fit() -> None:
    network, _ = random_generator(shape_of(), 5)
    tensors = dict(network.state_dict())
    missing = {name: tensor for name, tensor in tensors.items() if name != "synthesis.b8.conv1.bias"}
    with pytest.raises(InputError, match=r"synthesis\.b8\.conv1\.bias"):
        load(Generator(shape_of()), missing)
    blurred = tensors | {"synthesis.b8.resample_filter": torch.full((4, 4), 1 / 16)}
    with pytest.raises(InputError, match="another filter"):
        load(Generator(shape_of()), blurred)
    usual = tensors | {"synthesis.b8.resample_filter": filter_of(torch.zeros(1))}
    load(Generator(shape_of()), usual)


def test_widths_of_the_published_configurations() -> None:
    assert widths_of(512, 32768) == (512,) * 5 + (256, 128, 64)
    assert widths_of(512, 16384) == (512,) * 4 + (256, 128, 64, 32)
    assert widths_of(64, 16384) == (512,) * 4 + (256,)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"resolution": 24}, "no power of two"),
        ({"widths": (4, 4)}, "2 widths do not go with 16 px"),
        ({"c_dim": 3}, "embedding of 0 does not go with 3 classes"),
        ({"resolution": 2048, "widths": (4096,) * 10}, "parameters is too large"),
        ({"resolution": 2048, "widths": (1,) * 9 + (128,)}, "features is too large"),
    ],
)
def test_impossible_shapes(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        shape_of(**changes)


# against the formulas


@pytest.mark.parametrize("architecture", ["skip", "resnet", "orig"])
@pytest.mark.parametrize("clamp", [None, 2.0])
def test_images_are_those_of_the_formulas(architecture: str, clamp: float | None) -> None:
    shape = shape_of(architecture, channels=3, classes=4, clamp=clamp)
    network, _ = random_generator(shape, 5)
    state = exact(network)
    z, labels = drawn(2, 10), torch.eye(4)[1:3]
    for i in range(2):
        w = plain_stylegan.mapped(state, z[i].double().numpy(), labels[i].numpy(), 3, 0.01)
        wanted = plain_stylegan.image_of(state, shape, np.tile(w, (shape.num_ws, 1)))
        found = network(z, labels)[i].numpy()
        assert abs(found - wanted).max() <= 1e-5 * abs(wanted).max()
    ws = drawn(1, shape.num_ws, 14)
    wanted = plain_stylegan.image_of(state, shape, ws[0].double().numpy())
    assert abs(network.synthesis(ws)[0].numpy() - wanted).max() <= 1e-5 * abs(wanted).max()


@pytest.mark.parametrize("architecture", ["resnet", "skip", "orig"])
@pytest.mark.parametrize("classes", [0, 4])
@torch.no_grad()
def test_logits_are_those_of_the_formulas(architecture: str, classes: int) -> None:
    critic = critic_of(architecture, channels=3, classes=classes)
    images, labels = drawn(8, 3, 16, 16), torch.eye(4).repeat(2, 1) if classes else None
    wanted = plain_stylegan.logits_of(
        exact(critic), critic.shape, images.double().numpy(), None if labels is None else labels.numpy()
    )
    found = critic(images, labels).flatten().numpy()
    assert abs(found - wanted).max() <= 1e-5 * max(1, abs(wanted).max())


def exact(network: Generator | Discriminator) -> dict[str, np.ndarray]:
    return {name: tensor.double().numpy() for name, tensor in network.state_dict().items()}


def test_the_sample_is_grey() -> None:
    network, card = sample_generator()
    assert card.trained is False
    images = network.synthesis(network.for_all_layers(network.mapping(drawn(4, 512))))
    assert images.shape == (4, 1, 256, 256)
    assert 0.1 < images.std() < 0.6
    assert (images.abs() > 1).float().mean() < 0.1
