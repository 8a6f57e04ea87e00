"""Whether a preview comes before an image, and how large: by how long the last ones took."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glissile.gan.thumbnails import preview_sizes

if TYPE_CHECKING:
    from glissile.io.generator_card import GeneratorShape

SMOOTH_S = 1 / 15  # what takes no longer follows a slider
_SLOW_IN_A_ROW = 3  # the first of them prepares buffers


class Pace:
    """Chooses the previews of one generator, by how long its images take.

    Parameters
    ----------
    shape : GeneratorShape
        Of the generator.
    """

    def __init__(self, shape: GeneratorShape) -> None:
        self._sizes = list(preview_sizes(shape))
        self._image_s: float | None = None
        self._slow = 0

    @property
    def preview_px(self) -> int | None:
        """Size of the next preview; None where the image itself is quick enough."""
        quick = self._image_s is not None and self._image_s <= SMOOTH_S
        return self._sizes[0] if self._sizes and not quick else None

    def image_took(self, seconds: float) -> None:
        """Take in how long an image took."""
        self._image_s = seconds

    def preview_took(self, seconds: float) -> None:
        """Take in how long a preview took; smaller ones follow where all are slow."""
        self._slow = self._slow + 1 if seconds > SMOOTH_S else 0
        if self._slow >= _SLOW_IN_A_ROW:
            self._slow = 0
            if len(self._sizes) > 1:
                self._sizes.pop(0)
            elif self._image_s is not None and seconds >= self._image_s:
                self._sizes.clear()
