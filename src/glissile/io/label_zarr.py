"""Labels as OME-Zarr (NGFF 0.5): the group `labels/NAME` with an array (t, y, x) of class values.

The format is described at https://ngff.openmicroscopy.org/0.5/.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from glissile.defects import DefectClass
from glissile.errors import InputError
from glissile.io.class_names import with_our_values
from glissile.io.json_files import read_json
from glissile.io.label_set import LABELLED, LabelSet, Mask, Pens, ReadWhenAsked, checked_size, frame_digits
from glissile.io.label_words import labelled_of, names_of
from glissile.progress import Ticks

_VERSION = "0.5"
_NAME = "defects"
_AXES = ("t", "y", "x")
_OURS = "glissile"
# The only compressors whose chunks say how large they become.
_COMPRESSORS = frozenset({"zstd", "blosc"})
_OTHER_CODECS = frozenset({"bytes", "transpose", "crc32c"})
_MOST_CHUNK_BYTES = 1 << 30
_MOST_FRAMES = 1_000_000
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


def is_zarr(path: Path) -> bool:
    """Whether a folder is a group or an array of Zarr, format 2 or 3."""
    return any((path / name).is_file() for name in ("zarr.json", ".zgroup", ".zarray"))


def read_label_zarr(path: Path, classes: Sequence[DefectClass], pens: Pens) -> ReadWhenAsked[str]:
    """Read labels of OME-Zarr 0.4 or 0.5, or a plain Zarr array.

    Files of `write_label_zarr` tell which frames are labelled; of others, frames of zeros count as not
    labelled. Nothing but chunks that are not compressed, or by Zstandard or Blosc, is read.

    Parameters
    ----------
    path : Path
        The image with its group of labels, that group, one group in it, or an array (t, y, x) or (y, x).
    classes : sequence of DefectClass
        Class table.
    pens : callable
        Not needed.

    Returns
    -------
    ReadWhenAsked
        Masks (y, x) by frame number, in digits. A chunk that cannot be used raises an `InputError` then.

    Raises
    ------
    InputError
        If there are no labels, several of them, or they are laid out otherwise.
    """
    group = _label_group(path)
    told = _attributes(group)
    ome = told.get("ome", told)
    try:
        array_path, axes = _first_level(group, ome)
        array = _opened(array_path)
        axes = axes or _AXES[-array.ndim :]
        time = _time_axis(axes, array.shape, path)
        names = names_of(ome.get("image-label", {}).get("properties"), "label-value", path)
        frames = 1 if time is None else array.shape[time]
        if frames > _MOST_FRAMES:
            raise InputError(f"{path}: claims to have {frames} frames, which no video has; export it again")
        labelled = labelled_of(told.get(_OURS, {}), frames, path)
    except InputError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InputError(f"{path}: is no OME-Zarr of labels ({error!r:.80}); export it again") from error
    read = partial(_frame, array, axes, names, tuple(classes), path)
    if labelled is None:
        labelled = [n for n in range(frames) if _pixels(array, axes, n, path).any()]
    return ReadWhenAsked({frame_digits(n, frames): partial(read, n) for n in labelled})


def _label_group(path: Path) -> Path:
    """Find the group of one set of labels, or the array, that a user means by `path`."""
    told = _attributes(path)
    names = told.get("ome", told).get("labels")
    if names is None and is_zarr(path / "labels"):
        path = path / "labels"
        told = _attributes(path)
        names = told.get("ome", told).get("labels")
    if names is None:
        return path
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names) or not names:
        raise InputError(f"{path}: lists no labels; choose the folder of one set of labels")
    if len(names) > 1:
        raise InputError(f"{path}: has {len(names)} sets of labels; choose the folder of one of them")
    return _inside(path, names[0])


def _inside(folder: Path, name: str) -> Path:
    parts = PurePosixPath(name).parts
    if not parts or PurePosixPath(name).is_absolute() or ".." in parts or "\\" in name or ":" in name:
        raise InputError(f"{folder}: names a part of it that lies outside; it is not read")
    return folder.joinpath(*parts)


def _attributes(path: Path) -> dict[str, Any]:
    if (path / "zarr.json").is_file():
        found = read_json(path / "zarr.json").get("attributes", {})
    elif (path / ".zattrs").is_file():
        found = read_json(path / ".zattrs")
    else:
        found = {}
    if not isinstance(found, dict) or not isinstance(found.get("ome", {}), dict):
        raise InputError(f"{path}: its attributes are damaged; export it again")
    return found


def _first_level(group: Path, ome: Mapping[str, Any]) -> tuple[Path, tuple[str, ...]]:
    """Array of full size, and the names of its axes, empty where they are not told."""
    if "multiscales" not in ome:
        return group, ()
    scales = ome["multiscales"][0]
    axes = tuple(axis["name"] if isinstance(axis, dict) else axis for axis in scales["axes"])
    return _inside(group, scales["datasets"][0]["path"]), axes


def _opened(path: Path) -> Any:
    """Open an array once its description is harmless: no codec that could run code or fill the memory."""
    import zarr

    version = 3 if (path / "zarr.json").is_file() else 2
    if version == 3:
        codecs = [codec["name"] for codec in read_json(path / "zarr.json").get("codecs", [])]
    elif (path / ".zarray").is_file():
        told = read_json(path / ".zarray")
        codecs = [codec["id"] for codec in (told.get("compressor"), *(told.get("filters") or ())) if codec]
    else:
        raise InputError(f"{path}: is no Zarr array; choose the folder of the labels")
    unknown = [codec for codec in codecs if codec not in _COMPRESSORS | _OTHER_CODECS]
    if unknown:
        raise InputError(
            f"{path}: is packed by {unknown[0]!r:.20}; convert it to zstd or blosc, without shards"
        )
    array = zarr.open_array(_bounded_store()(path, read_only=True), mode="r", zarr_format=version)
    if array.dtype.kind not in "uib" or not 2 <= array.ndim <= 5:
        raise InputError(f"{path}: holds {array.dtype} of shape {array.shape}, not masks (t, y, x)")
    if np.prod(array.chunks, dtype=float) * array.dtype.itemsize > _MOST_CHUNK_BYTES:
        raise InputError(f"{path}: its chunks are larger than 1 GiB; write it again with smaller ones")
    return array


def _bounded_store() -> Any:
    """Give the kind of store that refuses chunks which say that they become larger than chunks are."""
    from zarr.storage import LocalStore

    class BoundedStore(LocalStore):  # type: ignore[misc]  # zarr is not looked at by mypy
        async def get(self, key: str, *args: Any, **kwargs: Any) -> Any:
            found = await super().get(key, *args, **kwargs)
            if found is not None and _unpacked_bytes(found.to_bytes()[:18]) > _MOST_CHUNK_BYTES:
                raise InputError(f"{key} claims to become larger than 1 GiB")
            return found

    return BoundedStore


def _unpacked_bytes(head: bytes) -> int:
    """Size that a chunk of Zstandard says it has when unpacked; Blosc cannot say more than 2 GiB."""
    if not head.startswith(_ZSTD_MAGIC):
        return 0
    flags = head[4]
    alone = flags >> 5 & 1
    size = (alone, 2, 4, 8)[flags >> 6]
    start = 6 - alone + (0, 1, 2, 4)[flags & 3]
    if not size:
        return _MOST_CHUNK_BYTES + 1  # it does not say
    return int.from_bytes(head[start : start + size], "little") + (256 if size == 2 else 0)


def _time_axis(axes: Sequence[str], shape: Sequence[int], path: Path) -> int | None:
    """Which axis is time; None where there is none.

    Raises
    ------
    InputError
        If there is more than time, y and x.
    """
    others = [n for axis, n in zip(axes, shape, strict=True) if axis not in _AXES]
    known = [axis for axis in axes if axis in _AXES]
    if known not in (["y", "x"], ["t", "y", "x"]) or any(n != 1 for n in others):
        told = ", ".join(f"{axis} {n}" for axis, n in zip(axes, shape, strict=True))
        raise InputError(f"{path}: has the axes {told!r:.80}; export labels of one plane over time, t, y, x")
    height, width = (int(n) for axis, n in zip(axes, shape, strict=True) if axis in "yx")
    checked_size(height, width, path)
    return list(axes).index("t") if "t" in axes else None


def _pixels(array: Any, axes: Sequence[str], frame: int, path: Path) -> Any:
    at = tuple(frame if axis == "t" else slice(None) if axis in "yx" else 0 for axis in axes)
    try:
        return np.asarray(array[at])
    except Exception as error:  # codecs raise whatever damaged bytes make them
        raise InputError(f"{path}: the labels of frame {frame} are damaged ({error!s:.120})") from error


def _frame(
    array: Any,
    axes: Sequence[str],
    names: Mapping[int, str],
    classes: Sequence[DefectClass],
    path: Path,
    frame: int,
) -> Mask:
    return with_our_values(_pixels(array, axes, frame, path), names, classes, path)


def write_label_zarr(target: Path, labels: LabelSet) -> Ticks[None]:
    """Write labels as OME-Zarr 0.5, of one level.

    The attribute `glissile` of the group `labels/defects` lists the labelled frames.

    Parameters
    ----------
    target : Path
        Empty folder.
    labels : LabelSet
        Labels.

    Yields
    ------
    None
        After each frame.
    """
    import zarr
    from zarr.codecs import ZstdCodec

    root = zarr.create_group(target, zarr_format=3, attributes={"ome": {"version": _VERSION}}, overwrite=True)
    groups = root.create_group("labels", attributes={"ome": {"version": _VERSION, "labels": [_NAME]}})
    group = groups.create_group(_NAME, attributes=_described(labels))
    array = group.create_array(
        "0",
        shape=labels.shape,
        chunks=(1, *labels.shape[1:]),
        dtype="uint8",
        fill_value=0,
        compressors=ZstdCodec(level=3, checksum=True),
        dimension_names=_AXES,
    )
    for frame, mask in labels.masks.items():
        array[frame] = mask
        yield


def _described(labels: LabelSet) -> dict[str, Any]:
    time: dict[str, Any] = {"name": "t", "type": "time"}
    length: dict[str, Any] = {"type": "space"}
    if labels.seconds_per_frame is not None:
        time["unit"] = "second"
    if labels.nm_per_pixel is not None:
        length["unit"] = "nanometer"
    nm = labels.nm_per_pixel or 1.0
    scale = {"type": "scale", "scale": [labels.seconds_per_frame or 1.0, nm, nm]}
    return {
        "ome": {
            "version": _VERSION,
            "multiscales": [
                {
                    "name": _NAME,
                    "axes": [time, {"name": "y", **length}, {"name": "x", **length}],
                    "datasets": [{"path": "0", "coordinateTransformations": [scale]}],
                }
            ],
            "image-label": {
                "colors": [
                    {"label-value": c.value, "rgba": [*bytes.fromhex(c.color[1:]), 255]}
                    for c in labels.classes
                ],
                "properties": [{"label-value": c.value, "name": c.name} for c in labels.classes],
            },
        },
        _OURS: {LABELLED: list(labels.masks)},
    }
