"""Hostile files: nothing in them is run, and a small one takes neither much memory nor much time."""

import io
import pickle
import subprocess
import sys
import tracemalloc
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from stylegan_files import Call, Named, Part, Writer, all_tensors, network, rosinality_state, write

from glissile.errors import InputError
from glissile.gan.discriminator import Discriminator
from glissile.gan.randomised import random_generator
from glissile.io.generator_card import DiscriminatorShape, GeneratorShape
from glissile.io.generator_file import read_generator, tensors_sha256
from glissile.io.generator_state import discriminator_tensors, generator_tensors
from glissile.io.pickle_values import PLAIN, Span
from glissile.io.restricted_pickle import read_pickle
from glissile.io.unreadable import Budget, UnreadableError

SHAPE = GeneratorShape(
    resolution=8, channels=1, widths=(3, 2), z_dim=4, w_dim=4, mapping_layers=2, mapping_width=4, clamp=256
)


def state():
    return all_tensors(generator_tensors(SHAPE), random_generator(SHAPE, 1)[0].state_dict())


def generator(**attributes):
    return network(SHAPE, state(), **attributes)


def read(data):
    return read_pickle(io.BytesIO(data), 0, len(data), PLAIN, Budget())[0]


texts = st.text(st.characters(codec="utf-8"), max_size=20)
plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**100), 2**100)
    | st.floats(allow_nan=False)
    | texts
    | st.binary(min_size=1, max_size=20),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(texts, inner),
    max_leaves=20,
)


@given(plain, st.integers(2, 5))
@settings(max_examples=200, deadline=None)
def test_plain_values_come_out_as_from_pickle(value, protocol):
    data = pickle.dumps(value, protocol)
    found, end = read_pickle(io.BytesIO(b"12" + data + b"34"), 2, len(data) + 4, PLAIN, Budget())
    assert end == len(data) + 2
    assert found == value
    assert repr(found) == repr(value)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_long_bytes_and_texts_stay_in_the_file(protocol):
    data = bytes(range(256)) * 40
    found = read(pickle.dumps([data, "ä" * 5000, data[:100]], protocol))
    assert isinstance(found[0], Span)
    file, start, end = found[0].opened()
    file.seek(start)
    assert file.read(end - start) == data
    assert isinstance(found[1], Span)
    assert found[2] == data[:100]


@given(st.binary(max_size=200), st.integers(2, 5))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_read_or_refused(data, protocol):
    with suppress(UnreadableError):
        read(b"\x80" + bytes([protocol]) + data)


PAYLOADS = {
    "os.system": Call(Named("os", "system"), ("touch canary",)),
    "posix.system": Call(Named("posix", "system"), ("touch canary",)),
    "builtins.eval": Call(Named("builtins", "eval"), ("open('canary', 'w').close()",)),
    "builtins.exec": Call(Named("builtins", "exec"), ("open('canary', 'w').close()",)),
    "builtins.open": Call(Named("builtins", "open"), ("canary", "w")),
    "pathlib.Path.touch": Call(Named("pathlib", "Path.touch"), (Path("canary"),)),
    "subprocess.check_call": Call(Named("subprocess", "check_call"), (["touch", "canary"],)),
}
NEVER = [
    *PAYLOADS.values(),
    Call(Named("torch", "load"), ("canary",)),
    Call(Named("torch.serialization", "load"), ("canary",)),
    Call(Named("numpy", "load"), ("canary",)),
    Call(Named("numpy", "fromfile"), ("canary",)),
    Call(Named("numpy.core.multiarray", "_reconstruct"), (Named("numpy", "ndarray"), (0,), b"b")),
    Call(Named("builtins", "getattr"), ("a", "upper")),
    Call(Named("builtins", "__import__"), ("os",)),
    Call(Named("operator", "attrgetter"), ("a",)),
    Call(Named("functools", "partial"), (print,)),
    Call(Named("torch._utils", "_rebuild_device_tensor_from_numpy"), (1, 2, 3, False)),
    Call(Named("torch.nn.modules.linear", "Linear"), (1000, 1000)),
    Call(Named("collections", "OrderedDict.fromkeys"), ("abc",)),
    Call(Named("glissile.atomic", "write_text"), (Path("canary"), "")),
]


@pytest.mark.skipif(sys.platform == "win32", reason="the payloads are for a POSIX shell")
@pytest.mark.parametrize("name", PAYLOADS)
def test_the_payloads_are_live(tmp_path, name, monkeypatch):
    """Else the other tests would show nothing."""
    monkeypatch.chdir(tmp_path)
    with write(tmp_path / "a.pkl", PAYLOADS[name]).open("rb") as file:
        found = pickle.load(file)
    if hasattr(found, "close"):
        found.close()
    assert (tmp_path / "canary").exists()


