import io
import zipfile
from collections.abc import Generator
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
import yaml
from PIL import Image

from glissile.defects import DefectClass
from glissile.errors import InputError
from glissile.exchange import export_onnx, export_package, import_model
from glissile.io.bioimage_zoo import ZooEntry
from glissile.io.checkpoint import has_model, load_model, save_model
from glissile.io.model_card import Architecture, Certainty, FramesUsed, ModelCard, Normalisation
from glissile.learn.references import References
from glissile.learn.unet import build
from glissile.progress import finish
from glissile.segment.predict import Predictor
from glissile.segment.settings import SegmentSettings

CLASSES = (
    DefectClass(value=3, name="dislocation", color="#000000"),
    DefectClass(value=7, name="stacking fault", color="#ffffff"),
)
ENTRY = ZooEntry(name="Faults in steel", authors=("A. Author", "B. Author"), licence="CC-BY-4.0")
MODEL_FILES = ("model.json", "model.safetensors")
# bioimageio.spec does.
leaves_archives_open = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)


@pytest.fixture(autouse=True)
def _exact(monkeypatch):
    monkeypatch.setattr("glissile.segment.predict.quick_precision", lambda device: torch.float32)


def model(folder, grey="percentiles", kind="residual", certainty=None):
    """An untrained network whose outputs differ from pixel to pixel."""
    a = Architecture(kind=kind, outputs=3, widths=(4, 6, 8), stem=2 if kind == "residual" else 1)
    network = build(a, seed=1)
    with torch.no_grad():
        network.head.weight *= 20
        network.head.bias.zero_()
    card = ModelCard(
        classes=CLASSES,
        architecture=a,
        normalisation=Normalisation(kind=grey),
        recipe={"name": "glissile"},
        frames=FramesUsed(training=(0, 9), validation=(4,)),
        data_hash="0" * 64,
        scores={"holdout": {"dislocation": {"f": 0.75}, "stacking_fault": {"f": None}}},
        certainty=certainty,
        epochs=2,
        created="2025-01-01T00:00:00+00:00",
        seconds=3,
        device="CPU",
    )
    save_model(folder, network.state_dict(), card)
    return folder


def video(path, dtype=np.uint8, shape=(2, 150, 170)):
    frames = np.random.default_rng(0).normal(120, 30, shape).clip(0, 255).astype(dtype)
    tifffile.imwrite(path, frames, photometric="minisblack")
    return path


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """Models, and packages of them: of percentiles with a drawn sample, of the full range with a recorded."""
    for needed in ("onnx", "onnxscript"):
        pytest.importorskip(needed, reason=f"{needed} is not installed")
    folder = tmp_path_factory.mktemp("packages")
    finish(export_package(model(folder / "percentiles"), folder / "percentiles.zip", ENTRY))
    entry = ENTRY.model_copy(update={"output": "probabilities"})
    sure = Certainty(temperature=2.5, area_factors=(1, None))
    full = model(folder / "full", grey="full range", kind="ronneberger", certainty=sure)
    finish(export_package(full, folder / "full.zip", entry, sample=video(folder / "video.tif")))
    return folder


