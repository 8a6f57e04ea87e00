import json
from pathlib import Path

import numpy as np
import pytest
import torch

from glissile.defects import DefectClass
from glissile.errors import InputError
from glissile.io.model_card import Architecture, Calibration, FramesUsed, ModelCard, Normalisation
from glissile.learn import export
from glissile.learn.calibrate import with_calibration
from glissile.learn.export import ExportedNetwork, onnx_model
from glissile.learn.intensity import normalised
from glissile.learn.unet import build, logits_of

CLASSES = (
    DefectClass(value=3, name="dislocation", color="#000000"),
    DefectClass(value=7, name="stacking fault", color="#ffffff"),
)


def card(kind="residual", grey="percentiles"):
    return ModelCard(
        classes=CLASSES,
        architecture=Architecture(
            kind=kind,
            outputs=3,
            widths=(4, 6, 8),
            stem=2 if kind == "residual" else 1,
            local_contrast_px=8 if kind == "residual" else 0,
        ),
        normalisation=Normalisation(kind=grey),
        recipe={},
        frames=FramesUsed(training=(0,)),
        data_hash="",
        calibration=Calibration(thinning=(0, 0.5, 0.5), offsets=(0, -0.3, 0.2)),
        epochs=1,
        created="",
        seconds=0,
        device="",
    )


def network(of):
    """With statistics of its own in every normalisation, so that none can be left out unseen."""
    made = build(of.architecture, seed=1).eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(2)
    for key, tensor in made.state_dict().items():
        if key.endswith("running_mean"):
            tensor.copy_(torch.rand(tensor.shape, generator=generator) - 0.5)
        elif key.endswith("running_var"):
            tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
    return made


def scaled(frame, normalisation):
    """Grey values as programs that know percentiles only hand them to the network."""
    if normalisation.kind == "full range":
        return frame / np.float32(255)
    low, high = np.percentile(frame, [normalisation.low, normalisation.high])
    return ((frame - low) / (high - low)).astype(np.float32)


def hot_frame(shape):
    frame = np.random.default_rng(0).normal(100, 15, shape).clip(0, 255).astype(np.uint8)
    frame[3, 4] = 255  # beyond what is cut
    frame[5, 6] = 0
    return frame


@pytest.mark.parametrize("grey", ["percentiles", "full range"])
@torch.no_grad()
def test_what_is_left_of_the_normalisation_is_inside(grey):
    made, frame = card(grey=grey), hot_frame((33, 45))
    inner = network(made)
    ours = torch.from_numpy(normalised(frame, made.normalisation))[None, None]
    assert made.normalisation.kind == "full range" or abs(ours).max() == 1.5
    given = torch.from_numpy(scaled(frame, made.normalisation))[None, None]
    torch.testing.assert_close(
        ExportedNetwork(inner, made)(given),
        with_calibration(logits_of(inner, ours, made.architecture.stride), made.calibration),
        atol=1e-5,
        rtol=1e-5,
    )


@pytest.fixture(scope="module", params=["residual", "ronneberger"])
def written(request):
    """Card, network and ONNX file of each kind of network."""
    for needed in ("onnx", "onnxscript"):
        pytest.importorskip(needed, reason=f"{needed} is not installed")
    made = card(request.param)
    inner = network(made)
    return made, inner, onnx_model(inner, made)


@torch.no_grad()
def test_onnxruntime_computes_the_same_logits_for_any_size(written):
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    made, inner, model = written
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    generator = torch.Generator().manual_seed(3)
    for shape in [(2, 1, 33, 45), (1, 1, 64, 32), (3, 1, 7, 70), (1, 1, 1, 1)]:
        frames = 3 * torch.rand(shape, generator=generator) - 1  # also beyond the range that is cut
        expected = ExportedNetwork(inner, made)(frames).numpy()
        (found,) = session.run(None, {"frames": frames.numpy()})
        np.testing.assert_allclose(found, expected, atol=1e-5)
        assert np.ptp(expected) > 0.05 or shape[-1] == 1


def test_the_file_says_what_it_is(written):
    import onnx

    model = onnx.load_model_from_string(written[2])
    told = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(told["classes"]) == ["background", "dislocation", "stacking fault"]
    assert json.loads(told["class_values"]) == [0, 3, 7]
    assert "percentiles 1 and 99" in told["grey_range"]
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", export.OPSET)]
    (given,), (out,) = model.graph.input, model.graph.output
    sizes = [[d.dim_param or d.dim_value for d in t.type.tensor_type.shape.dim] for t in (given, out)]
    assert sizes == [["n", 1, "y", "x"], ["n", 3, "y", "x"]]
    assert (given.name, out.name) == ("frames", "logits")


def test_the_file_tells_nothing_of_the_machine(written):
    for place in (Path(export.__file__).parent, Path(torch.__file__).parent, Path.home(), Path.cwd()):
        assert str(place).encode() not in written[2]
    assert b".py" not in written[2]


def test_without_the_packages_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(export, "find_spec", lambda name: None)
    made = card()
    with pytest.raises(InputError, match=r"pip install \"napari-glissile\[exchange\]\""):
        onnx_model(network(made), made)
