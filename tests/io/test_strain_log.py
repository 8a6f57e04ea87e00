import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from glissile.errors import InputError
from glissile.io.strain_log import StrainLog, read_strain_log

COLUMNS = {"time_column": "time", "strain_column": "strain"}


def read(tmp_path, content, encoding="utf-8", **columns):
    path = tmp_path / "8.4μm log.csv"
    path.write_bytes(content.encode(encoding))
    return read_strain_log(path, **(COLUMNS | columns))


@given(
    start=st.floats(-1e3, 1e3),
    rate=st.floats(-1, 1),
    stress=st.floats(0, 1e3),
    steps=st.lists(st.floats(0.01, 10), min_size=1, max_size=20),
    where=st.lists(st.floats(0, 1), min_size=1, max_size=20),
)
def test_a_linear_log_is_interpolated_exactly(start, rate, stress, steps, where):
    times = start + np.concatenate([[0], np.cumsum(steps)])
    assume((np.diff(times) > 0).all())
    log = StrainLog(times, 0.01 + rate * times, stress - 2 * rate * times)
    at = times[0] + np.array(where) * (times[-1] - times[0])
    strain, stress_mpa = log.at(at)
    inside = (at >= times[0]) & (at <= times[-1])
    np.testing.assert_allclose(strain[inside], (0.01 + rate * at)[inside], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(stress_mpa[inside], (stress - 2 * rate * at)[inside], rtol=1e-9, atol=1e-9)


def test_outside_the_log_nothing_is_known():
    log = StrainLog(np.array([1.0, 2.0]), np.array([0.1, 0.2]), np.array([10.0, 20.0]))
    strain, stress = log.at([0.9, 1.0, 1.5, 2.0, 2.1])
    np.testing.assert_allclose(strain, [np.nan, 0.1, 0.15, 0.2, np.nan])
    np.testing.assert_allclose(stress, [np.nan, 10, 15, 20, np.nan])
    assert StrainLog(log.times_s, log.strain).at([1.5])[1] is None


def test_only_the_rounding_of_a_time_is_forgiven():
    log = StrainLog(np.array([1.0, 2.0]), np.array([0.1, 0.2]))
    strain, _ = log.at([1 - 1e-9, 2 + 1e-9, 1 - 1e-3, 2 + 1e-3])
    np.testing.assert_allclose(strain, [0.1, 0.2, np.nan, np.nan])


GERMAN = "Zeit (s);Dehnung (%);Spannung [MPa]\n0,0;1,0;1.250,5\n0,5;2,0;1.251,5\n"


@pytest.mark.parametrize(
    ("name", "content", "columns"),
    [
        ("plain", "time,strain,stress\n0,0.01,1250.5\n0.5,0.02,1251.5\n", {}),
        ("quoted", '"time","strain","stress"\n"0","0.01","1250.5"\n"0.5","0.02","1251.5"\n', {}),
        ("other order, more columns", "n,stress,time,T,strain\n1,1250.5,0,20,.01\n2,1251.5,.5,20,.02\n", {}),
        ("any case, blanks", " TIME , Strain ,STRESS\n 0 , 1e-2 , 1250.5\n 0.5 , 2e-2 , 1251.5 \n", {}),
        ("tabs, thousands", "time\tstrain\tstress\n0\t0.01\t1,250.5\n0.5\t0.02\t1,251.5\n", {}),
        ("tabs, decimal comma", "time\tstrain\tstress\n0\t0,01\t1250,5\n0,5\t0,02\t1251,5\n", {}),
        ("semicolons, decimal point", "time;strain;stress\n0;0.01;1250.5\n0.5;0.02;1251.5\n", {}),
        ("units", "Time [ms],Strain [%],Stress [GPa]\n0,1,1.2505\n500,2,1.2515\n", {}),
        ("names in a comment", "# by numpy\n# time,strain,stress\n0,0.01,1250.5\n0.5,0.02,1251.5\n", {}),
        ("quoted thousands", 'time,strain,stress\n0,0.01,"1,250.5"\n0.5,0.02,"1,251.5"\n', {}),
        ("quoted decimal commas", 'time,strain,stress\n"0","0,01","1250,5"\n"0,5","0,02","1251,5"\n', {}),
        ("an empty column", "\ttime\tstrain\tstress\n\t0\t0.01\t1250.5\n\t0.5\t0.02\t1251.5\n", {}),
        ("percent bare", "time (h),strain %,stress (N/mm²)\n0,1,1250.5\n0.0001388889,2,1251.5", {}),
        ("line of units", "time,strain,stress\n(s),(%),(MPa)\n0,1,1250.5\n0.5,2,1251.5\n", {}),
        ("whole title given", "t [s],t [h],strain [-],stress [Pa]\n0,0,0.01,1250.5e6\n0.5,0,0.02,1251.5e6\n",
         {"time_column": "T [s]"}),
        ("comments, blank lines, preamble",
         "# rig 4\nSample no,7\nWidth,12.5,mm\n\n% x\ntime,strain,stress\n// start\n0,0.01,1250.5\n\n"
         "0.5,0.02,1251.5\n#end\n",
         {}),
        ("CR LF", "time,strain,stress\r\n0,0.01,1250.5\r\n0.5,0.02,1251.5\r\n", {}),
        ("backwards", "time,strain,stress\n0.5,0.02,1251.5\n0,0.01,1250.5\n", {}),
        ("empty cells",
         "time,strain,stress\n0,0.01,1250.5\n0.2,,1300\n0.3,0.5,\n0.4\n0.5,0.02,1251.5\n,,\n", {}),
        ("columns of words", "time,state,strain,stress\n0,ok,0.01,1250.5\n.5,ok,0.02,1251.5\n", {}),
        ("times repeated", "time,strain,stress\n0,0,1250\n0,0.02,1251\n0.5,0.02,1251.5\n", {}),
        ("German", GERMAN,
         {"time_column": "zeit", "strain_column": "Dehnung", "stress_column": "spannung"}),
    ],
)  # fmt: skip
def test_logs_of_many_makes_say_the_same(tmp_path, name, content, columns):
    log = read(tmp_path, content, **({"stress_column": "stress"} | columns))
    np.testing.assert_allclose(log.times_s, [0, 0.5], rtol=1e-6)
    np.testing.assert_allclose(log.strain, [0.01, 0.02])
    np.testing.assert_allclose(log.stress_mpa, [1250.5, 1251.5])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_encodings_are_told_apart(tmp_path, encoding):
    log = read(
        tmp_path,
        "Prüfung;°\nzeit;größe in %\n0;1\n1;2\n".replace("größe in %", "größe (%)"),
        encoding,
        time_column="Zeit",
        strain_column="Größe",
    )
    np.testing.assert_allclose(log.strain, [0.01, 0.02])
    assert log.stress_mpa is None


@pytest.mark.parametrize(
    ("column", "unit", "one"),
    [
        (0, "s", 1), (0, "sec", 1), (0, "ms", 1e-3), (0, "min", 60), (0, "h", 3600),
        (1, "-", 1), (1, "1", 1), (1, "mm/mm", 1), (1, "m/m", 1), (1, "%", 0.01),
        (2, "MPa", 1), (2, "N/mm2", 1), (2, "N/mm²", 1), (2, "GPa", 1e3), (2, "kPa", 1e-3), (2, "Pa", 1e-6),
    ],
)  # fmt: skip
def test_one_of_each_unit_is_as_much_as_physics_says(tmp_path, column, unit, one):
    titles = ["time", "strain", "stress"]
    titles[column] += f" [{unit}]"
    log = read(tmp_path, f"{','.join(titles)}\n1,1,1\n", stress_column="stress")
    found = [log.times_s[0], log.strain[0], log.stress_mpa[0]]
    assert found[column] == pytest.approx(one)
    assert found[:column] + found[column + 1 :] == [1, 1]


def test_a_strain_that_is_not_in_percent_is_taken_as_it_is(tmp_path):
    assert read(tmp_path, "time,strain\n0,1.5\n1,2\n").strain[0] == 1.5


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("# only\n", "is empty"),
        ("time strain\n0 1\n", "is not a table with columns separated by"),
        ("time,strain\n", "no row with a value in each"),
        ("0,1\n1,2\n", 'has no column "time"; its columns are "0", "1"'),
        ("t,e\n0,1\n", 'has no column "time"; its columns are "t", "e"'),
        ("time,time,strain\n0,1,2\n", 'more than one column "time"'),
        ("time [s],time [h],strain\n0,1,2\n", r'more than one column "time"; its columns are "time \[s\]"'),
        (
            "time,strain [mm]\n0,1\n",
            r'the unit of the column "strain \[mm\]" is not known here; it may be -, 1',
        ),
        ("time [d],strain\n0,1\n", "is not known here; it may be s"),
        ("time,strain\n0,1\n1,x\n", 'line 3: "x" is not a number'),
        ("time,strain\n0,1\n1,nan\n", 'line 3: "nan" is not a number'),
        ("#\ntime,strain\n0,1\n1,2\n0.5,3\n", "line 5: time goes back here"),
        ("time,strain\n0,\n1,\n", "no row with a value in each"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_sentence(tmp_path, content, message):
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path, content)
    assert "8.4μm log.csv" in str(caught.value)


def test_a_missing_log_is_said_so(tmp_path):
    with pytest.raises(InputError, match=r"gone\.csv: the strain log cannot be read"):
        read_strain_log(tmp_path / "gone.csv", **COLUMNS)


@given(st.binary(max_size=200))
def test_no_bytes_cause_anything_but_a_sentence(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("log") / "log.csv"
    path.write_bytes(data)
    with pytest.raises(InputError):
        read_strain_log(path, **COLUMNS)
