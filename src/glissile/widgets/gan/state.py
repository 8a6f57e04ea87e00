"""What the sections of the generator dock share: the generator, the picture that is looked at, key frames.

Sections are `glissile.widgets._fold.Fold`s that take a `GeneratorState`, and the viewer where they need it.
Everything here happens in the GUI thread; images are made in one other thread, see `GeneratorState.generate`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from napari.utils.notifications import show_error
from qtpy.QtCore import QObject, Signal

from glissile.gan.walk import MOST_KEYS
from glissile.widgets.gan._generation import Generation

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from glissile.gan.look import Look
    from glissile.gan.points import Point
    from glissile.gan.sampler import Sampler
    from glissile.io.generator_card import GeneratorCard

T = TypeVar("T")


@dataclass(frozen=True)
class Truncation:
    """How far new images are drawn towards the mean, and of which class they are.

    Attributes
    ----------
    psi : float
        1 for not at all.
    cutoff : int, optional
        Layers from here on are not.
    label : int, optional
        Class, of conditional generators.
    """

    psi: float = 1.0
    cutoff: int | None = None
    label: int | None = None


class GeneratorState(QObject):  # type: ignore[misc]  # qtpy brings no types
    """What the sections of one dock share; every change has its signal.

    Attributes
    ----------
    sampler : Sampler, optional
        The open generator.
    path : Path, optional
        Its file; None for the sample.
    point : Point, optional
        The picture that is looked at, before edits.
    ws : ndarray of float32, shape (num_ws, w_dim), optional
        Of the picture that was made last, edits included.
    keys : tuple of Point
        Key frames of the walk.
    """

    network_changed = Signal()
    point_changed = Signal()
    look_changed = Signal()  # noise, truncation or class
    truncation_changed = Signal()  # truncation or class; those of key frames stay
    edits_changed = Signal()
    keys_changed = Signal()
    ws_changed = Signal()  # the picture was made anew
    made = Signal()  # something was made in the background
    dropped = Signal()  # what was asked for and not made is forgotten: whoever waits for it asks again
    out_of_memory = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.sampler: Sampler | None = None
        self.path: Path | None = None
        self.point: Point | None = None
        self.ws: NDArray[np.float32] | None = None
        self.keys: tuple[Point, ...] = ()
        self._truncation = Truncation()
        self._noise, self._noise_seed = "const", 0
        self._edits: dict[str, NDArray[np.float32]] = {}
        self._generation = Generation(self)
        self._generation.made.connect(self.made)
        self._generation.out_of_memory.connect(self.out_of_memory)

    # the generator

    @property
    def card(self) -> GeneratorCard | None:
        """Card of the open generator."""
        return None if self.sampler is None else self.sampler.card

    def use(self, sampler: Sampler | None, path: Path | None = None) -> None:
        """Look through another generator, or through none."""
        self.sampler, self.path = sampler, path
        self.point, self.ws, self.keys = None, None, ()
        self._edits.clear()
        self._noise, self._noise_seed = "const", 0
        self._truncation = Truncation(label=0 if sampler is not None and sampler.shape.c_dim else None)
        self._generation.use(sampler)
        for signal in (self.network_changed, self.look_changed, self.keys_changed, self.edits_changed):
            signal.emit()
        self.point_changed.emit()

    def replace_sampler(self, sampler: Sampler) -> None:
        """Compute the same generator elsewhere: what is looked at stays."""
        self.sampler = sampler
        self._generation.use(sampler)
        self.dropped.emit()
        self.look_changed.emit()

    def generate(
        self,
        kind: str,
        job: Callable[[Sampler], T],
        on_done: Callable[[T], object],
        on_failed: Callable[[], object] = lambda: None,
    ) -> None:
        """Have something made in the background; see `Generation.request`."""
        self._generation.request(kind, job, on_done, on_failed)

    def forget(self, kind: str) -> None:
        """Take a request back, where it was not begun."""
        self._generation.forget(kind)

    @property
    def closed(self) -> bool:
        """Whether its dock has gone: no images are made any more."""
        return self._generation.closed

    def close(self, *, wait_s: float = 0.0) -> None:
        """End the thread, and wait for it as long as given: it ends after the image that is being made."""
        self._generation.close()
        self._generation.wait(wait_s)
        self.sampler = None

    # how images look

    @property
    def look(self) -> Look:
        """Noise of all images."""
        from glissile.gan.look import Look

        return Look.model_validate({"noise": self._noise, "noise_seed": self._noise_seed})

    def set_noise(self, noise: str, seed: int = 0) -> None:
        """Choose "const", "none" or "random" noise, and the seed of random noise."""
        if (noise, seed) != (self._noise, self._noise_seed):
            self._noise, self._noise_seed = noise, seed
            self.look_changed.emit()

    @property
    def truncation(self) -> Truncation:
        """Truncation and class of new images."""
        return self._truncation

    def set_truncation(self, truncation: Truncation) -> None:
        """Set truncation and class, also of the picture that is looked at."""
        if truncation == self._truncation:
            return
        self._truncation = truncation
        if self.point is not None and self.point.w is None:
            self.point, self.ws = self.dressed(self.point), None
        self.look_changed.emit()
        self.truncation_changed.emit()

    def dressed(self, point: Point) -> Point:
        """Give a point of a seed or of z the truncation and class that are set."""
        from glissile.gan.points import Point

        if point.w is not None:
            return point
        now = self._truncation
        fields = point.model_dump() | {"psi": now.psi, "cutoff": now.cutoff, "label": now.label}
        return Point.model_validate(fields)

    def seeded(self, seed: int) -> Point:
        """Give the point of a seed, with the truncation and class that are set."""
        from glissile.gan.points import Point

        return self.dressed(Point(seed=seed))

    # the picture

    def show(self, point: Point) -> None:
        """Look at a point; edits are taken off."""
        self.point, self.ws = point, None
        edited = bool(self._edits)
        self._edits.clear()
        self.point_changed.emit()
        if edited:
            self.edits_changed.emit()

    @property
    def edits(self) -> dict[str, NDArray[np.float32]]:
        """What is added to the w of the picture, by name; (num_ws, w_dim) each."""
        return dict(self._edits)

    def set_edits(self, edits: dict[str, NDArray[np.float32]]) -> None:
        """Set what is added to the w of the picture, all of it."""
        self._edits, self.ws = dict(edits), None
        self.edits_changed.emit()

    def set_edit(self, name: str, delta: NDArray[np.float32] | None) -> None:
        """Set one part of what is added to the w of the picture, (num_ws, w_dim); None takes it off."""
        others = {each: kept for each, kept in self._edits.items() if each != name}
        self.set_edits(others if delta is None else others | {name: delta})

    def picture_ws(self) -> Callable[[Sampler], NDArray[np.float32]]:
        """Give what computes the w (num_ws, w_dim) of the picture, to be called within a job."""
        from glissile.gan.points import ws_of

        point, edits = self.point, list(self._edits.values())
        assert point is not None

        def compute(sampler: Sampler) -> NDArray[np.float32]:
            ws: NDArray[np.float32] = ws_of(sampler, [point])[0]
            return np.sum([ws, *edits], axis=0, dtype=np.float32) if edits else ws

        return compute

    def set_ws(self, ws: NDArray[np.float32]) -> None:
        """Keep the w that the picture was made of."""
        self.ws = ws
        self.ws_changed.emit()

    def edited_point(self) -> Point | None:
        """Give the point of the picture with its edits; None where there is no picture yet."""
        from glissile.gan.points import Point

        if self.point is None or not self._edits:
            return self.point
        if self.ws is None:
            return None
        return Point.of_w(self.ws, f"{self.point.title}, edited"[:200], self.point.label)

    # key frames

    def set_keys(self, keys: tuple[Point, ...]) -> None:
        """Set the key frames of the walk."""
        if keys != self.keys:
            self.keys = keys
            self.keys_changed.emit()

    def add_key(self, point: Point) -> None:
        """Put a key frame at the end of the walk; the user is told where it has too many."""
        if len(self.keys) >= MOST_KEYS:
            show_error(f"A walk has at most {MOST_KEYS} key frames; remove one first")
            return
        self.set_keys((*self.keys, point))

    def remove_key(self, index: int) -> None:
        """Take a key frame out."""
        self.set_keys(self.keys[:index] + self.keys[index + 1 :])

    def move_key(self, index: int, to: int) -> None:
        """Move a key frame to another place."""
        keys = list(self.keys)
        keys.insert(to, keys.pop(index))
        self.set_keys(tuple(keys))
