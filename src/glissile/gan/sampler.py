"""A generator made ready to make images: numpy arrays in, numpy arrays out."""

import time
from collections import deque
from pathlib import Path
from statistics import median
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from glissile import device as devices
from glissile.errors import InputError
from glissile.gan import weights
from glissile.gan.batched import BatchedSynthesis
from glissile.gan.folded import FoldedSynthesis
from glissile.gan.look import Noise, Precision
from glissile.gan.modulation import NoiseMaps
from glissile.gan.networks import Generator
from glissile.gan.turns import Turns
from glissile.io.generator_card import GeneratorCard, GeneratorShape

_RECENT_IMAGES = 9
Array = NDArray[np.float32]


class Sampler:
    """A generator made ready to make images.

    Parameters
    ----------
    generator : Generator
        With its weights.
    card : GeneratorCard
        Of it.
    device : {"auto", "cpu", "cuda", "mps"}
        Where to compute.
    """

    def __init__(self, generator: Generator, card: GeneratorCard, *, device: str = "auto") -> None:
        self.card = card
        self._device = devices.choose(device)
        self._generator = generator.to(self._device).eval().requires_grad_(requires_grad=False)
        self._folded: dict[torch.dtype, FoldedSynthesis] = {}
        self._batched: dict[torch.dtype, BatchedSynthesis] = {}
        self._turns = Turns()
        self._seconds: deque[float] = deque(maxlen=_RECENT_IMAGES)

    @classmethod
    def open(cls, path: Path, *, device: str = "auto") -> Self:
        """Read a generator of any known format.

        Raises
        ------
        InputError
            If the file is none, or the device does not work.
        """
        from glissile.io.generator_file import read_generator

        found = read_generator(path)
        generator = Generator(found.card.shape)
        weights.load(generator, found.tensors)
        return cls(generator, found.card, device=device)

    @property
    def shape(self) -> GeneratorShape:
        """Shape of its networks."""
        return self.card.shape

    @property
    def generator(self) -> Generator:
        """The networks, to be read or copied only."""
        return self._generator

    @property
    def device(self) -> str:
        """Where it computes, for a person."""
        return devices.describe(self._device)

    @property
    def on_cpu(self) -> bool:
        """Whether it computes on the CPU."""
        return self._device.type == "cpu"

    @property
    def w_mean(self) -> Array:
        """Mean of w, shape (w_dim,)."""
        mean: Array = self._generator.mapping.w_avg.cpu().numpy().copy()
        return mean

    @torch.inference_mode()
    def map(
        self,
        z: NDArray[np.floating[Any]],
        labels: NDArray[np.integer[Any]] | None = None,
        *,
        psi: float = 1.0,
        cutoff: int | None = None,
    ) -> Array:
        """Map latent vectors to w.

        Parameters
        ----------
        z : ndarray of float, shape (n, z_dim)
            Latent vectors.
        labels : ndarray of int, shape (n,), optional
            Classes, for conditional generators; 0 for all where it is None.
        psi : float
            Truncation: 1 leaves w as it is, 0 gives the mean.
        cutoff : int, optional
            Layers from here on are not truncated.

        Returns
        -------
        ndarray of float32, shape (n, num_ws, w_dim)
        """
        shape = self.shape
        with self._turns:
            given = torch.as_tensor(np.array(z, np.float32, order="C"), device=self._device)
            classes = None
            if shape.c_dim:
                chosen = np.zeros(len(given), np.int64) if labels is None else np.asarray(labels)
                classes = torch.as_tensor(np.eye(shape.c_dim, dtype=np.float32)[chosen], device=self._device)
            w = self._generator.mapping(given, classes)
            ws = self._generator.for_all_layers(w).clone()
            if psi != 1:
                ws[:, :cutoff] = self._generator.mapping.w_avg.lerp(ws[:, :cutoff], psi)
            return ws.cpu().numpy()

    def images(
        self,
        ws: NDArray[np.floating[Any]],
        *,
        noise: Noise = "const",
        noise_seed: int = 0,
        precision: Precision = "float32",
    ) -> Array:
        """Make images.

        On the processor an image does not depend on the others of a batch, and what follows from the same w
        in the first layers as in the image before is not computed again.

        Parameters
        ----------
        ws : ndarray of float, shape (n, num_ws, w_dim)
            One w for each layer.
        noise : {"const", "none", "random"}
            The noise that belongs to the generator, none, or noise drawn for each image.
        noise_seed : int
            Of random noise: each image of the batch gets the noise of this seed.
        precision : {"float32", "quick"}
            "quick" takes the quickest type of the device, good enough to look at while a slider moves.

        Returns
        -------
        ndarray of float32, shape (n, channels, y, x)
            About -1 (black) to 1 (white).
        """
        begun = time.perf_counter()
        images = self._made(ws, NoiseMaps(self.shape, noise, noise_seed), precision, self.shape.resolution)
        if len(images) and precision == "float32":
            self._seconds.append((time.perf_counter() - begun) / len(images))
        return images

    @property
    def seconds_per_image(self) -> float | None:
        """Median time of the exact images that were made last; None before there are any."""
        return median(self._seconds) if self._seconds else None

    def preview(
        self,
        ws: NDArray[np.floating[Any]],
        *,
        resolution: int,
        noise: Noise = "const",
        noise_seed: int = 0,
    ) -> Array:
        """Make a smaller image, quicker.

        That of the skip architecture is what its first blocks have painted, without computing the others. The
        other architectures paint with the last block only: there it is the mean over squares of the whole
        image, which is quick only in its precision.

        Parameters
        ----------
        ws : ndarray of float, shape (num_ws, w_dim)
            One w for each layer.
        resolution : int
            Height and width, one of `shape.resolutions`.
        noise : {"const", "none", "random"}
            As of `images`.
        noise_seed : int
            As of `images`.

        Returns
        -------
        ndarray of float32, shape (channels, resolution, resolution)

        Raises
        ------
        InputError
            If there is no block of this resolution.
        """
        if resolution not in self.shape.resolutions:
            sizes = ", ".join(map(str, self.shape.resolutions))
            raise InputError(f"The generator makes no previews of {resolution} px; choose one of {sizes}")
        maps = NoiseMaps(self.shape, noise, noise_seed)
        if self.shape.architecture == "skip":
            painted: Array = self._made(ws[None], maps, "quick", resolution)[0]
            return painted
        image = self._made(ws[None], maps, "quick", self.shape.resolution)[0]
        step = self.shape.resolution // resolution
        squares = image.reshape(len(image), resolution, step, resolution, step)
        return np.asarray(squares.mean(axis=(2, 4)))

    def _made(
        self, ws: NDArray[np.floating[Any]], maps: NoiseMaps, precision: Precision, resolution: int
    ) -> Array:
        dtype = devices.quick_precision(self._device) if precision == "quick" else torch.float32
        given = torch.as_tensor(np.array(ws, np.float32, order="C"), device=self._device)
        if self._device.type != "cpu":
            with self._turns:
                if dtype not in self._batched:
                    self._batched[dtype] = BatchedSynthesis(self._generator, dtype)
                made = self._batched[dtype].images(given, maps, resolution=resolution)
                return np.asarray(made.cpu())
        images = np.empty((len(given), self.shape.channels, resolution, resolution), np.float32)
        for w, image in zip(given, images, strict=True):
            with self._turns:  # between two images others have theirs
                if dtype not in self._folded:
                    self._folded[dtype] = FoldedSynthesis(self._generator, dtype)
                image[...] = self._folded[dtype].image(w, maps, resolution=resolution).numpy()
        return images

    def affine_weights(self) -> list[tuple[str, tuple[int, ...], Array]]:
        """Matrices that turn w into the styles of the convolutions, as SeFa (Shen and Zhou 2021) wants them.

        Returns
        -------
        list of (str, tuple of int, ndarray of float32)
            Name of the layer, indices of the w that it takes, and its weights (channels, w_dim).
        """
        found: list[tuple[str, tuple[int, ...], Array]] = []
        for i, resolution in enumerate(self.shape.resolutions):
            block = self._generator.synthesis.get_submodule(f"b{resolution}")
            for name, index in (("conv0", 2 * i - 1), ("conv1", 2 * i)):
                if hasattr(block, name):
                    weight = getattr(block, name).affine.weight
                    found.append((f"b{resolution}.{name}", (index,), weight.cpu().numpy().copy()))
        return found
