import pytest
import torch

from glissile.io.model_card import Architecture
from glissile.learn.local_contrast import LocalContrast
from glissile.learn.unet import build


def noise(*shape, seed=0):
    return torch.randn(1, 1, *shape, generator=torch.Generator().manual_seed(seed))


def test_light_and_gain_of_a_neighbourhood_do_not_matter():
    grey = 0.1 * noise(160, 200)
    lit = grey.clone()
    lit[..., 100:] = 0.5 * lit[..., 100:] - 0.4  # a dark half of little contrast
    plain, uneven = LocalContrast(6)(grey), LocalContrast(6)(lit)
    for far in (slice(0, 40), slice(160, 200)):
        torch.testing.assert_close(uneven[..., far], plain[..., far], atol=0.02, rtol=0.05)


def test_it_has_the_mean_and_spread_it_promises():
    found = LocalContrast(8)(0.2 * noise(200, 200, seed=1) + 3)
    assert float(found.mean()) == pytest.approx(0, abs=0.01)
    assert float(found.std()) == pytest.approx(0.25, rel=0.03)


def test_it_is_the_gaussian_neighbourhood():
    """Beside the plain way, in full resolution."""
    import cv2

    grey = cv2.GaussianBlur(noise(120, 160, seed=2)[0, 0].numpy(), (0, 0), 1.5)
    around = dict(borderType=cv2.BORDER_REPLICATE)
    deviation = grey - cv2.GaussianBlur(grey, (0, 0), 8, **around)
    spread = cv2.GaussianBlur(deviation**2, (0, 0), 12, **around) ** 0.5
    found = LocalContrast(8)(torch.from_numpy(grey)[None, None])[0, 0].numpy()
    inner = (slice(20, -20), slice(20, -20))
    assert abs(found - 0.25 * deviation / spread)[inner].max() < 0.05


@pytest.mark.parametrize("shape", [(1, 1), (3, 70), (33, 34)])
def test_any_size_and_constant_frames(shape):
    assert LocalContrast(8)(torch.full((2, 1, *shape), 0.4)).abs().max() < 1e-4
    found = LocalContrast(8)(noise(*shape))
    assert found.shape == (1, 1, *shape)
    assert torch.isfinite(found).all()


def test_the_network_sees_it_and_keeps_no_weights_of_it():
    plain, seeing = (
        build(Architecture(kind="residual", outputs=3, widths=(4, 6), stem=2, local_contrast_px=px))
        for px in (0, 8)
    )
    assert plain.state_dict().keys() == seeing.state_dict().keys()
    assert seeing.entry.first.weight.shape[1] == 2 * plain.entry.first.weight.shape[1]
