"""What the section of micrographs says and allows; no Qt, no napari."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from glissile.widgets.gan._resolve_walk import NO_NETWORK, NO_PICTURE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from glissile.gan.nearest import Nearest

NO_MICROGRAPH = "Choose a micrograph first"
# w from so many standard deviations off its mean on: random ones have about 1.
_FAR_SD = 1.5
_MINUTE_S, _HOUR_S = 60, 3600
# Share of the steps that follow all starts, and what one image on the way costs in units of one that is
# only looked at; near enough to tell a time.
_FOLLOWED, _IMPROVED = 0.2, 2.4
# Such a unit, in the time that an image of the dock takes, which is made with shortcuts.
UNIT_IMAGES = 2.5


# What texture distances mean: a micrograph that is moved by 2 px is at 0.1 from itself, by 5 px or blurred by
# 4 px at 0.3, another field of view of the same steel at 0.8.
_MEANINGS = (
    (0.15, "The generator makes this structure, nearly in every detail."),
    (0.35, "Much of the texture and layout agrees; compare the two images."),
    (0.7, "Some of the texture agrees; the structure itself is not met."),
    (math.inf, "No nearer than another micrograph of such a structure."),
)


@dataclass(frozen=True)
class Quality:
    """How long is sought.

    Attributes
    ----------
    title : str
        For a person.
    samples, steps, starts : int
        As of `glissile.gan.projection_settings.ProjectionSettings`.
    """

    title: str
    samples: int
    steps: int
    starts: int

    @property
    def images(self) -> int:
        """How many images are looked at, near enough."""
        return round(1 + self.samples + self.steps * (1 - _FOLLOWED + _FOLLOWED * self.starts))

    def work(self, step: int, total: int) -> float:
        """How much of the work is done, in units of one image that is only looked at.

        Parameters
        ----------
        step, total : int
            Of the search: batches of samples come first, then the steps.
        """
        batches = max(1, total - self.steps)
        looked = (1 + self.samples) * min(1.0, step / batches)
        improved = max(0, step - batches)
        followed = min(improved, round(_FOLLOWED * self.steps))
        return looked + _IMPROVED * (followed * self.starts + improved - followed)

    @property
    def whole_work(self) -> float:
        """All of the work, in the same units."""
        return self.work(1 + self.steps, 1 + self.steps)


QUALITIES = (
    Quality("Draft", 60, 60, 2),
    Quality("Good", 200, 200, 4),
    Quality("Best", 1000, 1000, 8),
)
USUAL = 1


@dataclass(frozen=True)
class MicrographFacts:
    """What is known.

    Attributes
    ----------
    network, picture : bool
        A generator is open; a picture is looked at.
    micrograph : bool
        One is chosen.
    problem : str
        Why it cannot be compared with the generator.
    searching, found : bool
        It is being sought; something was found.
    opening : bool
        A file is being read.
    reading : bool
        A folder of training images is being read.
    folder : str
        Name of the folder; empty where none is chosen.
    images : int
        How many training images are known.
    """

    network: bool = False
    picture: bool = False
    micrograph: bool = False
    problem: str = ""
    searching: bool = False
    opening: bool = False
    found: bool = False
    reading: bool = False
    folder: str = ""
    images: int = 0


@dataclass(frozen=True)
class MicrographControls:
    """What can be done. Each but the texts is the reason why it cannot; empty where it can.

    Attributes
    ----------
    choose, search, show, key : str
        Of the choice of the micrograph, of the search, of what was found, of "Set as key frame".
    folder : str
        Of the choice of the folder.
    training : str
        What is known of the training images.
    """

    choose: str
    search: str
    show: str
    key: str
    folder: str
    training: str


def resolve_micrographs(facts: MicrographFacts) -> MicrographControls:
    """Say what can be done, and why not."""
    network = "" if facts.network else NO_NETWORK
    busy = "It is being searched for" if facts.searching else ""
    busy = busy or ("The file is being read" if facts.opening else "")
    found = network or busy or ("" if facts.found else "Nothing was found yet")
    return MicrographControls(
        choose=busy,
        search=network or busy or ("" if facts.micrograph else NO_MICROGRAPH) or facts.problem,
        show=found,
        key=found,
        folder=network or ("The folder is being read" if facts.reading else ""),
        training=_training(facts),
    )


def _training(facts: MicrographFacts) -> str:
    if not facts.network:
        return ""
    if facts.reading:
        return f"Reading {facts.folder}"
    if not facts.folder:
        return (
            "Is the picture new, or a training image learned by heart? Choose the folder of the images that "
            "this generator was trained on."
        )
    if not facts.images:
        return f"{facts.folder} is not read"
    plain = f"{facts.images} training images, in “{facts.folder}”"
    return plain if facts.picture else f"{plain}. {NO_PICTURE}."


def quality_text(quality: Quality, pace_s: float | None) -> str:
    """Tell a quality: "Good: 521 images, about 2 min"; by the seconds that a unit of work takes."""
    time = "" if pace_s is None else f", about {duration_text(pace_s * quality.whole_work)}"
    return f"{quality.title}: {quality.images} images{time}"


def duration_text(seconds: float) -> str:
    """Tell a time roughly: "40 s", "3 min", "2.5 h"."""
    if seconds < _MINUTE_S:
        return f"{max(1, round(seconds / 5) * 5 if seconds >= 10 else round(seconds))} s"
    if seconds < _HOUR_S:
        return f"{round(seconds / _MINUTE_S)} min"
    return f"{seconds / _HOUR_S:.1f} h"


def crop_text(
    shape: tuple[int, ...],
    side_px: int,
    resolution: int,
    *,
    bar_px: int = 0,
    colours: tuple[int, int] = (1, 1),
    nm_per_pixel: tuple[float | None, float | None] = (None, None),
) -> str:
    """Tell what of a micrograph is used, and what becomes of it.

    Parameters
    ----------
    shape : tuple of int
        (y, x) or (y, x, c) of the micrograph.
    side_px : int
        Of the square that is used.
    resolution : int
        Of the generator.
    bar_px : int
        Rows of the data bar.
    colours : tuple of int
        Channels of the micrograph and of the generator.
    nm_per_pixel : tuple of float, optional
        Of the micrograph and of the generator, where they are known.
    """
    height, width = shape[:2]
    whole = f"{width} × {height} px" + (f", the lowest {bar_px} rows data bar" if bar_px else "")
    text = f"Used: the middle {side_px} × {side_px} px (of {whole})"
    if side_px != resolution:
        how = "reduced" if side_px > resolution else "enlarged"
        text += f", {how} to {resolution} × {resolution} px"
    if colours == (3, 1):
        text += ", its colours turned to grey"
    text += "."
    mine, its = nm_per_pixel
    if mine and its:
        ratio = mine * side_px / (its * resolution)
        if not 1 / 1.1 < ratio < 1.1:
            seen = f"{ratio:.1f} times smaller" if ratio > 1 else f"{1 / ratio:.1f} times larger"
            text += f" Structures appear {seen} than this generator makes them."
    return text


def same_scale_px(resolution: int, micrograph_nm: float | None, generator_nm: float | None) -> int:
    """Side (px) of the square that shows as much as an image of the generator; its pixels without scales."""
    if micrograph_nm and generator_nm:
        return max(1, round(resolution * generator_nm / micrograph_nm))
    return resolution


def searching_text(doing: str, metrics: Mapping[str, float], seconds_left: float | None) -> str:
    """Tell where a search is: "Settling · distance 0.45 · about 2 min left"."""
    parts = [doing]
    if "distance" in metrics:
        parts.append(f"distance {metrics['distance']:.2f}")
    if seconds_left is not None:
        parts.append(f"about {duration_text(seconds_left)} left")
    return " · ".join(parts)


def found_text(distances: Mapping[str, float], *, stopped: bool = False) -> str:
    """Tell how near the picture that was found is to the micrograph.

    Parameters
    ----------
    distances : mapping of str to float
        As of `glissile.gan.projection.Projection`; those of the mean and of samples may be missing where it
        was stopped.
    stopped : bool
        It was left off early.
    """
    reached = distances["distance"]
    text = "Stopped early; this is the best so far. " if stopped else ""
    text += f"Texture distance {reached:.2f}: 0 is the micrograph itself, 1 no structure"
    others = {"of_mean": "the mean image", "of_best_sample": "the best random image"}
    known = [f"{who} has {distances[name]:.2f}" for name, who in others.items() if name in distances]
    text += f" ({', '.join(known)}).\n" if known else ".\n"
    text += next(meaning for below, meaning in _MEANINGS if reached < below)
    if distances["from_mean"] > _FAR_SD:
        text += (
            f"\nIt lies {distances['from_mean']:.1f} standard deviations from the mean, random images about "
            "1: out there images may get strange."
        )
    return text


def nearest_text(found: Nearest, close: float) -> str:
    """Tell what the nearest training image means.

    Parameters
    ----------
    found : Nearest
        The nearest training image.
    close : float
        Similarity from which on an image is nearer than almost all training images are to each other.
    """
    meant = {
        "copy": "so near that it counts as a copy of this training image; compare them",
        "close": "nearer than almost all training images are to each other; it may be a copy, compare them",
        "new": "as far apart as training images are from each other; no copy",
    }[found.verdict]
    if not found.usual:
        few = "there are too few training images to tell what that means"
        return f"{found.path.name}\nSimilarity {found.similarity:.2f} of 1; {few}."
    return (
        f"{found.path.name}\nSimilarity {found.similarity:.2f} of 1: {meant}. Among training images "
        f"{found.usual:.2f} is usual, and more than {close:.2f} is not."
    )
