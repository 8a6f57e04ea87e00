"""What is printed of models, old and new, and of progress."""

import pytest

from glissile import console
from glissile.defects import DEFAULT_CLASSES
from glissile.io.model_card import Architecture, Certainty, FramesUsed, ModelCard, Normalisation
from glissile.progress import Step


def card(held_out, certainty):
    """Card of a network that learned from one frame."""
    return ModelCard(
        classes=DEFAULT_CLASSES,
        architecture=Architecture(kind="residual", outputs=3, widths=(4, 8)),
        normalisation=Normalisation(),
        recipe={"name": "glissile"},
        frames=FramesUsed(training=(0,), validation=held_out),
        data_hash="",
        certainty=certainty,
        epochs=2,
        created="2025-01-01T00:00:00+00:00",
        seconds=3,
        device="CPU",
    )


@pytest.mark.parametrize(
    ("held_out", "factors", "said"),
    [
        ((), None, "curves of dislocation and stacking fault have no bands of uncertainty"),
        ((1, 2), (None, None), "with the class, and 2 frames are held out; label about 15 frames with it"),
        ((1, 2, 3), (1.0, None), "curves of stacking fault have no bands of uncertainty"),
        ((1, 2, 3), None, "no bands of uncertainty: this model is of an earlier version"),
        ((1, 2, 3), (1.0, 0.5), ""),
    ],
)
def test_a_curve_without_bands_is_explained(held_out, factors, said, capsys):
    console.print_card(card(held_out, factors and Certainty(temperature=1, area_factors=factors)))
    printed = capsys.readouterr().out
    assert "trained on 1 frame, 3 s on CPU\n" in printed
    assert said in printed
    assert ("no bands" in printed) == bool(said)


def test_what_is_refused_at_once_has_no_line_of_progress(capsys):
    def steps():
        yield Step(1, 3, "Measuring")
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - of the line above
        console.show("Measure", steps())
    assert capsys.readouterr().err == ""


def test_scores_of_before_there_were_lengths_are_printed(capsys):
    old = {"precision": 0.5, "recall": 0.25, "f": 0.333, "tolerant_f": None, "area_error": -0.5}
    console.print_scores({"stacking_fault": old}, tolerance_px=2)
    head, line = capsys.readouterr().out.splitlines()
    assert head.split() == ["precision", "recall", "F", "F", "(2", "px)", "area", "error", "length", "error"]
    assert line.split() == ["stacking", "fault", "0.500", "0.250", "0.333", "-", "-50.0%", "-"]
    assert max(len(head), len(line)) <= 80


def test_no_sentence_is_no_line(capsys):
    console.print_if_any("")
    console.print_if_any("One.")
    assert capsys.readouterr().out == "One.\n"
