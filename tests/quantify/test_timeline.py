"""Strain and stress of each frame, from a log or a rate whose truth is a straight line."""

import numpy as np
import pytest

from glissile.atomic import write_text
from glissile.errors import InputError
from glissile.experiment import Calibration, StrainLogSettings
from glissile.quantify.timeline import check_strain_log, timeline
from glissile.video import Video

TIMES_S = np.array([0.0, 1.0, 2.0, 3.0])
RATE = {"initial_strain": 0.5, "strain_rate_per_s": 0.1}


@pytest.fixture
def folder(tmp_path):
    """Folder of a log that runs from 10 s to 12.5 s of its clock: strain t / 1000, stress 100 t."""
    write_text(tmp_path / "rig.csv", "t,e,s\n10,0.01,1000\n11,0.011,1100\n12.5,0.0125,1250\n")
    return tmp_path


def log(**changes):
    return StrainLogSettings(path="rig.csv", time_column="t", strain_column="e", **changes)


def test_the_offset_is_the_time_in_the_log_at_frame_0(folder):
    along = timeline(Calibration(strain_log=log(time_offset_s=10)), TIMES_S[:3], folder=folder)
    np.testing.assert_allclose(along.strain, [0.010, 0.011, 0.012])
    assert along.stress_mpa is None
    assert along.stress_at(0) is None


def test_the_log_is_taken_where_a_rate_is_given_too(folder):
    along = timeline(Calibration(strain_log=log(time_offset_s=10), **RATE), TIMES_S[:3], folder=folder)
    np.testing.assert_allclose(along.strain, [0.010, 0.011, 0.012])


def test_each_frame_has_its_own_strain_and_stress_and_none_beyond_the_log(folder):
    calibration = Calibration(strain_log=log(time_offset_s=10, stress_column="s"))
    along = timeline(calibration, TIMES_S, folder=folder)
    assert [along.strain_at(index) for index in range(3)] == pytest.approx([0.010, 0.011, 0.012])
    assert [along.stress_at(index) for index in range(3)] == pytest.approx([1000, 1100, 1200])
    assert along.strain_at(3) is None
    assert np.isnan(along.stress_at(3))


def test_a_log_that_misses_all_frames_is_refused_where_their_times_are_known(folder):
    early = Calibration(strain_log=log(time_offset_s=5))
    frames = np.zeros((4, 2, 2), np.uint8)
    with pytest.raises(InputError, match=r"from 10 s to 12\.5 s, but the frames of v lie at 5 s to 8 s"):
        check_strain_log(early, Video.from_frames(frames, name="v", times_s=TIMES_S), folder=folder)
    check_strain_log(early, Video.from_frames(frames, name="v"), folder=folder)
    with pytest.raises(InputError, match="cannot be read"):
        check_strain_log(early, Video.from_frames(frames, name="v"), folder=folder / "elsewhere")


@pytest.mark.parametrize("known", [{}, {"initial_strain": 0.5}, {"strain_rate_per_s": 0.1}])
def test_half_a_rate_tells_no_strain(tmp_path, known):
    along = timeline(Calibration(**known), TIMES_S, folder=tmp_path)
    assert [along.strain_at(index) for index in range(4)] == [None] * 4


def test_a_constant_rate_counts_from_the_first_frame_of_the_source(tmp_path):
    along = timeline(Calibration(**RATE), TIMES_S[2:], folder=tmp_path)
    np.testing.assert_allclose(along.strain, [0.7, 0.8])
