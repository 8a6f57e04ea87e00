"""`glissile model`: what it prints, what it writes, and how it refuses bad input."""

import re

import numpy as np
import pandas as pd
import pytest
import torch

from commands import glissile
from glissile.defects import DEFAULT_CLASSES
from glissile.io.checkpoint import read_card, save_model
from glissile.io.model_card import Architecture, FramesUsed, ModelCard, Normalisation
from glissile.learn.reliability import reliability
from glissile.learn.scoring import write_scores
from glissile.learn.unet import build
from glissile.progress import Step

AUTHORED = ("--authors", "A. Author,  B. Author", "--licence", "CC-BY-4.0")


def done(*arguments):
    result = glissile(*arguments)
    assert result.code == 0, result.err
    return result.out


def refused(*arguments):
    result = glissile(*arguments)
    assert result.code == 2
    assert re.fullmatch(r"glissile: .+\n", result.err), result.err
    return result.err


@pytest.fixture
def model(tmp_path):
    a = Architecture(kind="ronneberger", outputs=3, widths=(4, 8))
    card = ModelCard(
        classes=DEFAULT_CLASSES,
        architecture=a,
        normalisation=Normalisation(),
        recipe={"name": "glissile"},
        frames=FramesUsed(training=(0, 9)),
        data_hash="",
        scores_note="too few frames were labelled to hold any out",
        epochs=2,
        created="2025-01-01T00:00:00+00:00",
        seconds=3,
        device="CPU (2 cores)",
    )
    save_model(tmp_path / "twip steel", build(a).state_dict(), card)
    return tmp_path / "twip steel"


@pytest.fixture
def weights(model):
    """Weights of the same network in the published layout."""
    names = {
        "entry": "inc.double_conv",
        "down.0": "down1.maxpool_conv.1.double_conv",
        "up.0": "up1.up",
        "join.0": "up1.conv.double_conv",
        "head": "outc.conv",
    }
    state = {}
    for key, tensor in build(read_card(model).architecture).state_dict().items():
        ours = next(name for name in names if key.startswith(f"{name}."))
        state[names[ours] + key.removeprefix(ours)] = tensor
    torch.save(state, model.parent / "unet.pth")
    return model.parent / "unet.pth"


@pytest.mark.parametrize("command", ["show", "import", "export"])
def test_help_fits_80_columns_and_explains_every_option(command):
    text = done("model", command, "--help")
    assert max(len(line.rstrip()) for line in text.splitlines()) <= 80
    assert not re.search(r"--[a-z-]+ +\S+ +│", text)
    assert "…" not in text


def test_a_model_is_shown(model):
    shown = done("model", "show", model)
    assert "classes: 1 dislocation, 2 stacking fault\n" in shown
    assert "network: U-Net of Ronneberger et al. (2015), channels 4, 8\n" in shown
    assert "trained on 2 frames, 3 s on CPU (2 cores)\n" in shown
    assert "too few frames were labelled" in shown
    assert "there is no trained model here" in refused("model", "show", model.parent)
    assert "absent: there is no such folder" in refused("model", "show", model.parent / "absent")


def test_an_experiment_is_shown_where_its_models_lie(model):
    inside = model.parent / "e.glissile" / "models" / "twip"
    inside.parent.mkdir(parents=True)
    model.rename(inside)
    for command in ("show", "export"):
        said = refused("model", command, model.parent / "e.glissile", *(["a.zip"] * (command == "export")))
        assert f"e.glissile: is an experiment; give one of its models, such as {inside}\n" in said
    assert f"e: is an experiment; give one of its models, such as {inside}\n" in refused(
        "model", "show", model.parent / "e"
    )


def test_an_export_complains_of_what_no_option_mends_first(model, tmp_path, exported, monkeypatch):
    assert "no such folder" in refused("model", "export", tmp_path / "absent", tmp_path / "f.txt")
    assert "no trained model here" in refused("model", "export", tmp_path, tmp_path / "f.txt")
    assert "written as .zip or .onnx" in refused("model", "export", model, tmp_path / "f.txt")
    monkeypatch.setattr("glissile.learn.export.find_spec", lambda name: None)
    for name in ("f.zip", "f.onnx"):
        assert "needs the packages onnx" in refused("model", "export", model, tmp_path / name)
    assert not exported


