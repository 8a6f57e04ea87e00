"""Files of generators: ours, safetensors with a card, and those of other programs.

A generator is `NAME.safetensors`, whose header carries the card, and `NAME.json` beside it, the same card for
people and programs to read and to complete. Where the two do not belong together, the one in the header is
the true one.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from glissile.atomic import write_text
from glissile.errors import InputError
from glissile.io.archives import open_archive
from glissile.io.generator_card import SCHEMA_VERSION, DiscriminatorShape, GeneratorCard, Origin
from glissile.io.generator_state import FILTER, generator_tensors
from glissile.io.tensor_file import read_tensors, read_texts, write_tensors
from glissile.io.unreadable import Budget, UnreadableError

if TYPE_CHECKING:
    from torch import Tensor

    from glissile.io.stylegan_pickle import ForeignGenerator

GENERATOR_SUFFIXES = {".safetensors", ".pkl", ".pt", ".pth"}

_CARD_KEY = "glissile_generator"
_CARD_LIMIT_BYTES = 4 << 20
_FILE_LIMIT_BYTES = 4 << 30
_MOST_MEMBERS = 20_000
_TAPS = (1, 3, 3, 1)
_KIMG = re.compile(r"network-snapshot-(\d{1,8})")
_LONGEST_NAME = 200


@dataclass(frozen=True)
class GeneratorFile:
    """A generator as read from a file.

    Attributes
    ----------
    tensors : dict of str to Tensor
        float32 on the CPU, by the names of `generator_state.generator_tensors`, without resampling filters.
    discriminator : tuple, optional
        Shape and tensors; None where it was not asked for, or the file has none.
    """

    card: GeneratorCard
    tensors: "dict[str, Tensor]"
    discriminator: "tuple[DiscriminatorShape, dict[str, Tensor]] | None" = None


def read_generator(path: Path, *, discriminator: bool = False) -> GeneratorFile:
    """Read a generator of any known format; the format is told by the content.

    Parameters
    ----------
    path : Path
        Ours, a checkpoint of StyleGAN2-ADA (`.pkl`), or one of rosinality's stylegan2-pytorch (`.pt`); at
        most 4 GiB. No program in it is run.
    discriminator : bool
        Whether the discriminator is read, too, where a checkpoint of StyleGAN2-ADA has one.

    Returns
    -------
    GeneratorFile

    Raises
    ------
    InputError
        If the file is none of these, is damaged, or holds anything else.
    """
    head, size = _head(path)
    if _is_safetensors(head, size):
        return _read_ours(path)
    with _named(path):
        if head.startswith(b"PK\x03\x04"):
            found = _read_zip(path, size)
        elif head.startswith(b"\x80"):
            found = _read_pickle(path, size, discriminator=discriminator)
        else:
            raise UnreadableError("is no file of a generator; choose a .safetensors, .pkl or .pt file of one")
        tensors = _without_filters(found.tensors)
        other = found.discriminator
        if other is not None:
            other = other[0], _without_filters(other[1])
    return GeneratorFile(_card(path, found, tensors), tensors, other)


def read_generator_card(path: Path) -> GeneratorCard:
    """Card of a generator; of our files without loading torch. See `read_generator`."""
    head, size = _head(path)
    return _own_card(path) if _is_safetensors(head, size) else read_generator(path).card


def write_generator(path: Path, tensors: "Mapping[str, Tensor]", card: GeneratorCard) -> GeneratorCard:
    """Write a generator with its card.

    Parameters
    ----------
    path : Path
        `.safetensors`; the card goes into its header and to the `.json` file beside it.
    tensors : mapping of str to Tensor
        By the names of `generator_state.generator_tensors`; resampling filters are left out.
    card : GeneratorCard
        `weights_sha256` is filled in.

    Returns
    -------
    GeneratorCard
        As written.

    Raises
    ------
    InputError
        If the tensors are not those of the card.
    """
    if path.suffix.lower() != ".safetensors":
        raise InputError(f"{path}: generators are written as .safetensors; choose such a name")
    with _named(path):
        plain = {name: tensor.float() for name, tensor in _without_filters(tensors).items()}
        _compare(plain, card)
    whole = card.model_copy(update={"weights_sha256": tensors_sha256(plain)})
    write_tensors(path, plain, {_CARD_KEY: whole.model_dump_json()})
    write_text(path.with_suffix(".json"), whole.model_dump_json(indent=2) + "\n")
    return whole


def tensors_sha256(tensors: "Mapping[str, Tensor]") -> str:
    """Hash of tensors by which a generator is known, whatever its file is.

    Parameters
    ----------
    tensors : mapping of str to Tensor
        By name. Resampling filters, which are always the same and not in all files, do not count.

    Returns
    -------
    str
        SHA-256 over names in their order, shapes, and numbers as float32.
    """
    digest = hashlib.sha256()
    for name in sorted(tensors):
        if not name.endswith(FILTER):
            tensor = tensors[name].detach().cpu().float().contiguous()
            digest.update(f"{name} {list(tensor.shape)}\n".encode())
            digest.update(tensor.numpy().astype("<f4", copy=False).data)
    return digest.hexdigest()


def _head(path: Path) -> tuple[bytes, int]:
    """First bytes and size of a file."""
    try:
        if not path.is_file():
            raise InputError(f"{path}: there is no such file; choose a generator")
        size = path.stat().st_size
        if size > _FILE_LIMIT_BYTES:
            raise InputError(f"{path}: is larger than 4 GiB and no generator; choose another file")
        with path.open("rb") as opened:
            return opened.read(16), size
    except OSError as problem:
        raise InputError(f"{path}: cannot be read ({problem.strerror})") from problem


def _is_safetensors(head: bytes, size: int) -> bool:
    """Whether a file begins with the length of a JSON header, which may look like the start of a pickle."""
    return head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= size


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Say of which file a problem is."""
    try:
        yield
    except UnreadableError as problem:
        raise InputError(f"{path}: {problem}") from problem


