"""What a model card says, in words: for the terminal, and for those who get the model."""

from glissile.defects import named
from glissile.io.model_card import ModelCard, Normalisation

_KINDS = {"residual": "small residual U-Net", "ronneberger": "U-Net of Ronneberger et al. (2015)"}
_MEASURES = {
    "precision": "precision",
    "recall": "recall",
    "f": "F",
    "tolerant_f": "F within 2 px",
    "area_error": "error of the mean area",
}
# Of a model that was not trained here, the name of the recipe; with it, the file and its hash.
IMPORTED = "imported"
# Scores of a few frames that differ by less are equal.
_CLEARLY = 0.02


def is_imported(card: ModelCard) -> bool:
    """Whether a model was trained elsewhere, so that nothing is known of its training."""
    return card.recipe.get("name") == IMPORTED


def grey_range(normalisation: Normalisation) -> str:
    """Say what becomes the grey range 0 to 1."""
    low, high = normalisation.low, normalisation.high
    percentiles = f"the percentiles {low:g} and {high:g} of each frame become 0 and 1"
    return {
        "percentiles": percentiles,
        "flattened": f"each frame is divided by its illumination, then {percentiles}",
        "full range": "the smallest and largest value of the pixel type become 0 and 1",
    }[normalisation.kind]


def told(card: ModelCard) -> list[str]:
    """Say what a model is; its training is told by `training`, its scores by `score_rows`.

    Parameters
    ----------
    card : ModelCard
        Of the model.

    Returns
    -------
    list of str
        One line each, "network: ...".
    """
    lines = network(card)
    if is_imported(card):
        lines.append(f"imported: from {_shown(card.recipe.get('file', 'a file'))}")
    if card.created:
        lines.append(f"made: {_shown(card.created)}")
    return lines


def _shown(value: object) -> str:
    """Free text of a card, which may come from anywhere, without what a terminal obeys."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(value))


def network(card: ModelCard) -> list[str]:
    """Say what the network of a model is and looks at, in lines as `told` gives them."""
    a = card.architecture
    stem = f", {a.stem} x {a.stem} px folded at the entrance" if a.stem > 1 else ""
    lines = [
        f"classes: {named(card.classes)}",
        f"network: {_KINDS[a.kind]}, channels {', '.join(str(w) for w in a.widths)}{stem}",
        f"frames: padded to multiples of {a.stride} px",
        f"grey values: {grey_range(card.normalisation)}",
    ]
    if a.references:
        lines.append(
            f"labelled frames: looks at the {a.references} most alike beside each frame, of those that are "
            "kept in the folder of the model; without them it sees each frame alone"
        )
    if card.certainty is not None:
        lines.append(f"temperature of probabilities: {card.certainty.temperature:.3g}")
    return lines


def behind_copying(card: ModelCard) -> str:
    """Say of which classes copying the nearest label gives better masks, within 2 px; empty for none."""
    own, copied = (
        [card.scores.get(subject, {}).get(c.key, {}).get("tolerant_f") or 0.0 for c in card.classes]
        for subject in ("holdout", "copy_nearest")
    )
    scored = zip(card.classes, own, copied, strict=True)
    behind = [c.name for c, f, by_copy in scored if by_copy - f > _CLEARLY]
    if not behind:
        return ""
    return (
        f"Copying the nearest label scores better for {' and '.join(behind)}: this network is of no use "
        "there yet; train longer, or label more frames."
    )


def training(card: ModelCard) -> str:
    """Say how a model was trained, in one sentence."""
    if is_imported(card):
        return "The model was imported, and nothing is known here of its training."
    recipe, n = _shown(card.recipe.get("name", "unknown")), len(card.frames.training)
    return f"Trained on {n} frames of one video for {card.epochs} epochs, by the recipe {recipe}."


def score_rows(card: ModelCard, subject: str) -> list[list[str]]:
    """Scores as a table: a head, then one row for each class; empty where there are none.

    Parameters
    ----------
    card : ModelCard
        Of the model.
    subject : str
        What was scored, "holdout".

    Returns
    -------
    list of list of str
        "-" where a measure has no meaning.
    """
    scores = card.scores.get(subject)
    if not scores:
        return []
    rows = [["class", *_MEASURES.values()]]
    for key, found in scores.items():
        cells = ["-" if found.get(m) is None else f"{found[m]:.3f}" for m in _MEASURES]
        rows.append([_shown(key.replace("_", " ")), *cells])
    return rows
