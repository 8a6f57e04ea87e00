import pytest

from glissile.defects import DEFAULT_CLASSES
from glissile.io.model_card import Architecture, Certainty, FramesUsed, ModelCard, Normalisation
from glissile.io.model_words import (
    IMPORTED,
    behind_copying,
    grey_range,
    is_imported,
    network,
    score_rows,
    told,
    training,
)


def card(**changes):
    return ModelCard(
        **{
            "classes": DEFAULT_CLASSES,
            "architecture": Architecture(kind="residual", outputs=3, widths=(4, 8), stem=2),
            "normalisation": Normalisation(low=2, high=98),
            "recipe": {"name": "glissile"},
            "frames": FramesUsed(training=(0, 20), validation=(10,)),
            "data_hash": "",
            "scores": {"holdout": {"stacking_fault": {"f": 0.51239, "precision": None}}},
            "epochs": 3,
            "created": "2025-01-01T00:00:00+00:00",
            "seconds": 12.5,
            "device": "CPU",
            **changes,
        }
    )


def test_a_card_is_told_in_words():
    assert told(card()) == [
        "classes: 1 dislocation, 2 stacking fault",
        "network: small residual U-Net, channels 4, 8, 2 x 2 px folded at the entrance",
        "frames: padded to multiples of 4 px",
        "grey values: the percentiles 2 and 98 of each frame become 0 and 1",
        "made: 2025-01-01T00:00:00+00:00",
    ]
    assert training(card()) == "Trained on 2 frames of one video for 3 epochs, by the recipe glissile."


def test_a_card_tells_of_labelled_frames_and_temperature():
    looking = card(
        architecture=Architecture(kind="residual", outputs=3, widths=(4, 8), stem=2, references=3),
        certainty=Certainty(temperature=1.789, area_factors=(None, 1)),
    )
    assert network(looking)[-2:] == [
        "labelled frames: looks at the 3 most alike beside each frame, of those that are kept in the folder "
        "of the model; without them it sees each frame alone",
        "temperature of probabilities: 1.79",
    ]


def test_an_imported_model_tells_where_it_comes_from():
    imported = card(recipe={"name": IMPORTED, "file": "unet.pth"})
    assert is_imported(imported)
    assert not is_imported(card())
    assert "imported: from unet.pth" in told(imported)
    assert "nothing is known" in training(imported)


def test_what_a_terminal_obeys_is_not_told():
    hostile = "µ\x1b[2J\n\x07\u202e"
    imported = card(
        recipe={"name": IMPORTED, "file": hostile}, created=hostile, scores={"holdout": {hostile: {}}}
    )
    trained = card(recipe={"name": hostile})
    lines = [*told(imported), training(trained), score_rows(imported, "holdout")[1][0]]
    assert all(line.isprintable() for line in lines)
    assert r"made: µ\x1b[2J\n\x07\u202e" in lines


def test_scores_are_a_table():
    head, row = score_rows(card(), "holdout")
    assert dict(zip(head, row, strict=True)) == {
        "class": "stacking fault",
        "precision": "-",
        "recall": "-",
        "F": "0.512",
        "F within 2 px": "-",
        "error of the mean area": "-",
    }
    assert score_rows(card(scores={}), "holdout") == []


def test_each_grey_range_has_words():
    kinds = ("percentiles", "flattened", "full range")
    assert len({grey_range(Normalisation(kind=kind)) for kind in kinds}) == 3


@pytest.mark.parametrize(
    ("own", "copied", "behind"),
    [
        ((0.5, 0.9), (0.8, 0.9), "dislocation:"),
        ((0.5, 0.4), (0.8, 0.9), "dislocation and stacking fault:"),
        ((0.79, 0.9), (0.8, 0.4), ""),
        ((None, 0.9), (0.8, None), "dislocation:"),
        ((None, None), (None, None), ""),
    ],
)
def test_a_network_behind_copying_is_said_to_be_of_no_use(own, copied, behind):
    keys = ("dislocation", "stacking_fault")
    scores = {
        subject: {key: {"tolerant_f": f} for key, f in zip(keys, values, strict=True)}
        for subject, values in (("holdout", own), ("copy_nearest", copied))
    }
    told = behind_copying(card(scores=scores))
    assert told.startswith(f"Copying the nearest label scores better for {behind}" if behind else "")
    assert bool(told) == bool(behind)
    assert behind_copying(card()) == ""
