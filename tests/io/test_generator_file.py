"""Generators of every known format give the same numbers, and what is none is refused."""

import argparse
import io
import json
import pickle
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from stylegan_files import (
    SOURCE,
    Call,
    EasyDict,
    Named,
    Part,
    all_tensors,
    network,
    rosinality_state,
    write,
)
from stylegan_fixtures import FIXTURES, needs_fixtures

from glissile.errors import InputError
from glissile.gan.discriminator import Discriminator
from glissile.gan.randomised import random_generator, randomise
from glissile.gan.sampler import Sampler
from glissile.io.generator_card import DiscriminatorShape, GeneratorCard, GeneratorShape, TrainingData
from glissile.io.generator_file import (
    read_generator,
    read_generator_card,
    tensors_sha256,
    write_generator,
)
from glissile.io.generator_state import FILTER, discriminator_tensors, generator_tensors

NETWORK = {"resolution": 16, "channels": 1, "widths": (8, 8, 6)}
MAPPING = {"z_dim": 10, "w_dim": 10, "mapping_layers": 2, "mapping_width": 10}
SHAPE = GeneratorShape(**NETWORK, **MAPPING, clamp=256)
SHAPES = {
    "snapshot": SHAPE,
    "fp32": SHAPE.model_copy(update={"clamp": None}),
    "deep mapping": SHAPE.model_copy(update={"mapping_layers": 8, "mapping_lr": 0.02}),
    "classes": GeneratorShape(**NETWORK, **{**MAPPING, "mapping_width": 12}, c_dim=3, embedding=6),
    "resnet": GeneratorShape(**{**NETWORK, "channels": 3}, **MAPPING, clamp=256, architecture="resnet"),
    "orig": GeneratorShape(**NETWORK, **MAPPING, architecture="orig"),
    "no noise": GeneratorShape(**NETWORK, **MAPPING, noise=False),
}
CRITIC = DiscriminatorShape(**NETWORK, mapping_layers=8, clamp=256, group=8)
TRAINING = {"class_name": "x", "path": "/home/kim/steel.zip", "max_size": 3000, "xflip": True}


def state(shape=SHAPE, seed=1):
    return all_tensors(generator_tensors(shape), random_generator(shape, seed)[0].state_dict())


def critic_state(shape=CRITIC):
    critic = Discriminator(shape)
    randomise(critic, 5)
    return all_tensors(discriminator_tensors(shape), critic.state_dict())


def snapshot(shape=SHAPE, *, source=SOURCE, training=TRAINING, **options):
    return {
        "training_set_kwargs": training,
        "G": network(shape, state(shape, seed=2), source=source, **options),
        "D": network(CRITIC, critic_state(), top="Discriminator", source=source),
        "G_ema": network(shape, state(shape), source=source, **options),
        "augment_pipe": Part("AugmentPipe", buffers={"p": torch.tensor(0.3)}, source=source),
    }


def same(found, expected):
    expected = {name: tensor for name, tensor in expected.items() if not name.endswith(FILTER)}
    assert list(found) == list(expected)
    for name, tensor in found.items():
        assert tensor.dtype == torch.float32
        assert tensor.is_contiguous()
        assert torch.equal(tensor, expected[name]), name


def refused(path):
    with pytest.raises(InputError) as problem:
        read_generator(path)
    said = str(problem.value)
    assert said.startswith(f"{path}: ")
    assert "\n" not in said
    assert len(said.removeprefix(str(path))) < 500
    return said


