"""How long the parts of a training take, found out by doing them."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from glissile.learn.stopwatch import Stopwatch
from glissile.progress import Ticks


@dataclass(frozen=True)
class Durations:
    """Shortest durations; a longer one only tells what else the machine did.

    Attributes
    ----------
    step_s, frame_s, write_s, calibration_s, score_s : float
        Of a training step, of looking at a frame, of writing a checkpoint, and of calibrating areas on a
        frame and scoring it; in seconds.
    """

    step_s: float
    frame_s: float
    write_s: float
    calibration_s: float
    score_s: float


def timed(
    watch: Stopwatch,
    device: torch.device,
    *,
    take_step: Callable[[int], object],
    look: Callable[[], object],
    write: Callable[[], object],
    calibrate: Callable[[], object],
    score: Callable[[], object],
) -> Ticks[Durations]:
    """Do each part of a training some times.

    Parameters
    ----------
    watch : Stopwatch
        Its clock is used.
    device : torch.device
        What is waited for at the end of each.
    take_step, look, write, calibrate, score : callable
        The parts; the first gets the number of the batch to take.

    Yields
    ------
    None
        After each.

    Returns
    -------
    Durations
    """

    def seconds(work: Callable[[], object]) -> float:
        began = watch.elapsed_s
        work()
        _synchronise(device)
        return watch.elapsed_s - began

    def shortest(work: Callable[[], object], times: int) -> Ticks[float]:
        durations = []
        for _ in range(times):
            durations.append(seconds(work))
            yield
        return min(durations)

    batches = iter(range(6))
    yield from shortest(lambda: take_step(next(batches)), 2)  # the first are slow
    step_s = yield from shortest(lambda: take_step(next(batches)), 4)
    frame_s = yield from shortest(look, 3)
    write_s = yield from shortest(write, 1)
    calibration_s = yield from shortest(calibrate, 2)
    score_s = yield from shortest(score, 2)
    return Durations(step_s, frame_s, write_s, calibration_s, score_s)


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
