"""Untrained networks and frames of noise, which show whether a network is applied rightly."""

import numpy as np
import torch

from glissile.defects import DefectClass
from glissile.io.checkpoint import save_model
from glissile.io.model_card import Architecture, FramesUsed, ModelCard, Normalisation
from glissile.learn.unet import build
from glissile.progress import finish
from glissile.segment.settings import SegmentSettings
from glissile.video import Video

CLASSES = (
    DefectClass(value=3, name="dark", color="#000000"),
    DefectClass(value=7, name="light", color="#ffffff"),
)
CPU = SegmentSettings(device="cpu")


def model(folder, *, seed=0, normalisation=None, classes=CLASSES, **changes):
    """An untrained network, which is as good as a trained one for asking whether it is applied rightly."""
    a = Architecture(**{"kind": "residual", "outputs": 3, "widths": (6, 8), "stem": 2, **changes})
    network = build(a, seed=seed)
    with torch.no_grad():  # so that the frame decides, not the random bias
        network.head.weight *= 20
        network.head.bias.zero_()
    card = ModelCard(
        classes=classes,
        architecture=a,
        normalisation=normalisation or Normalisation(kind="full range"),
        recipe={},
        frames=FramesUsed(training=(0,)),
        data_hash="",
        epochs=1,
        created="",
        seconds=0,
        device="",
    )
    save_model(folder, network.state_dict(), card)
    return folder


def frames(n=5, shape=(40, 52), dtype=np.uint8):
    return np.random.default_rng(0).integers(0, 255, (n, *shape)).astype(dtype)


def video(*args, **kwargs):
    return Video.from_frames(frames(*args, **kwargs), name="v")


def all_steps(steps):
    seen = []
    finish(steps, seen.append)
    return seen
