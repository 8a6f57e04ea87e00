"""Models as packages of the BioImage Model Zoo (https://bioimage.io), format 0.5: written, and read safely.

A package is a zip archive with `rdf.yaml`, which describes the model, and the files that it names. Ours hold
the network twice: as ONNX, which other programs run, and as our own weights file with its card, from which
the model comes back exactly.
"""

import hashlib
import json
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from glissile.atomic import replacing
from glissile.io.checkpoint import WEIGHTS_FILE
from glissile.io.model_card import ModelCard
from glissile.io.model_words import grey_range, score_rows, told, training

FORMAT_VERSION = "0.5.12"
DESCRIPTION_FILE = "rdf.yaml"
ONNX_FILE, README_FILE, COVER_FILE = "weights.onnx", "README.md", "cover.png"
TEST_INPUT_FILE, TEST_OUTPUT_FILE = "test_input.npy", "test_output.npy"
SAMPLE_INPUT_FILE, SAMPLE_OUTPUT_FILE = "sample_input.tif", "sample_output.tif"
INPUT_ID, BACKGROUND_NAME = "frames", "background"
_NEWLINE = "\n"
_TAGS = ("electron-microscopy", "2d", "semantic-segmentation", "unet", "pytorch", "tem", "crystal-defects")
_CITE = (
    {
        "text": "M. Tanaka, K. Sasaki, J. Punyafu, M. Muramatsu, M. Murayama, Machine-learning-aided "
        "analysis of relationship between crystal defects and macroscopic mechanical properties of TWIP "
        "steel, Scientific Reports (2025)",
        "url": "https://www.nature.com/srep/",
    },
    {
        "text": "O. Ronneberger, P. Fischer, T. Brox, U-Net: convolutional networks for biomedical image "
        "segmentation, MICCAI (2015)",
        "doi": "10.1007/978-3-319-24574-4_28",
    },
)


class ZooEntry(BaseModel):
    """What the Model Zoo wants to know about a model beside its card."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(
        min_length=5,
        max_length=128,
        pattern=r"^[A-Za-z0-9_+\- ()]+$",
        title="Name",
        description="Name of the model: letters, digits, spaces and _ + - ( )",
    )
    description: str = Field(
        "Semantic segmentation of crystal defects in transmission electron micrographs",
        min_length=1,
        max_length=1024,
        title="Description",
        description="What the model finds, in one sentence",
    )
    authors: tuple[str, ...] = Field(min_length=1, title="Authors", description="Who made the model")
    licence: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9.+\-]*$",
        title="Licence",
        description="SPDX identifier of the licence of the model, such as CC-BY-4.0",
    )
    output: Literal["logits", "probabilities"] = Field(
        "logits", title="Output", description="Outputs of the network, or their softmax"
    )

    @field_validator("authors")
    @classmethod
    def _are_names(cls, authors: tuple[str, ...]) -> tuple[str, ...]:
        if any(not name.strip() or "/" in name or "\\" in name for name in authors):
            raise ValueError("an author needs a name without slashes")
        return authors


def readme(card: ModelCard, entry: ZooEntry, sample: str) -> str:
    """Documentation of a package, as Markdown.

    Parameters
    ----------
    card : ModelCard
        Of the model.
    entry : ZooEntry
        Name, description and authors.
    sample : str
        What the test frame and the cover show.
    """
    rows = score_rows(card, "holdout")
    if rows:
        table = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
        scores = ["On the frames held out from training:", "", *(f"| {' | '.join(row)} |" for row in table)]
    else:
        scores = [f"There are no scores of this model. {card.scores_note}".strip()]
    channels = ", ".join(f"{i} {name}" for i, name in enumerate(_channels(card)))
    return f"""\
# {entry.name}

{entry.description}

{"".join(f"- {line}{_NEWLINE}" for line in told(card))}
Input: one frame per sample, axes batch, channel, y, x. The grey values are brought to 0 to 1:
{grey_range(card.normalisation)}.
The network itself does the rest of the normalisation, and pads frames of any size.
Give it whole frames: tiles that do not overlap differ along their edges.

Output: {entry.output}, axes batch, channel, y, x. Channels: {channels}.
A pixel belongs to the class whose channel is the largest.

{training(card)}

## Validation

{_NEWLINE.join(scores)}

To validate the model on your own data, label frames by hand that are far from those of the training, in time
and on the specimen, and compare precision, recall and area fraction of each class.

## Files

