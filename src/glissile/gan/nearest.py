"""The training image nearest to a generated one: whether a generator has learned some by heart.

Images are compared by how bright they are where: averaged down to 32 x 32 values, free of brightness and
contrast, turned and mirrored in all eight ways and moved by up to 6 % of their width. Their similarity is the
largest normalised correlation of all these. How much of it is usual is found out on the training images
themselves, from how similar each is to the nearest other one: two fields of view are no copies.

It finds whole images that come back; a patch that comes back somewhere else goes unnoticed.
"""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from glissile.atomic import replacing
from glissile.errors import InputError
from glissile.gan.crop import cut_square
from glissile.gan.index_cache import is_own
from glissile.io.grey import grey_of_colour
from glissile.io.image_folders import read_image
from glissile.naming import image_files
from glissile.progress import Step, Steps

Floats = NDArray[np.float32]
Verdict = Literal["copy", "close", "new"]

VALUES = 32
_REACH = 2  # values that images may be moved by
_INNER = VALUES - 2 * _REACH
_FINE = 2 * VALUES
# Of the finer average, before it is halved: so wide that half a value of shift does little.
_BLUR = 1.2
_AT_ONCE = 2048
# Above this two images are one, whatever is usual among them.
_SAME = 0.97
# Without enough training images that differ.
_CLOSE_BY_DEFAULT, _COPY_BY_DEFAULT = 0.8, 0.9
_LEAST_COMPARED = 8
_MOST_COMPARED = 128
_MOST_COMPARISONS = 400_000
# Standard deviations beyond the median, of the area tangent of the similarity.
_CLOSE_BEYOND, _COPY_BEYOND = 3.5, 7.0
_LEAST_SPREAD = 0.02
_STEP_IMAGES = 16
_MOST_BYTES = 1 << 30
_CACHE_KEY = "glissile_index"
_CACHE_VERSION = 2
# Deviation of what counts as flat, over the largest value.
_FLAT = 1e-5
_CACHE_BEGINS = f'{{"__metadata__":{{"{_CACHE_KEY}":'.encode()


@dataclass(frozen=True)
class Nearest:
    """The training image that is nearest to an image.

    Attributes
    ----------
    path : Path
        Where it is.
    similarity : float
        -1 to 1; 1 for the same image.
    usual : float
        Median similarity of a training image to the nearest other one.
    verdict : {"copy", "close", "new"}
        A copy; nearer than almost all training images are to each other; or as far as they are.
    """

    path: Path
    similarity: float
    usual: float
    verdict: Verdict

    @property
    def sentence(self) -> str:
        """The verdict for a person."""
        what = {
            "copy": f"This is a copy of the training image {self.path.name}",
            "close": f"This is unusually close to the training image {self.path.name}",
            "new": f"This is no copy; the nearest training image is {self.path.name}",
        }[self.verdict]
        return f"{what} (similarity {self.similarity:.2f}, usual among training images {self.usual:.2f})."


@dataclass(frozen=True, eq=False)
class Index:
    """Training images, made ready to be compared.

    Attributes
    ----------
    paths : tuple of Path
        Where they are.
    values : ndarray of float16, shape (n, 32, 32)
        Each averaged down, of mean 0 and standard deviation 1.
    usual, close, copy : float
        Similarities: the usual one, and from where on an image is close, or a copy.
    """

    paths: tuple[Path, ...]
    values: NDArray[np.float16]
    usual: float
    close: float
    copy: float

    def __len__(self) -> int:
        return len(self.paths)

    @cached_property
    def _known(self) -> Floats:
        return self.values.astype(np.float32)

    def similarities(self, image: NDArray[Any]) -> Floats:
        """Similarity, -1 to 1, of an image (y, x) or (y, x, 3) to each training image, shape (n,)."""
        return np.asarray(_similarities(self._known, averaged(image)[None])[0])


