"""Work on many frames at once, on all cores."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")

# Smaller frames are done sooner than threads are started.
_WORTH_PX = 2**18


def each(function: Callable[[A], B], items: Sequence[A], pixels: int) -> list[B]:
    """Call `function` for each of `items`, side by side where frames are large.

    Parameters
    ----------
    function : callable
        Must not depend on what it did for other items.
    items : sequence
        Its arguments.
    pixels : int
        Of a frame.

    Returns
    -------
    list
        In the order of `items`.
    """
    workers = min(os.cpu_count() or 1, len(items))
    if pixels < _WORTH_PX or workers < 2:
        return [function(item) for item in items]
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(function, items))
