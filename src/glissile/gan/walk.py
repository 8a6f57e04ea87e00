"""Walks through the latent space, from key frame to key frame: what films of a generator are made of."""

from collections.abc import Sequence
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from glissile.gan.points import Point

Real = NDArray[np.float64]

MOST_KEYS = 256
_MOST_FRAMES = 1_000_000


class WalkSettings(BaseModel):
    """How a walk goes from key frame to key frame."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    steps_per_leg: int = Field(
        60, ge=1, le=10_000, title="Steps per leg", description="Frames from one key frame to the next"
    )
    space: Literal["z", "w"] = Field(
        "z",
        title="Space",
        description="z: between latent vectors, every frame as typical as the key frames; w: between mapped "
        "vectors, the shortest change of the image",
    )
    path: Literal["slerp", "linear", "spline"] = Field(
        "slerp",
        title="Path",
        description="slerp: along great circles; linear: straight; spline: smooth through the key frames",
    )
    easing: Literal["none", "smooth"] = Field(
        "none", title="Easing", description="smooth: slow down at every key frame"
    )
    closed: bool = Field(False, title="Loop", description="Return from the last key frame to the first")
    equal_speed: bool = Field(
        False,
        title="Equal speed",
        description="Space the frames so that the image changes equally from each to the next",
    )

    def eased(self, count: int) -> Real:
        """Give the shares of a leg at which its `count` steps begin, shape (count,), from 0 to below 1."""
        t = np.arange(count) / count
        return t * t * (3 - 2 * t) if self.easing == "smooth" else t

    def joined(self, legs: Sequence[Real]) -> Real:
        """Give the positions of all frames of a walk, from those within each leg, as of `eased`."""
        # A leg that ends in rounding must not run into its end, which is the next key frame.
        within = [i + np.minimum(np.concatenate([[0.0], leg[1:]]), 1 - 1e-12) for i, leg in enumerate(legs)]
        return np.concatenate(within if self.closed else [*within, [float(len(legs))]])


# Lambard et al. 2023: 1438 latent vectors between two, a film of one minute at 24 frames per second.
PAPER_WALK = WalkSettings(steps_per_leg=1439)


class Walk(BaseModel):
    """A way through the latent space, and where on it the frames are.

    Every key frame is a frame of the walk, bit by bit.

    Attributes
    ----------
    keys : tuple of Point
        Key frames, in the order of the walk.
    settings : WalkSettings
        How it goes between them.
    positions : tuple of float, optional
        Of each frame: 1.5 is half way from key frame 1 to key frame 2. None where they follow from the
        settings; `glissile.gan.equal_speed.retimed` sets them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    keys: tuple[Point, ...] = Field(min_length=2, max_length=MOST_KEYS, fail_fast=True)
    settings: WalkSettings = WalkSettings()
    positions: tuple[float, ...] | None = Field(None, max_length=_MOST_FRAMES, fail_fast=True, repr=False)

    @property
    def legs(self) -> int:
        """Number of ways from one key frame to the next."""
        return len(self.keys) - (0 if self.settings.closed else 1)

    @property
    def frame_count(self) -> int:
        """Number of frames. A loop ends one step before its first key frame."""
        return self.legs * self.settings.steps_per_leg + (0 if self.settings.closed else 1)

    @property
    def times(self) -> Real:
        """Position of every frame, shape (frame_count,), 0 to `legs`."""
        if self.positions is not None:
            return np.array(self.positions)
        return self.settings.joined([self.settings.eased(self.settings.steps_per_leg)] * self.legs)

    @model_validator(mode="after")
    def _is_finite(self) -> Self:
        if self.frame_count > _MOST_FRAMES:
            raise ValueError(f"a walk of {self.frame_count} frames is too long; take fewer steps per leg")
        if self.positions is not None:
            if len(self.positions) != self.frame_count:
                raise ValueError(f"{len(self.positions)} positions do not go with {self.frame_count} frames")
            if min(self.positions) < 0 or max(self.positions) > self.legs:
                raise ValueError(f"a position is not between 0 and {self.legs}")
        return self


def no_way_in_z(keys: Sequence[Point]) -> str:
    """Say why a walk cannot go from key frame to key frame in z; empty where it can."""
    for number, key in enumerate(keys, 1):
        if key.w is not None:
            return f"Key frame {number} ({key.title}) is a vector w and has no z: choose space w"
        if (key.label or 0) != (keys[0].label or 0):
            return f"Key frame {number} ({key.title}) is of another class than the first: choose space w"
        if key.cutoff != keys[0].cutoff:
            return f"Key frame {number} ({key.title}) has another cutoff than the first: choose space w"
    return ""
