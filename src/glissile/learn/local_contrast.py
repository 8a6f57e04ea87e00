"""Grey values as seen from their own neighbourhood: faint lines in dark corners become as plain as others."""

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

# The neighbourhood's mean is smooth: it is found on a copy with so many times fewer rows and columns.
_SHRINK = 4
# The neighbourhood of the contrast is wider than that of the mean by this factor.
_WIDER = 1.5
# Contrast of the noise, in units of the grey range: what has less is not blown up further.
_LEAST = 0.01
# Standard deviations become a quarter of the unit range, as the grey values themselves roughly have it.
_SCALE = 0.25
_FURTHEST = 1.5


class LocalContrast(nn.Module):
    """Deviation from the mean of the neighbourhood, over its standard deviation (Pinto et al., 2008).

    Parameters
    ----------
    sigma_px : float
        Of the Gaussian neighbourhood, in pixels; above 0, and smoother from about 4 on.
    """

    def __init__(self, sigma_px: float) -> None:
        super().__init__()
        self._near = sigma_px / _SHRINK
        self._far = sigma_px * _WIDER / _SHRINK

    def forward(self, grey: Tensor) -> Tensor:
        """Local contrast (n, 1, y, x) of grey values (n, 1, y, x)."""
        with torch.autocast(grey.device.type, enabled=False):
            grey = grey.float()
            deviation = grey - _smooth(grey, self._near)
            spread = torch.sqrt(_smooth(deviation**2, self._far).clamp(min=0) + _LEAST**2)
            return (_SCALE * deviation / spread).clamp(-_FURTHEST, _FURTHEST)


def _smooth(values: Tensor, sigma: float) -> Tensor:
    """Gaussian mean of (n, 1, y, x), the edge repeated; `sigma` in shrunk pixels."""
    reach = max(1, round(3 * sigma))
    # Made where it is needed: what comes from the computer cannot be recorded (`glissile.learn.replaying`).
    place = torch.arange(-reach, reach + 1, dtype=values.dtype, device=values.device)
    weights = torch.exp(-0.5 * (place / sigma) ** 2)
    weights = weights / weights.sum()
    small = functional.avg_pool2d(values, _SHRINK, ceil_mode=True)
    small = functional.pad(small, (reach, reach, reach, reach), mode="replicate")
    small = functional.conv2d(small, weights[None, None, :, None])
    small = functional.conv2d(small, weights[None, None, None, :])
    return functional.interpolate(small, size=values.shape[-2:], mode="bilinear", align_corners=False)
