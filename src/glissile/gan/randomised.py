"""Generators with random weights: they show no microstructure, but do all that a trained one does."""

import numpy as np
import torch

from glissile.gan.networks import Discriminator, Generator
from glissile.io.generator_card import GeneratorCard, GeneratorShape


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