def content(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def described(path):
    return yaml.safe_load(content(path)["rdf.yaml"])


@pytest.mark.parametrize("name", ["percentiles", "full"])
def test_a_package_comes_back_as_the_model_it_was(packages, tmp_path, name):
    card = import_model(packages / f"{name}.zip", tmp_path / "back")
    assert card == load_model(packages / name)[1]
    for file in MODEL_FILES:
        assert (tmp_path / "back" / file).read_bytes() == (packages / name / file).read_bytes()
    assert sorted(path.name for path in (tmp_path / "back").iterdir()) == list(MODEL_FILES)


@leaves_archives_open
@pytest.mark.parametrize("name", ["percentiles", "full"])
def test_the_format_is_that_of_the_model_zoo(packages, name):
    spec = pytest.importorskip("bioimageio.spec", reason="bioimageio.spec is not installed")
    found = spec.load_description(packages / f"{name}.zip", perform_io_checks=True)
    assert found.validation_summary.status != "failed", found.validation_summary.format()
    assert found.type == "model"
    assert found.license == "CC-BY-4.0"


@leaves_archives_open
def test_the_model_zoo_computes_what_is_in_the_package(packages):
    core = pytest.importorskip("bioimageio.core", reason="bioimageio.core is not installed")
    for name in ("percentiles", "full"):
        summary = core.test_model(packages / f"{name}.zip")
        assert summary.status == "passed", summary.format()


def scaled(frame, steps):
    """Do to a frame what the description of a package says."""
    (step, cast) = [
        step for step in steps if step["id"] != "ensure_dtype" or step["kwargs"]["dtype"] != "uint8"
    ]
    assert cast == {"id": "ensure_dtype", "kwargs": {"dtype": "float32"}}
    given = step["kwargs"]
    if step["id"] == "scale_linear":
        return (frame * given["gain"] + given["offset"]).astype(np.float32)
    assert step["id"] == "scale_range"
    assert given["axes"] == ["y", "x"]
    low, high = np.percentile(frame, [given["min_percentile"], given["max_percentile"]])
    return ((frame - low) / (high - low + 1e-6)).astype(np.float32)


@pytest.mark.parametrize("name", ["percentiles", "full"])
def test_what_the_package_says_gives_our_outputs(packages, name):
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    files, told = content(packages / f"{name}.zip"), described(packages / f"{name}.zip")
    session = onnxruntime.InferenceSession(files["weights.onnx"], providers=["CPUExecutionProvider"])
    frame = np.random.default_rng(5).normal(100, 40, (61, 94)).clip(0, 255).astype(np.uint8)
    (logits,) = Predictor(packages / name, SegmentSettings(device="cpu")).logits([frame])
    given = scaled(frame, told["inputs"][0]["preprocessing"])
    (found,) = session.run(None, {"frames": given[None, None]})
    np.testing.assert_allclose(found[0], logits, atol=1e-4)
    assert np.ptp(logits) > 0.05


@pytest.mark.parametrize("name", ["percentiles", "full"])
def test_the_test_tensors_are_what_the_network_gives(packages, name):
    files = content(packages / f"{name}.zip")
    given, expected = (np.load(io.BytesIO(files[f"test_{which}.npy"])) for which in ("input", "output"))
    assert given.dtype.name == described(packages / f"{name}.zip")["inputs"][0]["data"]["type"]
    (logits,) = Predictor(packages / name, SegmentSettings(device="cpu")).logits([given[0, 0]])
    if name == "full":
        logits = torch.softmax(torch.from_numpy(logits) / 2.5, dim=0).numpy()
    np.testing.assert_allclose(expected[0], logits, atol=1e-5)
    for which, array in (("input", given[0, 0]), ("output", expected[0])):
        np.testing.assert_array_equal(tifffile.imread(io.BytesIO(files[f"sample_{which}.tif"])), array)


def test_the_sample_is_the_middle_of_the_first_frame(packages, tmp_path):
    given = np.load(io.BytesIO(content(packages / "full.zip")["test_input.npy"]))
    np.testing.assert_array_equal(given[0, 0], tifffile.imread(packages / "video.tif")[0])


def test_the_package_tells_what_a_stranger_needs(packages):
    told = described(packages / "full.zip")
    assert told["name"] == "Faults in steel"
    assert [author["name"] for author in told["authors"]] == ["A. Author", "B. Author"]
    channel, y = told["outputs"][0]["axes"][1:3]
    assert channel["channel_names"] == ["background", "dislocation", "stacking fault"]
    assert y["size"] == {"tensor_id": "frames", "axis_id": "y"}
    assert told["outputs"][0]["postprocessing"] == [
        {"id": "scale_linear", "kwargs": {"gain": 0.4}},
        {"id": "softmax", "kwargs": {"axis": "channel"}},
    ]
    assert described(packages / "percentiles.zip")["outputs"][0]["postprocessing"] == []
    assert told["inputs"][0]["axes"][2]["size"] == {"min": 4, "step": 1}
    text = content(packages / "full.zip")["README.md"].decode()
    assert "## Validation" in text
    assert "| dislocation | - | - | 0.750 | - | - |" in text
    assert "3 dislocation, 7 stacking fault" in text
    assert "recorded micrograph" in text
    assert "drawn micrograph" in content(packages / "percentiles.zip")["README.md"].decode()


def test_the_cover_is_a_small_square(packages):
    cover = content(packages / "full.zip")["cover.png"]
    assert len(cover) < 500_000
    assert Image.open(io.BytesIO(cover)).size == (150, 150)


def test_a_network_alone_is_written_as_onnx(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "glissile.learn.export.onnx_model", lambda network, card: card.normalisation.kind.encode()
    )
    steps = []
    finish(export_onnx(model(tmp_path / "m", grey="flattened"), tmp_path / "m.onnx"), steps.append)
    assert [(step.index, step.total) for step in steps] == [(1, 2), (2, 2)]
    assert (tmp_path / "m.onnx").read_bytes() == b"flattened"


def test_a_work_that_is_stopped_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("glissile.learn.export.onnx_model", lambda network, card: b"onnx")
    work = export_onnx(model(tmp_path / "m"), tmp_path / "m.onnx")
    next(work)
    work.close()
    package = export_package(tmp_path / "m", tmp_path / "m.zip", ENTRY)
    assert [next(package).index, next(package).index] == [1, 2]
    package.close()
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def _end(found):
    """Run a work to its end, where `found` is one."""
    return finish(found) if isinstance(found, Generator) else found


def refused(call, *arguments, **options):
    with pytest.raises(InputError) as caught:
        _end(call(*arguments, **options))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_frames_that_are_flattened_are_not_for_the_model_zoo(tmp_path):
    folder = model(tmp_path / "m", grey="flattened")
    assert "illumination" in refused(export_package, folder, tmp_path / "m.zip", ENTRY)


def test_samples_that_do_not_fit_are_refused(tmp_path):
    full = model(tmp_path / "m", grey="full range")
    for name, dtype, shape, sentence in (
        ("a.tif", np.uint16, (1, 40, 40), "8 bit"),
        ("b.tif", np.uint8, (1, 40, 6), "smaller than 8 px"),
    ):
        sample = video(tmp_path / name, dtype, shape)
        assert sentence in refused(export_package, full, tmp_path / "m.zip", ENTRY, sample=sample)


def test_outputs_have_their_suffix(tmp_path):
    folder = model(tmp_path / "m")
    assert "ends in .zip" in refused(export_package, folder, tmp_path / "m.rar", ENTRY)
    assert "ends in .onnx" in refused(export_onnx, folder, tmp_path / "m.zip")


def foreign(path, outputs=3):
    """Weights in the published layout, taken from our own network."""
    a = Architecture(kind="ronneberger", outputs=outputs, widths=(4, 8, 16))
    names = {"entry": "inc.double_conv", "head": "outc.conv"}
    for i in (0, 1):
        names[f"down.{i}"] = f"down{i + 1}.maxpool_conv.1.double_conv"
        names[f"up.{i}"] = f"up{i + 1}.up"
        names[f"join.{i}"] = f"up{i + 1}.conv.double_conv"
    state = {}
    for key, tensor in build(a, seed=3).state_dict().items():
        ours = next(name for name in names if key.startswith(f"{name}."))
        state[names[ours] + key.removeprefix(ours)] = tensor
    torch.save(state, path)
    return path


def test_foreign_weights_become_a_model_that_predicts(tmp_path):
    card = import_model(foreign(tmp_path / "unet.pth"), tmp_path / "m", CLASSES)
    assert card.classes == CLASSES
    assert card.normalisation.kind == "full range"
    assert (card.recipe["name"], card.recipe["file"]) == ("imported", "unet.pth")
    (mask,) = Predictor(tmp_path / "m", SegmentSettings(device="cpu")).masks([np.zeros((30, 50), np.uint8)])
    assert set(np.unique(mask)) <= {0, 3, 7}


def test_the_number_of_classes_is_that_of_the_network(tmp_path):
    path = foreign(tmp_path / "unet.pth")
    assert '--classes "class 1,class 2"' in refused(import_model, path, tmp_path / "m")
    assert "2 classes from background, not 1;" in refused(import_model, path, tmp_path / "m", CLASSES[:1])
    assert not (tmp_path / "m").exists()


def zoo(path, weights, **changes):
    told = {
        "format_version": "0.5.4",
        "type": "model",
        "name": "Faults",
        "inputs": [{"preprocessing": [{"id": "scale_linear", "kwargs": {"gain": 1 / 255}}]}],
        "outputs": [{"axes": [{"channel_names": ["background", "line", "fault"]}]}],
        "weights": {"pytorch_state_dict": {"source": "net/weights.pt"}},
        **changes,
    }
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("rdf.yaml", yaml.safe_dump(told))
        archive.writestr("net/weights.pt", weights)
    return path


def test_a_foreign_package_of_such_a_network_is_taken(tmp_path):
    weights = foreign(tmp_path / "unet.pth").read_bytes()
    path = zoo(tmp_path / "a.zip", weights)
    assert '--classes "line,fault"' in refused(import_model, path, tmp_path / "m")
    card = import_model(path, tmp_path / "m", CLASSES)
    assert card.recipe["file"] == "a.zip"
    plain = import_model(tmp_path / "unet.pth", tmp_path / "n", CLASSES)
    assert card.weights_sha256 != plain.weights_sha256  # the header tells the file
    ours, theirs = load_model(tmp_path / "m")[0], load_model(tmp_path / "n")[0]
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


def test_a_member_is_blamed_by_its_name_in_the_package(tmp_path):
    path = zoo(tmp_path / "a.zip", b"\x80\x02pickled")
    assert refused(import_model, path, tmp_path / "m", CLASSES).startswith(f"{path}, net/weights.pt: ")
    hostile = zoo(tmp_path / "b.zip", b"{}", config={"glissile": {"model": "net/weights.pt"}})
    assert refused(import_model, hostile, tmp_path / "m").startswith(f"{hostile}, net/weights.pt: ")


def test_a_card_that_does_not_fit_its_weights_is_refused(tmp_path):
    tensors, card = load_model(model(tmp_path / "m"))
    wrong = card.model_copy(update={"architecture": card.architecture.model_copy(update={"widths": (4, 6)})})
    save_model(tmp_path / "wrong", tensors, wrong)
    weights = (tmp_path / "wrong" / "model.safetensors").read_bytes()
    path = zoo(tmp_path / "a.zip", weights, config={"glissile": {"model": "net/weights.pt"}})
    sentence = refused(import_model, path, tmp_path / "back")
    assert sentence.startswith(f"{path}, net/weights.pt: the weights do not fit")
    assert not has_model(tmp_path / "back")


def with_labelled_frames(path, frames):
    """A package with labelled frames, whose network looks at none."""
    tensors, card = load_model(model(path.parent / "m"))
    save_model(path.parent / "m", {**tensors, "references.frames": frames}, card)
    weights = (path.parent / "m" / "model.safetensors").read_bytes()
    return zoo(path, weights, config={"glissile": {"model": "net/weights.pt"}})


def test_weights_larger_than_their_network_are_not_read(tmp_path, monkeypatch):
    path = with_labelled_frames(tmp_path / "a.zip", torch.zeros(9, 1 << 20, dtype=torch.uint8))
    monkeypatch.setattr("glissile.exchange.load_model", None)
    sentence = refused(import_model, path, tmp_path / "back")
    assert sentence.startswith(f"{path}, net/weights.pt: the weights have ")
    assert not (tmp_path / "back").exists()


def test_labelled_frames_that_no_network_looks_at_are_refused(tmp_path):
    path = with_labelled_frames(tmp_path / "a.zip", torch.zeros(1, 4, 4, dtype=torch.uint8))
    sentence = refused(import_model, path, tmp_path / "back")
    assert sentence.startswith(f"{path}, net/weights.pt: holds labelled frames, which its network does not")
    assert not (tmp_path / "back").exists()


def test_classes_of_a_model_of_ours_are_its_own(tmp_path):
    weights = (model(tmp_path / "m") / "model.safetensors").read_bytes()
    path = zoo(tmp_path / "a.zip", weights, config={"glissile": {"model": "net/weights.pt"}})
    assert "3 dislocation, 7 stacking fault" in refused(import_model, path, tmp_path / "n", CLASSES[:1])
    assert import_model(path, tmp_path / "n", CLASSES).classes == CLASSES


def test_a_model_is_not_overwritten(tmp_path):
    path = foreign(tmp_path / "unet.pth")
    for there in (model(tmp_path / "m"), path):
        assert "is there already" in refused(import_model, path, there, CLASSES)
    assert "no such file" in refused(import_model, tmp_path / "none.zip", tmp_path / "n")


def test_nothing_of_a_hostile_archive_reaches_the_disk(tmp_path):
    path = zoo(tmp_path / "a.zip", b"")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../../trap", b"x")
    before = set(Path(tmp_path).parent.iterdir())
    assert "outside of the archive" in refused(import_model, path, tmp_path / "m")
    assert list(tmp_path.iterdir()) == [path]
    assert set(Path(tmp_path).parent.iterdir()) == before


def test_labelled_frames_do_not_go_with_a_package(tmp_path):
    tensors, card = load_model(model(tmp_path / "m"))
    a = card.architecture.model_copy(update={"references": 2})
    tensors = build(a, seed=1).state_dict()
    frames = np.random.default_rng(0).normal(0, 0.2, (3, 64, 64)).astype(np.float32)
    masks = np.random.default_rng(1).choice(np.uint8([0, 1, 2]), frames.shape)
    kept = References(frames, masks, classes=2, looked_at=2).kept()
    save_model(tmp_path / "m", tensors | kept, card.model_copy(update={"architecture": a}))
    finish(export_package(tmp_path / "m", tmp_path / "a.zip", ENTRY))
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert len(archive.read("model.safetensors")) < (tmp_path / "m" / "model.safetensors").stat().st_size
    import_model(tmp_path / "a.zip", tmp_path / "back")
    taken = load_model(tmp_path / "back")[0]
    assert taken.keys() == tensors.keys()
    assert all(torch.equal(taken[name], tensors[name]) for name in tensors)
    seen = Predictor(tmp_path / "back", SegmentSettings(device="cpu")).prepared(np.zeros((64, 64), np.uint8))
    assert len(seen) == 1
