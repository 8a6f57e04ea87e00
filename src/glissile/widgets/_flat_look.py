"""How the videos of a study look with even illumination; no Qt."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from glissile.contrast import video_contrast
from glissile.progress import Step, Steps
from glissile.stabilize.illumination import flattened, mean_grey
from glissile.video import Video


@dataclass(frozen=True)
class FlatLook:
    """How the videos of a study look with even illumination.

    Attributes
    ----------
    flatten : callable
        Gives such a video, lazily.
    limits : tuple of float
        Grey values shown black and white.
    """

    flatten: Callable[[Video], Video]
    limits: tuple[float, float]


def flattening(video: Video) -> Steps[FlatLook]:
    """Find how `video`, and others of the same source, are flattened; yields a Step, reads some frames."""
    yield Step(0, 1, "Reading the illumination")
    flatten = partial(flattened, mean=mean_grey(video))
    return FlatLook(flatten, video_contrast(flatten(video)))
