from math import isnan, sqrt

import numpy as np
import pandas as pd
import pytest

from glissile.defects import DEFAULT_CLASSES, DefectClass
from glissile.learn.agreement import Tally
from glissile.learn.labelled import copied_nearest
from glissile.learn.scoring import FrameScores, beside_copy, note_of, spread, spread_of, write_scores


def bar(x, value=1, length=20):
    mask = np.zeros((20, 20), np.uint8)
    mask[:length, x] = value
    return mask


EMPTY = np.zeros((20, 20), np.uint8)


def scored(*triples, classes=DEFAULT_CLASSES):
    found = FrameScores(classes)
    for triple in triples:
        found.add(*triple)
    return found


def test_pooled_scores_are_those_of_all_pixels():
    pairs = [(bar(5, length=10), bar(5)), (bar(5) + bar(15, 2), bar(6))]
    tally = Tally(DEFAULT_CLASSES)
    for pair in pairs:
        tally.add(*pair)
    found = scored(*((n, *pair) for n, pair in enumerate(pairs)))
    assert str(found.pooled()) == str(tally.scores())  # as text, NaN equals NaN
    both = scored((0, *pairs[0]))
    both.extend(scored((1, *pairs[1])))
    assert str(both.pooled()) == str(tally.scores())
    assert both.mean_dice() == found.mean_dice()


def test_the_table_has_a_row_per_frame_and_class():
    table = scored((30, bar(5, length=10), bar(5)), (40, bar(5), bar(5))).table()
    assert list(table["frame"]) == [30, 30, 40, 40]
    assert list(table["class"]) == ["dislocation", "stacking_fault"] * 2
    assert set(table["tolerance_px"]) == {2}
    first = table.iloc[0]
    assert (first["precision"], first["recall"], first["area_error"]) == (1, 0.5, -0.5)
    assert (first["predicted_px"], first["truth_px"]) == (10, 20)
    assert (first["predicted_length_px"], first["truth_length_px"]) == (9, 19)
    assert first["length_error"] == pytest.approx(-10 / 19)
    nothing = table.iloc[1]
    assert nothing[["precision", "recall", "f", "tolerant_f", "area_error", "length_error"]].isna().all()


def test_the_table_comes_back_from_its_file(tmp_path):
    table = scored((30, bar(5, length=7), bar(5)), (40, bar(5), bar(5))).table()
    write_scores(tmp_path / "deep" / "scores.csv", table)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "deep" / "scores.csv"), table, check_dtype=False)
    assert b"\r" not in (tmp_path / "deep" / "scores.csv").read_bytes()


def test_the_score_of_the_paper_is_the_mean_over_classes_with_background_and_over_frames():
    # 400 px, a bar of 20 and one of which half is found: Dice 2 * 10 / 30, of the background 2 * 380 / 770.
    half, whole = (1, bar(5, length=10), bar(5)), (2, bar(5), bar(5))
    one_class = DEFAULT_CLASSES[:1]
    first = (2 * 10 / 30 + 2 * 380 / 770) / 2
    assert scored(half, classes=one_class).mean_dice() == pytest.approx(first)
    assert scored(half, whole, classes=one_class).mean_dice() == pytest.approx((first + 1) / 2)


def test_in_the_score_of_the_paper_a_class_that_is_never_there_does_not_count():
    half = (1, bar(5, length=10), bar(5))
    assert scored(half).mean_dice() == scored(half, classes=DEFAULT_CLASSES[:1]).mean_dice()
    # On one frame of two without it, it counts 1 as in the published code.
    there = (2, bar(5, 2), bar(5, 2))
    first = (2 * 10 / 30 + 2 * 380 / 770 + 1) / 3
    assert scored(half, there).mean_dice() == pytest.approx((first + 1) / 2)


def test_without_frames_there_is_no_score():
    assert isnan(scored().mean_dice())
    assert isnan(scored().pooled()["dislocation"].f)
    assert scored().table().empty


def test_copying_takes_the_nearest_frame_that_may_be_copied():
    masks = [bar(2), bar(5), bar(8), bar(11)]
    whole = [(slice(None), slice(None))] * 4
    numbers = [0, 10, 14, 30]
    given = {"training": [0, 2], "held_out": [1, 3]}
    found = copied_nearest(masks, numbers, whole, DEFAULT_CLASSES, **given)
    assert [f.frame for f in found.frames] == [10, 30]
    expected = scored((10, bar(8), bar(5)), (30, bar(8), bar(11)))
    assert str(found.pooled()) == str(expected.pooled())


def test_beside_a_network_stands_what_copying_scores_on_the_same_rows():
    network = scored((1, bar(5), bar(5)), (2, bar(9), bar(5)))
    copied = scored((1, bar(6), bar(5)), (2, bar(5), bar(5)))
    table = beside_copy(network, copied)
    lines = table[table["class"] == "dislocation"]
    assert list(lines["f"]) == [1, 0]
    assert list(lines["copy_f"]) == [0, 1]
    assert list(lines["copy_tolerant_f"]) == [1, 1]
    assert "copy_frame" not in table
    assert "copy_truth_px" not in table
    assert len(table) == 4


def test_the_spread_is_mean_and_deviation_of_what_is_there():
    assert spread_of([1.0, 3.0]) == (2.0, pytest.approx(sqrt(2)))
    assert spread_of([1.0, float("nan"), 3.0]) == (2.0, pytest.approx(sqrt(2)))
    one = spread_of([4.0, float("nan")])
    assert one.mean == 4
    assert isnan(one.deviation)
    assert all(isnan(v) for v in spread_of([float("nan")]))
    f = spread([scored((1, bar(5, length=n), bar(5))).pooled() for n in (20, 10)])["dislocation"]["recall"]
    assert f == (0.75, pytest.approx(0.5 / sqrt(2)))


def test_the_note_says_which_of_the_two_the_scores_are():
    between, beyond = (note_of(kind, (70, 80)) for kind in ("between", "beyond"))
    assert between.startswith("Scores between the labels: on 2 frames held out")
    assert beyond.startswith("Scores beyond the labels: on 2 frames from number 70 on")
    assert note_of("between", (70,)).startswith("Scores between the labels: on 1 frame held out")


def test_other_values_than_1_and_2():
    classes = (DefectClass(value=7, name="twin", color="#000000"),)
    assert scored((1, bar(5, 7), bar(5, 7)), classes=classes).mean_dice() == 1
