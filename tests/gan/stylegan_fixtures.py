"""Numbers that the official program gave, where they are at hand."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from glissile.gan.discriminator import Discriminator
from glissile.gan.networks import Generator
from glissile.gan.weights import load
from glissile.io.generator_card import DiscriminatorShape, GeneratorShape, widths_of

FIXTURES = Path(__file__).parents[2].parent / "shared" / "gan" / "fixtures"
CASES = ("a_32_gray", "b_64_rgb_cond3", "c_128_gray_auto")
needs_fixtures = pytest.mark.skipif(
    not FIXTURES.is_dir(), reason=f"the numbers of the official program are not at {FIXTURES}"
)


class Case:
    """One of the networks, and what came in and out of it."""

    def __init__(self, name: str) -> None:
        with np.load(FIXTURES / f"{name}.npz") as arrays:
            self.arrays = {key: arrays[key] for key in arrays.files}
        self.facts: dict[str, Any] = json.loads((FIXTURES / f"{name}.json").read_text(encoding="utf-8"))

    def io(self, name: str) -> torch.Tensor:
        return torch.from_numpy(self.arrays[f"io/{name}"])

    def has(self, name: str) -> bool:
        return f"io/{name}" in self.arrays

    def labels(self, name: str) -> torch.Tensor | None:
        found = self.io(name)
        return found if found.shape[1] else None

    def tensors(self, network: str) -> dict[str, torch.Tensor]:
        return {k[2:]: torch.from_numpy(v) for k, v in self.arrays.items() if k.startswith(f"{network}/")}

    def generator_shape(self) -> GeneratorShape:
        given = self.facts["G_kwargs"]
        made = given["synthesis_kwargs"]
        return GeneratorShape(
            resolution=given["img_resolution"],
            channels=given["img_channels"],
            widths=widths_of(given["img_resolution"], made["channel_base"], made["channel_max"]),
            z_dim=given["z_dim"],
            w_dim=given["w_dim"],
            c_dim=given["c_dim"],
            mapping_layers=given["mapping_kwargs"]["num_layers"],
            mapping_width=given["w_dim"],
            embedding=given["w_dim"] if given["c_dim"] else 0,
            clamp=made.get("conv_clamp"),
        )

    def discriminator_shape(self) -> DiscriminatorShape:
        given = self.facts["D_kwargs"]
        widths = widths_of(given["img_resolution"], given["channel_base"], given["channel_max"])
        return DiscriminatorShape(
            resolution=given["img_resolution"],
            channels=given["img_channels"],
            widths=widths,
            c_dim=given["c_dim"],
            class_map=widths[0] if given["c_dim"] else 0,
            clamp=given.get("conv_clamp"),
        )

    def generator(self) -> Generator:
        network = Generator(self.generator_shape())
        load(network, self.tensors("G"))
        return network

    def discriminator(self) -> Discriminator:
        network = Discriminator(self.discriminator_shape())
        load(network, self.tensors("D"))
        return network
