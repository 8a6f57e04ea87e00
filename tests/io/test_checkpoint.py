import hashlib
import json
import math
import struct

import pytest
import torch

from glissile.defects import DEFAULT_CLASSES
from glissile.errors import InputError
from glissile.io import checkpoint
from glissile.io.checkpoint import load_model, read_card, save_model
from glissile.io.model_card import Architecture, Calibration, Certainty, FramesUsed, ModelCard, Normalisation
from glissile.io.tensor_file import read_tensors, write_tensors


def card(**changes):
    return ModelCard(
        **{
            "classes": DEFAULT_CLASSES,
            "architecture": Architecture(kind="residual", outputs=3, widths=(4, 8), stem=2),
            "normalisation": Normalisation(),
            "recipe": {"name": "glissile"},
            "frames": FramesUsed(training=(0, 20), validation=(10,)),
            "data_hash": "0" * 64,
            "scores": {"holdout": {"dislocation": {"f": 0.5, "precision": None}}},
            "epochs": 3,
            "created": "2025-01-01T00:00:00+00:00",
            "seconds": 12.5,
            "device": "CPU (2 cores)",
            **changes,
        }
    )


def tensors(value=1.0):
    return {
        "a": torch.full((3, 4), value),
        "b.count": torch.tensor(7),
        "t": torch.arange(6.0).reshape(2, 3).T,
    }


def test_what_is_saved_is_loaded(tmp_path):
    written = save_model(tmp_path / "m", tensors(), card())
    loaded, read = load_model(tmp_path / "m")
    assert read == written == read_card(tmp_path / "m")
    assert loaded.keys() == tensors().keys()
    assert all(torch.equal(loaded[k], v) for k, v in tensors().items())
    assert (
        read.weights_sha256 == hashlib.sha256((tmp_path / "m" / "model.safetensors").read_bytes()).hexdigest()
    )


def test_nothing_else_is_left_in_the_folder(tmp_path):
    save_model(tmp_path, tensors(), card())
    save_model(tmp_path, tensors(2), card())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.json", "model.safetensors"]


def test_a_crash_between_the_two_files_leaves_the_new_model_whole(tmp_path, monkeypatch):
    save_model(tmp_path, tensors(1), card(epochs=1))

    def crash(path, text):
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "write_text", crash)
    with pytest.raises(KeyboardInterrupt):
        save_model(tmp_path, tensors(2), card(epochs=2))
    loaded, read = load_model(tmp_path)
    assert read.epochs == 2
    assert float(loaded["a"][0, 0]) == 2


def test_a_crash_while_writing_the_weights_leaves_the_old_model_whole(tmp_path, monkeypatch):
    save_model(tmp_path, tensors(1), card(epochs=1))
    monkeypatch.setattr("safetensors.torch.save", lambda *a, **k: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        save_model(tmp_path, tensors(2), card(epochs=2))
    loaded, read = load_model(tmp_path)
    assert (read.epochs, float(loaded["a"][0, 0])) == (1, 1)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_lost_card_comes_from_the_weights(tmp_path):
    written = save_model(tmp_path, tensors(), card())
    (tmp_path / "model.json").unlink()
    assert read_card(tmp_path) == written


def test_foreign_weights_beside_a_card_are_refused(tmp_path):
    save_model(tmp_path, tensors(), card())
    write_tensors(tmp_path / "model.safetensors", tensors(3), {})
    with pytest.raises(InputError, match="does not belong to"):
        read_card(tmp_path)


def test_no_model(tmp_path):
    with pytest.raises(InputError, match="there is no trained model here"):
        read_card(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x80\x04\x95pickle",
        b"PK\x03\x04zip of a .pt file",
        struct.pack("<Q", 1 << 60) + b"{}",
        b"x" * 5000,
    ],
)
def test_foreign_files_are_one_sentence(tmp_path, content):
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(InputError, match="not a whole safetensors file"):
        load_model(tmp_path)


def test_cut_weights_are_one_sentence(tmp_path):
    save_model(tmp_path, tensors(), card())
    whole = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(whole[:-10])
    with pytest.raises(InputError, match="not a whole safetensors file"):
        load_model(tmp_path)


