import copy
import sys
import time
import zipfile
from pathlib import Path

import pytest
import yaml

from glissile.errors import InputError
from glissile.io.archives import open_archive
from glissile.io.foreign_package import PackagedWeights, find_weights

FOREIGN = {
    "format_version": "0.5.4",
    "type": "model",
    "name": "Faults",
    "inputs": [{"id": "raw", "preprocessing": [{"id": "scale_linear", "kwargs": {"gain": 1 / 255}}]}],
    "outputs": [
        {
            "id": "classes",
            "axes": [{"type": "batch"}, {"type": "channel", "channel_names": ["Background", "fault"]}],
            "postprocessing": [{"id": "softmax", "kwargs": {"axis": "channel"}}],
        }
    ],
    "weights": {"pytorch_state_dict": {"source": "weights.pt", "architecture": {"callable": "UNet"}}},
}
OURS = {"type": "model", "name": "Ours", "config": {"glissile": {"model": "model.safetensors"}}}


def changed(*place, to, of=FOREIGN):
    described = copy.deepcopy(of)
    inner = described
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = to
    return described


def package(path, described, *members, name="rdf.yaml"):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, described if isinstance(described, str) else yaml.safe_dump(described))
        for member in members:
            archive.writestr(member, b"")
    return path


def found(path):
    with open_archive(path) as archive:
        return find_weights(archive)


def refused(path):
    with pytest.raises(InputError) as caught:
        found(path)
    sentence = str(caught.value)
    assert sentence.startswith(f"{path}: ")
    assert sentence.isprintable()
    assert len(sentence) < len(str(path)) + 400
    return sentence


@pytest.mark.parametrize("name", ["rdf.yaml", "bioimageio.yaml"])
def test_our_own_weights_are_found(tmp_path, name):
    path = package(tmp_path / "a.zip", OURS, "model.safetensors", name=name)
    assert found(path) == PackagedWeights("model.safetensors", ours=True)


def test_a_foreign_u_net_is_found_with_its_classes(tmp_path):
    path = package(tmp_path / "a.zip", FOREIGN, "weights.pt")
    assert found(path) == PackagedWeights("weights.pt", ours=False, class_names=("fault",))


def test_a_sigmoid_over_a_single_channel_is_left_out(tmp_path):
    described = changed("outputs", 0, "postprocessing", to=[{"id": "sigmoid"}])
    described = changed("outputs", 0, "axes", 1, "channel_names", to=["inside"], of=described)
    assert found(package(tmp_path / "a.zip", described, "weights.pt")).class_names == ()


@pytest.mark.parametrize(
    ("described", "sentence"),
    [
        (changed("type", to="dataset"), "no model but a 'dataset'"),
        (changed("format_version", to="0.3.2"), "format '0.3.2'; only 0.5"),
        (changed("weights", to={"tensorflow_js": {"source": "x"}}), "weights of the kind 'tensorflow_js'"),
        (changed("weights", to=7), "weights of the kind none"),
        (
            changed("weights", "pytorch_state_dict", "source", to="other.pt"),
            "'other.pt' are not in",
        ),
        (changed("weights", "pytorch_state_dict", "source", to="https://a.b/c.pt"), "are not in"),
        (changed("inputs", 0, "preprocessing", to=[{"id": "zero_mean"}]), "preprocessing 'zero_mean'"),
        (changed("inputs", 0, "preprocessing", to=[]), "preprocessing none"),
        (changed("inputs", 0, "preprocessing", 0, "kwargs", to={"gain": 2.0}), "'scale_linear'; only"),
        (changed("inputs", 0, "preprocessing", 0, "kwargs", "offset", to=-1.0), "'scale_linear'; only"),
        (changed("inputs", to="none"), "preprocessing none"),
        (changed("outputs", 0, "postprocessing", to=[{"id": "sigmoid"}]), "postprocessing 'sigmoid'"),
        (changed("outputs", 0, "postprocessing", to=[{"id": "stardist"}]), "postprocessing 'stardist'"),
        (changed("name", to="\x1b[2J" + "x" * 5000 + "\n", of=changed("weights", to={})), "the model '"),
        (
            changed("config", "glissile", "model", to="../model.safetensors", of=OURS),
            "are not in",
        ),
        ([1, 2], "describes nothing"),
        ("", "describes nothing"),
        ("a: [", "not plain YAML"),
        ("a: !!python/object/apply:os.mkdir [trap]", "not plain YAML"),
        ("[" * 5000, "not plain YAML"),
        ("a: " + "9" * 20_000, "not plain YAML"),
        ("type: 0x" + "f" * 20_000, "no model but a int"),
        (changed("inputs", 0, "preprocessing", to=[{"id": "zero_mean"}] * 1000), "'zero_mean'; only"),
        ("x" * (300 << 10), "may have"),
    ],
)
def test_other_packages_are_refused_by_name(tmp_path, described, sentence):
    assert sentence in refused(package(tmp_path / "a.zip", described, "weights.pt"))
    assert list(tmp_path.iterdir()) == [tmp_path / "a.zip"]


