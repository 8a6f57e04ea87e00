"""What the card of a generator says, in words: for the terminal and for the dock."""

import math

from glissile.io.generator_card import GeneratorCard
from glissile.io.generator_state import generator_tensors

_CHANNELS = {1: "grey", 3: "RGB"}
_NOT_LEARNED = (".noise_const", "resample_filter", ".w_avg")
_MOST_LETTERS = 300
_TRAINED = {
    True: "yes",
    False: "no, its weights are random and show no microstructure",
    None: "not known",
}


def told(card: GeneratorCard) -> list[str]:
    """Say what a generator is and what is known of its making.

    Parameters
    ----------
    card : GeneratorCard
        Of the generator.

    Returns
    -------
    list of str
        One line each, "images: 512 x 512 px, grey"; what is not known is left out.
    """
    shape, data = card.shape, card.training_data
    colour = _CHANNELS.get(shape.channels, f"{shape.channels} channels")
    lines = [
        f"name: {_shown(card.name)}" if card.name else "",
        f"images: {shape.resolution} x {shape.resolution} px, {colour}",
        f"classes: {_classes(card)}" if shape.c_dim else "",
        f"trained: {_TRAINED[card.trained]}",
        f"seen in training: {card.kimg:g} thousand images" if card.kimg is not None else "",
        f"FID: {card.fid:.3g}" if card.fid is not None else "",
        f"training data: {_data(card)}" if data.description or data.images is not None else "",
        f"scale: {card.nm_per_pixel:g} nm per pixel" if card.nm_per_pixel is not None else "",
        f"licence: {_shown(card.licence) if card.licence else 'not stated'}",
        f"network: StyleGAN2 ({shape.architecture}), {_parameters(card) / 1e6:.3g} million parameters, "
        f"{shape.num_ws} layers, z of {shape.z_dim}, w of {shape.w_dim}",
        f"format: {_origin(card)}",
        f"weights: {card.weights_sha256}" if card.weights_sha256 else "",
        f"notice: {_shown(card.notice)}" if card.notice else "",
    ]
    return [line for line in lines if line]


def _classes(card: GeneratorCard) -> str:
    names = ", ".join(f"{label} {_shown(name)}" for label, name in enumerate(card.class_names))
    return f"{card.shape.c_dim} ({names})" if names else f"{card.shape.c_dim}, 0 to {card.shape.c_dim - 1}"


def _data(card: GeneratorCard) -> str:
    data = card.training_data
    counted = f"{data.images} images" if data.images is not None else ""
    return ", ".join(part for part in (_shown(data.description), counted) if part)


def _origin(card: GeneratorCard) -> str:
    if card.origin is None:
        return "glissile (safetensors)"
    return f"{_shown(card.origin.format)}, from {_shown(card.origin.file)}"


def _parameters(card: GeneratorCard) -> int:
    """Count what is learned."""
    tensors = generator_tensors(card.shape).items()
    return sum(math.prod(shape) for name, shape in tensors if not name.endswith(_NOT_LEARNED))


def _shown(text: str) -> str:
    """Text from elsewhere, short and without what a terminal obeys."""
    words = "".join(letter if letter.isprintable() else " " for letter in text[: _MOST_LETTERS + 1])
    return words if len(words) <= _MOST_LETTERS else f"{words[:_MOST_LETTERS]}..."
