"""What a StyleGAN2 generator is: the shape of its networks, and the card that goes with its weights."""

import math
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

SCHEMA_VERSION = 1
SYNTHETIC_NOTICE = (
    "Synthetic image, made by a generative neural network. It shows no real specimen and is no measurement."
)
_MOST_PARAMETERS = 1_000_000_000
_MOST_FEATURES = 1 << 28  # numbers in the features at one resolution: twice those of 2048 px with 32 channels

Width = Annotated[int, Field(ge=1, le=4096)]
Architecture = Literal["skip", "resnet", "orig"]


class NetworkShape(BaseModel):
    """What the two networks of a GAN have in common.

    Attributes
    ----------
    widths : tuple of int
        Channels at 4, 8, 16, ... pixels, up to `resolution`.
    clamp : float, optional
        Largest magnitude of a feature, before the gain of residual branches; None for no limit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    resolution: int = Field(ge=4, le=2048, description="Height and width of the images, pixels")
    channels: int = Field(ge=1, le=4, description="Channels of the images: 1 for grey, 3 for RGB")
    widths: tuple[Width, ...]
    c_dim: int = Field(0, ge=0, le=4096, description="Number of classes; 0 for none")
    mapping_layers: int = Field(ge=0, le=16)
    mapping_lr: float = Field(0.01, gt=0, le=1, description="Multiplier of the weights of the mapping")
    clamp: float | None = Field(None, gt=0)

    @property
    def resolutions(self) -> tuple[int, ...]:
        """Pixels along each side of the image, block after block: 4, 8, ... `resolution`."""
        return tuple(4 << i for i in range(len(self.widths)))

    def width(self, resolution: int) -> int:
        """Channels of the features at `resolution`."""
        return self.widths[resolution.bit_length() - 3]

    @model_validator(mode="after")
    def _widths_fit(self) -> Self:
        if self.resolution & (self.resolution - 1):
            raise ValueError(f"a resolution of {self.resolution} px is no power of two")
        if len(self.widths) != int(math.log2(self.resolution)) - 1:
            raise ValueError(f"{len(self.widths)} widths do not go with {self.resolution} px")
        parameters = sum(9 * (a * b + b * b) for a, b in zip(self.widths, self.widths[1:], strict=False))
        if parameters > _MOST_PARAMETERS:
            raise ValueError(f"a network of {parameters:.1e} parameters is too large")
        features = max(w * r * r for w, r in zip(self.widths, self.resolutions, strict=True))
        if features > _MOST_FEATURES:
            raise ValueError(f"a network of {features:.1e} features is too large")
        return self


class GeneratorShape(NetworkShape):
    """What is needed to build a generator.

    Attributes
    ----------
    mapping_width : int
        Features between the layers of the mapping.
    embedding : int
        Features that a class becomes before the mapping; 0 without classes.
    """

    architecture: Architecture = "skip"
    z_dim: Width
    w_dim: Width
    mapping_layers: int = Field(ge=1, le=16)
    mapping_width: Width
    embedding: int = Field(0, ge=0, le=4096)
    noise: bool = Field(True, description="Whether its layers add noise")

    @property
    def num_ws(self) -> int:
        """Number of layers that a latent vector w goes to."""
        return 2 * len(self.widths)

    @model_validator(mode="after")
    def _embeds_classes(self) -> Self:
        if (self.c_dim > 0) != (self.embedding > 0):
            raise ValueError(f"an embedding of {self.embedding} does not go with {self.c_dim} classes")
        return self


class DiscriminatorShape(NetworkShape):
    """What is needed to build a discriminator.

    Attributes
    ----------
    class_map : int
        Features that class and image are compared by; 0 without classes.
    group : int
        Images over which the minibatch standard deviation is taken, at most.
    """

    architecture: Architecture = "resnet"
    mapping_layers: int = Field(8, ge=0, le=16)
    class_map: int = Field(0, ge=0, le=4096)
    group: int = Field(4, ge=1, le=4096)
    group_channels: int = Field(1, ge=0, le=64)

    @model_validator(mode="after")
    def _maps_classes(self) -> Self:
        if (self.c_dim > 0) != (self.class_map > 0):
            raise ValueError(f"a class map of {self.class_map} does not go with {self.c_dim} classes")
        return self


class TrainingData(BaseModel):
    """The images that a generator learned from.

    Attributes
    ----------
    sha256 : str
        Hash of all of them; "" where it is not known.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    description: str = Field("", max_length=4000)
    images: int | None = Field(None, ge=0)
    sha256: str = Field("", max_length=64)


class Origin(BaseModel):
    """The file of another program that a generator was read from.

    Attributes
    ----------
    file : str
        Its name.
    format : str
        What it was, for a person.
    sha256 : str
        Of the whole file; "" where it was not computed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str = Field(max_length=1000)
    format: str = Field(max_length=200)
    sha256: str = Field("", max_length=64)


class GeneratorCard(BaseModel):
    """What a generator is, and how it came about.

    Attributes
    ----------
    trained : bool or None
        False for random weights, which show no microstructure; None where it is not known.
    kimg : float, optional
        Thousands of real images that the discriminator saw in training.
    fid : float, optional
        Frechet inception distance to the training images.
    nm_per_pixel : float, optional
        Scale of the training images.
    class_names : tuple of str
        Of conditional generators, one per class; () where they are not known.
    weights_sha256 : str
        Hash of the tensors, by which a generator is known whatever its file is called; see
        `glissile.io.generator_file.tensors_sha256`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    schema_version: int = Field(SCHEMA_VERSION, ge=1)
    name: str = Field("", max_length=200)
    shape: GeneratorShape
    trained: bool | None = None
    training_data: TrainingData = TrainingData()
    kimg: float | None = Field(None, ge=0)
    fid: float | None = Field(None, ge=0)
    nm_per_pixel: float | None = Field(None, ge=1e-2, le=1e6)
    class_names: tuple[Annotated[str, Field(max_length=200)], ...] = ()
    licence: str = Field("", max_length=4000)
    notice: str = Field(SYNTHETIC_NOTICE, max_length=4000)
    origin: Origin | None = None
    created: str = Field("", max_length=100)
    versions: dict[str, str] = {}
    weights_sha256: str = Field("", max_length=64)

    @model_validator(mode="after")
    def _names_all_classes(self) -> Self:
        if self.class_names and len(self.class_names) != self.shape.c_dim:
            raise ValueError(f"{len(self.class_names)} names do not go with {self.shape.c_dim} classes")
        return self


def widths_of(resolution: int, channel_base: int, channel_max: int = 512) -> tuple[int, ...]:
    """Channels at 4, 8, ... `resolution` pixels, as the configurations of StyleGAN2 give them.

    Parameters
    ----------
    resolution : int
        Power of two, at least 4.
    channel_base : int
        Channels at one pixel: 32768 or 16384.
    channel_max : int
        Most channels.

    Returns
    -------
    tuple of int
    """
    return tuple(min(channel_base >> i, channel_max) for i in range(2, resolution.bit_length()))
