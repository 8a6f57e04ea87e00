"""Which video a study is about, so that a moved or changed one is noticed."""

import hashlib
import os
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from glissile.errors import InputError
from glissile.naming import image_files

_MIB = 1 << 20


class Source(BaseModel):
    """Reference to the source video: where it lies and what it contains.

    `sampled_sha256` stands for the content without reading 10 GB: the SHA-256 of the size in bytes and of
    the first, middle and last MiB of the file. For a folder of frames it covers the names and sizes of all
    its images, and the same samples of the first, middle and last one. A change of a few bytes elsewhere in
    a file of unchanged size goes unnoticed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str = Field(min_length=1, title="Path", description="Absolute path, with forward slashes")
    relative_path: str | None = Field(
        None,
        title="Relative path",
        description="The same from the experiment folder, for a pair moved together",
    )
    size_bytes: int = Field(ge=0, title="Size (bytes)", description="Size of the file, or of all frames")
    sampled_sha256: str = Field(
        pattern="^[0-9a-f]{64}$",
        title="Sampled SHA-256",
        description="SHA-256 of the size and of the first, middle and last MiB",
    )
    frames: int = Field(ge=1, title="Frames", description="Number of frames of the source")
    height: int = Field(ge=1, title="Height (px)", description="Rows of a frame of the source")
    width: int = Field(ge=1, title="Width (px)", description="Columns of a frame of the source")

    @classmethod
    def of(cls, path: Path, *, frames: int, height: int, width: int) -> Self:
        """Refer to the video at `path`.

        Parameters
        ----------
        path : Path
            Video file or folder of frames.
        frames, height, width : int
            Its length and the size of a frame in pixels.

        Returns
        -------
        Source

        Raises
        ------
        InputError
            If there is nothing at `path` or it cannot be read.
        """
        size, digest = fingerprint(path)
        return cls(
            path=Path(os.path.abspath(path)).as_posix(),  # noqa: PTH100 - Path.absolute keeps ".."
            size_bytes=size,
            sampled_sha256=digest,
            frames=frames,
            height=height,
            width=width,
        )

    @property
    def shape(self) -> tuple[int, int, int]:
        """(t, y, x)."""
        return self.frames, self.height, self.width

    def difference(self, path: Path) -> str | None:
        """How the video at `path` differs from this one; None where it is the same.

        Raises
        ------
        InputError
            If there is nothing at `path` or it cannot be read.
        """
        size, digest = fingerprint(path)
        if size != self.size_bytes:
            return f"it has {size} bytes and had {self.size_bytes}"
        return "its content differs" if digest != self.sampled_sha256 else None

    def mistaken(self, path: Path, study: str) -> str | None:
        """Say that the video at `path` is not the one that `study` was made from; None where it is.

        Raises
        ------
        InputError
            If there is nothing at `path` or it cannot be read.
        """
        how = self.difference(path)
        return None if how is None else f"{path}: is not the video that {study} was made from, {how}"

    def seen_from(self, folder: Path) -> Self:
        """Add the path relative to the experiment `folder`."""
        try:
            relative = Path(os.path.relpath(self.path, folder)).as_posix()
        except ValueError:  # another drive of a Windows machine
            relative = None
        return self.model_copy(update={"relative_path": relative})


def fingerprint(path: Path) -> tuple[int, str]:
    """Size in bytes and sampled SHA-256 of a video file or a folder of frames, see `Source`.

    Raises
    ------
    InputError
        If there is nothing at `path` or it cannot be read.
    """
    if not path.exists():
        raise InputError(f"{path}: there is no such file or folder; check the path")
    try:
        return _sampled(path)
    except OSError as error:
        raise InputError(f"{path}: the source video cannot be read ({error.strerror})") from error


def _sampled(path: Path) -> tuple[int, str]:
    digest = hashlib.sha256()
    if not path.is_dir():
        size = path.stat().st_size
        _sample(digest, path, size)
        return size, digest.hexdigest()
    images = sorted(image_files(path))
    sizes = [p.stat().st_size for p in images]
    for image, size in zip(images, sizes, strict=True):
        digest.update(f"{image.name}\0{size}\0".encode())
    for index in sorted({0, len(images) // 2, len(images) - 1}) if images else ():
        _sample(digest, images[index], sizes[index])
    return sum(sizes), digest.hexdigest()


def _sample(digest: "hashlib._Hash", path: Path, size: int) -> None:
    digest.update(f"{size}\0".encode())
    with path.open("rb") as file:
        if size <= 3 * _MIB:
            digest.update(file.read())
            return
        for start in (0, (size - _MIB) // 2, size - _MIB):
            file.seek(start)
            digest.update(file.read(_MIB))
