"""Weights and their model card on disk: safetensors and JSON, so that loading a model runs no code of it.

A model is a folder with `model.safetensors` and `model.json`. The weights file carries the card in its
header, and `model.json` is the same card with the hash of the weights. Where the two do not belong together,
because the power failed between the two writes, the card in the weights file is the true one.
"""

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from glissile.atomic import replacing, write_text
from glissile.defects import DefectClass
from glissile.errors import InputError

if TYPE_CHECKING:
    import torch

SCHEMA_VERSION = 2
WEIGHTS_FILE = "model.safetensors"
CARD_FILE = "model.json"
_CARD_KEY = "glissile_card"
_CARD_LIMIT_BYTES = 4 << 20
_WEIGHTS_LIMIT_BYTES = 4 << 30


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


def save_model(folder: Path, tensors: "Mapping[str, torch.Tensor]", card: ModelCard) -> ModelCard:
    """Write weights and card; at any moment the folder holds the old model or the new one.

    Parameters
    ----------
    folder : Path
        Model folder; created when missing.
    tensors : mapping of str to Tensor
        State of the network.
    card : ModelCard
        `weights_sha256` is filled in.

    Returns
    -------
    ModelCard
        As written.

    Raises
    ------
    InputError
        If the card could not be read again; nothing is written then.
    """
    bare = card.model_copy(update={"weights_sha256": ""})
    write_tensors(folder / WEIGHTS_FILE, tensors, {_CARD_KEY: _readable(folder, bare)})
    whole = card.model_copy(update={"weights_sha256": _sha256(folder / WEIGHTS_FILE)})
    write_text(folder / CARD_FILE, whole.model_dump_json(indent=2) + "\n")
    return whole


def _readable(folder: Path, card: ModelCard) -> str:
    """Card as JSON that can be read again: where a number is not finite, it would be `null`."""
    try:
        text = card.model_dump_json()
        ModelCard.model_validate_json(text)
    except ValueError as problem:
        raise InputError(
            f"{folder}: the model is not saved, as its card could not be read again, {_first(problem)}; "
            "train anew"
        ) from problem
    return text


def has_model(folder: Path) -> bool:
    """Whether `folder` holds a trained model."""
    return (folder / WEIGHTS_FILE).is_file()


def read_card(folder: Path) -> ModelCard:
    """Card of the model in `folder`, without loading torch.

    Raises
    ------
    InputError
        If there is no model, it is broken, or it comes from a newer version.
    """
    weights, card_path = folder / WEIGHTS_FILE, folder / CARD_FILE
    if not weights.is_file():
        raise InputError(
            f"{folder}: there is no trained model here, {WEIGHTS_FILE} is missing; train one first"
        )
    embedded = read_texts(weights).get(_CARD_KEY)
    digest = _sha256(weights)
    if card_path.is_file():
        if card_path.stat().st_size > _CARD_LIMIT_BYTES:
            raise InputError(f"{card_path}: this is too large for a model card; copy the model again")
        card = _parsed(card_path, card_path.read_text(encoding="utf-8", errors="replace"))
        if card.weights_sha256 == digest:
            return card
    if embedded is None:
        raise InputError(
            f"{folder}: {CARD_FILE} is missing or does not belong to {WEIGHTS_FILE}; copy both files of the "
            "model together"
        )
    return _parsed(weights, embedded).model_copy(update={"weights_sha256": digest})


def load_model(folder: Path) -> "tuple[dict[str, torch.Tensor], ModelCard]":
    """Weights, on the CPU, and card of the model in `folder`.

    Raises
    ------
    InputError
        If there is no model, it is broken, or it comes from a newer version.
    """
    card = read_card(folder)
    tensors, _ = read_tensors(folder / WEIGHTS_FILE)
    return tensors, card


def write_tensors(path: Path, tensors: "Mapping[str, torch.Tensor]", texts: Mapping[str, str]) -> None:
    """Write named tensors and texts as one safetensors file, atomically."""
    from safetensors.torch import save

    plain = {name: t.detach().to("cpu").contiguous().clone() for name, t in tensors.items()}
    with replacing(path) as temporary:
        # Not by its `save_file`, whose files nobody but their owner may read.
        temporary.write_bytes(save(plain, metadata=dict(texts)))


def read_tensors(path: Path) -> "tuple[dict[str, torch.Tensor], dict[str, str]]":
    """Named tensors and texts of one safetensors file.

    Raises
    ------
    InputError
        If the file is not a whole safetensors file, or larger than 4 GiB.
    """
    from safetensors.torch import load

    texts = read_texts(path)
    try:
        # Not mapped into memory: Windows could not replace a file that is.
        return load(path.read_bytes()), texts
    except Exception as problem:  # safetensors has its own error type, and passes on those of Rust and torch
        raise _broken(path) from problem


def read_texts(path: Path) -> dict[str, str]:
    """Named texts of one safetensors file, without its tensors and without torch.

    Raises
    ------
    InputError
        If the file is not a safetensors file, or larger than 4 GiB.
    """
    from safetensors import safe_open

    if path.stat().st_size > _WEIGHTS_LIMIT_BYTES:
        raise InputError(f"{path}: this is larger than 4 GiB and no model of this program; choose another")
    try:
        with safe_open(path, framework="numpy") as opened:
            return dict(opened.metadata() or {})
    except Exception as problem:  # as above
        raise _broken(path) from problem


def _broken(path: Path) -> InputError:
    return InputError(f"{path}: this is not a whole safetensors file; copy it again or train the model anew")


def _sha256(path: Path) -> str:
    found = path.stat()
    return _digest(path, found.st_ino, found.st_size, found.st_mtime_ns)


@lru_cache(maxsize=64)
def _digest(path: Path, *written: int) -> str:
    """SHA-256 of a file, computed once for what was `written` there: every model is asked for it often."""
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _parsed(path: Path, text: str) -> ModelCard:
    try:
        content = json.loads(text)
        if not isinstance(content, dict):
            raise ValueError("not an object")
    except (ValueError, RecursionError) as problem:
        raise InputError(f"{path}: the model card is not readable as JSON; copy the model again") from problem
    version = content.get("schema_version")
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise InputError(
            f"{path}: the model card has schema version {version}, this program knows up to "
            f"{SCHEMA_VERSION}; update napari-glissile"
        )
    try:
        return ModelCard.model_validate(content)
    except ValidationError as problem:
        raise InputError(
            f"{path}: the model card is not usable, {_first(problem)}; copy the model again or train anew"
        ) from problem


def _first(problem: ValueError) -> str:
    """Say what is wrong with a card, and where; the place may be a text of the file."""
    if not isinstance(problem, ValidationError):
        return str(problem)
    first = problem.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or "card"
    return f"{where if where.isprintable() else ascii(where)}: {first['msg']}"
