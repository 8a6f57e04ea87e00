"""What the walk section says and allows, from the key frames and settings; no Qt, no napari."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ValidationError

from glissile.gan.walk import MOST_KEYS, PAPER_WALK, Walk, WalkSettings, no_way_in_z

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glissile.gan.points import Point

NO_NETWORK = "Open a network first"
NO_PICTURE = "Choose a sample first"
PAPER_FRAMES_PER_SECOND = 24
_LEAST_KEYS = 2


@dataclass(frozen=True)
class WalkFacts:
    """What is known of the walk.

    Attributes
    ----------
    network : bool
        A generator is open.
    picture : Point, optional
        That is looked at, with its edits.
    keys : tuple of Point
        Key frames.
    selected : int, optional
        Index of the key frame that is selected.
    undoable : bool
        The key frames were changed.
    settings : WalkSettings, optional
        None where the form holds none that are valid.
    measured : bool
        The distances of the images along it are known, as equal speed needs them.
    running : bool
        A long work of the generator goes on.
    shown : bool
        It is in the viewer.
    ready : int
        Frames that are made.
    frames_per_second : float
        At which it is played.
    """

    network: bool = False
    picture: Point | None = None
    keys: tuple[Point, ...] = ()
    selected: int | None = None
    undoable: bool = False
    settings: WalkSettings | None = None
    measured: bool = False
    running: bool = False
    shown: bool = False
    ready: int = 0
    frames_per_second: float = PAPER_FRAMES_PER_SECOND


@dataclass(frozen=True)
class WalkControls:
    """What can be done. Each but `text` is the reason why it cannot; empty where it can.

    Attributes
    ----------
    text : str
        What the walk is, or waits for.
    add, remove, left, right, clear, undo : str
        Of the buttons that change the key frames.
    paper : str
        Of the walk of the paper.
    show, play : str
        Of what shows the walk in the viewer.
    measure : str
        Of measuring the speed.
    read : str
        Of reading key frames from a file.
    """

    text: str
    add: str
    remove: str
    left: str
    right: str
    clear: str
    undo: str
    paper: str
    show: str
    play: str
    measure: str
    read: str


def walk_of(keys: Sequence[Point], settings: WalkSettings) -> Walk | None:
    """Make the walk; None where it would have too few key frames or too many frames."""
    try:
        return Walk(keys=tuple(keys), settings=settings)
    except ValidationError:
        return None


def resolve_walk(facts: WalkFacts) -> WalkControls:
    """Say what can be done with the walk, and why not.

    Parameters
    ----------
    facts : WalkFacts
        What is known.

    Returns
    -------
    WalkControls
    """
    network = "" if facts.network else NO_NETWORK
    refused = network or _refused(facts)
    selected = network or ("" if facts.selected is not None else "Select a key frame first")
    first, last = facts.selected == 0, facts.selected == len(facts.keys) - 1
    return WalkControls(
        text=_text(facts, refused),
        add=network or _add_refused(facts),
        remove=selected,
        left=selected or ("It is the first" if first else ""),
        right=selected or ("It is the last" if last else ""),
        clear="" if facts.keys else "There are no key frames",
        undo="" if facts.undoable else "Nothing was changed",
        paper=network or _paper_refused(facts),
        show=refused,
        play=refused,
        measure=refused or _measure_refused(facts),
        read=network,
    )


def paper_keys(keys: Sequence[Point], picture: Point | None, seeded: Sequence[Point]) -> tuple[Point, Point]:
    """Choose the two key frames of the walk of the paper.

    Parameters
    ----------
    keys : sequence of Point
        Key frames there are, at most two; they come first.
    picture : Point, optional
        The sample that is looked at comes next.
    seeded : sequence of Point
        Two samples to fill up with.

    Returns
    -------
    tuple of Point
    """
    found = list(dict.fromkeys((*keys, *([] if picture is None else [picture]), *seeded)))
    return found[0], found[1]


def paper_settings(settings: WalkSettings | None) -> WalkSettings:
    """Give the settings of the walk of the paper; in w where that is chosen."""
    return PAPER_WALK if settings is None else PAPER_WALK.model_copy(update={"space": settings.space})


def _add_refused(facts: WalkFacts) -> str:
    if facts.picture is None:
        return NO_PICTURE
    if len(facts.keys) >= MOST_KEYS:
        return f"A walk has at most {MOST_KEYS} key frames"
    return ""


def _refused(facts: WalkFacts) -> str:
    """Tell why there is no walk yet, or why it cannot be gone."""
    if len(facts.keys) < _LEAST_KEYS:
        return "Add two key frames or more"
    if facts.settings is None:
        return "Correct the settings first"
    if facts.settings.space == "z" and (refused := no_way_in_z(facts.keys)):
        return refused
    if walk_of(facts.keys, facts.settings) is None:
        return "The walk is too long: take fewer steps per leg"
    return ""


def _paper_refused(facts: WalkFacts) -> str:
    if len(facts.keys) > _LEAST_KEYS:
        return "It goes between two key frames: remove the others first"
    settings = paper_settings(facts.settings)
    chosen = (*facts.keys, *([] if facts.picture is None else [facts.picture]))[:_LEAST_KEYS]
    if settings.space == "z" and not facts.keys and any(key.w is not None for key in chosen):
        return "The picture is a vector w and has no z: choose space w"
    # What a single key frame cannot do with itself, it cannot do with another.
    return _refused(WalkFacts(keys=chosen * 2, settings=settings)) if chosen else ""


def _measure_refused(facts: WalkFacts) -> str:
    if facts.settings is None or not facts.settings.equal_speed:
        return "Tick “Equal speed” first"
    if facts.measured:
        return "The speed of this walk is measured"
    return "Wait for what is running" if facts.running else ""


def _text(facts: WalkFacts, refused: str) -> str:
    if refused or facts.settings is None:
        return refused
    walk = walk_of(facts.keys, facts.settings)
    assert walk is not None
    count = walk.frame_count
    parts = [f"{count} frames, {count / facts.frames_per_second:.1f} s"]
    if facts.shown:
        parts.append("all ready" if facts.ready >= count else f"{facts.ready} ready")
    if facts.settings.equal_speed and not facts.measured:
        parts.append("speed not measured yet: frames are spaced by the latent vectors")
    return " · ".join(parts)
