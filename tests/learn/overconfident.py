"""Outputs of networks that are surer of themselves than they should be, by a known factor."""

import numpy as np
import torch
from numpy.typing import NDArray

from glissile.learn.probability import probabilities


def sample(
    n: int = 200_000, *, overconfidence: float = 1.0, seed: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Outputs (3, n) and the classes (n,) that are drawn with the probabilities behind them."""
    random = np.random.default_rng(seed)
    true = random.normal(0, 1.5, (3, n)).astype(np.float32)
    shares = probabilities(torch.from_numpy(true), 1).numpy()
    truths = (random.random(n) > np.cumsum(shares, axis=0)[:2]).sum(axis=0).astype(np.uint8)
    return overconfidence * true, truths
