"""Sliders as a file beside their generator."""

from pathlib import Path

from glissile.atomic import write_text
from glissile.errors import InputError
from glissile.gan.json_text import parsed
from glissile.gan.sliders.model import Sliders
from glissile.io.generator_card import GeneratorCard

_MOST_BYTES = 16 << 20


def sliders_path(network: Path) -> Path:
    """Where the sliders of a generator lie: NETWORK.sliders.json beside it."""
    return network.with_name(f"{network.stem}.sliders.json")


def save_sliders(path: Path, sliders: Sliders) -> None:
    """Write sliders as JSON, atomically."""
    write_text(path, sliders.model_dump_json() + "\n")


def load_sliders(path: Path, card: GeneratorCard) -> Sliders:
    """Read sliders.

    Parameters
    ----------
    path : Path
        As `save_sliders` wrote it.
    card : GeneratorCard
        Of the generator that they are wanted for.

    Returns
    -------
    Sliders

    Raises
    ------
    InputError
        If it cannot be read, is damaged, or belongs to another generator.
    """
    try:
        if path.exists() and not path.is_file():
            raise InputError(f"{path}: is no file; choose a file of sliders")
        if path.stat().st_size > _MOST_BYTES:
            raise InputError(f"{path}: is larger than {_MOST_BYTES >> 20} MiB; choose a file of sliders")
        text = path.read_text(encoding="utf-8")
    except OSError as problem:
        raise InputError(f"{path}: cannot be read ({problem.strerror}); choose another file") from problem
    except UnicodeDecodeError as problem:
        raise InputError(f"{path}: is no file of sliders; choose another one") from problem
    sliders = parsed(Sliders, text, str(path))
    if sliders.weights_sha256 != card.weights_sha256 or len(sliders.w_mean) != card.shape.w_dim:
        name = f" {card.name}" if card.name else ""
        raise InputError(
            f"{path}: these sliders were fitted to another generator; fit them to the generator{name}"
        )
    return sliders
