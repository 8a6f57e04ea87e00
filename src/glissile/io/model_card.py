"""The card of a model: what it is, how it came about and how good it is."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from glissile.defects import DefectClass

SCHEMA_VERSION = 2


class Architecture(BaseModel):
    """What is needed to build a network; bounded, so that a strange card cannot ask for all the memory."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["residual", "ronneberger"]
    inputs: int = Field(1, ge=1, le=1, description="Channels of the input: frames are grey")
    outputs: int = Field(ge=2, le=256, description="Classes, background included")
    widths: tuple[int, ...] = Field(min_length=2, max_length=7, description="Channels, finest level first")
    stem: int = Field(1, ge=1, le=4, description="Pixels along y and x folded into channels at the entrance")
    local_contrast_px: float = Field(
        0,
        ge=0,
        le=256,
        description="See `glissile.learn.local_contrast`; 0 for no such channel",
    )
    references: int = Field(
        0,
        ge=0,
        le=8,
        description="Labelled frames that it looks at, see `glissile.learn.references`; 0 for none",
    )

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if not all(1 <= w <= 2048 for w in self.widths):
            raise ValueError(f"widths {self.widths} are not all between 1 and 2048")
        if self.references and self.kind != "residual":
            raise ValueError("only a residual network can look at labelled frames")
        return self

    @property
    def stride(self) -> int:
        """Frame sizes that the network takes without padding are multiples of this, in pixels."""
        return int(self.stem * 2 ** (len(self.widths) - 1))

    @property
    def reference_channels(self) -> int:
        """Channels of labelled frames beside the inputs: grey values of one, labels of each."""
        return 1 + self.references * (self.outputs - 1) if self.references else 0


class Normalisation(BaseModel):
    """How grey values become the input of the network.

    "percentiles": the two percentiles of each frame become -0.5 and 0.5; "flattened": the same, once the
    illumination of each frame is divided out; "full range": the smallest and largest value of the pixel type
    (of the frame, for floating-point frames) become 0 and 1.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["percentiles", "full range", "flattened"] = "percentiles"
    low: float = Field(1, ge=0, le=50)
    high: float = Field(99, ge=50, le=100)


class Calibration(BaseModel):
    """What is done to the outputs of a network so that its masks cover the labelled areas."""

    # JSON has no words for other numbers.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    thinning: tuple[float, ...] = Field(description="Share that each class is thinned by, background first")
    offsets: tuple[float, ...] = Field(description="Then added to the logit of each class, background first")


class Certainty(BaseModel):
    """How sure the calibrated outputs of a network may be, found out on the hold-out.

    Attributes
    ----------
    temperature : float
        What the outputs are divided by to give probabilities.
    area_factors : tuple of float or None
        For each class, without background, what makes the standard uncertainty of its area, see
        `glissile.learn.probability.fitted_area_factors`; None for classes for which it is not known.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    temperature: float = Field(gt=0, le=1000)
    area_factors: tuple[Annotated[float, Field(ge=0)] | None, ...]


class FramesUsed(BaseModel):
    """Source frame numbers that a model was trained on, and those it was scored on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    training: tuple[int, ...]
    validation: tuple[int, ...] = ()


class Parent(BaseModel):
    """The model that a training went on from.

    Attributes
    ----------
    name : str
        Of its folder, at that time.
    weights_sha256 : str
        What it is known by, whatever it is called.
    learned : tuple of int
        Source frame numbers that it was trained on, and those before it that it went on from.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    weights_sha256: str
    learned: tuple[int, ...]


Scores = dict[str, dict[str, float | None]]


class ModelCard(BaseModel):
    """What a model is, how it came about and how good it is.

    Attributes
    ----------
    scores : dict
        By subject, class key and measure: `scores["holdout"]["dislocation"]["tolerant_f"]`; the subject
        "copy_nearest" copies the nearest training mask instead. None where a measure has no meaning. Empty
        where too few frames were labelled to hold any out.
    mean_dice : dict
        By subject, the Dice overlap in the mean over classes with background and over frames, as Tanaka et
        al. (2025) score.
    scores_note : str
        What the scores are scores of (`held_out`), or why there are none, for a person.
    calibration : Calibration, optional
        Makes the areas on the training frames the labelled ones. It is no part of the weights.
    alone_calibration : Calibration, optional
        The same for frames that are seen alone, where the network can look at labelled frames beside a frame
        but none is alike.
    certainty : Certainty, optional
        None where nothing was held out, and in earlier models: nothing is known of it.
    alone_certainty : Certainty, optional
        The same for frames that are seen alone.
    logit_offsets : tuple of float
        Of models of schema version 1: offsets, background first, that are part of the weights already.
    parent : Parent, optional
        The model that the training went on from; None where it began from random weights.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = Field(SCHEMA_VERSION, ge=1)
    classes: tuple[DefectClass, ...] = Field(min_length=1, max_length=255)
    architecture: Architecture
    normalisation: Normalisation
    recipe: dict[str, Any]
    frames: FramesUsed
    data_hash: str
    scores: dict[str, Scores] = {}
    mean_dice: dict[str, float | None] = {}
    scores_note: str = ""
    calibration: Calibration | None = None
    alone_calibration: Calibration | None = None
    certainty: Certainty | None = None
    alone_certainty: Certainty | None = None
    logit_offsets: tuple[float, ...] = ()
    parent: Parent | None = None
    epochs: int = Field(ge=0)
    created: str
    seconds: float = Field(ge=0)
    device: str
    versions: dict[str, str] = {}
    weights_sha256: str = ""

    def calibration_of(self, channels: int) -> Calibration | None:
        """Calibration of frames of which the network sees so many channels."""
        return self.alone_calibration if self._is_alone(channels) else self.calibration

    def certainty_of(self, channels: int) -> Certainty | None:
        """Certainty of frames of which the network sees so many channels."""
        return self.alone_certainty if self._is_alone(channels) else self.certainty

    def temperature_of(self, channels: int) -> float:
        """Temperature of frames of which the network sees so many channels; 1 where it is not known."""
        certainty = self.certainty_of(channels)
        return certainty.temperature if certainty else 1.0

    def _is_alone(self, channels: int) -> bool:
        return bool(self.architecture.references) and channels == self.architecture.inputs

    @property
    def held_out(self) -> str:
        """What the scores tell: how good masks are "between" labelled frames, or "beyond" the last."""
        first, last = min(self.frames.validation, default=0), max(self.learned, default=0)
        return "beyond" if first > last else "between"

    @property
    def learned(self) -> frozenset[int]:
        """Source frame numbers that the weights have ever been trained on."""
        return frozenset(self.frames.training) | frozenset(self.parent.learned if self.parent else ())

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.architecture.outputs != len(self.classes) + 1:
            raise ValueError(
                f"the network has {self.architecture.outputs} outputs for {len(self.classes)} classes and "
                "background"
            )
        for calibration in (self.calibration, self.alone_calibration):
            for numbers in (calibration.thinning, calibration.offsets) if calibration else ():
                if len(numbers) != self.architecture.outputs:
                    raise ValueError(
                        f"a calibration of {len(numbers)} numbers does not go with "
                        f"{self.architecture.outputs} outputs"
                    )
        for certainty in (self.certainty, self.alone_certainty):
            if certainty and len(certainty.area_factors) != len(self.classes):
                n = len(certainty.area_factors)
                raise ValueError(f"{n} factors of areas do not go with {len(self.classes)} classes")
        return self
