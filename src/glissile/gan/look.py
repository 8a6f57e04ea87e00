"""What makes a generated image besides its point: the noise, and how exactly it is computed."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Noise = Literal["const", "none", "random"]
StillNoise = Literal["const", "none"]  # that an image has by itself
Precision = Literal["float32", "quick"]


class Look(BaseModel):
    """What makes an image besides its point.

    Attributes
    ----------
    noise : {"const", "none", "random"}
        As of `glissile.gan.sampler.Sampler.images`.
    noise_seed : int
        Of random noise; the frames of a walk share it.
    precision : {"float32", "quick"}
        As of `Sampler.images`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    noise: Noise = Field("const", title="Noise")
    noise_seed: int = Field(0, ge=0, le=2**32 - 1, title="Seed of random noise")
    precision: Precision = Field("float32", title="Precision")


STANDARD_LOOK = Look()
