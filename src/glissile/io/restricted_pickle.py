"""Pickles read without running anything: an interpreter of those instructions that weights are kept in.

Python's own unpickler imports and calls what a file names. This one has no way to: a name is only looked up
in a table that the caller gives, and becomes a plain value. What is long stays in the file, so that weights
that nobody asks for, and texts of programs, are never in memory.
"""

import io
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal, NamedTuple

import numpy as np

Maker = Callable[[tuple[object, ...]], object]

# A snapshot with networks for 1024 px has some 50 thousand instructions, and each makes less than 100 bytes.
_MOST_INSTRUCTIONS = 500_000
_MOST_INLINE_BYTES = 32 << 20
_LONGEST_INLINE = 4096
_LONGEST_NAME = 200
_LONGEST_INTEGER = 16
_PROTOCOLS = range(2, 6)
_DAMAGED = "is damaged; get the file again"
_NUMBERS = {"b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"}


class UnreadableError(ValueError):
    """Why a file is not read: the end of a sentence that begins with the name of the file.

    Attributes
    ----------
    words : frozenset of str
        Short texts that were read until then, by which a file can be told.
    """

    words: frozenset[str] = frozenset()


@dataclass
class Budget:
    """How much more of one file may be read, nested pickles included."""

    instructions: int = _MOST_INSTRUCTIONS
    inline_bytes: int = _MOST_INLINE_BYTES

    def spend(self, *, instructions: int = 0, inline_bytes: int = 0) -> None:
        """Count what is read; UnreadableError where it is too much."""
        self.instructions -= instructions
        self.inline_bytes -= inline_bytes
        if self.instructions < 0 or self.inline_bytes < 0:
            raise UnreadableError("is more involved than any generator; it is not read on")


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
        found = _latin1(_decoded(self.file.read(self.length)))
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

    def number(self, data: bytes) -> bool | int | float:
        """Value of one number."""
        kind = np.dtype(self.code)
        if len(data) != kind.itemsize:
            raise UnreadableError(_DAMAGED)
        value: bool | int | float = np.frombuffer(data, kind)[0].item()
        return value


def no_call(_: tuple[object, ...]) -> object:
    """Refuse arguments: for what may be named, but not called."""
    raise UnreadableError(_DAMAGED)


def _mapping(arguments: tuple[object, ...]) -> object:
    if arguments:
        raise UnreadableError(_DAMAGED)
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
    raise UnreadableError(_DAMAGED)


def _numpy_type(arguments: tuple[object, ...]) -> object:
    match arguments:
        case (str() as code, *_) if code in _NUMBERS:
            return NumpyType(code)
    raise UnreadableError("holds numpy values of an unknown kind; it is not read")


def _numpy_scalar(arguments: tuple[object, ...]) -> object:
    match arguments:
        case (NumpyType() as kind, bytes() as data):
            return kind.number(data)
    raise UnreadableError(_DAMAGED)


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


def read_pickle(
    file: BinaryIO,
    start: int,
    end: int,
    allowed: Mapping[str, Maker],
    budget: Budget,
    *,
    persistent: Maker | None = None,
) -> tuple[object, int]:
    """Read one pickle of protocol 2 to 5.

    Parameters
    ----------
    file : file object
        Open for reading bytes.
    start, end : int
        Where the pickle begins, and what it may not go beyond.
    allowed : mapping of str to callable
        By "module.name", what makes a value of the arguments.
    budget : Budget
        Is spent.
    persistent : callable, optional
        Makes a value of a persistent id; without it there may be none.

    Returns
    -------
    object
        Made of str, bytes, int, float, bool, None, tuple, list, dict (whose keys are str), `Span`, `Global`,
        `Inert` and what `allowed` and `persistent` make.
    int
        Where the pickle ends.

    Raises
    ------
    UnreadableError
        If it is cut short, names anything else, is too large, or uses an instruction of no such file.
    """
    reader = _Reader(file, start, end, allowed, budget, persistent)
    try:
        return reader.run(), reader.at
    except UnreadableError as problem:
        problem.words |= {value for value in reader.memo.values() if isinstance(value, str)}
        raise


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as problem:
        raise UnreadableError(_DAMAGED) from problem


def _latin1(text: str) -> bytes:
    try:
        return text.encode("latin1")
    except UnicodeEncodeError as problem:
        raise UnreadableError(_DAMAGED) from problem


