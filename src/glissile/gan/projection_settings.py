"""How the latent vectors of a micrograph are sought."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from glissile.gan.spread import SAMPLES


class ProjectionSettings(BaseModel):
    """How the latent vectors of an image are sought."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    space: Literal["w", "w+"] = Field(
        "w",
        title="Space",
        description="w: one vector for all layers, which stays among what the generator has learned; "
        "w+: then one for each layer, which comes closer",
    )
    steps: int = Field(
        200, ge=10, le=100_000, title="Steps", description="Looks at the image of a vector, in all"
    )
    samples: int = Field(
        200,
        ge=0,
        le=SAMPLES,
        title="Samples",
        description="Random images among which starts are chosen, beside that of the mean of w",
    )
    starts: int = Field(
        4, ge=1, le=64, title="Starts", description="How many of these images are followed at first"
    )
    learning_rate: float = Field(
        0.2,
        gt=0,
        le=10,
        title="Learning rate",
        description="Largest step of the search, in standard deviations of w",
        json_schema_extra={"advanced": True},
    )
    w_noise: float = Field(
        0.05,
        ge=0,
        le=1,
        title="Noise on w",
        description="At the beginning of the search, in standard deviations of w",
        json_schema_extra={"advanced": True},
    )
    closeness: float = Field(
        0.02,
        ge=0,
        le=100,
        title="Closeness of layers",
        description="What it costs, beside the distance, that the vectors of w+ differ by one standard "
        "deviation; low values come closer to the image, high ones stay better to edit",
        json_schema_extra={"advanced": True},
    )
    noise: Literal["const", "none", "optimised"] = Field(
        "const",
        title="Noise",
        description="const: as the generator has it; none; optimised: fitted to the image in the end, "
        "which shows grain that no vector shows",
    )
    seed: int = Field(0, ge=0, le=2**31 - 1, title="Seed", description="Start of all random numbers")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(
        "auto", title="Device", description="auto takes the graphics card where there is one"
    )
