"""Seeds, page by page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from glissile.gan.latent import LARGEST_SEED, seeds_of

PER_PAGE = 16
_LARGEST_DRAWN = 999_999  # short enough to be read out and typed in


class Pages(Protocol):
    """Pages of seeds, by whole numbers; those without seeds are not there."""

    def page(self, index: int) -> tuple[int, ...]:
        """Seeds of a page."""

    def title(self, index: int) -> str:
        """Title of a page, for a person."""


@dataclass(frozen=True)
class Consecutive:
    """All seeds, in order.

    Attributes
    ----------
    first : int
        On page 0; smaller ones are on pages before.
    """

    first: int = 0

    def page(self, index: int) -> tuple[int, ...]:
        """Seeds of a page."""
        begin = self.first + index * PER_PAGE
        return tuple(range(max(begin, 0), min(begin + PER_PAGE, LARGEST_SEED + 1)))

    def title(self, index: int) -> str:
        """Title of a page."""
        seeds = self.page(index)
        return f"Seeds {seeds[0]} to {seeds[-1]}"


@dataclass(frozen=True)
class Listed:
    """Some seeds, as they were named.

    Attributes
    ----------
    seeds : tuple of int
        May be none.
    name : str
        "Pinned".
    """

    seeds: tuple[int, ...]
    name: str

    def page(self, index: int) -> tuple[int, ...]:
        """Seeds of a page."""
        return self.seeds[index * PER_PAGE : (index + 1) * PER_PAGE] if index >= 0 else ()

    def title(self, index: int) -> str:
        """Title of a page."""
        count = -(-len(self.seeds) // PER_PAGE)
        return f"{self.name}, page {index + 1} of {count}" if count > 1 else self.name


@dataclass(frozen=True)
class Drawn:
    """Random seeds, as many pages as one likes.

    Attributes
    ----------
    key : int
        Of the random numbers; the same key gives the same pages.
    """

    key: int

    def page(self, index: int) -> tuple[int, ...]:
        """Seeds of a page."""
        if index < 0:
            return ()
        drawn = np.random.default_rng([self.key, index]).choice(_LARGEST_DRAWN + 1, PER_PAGE, replace=False)
        return tuple(drawn.tolist())

    def title(self, index: int) -> str:
        """Title of a page."""
        return f"Random seeds, page {index + 1}"


def pages_of(text: str) -> Pages:
    """Give the pages that a typed list of seeds means.

    Parameters
    ----------
    text : str
        "7" for all seeds from 7 on, "0,1,5-9" for these alone.

    Raises
    ------
    InputError
        If that is no list of seeds.
    """
    seeds = tuple(dict.fromkeys(seeds_of(text)))
    return Consecutive(seeds[0]) if len(seeds) == 1 else Listed(seeds, "Named seeds")