def test_an_export_says_that_it_takes_the_place_of_another(model, tmp_path, exported):
    (tmp_path / "a.onnx").touch()
    assert "a.onnx, in place of the one before\n" in done("model", "export", model, tmp_path / "a.onnx")


def test_a_network_as_onnx_is_not_imported(tmp_path):
    (tmp_path / "f.onnx").touch()
    said = refused("model", "import", tmp_path / "f.onnx", "--output", tmp_path / "m")
    assert "f.onnx: a network as ONNX cannot be imported; give the package (.zip)" in said


def test_weights_are_imported_and_shown(weights, tmp_path):
    shown = done("model", "import", weights, "--output", tmp_path / "m", "--classes", "line,fault")
    assert "classes: 1 line, 2 fault\n" in shown
    assert f"model in {tmp_path / 'm'}\n" in shown
    shown = done("model", "show", tmp_path / "m")
    assert "imported: from unet.pth\n" in shown
    assert "trained on" not in shown


def test_classes_that_do_not_fit_are_refused(weights, tmp_path):
    given = ("model", "import", weights, "--output", tmp_path / "m")
    assert '--classes "class 1,class 2"' in refused(*given)
    assert "not 1;" in refused(*given, "--classes", "line")
    assert "comes twice" in refused(*given, "--classes", "line,line")
    assert not (tmp_path / "m").exists()


@pytest.fixture
def exported(monkeypatch):
    """What the export is asked for, without the export."""
    asked = []

    def export(*arguments, **options):
        asked.append((arguments, options))
        yield Step(index=1, total=1, message="done")

    for name in ("export_package", "export_onnx"):
        monkeypatch.setattr(f"glissile.exchange.{name}", export)
    return asked


def test_the_name_of_the_output_says_what_is_written(model, tmp_path, exported):
    done("model", "export", model, tmp_path / "a.onnx")
    done("model", "export", model, tmp_path / "a.zip", *AUTHORED, "--softmax", "--sample", tmp_path / "v.tif")
    assert exported[0] == ((model, tmp_path / "a.onnx"), {})
    (folder, output, entry), options = exported[1]
    assert (folder, output, options) == (model, tmp_path / "a.zip", {"sample": tmp_path / "v.tif"})
    assert (entry.name, entry.authors) == ("twip steel", ("A. Author", "B. Author"))
    assert (entry.licence, entry.output) == ("CC-BY-4.0", "probabilities")


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("a.zip", (), "--authors"),
        ("a.zip", AUTHORED[:2], "--licence"),
        ("a.zip", (*AUTHORED[:3], "my own"), "--licence my own: string should match"),
        ("a.zip", ("--authors", "a/b", *AUTHORED[2:]), "--authors"),
        ("a.zip", (*AUTHORED, "--name", "x"), "--name x: string should have at least 5"),
        ("a.onnx", AUTHORED, "leave them out"),
    ],
)
def test_options_that_cannot_be_are_refused(model, tmp_path, exported, name, options, sentence):
    assert sentence in refused("model", "export", model, tmp_path / name, *options)
    assert not exported


def test_show_tells_how_far_probabilities_hold_and_draws_it(model, tmp_path):
    assert "expected calibration error" not in done("model", "show", model)
    assert "nothing was held out" in refused("model", "show", model, "--reliability", tmp_path / "r.png")
    shares = np.array([[0.3, 0.3, 0.9, 0.9], [0.7, 0.7, 0.1, 0.1], [0.0] * 4])
    truths = np.array([1, 1, 0, 0])
    tables = [reliability(shares, truths, DEFAULT_CLASSES, t) for t in (1.0, 1.5)]
    write_scores(model / "reliability.csv", pd.concat(tables))
    told = done("model", "show", model, "--reliability", tmp_path / "r.png")
    assert "probability of dislocation: expected calibration error 20.00% at temperature 1, 20.00%" in told
    assert (tmp_path / "r.png").read_bytes().startswith(b"\x89PNG")
    assert "png, svg or pdf" in refused("model", "show", model, "--reliability", tmp_path / "r.docx")
