"""Distances on images whose differences are known."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from glissile.errors import InputError
from glissile.gan.features import Distance, Lpips, lpips_tensors, pixel_distance, texture_distance

DISTANCES = {"pixels": pixel_distance, "texture": texture_distance}


def waves(angle: float, phase: float = 0, *, px: int = 64, wavelength: float = 4.5) -> Tensor:
    """Lines across an image (1, y, x)."""
    along = torch.arange(float(px))
    across = along[:, None] * math.sin(angle) + along * math.cos(angle)
    return 0.5 * torch.cos(2 * math.pi * across / wavelength + phase)[None]


def grain(seed: int, *, channels: int = 1, px: int = 64) -> Tensor:
    drawn = np.random.RandomState(seed).randn(channels, px, px).astype(np.float32)
    return 0.3 * torch.from_numpy(drawn)


def lpips_weights(seed: int = 0) -> dict[str, Tensor]:
    random = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, shape in lpips_tensors().items():
        drawn = torch.randn(shape, generator=random)
        fan_in = math.prod(shape[1:]) if len(shape) > 1 else 1
        tensors[name] = drawn.abs() if name.startswith("lin") else drawn * math.sqrt(2 / fan_in)
    return tensors


@pytest.mark.parametrize("distance", DISTANCES.values(), ids=DISTANCES)
def test_distances_are_zero_at_the_target_alone_and_of_each_image(distance: Distance) -> None:
    target = grain(0, channels=3)
    measured = distance(target)
    images = torch.stack([target, grain(1, channels=3), 0.9 * target])
    together = measured(images)
    assert together[0] == 0
    assert together[1] > together[2] > 0
    torch.testing.assert_close(together, torch.cat([measured(image[None]) for image in images]))


@pytest.mark.parametrize("distance", DISTANCES.values(), ids=DISTANCES)
@pytest.mark.parametrize("px", [4, 8, 32])
def test_gradients_are_finite_also_where_there_is_nothing(distance: Distance, px: int) -> None:
    for target in (torch.zeros(1, px, px), grain(2, px=px)):
        images = torch.stack([torch.zeros(1, px, px), target]).requires_grad_()
        distance(target)(images).sum().backward()
        assert images.grad is not None
        assert images.grad.isfinite().all()


def test_an_empty_image_is_about_one_away() -> None:
    for seed in range(3):
        empty = torch.zeros(1, 1, 64, 64)
        assert 0.7 < texture_distance(grain(seed))(empty).item() < 1.5


def test_texture_that_lies_elsewhere_is_nearer_than_another_texture() -> None:
    half = waves(0, math.pi)
    images = torch.stack([half, waves(math.pi / 2), waves(0, wavelength=9)])
    shifted, turned, coarser = texture_distance(waves(0))(images).tolist()
    assert shifted < 0.8 * turned
    assert shifted < 0.8 * coarser
    # The pixels say the opposite.
    shifted, turned, coarser = pixel_distance(waves(0))(images).tolist()
    assert shifted > 1.5 * max(turned, coarser)


def test_illumination_is_no_texture() -> None:
    ramp = torch.linspace(-1, 1, 64).expand(1, 64, 64)
    texture = waves(0.7)
    measured = texture_distance(texture + ramp)
    # What is left are the borders and the coarsest level, where grey values are compared.
    assert measured((texture + 0.8 * ramp)[None]).item() < 0.1 * measured(ramp[None]).item()


def test_fine_structure_counts_beside_a_strong_background() -> None:
    background = 3 * waves(0.3, wavelength=60)
    fine = 0.1 * waves(1.0)
    without = texture_distance(background + fine)(background[None]).item()
    assert without > 0.1
    assert pixel_distance(background + fine)(background[None]).item() < 1e-2


class PlainLpips(nn.Module):
    """LPIPS of Zhang et al. 2018, layer by layer."""

    def __init__(self, tensors: dict[str, Tensor]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for width in (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512):
            if width:
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
                channels = width
            else:
                layers.append(nn.MaxPool2d(2, 2))
        self.features = nn.Sequential(*layers)
        self.load_state_dict({k: v for k, v in tensors.items() if k.startswith("features")})
        self.linear = [tensors[f"lin{i}.model.1.weight"].flatten() for i in range(5)]

    @torch.no_grad()
    def forward(self, a: Tensor, b: Tensor) -> float:
        total = 0.0
        shift, scale = torch.tensor([-0.03, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.45])
        a, b = (((x.movedim(0, -1) - shift) / scale).movedim(-1, 0)[None] for x in (a, b))
        taken = dict(zip((3, 8, 15, 22, 29), self.linear, strict=True))
        for i, layer in enumerate(self.features):
            a, b = layer(a), layer(b)
            if i in taken:
                apart = (a / a.norm(dim=1, keepdim=True) - b / b.norm(dim=1, keepdim=True)) ** 2
                total += float((apart[0].movedim(0, -1) @ taken[i]).mean())
        return total


def test_lpips_is_what_its_definition_says(tmp_path: Path) -> None:
    tensors = lpips_weights()
    save_file({**tensors, "classifier.0.weight": torch.zeros(3, 2)}, tmp_path / "lpips.safetensors")
    measured = Lpips.read(tmp_path / "lpips.safetensors")
    target, image = grain(3, channels=3, px=32), grain(4, channels=3, px=32)
    values = measured(target)(torch.stack([image, target]))
    assert values[1].item() < 1e-9
    assert values[0].item() == pytest.approx(PlainLpips(tensors)(target, image), rel=1e-4)
    grey = grain(5, px=32)
    assert measured(grey)(image[None, :1]).item() == pytest.approx(
        measured(grey.expand(3, -1, -1))(image[:1].expand(3, -1, -1)[None]).item(), rel=1e-5
    )


def test_lpips_looks_at_large_images_in_small() -> None:
    measured = Lpips(lpips_weights())
    target, image = grain(6, px=512), grain(7, px=512)
    small = [x.reshape(1, 256, 2, 256, 2).mean(dim=(2, 4)) for x in (target, image)]
    with torch.no_grad():
        assert measured(target)(image[None]).item() == pytest.approx(
            measured(small[0])(small[1][None]).item(), rel=1e-4
        )


def test_weights_that_are_not_those_of_lpips_are_refused(tmp_path: Path) -> None:
    tensors = {name: torch.zeros(shape) for name, shape in lpips_tensors().items()}
    with pytest.raises(InputError, match=r"lack lin2\.model\.1\.weight"):
        Lpips({k: v for k, v in tensors.items() if k != "lin2.model.1.weight"})
    with pytest.raises(InputError, match=r"features\.0\.weight of shape \(64, 1, 3, 3\)"):
        Lpips(tensors | {"features.0.weight": torch.zeros(64, 1, 3, 3)})
    (tmp_path / "other.safetensors").write_bytes(b"no weights")
    with pytest.raises(InputError, match="whole safetensors file"):
        Lpips.read(tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="16 px or more"):
        Lpips(tensors)(torch.zeros(1, 8, 8))
