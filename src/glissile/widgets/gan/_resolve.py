"""What the network section says and allows; no Qt, no napari."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from glissile.io.generator_words import told

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from glissile.io.generator_card import GeneratorCard

HINT = (
    "Open a StyleGAN2 generator, or drop its file here. Files of other programs are read as data: no program "
    "in them is run. To try the dock without one, take the sample."
)
RANDOM = "The weights are random: the images show no microstructure."
SAMPLE_NOTE = "made here, to try the dock with"
_WAIT = "Please wait, or cancel what is running"
_NO_NETWORK = "Open a network first"
_OURS = "It is of this format already"
_NOT_READ = "Only a network that was read from a file can be saved"
# Words that may not fit into a line, such as names of files, and after what they may go on in the next one.
_LONG = re.compile(r"\S{20,}")
_BREAKS = re.compile(r"([_./\\-]|[^\s_./\\-]{14})(?=\S)")
# Lines of the card that the dock shows otherwise, or that only programs read.
_ELSEWHERE = frozenset({"name", "weights", "trained"})


@dataclass(frozen=True)
class NetworkFacts:
    """What is known of the network.

    Attributes
    ----------
    card : GeneratorCard, optional
        Of the network that is open.
    from_file : bool
        It was read from a file.
    recent : bool
        Networks were opened before.
    running : bool
        A network is being opened or saved.
    """

    card: GeneratorCard | None = None
    from_file: bool = False
    recent: bool = False
    running: bool = False


@dataclass(frozen=True)
class NetworkControls:
    """What can be done: the reason why not; empty where it can.

    Attributes
    ----------
    open : str
        Also of the sample, of the device and of files that are dropped.
    recent : str
        The list of networks that were opened before.
    save : str
        Saving what was read from a file of another program.
    offers_save : bool
        Saving is shown.
    alarm : str
        What must not be overlooked.
    """

    open: str
    recent: str
    save: str
    offers_save: bool
    alarm: str


def resolve_network(facts: NetworkFacts) -> NetworkControls:
    """Decide what can be done with networks, and why not."""
    wait = _WAIT if facts.running else ""
    card = facts.card
    foreign = card is not None and card.origin is not None
    why_not = _NO_NETWORK if card is None else _NOT_READ if not facts.from_file else "" if foreign else _OURS
    return NetworkControls(
        open=wait,
        recent=wait or ("" if facts.recent else "No network was opened before"),
        save=wait or why_not,
        offers_save=foreign and facts.from_file,
        alarm=RANDOM if card is not None and card.trained is False else "",
    )


def card_rows(
    card: GeneratorCard, *, from_file: bool, device: str, seconds_per_image: float | None
) -> tuple[tuple[str, str], ...]:
    """Give what is shown of a network, line by line.

    Parameters
    ----------
    card : GeneratorCard
        Of it.
    from_file : bool
        It was read from a file; else it is the sample.
    device : str
        Where it computes, for a person.
    seconds_per_image : float, optional
        None where no image was made yet.

    Returns
    -------
    tuple of (str, str)
        What, and its value.
    """
    known = {what: value for what, _, value in (line.partition(": ") for line in told(card))}
    known["device"], known["speed"] = device, _speed(seconds_per_image)
    if not from_file:
        known["format"] = SAMPLE_NOTE
    if "notice" in known:
        known["notice"] = known.pop("notice")  # comes last
    elsewhere = _ELSEWHERE - {"trained"} if card.trained is None else _ELSEWHERE
    return tuple((what, value) for what, value in known.items() if what not in elsewhere)


def _speed(seconds_per_image: float | None) -> str:
    if seconds_per_image is None:
        return "known after the first image"
    if seconds_per_image >= 1:
        return f"{seconds_per_image:.1f} s per image"
    return f"{1000 * seconds_per_image:.3g} ms per image"


def breakable(text: str) -> str:
    """Let long words of `text` go on in the next line, where they are too long for a narrow dock."""
    return _LONG.sub(lambda word: _BREAKS.sub("\\1\u200b", word[0]), text)


def recent_titles(paths: Sequence[Path]) -> tuple[str, ...]:
    """Give names that tell files apart, with the folder where two are called alike.

    Parameters
    ----------
    paths : sequence of Path
        Files, none twice.
    """
    names = [path.name for path in paths]
    return tuple(
        f"{path.name}  ({path.parent})" if names.count(path.name) > 1 else path.name for path in paths
    )
