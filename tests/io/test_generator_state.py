"""Names and shapes of tensors: those of the official files, and those of our networks."""

import json
import math
import re

import pytest
from stylegan_fixtures import FIXTURES, needs_fixtures

from glissile.gan.discriminator import Discriminator
from glissile.gan.networks import Generator
from glissile.io.generator_card import DiscriminatorShape, GeneratorShape, widths_of
from glissile.io.generator_state import (
    FILTER,
    discriminator_tensors,
    generator_tensors,
    shape_of_discriminator,
    shape_of_generator,
)

PLAIN = {"resolution": 32, "channels": 1, "widths": (8, 8, 6, 4)}
GENERATORS = [
    GeneratorShape(**{"z_dim": 10, "w_dim": 12, "mapping_layers": 2, "mapping_width": 12, **PLAIN, **changed})
    for changed in (
        {},
        {"architecture": "resnet", "channels": 3},
        {"architecture": "orig", "clamp": 256},
        {"c_dim": 3, "embedding": 7, "mapping_layers": 8},
        {"noise": False, "mapping_width": 9, "mapping_lr": 0.5},
        {"mapping_layers": 1, "mapping_width": 12},
        {"resolution": 1024, "widths": (4, 4, 4, 4, 4, 3, 3, 2, 2)},
    )
]
DISCRIMINATORS = [
    DiscriminatorShape(**{"mapping_layers": 8, **PLAIN, **changed})
    for changed in (
        {},
        {"architecture": "skip", "channels": 3},
        {"architecture": "orig", "clamp": 256},
        {"c_dim": 3, "class_map": 8, "mapping_layers": 4},
        {"group": 8, "group_channels": 2},
    )
]


def bare(sizes):
    return {name: size for name, size in sizes.items() if not name.endswith(FILTER)}


def told_apart(shape):
    return {"clamp": shape.clamp, "mapping_lr": shape.mapping_lr}


@pytest.mark.parametrize("shape", GENERATORS)
def test_a_generator_is_known_by_its_tensors(shape):
    tensors = generator_tensors(shape)
    assert shape_of_generator(tensors, **told_apart(shape)) == shape
    assert shape_of_generator(bare(tensors), **told_apart(shape)) == shape
    state = Generator(shape).state_dict()
    assert {name: tuple(tensor.shape) for name, tensor in state.items()} == bare(tensors)


@pytest.mark.parametrize("shape", DISCRIMINATORS)
def test_a_discriminator_is_known_by_its_tensors(shape):
    tensors = discriminator_tensors(shape)
    assert shape_of_discriminator(tensors, group=shape.group, **told_apart(shape)) == shape
    state = Discriminator(shape).state_dict()
    assert {name: tuple(tensor.shape) for name, tensor in state.items()} == bare(tensors)


@needs_fixtures
@pytest.mark.parametrize("resolution", [64, 512])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("base", [16384, 32768])
def test_tensors_are_those_of_the_official_files(resolution, channels, base):
    listed = json.loads((FIXTURES / "state_shapes.json").read_text(encoding="utf-8"))
    facts = listed.get(f"res{resolution}_ch{channels}_cbase{base}")
    if facts is None:
        pytest.skip("not among the lists")
    widths = widths_of(resolution, base)
    network = {"resolution": resolution, "channels": channels, "widths": widths}
    generator = GeneratorShape(z_dim=512, w_dim=512, mapping_layers=2, mapping_width=512, **network)
    tensors = generator_tensors(generator)
    assert {name: list(size) for name, size in tensors.items()} == facts["G"]
    assert generator.num_ws == facts["num_ws"]
    learned = (size for name, size in tensors.items() if not name.endswith((FILTER, "noise_const", "w_avg")))
    assert sum(map(math.prod, learned)) == facts["G_params"]
    discriminator = discriminator_tensors(DiscriminatorShape(**network))
    assert {name: list(size) for name, size in discriminator.items()} == facts["D"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"synthesis.b8.conv0.bias": (7,)}, "has the shape (7,) and not (8,)"),
        ({"synthesis.b8.conv0.bias": None}, "'synthesis.b8.conv0.bias' is missing"),
        ({"synthesis.b8.conv9.bias": (8,)}, "is no part"),
        ({"mapping.fc0.weight": (12,)}, "has 1 axes and not 2"),
        ({"mapping.fc0.weight": None}, "is missing"),
        ({"synthesis.b32.torgb.weight": (9, 4, 1, 1)}, "channels"),
        ({"synthesis.b16.conv1.weight": (10**9, 6, 3, 3)}, "widths"),
        ({"mapping.fc0.weight": (12, 10**12)}, "z_dim"),
        ({"synthesis.b2048.conv1.weight": (8, 8, 3, 3)}, "is missing"),
    ],
)
def test_tensors_of_no_generator_are_refused(change, said):
    sizes = {**generator_tensors(GENERATORS[0]), **change}
    with pytest.raises(ValueError, match=re.escape(said)):
        shape_of_generator({name: size for name, size in sizes.items() if size is not None})
