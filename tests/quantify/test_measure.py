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

shapes = hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12)


@st.composite
def masks_with_field_of_view(draw):
    shape = draw(shapes)
    mask = draw(hnp.arrays(np.uint8, shape, elements=st.sampled_from([0, 1, 2])))
    valid = draw(st.none() | hnp.arrays(np.bool_, shape))
    return mask, valid


def a_mask():
    mask = np.zeros((4, 5), np.uint8)
    mask[1, :] = 1  # 5 px
    mask[2, 1:4] = 2  # 3 px
    return mask


def test_counts_are_those_that_were_painted():
    assert area_counts(a_mask(), DEFAULT_CLASSES) == {"background": 12, "dislocation": 5, "stacking_fault": 3}


def test_fractions_refer_to_the_valid_pixels_alone():
    valid = np.zeros((4, 5), bool)
    valid[:, :2] = True  # 8 px: 2 of dislocation, 1 of stacking fault
    row = measure_frame(a_mask(), DEFAULT_CLASSES, frame=7, time_s=0.35, strain=0.0123, valid=valid)
    assert row == {
        "frame": 7,
        "time_s": 0.35,
        "strain": 0.0123,
        "dislocation_area_fraction": 2 / 8,
        "stacking_fault_area_fraction": 1 / 8,
        "dislocation_px": 2,
        "stacking_fault_px": 1,
        "field_of_view_px": 8,
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


@given(masks_with_field_of_view())
def test_fractions_lie_between_0_and_1_and_add_up_to_1_with_the_background(case):
    mask, valid = case
    counts = area_counts(mask, DEFAULT_CLASSES, valid)
    row = measure_frame(mask, DEFAULT_CLASSES, frame=0, time_s=0.0, valid=valid)
    size = mask.size if valid is None else int(valid.sum())
    assert sum(counts.values()) == row["field_of_view_px"] == size
    fractions = np.array([row[fraction_column(c)] for c in DEFAULT_CLASSES])
    if size == 0:
        assert np.isnan(fractions).all()
    else:
        assert ((fractions >= 0) & (fractions <= 1)).all()
        assert fractions.sum() + counts["background"] / size == pytest.approx(1)


@given(masks_with_field_of_view())
def test_what_lies_outside_the_field_of_view_does_not_count(case):
    mask, valid = case
    if valid is None:
        valid = np.ones(mask.shape, bool)
    repainted = np.where(valid, mask, 2 - mask)
    assert area_counts(mask, DEFAULT_CLASSES, valid) == area_counts(repainted, DEFAULT_CLASSES, valid)


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


def test_a_value_of_no_class_is_refused_where_it_counts():
    mask = a_mask()
    mask[0, 0] = 7
    with pytest.raises(InputError, match="1 px of value 7"):
        area_counts(mask, DEFAULT_CLASSES)
    valid = np.ones(mask.shape, bool)
    valid[0, 0] = False
    assert area_counts(mask, DEFAULT_CLASSES, valid)["background"] == 11


def test_a_field_of_view_of_another_shape_is_refused():
    with pytest.raises(InputError, match="shape"):
        area_counts(a_mask(), DEFAULT_CLASSES, np.ones((5, 4), bool))


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
