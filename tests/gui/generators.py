"""Generators for tests of the generator dock: random weights, and one whose images wait for the test."""

import threading

from glissile.gan.randomised import random_generator
from glissile.gan.sampler import Sampler
from glissile.io.generator_card import GeneratorShape

# Longest that a made image waits, so that a test that fails ends.
_LONGEST_S = 20


def random_sampler(resolution=64, *, seed=0, **changes):
    """A sampler of random weights; `changes` are of its card, or of its shape."""
    of_shape = {name: changes.pop(name) for name in list(changes) if name in GeneratorShape.model_fields}
    fields = {"channels": 1, "z_dim": 16, "w_dim": 16, "mapping_layers": 2, "mapping_width": 16}
    widths = (8,) * (resolution.bit_length() - 2)
    shape = GeneratorShape(resolution=resolution, widths=widths, **{**fields, **of_shape})
    generator, card = random_generator(shape, seed)
    return Sampler(generator, card.model_copy(update=changes), device="cpu")


def provenance_in(layer):
    """What a layer tells of how its image is made, as JSON; None for previews."""
    return layer.metadata["glissile"].get("provenance")


class WaitingSampler:
    """A sampler that makes no image before `go_on`, and tells what was asked of it, and in which thread."""

    def __init__(self, sampler):
        self._sampler = sampler
        self._go = threading.Event()
        self.calls = []  # what, and whether by the GUI thread

    def go_on(self):
        self._go.set()

    def hold(self):
        self._go.clear()

    @property
    def w_mean(self):
        return self._sampler.w_mean

    def map(self, *arguments, **named):
        return self._called("map", arguments, named)

    def images(self, *arguments, **named):
        return self._called("images", arguments, named)

    def preview(self, *arguments, **named):
        return self._called("preview", arguments, named)

    def __getattr__(self, name):
        return getattr(self._sampler, name)

    def _called(self, what, arguments, named):
        self.calls.append((what, threading.current_thread() is threading.main_thread()))
        self._go.wait(_LONGEST_S)
        return getattr(self._sampler, what)(*arguments, **named)
