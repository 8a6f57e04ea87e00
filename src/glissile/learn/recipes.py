"""The named settings of training: the published ones, and ours."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from glissile.errors import InputError

Device = Literal["auto", "cpu", "cuda", "mps"]


class Augmentation(BaseModel):
    """How far a training frame may be bent before the network sees it.

    One fixed field of view shows its lines in a few orientations only, so the warps are mild and nothing is
    flipped; every amount is the largest that is drawn, or a standard deviation where it says so.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rotation_deg: float = Field(6, ge=0, le=180, title="Rotation (deg)", description="Largest rotation")
    scale: float = Field(0.06, ge=0, le=0.5, title="Scale", description="Largest relative change of size")
    shift_px: float = Field(16, ge=0, le=256, title="Shift (px)", description="Largest shift along y and x")
    elastic_px: float = Field(
        2, ge=0, le=20, title="Elastic (px)", description="Standard deviation of the smooth distortion"
    )
    contrast: float = Field(0.2, ge=0, le=0.9, title="Contrast", description="Largest relative change")
    brightness: float = Field(
        0.1, ge=0, le=1, title="Brightness", description="Largest change, in units of the grey range"
    )
    noise: float = Field(
        0.04,
        ge=0,
        le=0.5,
        title="Noise",
        description="Largest standard deviation, in units of the grey range",
    )
    blur_px: float = Field(0.8, ge=0, le=5, title="Blur (px)", description="Largest Gaussian sigma")


UNBENT = Augmentation(
    rotation_deg=0, scale=0, shift_px=0, elastic_px=0, contrast=0, brightness=0, noise=0, blur_px=0
)


