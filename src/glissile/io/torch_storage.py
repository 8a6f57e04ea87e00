"""Tensors in files of `torch.save`, old streams and zip archives, read without torch's own loader.

That loader trusts a file, or depends on its version for how little it trusts it. Here numbers are only
copied from the file once they are asked for, and never more of them than the file has.
"""

import io
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from glissile.io.archives import Archive
from glissile.io.pickle_values import PLAIN, Global, Maker, Span, no_call
from glissile.io.restricted_pickle import read_pickle
from glissile.io.unreadable import DAMAGED, Budget, UnreadableError

if TYPE_CHECKING:
    from torch import Tensor

MAGIC = 0x1950A86A20F9469CFC6C
"""First thing in a stream of `torch.save` before torch 1.6."""

_VERSION = 1001
_BFLOAT16 = "bfloat16"
_KINDS = {
    "torch.FloatStorage": "<f4",
    "torch.DoubleStorage": "<f8",
    "torch.HalfStorage": "<f2",
    "torch.BFloat16Storage": _BFLOAT16,
    "torch.LongStorage": "<i8",
    "torch.IntStorage": "<i4",
    "torch.ShortStorage": "<i2",
    "torch.CharStorage": "|i1",
    "torch.ByteStorage": "|u1",
    "torch.BoolStorage": "|b1",
}
_FLOATS = {"<f4", "<f8", "<f2", _BFLOAT16}
_MOST_AXES = 8
_MOST_STORAGES = 20_000
_PICKLE_LIMIT_BYTES = 64 << 20
_SMALLEST_FLOAT_BYTES = 2
_SLACK_BYTES = 1 << 20
Bytes = NDArray[np.uint8]


@dataclass
class Storage:
    """Numbers in a file.

    Attributes
    ----------
    kind : str
        numpy's name of their type, or "bfloat16".
    count : int
        How many there are.
    source : callable, optional
        Reads their bytes; None until it is known where they are.
    """

    kind: str
    count: int
    source: Callable[[], Bytes] | None = None

    @property
    def nbytes(self) -> int:
        """Size in the file."""
        return self.count * (2 if self.kind == _BFLOAT16 else np.dtype(self.kind).itemsize)

    def opened(self, _: Budget) -> "Storage":
        """Return the storage itself; see `NestedStorage`."""
        return self

    def numbers(self) -> NDArray[np.floating[Any]]:
        """Read all of them.

        Raises
        ------
        UnreadableError
            If they are no floating-point numbers, or not all there.
        """
        if self.source is None or self.kind not in _FLOATS:
            raise UnreadableError("holds weights that are no floating-point numbers; get the file again")
        data = self.source()
        if data.size != self.nbytes:
            raise UnreadableError("is cut short; copy it again")
        if self.kind == _BFLOAT16:
            return (data.view("<u2").astype("<u4") << 16).view("<f4")
        return data.view(self.kind)


class NestedStorage(NamedTuple):
    """Numbers in a stream of `torch.save` that lies, as bytes, in a pickle."""

    data: bytes | Span

    @property
    def nbytes(self) -> int:
        """Size in the file, at least that of the numbers."""
        return len(self.data) if isinstance(self.data, bytes) else self.data.length

    def opened(self, budget: Budget) -> Storage:
        """Read the stream, up to its numbers; UnreadableError where it is none, or holds anything else."""
        if isinstance(self.data, bytes):
            file, start, end = io.BytesIO(self.data), 0, len(self.data)
            found = read_stream(file, start, end, _STORAGES, budget)
        else:
            found = read_stream(*self.data.opened(), _STORAGES, budget)
        if not isinstance(found, Storage):
            raise UnreadableError(DAMAGED)
        return found


class StoredTensor(NamedTuple):
    """A tensor whose numbers are still in the file; sizes and strides are not checked against them."""

    storage: Storage | NestedStorage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


def _tensor(arguments: tuple[object, ...]) -> object:
    match arguments:
        case (
            Storage() | NestedStorage() as storage,
            int() as offset,
            tuple() as size,
            tuple() as stride,
            *_,
        ):
            counts = [offset, *size, *stride]
            plain = all(type(count) is int and 0 <= count < 1 << 40 for count in counts)
            if plain and len(size) == len(stride) <= _MOST_AXES:
                return StoredTensor(storage, offset, size, stride)
    raise UnreadableError(DAMAGED)