def broken(tmp_path, **changes):
    """A folder whose card was changed by hand, its hash still right."""
    save_model(tmp_path, tensors(), card())
    path = tmp_path / "model.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**content, **changes}), encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema_version": 99}, "update napari-glissile"),
        ({"architecture": {"kind": "residual", "outputs": 3, "widths": [4, 10**9]}}, "between 1 and 2048"),
        ({"architecture": {"kind": "residual", "outputs": 3, "widths": [64] * 40}}, "architecture.widths"),
        ({"architecture": {"kind": "residual", "outputs": 10**9, "widths": [4, 8]}}, "architecture.outputs"),
        ({"architecture": {"kind": "os.system", "outputs": 3, "widths": [4, 8]}}, "architecture.kind"),
        ({"classes": []}, "classes"),
        ({"architecture": {"kind": "residual", "outputs": 7, "widths": [4, 8]}}, "7 outputs for 2 classes"),
        ({"surprise": 1}, "surprise"),
        ({"\x1b[2J": 1}, r"'\\x1b\[2J': "),
        ({"architecture": {"kind": "residual", "inputs": 3, "outputs": 3, "widths": [4, 8]}}, "inputs"),
        ({"calibration": {"thinning": [0, 0, 0], "offsets": [0, float("nan"), 0]}}, "finite number"),
    ],
)
def test_cards_that_cannot_be_are_refused(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        read_card(broken(tmp_path, **changes))


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", "\x00\x01", '{"a":' + "[" * 200_000])
def test_cards_that_are_no_json(tmp_path, text):
    save_model(tmp_path, tensors(), card())
    (tmp_path / "model.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="not readable as JSON"):
        read_card(tmp_path)


def nested(depth):
    inner = []
    for _ in range(depth):
        inner = [inner]
    return inner


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        (
            {"calibration": Calibration.model_construct(thinning=(0, 0, 0), offsets=(0, math.nan, 0))},
            r"calibration\.offsets\.1: ",
        ),
        ({"seconds": math.inf}, "seconds: "),
        ({"logit_offsets": (math.nan,)}, r"logit_offsets\.0: "),
        ({"recipe": {"a": nested(300)}}, "depth"),
    ],
)
def test_a_card_that_could_not_be_read_again_is_not_written(tmp_path, changes, where):
    old = save_model(tmp_path / "old", tensors(), card())
    for folder in ("old", "new"):
        with pytest.raises(InputError, match=f"{folder}: the model is not saved, .*{where}") as caught:
            save_model(tmp_path / folder, tensors(2), card().model_copy(update=changes))
        assert "\n" not in str(caught.value)
    assert load_model(tmp_path / "old")[1] == old
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", ["thinning", "offsets"])
def test_a_calibration_is_finite(name, wrong):
    with pytest.raises(ValueError, match="finite number"):
        Calibration(**{"thinning": (0, 0, 0), "offsets": (0, 0, 0), name: (0, wrong, 0)})


def test_an_enormous_card_is_not_read(tmp_path):
    save_model(tmp_path, tensors(), card())
    (tmp_path / "model.json").write_text(" " * (5 << 20), encoding="utf-8")
    with pytest.raises(InputError, match="too large"):
        read_card(tmp_path)


def test_every_message_is_one_sentence(tmp_path):
    with pytest.raises(InputError) as caught:
        read_card(broken(tmp_path, surprise=1))
    assert "\n" not in str(caught.value)


def test_tensors_and_texts_return_bit_for_bit(tmp_path):
    odd = {"half": torch.tensor([1.5, float("inf")], dtype=torch.bfloat16), "empty": torch.zeros(0, 3)}
    write_tensors(tmp_path / "x.safetensors", odd, {"note": "µ"})
    read, texts = read_tensors(tmp_path / "x.safetensors")
    assert texts == {"note": "µ"}
    assert all(torch.equal(read[k], v) and read[k].dtype == v.dtype for k, v in odd.items())


def test_the_file_is_not_held_open(tmp_path):
    path = tmp_path / "x.safetensors"
    write_tensors(path, tensors(), {})
    read, _ = read_tensors(path)
    # Were the tensors a view of the file, they would change with it.
    path.write_bytes(bytes(path.stat().st_size))
    assert float(read["a"][0, 0]) == 1


def test_a_card_from_before_there_were_probabilities_knows_none(tmp_path):
    sure = Certainty(temperature=1.5, area_factors=(0.1, None))
    known = {"certainty": sure, "alone_certainty": sure}
    written = save_model(tmp_path, tensors(), card(**known))
    assert read_card(tmp_path) == written
    content = json.loads((tmp_path / "model.json").read_text())
    for name in known:
        del content[name]
    (tmp_path / "model.json").write_text(json.dumps(content))
    assert read_card(tmp_path) == card(weights_sha256=written.weights_sha256)


@pytest.mark.parametrize("name", ["certainty", "alone_certainty"])
@pytest.mark.parametrize("wrong", [{"temperature": 0}, {"area_factors": (1,)}, {"area_factors": (1, -1)}])
def test_impossible_certainty_is_refused(name, wrong):
    with pytest.raises(ValueError, match=r"area_factors|temperature|factors of areas"):
        card(**{name: {"temperature": 1.5, "area_factors": (1, 1), **wrong}})
