"""Generated images measured as the sliders of their generator were, for what is written of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glissile.gan.sliders import Sliders

Pixels = NDArray[np.uint8]

_DIGITS = 7
_LONGEST = (-1.234567e-300, -1.234568e-300)


@dataclass(frozen=True)
class Measuring:
    """How images are measured; called with pixels it gives numbers by name, of 7 significant digits.

    Attributes
    ----------
    names : tuple of str
        Of all numbers, with unit; an image may lack some.
    found : callable
        From pixels (y, x) or (y, x, 3) to numbers by name.
    """

    names: tuple[str, ...]
    found: Callable[[Pixels], Mapping[str, float]]

    def __call__(self, pixels: Pixels) -> dict[str, float]:
        """Measure an image."""
        return {name: float(f"{value:.{_DIGITS}g}") for name, value in self.found(pixels).items()}

    def longest(self, index: int) -> dict[str, float]:
        """Give numbers that take as much room as measures do at most, to know what fits into a file.

        Parameters
        ----------
        index : int
            Of the image: the next one has others, as what images share is written once.
        """
        return dict.fromkeys(self.names, _LONGEST[index % 2])


def measure_of(sliders: Sliders) -> Measuring:
    """Measure images as the sliders were: numbers by name with unit; those without a meaning are left out."""
    units = {one.name: sliders.unit(one.name) for one in sliders.sliders}
    titles = {name: f"{name}, {unit}" if unit else name for name, unit in units.items()}

    def found(pixels: Pixels) -> dict[str, float]:
        values = sliders.measured_in(pixels).values()
        return {title: values[name] for name, title in titles.items() if name in values}

    return Measuring(tuple(titles.values()), found)