def nested(payload, protocol=2):
    """Call of torch's own reader of storages, on a stream in which there is something else."""
    stream = io.BytesIO()
    for value in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}):
        pickle.dump(value, stream, protocol)
    written = io.BytesIO()
    Writer(written, protocol).dump(payload)
    stream.write(written.getvalue())
    pickle.dump([], stream, protocol)
    return Call(Named("torch.storage", "_load_from_bytes"), (stream.getvalue(),))


def tensor_of(storage, size=(4,), stride=(1,), offset=0):
    return Call(Named("torch._utils", "_rebuild_tensor_v2"), (storage, offset, size, stride, False, {}))


def with_tensor(tensor):
    content = generator()
    content.modules["mapping"].buffers["w_avg"] = tensor
    return content


PLACES = {
    "top": lambda payload: payload,
    "beside": lambda payload: {"G_ema": generator(), "more": payload},
    "attribute": lambda payload: {"G_ema": generator(more=payload)},
    "module": lambda payload: {"G_ema": Part("Generator", modules={"synthesis": payload})},
    "tensor": lambda payload: {"G_ema": with_tensor(payload)},
    "storage": lambda payload: {"G_ema": with_tensor(tensor_of(payload))},
    "nested": lambda payload: {"G_ema": with_tensor(tensor_of(nested(payload)))},
    "call of it": lambda payload: {"G_ema": Call(payload, (1,))},
}


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("payload", NEVER, ids=lambda p: f"{p.function.module}.{p.function.name}")
def test_nothing_is_run(tmp_path, monkeypatch, place, payload, protocol):
    monkeypatch.chdir(tmp_path)
    if place == "call of it":
        payload = payload.function
    path = write(tmp_path / "a.pkl", PLACES[place](payload), protocol)
    with pytest.raises(InputError) as refused:
        read_generator(path)
    assert "never run" in str(refused.value)
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize("name", PAYLOADS)
def test_what_lies_in_storages_that_nobody_asks_for_is_not_looked_at(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    shape = DiscriminatorShape(resolution=8, channels=1, widths=(3, 2))
    sizes = discriminator_tensors(shape)
    critic = network(shape, all_tensors(sizes, Discriminator(shape).state_dict()), top="Discriminator")
    critic.modules["b4"].parameters = {}
    critic.modules["b4"].modules["fc"].parameters["bias"] = tensor_of(nested(PAYLOADS[name]), (3,))
    path = write(tmp_path / "a.pkl", {"G_ema": generator(), "D": critic})
    assert read_generator(path).card.weights_sha256 == tensors_sha256(state())
    with pytest.raises(InputError, match="never run"):
        read_generator(path, discriminator=True)
    assert not (tmp_path / "canary").exists()


def test_embedded_source_is_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for source in ("open('canary', 'w')", "open('canary', 'w')\n" * 1000):
        content = network(SHAPE, state(), source=source)
        found = read_generator(write(tmp_path / "a.pkl", content))
        assert found.card.weights_sha256 == tensors_sha256(state())
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("name", PAYLOADS)
def test_nothing_is_run_in_torch_files(tmp_path, monkeypatch, name, zipped):
    monkeypatch.chdir(tmp_path)
    payload = PAYLOADS[name]

    class Evil:
        def __reduce__(self):
            import importlib

            function = importlib.import_module(payload.function.module)
            for part in payload.function.name.split("."):
                function = getattr(function, part)
            return function, payload.arguments

    shape = SHAPE.model_copy(update={"clamp": None})
    content = {"g_ema": rosinality_state(shape, state()), "args": Evil()}
    torch.save(content, tmp_path / "a.pt", _use_new_zipfile_serialization=zipped)
    with pytest.raises(InputError, match="never run"):
        read_generator(tmp_path / "a.pt")
    assert not (tmp_path / "canary").exists()


P = b"\x80\x04"
DOUBLED = P + b")\x94" + b"".join(b"h%ch%c\x86\x94" % (i, i) for i in range(100)) + b"."
HOSTILE = {
    "lists": P + b"]" * 3_000_000,
    "marks": P + b"(" * 3_000_000,
    "dicts": P + b"}\x94" * 2_000_000,
    "nested lists": P + b"]" * 240_000 + b"a" * 239_999 + b".",
    "nested tuples": P + b")" + b"\x85" * 150_000 + b".",
    "nested dicts": P + b"}" + b"}\x8c\x01a" * 120_000 + b".",
    "bytes of 4 EiB": P + b"\x8e" + (1 << 62).to_bytes(8, "little") + b"a",
    "text of 4 GiB": P + b"X\xff\xff\xff\xffa",
    "number of 255 bytes": P + b"\x8a\xff" + b"\x01" * 255 + b".",
    "number of 1 GiB": P + b"\x8b\xff\xff\xff\x3f" + b"\x01" * 100,
    "memo at the end": P + b")r\xff\xff\xff\xff.",
    "memo without a value": P + b"h\x01.",
    "empty stack": P + b"\x85.",
    "mark below": P + b"1.",
    "doubled": DOUBLED,
    "itself": P + b"]\x94h\x00a.",
    "itself as a key": P + b"}\x94h\x00h\x00s.",
    "tuple as a key": P + b"})Ns.",
    "odd items": P + b"}(Nu.",
    "append to text": P + b"\x8c\x01aNa.",
    "call of text": P + b"\x8c\x01a)R.",
    "build of text": P + b"\x8c\x01aNb.",
    "persistent": P + b")Q.",
    "extension": P + b"\x82\x01.",
    "instance": P + b"(ios\nsystem\n.",
    "object": P + b"(o.",
    "reduce of protocol 0": b"cos\nsystem\n(S'ls'\ntR.",
    "buffer": P + b"\x97.",
    "name without an end": P + b"c" + b"a" * 100_000,
    "name that is no text": P + b"NN\x93.",
    "surrogates": P + b"\x8c\x03\xed\xa0\x80.",
    "no text": P + b"\x8c\x01\xff.",
    "numpy type": P + b"cnumpy\ndtype\n\x8c\x0a<f8,<f8,<f8\x85R.",
    "numpy order": P + b"cnumpy\ndtype\n\x8c\x02f8\x85R(K\x03\x8c\x01<tb(K\x03\x8c\x01<tb.",
    "numpy object": P + b"cnumpy\ndtype\n\x8c\x01O\x85R.",
    "numpy number": P + b"cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\n\x8c\x02f8\x85RC\x01a\x86R.",
    "encoding": P + b"c_codecs\nencode\n\x8c\x01a\x8c\x03rot\x86R.",
    "letters beyond": P + b"c_codecs\nencode\n\x8c\x03\xe2\x82\xac\x8c\x06latin1\x86R.",
    "ordered pairs": P + b"ccollections\nOrderedDict\n]\x85R.",
    "frame beyond": P + b"\x95" + b"\xff" * 8 + b"N.",
    "protocol twice": P + P + b"N.",
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", HOSTILE)
def test_small_hostile_files_are_refused_in_little_memory(tmp_path, name):
    path = tmp_path / "a.pkl"
    path.write_bytes(HOSTILE[name])
    tracemalloc.start()
    try:
        with pytest.raises(InputError) as refused:
            read_generator(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 120 << 20
    assert len(str(refused.value)) < 500


def claiming(count):
    """Stream of a storage that has 4 numbers and claims to have `count`."""
    stream = io.BytesIO()
    torch.save(torch.zeros(4)._typed_storage(), stream, _use_new_zipfile_serialization=False)
    data = stream.getvalue()
    assert data.count(b"K\x04N") == 1
    claimed = b"\x8a\x08" + count.to_bytes(8, "little")
    data = data.replace(b"K\x04N", claimed + b"N")
    return data[:-24] + count.to_bytes(8, "little") + data[-16:]


def stored(data):
    return Call(Named("torch.storage", "_load_from_bytes"), (data,))


GOOD = claiming(4)
TENSORS = {
    "repeated": tensor_of(stored(GOOD), (4,), (0,), 3),
    "repeated in bounds": tensor_of(stored(GOOD), (4,), (0,)),
    "beyond": tensor_of(stored(GOOD), (4,), (1,), 1),
    "far beyond": tensor_of(stored(GOOD), (4,), (1,), 1 << 39),
    "strides beyond": tensor_of(stored(GOOD), (4,), (2,)),
    "huge strides": tensor_of(stored(GOOD), (4,), (1 << 62,)),
    "before": tensor_of(stored(GOOD), (4,), (1,), -1),
    "backwards": tensor_of(stored(GOOD), (4,), (-1,), 3),
    "other axes": tensor_of(stored(GOOD), (4,), (1, 1)),
    "many axes": tensor_of(stored(GOOD), (1,) * 64, (1,) * 64),
    "truth": tensor_of(stored(GOOD), (True,), (1,)),
    "fractions": tensor_of(stored(GOOD), (4.0,), (1,)),
    "negative": tensor_of(stored(GOOD), (-4,), (1,)),
    "claims more": tensor_of(stored(claiming(1 << 40))),
    "claims far more": tensor_of(stored(claiming((1 << 63) - 1))),
    "claims less": tensor_of(stored(GOOD[:-24] + (2).to_bytes(8, "little") + GOOD[-16:])),
    "cut": tensor_of(stored(GOOD[:-4])),
    "no stream": tensor_of(stored(b"")),
    "list": tensor_of(nested([1])),
    "storage without numbers": tensor_of(nested(Part("x"))),
    "no storage": tensor_of("text"),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", TENSORS)
def test_tensors_that_are_larger_than_their_numbers_are_refused(tmp_path, name):
    path = write(tmp_path / "a.pkl", with_tensor(TENSORS[name]))
    tracemalloc.start()
    try:
        with pytest.raises(InputError):
            read_generator(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10 << 20


def test_the_tensors_of_these_tests_are_read_where_nothing_is_wrong(tmp_path):
    content = with_tensor(tensor_of(stored(GOOD)))
    assert read_generator(write(tmp_path / "a.pkl", content)).tensors["mapping.w_avg"].tolist() == [0] * 4


@pytest.mark.timeout(60)
def test_one_storage_for_many_large_tensors_is_refused(tmp_path):
    shape = GeneratorShape(
        resolution=256,
        channels=1,
        widths=(512,) * 7,
        z_dim=4,
        w_dim=4,
        mapping_layers=1,
        mapping_width=4,
        clamp=256,
    )
    shared = torch.zeros(512 * 512 * 9)
    tensors = {
        name: shared[: torch.Size(size).numel()].view(size) for name, size in generator_tensors(shape).items()
    }
    filters = all_tensors(tensors, {})
    for name in tensors:
        if name.endswith("resample_filter"):
            tensors[name] = filters[name]
    content = network(shape, tensors)
    data = io.BytesIO()
    torch.save(shared._typed_storage(), data, _use_new_zipfile_serialization=False)
    once = stored(data.getvalue())
    _share(content, once)
    path = write(tmp_path / "a.pkl", content)
    assert path.stat().st_size < 12 << 20
    with pytest.raises(InputError, match="more weights than fit"):
        read_generator(path)


def _share(part, storage):
    for group in (part.parameters, part.buffers):
        for name, tensor in group.items():
            group[name] = tensor_of(storage, tuple(tensor.shape), tensor.stride())
    for child in part.modules.values():
        _share(child, storage)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("which", ["_modules", "_buffers"])
def test_parts_that_hold_one_part_many_times_are_refused(tmp_path, which):
    part = Part("Leaf", buffers={f"a{i}": None for i in range(10_000)} if which == "_buffers" else {})
    for _ in range(8):
        part = Part("Twice", modules={f"m{i}": part for i in range(16)})
    with pytest.raises(InputError, match="more involved"):
        read_generator(write(tmp_path / "a.pkl", part))


@pytest.mark.timeout(60)
def test_values_that_double_again_and_again_are_no_matter_where_nobody_looks(tmp_path):
    value = ()
    for _ in range(100):
        value = (value, value)
    found = read_generator(write(tmp_path / "a.pkl", generator(more=value)))
    assert found.card.weights_sha256 == tensors_sha256(state())


def test_archives_with_large_tables_of_contents_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.pt", "w") as archive:
        archive.writestr("a/data.pkl", b"0" * ((64 << 20) + 1))
    with pytest.raises(InputError, match="not read"):
        read_generator(tmp_path / "a.pt")
    (tmp_path / "a.pt").unlink()


FUZZ = Path(__file__).with_name("mutate_generators.py")


@pytest.mark.timeout(280)
@pytest.mark.parametrize("kind", ["p2", "p4", "zip", "stream"])
def test_mutated_files_are_refused_or_read_and_never_run(tmp_path, kind):
    shape = SHAPE.model_copy(update={"clamp": None})
    path = tmp_path / "a.bin"
    if kind.startswith("p"):
        write(
            path, {"G": generator(), "G_ema": generator(), "training_set_kwargs": {"path": "a"}}, int(kind[1])
        )
    else:
        content = {"g_ema": rosinality_state(shape, state()), "latent_avg": torch.zeros(4)}
        torch.save(content, path, _use_new_zipfile_serialization=kind == "zip")
    read_generator(path)
    ran = subprocess.run(
        [sys.executable, str(FUZZ), str(path), "80"],
        capture_output=True,
        text=True,
        timeout=270,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    read_again, refused = map(int, ran.stdout.split())
    assert read_again + refused == 80
    assert refused > 10
