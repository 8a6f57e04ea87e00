"""Long work as a generator of steps, which knows no GUI and can be stopped between any two of them."""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Step:
    """A moment of a long work, most often a finished step of it.

    Attributes
    ----------
    index : int
        Steps finished so far, 0 to `total`; it may stay for a while where a step takes long.
    total : int
        Steps expected in all.
    message : str
        What is being done, for a person: "Training, epoch 3 of 40".
    metrics : Mapping[str, float]
        Numbers worth a curve, by name: `loss`, `f_dislocation`.
    preview : ndarray, optional
        A result worth a look already, such as the mask (y, x) of one frame.
    frame : int, optional
        Index along t that `preview` and `metrics` belong to.
    """

    index: int
    total: int
    message: str
    metrics: Mapping[str, float] = field(default_factory=dict)
    preview: NDArray[np.generic] | None = None
    frame: int | None = None


# A step generator may be sent one value per step; what it understands, its docstring says.
Steps = Generator[Step, Any, T]
# Part of a long work that can be left off wherever it yields, and has nothing to tell of itself.
Ticks = Generator[None, None, T]


def finish(steps: Steps[T], on_step: Callable[[Step], None] | None = None) -> T:
    """Run a long work to its end.

    Parameters
    ----------
    steps : Steps
        The work.
    on_step : callable, optional
        Called with every step, for a progress bar or a log.

    Returns
    -------
    T
        What the generator returns.
    """
    while True:
        try:
            step = next(steps)
        except StopIteration as done:
            result: T = done.value
            return result
        if on_step is not None:
            on_step(step)