@needs_fixtures
@pytest.mark.parametrize("name", ["tiny_layout_nosource_p4.pkl", "tiny_layout_nosource_p3_np1.pkl"])
def test_official_files_give_the_official_images(name):
    with np.load(FIXTURES / "tiny_layout_expected.npz") as found:
        expected = dict(found)
    sampler = Sampler.open(FIXTURES / name, device="cpu")
    ws = sampler.map(expected["z"])
    assert np.abs(ws - expected["w"].reshape(len(ws), -1, ws.shape[-1])).max() <= 5e-6
    for key, same_network in (("img_const", True), ("img_G_not_ema", False)):
        difference = np.abs(sampler.images(ws) - expected[key]).max()
        assert bool(difference <= 1e-5 * np.abs(expected[key]).max()) is same_network
    card = sampler.card
    assert (card.trained, card.training_data.description, card.training_data.images) == (True, "tiny.zip", 10)
    assert card.shape.clamp == 256
    found = read_generator(FIXTURES / name, discriminator=True)
    shape, tensors = found.discriminator
    assert (shape.architecture, shape.group, shape.clamp, shape.widths) == ("resnet", 4, 256, (8, 8, 8))
    Discriminator(shape).load_state_dict(tensors)


def test_file_names_that_are_no_text(tmp_path):
    path = tmp_path / "a\udcff.pkl"
    try:
        write(path, snapshot())
    except OSError:
        pytest.skip("there is no such name here")
    assert read_generator_card(path).name == "a?"


@needs_fixtures
def test_both_official_files_have_the_same_hash():
    cards = [read_generator_card(path) for path in sorted(FIXTURES.glob("tiny_layout_*.pkl"))]
    assert len(cards) == 2
    assert cards[0].weights_sha256 == cards[1].weights_sha256


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("kind", SHAPES)
def test_snapshots_of_all_protocols(tmp_path, kind, protocol):
    shape = SHAPES[kind]
    path = tmp_path / "network-snapshot-000400.pkl"
    write(path, snapshot(shape, source=SOURCE * 200), protocol, old_numpy=protocol < 4)
    found = read_generator(path)
    same(found.tensors, state(shape))
    assert found.discriminator is None
    card = found.card
    assert card.shape == shape
    assert (card.trained, card.kimg, card.name) == (True, 400, path.stem)
    assert card.training_data == TrainingData(description="steel.zip, mirrored left to right", images=3000)
    assert (card.origin.file, card.origin.format) == (path.name, "StyleGAN2-ADA snapshot")
    assert card.weights_sha256 == tensors_sha256(state(shape))


VARIANTS = {
    "published": (lambda: snapshot(training=None), "published", None),
    "fork": (lambda: snapshot(epochs=1, training={**TRAINING, "yflip": False}), "dvschultz", True),
    "blended": (lambda: {k: v for k, v in snapshot(epochs=1).items() if k.startswith("G")}, "dvsch", None),
    "stylegan3's": (lambda: snapshot(flat=True), "StyleGAN3 program", True),
    "G_ema only": (lambda: {"G_ema": network(SHAPE, state())}, "generator alone", None),
    "one key": (lambda: {"network": network(SHAPE, state())}, "generator alone", None),
    "bare": (lambda: network(SHAPE, state()), "generator alone", None),
}


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("variant", VARIANTS)
def test_variants(tmp_path, variant, protocol):
    content, said, trained = VARIANTS[variant]
    found = read_generator(write(tmp_path / "a.pkl", content(), protocol))
    same(found.tensors, state())
    assert found.card.shape == SHAPE
    assert found.card.trained is trained
    assert said in found.card.origin.format


def test_before_the_first_image_nothing_is_said_to_be_trained(tmp_path):
    card = read_generator_card(write(tmp_path / "network-snapshot-000000.pkl", snapshot()))
    assert (card.trained, card.kimg) == (None, 0)


@pytest.mark.parametrize("protocol", [2, 4])
def test_the_discriminator_is_read_when_asked_for(tmp_path, protocol):
    shape, tensors = read_generator(
        write(tmp_path / "a.pkl", snapshot(), protocol), discriminator=True
    ).discriminator
    assert shape == CRITIC
    same(tensors, critic_state())
    only = write(tmp_path / "b.pkl", {"G_ema": network(SHAPE, state())})
    assert read_generator(only, discriminator=True).discriminator is None


