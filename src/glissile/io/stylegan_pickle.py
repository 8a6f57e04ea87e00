"""Checkpoints of StyleGAN2-ADA (`.pkl`) and its kin, read without running the program that lies in them.

Such a file is a pickle in which every part of a network is its class's name, the source text of that class,
and its attributes. The text is never read; attributes tell what the tensors belong to.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from glissile.io.generator_card import DiscriminatorShape, GeneratorShape, TrainingData
from glissile.io.generator_state import Size, shape_of_discriminator, shape_of_generator
from glissile.io.other_generators import family, refusal
from glissile.io.pickle_values import Maker
from glissile.io.restricted_pickle import read_pickle
from glissile.io.torch_storage import IN_PICKLES, StoredTensor, tensors_of
from glissile.io.unreadable import DAMAGED, Budget, UnreadableError

if TYPE_CHECKING:
    from torch import Tensor

SNAPSHOT = "StyleGAN2-ADA snapshot"

_NETWORK = "torch_utils.persistence._reconstruct_persistent_obj"
_CALL = "a checkpoint of StyleGAN2-ADA (PyTorch)"
_DEEPEST = 8
_MOST_ENTRIES = 20_000
_LONGEST_NAME = 100
_LINEAR = {"affine", "skip", "embed", "out"}
_WHOLE_BATCH = 4096
_MOST_DESCRIBED = 200
_STANDARD_GROUP = 4
_STANDARD_LR = 0.01


class Part(NamedTuple):
    """A network, or a part of one.

    Attributes
    ----------
    kind : str
        Name of its class.
    attributes : dict
        By name; values of any kind that a restricted pickle has.
    """

    kind: str
    attributes: dict[str, Any]


class _Walked(NamedTuple):
    """Tensors and parts of one network by their full name."""

    tensors: dict[str, StoredTensor]
    parts: dict[str, Part]


class ForeignGenerator(NamedTuple):
    """A generator from a file of another program.

    Attributes
    ----------
    tensors : dict of str to Tensor
        float32, by the names of `generator_state.generator_tensors`.
    format : str
        What the file was, for a person.
    trained : bool, optional
        True where the file is a snapshot of a training.
    discriminator : tuple, optional
        Shape and tensors.
    """

    shape: GeneratorShape
    tensors: "dict[str, Tensor]"
    format: str
    trained: bool | None = None
    training_data: TrainingData = TrainingData()
    discriminator: "tuple[DiscriminatorShape, dict[str, Tensor]] | None" = None


def _part(arguments: tuple[object, ...]) -> object:
    match arguments:
        case ({"type": "class", "class_name": str() as kind, "state": dict() as attributes},):
            return Part(kind, attributes)
    raise UnreadableError(DAMAGED)


_ALLOWED: Mapping[str, Maker] = {**IN_PICKLES, _NETWORK: _part}


def read_stylegan_pickle(file: BinaryIO, size: int, *, discriminator: bool = False) -> ForeignGenerator:
    """Read the averaged generator of a checkpoint.

    Parameters
    ----------
    file : file object
        Open for reading bytes.
    size : int
        Of the file, bytes.
    discriminator : bool
        Whether the discriminator is read, too, where there is one.

    Returns
    -------
    ForeignGenerator

    Raises
    ------
    UnreadableError
        If the file holds anything else than such networks, or none that can be built; nothing is run.
    """
    budget = Budget()
    try:
        found, _ = read_pickle(file, 0, size, _ALLOWED, budget)
    except UnreadableError as problem:
        known = family(problem.words)
        if known is None:
            raise
        raise UnreadableError(refusal(known)) from problem
    generator = _generator_in(found)
    walked = _walk(generator)
    shape = _generator_shape(walked)
    training = found.get("training_set_kwargs") if isinstance(found, dict) else None
    other = _network_in(found, "D") if discriminator else None
    return ForeignGenerator(
        shape=shape,
        tensors=tensors_of(walked.tensors, budget, file_bytes=size),
        format=_format(generator, found),
        trained=True if isinstance(training, dict) else None,
        training_data=_training_data(training),
        discriminator=None if other is None else _discriminator(_walk(other), budget, size),
    )


def _generator_in(found: object) -> Part:
    if isinstance(found, Part):
        return found
    if isinstance(found, dict):
        generator = _network_in(found, "G_ema")
        if generator is not None:
            return generator
        if len(found) == 1:
            (only,) = found.values()
            if isinstance(only, Part):
                return only
    raise UnreadableError(f"holds no averaged generator G_ema; choose {_CALL}")


def _network_in(found: object, name: str) -> Part | None:
    network = found.get(name) if isinstance(found, dict) else None
    return network if isinstance(network, Part) else None


def _walk(network: Part) -> _Walked:
    walked = _Walked({}, {})
    # Parts that contain one part many times would be more than the file by far.
    budget = Budget(_MOST_ENTRIES)
    for name, part in _parts("", network, budget, _DEEPEST):
        walked.parts[name] = part
        for tensors in ("_parameters", "_buffers"):
            for full, tensor in _entries(name, part, tensors, budget):
                if not isinstance(tensor, StoredTensor):
                    raise UnreadableError(DAMAGED)
                walked.tensors[full] = tensor
    return walked


def _parts(name: str, part: Part, budget: Budget, deeper: int) -> Iterator[tuple[str, Part]]:
    yield name, part
    for full, child in _entries(name, part, "_modules", budget):
        if not isinstance(child, Part) or not deeper:
            raise UnreadableError(DAMAGED)
        yield from _parts(full, child, budget, deeper - 1)


def _entries(name: str, part: Part, which: str, budget: Budget) -> Iterator[tuple[str, object]]:
    """Full names and values of the parts or tensors of a part, without those that it has not."""
    found = part.attributes.get(which)
    if not isinstance(found, dict):
        raise UnreadableError(DAMAGED)
    for key, value in found.items():
        budget.spend(instructions=1)
        if len(key) > _LONGEST_NAME:
            raise UnreadableError(DAMAGED)
        if value is not None:
            yield f"{name}.{key}" if name else key, value


def _sizes(walked: _Walked) -> dict[str, Size]:
    return {name: tensor.size for name, tensor in walked.tensors.items()}


def _generator_shape(walked: _Walked) -> GeneratorShape:
    known = family({part.kind for part in walked.parts.values()} | set(walked.parts))
    if known is not None:
        raise UnreadableError(refusal(known))
    _refuse_other_activations(walked)
    clamp, mapping_lr = _clamp(walked), _mapping_lr(walked)
    try:
        return shape_of_generator(_sizes(walked), clamp=clamp, mapping_lr=mapping_lr)
    except ValueError as problem:
        raise UnreadableError(f"holds no StyleGAN2 generator, as {problem}; choose {_CALL}") from problem


def _discriminator(
    walked: _Walked, budget: Budget, file_bytes: int
) -> "tuple[DiscriminatorShape, dict[str, Tensor]]":
    _refuse_other_activations(walked)
    clamp, mapping_lr, group = _clamp(walked), _mapping_lr(walked), _group(walked)
    try:
        shape = shape_of_discriminator(_sizes(walked), clamp=clamp, mapping_lr=mapping_lr, group=group)
    except ValueError as problem:
        raise UnreadableError(f"holds no StyleGAN2 discriminator, as {problem}; choose {_CALL}") from problem
    return shape, tensors_of(walked.tensors, budget, file_bytes=file_bytes)


def _group(walked: _Walked) -> Any:
    """Images per group of the minibatch standard deviation; it has no tensors of its own."""
    if "b4.mbstd" not in walked.parts:
        return _STANDARD_GROUP
    found = walked.parts["b4.mbstd"].attributes.get("group_size")
    return _WHOLE_BATCH if found is None else found


def _clamp(walked: _Walked) -> float | None:
    """Largest magnitude of features: one for the whole network, but for what lies beside its blocks."""
    found = [
        part.attributes["conv_clamp"]
        for name, part in walked.parts.items()
        if "conv_clamp" in part.attributes and not name.endswith(".skip")
    ]
    if any(type(clamp) not in (int, float, type(None)) or clamp != found[0] for clamp in found):
        raise UnreadableError("limits its features in a way that StyleGAN2 does not; it is not read")
    return found[0] if found else None


def _mapping_lr(walked: _Walked) -> float:
    rates = [
        part.attributes.get("bias_gain")
        for name, part in walked.parts.items()
        if re.fullmatch(r"mapping\.fc\d+", name)
    ]
    if any(type(rate) not in (int, float) or rate != rates[0] for rate in rates):
        raise UnreadableError("scales its mapping in a way that StyleGAN2 does not; it is not read")
    return float(rates[0] or 0) if rates else _STANDARD_LR


def _refuse_other_activations(walked: _Walked) -> None:
    for name, part in walked.parts.items():
        if "activation" not in part.attributes:
            continue
        expected = "linear" if name.rpartition(".")[2] in _LINEAR else "lrelu"
        if part.attributes["activation"] != expected:
            raise UnreadableError(
                f"has another activation than StyleGAN2 in its layer {name[:80]!r}; it is not read"
            )


def _format(generator: Part, found: object) -> str:
    """Say which program wrote a file."""
    if not isinstance(found, dict) or len(found) == 1:
        return "StyleGAN2-ADA, generator alone"
    training = found.get("training_set_kwargs")
    arguments = generator.attributes.get("_init_kwargs")
    if isinstance(arguments, dict) and "channel_base" in arguments:
        return "StyleGAN2 of the StyleGAN3 program"
    if "epochs" in generator.attributes or (isinstance(training, dict) and "yflip" in training):
        return f"{SNAPSHOT} of dvschultz's version"
    return SNAPSHOT if isinstance(training, dict) else "StyleGAN2-ADA, published network"


def _training_data(training: object) -> TrainingData:
    """Tell what images a network learned from; of their path only the last name, which is nobody's home."""
    if not isinstance(training, dict):
        return TrainingData()
    path, images = training.get("path"), training.get("max_size")
    name = ""
    if isinstance(path, str):
        name = PureWindowsPath(PurePosixPath(path).name).name
    words = ["".join(letter for letter in name if letter.isprintable())[:_MOST_DESCRIBED]]
    if training.get("xflip") is True:
        words.append("mirrored left to right")
    if training.get("yflip") is True:
        words.append("mirrored top to bottom")
    return TrainingData(
        description=", ".join(word for word in words if word),
        images=images if type(images) is int and images >= 0 else None,
    )