def test_mappings_that_grow_without_end_are_refused_at_once(tmp_path):
    lines = ["a0: &a0 {k0: 1, k1: 1}"]
    for i in range(1, 40):
        copies = ", ".join([f"*a{i - 1}"] * 9)
        lines.append(f"a{i}: &a{i} {{<<: [{copies}]}}")
    begun = time.monotonic()
    assert "not plain YAML" in refused(package(tmp_path / "a.zip", "\n".join(lines)))
    assert time.monotonic() - begun < 20


def laughing(place, levels=40):
    """A description with a value at `place` that a few bytes of aliases make larger than any memory."""
    more = [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, levels)]
    described = changed(*place, to="LAUGHTER")
    return "\n".join(
        [
            "a0: &a0 [ha, ha, ha, ha, ha, ha, ha, ha, ha]",
            *more,
            yaml.safe_dump(described).replace("LAUGHTER", f"*a{levels - 1}"),
        ]
    )


PLACES = {
    "type": ("type",),
    "name": ("name",),
    "version": ("format_version",),
    "source": ("weights", "pytorch_state_dict", "source"),
    "before": ("inputs", 0, "preprocessing", 0, "id"),
    "after": ("outputs", 0, "postprocessing", 0, "id"),
    "class": ("outputs", 0, "axes", 1, "channel_names", 1),
}


@pytest.fixture
def little_memory():
    """Fail where a test would fill the memory, and the machine with it."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (512 << 20), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the limit of memory is that of Linux")
@pytest.mark.usefixtures("little_memory")
@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_aliases_are_never_written_out(tmp_path, place):
    path = package(tmp_path / "a.zip", laughing(place), "weights.pt")
    if place[0] == "name":
        assert found(path).member == "weights.pt"
    elif "axes" in place:
        assert found(path).class_names == ()
    else:
        refused(path)
    refused(package(tmp_path / "b.zip", laughing(place).replace("weights.pt", "other.pt"), "weights.pt"))


def test_a_description_may_repeat_itself_by_aliases(tmp_path):
    text = yaml.safe_dump(FOREIGN).replace("name: Faults", "name: &n fault").replace("- fault", "- *n")
    described = text.replace("name: &n fault\n", "")
    path = package(tmp_path / "a.zip", f"name: &n fault\n{described}", "weights.pt")
    assert found(path).class_names == ("fault",)


@pytest.mark.parametrize("names", [["background", "\x1b[2J"], ["background", "x" * 99], ["background", 7]])
def test_names_of_classes_that_cannot_be_shown_are_left_out(tmp_path, names):
    described = changed("outputs", 0, "axes", 1, "channel_names", to=names)
    assert found(package(tmp_path / "a.zip", described, "weights.pt")).class_names == ()


def test_an_archive_without_a_description_is_no_package(tmp_path):
    assert "rdf.yaml is missing" in refused(package(tmp_path / "a.zip", "", name="else.txt"))
