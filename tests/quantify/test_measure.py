import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from glissile.defects import DEFAULT_CLASSES, DefectClass
from glissile.errors import InputError
from glissile.quantify.measure import (
    area_counts,
    fraction_column,
    measure_frame,
    peak,
    read_table,
    strain_at,
    write_table,
)

SHAPES = hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12)
MASKS = hnp.arrays(np.uint8, SHAPES, elements=st.sampled_from([0, 1, 2]))


def a_mask():
    mask = np.zeros((4, 5), np.uint8)
    mask[1, :] = 1  # 5 px
    mask[2, 1:4] = 2  # 3 px
    return mask


def test_counts_are_those_that_were_painted():
    assert area_counts(a_mask(), DEFAULT_CLASSES) == {"background": 12, "dislocation": 5, "stacking_fault": 3}


def test_fractions_refer_to_the_pixels_of_the_mask():
    row = measure_frame(a_mask(), DEFAULT_CLASSES, frame=7, time_s=0.35, strain=0.0123)
    assert row == {
        "frame": 7,
        "time_s": 0.35,
        "strain": 0.0123,
        "dislocation_area_fraction": 5 / 20,
        "stacking_fault_area_fraction": 3 / 20,
        "dislocation_px": 5,
        "stacking_fault_px": 3,
        "field_of_view_px": 20,
    }


def test_the_peak_is_the_first_frame_that_is_covered_most():
    line, fault = DEFAULT_CLASSES
    covered = [(0, float("nan")), (3, 0.2), (4, 0.5), (6, 0.5), (7, 0.1)]
    table = pd.DataFrame(
        [{"frame": f, fraction_column(line): x, fraction_column(fault): 0} for f, x in covered]
    )
    row = peak(table, line)
    assert (row["frame"], row[fraction_column(line)]) == (4, 0.5)
    assert peak(table, fault)["frame"] == 0
    assert peak(table[:1], line) is None
    assert peak(table, DefectClass(value=3, name="twin", color="#000000")) is None
    assert peak(pd.DataFrame(), line) is None


@given(MASKS)
def test_fractions_lie_between_0_and_1_and_add_up_to_1_with_the_background(mask):
    counts = area_counts(mask, DEFAULT_CLASSES)
    row = measure_frame(mask, DEFAULT_CLASSES, frame=0, time_s=0.0)
    assert sum(counts.values()) == row["field_of_view_px"] == mask.size
    fractions = np.array([row[fraction_column(c)] for c in DEFAULT_CLASSES])
    assert ((fractions >= 0) & (fractions <= 1)).all()
    assert fractions.sum() + counts["background"] / mask.size == pytest.approx(1)


def test_order_of_the_columns_follows_the_classes():
    classes = (DefectClass(value=9, name="Twin", color="#ffffff"), *DEFAULT_CLASSES)
    row = measure_frame(np.zeros((2, 2), np.uint8), classes, frame=0, time_s=0, strain=0.1, stress=512.0)
    assert list(row) == [
        "frame",
        "time_s",
        "strain",
        "stress_MPa",
        "twin_area_fraction",
        "dislocation_area_fraction",
        "stacking_fault_area_fraction",
        "twin_px",
        "dislocation_px",
        "stacking_fault_px",
        "field_of_view_px",
    ]


def test_unknown_strain_is_not_a_number_and_unknown_stress_no_column():
    row = measure_frame(a_mask(), DEFAULT_CLASSES, frame=0, time_s=0.0)
    assert np.isnan(row["strain"])
    assert "stress_MPa" not in row


def test_the_field_of_view_has_an_area_where_the_scale_is_known():
    mask = np.zeros((50, 20), np.uint8)
    row = measure_frame(mask, DEFAULT_CLASSES, frame=0, time_s=0.0, nm_per_pixel=500.0)
    assert row["field_of_view_um2"] == pytest.approx(25.0 * 10.0)
    assert "field_of_view_um2" not in measure_frame(mask, DEFAULT_CLASSES, frame=0, time_s=0.0)


