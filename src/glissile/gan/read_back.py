"""Key frames of a walk from files that were exported: latents, images, sheets, videos."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import ValidationError

from glissile.errors import InputError
from glissile.gan.maker import Maker
from glissile.gan.points import Point, refuse_misfit
from glissile.gan.provenance import Provenance, refuse_other_generator
from glissile.gan.records import read_provenance
from glissile.gan.walk import MOST_KEYS, WalkSettings

if TYPE_CHECKING:
    from glissile.gan.sampler import Sampler

_MOST_WALKS = 8  # in one file; each is prepared anew


@dataclass(frozen=True)
class KeysRead:
    """What was read.

    Attributes
    ----------
    keys : tuple of Point
        Key frames, in order.
    settings : WalkSettings, optional
        Of the walk, where the file holds one.
    """

    keys: tuple[Point, ...]
    settings: WalkSettings | None


def read_keys(path: Path, sampler: "Sampler") -> KeysRead:
    """Read key frames from a file that was exported.

    Parameters
    ----------
    path : Path
        PNG, TIFF, video, NPZ or JSON. Of a walk its key frames are taken, of others every image.
    sampler : Sampler
        The generator that they are for.

    Returns
    -------
    KeysRead

    Raises
    ------
    InputError
        If the file does not tell how its images were made, or they are of another generator, or too many.
    """
    try:
        records = read_provenance(path)
    except OSError as problem:
        raise InputError(f"{path}: cannot be read ({problem.strerror}); choose another file") from problem
    if not records:
        raise InputError(f"{path}: holds no image; choose a file that was exported")
    for record in records:
        try:
            refuse_other_generator(sampler.card, record)
        except InputError as problem:
            raise InputError(f"{path.name}: {problem}") from problem
    if len({record.walk for record in records}) > _MOST_WALKS:
        raise InputError(f"{path.name}: holds frames of many walks; choose a file that was exported")
    walk = records[0].walk
    if walk is not None and all(record.walk == walk for record in records):
        keys, settings = walk.keys, walk.settings
    elif len(records) > MOST_KEYS:
        raise InputError(
            f"{path.name}: holds {len(records)} images, and a walk has at most {MOST_KEYS} key frames; "
            "export fewer"
        )
    else:
        maker = Maker(sampler)
        try:
            with np.errstate(all="ignore"):
                keys, settings = tuple(_point(maker, record) for record in records), None
        except ValidationError as problem:
            raise InputError(
                f"{path.name}: an image in it comes from numbers that are too large; export it again"
            ) from problem
    for key in keys:
        refuse_misfit(key, sampler.shape)
    return KeysRead(keys, settings)


def _point(maker: Maker, record: Provenance) -> Point:
    if record.point is not None and record.mixing is None:
        return record.point
    label = None if record.point is None else record.point.label
    return Point.of_w(maker.ws(record), record.title[:200], label)