def test_a_frozen_discriminator_keeps_its_names(tmp_path):
    content = snapshot()
    block = content["D"].modules["b16"]
    for part in (block.modules["fromrgb"], block.modules["conv0"]):
        part.buffers.update({key: value.detach() for key, value in part.parameters.items()})
        part.parameters.clear()
    shape, tensors = read_generator(write(tmp_path / "a.pkl", content), discriminator=True).discriminator
    assert shape == CRITIC
    assert {name: tensor.shape for name, tensor in tensors.items()} == {
        name: tensor.shape for name, tensor in critic_state().items() if not name.endswith(FILTER)
    }


@pytest.mark.parametrize("kind", [torch.float64, torch.float16, torch.bfloat16])
def test_weights_of_other_precision(tmp_path, kind):
    given = {name: tensor.to(kind) for name, tensor in state().items()}
    found = read_generator(write(tmp_path / "a.pkl", {"G_ema": network(SHAPE, given)}))
    same(found.tensors, {name: tensor.float() for name, tensor in given.items()})


def test_views_and_other_orders_of_axes(tmp_path):
    given = state()
    for name, tensor in given.items():
        if tensor.dim() == 4:
            given[name] = tensor.to(memory_format=torch.channels_last)
        elif tensor.dim() == 2:
            given[name] = torch.cat([tensor * 0, tensor]).t().contiguous().t()[len(tensor) :]
    assert not given["mapping.fc0.weight"].is_contiguous()
    same(read_generator(write(tmp_path / "a.pkl", snapshot_of(given))).tensors, state())


def snapshot_of(given, shape=SHAPE, **attributes):
    return {"G_ema": network(shape, given, **attributes)}


def rosinality(shape=None, *, mean=True):
    shape = shape or GeneratorShape(**{**NETWORK, "channels": 3}, **{**MAPPING, "mapping_layers": 4})
    given = state(shape)
    optimiser = {"state": {0: {"step": 3, "exp_avg": torch.zeros(3)}}, "param_groups": [{"lr": 0.002}]}
    content = {
        "g": rosinality_state(shape, state(shape, seed=2)),
        "d": {"convs.0.0.weight": torch.zeros(2, 3, 1, 1)},
        "g_ema": rosinality_state(shape, given),
        "g_optim": optimiser,
        "args": argparse.Namespace(size=16, path="/home/kim/lmdb", mixing=0.9),
        "ada_aug_p": torch.tensor(0.2),
    }
    if mean:
        content["latent_avg"] = given["mapping.w_avg"]
    return shape, given, content


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("channels", [1, 3])
def test_rosinality(tmp_path, channels, zipped):
    shape = GeneratorShape(**{**NETWORK, "channels": channels}, **{**MAPPING, "mapping_layers": 8})
    _, given, content = rosinality(shape)
    path = tmp_path / "550000.pt"
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    found = read_generator(path)
    assert found.card.shape == shape
    assert "rosinality" in found.card.origin.format
    assert sorted(found.tensors) == sorted(name for name in given if not name.endswith(FILTER))
    for name, tensor in found.tensors.items():
        assert torch.equal(tensor, given[name]), name
    assert found.card.weights_sha256 == tensors_sha256(given)


def test_rosinality_without_the_mean_of_w(tmp_path):
    shape, _, content = rosinality(mean=False)
    torch.save(content, tmp_path / "a.pt")
    sampler = Sampler.open(tmp_path / "a.pt", device="cpu")
    ws = sampler.map(np.random.RandomState(7).randn(20_000, shape.z_dim))[:, 0]
    assert np.abs(sampler.w_mean - ws.mean(axis=0)).max() < 0.06 * ws.std(axis=0).max()
    torch.save(content, tmp_path / "b.pt")
    again = read_generator(tmp_path / "b.pt").tensors
    assert np.array_equal(again["mapping.w_avg"].numpy(), sampler.w_mean)


def test_rosinality_with_something_else_in_it(tmp_path):
    _, _, content = rosinality()
    content["g_ema"]["convs.0.conv.wei"] = torch.zeros(3)
    torch.save(content, tmp_path / "a.pt")
    assert "'convs.0.conv.wei'" in refused(tmp_path / "a.pt")
    del content["g_ema"]
    torch.save(content, tmp_path / "b.pt")
    assert "g_ema" in refused(tmp_path / "b.pt")


