"""What a package of the BioImage Model Zoo holds that this program can use; no file of it is ever run."""

from collections.abc import Iterable
from itertools import islice
from typing import Any, NamedTuple

from glissile.errors import InputError
from glissile.io.archives import Archive
from glissile.io.bioimage_zoo import BACKGROUND_NAME, DESCRIPTION_FILE
from glissile.io.foreign_unet import LAYOUT

_NAMES = (DESCRIPTION_FILE, "bioimageio.yaml", "model.yaml")
_MOST_BYTES = 256 << 10
_LONGEST, _MOST_LISTED = 60, 5
_PREPROCESSED = "scale_linear with a gain of 1/255"
# What leaves the largest output the largest.
_HARMLESS = {"softmax", "ensure_dtype"}


class PackagedWeights(NamedTuple):
    """The file of weights to read from a package.

    Attributes
    ----------
    member : str
        Its name in the archive.
    ours : bool
        Whether it is a weights file of this program, with its card.
    class_names : tuple of str
        Of a foreign model, those that it tells, without the background; empty where it tells none.
    """

    member: str
    ours: bool
    class_names: tuple[str, ...] = ()


def find_description(archive: Archive) -> str | None:
    """Name of the file that describes a package, None where an archive is no package."""
    return next((name for name in _NAMES if name in archive.members), None)


def find_weights(archive: Archive) -> PackagedWeights:
    """Find the weights that can be used in a package.

    Parameters
    ----------
    archive : Archive
        A package.

    Returns
    -------
    PackagedWeights

    Raises
    ------
    InputError
        If the package is none, or its model is one that our networks cannot be; the sentence says which.
    """
    described = _parsed(archive)
    if described.get("type") != "model":
        raise InputError(
            f"{archive.path}: this is no model but a {_brief(described.get('type'))}; choose a model"
        )
    who = f"{archive.path}: the model {_brief(described.get('name'))}"
    ours = _at(described, "config", "glissile", "model")
    if isinstance(ours, str):
        return PackagedWeights(_member(archive, ours), ours=True)
    version = described.get("format_version")
    if not (isinstance(version, str | float) and str(version).startswith("0.5")):
        raise InputError(f"{who} is described in format {_brief(version)}; only 0.5 can be read")
    source = _at(described, "weights", "pytorch_state_dict", "source")
    if not isinstance(source, str):
        weights = described.get("weights")
        kinds = _listed(weights if isinstance(weights, dict) else ())
        raise InputError(
            f"{who} has weights of the kind {kinds}; only models that napari-glissile wrote, and a "
            f"pytorch_state_dict in {LAYOUT}, can be imported"
        )
    _refuse_other_processing(who, described)
    return PackagedWeights(_member(archive, source), ours=False, class_names=_class_names(described))


def _parsed(archive: Archive) -> dict[str, Any]:
    import yaml

    class Loader(yaml.SafeLoader):  # type: ignore[misc]
        """Plain data only, without merged mappings, which can double in size again and again."""

        def flatten_mapping(self, node: yaml.MappingNode) -> None:
            if any(key.tag == "tag:yaml.org,2002:merge" for key, _ in node.value):
                raise yaml.constructor.ConstructorError(None, None, "merged mappings", node.start_mark)

    name = find_description(archive)
    if name is None:
        raise InputError(
            f"{archive.path}: this is no package of the BioImage Model Zoo, {DESCRIPTION_FILE} is missing; "
            "choose a package or a file of weights"
        )
    text = archive.read(name, most_bytes=_MOST_BYTES)
    try:
        described = yaml.load(text, Loader)
    except (yaml.YAMLError, ValueError, RecursionError, TypeError) as problem:
        raise InputError(f"{archive.path}: {name} in it is not plain YAML; get the file again") from problem
    if not isinstance(described, dict):
        raise InputError(f"{archive.path}: {name} in it describes nothing; get the file again")
    return described


def _at(tree: object, *keys: str | int) -> Any:
    """Value at a place in nested lists and mappings, None where there is no such place."""
    for key in keys:
        if isinstance(key, int):
            tree = tree[key] if isinstance(tree, list) and key < len(tree) else None
        else:
            tree = tree.get(key) if isinstance(tree, dict) else None
    return tree


def _brief(value: object) -> str:
    """Text of a file for a sentence: one line, not long, with nothing that a terminal obeys.

    Of a list or a mapping only the kind is told: aliases of a few bytes can make it larger than the memory.
    So it is with whole numbers, whose digits Python may refuse to write out.
    """
    if value is not None and not isinstance(value, str | bool | float):
        return type(value).__name__
    text = repr(value[: _LONGEST + 1] if isinstance(value, str) else value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _listed(values: Iterable[object]) -> str:
    """List the first few of `values` for a sentence."""
    return ", ".join(_brief(value) for value in islice(values, _MOST_LISTED)) or "none"


def _member(archive: Archive, name: str) -> str:
    member = name.removeprefix("./")
    if member not in archive.members:
        raise InputError(
            f"{archive.path}: the weights {_brief(name)} are not in the package; download it whole"
        )
    return member


def _refuse_other_processing(who: str, described: dict[str, Any]) -> None:
    """Refuse what is done to frames before, or to outputs after, and that we do otherwise."""
    before = [s for s in _steps(described, "inputs", "preprocessing") if s.get("id") != "ensure_dtype"]
    gain, offset = (_at(before, 0, "kwargs", key) for key in ("gain", "offset"))
    if len(before) != 1 or before[0].get("id") != "scale_linear" or offset or not _is_8_bit(gain):
        kinds = _listed(step.get("id") for step in before)
        raise InputError(
            f"{who} was trained with the preprocessing {kinds}; only {_PREPROCESSED} can be done"
        )
    harmless = [*_HARMLESS, "sigmoid"] if len(_channel_names(described)) == 1 else [*_HARMLESS]
    after = [step.get("id") for step in _steps(described, "outputs", "postprocessing")]
    other = [kind for kind in after if kind not in harmless]
    if other:
        raise InputError(f"{who} needs the postprocessing {_brief(other[0])}, which masks of classes lack")


def _steps(described: dict[str, Any], tensors: str, steps: str) -> list[dict[str, Any]]:
    found = _at(described, tensors, 0, steps) or []
    return [step for step in found if isinstance(step, dict)] if isinstance(found, list) else []


def _is_8_bit(gain: object) -> bool:
    return isinstance(gain, float) and abs(gain * 255 - 1) < 1e-3


def _channel_names(described: dict[str, Any]) -> list[str]:
    axes = _at(described, "outputs", 0, "axes")
    for axis in axes if isinstance(axes, list) else []:
        names = _at(axis, "channel_names")
        if isinstance(names, list) and all(_is_name(name) for name in names):
            return names
    return []


def _is_name(value: object) -> bool:
    return isinstance(value, str) and value.isprintable() and len(value) <= _LONGEST


def _class_names(described: dict[str, Any]) -> tuple[str, ...]:
    names = _channel_names(described)
    return tuple(names[1:]) if names and names[0].lower() == BACKGROUND_NAME else ()
