"""Generators with random weights, and what the plain networks make with them."""

import torch
from torch import Tensor

from glissile.gan.look import Noise
from glissile.gan.networks import Generator
from glissile.gan.randomised import random_generator
from glissile.io.generator_card import GeneratorCard, GeneratorShape

WIDTHS = (12, 16, 10, 8, 6, 4, 4)


def shape_of(
    resolution: int = 32, architecture: str = "skip", *, classes: int = 0, **more: object
) -> GeneratorShape:
    given: dict[str, object] = {
        "resolution": resolution,
        "channels": 1,
        "widths": WIDTHS[: resolution.bit_length() - 2],
        "architecture": architecture,
        "z_dim": 10,
        "w_dim": 7,
        "c_dim": classes,
        "embedding": 6 if classes else 0,
        "mapping_layers": 2,
        "mapping_width": 9,
    }
    return GeneratorShape.model_validate(given | more)


def generator_of(shape: GeneratorShape, seed: int = 0) -> tuple[Generator, GeneratorCard]:
    return random_generator(shape, seed)


def random_ws(shape: GeneratorShape, count: int = 2, seed: int = 0) -> Tensor:
    return torch.randn(count, shape.num_ws, shape.w_dim, generator=torch.Generator().manual_seed(seed))


@torch.inference_mode()
def plain_images(
    generator: Generator, ws: Tensor, noise: Noise = "const", seed: int = 0, blocks: int | None = None
) -> Tensor:
    """Images of the plain networks, one by one; random noise of each begins at the seed."""
    made = []
    for one in ws:
        torch.manual_seed(seed)
        x, image = None, None
        for i, resolution in enumerate(generator.shape.resolutions[:blocks]):
            block = generator.synthesis.get_submodule(f"b{resolution}")
            x, image = block(x, image, one[None, max(0, 2 * i - 1) : 2 * i + 2], noise)
        made.append(image[0])
    return torch.stack(made)


def apart(found: Tensor, truth: Tensor) -> float:
    """Largest difference, over the largest magnitude of the truth."""
    assert found.shape == truth.shape
    return float((found - truth).abs().max() / truth.abs().max())