def _read_pickle(path: Path, size: int, *, discriminator: bool) -> "ForeignGenerator":
    from glissile.io.stylegan_pickle import read_stylegan_pickle
    from glissile.io.torch_storage import IN_TORCH_FILES, is_stream, read_stream

    with path.open("rb") as opened:
        if is_stream(opened, size):
            return _of_torch_file(lambda budget: read_stream(opened, 0, size, IN_TORCH_FILES, budget), size)
        return read_stylegan_pickle(opened, size, discriminator=discriminator)


def _read_zip(path: Path, size: int) -> "ForeignGenerator":
    from glissile.io.torch_storage import read_zip

    with open_archive(path, most_members=_MOST_MEMBERS) as archive:
        return _of_torch_file(lambda budget: read_zip(archive, budget), size)


def _of_torch_file(read: Callable[[Budget], object], size: int) -> "ForeignGenerator":
    from glissile.io.other_generators import family, refusal
    from glissile.io.rosinality import generator_of

    budget = Budget()
    words: frozenset[str] = frozenset()
    try:
        found = read(budget)
        if isinstance(found, dict):
            words = frozenset(found)
            return generator_of(found, budget, file_bytes=size)
        raise UnreadableError("holds no named networks; choose a file of a generator")
    except UnreadableError as problem:
        known = family(words | problem.words)
        if known is None:
            raise
        raise UnreadableError(refusal(known)) from problem