def _parameter(arguments: tuple[object, ...]) -> object:
    match arguments:
        case (StoredTensor() as tensor, *_):
            return tensor
    raise UnreadableError(DAMAGED)


def _nested(arguments: tuple[object, ...]) -> object:
    match arguments:
        case (bytes() as data,):
            return NestedStorage(data)
        case (Span(kind="bytes" | "latin1") as data,):
            return NestedStorage(data)
    raise UnreadableError(DAMAGED)


_STORAGES: Mapping[str, Maker] = dict.fromkeys(_KINDS, no_call)
_TENSORS: Mapping[str, Maker] = {
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
}
IN_PICKLES: Mapping[str, Maker] = {**PLAIN, **_TENSORS, "torch.storage._load_from_bytes": _nested}
"""Names in pickles that tensors are part of."""

IN_TORCH_FILES: Mapping[str, Maker] = {**PLAIN, **_TENSORS, **_STORAGES}
"""Names in files of `torch.save` that hold states of networks."""


class _Storages:
    """The storages of one file, by their key."""

    def __init__(self) -> None:
        self.by_key: dict[str, Storage] = {}

    def find(self, named: tuple[object, ...]) -> Storage:
        match named:
            case ("storage", Global(name=name), str() as key, str(), int() as count, *view) if name in _KINDS:
                if view not in ([], [None]) or not 0 <= count < 1 << 40:
                    raise UnreadableError("shares storages in a way that is not read; save it again")
                found = self.by_key.setdefault(key, Storage(_KINDS[name], count))
                if (found.kind, found.count) == (_KINDS[name], count) and len(self.by_key) <= _MOST_STORAGES:
                    return found
        raise UnreadableError(DAMAGED)


def is_stream(file: BinaryIO, size: int) -> bool:
    """Whether a file of `size` bytes begins as those that `read_stream` reads."""
    try:
        found, _ = read_pickle(file, 0, size, {}, Budget(instructions=4))
    except UnreadableError:
        return False
    return found == MAGIC


def read_stream(file: BinaryIO, start: int, end: int, allowed: Mapping[str, Maker], budget: Budget) -> object:
    """Read what `torch.save` wrote before torch 1.6, or still writes for a single storage.

    Parameters
    ----------
    file : file object
        Open for reading bytes; must stay open until the tensors are read.
    start, end : int
        Where the stream lies in it.
    allowed : mapping of str to callable
        See `restricted_pickle.read_pickle`.
    budget : Budget
        Is spent.

    Returns
    -------
    object
        With `StoredTensor` or `Storage` for tensors.

    Raises
    ------
    UnreadableError
        If it is no such stream, is cut short, or holds anything else.
    """
    magic, at = read_pickle(file, start, end, {}, budget)
    version, at = read_pickle(file, at, end, {}, budget)
    system, at = read_pickle(file, at, end, {}, budget)
    if (magic, version) != (MAGIC, _VERSION) or not isinstance(system, dict):
        raise UnreadableError(DAMAGED)
    if system.get("little_endian") is not True:
        raise UnreadableError("was written by a big-endian machine and is not read; save it again on another")
    storages = _Storages()
    found, at = read_pickle(file, at, end, allowed, budget, persistent=storages.find)
    keys, at = read_pickle(file, at, end, {}, budget)
    if not isinstance(keys, list):
        raise UnreadableError(DAMAGED)
    for key in keys:
        storage = storages.by_key.get(key) if isinstance(key, str) else None
        if storage is None:
            raise UnreadableError(DAMAGED)
        file.seek(at)
        at += 8
        if at + storage.nbytes > end:
            raise UnreadableError("is cut short; copy it again")
        if int.from_bytes(file.read(8), "little") != storage.count:
            raise UnreadableError(DAMAGED)
        storage.source = partial(_bytes_at, file, at, storage.nbytes)
        at += storage.nbytes
    return found


