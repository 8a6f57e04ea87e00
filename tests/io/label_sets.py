"""Labels as the tests of their formats write and read them."""

import numpy as np

from glissile.defects import DEFAULT_CLASSES
from glissile.io.label_formats import format_named, write_labels
from glissile.io.label_set import LabelSet
from glissile.progress import finish

SHAPE = (12, 24, 30)


def random_mask(seed, shape=SHAPE[1:]):
    return np.random.default_rng(seed).choice(3, shape, p=(0.6, 0.25, 0.15)).astype(np.uint8)


def label_set(**changes):
    """Frames 0, 3, 5 and 11 of 12, of which 5 has no defect."""
    masks = {0: random_mask(0), 3: random_mask(3), 5: np.zeros(SHAPE[1:], np.uint8), 11: random_mask(11)}
    fields = {"name": "twip 2", "shape": SHAPE, "classes": DEFAULT_CLASSES, "masks": masks}
    return LabelSet(**(fields | changes))


def written(target, name, labels):
    finish(write_labels(target, labels, format_named(name)))
    return target