def _without_filters(tensors: "Mapping[str, Tensor]") -> "dict[str, Tensor]":
    """Leave out the resampling filters, all of which must be the one of StyleGAN2."""
    import torch

    taps = torch.tensor(_TAPS, dtype=torch.float32) / sum(_TAPS)
    expected = taps[:, None] * taps
    for name, tensor in tensors.items():
        if not name.endswith(FILTER):
            continue
        if tensor.shape != expected.shape or not torch.allclose(tensor.float(), expected, atol=1e-6):
            raise UnreadableError(
                f"resamples with another filter than [1, 3, 3, 1] ({name}); choose a generator that was "
                "trained with the published settings"
            )
    return {name: tensor for name, tensor in tensors.items() if not name.endswith(FILTER)}


def _card(path: Path, found: "ForeignGenerator", tensors: "Mapping[str, Tensor]") -> GeneratorCard:
    name = path.name.encode(errors="replace").decode()
    counted = _KIMG.fullmatch(path.stem)
    kimg = float(counted[1]) if counted else None
    return GeneratorCard(
        name=name.removesuffix(path.suffix)[:_LONGEST_NAME],
        shape=found.shape,
        # A snapshot before the first image may hold random weights, or those that training went on from.
        trained=None if kimg == 0 else found.trained,
        training_data=found.training_data,
        kimg=kimg,
        origin=Origin(file=name, format=found.format),
        weights_sha256=tensors_sha256(tensors),
    )


def _read_ours(path: Path) -> GeneratorFile:
    card = _own_card(path)
    found, _ = read_tensors(path)
    with _named(path):
        kept = _without_filters(found)
        _compare(kept, card)
        tensors = {name: tensor.float() for name, tensor in kept.items()}
        if card.weights_sha256 != tensors_sha256(tensors):
            raise UnreadableError("holds other weights than its card says; copy the file again")
    return GeneratorFile(card, tensors)


def _compare(tensors: "Mapping[str, Tensor]", card: GeneratorCard) -> None:
    import torch

    sizes = generator_tensors(card.shape).items()
    expected = {name: size for name, size in sizes if not name.endswith(FILTER)}
    if {name: tuple(tensor.shape) for name, tensor in tensors.items()} != expected:
        raise UnreadableError("holds other tensors than its card says; get the file again")
    if not all(
        tensor.dtype in (torch.float32, torch.float64, torch.float16, torch.bfloat16)
        and bool(tensor.float().isfinite().all())
        for tensor in tensors.values()
    ):
        raise UnreadableError("holds values that are no numbers; get the file again")


def _own_card(path: Path) -> GeneratorCard:
    text = read_texts(path).get(_CARD_KEY)
    if text is None:
        raise InputError(
            f"{path}: has no card of a generator in its header; choose one that this program wrote, or "
            "convert the original checkpoint"
        )
    card = _parsed(path, text)
    beside = path.with_suffix(".json")
    if beside.is_file() and beside.stat().st_size <= _CARD_LIMIT_BYTES:
        try:
            other = GeneratorCard.model_validate_json(beside.read_bytes())
        except ValidationError:
            return card  # of something else
        if (other.shape, other.weights_sha256) == (card.shape, card.weights_sha256):
            # People may correct what describes a generator, not what it is.
            return other.model_copy(update={"trained": card.trained, "notice": card.notice})
    return card


def _parsed(path: Path, text: str) -> GeneratorCard:
    try:
        content = json.loads(text[:_CARD_LIMIT_BYTES])
        version = content.get("schema_version") if isinstance(content, dict) else None
        if isinstance(version, int) and version > SCHEMA_VERSION:
            raise InputError(
                f"{path}: its card has schema version {version}, this program knows up to {SCHEMA_VERSION}; "
                "update napari-glissile"
            )
        return GeneratorCard.model_validate(content)
    except ValidationError as problem:
        first = problem.errors()[0]
        where = ".".join(str(part) for part in first["loc"])[:_LONGEST_NAME]
        raise InputError(
            f"{path}: its card is not usable, {where!r}: {first['msg']}; copy the file again"
        ) from problem
    except InputError:
        raise
    except (ValueError, RecursionError) as problem:
        raise InputError(f"{path}: its card is not readable as JSON; copy the file again") from problem
