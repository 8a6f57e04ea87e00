"""What the sliders of directions and of the microstructure say and allow; no Qt, no napari."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from glissile.widgets.gan._resolve_walk import NO_NETWORK, NO_PICTURE

if TYPE_CHECKING:
    from glissile.gan.sliders import Slider, Sliders
    from glissile.io.generator_card import GeneratorShape

SAMPLES = 2000
FAR_SD = 4.0  # standard deviations of w beyond which images get strange
# Of the blocks up to so many pixels, after Karras et al. 2019.
_GROUPS = (("coarse", 4, 8), ("middle", 16, 32), ("fine", 64, 1 << 30))


@dataclass(frozen=True)
class SliderFacts:
    """What is known.

    Attributes
    ----------
    network, picture : bool
        A generator is open; a sample is looked at.
    fitted : Sliders, optional
        The microstructure sliders of the generator.
    running : bool
        They are being fitted.
    edited : bool
        The picture is moved by a slider.
    effort_sd : float
        How far the microstructure sliders have moved it, in standard deviations of w.
    """

    network: bool = False
    picture: bool = False
    fitted: Sliders | None = None
    running: bool = False
    edited: bool = False
    effort_sd: float = 0.0


@dataclass(frozen=True)
class SliderControls:
    """What can be done. Each but the texts is the reason why it cannot; empty where it can.

    Attributes
    ----------
    text : str
        What the microstructure sliders are, or wait for.
    fit_text : str
        Of the button that measures the generator.
    fit, move, reset, key : str
        Of that button, of the sliders, of what takes all edits off, of "Set as key frame".
    """

    text: str
    fit_text: str
    fit: str
    move: str
    reset: str
    key: str


def resolve_sliders(facts: SliderFacts) -> SliderControls:
    """Say what can be done, and why not."""
    network = "" if facts.network else NO_NETWORK
    picture = network or ("" if facts.picture else NO_PICTURE)
    return SliderControls(
        text=_text(facts),
        fit_text="Measure this generator" if facts.fitted is None else "Measure anew",
        fit=network or ("It is being measured" if facts.running else ""),
        move=picture,
        reset=picture or ("" if facts.edited else "The picture is as it was sampled"),
        key=picture,
    )


def slider_refused(slider: Slider, move: str) -> str:
    """Say why a measure cannot be set; empty where it can."""
    if move or slider.trust != "no use":
        return move
    return (
        f"{max(slider.r2, 0):.0%} of its variance is predicted from w in this generator: too little to set it"
    )


def range_text(slider: Slider) -> tuple[str, str]:
    """Tell where a slider begins and ends, in few digits: ("0.25", "0.87")."""
    low, high = (_digits(end, 2) for end in (slider.low, slider.high))
    return low, high


def trust_text(slider: Slider) -> str:
    """Tell how far a slider can be trusted: "R² 0.83, reliable"."""
    return f"R² {slider.r2:.2f}, {slider.trust}"


def trust_tooltip(slider: Slider, unit: str) -> str:
    """Explain a slider: what is measured, and what its R² means."""
    explained = {
        "reliable": "The picture follows the slider closely.",
        "rough": "The picture follows the slider roughly: go by the measured value.",
        "no use": "The picture does not follow this measure.",
    }[slider.trust]
    one = slider.measure
    of = "its logarithm's variance" if slider.scale == "logarithmic" else "its variance"
    return (
        f"{one.description} ({one.symbol}; {one.reference}). {max(slider.r2, 0):.0%} of {of} over "
        f"samples is predicted, with an error of {value_text(slider.error, unit)}. {explained} Samples lie "
        f"from {value_text(slider.low, unit)} to {value_text(slider.high, unit)}."
    )


def value_text(value: float | None, unit: str) -> str:
    """Write a value with three digits and its unit; a dash where there is none."""
    if value is None:
        return "–"
    return _digits(value, 3) + (f" {unit}" if unit else "")


def _digits(value: float, count: int) -> str:
    """Write a number with so many digits, without an exponent where it is large."""
    return f"{value:.0f}" if abs(value) >= 10**count else f"{value:#.{count}g}".rstrip(".")


def layer_groups(shape: GeneratorShape) -> dict[str, tuple[int, ...]]:
    """Part the layers of a generator by what they rule.

    Parameters
    ----------
    shape : GeneratorShape
        Of its networks.

    Returns
    -------
    dict of str to tuple of int
        Indices of w by name: all, coarse (up to 8 px), middle (16 and 32 px), fine; empty ones left out.
    """
    pixels = [shape.resolutions[(layer + 1) // 2] for layer in range(shape.num_ws - 1)]
    pixels.append(shape.resolution)  # of what turns the last features into the image
    found = {"all": tuple(range(shape.num_ws))}
    for name, least, most in _GROUPS:
        layers = tuple(layer for layer, px in enumerate(pixels) if least <= px <= most)
        if layers:
            found[name] = layers
    return found


def _text(facts: SliderFacts) -> str:
    fitted = facts.fitted
    if facts.running:
        return (
            f"Images are made and measured, {SAMPLES} in all, to learn how phase fraction, island size and "
            "the like can be set. This is done once for a generator, and you can go on meanwhile."
        )
    if fitted is None:
        return (
            f"Not measured yet. {SAMPLES} images are made and measured once; then phase fraction, island "
            "size and the like can be set by sliders."
        )
    useful, of = sum(one.trust != "no use" for one in fitted.sliders), len(fitted.sliders)
    noise = " without noise" if fitted.noise == "none" else ""
    learned = f"This was learned from {fitted.measured} images of this generator{noise}."
    if not useful:
        return f"None of the {of} measures can be set: images cannot be steered by them. {learned}"
    text = f"All {of} measures can be set. {learned}"
    if useful < of:
        text = f"{useful} of {of} measures can be set; the others are only measured. {learned}"
    if facts.effort_sd:
        far = ", so far that images may get strange" if facts.effort_sd > FAR_SD else ""
        text += f" The picture is moved by {facts.effort_sd:.1f} standard deviations{far}."
    return text
