"""Generators with random weights: they show no microstructure, but do all that a trained one does."""

import numpy as np
import torch

from glissile.gan.discriminator import Discriminator
from glissile.gan.networks import Generator, ToImage
from glissile.io.generator_card import GeneratorCard, GeneratorShape, widths_of


def random_generator(shape: GeneratorShape, seed: int) -> tuple[Generator, GeneratorCard]:
    """Make a generator with random weights, the same on every machine.

    Parameters
    ----------
    shape : GeneratorShape
        Of the networks.
    seed : int
        0 to 2^32 - 1.

    Returns
    -------
    Generator
        Ready to be used, not to be trained.
    GeneratorCard
        Says that the weights are random.
    """
    generator = Generator(shape)
    randomise(generator, seed)
    name = f"Random weights, seed {seed}"
    return generator.eval().requires_grad_(requires_grad=False), GeneratorCard(
        name=name, shape=shape, trained=False
    )


# Of the bundled sample: how strongly each block paints, in standard deviations of the image.
_PAINTED = {4: 0.02, 8: 0.06, 16: 0.14, 32: 0.2, 64: 0.16, 128: 0.08, 256: 0.06}
_MEASURED = 8


def sample_generator() -> tuple[Generator, GeneratorCard]:
    """Make the bundled sample: random weights whose images are cloudy textures, neither black nor white.

    Returns
    -------
    Generator
        Of grey images of 256 x 256 px.
    GeneratorCard
        Says that the weights are random.
    """
    shape = GeneratorShape(
        resolution=256,
        channels=1,
        widths=widths_of(256, 4096, 256),
        z_dim=512,
        w_dim=512,
        mapping_layers=2,
        mapping_width=512,
    )
    generator, card = random_generator(shape, 1)
    _exposed(generator)
    return generator, card.model_copy(update={"name": "Sample, random weights"})


@torch.no_grad()
def _exposed(generator: Generator) -> None:
    """Let each block paint as strongly as it should, grey in the mean."""
    random = np.random.RandomState(0)
    z = torch.from_numpy(random.randn(_MEASURED, generator.shape.z_dim).astype(np.float32))
    ws = generator.for_all_layers(generator.mapping(z))
    parts: dict[int, torch.Tensor] = {}
    found = {r: generator.synthesis.get_submodule(f"b{r}.torgb") for r in generator.shape.resolutions}
    paintings = {r: painting for r, painting in found.items() if isinstance(painting, ToImage)}
    hooks = [
        painting.register_forward_hook(lambda _, __, part, r=r: parts.__setitem__(r, part))
        for r, painting in paintings.items()
    ]
    generator.synthesis(ws)
    for hook in hooks:
        hook.remove()
    for resolution, painting in paintings.items():
        part = parts[resolution]
        # Rounded, so that it is the same on every machine.
        scale = float(f"{_PAINTED[resolution] / float(part.std()):.2g}")
        painting.weight.mul_(scale)
        painting.bias.sub_(float(f"{float(part.mean()):.2g}")).mul_(scale)


@torch.no_grad()
def randomise(network: Generator | Discriminator, seed: int) -> None:
    """Draw all weights of a network anew, also those that training begins at zero.

    Parameters
    ----------
    network : Generator or Discriminator
        Is changed.
    seed : int
        0 to 2^32 - 1.
    """
    random = np.random.RandomState(seed)
    for name, tensor in sorted(network.state_dict().items()):
        drawn = random.randn(*tensor.shape)
        if name.endswith(".affine.bias"):
            drawn = 1 + 0.3 * drawn
        elif name.endswith("noise_strength"):
            drawn = 0.1 * drawn
        elif name.endswith((".bias", "w_avg")):
            drawn = 0.2 * drawn
        elif name.startswith("mapping.fc"):
            drawn /= network.shape.mapping_lr
        tensor.copy_(torch.as_tensor(drawn))