{sample}
`{ONNX_FILE}` is the network, `{WEIGHTS_FILE}` the same network for napari-glissile, which made this package
and reads it with `glissile model import`.
"""


def describe(
    card: ModelCard, entry: ZooEntry, files: Mapping[str, bytes], *, opset: int, dtype: str
) -> dict[str, Any]:
    """Describe a model as `rdf.yaml` does.

    Parameters
    ----------
    card : ModelCard
        Of the model, whose normalisation is not "flattened".
    entry : ZooEntry
        Name, authors and licence.
    files : mapping of str to bytes
        Content of every file of the package, by name.
    opset : int
        Operator set of the ONNX file.
    dtype : {"uint8", "float32"}
        Of the frames.

    Returns
    -------
    dict
        Of texts, numbers, lists and dicts.
    """

    def file(name: str) -> dict[str, str]:
        return {"source": name, "sha256": hashlib.sha256(files[name]).hexdigest()}

    stride = card.architecture.stride
    # The ONNX network pads to the stride by itself, so that other programs need not do it otherwise.
    along = [{"type": "space", "id": axis, "size": {"min": stride, "step": 1}} for axis in ("y", "x")]
    follow = [
        {"type": "space", "id": axis, "size": {"tensor_id": INPUT_ID, "axis_id": axis}} for axis in ("y", "x")
    ]
    return {
        "format_version": FORMAT_VERSION,
        "type": "model",
        "name": entry.name,
        "description": entry.description,
        "authors": [{"name": name} for name in entry.authors],
        "license": entry.licence,
        "cite": [dict(entry) for entry in _CITE],
        "tags": list(_TAGS),
        "documentation": file(README_FILE),
        "covers": [file(COVER_FILE)],
        "timestamp": datetime.now(UTC).isoformat(timespec="seconds"),
        "inputs": [
            {
                "id": INPUT_ID,
                "description": "Transmission electron micrograph",
                "axes": [{"type": "batch"}, {"type": "channel", "channel_names": ["grey"]}, *along],
                "data": {"type": dtype},
                "preprocessing": [*_scaling(card), {"id": "ensure_dtype", "kwargs": {"dtype": "float32"}}],
                "test_tensor": file(TEST_INPUT_FILE),
                "sample_tensor": file(SAMPLE_INPUT_FILE),
            }
        ],
        "outputs": [
            {
                "id": entry.output,
                "description": "One channel for each class, the background first",
                "axes": [{"type": "batch"}, {"type": "channel", "channel_names": _channels(card)}, *follow],
                "data": {"type": "float32"},
                "postprocessing": _to_probabilities(card) if entry.output == "probabilities" else [],
                "test_tensor": file(TEST_OUTPUT_FILE),
                "sample_tensor": file(SAMPLE_OUTPUT_FILE),
            }
        ],
        "weights": {"onnx": {**file(ONNX_FILE), "opset_version": opset}},
        "attachments": [file(WEIGHTS_FILE)],
        "config": {"glissile": {"model": WEIGHTS_FILE}},
    }


def _channels(card: ModelCard) -> list[str]:
    return [BACKGROUND_NAME, *(c.name for c in card.classes)]


def _to_probabilities(card: ModelCard) -> list[dict[str, Any]]:
    return [
        {"id": "scale_linear", "kwargs": {"gain": 1 / card.temperature_of(card.architecture.inputs)}},
        {"id": "softmax", "kwargs": {"axis": "channel"}},
    ]


def _scaling(card: ModelCard) -> list[dict[str, Any]]:
    """Bring the grey range of the model to 0 to 1."""
    if card.normalisation.kind == "full range":
        return [{"id": "scale_linear", "kwargs": {"gain": 1 / 255, "offset": 0.0}}]
    percentiles = {"min_percentile": card.normalisation.low, "max_percentile": card.normalisation.high}
    return [{"id": "scale_range", "kwargs": {"axes": ["y", "x"], **percentiles}}]


def write_package(path: Path, description: Mapping[str, Any], files: Mapping[str, bytes]) -> None:
    """Write a package, atomically.

    Parameters
    ----------
    path : Path
        Zip file to write.
    description : mapping
        As `describe` gives it.
    files : mapping of str to bytes
        The other files, by name.
    """
    import yaml

    text = yaml.safe_dump(json.loads(json.dumps(description)), sort_keys=False, allow_unicode=True)
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {DESCRIPTION_FILE: text.encode(), **files}.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
