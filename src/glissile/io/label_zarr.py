"""Labels as OME-Zarr (NGFF 0.5): a label image, whose array (t, y, x) holds class values.

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
from glissile.io.label_set import LABELLED, LabelSet, Mask, ReadWhenAsked, Wanted, frame_digits
from glissile.io.label_words import labelled_of, names_of
from glissile.progress import Ticks

_VERSION = "0.5"
_NAME = "defects"
_AXES = ("t", "y", "x")
_OURS = "glissile"
# Beyond its pixels: what a compressor may add to a chunk that it cannot make smaller.
_MORE_BYTES = 1 << 16
# The only compressors whose chunks say how large they become.
_COMPRESSORS = frozenset({"zstd", "blosc"})
_OTHER_CODECS = frozenset({"bytes", "transpose", "crc32c"})
_MOST_CHUNK_BYTES = 1 << 30
_MOST_FRAMES = 1_000_000
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_HEAD_BYTES = 18


def is_zarr(path: Path) -> bool:
    """Whether a folder is a group or an array of Zarr, format 2 or 3."""
    return any((path / name).is_file() for name in ("zarr.json", ".zgroup", ".zarray"))


def read_label_zarr(path: Path, wanted: Wanted) -> ReadWhenAsked[str]:
    """Read labels of OME-Zarr 0.4 or 0.5, or a plain Zarr array.

    Files of `write_label_zarr` tell which frames are labelled; of others, frames of zeros count as not
    labelled. Nothing but chunks that are not compressed, or by Zstandard or Blosc, is read.

    Parameters
    ----------
    path : Path
        The image with its group of labels, that group, one group in it, or an array (t, y, x) or (y, x).
    wanted : Wanted
        Classes and sizes.

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
        time = _time_axis(axes, array.shape, path, wanted)
        names = names_of(ome.get("image-label", {}).get("properties"), "label-value", path)
        frames = 1 if time is None else array.shape[time]
        if frames > _MOST_FRAMES:
            raise InputError(f"{path}: claims to have {frames} frames, which no video has; export it again")
        labelled = labelled_of(told.get(_OURS, {}), frames, path)
    except InputError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InputError(f"{path}: is no OME-Zarr of labels ({error!r:.80}); export it again") from error
    read = partial(_frame, array, axes, names, wanted.classes, path)
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
    compressors = [codec for codec in codecs if codec in _COMPRESSORS]
    if len(compressors) > 1:
        raise InputError(f"{path}: is packed {len(compressors)} times; convert it to zstd alone")
    store = _bounded_store()(path, read_only=True)
    array = zarr.open_array(store, mode="r", zarr_format=version)
    if array.dtype.kind not in "uib" or not 2 <= array.ndim <= 5:
        raise InputError(f"{path}: holds {array.dtype} of shape {array.shape}, not masks (t, y, x)")
    chunk_bytes = np.prod(array.chunks, dtype=float) * array.dtype.itemsize
    if chunk_bytes > _MOST_CHUNK_BYTES:
        raise InputError(f"{path}: its chunks are larger than 1 GiB; write it again with smaller ones")
    store.limit_to(int(chunk_bytes), compressors[0] if compressors else "")
    return array


def _bounded_store() -> Any:
    """Give the kind of store that refuses chunks which are too large, before they are read."""
    from zarr.storage import LocalStore

    class BoundedStore(LocalStore):  # type: ignore[misc]  # zarr is not looked at by mypy
        def limit_to(self, chunk_bytes: int, compressor: str) -> None:
            """Refuse from now on what becomes larger than a chunk."""
            self._limit = chunk_bytes, compressor

        def _check(self, key: str) -> None:
            check_chunk(self.root / key, *getattr(self, "_limit", (_MOST_CHUNK_BYTES, "")))

        async def get(self, key: str, *args: Any, **kwargs: Any) -> Any:
            self._check(key)
            return await super().get(key, *args, **kwargs)

        def get_sync(self, key: str, *args: Any, **kwargs: Any) -> Any:
            self._check(key)
            return super().get_sync(key, *args, **kwargs)

    return BoundedStore


def check_chunk(file: Path, chunk_bytes: int, compressor: str) -> None:
    """Refuse a file of which reading, or unpacking, would take more memory than a chunk.

    Parameters
    ----------
    file : Path
        It may be missing: then the chunk is empty.
    chunk_bytes : int
        Of its pixels.
    compressor : str
        "zstd", "blosc" or, for none, empty.

    Raises
    ------
    InputError
        If it is no plain file, is larger than a chunk can be, or says that it becomes larger.
    """
    if not file.exists() or file.is_dir():  # which the store takes for missing
        return
    if not file.is_file():
        raise InputError(f"{file.name} is no plain file")
    if file.stat().st_size > chunk_bytes + chunk_bytes // 64 + _MORE_BYTES:
        raise InputError(f"{file.name} is larger than a chunk of {chunk_bytes} bytes")
    if not compressor:
        return
    with file.open("rb") as opened:
        head = opened.read(_HEAD_BYTES)
    size = _unpacked_bytes(head) if compressor == "zstd" else int.from_bytes(head[4:8], "little")
    if size is None:
        raise InputError(f"{file.name} does not say how large it becomes")
    if size > chunk_bytes:
        raise InputError(f"{file.name} claims to become larger than a chunk of {chunk_bytes} bytes")


def _unpacked_bytes(head: bytes) -> int | None:
    """Size that a chunk of Zstandard says it has when unpacked; None where it does not say."""
    if not head.startswith(_ZSTD_MAGIC) or len(head) <= len(_ZSTD_MAGIC):
        return None
    flags = head[4]
    alone = flags >> 5 & 1
    size = (alone, 2, 4, 8)[flags >> 6]
    start = 6 - alone + (0, 1, 2, 4)[flags & 3]
    if not size:
        return None
    return int.from_bytes(head[start : start + size], "little") + (256 if size == 2 else 0)


def _time_axis(axes: Sequence[str], shape: Sequence[int], path: Path, wanted: Wanted) -> int | None:
    """Which axis is time; None where there is none.

    Raises
    ------
    InputError
        If there is more than time, y and x, or the frames have another size than masks may have.
    """
    others = [n for axis, n in zip(axes, shape, strict=True) if axis not in _AXES]
    known = [axis for axis in axes if axis in _AXES]
    if known not in (["y", "x"], ["t", "y", "x"]) or any(n != 1 for n in others):
        told = ", ".join(f"{axis} {n}" for axis, n in zip(axes, shape, strict=True))
        raise InputError(f"{path}: has the axes {told!r:.80}; export labels of one plane over time, t, y, x")
    height, width = (int(n) for axis, n in zip(axes, shape, strict=True) if axis in "yx")
    wanted.size(height, width, path)
    return list(axes).index("t") if "t" in axes else None


def _pixels(array: Any, axes: Sequence[str], frame: int, path: Path) -> Any:
    at = tuple(frame if axis == "t" else slice(None) if axis in "yx" else 0 for axis in axes)
    try:
        return np.asarray(array[at])
    except MemoryError:
        raise
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
    """Write labels as a label image of OME-Zarr 0.5, of one level.

    Its group is the root, which viewers open as it is; the group `labels` of an image can take it as a
    whole. The attribute `glissile` lists the labelled frames.

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

    group = zarr.create_group(target, zarr_format=3, attributes=_described(labels), overwrite=True)
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
