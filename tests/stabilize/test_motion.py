from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from glissile.errors import InputError
from glissile.stabilize.motion import Flag, Motion

FLAGS = get_args(Flag)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


@given(st.data(), st.integers(1, 12))
@settings(max_examples=40, deadline=None)
def test_written_motion_is_read_back_exactly(tmp_path_factory, data, n):
    numbers = sorted(data.draw(st.sets(st.integers(0, 2**40), min_size=n, max_size=n)))
    motion = Motion(
        data.draw(hnp.arrays(np.float64, (n, 2), elements=NUMBERS)),
        data.draw(hnp.arrays(np.float64, n, elements=st.floats(0, 1e300) | st.just(np.nan))),
        tuple(data.draw(st.lists(st.sampled_from(FLAGS), min_size=n, max_size=n))),
        np.array(numbers),
        views=np.array(data.draw(st.lists(st.integers(0, 5), min_size=n, max_size=n))),
    )
    path = tmp_path_factory.mktemp("motion") / "motion.csv"
    motion.write(path)
    again = Motion.read(path)
    assert again.displacements_px.tobytes() == motion.displacements_px.tobytes()
    np.testing.assert_array_equal(again.sigma_px, motion.sigma_px)
    np.testing.assert_array_equal(again.frame_numbers, motion.frame_numbers)
    assert again.flags == motion.flags
    np.testing.assert_array_equal(again.views, motion.views)
    assert path.read_bytes().startswith(b"frame,dy_px,dx_px,sigma_px,flag,view\n")
    assert [p.name for p in path.parent.iterdir()] == ["motion.csv"]


def test_a_table_saved_by_a_spreadsheet_is_read(tmp_path):
    path = tmp_path / "motion.csv"
    path.write_bytes(
        b"\xef\xbb\xbfframe,dy_px,dx_px,sigma_px,flag\r\n0,0,0,0.01,\r\n4,-1.5,2,,jump\r\n,,,,\r\n"
    )
    with pytest.raises(InputError, match="line 3"):
        Motion.read(path)
    path.write_bytes(
        b"\xef\xbb\xbfframe,dy_px,dx_px,sigma_px,flag\r\n0,0,0,0.01,\r\n4,-1.5,2,nan,jump\r\n,,,,\r\n"
    )
    motion = Motion.read(path)
    assert motion.displacements_px.tolist() == [[0, 0], [-1.5, 2]]
    assert motion.flags == ("", "jump")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "first line"),
        ("frame;dy_px;dx_px;sigma_px;flag\n0;0;0;0;\n", "comma"),
        ("frame,dy_px,dx_px,sigma_px,flag\n", "no frame"),
        ("frame,dy_px,dx_px,sigma_px,flag\n0,0,0,0.1\n", "line 2"),
        ("frame,dy_px,dx_px,sigma_px,flag\n0,0,0,0.1,,\n", "line 2"),
        ("frame,dy_px,dx_px,sigma_px,flag\n0,0,0,0.1,\n1,x,0,0.1,\n", "line 3"),
        ("frame,dy_px,dx_px,sigma_px,flag\n0,nan,0,0.1,\n", "line 2"),
        ("frame,dy_px,dx_px,sigma_px,flag\n0,inf,0,0.1,\n", "line 2"),
        ("frame,dy_px,dx_px,sigma_px,flag\n0,0,0,-1,\n", "line 2"),
        ("frame,dy_px,dx_px,sigma_px,flag\n-1,0,0,1,\n", "line 2"),
        ("frame,dy_px,dx_px,sigma_px,flag\n1.5,0,0,1,\n", "line 2"),
        ("frame,dy_px,dx_px,sigma_px,flag\n0,0,0,1,lost\n", "line 2"),
        ("frame,dy_px,dx_px,sigma_px,flag\n3,0,0,1,\n3,0,0,1,\n", "frame 3 comes after frame 3"),
        ("frame,dy_px,dx_px,sigma_px,flag\n3,0,0,1,\n2,0,0,1,\n", "frame 2 comes after frame 3"),
        ('frame,dy_px,dx_px,sigma_px,flag\n0,0,0,1,"ju\nmp"\n', "line 2"),
        ("x" * 200_000, "not a table"),
    ],
)
def test_a_broken_table_is_one_sentence(tmp_path, text, said):
    path = tmp_path / "motion.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=said) as caught:
        Motion.read(path)
    assert str(caught.value).startswith("motion.csv: ")
    assert "\n" not in str(caught.value)


def test_no_table_and_no_text(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        Motion.read(tmp_path / "motion.csv")
    (tmp_path / "motion.csv").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(InputError, match="not a text file"):
        Motion.read(tmp_path / "motion.csv")
    (tmp_path / "motion.csv").write_bytes(b"frame,dy_px\x00\n\r\r\x00")
    with pytest.raises(InputError):
        Motion.read(tmp_path / "motion.csv")


def test_motion_of_unequal_lengths_is_refused():
    with pytest.raises(ValueError, match="3 frames"):
        Motion(np.zeros((2, 2)), np.zeros(3), ("",) * 3, np.arange(3))


def test_a_motion_that_was_nowhere_found_is_not_told_as_no_drift():
    still = Motion.still(np.arange(3))
    assert still.sentence.startswith("Drift up to 0.0 px")
    lost = replace(still, flags=("few features", "interpolated", "few features"))
    assert lost.sentence.startswith("No motion was found")
    one_known = replace(still, flags=("few features", "", "few features"))
    assert one_known.sentence == "Drift up to 0.0 px; 2 of 3 frames need a look"