CARD = GeneratorCard(
    name="Steel",
    shape=SHAPE,
    trained=False,
    kimg=1200.5,
    licence="CC-BY-4.0",
    training_data=TrainingData(description="µ 3000 images", images=3000, sha256="ab" * 32),
)


def ours(folder, name="steel.safetensors", **changed):
    return write_generator(folder / name, state(), CARD.model_copy(update=changed)), folder / name


def test_our_format_keeps_everything(tmp_path):
    card, path = ours(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["steel.json", "steel.safetensors"]
    assert card == CARD.model_copy(update={"weights_sha256": tensors_sha256(state())})
    found = read_generator(path)
    assert found.card == card == read_generator_card(path)
    assert {name: tensor.shape for name, tensor in found.tensors.items()}.keys() == {
        name for name in state() if not name.endswith(FILTER)
    }
    assert all(torch.equal(tensor, state()[name]) for name, tensor in found.tensors.items())
    assert json.loads((tmp_path / "steel.json").read_text(encoding="utf-8"))["notice"].startswith("Synthetic")
    (tmp_path / "steel.json").unlink()
    assert read_generator(path).card == card


def test_a_converted_checkpoint_is_the_same_generator(tmp_path):
    before = read_generator(write(tmp_path / "network-snapshot-000400.pkl", snapshot()))
    written = write_generator(tmp_path / "a.safetensors", before.tensors, before.card)
    assert written == before.card
    after = read_generator(tmp_path / "a.safetensors")
    assert after.card == before.card
    assert all(torch.equal(tensor, before.tensors[name]) for name, tensor in after.tensors.items())


def test_a_card_may_be_completed_in_the_json_file(tmp_path):
    card, path = ours(tmp_path)
    beside = tmp_path / "steel.json"
    written = json.loads(beside.read_text(encoding="utf-8"))
    for changed, fid in (
        ({**written, "fid": 12.5}, 12.5),
        ({**written, "fid": 12.5, "weights_sha256": "0" * 64}, None),
        ({**written, "fid": 12.5, "shape": {**written["shape"], "clamp": 1.0}}, None),
        ({"fid": 12.5}, None),
        ([], None),
    ):
        beside.write_text(json.dumps(changed), encoding="utf-8")
        assert read_generator_card(path).fid == fid
    beside.write_bytes(b"\xff{")
    assert read_generator_card(path) == card


def test_the_card_of_our_files_needs_no_torch(tmp_path):
    _, path = ours(tmp_path)
    code = (
        "import sys, pathlib; from glissile.io.generator_file import read_generator_card\n"
        "print(read_generator_card(pathlib.Path(sys.argv[1])).name, 'torch' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert ran.stdout == "Steel False\n"


def test_our_files_are_checked(tmp_path):
    card, path = ours(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert "other weights than its card says" in refused(path)
    path.write_bytes(whole[:-8])
    assert "not a whole safetensors file" in refused(path)
    path.write_bytes(whole)
    found = load_file(path)
    texts = {"glissile_generator": card.model_dump_json()}
    name = "synthesis.b8.conv0.bias"
    for changed, said in (
        ({name: found[name][:-1]}, "other tensors"),
        ({name: found[name] * float("nan")}, "no numbers"),
        ({name: found[name].to(torch.int32)}, "no numbers"),
        ({"more": found[name] + 1}, "other tensors"),
    ):
        save_file({**found, **changed}, path, texts)
        assert said in refused(path)
    save_file(found, path)
    assert "no card" in refused(path)
    for text, said in (
        ("[]", "not usable"),
        ("{", "not readable"),
        ("[" * 100_000, "not readable"),
        (json.dumps({"schema_version": 99}), "update napari-glissile"),
        (card.model_dump_json().replace('"resolution":16', '"resolution":17'), "not usable"),
    ):
        save_file(found, path, {"glissile_generator": text})
        assert said in refused(path)


def test_a_header_whose_length_looks_like_a_pickle(tmp_path):
    for length in range(300):
        _, path = ours(tmp_path, licence="x" * length)
        if path.read_bytes()[:1] == b"\x80":
            break
    assert path.read_bytes()[:1] == b"\x80"
    assert read_generator(path).card.name == "Steel"


def test_nothing_strange_is_written(tmp_path):
    tensors = state()
    with pytest.raises(InputError, match="other tensors than its card says"):
        write_generator(
            tmp_path / "a.safetensors", tensors, CARD.model_copy(update={"shape": SHAPES["orig"]})
        )
    tensors["mapping.w_avg"] = tensors["mapping.w_avg"] * float("inf")
    with pytest.raises(InputError, match="no numbers"):
        write_generator(tmp_path / "a.safetensors", tensors, CARD)
    with pytest.raises(InputError, match="choose such a name"):
        write_generator(tmp_path / "a.pkl", state(), CARD)
    assert not list(tmp_path.iterdir())


OTHERS = {
    "StyleGAN3": lambda: {
        "G_ema": Part(
            "Generator",
            modules={"synthesis": Part("SynthesisNetwork", modules={"input": Part("SynthesisInput")})},
        )
    },
    "EG3D": lambda: {"G_ema": Part("TriPlaneGenerator", modules={"decoder": Part("OSGDecoder")})},
    "Projected GAN": lambda: {
        "G": network(SHAPE, state()),
        "D": Part("D", attributes={"x": Call(Named("pg_modules.discriminator", "MultiScaleD"), ())}),
    },
    "StyleGAN-XL": lambda: {
        "G": Part(
            "SuperresGenerator",
            modules={"a": Part("SynthesisInput")},
            attributes={"x": Call(Named("torch.nn.modules.sparse", "Embedding"), ())},
        )
    },
    "TensorFlow": lambda: (Call(Named("dnnlib.tflib.network", "Network"), (), {"version": 4}),) * 3,
}


@pytest.mark.parametrize("protocol", [3, 4])
@pytest.mark.parametrize("family", OTHERS)
def test_other_networks_are_refused_by_name(tmp_path, family, protocol):
    said = refused(write(tmp_path / "a.pkl", OTHERS[family](), protocol))
    assert family in said
    assert "choose a checkpoint of StyleGAN2-ADA" in said


@pytest.mark.parametrize("zipped", [True, False])
def test_lucidrains_is_refused_by_name(tmp_path, zipped):
    content = {"GAN": {"G.initial_block": torch.zeros(3)}, "version": "1.8.9"}
    torch.save(content, tmp_path / "model_7.pt", _use_new_zipfile_serialization=zipped)
    assert "lucidrains" in refused(tmp_path / "model_7.pt")


def test_files_of_something_else_are_refused(tmp_path):
    cases = {
        "empty.pkl": (b"", "no file of a generator"),
        "text.pkl": (b"hello", "no file of a generator"),
        "old.pkl": (pickle.dumps({"G_ema": 1}, 0), "no file of a generator"),
        "list.pkl": (pickle.dumps([1, 2]), "G_ema"),
        "number.pkl": (pickle.dumps({"G_ema": 3}), "G_ema"),
        "two.pkl": (pickle.dumps({"a": 1, "b": 2}), "G_ema"),
        "protocol.pkl": (b"\x80\x06.", "protocol"),
        "cut.pkl": (b"\x80\x04", "cut short"),
        "a.safetensors": (b"\x02\0\0\0\0\0\0\0{}", "card"),
        "b.safetensors": (b"\x02\0\0\0\0\0\0\0{", "not a whole safetensors file"),
        "long.safetensors": (b"\xff" * 8 + b"{}", "no file of a generator"),
        "c.pt": (b"PK\x03\x04", "not a whole zip file"),
    }
    for name, (content, said) in cases.items():
        (tmp_path / name).write_bytes(content)
        assert said in refused(tmp_path / name)
    assert "no such file" in refused(tmp_path / "missing.pkl")
    assert "no such file" in refused(tmp_path)


def test_zip_files_of_something_else_are_refused(tmp_path):
    path = tmp_path / "a.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "hello")
    assert "torch.save did not write" in refused(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(zipfile.ZipInfo(""), "hello")
    assert "has no name" in refused(path)
    saved = io.BytesIO()
    torch.save(rosinality()[2], saved)
    with zipfile.ZipFile(saved) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    root = next(iter(members)).split("/")[0]

    def repacked(changed, method=zipfile.ZIP_STORED):
        with zipfile.ZipFile(path, "w", method) as archive:
            for name, content in {**members, **changed}.items():
                if content is not None:
                    archive.writestr(name, content)
        return path

    read_generator(repacked({}))
    assert "torch.save did not write" in refused(repacked({}, zipfile.ZIP_DEFLATED))
    assert "TorchScript" in refused(repacked({f"{root}/constants.pkl": b""}))
    assert "big-endian" in refused(repacked({f"{root}/byteorder": b"big"}))
    assert "damaged" in refused(repacked({f"{root}/data/0": None}))
    assert "damaged" in refused(repacked({f"{root}/data/0": b"1"}))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda g: g.modules["synthesis"].modules["b8"].modules["conv0"].attributes.update(conv_clamp=3),
            "limits",
        ),
        (
            lambda g: (
                g.modules["synthesis"].modules["b8"].modules["conv0"].attributes.update(activation="relu")
            ),
            "activ",
        ),
        (
            lambda g: g.modules["mapping"].modules["fc1"].attributes.update(bias_gain=0.5),
            "scales its mapping",
        ),
        (
            lambda g: g.modules["mapping"].modules["fc1"].attributes.update(bias_gain=float("nan")),
            "scales its map",
        ),
        (
            lambda g: [
                g.modules["mapping"].modules[f"fc{i}"].attributes.update(bias_gain=-1) for i in (0, 1)
            ],
            "lr",
        ),
        (lambda g: g.modules["mapping"].modules.pop("fc0"), "mapping"),
        (lambda g: g.modules["mapping"].buffers.update(w_avg=torch.full((10,), float("nan"))), "no numbers"),
        (lambda g: g.modules["mapping"].buffers.update(w_avg=torch.zeros(10, dtype=torch.int64)), "floating"),
        (lambda g: g.modules["mapping"].buffers.update(w_avg=torch.zeros(1).expand(10)), "fewer numbers"),
        (lambda g: g.modules["mapping"].buffers.update(w_avg="text"), "damaged"),
        (lambda g: g.modules["mapping"].modules.update(fc1="text"), "damaged"),
        (lambda g: g.modules["mapping"].modules.update(again=nested(9)), "damaged"),
        (
            lambda g: (
                g.modules["synthesis"].modules["b8"].buffers.update(resample_filter=torch.ones(4, 4) / 16)
            ),
            "filter",
        ),
        (lambda g: g.attributes.update(_modules=[]), "damaged"),
        (lambda g: g.modules["mapping"].buffers.update({"x" * 5000: torch.zeros(1)}), "other keys"),
        (lambda g: g.modules["mapping"].buffers.update({"x" * 500: torch.zeros(1)}), "damaged"),
    ],
)
def test_generators_that_cannot_be_built_are_refused(tmp_path, change, said):
    generator = network(SHAPE, state())
    change(generator)
    assert said in refused(write(tmp_path / "a.pkl", {"G_ema": generator}))


def nested(depth):
    return Part("Generator", modules={"deeper": nested(depth - 1)} if depth else {})


def test_attributes_of_easydict_come_through(tmp_path):
    content = {**snapshot(), "training_set_kwargs": EasyDict(path="C:\\Users\\kim\\steel.zip", max_size=-3)}
    data = read_generator(write(tmp_path / "a.pkl", content)).card.training_data
    assert (data.description, data.images) == ("steel.zip", None)
