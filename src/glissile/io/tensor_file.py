"""Named tensors and texts as one safetensors file, so that loading them runs no code."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from glissile.atomic import replacing
from glissile.errors import InputError

if TYPE_CHECKING:
    import torch

_LIMIT_BYTES = 4 << 30


def write_tensors(path: Path, tensors: "Mapping[str, torch.Tensor]", texts: Mapping[str, str]) -> None:
    """Write named tensors and texts as one safetensors file, atomically."""
    from safetensors.torch import save

    plain = {name: t.detach().to("cpu").contiguous().clone() for name, t in tensors.items()}
    with replacing(path) as temporary:
        # Not by its `save_file`, whose files nobody but their owner may read.
        temporary.write_bytes(save(plain, metadata=dict(texts)))


def read_tensors(path: Path) -> "tuple[dict[str, torch.Tensor], dict[str, str]]":
    """Named tensors and texts of one safetensors file.

    Raises
    ------
    InputError
        If the file is not a whole safetensors file, or larger than 4 GiB.
    """
    from safetensors.torch import load

    texts = read_texts(path)
    try:
        # Not mapped into memory: Windows could not replace a file that is.
        return load(path.read_bytes()), texts
    except Exception as problem:  # safetensors has its own error type, and passes on those of Rust and torch
        raise _broken(path) from problem


def read_texts(path: Path) -> dict[str, str]:
    """Named texts of one safetensors file, without its tensors and without torch.

    Raises
    ------
    InputError
        If the file is not a safetensors file, or larger than 4 GiB.
    """
    from safetensors import safe_open

    if path.stat().st_size > _LIMIT_BYTES:
        raise InputError(f"{path}: this is larger than 4 GiB and no model of this program; choose another")
    try:
        with safe_open(path, framework="numpy") as opened:
            return dict(opened.metadata() or {})
    except Exception as problem:  # as above
        raise _broken(path) from problem


def _broken(path: Path) -> InputError:
    return InputError(f"{path}: this is not a whole safetensors file; copy it again or train the model anew")
