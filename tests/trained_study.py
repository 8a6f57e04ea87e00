"""A small study of two defects that move, and a network that has quickly learned them."""

import numpy as np
import tifffile

from glissile import workflow
from glissile.learn.recipes import Recipe
from glissile.progress import finish

T, Y, X = 6, 48, 64
RECIPE = Recipe(
    epochs=3, widths=(6, 8), least_epoch_steps=40, most_epoch_steps=40, device="cpu", references=0
)
HELD_OUT, LEARNED = 2, 4


def drawn(number):
    """Mask (y, x) of a frame: a line of class 1 and a band of class 2."""
    mask = np.zeros((Y, X), np.uint8)
    mask[10 + number : 14 + number, 6:58] = 1
    mask[30:38, 6 + number : 50] = 2
    return mask


def trained_study(folder):
    """Make the study in `folder`, its labels those that were drawn; its folder."""
    masks = np.stack([drawn(number) for number in range(T)])
    frames = 120 - 80 * (masks == 1) + 80 * (masks == 2) + np.random.default_rng(0).normal(0, 3, masks.shape)
    tifffile.imwrite(folder / "test.tif", np.clip(frames, 0, 255).astype(np.uint8))
    with workflow.create(folder / "test.tif", folder / "test", settings={"train": RECIPE}) as experiment:
        for number in range(T):
            experiment.labels().write(number, drawn(number))
        card = finish(workflow.train(experiment))
    assert HELD_OUT in card.frames.validation
    assert LEARNED in card.frames.training
    return experiment.folder