class _Reader:
    """State of the interpreter: a stack, where its open marks are, and the values that were numbered."""

    def __init__(
        self,
        file: BinaryIO,
        start: int,
        end: int,
        allowed: Mapping[str, Maker],
        budget: Budget,
        persistent: Maker | None,
    ) -> None:
        self.file, self.at, self.end = file, start, end
        self.allowed, self.budget, self.persistent = allowed, budget, persistent
        self.stack: list[object] = []
        self.marks: list[int] = []
        self.memo: dict[int, object] = {}

    def run(self) -> object:
        self.file.seek(self.at)
        head = self.take(2)
        if head[:1] != b"\x80" or head[1] not in _PROTOCOLS:
            raise UnreadableError("is no pickle of protocol 2 to 5; save it again")
        while True:
            self.budget.spend(instructions=1)
            code = self.take(1)
            if code == b".":
                return self.pop()
            step = _STEPS.get(code)
            if step is None:
                raise UnreadableError(f"holds the pickle instruction {code!r}, which no generator needs")
            step(self)

    def take(self, count: int) -> bytes:
        found = self.file.read(count) if count <= self.end - self.at else b""
        if len(found) != count:
            raise UnreadableError("is cut short; copy it again")
        self.at += count
        return found

    def number(self, form: str) -> Any:
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def push(self, value: object) -> None:
        self.stack.append(value)

    def pop(self) -> object:
        self.top()
        return self.stack.pop()

    def top(self) -> Any:
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise UnreadableError(_DAMAGED)
        return self.stack[-1]

    def pop_to_mark(self) -> list[object]:
        if not self.marks:
            raise UnreadableError(_DAMAGED)
        mark = self.marks.pop()
        found = self.stack[mark:]
        del self.stack[mark:]
        return found

    def mark(self) -> None:
        self.marks.append(len(self.stack))

    def push_long(self, form: str, kind: Literal["bytes", "text"]) -> None:
        """Push bytes or a text: those that are short as they are, others as the place where they lie."""
        length = self.number(form)
        if length <= _LONGEST_INLINE:
            self.budget.spend(inline_bytes=length)
            data = self.take(length)
            self.push(data if kind == "bytes" else _decoded(data))
            return
        if length > self.end - self.at:
            raise UnreadableError("is cut short; copy it again")
        self.push(Span(self.file, self.at, length, kind))
        self.at += length
        self.file.seek(self.at)

    def push_integer(self) -> None:
        length = self.number("B")
        if length > _LONGEST_INTEGER:
            raise UnreadableError("holds a number that is longer than any in a generator; it is not read")
        self.push(int.from_bytes(self.take(length), "little", signed=True))

    def push_tuple(self, count: int) -> None:
        found = [self.pop() for _ in range(count)]
        self.push(tuple(reversed(found)))

    def append(self, values: list[object]) -> None:
        target = self.top()
        if not isinstance(target, list):
            raise UnreadableError(_DAMAGED)
        target.extend(values)

    def append_one(self) -> None:
        self.append([self.pop()])

    def set_items(self, flat: list[object]) -> None:
        target = self.top()
        if not isinstance(target, dict) or len(flat) % 2:
            raise UnreadableError(_DAMAGED)
        for key, value in zip(flat[::2], flat[1::2], strict=True):
            if not isinstance(key, str | int):
                raise UnreadableError("holds a table by other keys than names; it is not read")
            # Numbers can be chosen so that a dict of them is slow to fill; texts cannot.
            target[str(key)] = value

    def set_item(self) -> None:
        value = self.pop()
        self.set_items([self.pop(), value])

    def drop_items(self) -> None:
        self.pop_to_mark()
        if not isinstance(self.top(), Inert):
            raise UnreadableError(_DAMAGED)

    def get(self, form: str) -> None:
        number = self.number(form)
        if number not in self.memo:
            raise UnreadableError(_DAMAGED)
        self.push(self.memo[number])

    def put(self, number: int) -> None:
        self.memo[number] = self.top()

    def push_global(self, module: object, name: object) -> None:
        if not (isinstance(module, str) and isinstance(name, str)):
            raise UnreadableError(_DAMAGED)
        full = f"{module}.{name}"
        make = self.allowed.get(full)
        if make is None:
            problem = UnreadableError(
                f"holds {full[:_LONGEST_NAME]!r}, which is no part of a StyleGAN2 generator and is never "
                "run; choose another file"
            )
            problem.words = frozenset({full})
            raise problem
        self.push(Global(full, make))

    def push_global_lines(self) -> None:
        module, name = (self.line() for _ in range(2))
        self.push_global(module, name)

    def line(self) -> str:
        found = self.file.readline(min(_LONGEST_NAME, self.end - self.at))
        self.at += len(found)
        if not found.endswith(b"\n"):
            raise UnreadableError(_DAMAGED)
        return _decoded(found[:-1])

    def push_global_of_stack(self) -> None:
        name = self.pop()
        self.push_global(self.pop(), name)

    def call(self) -> None:
        arguments, named = self.pop(), self.pop()
        if not (isinstance(named, Global) and type(arguments) is tuple):
            raise UnreadableError(_DAMAGED)
        made = named.make(arguments)
        if isinstance(made, bytes):
            self.budget.spend(inline_bytes=len(made))
        self.push(made)

    def build(self) -> None:
        state, target = self.pop(), self.top()
        match target, state:
            case NumpyType(), (_, "<" | ">" | "|" | "=" as order, *_) if target.code in _NUMBERS:
                # "=" would be the order of this machine, and means that of the one that wrote it: little.
                target.code = order.replace("=", "<") + target.code
            case ((dict() | Inert()), _):
                pass  # attributes of a mapping: the versions of layers
            case _:
                raise UnreadableError(_DAMAGED)

    def push_persistent(self) -> None:
        found = self.pop()
        if self.persistent is None or type(found) is not tuple:
            raise UnreadableError(_DAMAGED)
        self.push(self.persistent(found))

    def pass_frame(self) -> None:
        if self.number("<Q") > self.end - self.at:
            raise UnreadableError("is cut short; copy it again")


