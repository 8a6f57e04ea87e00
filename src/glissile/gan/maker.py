"""Images made as their provenance says."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from glissile.errors import InputError
from glissile.gan.latent import mixed
from glissile.gan.pixels import as_pixels
from glissile.gan.points import ws_of
from glissile.gan.provenance import Provenance, refuse_other_generator
from glissile.gan.route import Route
from glissile.gan.walk import Walk

if TYPE_CHECKING:
    from glissile.gan.sampler import Sampler


class Maker:
    """Makes images as they are described, one by one: others in a batch would change their last digits.

    Parameters
    ----------
    sampler : Sampler
        With the generator that the images name; see `rebuilt`, which makes sure of it.
    """

    def __init__(self, sampler: "Sampler") -> None:
        self._sampler = sampler
        self._route: Route | None = None

    def ws(self, provenance: Provenance) -> NDArray[np.float32]:
        """Give the w that an image comes from.

        Returns
        -------
        ndarray of float32, shape (num_ws, w_dim)

        Raises
        ------
        InputError
            If the point or the walk does not fit the generator.
        """
        if provenance.walk is not None and provenance.frame is not None:
            (ws,) = self._route_of(provenance.walk).ws([provenance.frame])
            return np.asarray(ws)
        assert provenance.point is not None
        ws = np.asarray(ws_of(self._sampler, [provenance.point])[0])
        if provenance.mixing is None:
            return ws
        layers, num_ws = provenance.mixing.layers, len(ws)
        if layers and max(layers) >= num_ws:
            raise InputError(f"there is no layer {max(layers)}; this generator has layers 0 to {num_ws - 1}")
        return mixed(ws, ws_of(self._sampler, [provenance.mixing.point])[0], layers)

    def pixels(self, provenance: Provenance) -> NDArray[np.uint8]:
        """Make an image.

        Returns
        -------
        ndarray of uint8, shape (y, x) or (y, x, 3)

        Raises
        ------
        InputError
            As `ws`.
        """
        ws, look = self.ws(provenance)[None], provenance.look
        images = self._sampler.images(
            ws, noise=look.noise, noise_seed=look.noise_seed, precision=look.precision
        )
        return np.asarray(as_pixels(images)[0])

    def _route_of(self, walk: Walk) -> Route:
        """Prepare a walk once for all its frames."""
        if self._route is None or self._route.walk is not walk:
            self._route = Route.of(walk, self._sampler)
        return self._route


def rebuilt(sampler: "Sampler", provenance: Provenance) -> NDArray[np.uint8]:
    """Make an image again.

    It is the same pixel for pixel on the same device with as many threads, else within one grey level.

    Parameters
    ----------
    sampler : Sampler
        With the generator that made the image.
    provenance : Provenance
        As it was read from the file of the image.

    Returns
    -------
    ndarray of uint8, shape (y, x) or (y, x, 3)

    Raises
    ------
    InputError
        If another generator made the image.
    """
    refuse_other_generator(sampler.card, provenance)
    return Maker(sampler).pixels(provenance)