class Recipe(BaseModel):
    """Everything that decides how a network is trained."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(
        "glissile",
        min_length=1,
        title="Recipe",
        description="Name of the recipe that these settings began as",
        json_schema_extra={"advanced": True},
    )
    epochs: int = Field(
        40, ge=1, le=100_000, title="Epochs", description="Length of the training where no minutes are given"
    )
    patience_epochs: int | None = Field(
        None,
        ge=1,
        le=100_000,
        title="Patience (epochs)",
        description="End the training early when so many epochs have brought no better result on the frames "
        "held out; empty trains to the end. Of doubtful use with the one-cycle schedule, whose best epochs "
        "are the last, when the learning rate comes down",
        json_schema_extra={"advanced": True},
    )
    minutes: float | None = Field(
        None,
        gt=0,
        le=10_080,
        title="Minutes",
        description="Time to train for; replaces the number of epochs. Empty trains for the epochs",
    )
    device: Device = Field(
        "auto", title="Device", description="auto takes the graphics card where there is one"
    )
    seed: int = Field(0, ge=0, le=2**31 - 1, title="Seed", description="Start of all random numbers")
    holdout_every: int = Field(
        5,
        ge=2,
        le=100,
        title="Hold out every",
        description="One labelled frame in so many is kept from training and used to score",
        json_schema_extra={"advanced": True},
    )
    held_out: Literal["between", "beyond"] = Field(
        "between",
        title="Held out",
        description="What the scores tell: how good masks are between labelled frames, or beyond the last "
        "of them (for which the last labelled frames are kept from training)",
        json_schema_extra={"advanced": True},
    )
    batch_size: int = Field(
        2,
        ge=1,
        le=256,
        title="Batch size",
        description="Frames per training step; halved when memory is short",
        json_schema_extra={"advanced": True},
    )
    learning_rate: float = Field(
        3e-3,
        gt=0,
        le=1,
        title="Learning rate",
        description="Largest learning rate of the schedule",
        json_schema_extra={"advanced": True},
    )
    weight_decay: float = Field(
        0.01,
        ge=0,
        le=1,
        title="Weight decay",
        description="Pull of the weights towards zero",
        json_schema_extra={"advanced": True},
    )
    network: Literal["residual", "ronneberger"] = Field(
        "residual",
        title="Network",
        description="A small residual U-Net, or the U-Net of Ronneberger et al. (2015)",
        json_schema_extra={"advanced": True},
    )
    widths: tuple[Annotated[int, Field(ge=1, le=2048)], ...] = Field(
        (16, 32, 64, 96, 128),
        min_length=2,
        max_length=7,
        title="Channels",
        description="Channels of the network from the finest to the coarsest level",
        json_schema_extra={"advanced": True},
    )
    stem: int = Field(
        2,
        ge=1,
        le=4,
        title="Stem",
        description="Pixels along y and x that the residual network folds into channels at its entrance",
        json_schema_extra={"advanced": True},
    )
    local_contrast_px: float = Field(
        8,
        ge=0,
        le=256,
        title="Local contrast (px)",
        description="The residual network also sees how grey values lie within neighbourhoods of this size; "
        "0 for not",
        json_schema_extra={"advanced": True},
    )
    references: int = Field(
        2,
        ge=0,
        le=8,
        title="Labelled frames beside",
        description="How many labelled frames that resemble the frame the residual network looks at, too; 0 "
        "for none. It learns from them what is labelled and what is not, once eight frames or more train",
        json_schema_extra={"advanced": True},
    )
    grey: Literal["percentiles", "flattened", "full range"] = Field(
        "percentiles",
        title="Grey range",
        description="What becomes the unit grey range: percentiles 1 to 99 of each frame, these percentiles "
        "once uneven illumination is divided out (flattened), or the whole range of the pixel type",
        json_schema_extra={"advanced": True},
    )
    optimizer: Literal["adamw", "rmsprop"] = Field(
        "adamw", title="Optimizer", description="Update rule", json_schema_extra={"advanced": True}
    )
    schedule: Literal["one-cycle", "plateau"] = Field(
        "one-cycle",
        title="Schedule",
        description="Warm-up and cosine, or a tenth of the rate after three validations without a gain",
        json_schema_extra={"advanced": True},
    )
    validations_per_epoch: int = Field(
        1,
        ge=1,
        le=100,
        title="Validations per epoch",
        description="How often in an epoch the hold-out is looked at",
        json_schema_extra={"advanced": True},
    )
    passes_per_epoch: int = Field(
        2,
        ge=1,
        le=100,
        title="Passes per epoch",
        description="How often an epoch shows each training frame",
        json_schema_extra={"advanced": True},
    )
    least_epoch_steps: int = Field(
        16,
        ge=1,
        le=100_000,
        title="Least steps per epoch",
        description="With few labelled frames an epoch shows them more often, to have so many steps",
        json_schema_extra={"advanced": True},
    )
    most_epoch_steps: int = Field(
        24,
        ge=1,
        le=100_000,
        title="Most steps per epoch",
        description="With many labelled frames an epoch shows part of them, to have no more steps",
        json_schema_extra={"advanced": True},
    )
    dice_over: Literal["present", "all"] = Field(
        "present",
        title="Dice over",
        description="Overlap loss over the defect classes present in a batch, or all classes and background",
        json_schema_extra={"advanced": True},
    )
    average: float = Field(
        0.995,
        ge=0,
        lt=1,
        title="Weight average",
        description="Decay of the moving average of the weights that is kept; 0 keeps the weights themselves",
        json_schema_extra={"advanced": True},
    )
    crop_px: int = Field(
        512,
        ge=0,
        le=4096,
        title="Crop (px)",
        description="Larger frames are trained on crops of this size around defects; 0 for whole frames",
        json_schema_extra={"advanced": True},
    )
    augmentation: Augmentation = Field(
        Augmentation(),
        title="Augmentation",
        description="Random warps and grey changes of the training frames",
        json_schema_extra={"advanced": True},
    )
    calibrate_area: bool = Field(
        True,
        title="Calibrate areas",
        description="Make the area of each class on the training frames the labelled one",
        json_schema_extra={"advanced": True},
    )
    thinning: float = Field(
        0.5,
        ge=0,
        le=0.9,
        title="Thinning",
        description="Where areas are calibrated, how far lines may get thinner before faint ones go",
        json_schema_extra={"advanced": True},
    )
    reduced_precision: bool = Field(
        True,
        title="Reduced precision",
        description="Compute in 16 bits where the device is quicker so",
        json_schema_extra={"advanced": True},
    )

    @model_validator(mode="after")
    def _some_steps(self) -> Self:
        if self.least_epoch_steps > self.most_epoch_steps:
            raise ValueError(
                f"an epoch cannot have at least {self.least_epoch_steps} and at most {self.most_epoch_steps} "
                "steps"
            )
        return self


TANAKA2025 = Recipe(
    name="tanaka2025",
    epochs=40,
    batch_size=1,
    learning_rate=1e-5,
    weight_decay=0,
    network="ronneberger",
    widths=(64, 128, 256, 512, 1024),
    stem=1,
    local_contrast_px=0,
    references=0,
    grey="full range",
    optimizer="rmsprop",
    schedule="plateau",
    validations_per_epoch=4,
    passes_per_epoch=1,
    least_epoch_steps=1,
    most_epoch_steps=100_000,
    dice_over="all",
    average=0,
    crop_px=0,
    augmentation=UNBENT,
    calibrate_area=False,
    reduced_precision=False,
)

RECIPES: dict[str, Recipe] = {"glissile": Recipe(), "tanaka2025": TANAKA2025}


def recipe_named(name: str, **changes: object) -> Recipe:
    """Take the recipe `name` with some settings changed.

    Parameters
    ----------
    name : str
        "glissile" or "tanaka2025".
    **changes
        Fields of `Recipe`; they are checked.

    Returns
    -------
    Recipe

    Raises
    ------
    InputError
        If there is no such recipe.
    pydantic.ValidationError
        If a change is not possible.
    """
    if name not in RECIPES:
        raise InputError(f"There is no recipe {name!r}; choose one of {', '.join(RECIPES)}")
    return Recipe.model_validate({**RECIPES[name].model_dump(), **changes})