_STEPS: Mapping[bytes, Callable[[_Reader], object]] = {
    b"(": _Reader.mark,
    b"0": _Reader.pop,
    b"1": _Reader.pop_to_mark,
    b"N": lambda reader: reader.push(None),
    b"\x88": lambda reader: reader.push(True),
    b"\x89": lambda reader: reader.push(False),
    b"J": lambda reader: reader.push(reader.number("<i")),
    b"K": lambda reader: reader.push(reader.number("B")),
    b"M": lambda reader: reader.push(reader.number("<H")),
    b"\x8a": _Reader.push_integer,
    b"G": lambda reader: reader.push(reader.number(">d")),
    b"X": lambda reader: reader.push_long("<I", "text"),
    b"\x8c": lambda reader: reader.push_long("B", "text"),
    b"\x8d": lambda reader: reader.push_long("<Q", "text"),
    b"B": lambda reader: reader.push_long("<I", "bytes"),
    b"C": lambda reader: reader.push_long("B", "bytes"),
    b"\x8e": lambda reader: reader.push_long("<Q", "bytes"),
    b")": lambda reader: reader.push(()),
    b"\x85": lambda reader: reader.push_tuple(1),
    b"\x86": lambda reader: reader.push_tuple(2),
    b"\x87": lambda reader: reader.push_tuple(3),
    b"t": lambda reader: reader.push(tuple(reader.pop_to_mark())),
    b"]": lambda reader: reader.push([]),
    b"a": _Reader.append_one,
    b"e": lambda reader: reader.append(reader.pop_to_mark()),
    b"}": lambda reader: reader.push({}),
    b"s": _Reader.set_item,
    b"u": lambda reader: reader.set_items(reader.pop_to_mark()),
    b"\x8f": lambda reader: reader.push(Inert()),
    b"\x90": _Reader.drop_items,
    b"h": lambda reader: reader.get("B"),
    b"j": lambda reader: reader.get("<I"),
    b"q": lambda reader: reader.put(reader.number("B")),
    b"r": lambda reader: reader.put(reader.number("<I")),
    b"\x94": lambda reader: reader.put(len(reader.memo)),
    b"c": _Reader.push_global_lines,
    b"\x93": _Reader.push_global_of_stack,
    b"R": _Reader.call,
    b"\x81": _Reader.call,
    b"b": _Reader.build,
    b"Q": _Reader.push_persistent,
    b"\x95": _Reader.pass_frame,
}
