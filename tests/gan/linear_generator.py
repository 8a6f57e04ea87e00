"""A generator of which everything is known: w is linear in the direction of z, images have a formula."""

from typing import TYPE_CHECKING

import numpy as np

from glissile.io.generator_card import GeneratorShape, widths_of

if TYPE_CHECKING:
    from collections.abc import Callable


class LinearGenerator:
    """Stands in for a sampler; `image` gives the grey level of a picture of w."""

    def __init__(self, *, z_dim: int = 8, w_dim: int = 6, c_dim: int = 0) -> None:
        self.shape = GeneratorShape(
            resolution=64,
            channels=1,
            widths=widths_of(64, 64, 8),
            z_dim=z_dim,
            w_dim=w_dim,
            c_dim=c_dim,
            embedding=4 if c_dim else 0,
            mapping_layers=2,
            mapping_width=w_dim,
        )
        random = np.random.RandomState(3)
        self.matrix = random.randn(z_dim, w_dim)
        self.of_class = random.randn(max(c_dim, 1), w_dim)
        self.w_mean = random.randn(w_dim).astype(np.float32)
        self.styles: list[tuple[str, tuple[int, ...], np.ndarray]] = []
        self.image: Callable[[np.ndarray], float] = lambda ws: float(ws[0, 0])
        self.calls = 0
        self.looks: set[tuple[str, int]] = set()

    def map(self, z, labels=None):
        self.calls += 1
        assert (labels is not None) == (self.shape.c_dim > 0)
        unit = z / np.linalg.norm(z, axis=1, keepdims=True)
        w = unit @ self.matrix + (0 if labels is None else self.of_class[labels])
        return np.repeat(w[:, None].astype(np.float32), self.shape.num_ws, axis=1)

    def images(self, ws, *, noise="const", noise_seed=0):
        self.looks.add((noise, noise_seed))
        levels = np.array([self.image(each) for each in ws], np.float32)
        return np.broadcast_to(levels[:, None, None, None], (len(ws), 1, 64, 64))

    def affine_weights(self):
        return self.styles