def test_a_value_of_no_class_is_refused():
    mask = a_mask()
    mask[0, 0] = 7
    with pytest.raises(InputError, match="1 px of value 7"):
        area_counts(mask, DEFAULT_CLASSES)


def test_strain_of_a_test_at_constant_rate():
    # Table 1 of Tanaka et al. 2025, 8.4 um: 20 frames/s, frame 200 after 10 s.
    assert strain_at(np.array([0.0, 10.0]), 1.14e-2, 1e-4) == pytest.approx([1.14e-2, 1.24e-2])


numbers = st.floats(allow_nan=True, allow_infinity=False)


@given(rows=st.lists(st.tuples(st.integers(0, 10**9), numbers, numbers, numbers), min_size=1, max_size=20))
def test_a_table_comes_back_exactly(tmp_path_factory, rows):
    table = pd.DataFrame(rows, columns=["frame", "time_s", "strain", "dislocation_area_fraction"])
    table["field_of_view_px"] = 100
    path = tmp_path_factory.mktemp("table") / "measurements.csv"
    write_table(path, table)
    pd.testing.assert_frame_equal(read_table(path), table, check_dtype=False, check_exact=True)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


HEADER = b"frame,time_s,strain,dislocation_area_fraction,field_of_view_px\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "no such table"),
        (b"", "cannot be read"),
        (b"\x00\xff\xfe\x80" * 40, "measure again"),
        (HEADER + b"1,2,3,0.5,9\n1,2,3,0.5,9,10,11\n", "cannot be read"),
        (b"frame,time_s\n1,2\n", "'strain' is missing"),
        (HEADER + b"1,0.05,abc,0.1,100\n", "'strain' holds something other than numbers"),
    ],
)
def test_a_broken_table_gives_one_sentence_with_its_name(tmp_path, content, said):
    path = tmp_path / "measurements.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_table(path)
    message = str(caught.value)
    assert said in message
    assert message.startswith(str(path))
    assert "\n" not in message


def test_a_table_without_a_row_is_a_table(tmp_path):
    path = tmp_path / "measurements.csv"
    path.write_bytes(HEADER)
    assert read_table(path).empty


def test_a_folder_is_no_table(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_table(tmp_path)


def test_everything_refers_to_the_valid_part():
    mask = a_mask()
    mask[0, 0] = 99  # of no class, and not looked at
    row = measure_frame(
        mask, DEFAULT_CLASSES, frame=0, time_s=0.0, nm_per_pixel=500.0, valid=(slice(1, 3), slice(0, 3))
    )
    assert (row["dislocation_px"], row["stacking_fault_px"], row["field_of_view_px"]) == (3, 2, 6)
    assert row["dislocation_area_fraction"] == 3 / 6
    assert row["field_of_view_um2"] == 6 * 0.25


def test_of_no_pixels_there_is_no_fraction():
    row = measure_frame(a_mask(), DEFAULT_CLASSES, frame=0, time_s=0.0, valid=(slice(2, 2), slice(0, 5)))
    assert row["field_of_view_px"] == row["dislocation_px"] == 0
    assert np.isnan(row["dislocation_area_fraction"])


def test_the_uncertainty_of_an_area_is_a_share_of_what_the_frame_shows():
    mask = np.zeros((4, 10), np.uint8)
    mask[:2, :5] = 1
    part = slice(0, 2), slice(0, 10)
    row = measure_frame(mask, DEFAULT_CLASSES, frame=0, time_s=0, valid=part, uncertainty_px={1: 3.0, 9: 1.0})
    assert row["dislocation_area_fraction"] == 0.5
    assert row["dislocation_area_fraction_uncertainty"] == pytest.approx(3 / 20)
    assert "stacking_fault_area_fraction_uncertainty" not in row
    assert not any("uncertainty" in key for key in measure_frame(mask, DEFAULT_CLASSES, frame=0, time_s=0))
