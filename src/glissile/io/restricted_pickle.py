"""Pickles read without running anything: an interpreter of those instructions that weights are kept in.

Python's own unpickler imports and calls what a file names. This one has no way to: a name is only looked up
in a table that the caller gives, and becomes a plain value.
"""

import struct
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, Literal

from glissile.io.pickle_values import Global, Inert, Maker, NumpyType, Span, decoded
from glissile.io.unreadable import DAMAGED, Budget, UnreadableError

_LONGEST_INLINE = 4096
_LONGEST_NAME = 200
_LONGEST_INTEGER = 16
_PROTOCOLS = range(2, 6)


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
            raise UnreadableError(DAMAGED)
        return self.stack[-1]

    def pop_to_mark(self) -> list[object]:
        if not self.marks:
            raise UnreadableError(DAMAGED)
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
            self.push(data if kind == "bytes" else decoded(data))
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
            raise UnreadableError(DAMAGED)
        target.extend(values)

    def append_one(self) -> None:
        self.append([self.pop()])

    def set_items(self, flat: list[object]) -> None:
        target = self.top()
        if not isinstance(target, dict) or len(flat) % 2:
            raise UnreadableError(DAMAGED)
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
            raise UnreadableError(DAMAGED)

    def get(self, form: str) -> None:
        number = self.number(form)
        if number not in self.memo:
            raise UnreadableError(DAMAGED)
        self.push(self.memo[number])

    def put(self, number: int) -> None:
        self.memo[number] = self.top()

    def push_global(self, module: object, name: object) -> None:
        if not (isinstance(module, str) and isinstance(name, str)):
            raise UnreadableError(DAMAGED)
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
            raise UnreadableError(DAMAGED)
        return decoded(found[:-1])

    def push_global_of_stack(self) -> None:
        name = self.pop()
        self.push_global(self.pop(), name)

    def call(self) -> None:
        arguments, named = self.pop(), self.pop()
        if not (isinstance(named, Global) and type(arguments) is tuple):
            raise UnreadableError(DAMAGED)
        made = named.make(arguments)
        if isinstance(made, bytes):
            self.budget.spend(inline_bytes=len(made))
        self.push(made)

    def build(self) -> None:
        state, target = self.pop(), self.top()
        match target, state:
            case NumpyType(), (_, "<" | ">" | "|" | "=" as order, *_):
                target.set_order(order)
            case ((dict() | Inert()), _):
                pass  # attributes of a mapping: the versions of layers
            case _:
                raise UnreadableError(DAMAGED)

    def push_persistent(self) -> None:
        found = self.pop()
        if self.persistent is None or type(found) is not tuple:
            raise UnreadableError(DAMAGED)
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
