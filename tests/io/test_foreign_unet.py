import os
import pickle
import struct
import zipfile

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from glissile.errors import InputError
from glissile.io.foreign_unet import read_foreign_unet, translated
from glissile.learn.unet import build


class Pair(nn.Module):
    """Twice a convolution of 3 x 3, batch normalisation and ReLU, as the layout was published."""

    def __init__(self, inputs, outputs, *, bias):
        super().__init__()
        self.double_conv = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=bias),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=bias),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
        )

    def forward(self, x):
        return self.double_conv(x)


class Down(nn.Module):
    def __init__(self, inputs, outputs, *, bias):
        super().__init__()
        self.maxpool_conv = nn.Sequential(nn.MaxPool2d(2), Pair(inputs, outputs, bias=bias))

    def forward(self, x):
        return self.maxpool_conv(x)


class Up(nn.Module):
    def __init__(self, inputs, outputs, *, bias):
        super().__init__()
        self.up = nn.ConvTranspose2d(inputs, inputs // 2, kernel_size=2, stride=2)
        self.conv = Pair(inputs, outputs, bias=bias)

    def forward(self, below, beside):
        return self.conv(torch.cat([beside, self.up(below)], dim=1))


class Out(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x):
        return self.conv(x)


class Published(nn.Module):
    """The published network, four times down and up, with narrow channels."""

    def __init__(self, inputs=1, outputs=3, width=4, *, bias=False):
        super().__init__()
        self.inc = Pair(inputs, width, bias=bias)
        for i in range(1, 5):
            coarse = width * 2**i
            setattr(self, f"down{i}", Down(coarse // 2, coarse, bias=bias))
            setattr(self, f"up{5 - i}", Up(coarse, coarse // 2, bias=bias))
        self.outc = Out(width, outputs)

    def forward(self, x):
        x1 = self.inc(x)
        x2 = self.down1(x1)
        x3 = self.down2(x2)
        x4 = self.down3(x3)
        x5 = self.down4(x4)
        x = self.up1(x5, x4)
        x = self.up2(x, x3)
        x = self.up3(x, x2)
        return self.outc(self.up4(x, x1))


def published(seed=0, **changes):
    """With weights and statistics that are all different from one another."""
    torch.manual_seed(seed)
    network = Published(**changes).eval()
    with torch.no_grad():
        for key, tensor in network.state_dict().items():
            if key.endswith("running_var"):
                tensor.uniform_(0.5, 2)
            elif tensor.is_floating_point() and tensor.ndim == 1:
                tensor.uniform_(-0.5, 0.5).add_(1 if key.endswith("weight") else 0)
    return network


def ours(found):
    network = build(found.architecture).eval()
    network.load_state_dict(found.tensors)
    return network


def frames(shape=(2, 1, 48, 80)):
    return torch.rand(shape, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def same(theirs, found, their_input, our_input):
    expected = theirs(their_input)
    assert expected.std() > 0.05  # not all the same, whatever is computed
    torch.testing.assert_close(ours(found)(our_input), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_the_logits_are_those_of_the_published_network(tmp_path, suffix, bias):
    theirs = published(bias=bias)
    path = tmp_path / f"unet{suffix}"
    save = save_file if suffix == ".safetensors" else torch.save
    save(theirs.state_dict(), path)
    found = read_foreign_unet(path)
    assert found.architecture.widths == (4, 8, 16, 32, 64)
    same(theirs, found, frames(), frames())


def test_a_network_for_rgb_sees_grey_as_three_equal_channels():
    theirs = published(inputs=3)
    same(theirs, translated(theirs.state_dict(), "x"), frames().repeat(1, 3, 1, 1), frames())


@torch.no_grad()
def test_a_single_output_is_the_class_and_the_background_is_0():
    theirs = published(outputs=1)
    found = translated(theirs.state_dict(), "x")
    assert found.architecture.outputs == 2
    mask = ours(found)(frames()).argmax(dim=1)
    assert torch.equal(mask.bool(), torch.sigmoid(theirs(frames()))[:, 0] > 0.5)
    assert 0.02 < mask.float().mean() < 0.98


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda state: {"model_state_dict": state, "epoch": 7, "optimizer_state_dict": {}},
        lambda state: {"state_dict": {f"model.{key}": value for key, value in state.items()}},
        lambda state: {f"module.{key}": value for key, value in state.items()},
        lambda state: {**state, "mask_values": [0, 1, 2]},
        lambda state: {key: value.double() for key, value in state.items()},
    ],
    ids=["checkpoint", "lightning", "parallel", "mask values", "double precision"],
)
def test_as_training_programs_save_it(tmp_path, wrapped):
    theirs = published()
    torch.save(wrapped(theirs.state_dict()), tmp_path / "unet.pt")
    same(theirs, read_foreign_unet(tmp_path / "unet.pt"), frames(), frames())


def without(state, *keys):
    return {key: value for key, value in state.items() if key not in keys}


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        (lambda s: without(s, "up2.up.bias"), "'up2.up.bias' is missing"),
        (lambda s: without(s, "outc.conv.weight"), "no whole U-Net"),
        (
            lambda s: without(s, *(f"up{i}.up.{w}" for i in range(1, 5) for w in ("weight", "bias"))),
            "bilinear",
        ),
        (lambda s: {**s, "attention.weight": torch.zeros(1)}, "'attention.weight' in it is no part"),
        (lambda s: {**s, "up1.up.bias": torch.zeros(3)}, r"has the shape \(3,\) and not \(32,\)"),
        (lambda s: {**s, "up1.up.bias": torch.zeros(1).expand(1 << 40)}, "has the shape"),
        (lambda s: {**s, "up1.up.bias": torch.zeros(1).expand(32)}, "'up1.up.bias' repeats fewer numbers"),
        (lambda s: {**s, "up1.up.bias": torch.full((32,), torch.nan)}, "no numbers"),
        (lambda s: {**s, "up1.up.bias": torch.zeros(32, dtype=torch.int64)}, "no numbers"),
        (lambda s: {**s, "inc.double_conv.0.weight": torch.zeros(4, 2, 3, 3)}, "takes 2 channels"),
        (lambda s: {**s, "inc.double_conv.0.weight": torch.zeros(1).expand(9999, 1, 3, 3)}, "9999"),
        (lambda s: {**s, "inc.double_conv.0.weight": torch.zeros(4)}, "no whole U-Net"),
        (lambda s: {"encoder.weight": torch.zeros(2)}, "begin with 'encoder.weight'"),
    ],
)
def test_what_is_no_such_network_is_refused_by_name(changed, sentence):
    with pytest.raises(InputError, match=sentence) as refused:
        translated(changed(published().state_dict()), "unet.pth")
    assert str(refused.value).startswith("unet.pth: ")
    assert "\n" not in str(refused.value)


class Hostile:
    def __init__(self, place):
        self.place = place

    def __reduce__(self):
        return os.mkdir, (self.place,)


def refused(path):
    with pytest.raises(InputError) as caught:
        read_foreign_unet(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_code_in_a_file_of_weights_is_not_run(tmp_path):
    path, trap = tmp_path / "unet.pth", tmp_path / "trap"
    torch.save({"inc.double_conv.0.weight": Hostile(str(trap))}, path)
    assert "Python objects" in refused(path)
    path.write_bytes(pickle.dumps(Hostile(str(trap))))
    assert "without running code" in refused(path)
    torch.save(Hostile(str(trap)), path, _use_new_zipfile_serialization=False)
    assert "without running code" in refused(path)
    assert not trap.exists()


def test_a_whole_network_is_asked_for_its_weights(tmp_path):
    torch.save(nn.Conv2d(1, 1, 1), tmp_path / "unet.pth")
    assert "torch.save(network.state_dict(), FILE)" in refused(tmp_path / "unet.pth")


def test_a_compressed_file_of_weights_is_not_unpacked(tmp_path):
    torch.save(published().state_dict(), tmp_path / "plain.pth")
    with (
        zipfile.ZipFile(tmp_path / "plain.pth") as plain,
        zipfile.ZipFile(tmp_path / "unet.pth", "w", zipfile.ZIP_DEFLATED) as squeezed,
    ):
        for info in plain.infolist():
            squeezed.writestr(info.filename, plain.read(info))
    assert "not written by torch.save" in refused(tmp_path / "unet.pth")


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.pth", b"", "without running code"),
        ("a.h5", b"\x89HDF\r\n\x1a\n", "without running code"),
        ("a.pth", b"PK\x03\x04 and then nothing", "not a whole zip file"),
        ("a.safetensors", struct.pack("<Q", 1 << 60) + b"{}", "not a whole safetensors file"),
    ],
)
def test_other_files_are_refused(tmp_path, name, content, sentence):
    (tmp_path / name).write_bytes(content)
    assert sentence in refused(tmp_path / name)


@pytest.mark.parametrize("content", [[], torch.zeros(3), {}, {"a": "text"}, "text"])
def test_files_without_named_tensors_are_refused(tmp_path, content):
    torch.save(content, tmp_path / "a.pt")
    refused(tmp_path / "a.pt")


def saved_with(path, bias):
    torch.save({**published().state_dict(), "up1.up.bias": bias}, path)
    return path


def test_a_number_that_is_repeated_to_be_large_is_refused(tmp_path):
    path = saved_with(tmp_path / "a.pt", torch.zeros(1).expand(32))
    assert "'up1.up.bias' repeats fewer numbers than it has places for" in refused(path)


@pytest.mark.filterwarnings("ignore")  # torch is to give up some of these kinds
@pytest.mark.parametrize(
    "kind",
    [
        torch.Tensor.to_sparse,
        lambda tensor: tensor.to("meta"),
        lambda tensor: torch.quantize_per_tensor(tensor, 0.1, 0, torch.qint8),
        lambda tensor: torch.nested.nested_tensor([tensor]),
    ],
    ids=["sparse", "without numbers", "quantised", "nested"],
)
def test_tensors_of_other_kinds_are_refused(tmp_path, kind):
    path = saved_with(tmp_path / "a.pt", kind(torch.zeros(32)))
    assert "'up1.up.bias' in it is no plain tensor" in refused(path)


def test_small_kinds_of_numbers_are_read():
    state = published().state_dict()
    bias = state["up1.up.bias"].to(torch.float8_e4m3fn)
    found = translated({**state, "up1.up.bias": bias}, "x")
    assert torch.equal(found.tensors["up.0.bias"], bias.float())


def test_a_torchscript_program_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.pt", "w") as written:
        for member in ("a/data.pkl", "a/constants.pkl", "a/code/__torch__.py"):
            written.writestr(member, b"")
    assert "TorchScript" in refused(tmp_path / "a.pt")
