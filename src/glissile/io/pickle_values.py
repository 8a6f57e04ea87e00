"""What becomes of the values of a pickle: plain ones, and stand-ins for what it names, which is never run.

What is long stays in the file, so that weights that nobody asks for, and texts of programs, are never in
memory.
"""

import io
from collections.abc import Callable, Mapping
from typing import BinaryIO, Literal, NamedTuple

import numpy as np

from glissile.io.unreadable import DAMAGED, UnreadableError

Maker = Callable[[tuple[object, ...]], object]

_NUMBERS = {"b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"}


class Span(NamedTuple):
    """Bytes or a text that stay in the file.

    Attributes
    ----------
    kind : {"bytes", "text", "latin1"}
        Bytes, a text in UTF-8, or bytes that are written as such a text, one letter each.
    """

    file: BinaryIO
    start: int
    length: int
    kind: Literal["bytes", "text", "latin1"]

    def opened(self) -> tuple[BinaryIO, int, int]:
        """File of the bytes, and where they begin and end in it."""
        if self.kind == "bytes":
            return self.file, self.start, self.start + self.length
        self.file.seek(self.start)
        found = _latin1(decoded(self.file.read(self.length)))
        return io.BytesIO(found), 0, len(found)


class Global(NamedTuple):
    """What stands for a function or class that a file names.

    Attributes
    ----------
    make : callable
        Gets the arguments that the file gives, and makes a plain value of them.
    """

    name: str
    make: Maker


class Inert:
    """An object of which nothing is kept."""


class NumpyType:
    """A `numpy.dtype` of plain numbers, without its byte order until that is told."""

    def __init__(self, code: str) -> None:
        self.code = code

    def set_order(self, order: str) -> None:
        """Take a byte order, once."""
        if self.code not in _NUMBERS:
            raise UnreadableError(DAMAGED)
        # "=" would be the order of this machine, and means that of the one that wrote it: little.
        self.code = order.replace("=", "<") + self.code

    def number(self, data: bytes) -> bool | int | float:
        """Value of one number."""
        kind = np.dtype(self.code)
        if len(data) != kind.itemsize:
            raise UnreadableError(DAMAGED)
        value: bool | int | float = np.frombuffer(data, kind)[0].item()
        return value


def no_call(_: tuple[object, ...]) -> object:
    """Refuse arguments: for what may be named, but not called."""
    raise UnreadableError(DAMAGED)


def _mapping(arguments: tuple[object, ...]) -> object:
    if arguments:
        raise UnreadableError(DAMAGED)
    return {}


def _inert(_: tuple[object, ...]) -> object:
    return Inert()


def _encoded(arguments: tuple[object, ...]) -> object:
    """Bytes that a pickle of protocol 2 keeps as a text."""
    match arguments:
        case (str() as text, "latin1"):
            return _latin1(text)
        case (Span(kind="text") as span, "latin1"):
            return span._replace(kind="latin1")
    raise UnreadableError(DAMAGED)


def _numpy_type(arguments: tuple[object, ...]) -> object:
    match arguments:
        case (str() as code, *_) if code in _NUMBERS:
            return NumpyType(code)
    raise UnreadableError("holds numpy values of an unknown kind; it is not read")


def _numpy_scalar(arguments: tuple[object, ...]) -> object:
    match arguments:
        case (NumpyType() as kind, bytes() as data):
            return kind.number(data)
    raise UnreadableError(DAMAGED)


PLAIN: Mapping[str, Maker] = {
    "collections.OrderedDict": _mapping,
    "dnnlib.util.EasyDict": _mapping,
    "argparse.Namespace": _inert,
    "builtins.set": _inert,
    "__builtin__.set": _inert,
    "_codecs.encode": _encoded,
    "numpy.dtype": _numpy_type,
    "numpy.core.multiarray.scalar": _numpy_scalar,
    "numpy._core.multiarray.scalar": _numpy_scalar,
}
"""Names without which no such file can do: collections, byte strings of protocol 2 and numpy numbers."""


def decoded(data: bytes) -> str:
    """Read a text in UTF-8; UnreadableError where it is none."""
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as problem:
        raise UnreadableError(DAMAGED) from problem


def _latin1(text: str) -> bytes:
    try:
        return text.encode("latin1")
    except UnicodeEncodeError as problem:
        raise UnreadableError(DAMAGED) from problem