def _bytes_at(file: BinaryIO, start: int, count: int) -> Bytes:
    file.seek(start)
    found = np.frombuffer(bytearray(count), np.uint8)
    file.readinto(found)  # type: ignore[attr-defined]
    return found


def read_zip(archive: Archive, budget: Budget) -> object:
    """Read what `torch.save` of torch 1.6 or newer wrote.

    Parameters
    ----------
    archive : Archive
        Must stay open until the tensors are read.
    budget : Budget
        Is spent.

    Returns
    -------
    object
        With `StoredTensor` or `Storage` for tensors.

    Raises
    ------
    UnreadableError
        If it is no such archive, or holds anything but states of networks.
    InputError
        If the archive is damaged.
    """
    content = next((name for name in archive.members if name.endswith("/data.pkl")), None)
    if content is None or any(info.compress_type for info in archive.members.values()):
        raise UnreadableError("is a zip archive that torch.save did not write; choose a file of weights")
    root = content.removesuffix("data.pkl")
    if f"{root}constants.pkl" in archive.members:
        raise UnreadableError("is a TorchScript program, which is never run; choose a file of weights")
    order = f"{root}byteorder"
    if order in archive.members and archive.read(order, most_bytes=16) != b"little":
        raise UnreadableError("was written by a big-endian machine and is not read; save it again on another")
    pickled = archive.read(content, most_bytes=_PICKLE_LIMIT_BYTES)
    storages = _Storages()
    found, _ = read_pickle(
        io.BytesIO(pickled), 0, len(pickled), IN_TORCH_FILES, budget, persistent=storages.find
    )
    for key, storage in storages.by_key.items():
        member = f"{root}data/{key}"
        info = archive.members.get(member)
        if info is None or info.file_size != storage.nbytes:
            raise UnreadableError(DAMAGED)
        storage.source = partial(_member_bytes, archive, member, storage.nbytes)
    return found


def _member_bytes(archive: Archive, member: str, count: int) -> Bytes:
    return np.frombuffer(archive.read(member, most_bytes=count), np.uint8).copy()


def tensors_of(stored: Mapping[str, StoredTensor], budget: Budget, *, file_bytes: int) -> "dict[str, Tensor]":
    """Read tensors from their file.

    Parameters
    ----------
    stored : mapping of str to StoredTensor
        Those that are wanted.
    budget : Budget
        Is spent.
    file_bytes : int
        Size of the file: there cannot be more numbers than it holds.

    Returns
    -------
    dict of str to Tensor
        float32, contiguous, in memory of their own.

    Raises
    ------
    UnreadableError
        If a tensor reaches beyond its storage, repeats its numbers, or is not finite.
    """
    total = sum(math.prod(tensor.size) for tensor in stored.values())
    if total * _SMALLEST_FLOAT_BYTES > file_bytes + _SLACK_BYTES:
        raise UnreadableError("claims to hold more weights than fit in it; get the file again")
    # Each tensor has its storage read: where many share a large one, that would take for ever.
    if sum(tensor.storage.nbytes for tensor in stored.values()) > file_bytes + _SLACK_BYTES:
        raise UnreadableError("keeps many weights in one place, as no known program does; get the file again")
    return {name: _read(name, tensor, budget) for name, tensor in stored.items()}


def _read(name: str, stored: StoredTensor, budget: Budget) -> "Tensor":
    import torch

    storage = stored.storage.opened(budget)
    last = stored.offset + sum((n - 1) * step for n, step in zip(stored.size, stored.stride, strict=True))
    repeated = any(step == 0 and n > 1 for n, step in zip(stored.size, stored.stride, strict=True))
    claimed = max(last + 1, stored.offset + math.prod(stored.size))
    if 0 in stored.size or repeated or claimed > storage.count:
        raise UnreadableError(f"holds fewer numbers of {name!r} than it claims; get the file again")
    numbers = storage.numbers()
    steps = tuple(step * numbers.itemsize for step in stored.stride)
    view = as_strided(numbers[stored.offset :], stored.size, steps, writeable=False)
    with np.errstate(over="ignore"):
        plain = np.array(view, np.float32, order="C")
    if not np.isfinite(plain).all():
        raise UnreadableError(f"holds values of {name!r} that are no numbers; choose another file")
    return torch.from_numpy(plain)
