"""A trained network -> ONNX, which other programs run without this one and without PyTorch."""

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from glissile.defects import class_values
from glissile.errors import InputError
from glissile.io.model_card import ModelCard
from glissile.io.model_words import grey_range
from glissile.learn.calibrate import with_calibration
from glissile.learn.intensity import FURTHEST, normalised
from glissile.learn.probability import probabilities
from glissile.learn.unet import logits_of

OPSET = 18
INPUT, OUTPUT = "frames", "logits"
_NEEDED = ("onnx", "onnxscript")


class ExportedNetwork(nn.Module):
    """A network with its padding and calibration, and with the last part of the normalisation.

    It sees each frame alone: labelled frames to look at stay with the model.

    Parameters
    ----------
    network : Module
        In evaluation mode.
    card : ModelCard
        Of the network.
    """

    def __init__(self, network: nn.Module, card: ModelCard) -> None:
        super().__init__()
        self.network = network
        self.stride = card.architecture.stride
        self.calibration = card.calibration_of(card.architecture.inputs)
        self.centred = card.normalisation.kind != "full range"

    def forward(self, frames: Tensor) -> Tensor:
        """Logits (n, classes, y, x) of frames (n, 1, y, x) whose grey range is 0 to 1; of any size."""
        if self.centred:
            frames = torch.clamp(frames - 0.5, -0.5 - FURTHEST, 0.5 + FURTHEST)
        return with_calibration(logits_of(self.network, frames, self.stride), self.calibration)


@torch.inference_mode()
def plain_outputs(
    network: nn.Module, card: ModelCard, frame: NDArray[Any], *, as_probabilities: bool
) -> NDArray[np.float32]:
    """Compute the outputs of a network for one frame in single precision, as other programs do.

    Parameters
    ----------
    network : Module
        As for `onnx_model`.
    card : ModelCard
        Of the network.
    frame : ndarray of any number type, shape (y, x)
        Grey values.
    as_probabilities : bool
        Whether to give probabilities in place of logits.

    Returns
    -------
    ndarray of float32, shape (classes, y, x)
        Background first.
    """
    grey = torch.from_numpy(normalised(frame, card.normalisation))[None, None]
    logits = logits_of(network, grey, card.architecture.stride)
    outputs = with_calibration(logits, card.calibration_of(grey.shape[1]))[0]
    if as_probabilities:
        outputs = probabilities(outputs, card.temperature_of(grey.shape[1]))
    return np.asarray(outputs.numpy())


def require_onnx() -> None:
    """Refuse where the packages that write ONNX are not installed.

    Raises
    ------
    InputError
        Naming them.
    """
    if any(find_spec(package) is None for package in _NEEDED):
        raise InputError(
            "Writing ONNX needs the packages onnx and onnxscript; install them with "
            'pip install "napari-glissile[exchange]"'
        )


def onnx_model(network: nn.Module, card: ModelCard) -> bytes:
    """Write a network as ONNX.

    Parameters
    ----------
    network : Module
        In evaluation mode, on the CPU, in single precision.
    card : ModelCard
        Of the network.

    Returns
    -------
    bytes
        Content of an .onnx file, operator set 18. Input "frames", float32 (n, 1, y, x), of any n, y and x,
        in the range that `glissile.io.model_words.grey_range` tells; output "logits", float32 (n, classes,
        y, x), background first. Padding to the stride is inside. The properties of the model tell classes,
        their values in masks and the grey range.

    Raises
    ------
    InputError
        If the packages that write ONNX are not installed.
    """
    require_onnx()
    import onnx

    stride = card.architecture.stride
    # Sizes that are no multiples of the stride, so that nothing is taken for constant.
    example = torch.zeros(2, card.architecture.inputs, 2 * stride + 1, 3 * stride + 1)
    sizes = {0: torch.export.Dim.DYNAMIC, 2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}
    with warnings.catch_warnings(), _quiet():
        warnings.simplefilter("ignore")  # about its own insides, to its own developers
        program = torch.onnx.export(
            ExportedNetwork(network, card).eval(),
            (example,),
            dynamo=True,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes=(sizes,),
            verbose=False,
        )
    if program is None:
        raise RuntimeError("torch returned no ONNX program")
    model = program.model_proto
    _strip(model)
    for tensor in (*model.graph.input, *model.graph.output):
        dimensions = tensor.type.tensor_type.shape.dim
        for at, name in ((0, "n"), (2, "y"), (3, "x")):
            dimensions[at].dim_param = name
    onnx.helper.set_model_props(
        model,
        {
            "classes": json.dumps(["background", *(c.name for c in card.classes)]),
            "class_values": json.dumps(class_values(card.classes)),
            "grey_range": grey_range(card.normalisation),
        },
    )
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep torch from telling which packages it could convert if they were there."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _strip(model: Any) -> None:
    """Take out where on this machine each step was written: it tells the names of users and folders."""
    for node in model.graph.node:
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    for field in ("value_info", "metadata_props", "doc_string"):
        model.graph.ClearField(field)
    model.ClearField("metadata_props")
