"""Little drawings with known masks, which a network learns in seconds."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glissile.defects import DEFAULT_CLASSES
from glissile.learn.recipes import Augmentation, Recipe, recipe_named
from glissile.learn.train import TrainingJob

GENTLE = Augmentation(rotation_deg=3, shift_px=4, elastic_px=0.5)


def drawing(random: np.random.Generator, size: int = 64) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A dark steep line 3 px wide (class 1) and a bright flat band (class 2) on noise."""
    y, x = np.mgrid[:size, :size].astype(float)
    mask = np.zeros((size, size), np.uint8)
    place, slope = random.uniform(0.2, 0.8) * size, random.uniform(-0.3, 0.3)
    band, tilt = random.uniform(0.2, 0.8) * size, random.uniform(-0.2, 0.2)
    mask[np.abs(y - band - tilt * (x - size / 2)) < 3] = 2
    mask[np.abs(x - place - slope * (y - size / 2)) < 1.5] = 1
    grey = 120 + random.normal(0, 10, (size, size))
    grey[mask == 1] -= 70
    grey[mask == 2] += 60
    return np.clip(grey, 0, 255).astype(np.uint8), mask


def drawings(n: int, *, seed: int = 0, size: int = 64) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Frames and masks, each of shape (n, size, size)."""
    random = np.random.default_rng(seed)
    pairs = [drawing(random, size) for _ in range(n)]
    return np.stack([f for f, _ in pairs]), np.stack([m for _, m in pairs])


def small_recipe(**changes: Any) -> Recipe:
    """Recipe "glissile" with a network that takes milliseconds."""
    small = {
        "widths": (8, 12, 16),
        "device": "cpu",
        "augmentation": GENTLE,
        "epochs": 4,
        "least_epoch_steps": 6,
        "most_epoch_steps": 6,
        "average": 0.9,
        "learning_rate": 1e-2,
    }
    return recipe_named("glissile", **{**small, **changes})


def job_of(folder: Path, n: int = 6, *, validation: tuple[int, ...] = (2,), **changes: Any) -> TrainingJob:
    """A job on `n` drawings; `changes` go into the job or else into the recipe."""
    frames, masks = drawings(n)
    own = {k: changes.pop(k) for k in list(changes) if k in TrainingJob.__dataclass_fields__}
    return TrainingJob(
        **{
            "frames": frames,
            "masks": masks,
            "frame_numbers": tuple(10 * i for i in range(n)),
            "classes": DEFAULT_CLASSES,
            "recipe": small_recipe(**changes),
            "folder": folder,
            "validation": validation,
            **own,
        }
    )