def index_images(folder: Path, cache: Path | None = None) -> Steps[Index]:
    """Make the training images of a folder ready to be compared.

    Parameters
    ----------
    folder : Path
        Holding PNG, TIFF or JPEG images as the generator learned them; if it holds none, its sub-folders.
    cache : Path, optional
        File to keep the result in; used again as long as no image is added, removed or changed.

    Yields
    ------
    Step

    Returns
    -------
    Index

    Raises
    ------
    InputError
        If there is no image, or one that cannot be read, or the cache is something else; where it is a file
        of `glissile.gan.index_cache`, it is made anew instead.
    """
    if cache is not None and not is_own(cache):
        _refuse_foreign(cache)
    paths = _images(folder)
    stamp = _stamp(folder, paths)
    known = None if cache is None else _cached(cache, paths, stamp)
    if known is not None:
        return known
    total = len(paths)
    values = np.empty((total, VALUES, VALUES), np.float16)
    for i, path in enumerate(paths):
        if i % _STEP_IMAGES == 0:
            yield Step(i, total, f"Reading training image {i + 1} of {total}")
        values[i] = averaged(read_image(path))
    index = Index(tuple(paths), values, *(yield from _levels(values)))
    if cache is not None:
        _keep(cache, index, stamp)
    return index


def nearest(index: Index, image: NDArray[Any]) -> Nearest:
    """Find the training image that is nearest to an image.

    Parameters
    ----------
    index : Index
        The training images.
    image : ndarray, shape (y, x) or (y, x, 3)
        Of any size; its central square is taken, as of theirs.

    Returns
    -------
    Nearest
    """
    similarities = index.similarities(image)
    best = int(np.argmax(similarities))
    similarity = float(similarities[best])
    verdict: Verdict = "new"
    if similarity >= index.close:
        verdict = "copy" if similarity >= index.copy else "close"
    return Nearest(index.paths[best], similarity, index.usual, verdict)


