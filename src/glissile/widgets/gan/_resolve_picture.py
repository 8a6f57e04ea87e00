"""What the picture is, in words; no Qt, no napari."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from glissile.gan.points import Point
    from glissile.io.generator_card import GeneratorCard


def picture_text(point: Point, card: GeneratorCard, *, edited: bool) -> str:
    """Tell what a picture shows: "seed 3, ψ 0.70, class 1 (martensite), edited".

    Parameters
    ----------
    point : Point
        Of the picture, before edits.
    card : GeneratorCard
        Of its generator.
    edited : bool
        Sliders have moved it.
    """
    parts = [point.title]
    if point.w is None:
        truncated = "" if point.cutoff is None else f" up to layer {point.cutoff - 1}"
        parts.append(f"ψ {point.psi:.2f}{truncated}")
    if point.label is not None:
        parts.append(f"class {point.label}{_name(card, point.label)}")
    if edited:
        parts.append("edited")
    return ", ".join(parts)


def _name(card: GeneratorCard, label: int) -> str:
    names = card.class_names or ()
    return f" ({names[label]})" if label < len(names) else ""