def averaged(image: NDArray[Any]) -> Floats:
    """Average the central square of an image (y, x) or (y, x, 3) to (32, 32) values.

    Their mean is 0 and their deviation 1; those of a flat image are all 0.
    """
    square = cut_square(image)
    grey = grey_of_colour(square) if square.ndim == 3 else square
    # Whole repeats where the image is small, so that each average has a pixel.
    grey = np.repeat(grey, -(-_FINE // grey.shape[0]), axis=0)
    grey = np.repeat(grey, -(-_FINE // grey.shape[1]), axis=1)
    rows, columns = (np.arange(_FINE) * n // _FINE for n in grey.shape)
    sums = np.add.reduceat(grey.astype(np.float32), columns, axis=1)
    sums = np.add.reduceat(sums, rows, axis=0)
    sizes = np.outer(np.diff(rows, append=grey.shape[0]), np.diff(columns, append=grey.shape[1]))
    fine = ndimage.gaussian_filter(sums / sizes.astype(np.float32), _BLUR)
    values = fine.reshape(VALUES, 2, VALUES, 2).mean(axis=(1, 3), dtype=np.float32)
    flat = _FLAT * np.abs(values).max()
    values -= values.mean()
    spread = values.std()
    return np.asarray(values / spread if spread > flat else np.zeros_like(values))


def _similarities(known: Floats, wanted: Floats) -> Floats:
    """Largest correlation of wanted (k, 32, 32) with each known (n, 32, 32), however turned, (k, n)."""
    inner = wanted[:, _REACH:-_REACH, _REACH:-_REACH]
    turned = [np.rot90(side, turns, (1, 2)) for side in (inner, inner[:, ::-1]) for turns in range(4)]
    templates = np.stack(turned, axis=1).reshape(-1, _INNER**2)
    templates = templates - templates.mean(axis=1, keepdims=True)
    templates /= _length(templates)[:, None]
    best = np.full((len(known), len(templates)), -1, np.float32)
    for first in range(0, len(known), _AT_ONCE):
        part = slice(first, first + _AT_ONCE)
        for dy in range(2 * _REACH + 1):
            for dx in range(2 * _REACH + 1):
                moved = known[part, dy : dy + _INNER, dx : dx + _INNER].reshape(-1, _INNER**2)
                # The templates are of mean 0, so that of what they are held against falls out.
                found = moved @ templates.T / _length(moved)[:, None]
                np.maximum(best[part], found, out=best[part])
    return np.asarray(best.reshape(len(known), len(wanted), -1).max(axis=-1).T)


def _length(rows: Floats) -> Floats:
    """Length of rows once their mean is subtracted; no less than 0.001, so that flat ones can divide."""
    squares = np.einsum("ij,ij->i", rows, rows) - rows.shape[1] * rows.mean(axis=1) ** 2
    return np.asarray(np.sqrt(np.maximum(squares, 1e-6)))


def _levels(values: NDArray[np.float16]) -> Steps[tuple[float, float, float]]:
    """Find out how similar training images are to the nearest other one: usual, close and copy."""
    known = values.astype(np.float32)
    count = len(known)
    compared = min(count, _MOST_COMPARED, max(_LEAST_COMPARED, _MOST_COMPARISONS // count))
    chosen = np.random.default_rng(0).choice(count, compared, replace=False)
    found: list[float] = []
    for first in range(0, compared, _STEP_IMAGES):
        yield Step(count, count, f"Comparing training image {first + 1} of {compared} with all others")
        for similarities in _similarities(known, known[chosen[first : first + _STEP_IMAGES]]):
            # Not the same image, nor any that the data set holds twice, as it is or mirrored.
            others = similarities[similarities < _SAME]
            if others.size:
                found.append(float(others.max()))
    if len(found) < _LEAST_COMPARED:
        return float(np.median(found)) if found else 0.0, _CLOSE_BY_DEFAULT, _COPY_BY_DEFAULT
    z = np.arctanh(found)
    middle = float(np.median(z))
    spread = max(1.4826 * float(np.median(np.abs(z - middle))), _LEAST_SPREAD)
    close, copy = (
        min(float(np.tanh(middle + beyond * spread)), _SAME) for beyond in (_CLOSE_BEYOND, _COPY_BEYOND)
    )
    return float(np.tanh(middle)), close, copy


def _images(folder: Path) -> list[Path]:
    try:
        found = image_files(folder)
        if not found:
            below = sorted(path for path in folder.iterdir() if path.is_dir())
            found = [path for each in below for path in image_files(each)]
    except OSError as problem:
        raise InputError(f"{folder}: cannot be read ({problem.strerror}); choose another folder") from problem
    if not found:
        raise InputError(f"{folder}: holds no PNG, TIFF or JPEG image; choose the folder of training images")
    return found


def _stamp(folder: Path, paths: Sequence[Path]) -> str:
    """Tell images from changed ones: name, size and time of the last change."""
    try:
        described = [
            (path.relative_to(folder).as_posix(), (state := path.stat()).st_size, state.st_mtime_ns)
            for path in paths
        ]
    except OSError as problem:
        raise InputError(f"{folder}: an image went away ({problem.strerror}); try again") from problem
    return json.dumps([_CACHE_VERSION, described], separators=(",", ":"))


def _refuse_foreign(cache: Path) -> None:
    """Refuse to replace what was not kept here; an index that was cut off begins as a whole one does."""
    try:
        if not cache.exists():
            return
        if not cache.is_file():
            raise InputError(f"{cache}: is no file; choose another one")
        with cache.open("rb") as file:
            begins = file.read(8 + len(_CACHE_BEGINS))
    except OSError as problem:
        raise InputError(f"{cache}: cannot be read ({problem.strerror}); choose another file") from problem
    if begins and begins[8:] != _CACHE_BEGINS:
        raise InputError(f"{cache}: is there already, and no index of images; move it away")


def _keep(cache: Path, index: Index, stamp: str) -> None:
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    tensors = {"values": index.values, "levels": np.array([index.usual, index.close, index.copy])}
    # Where it cannot be kept, the images are read again the next time.
    with suppress(OSError, SafetensorError), replacing(cache) as temporary:
        save_file(tensors, temporary, {_CACHE_KEY: stamp})


def _cached(cache: Path, paths: list[Path], stamp: str) -> Index | None:
    """Read what was kept; None where there is nothing, or it is damaged, or of other images."""
    from safetensors import SafetensorError, safe_open

    with suppress(OSError, SafetensorError, KeyError, ValueError, TypeError, AttributeError):
        if not cache.is_file() or cache.stat().st_size > _MOST_BYTES:
            return None
        with safe_open(cache, framework="numpy") as stored:
            if (stored.metadata() or {}).get(_CACHE_KEY) != stamp:
                return None
            values, levels = stored.get_tensor("values"), stored.get_tensor("levels")
        fits = values.shape == (len(paths), VALUES, VALUES) and values.dtype == np.float16
        if fits and levels.shape == (3,) and np.isfinite(values).all() and np.isfinite(levels).all():
            return Index(tuple(paths), values, *levels.astype(float).tolist())
    return None
