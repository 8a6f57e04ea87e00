"""Corrections by hand in an experiment: kept, applied to any estimate, taken back without a trace."""

import numpy as np
import pytest

from glissile import workflow
from glissile.errors import InputError
from glissile.experiment import Experiment
from glissile.io.video_files import write_frames
from glissile.progress import finish
from glissile.stabilize.camera_motion import StabilizeSettings
from glissile.stabilize.motion import Motion
from glissile.synthetic.tem import TemSettings, simulate
from glissile.video import Trim, Video

FRAMES = 16


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    made = simulate(TemSettings(height=160, width=192, frames=FRAMES, drift_px=4, jumps=0), 1)
    path = tmp_path_factory.mktemp("video") / "video.tif"
    frames = np.stack([made.frame(k)[:-28] for k in range(FRAMES)])
    finish(write_frames(path, Video.from_frames(frames, name="video")))
    return path


@pytest.fixture
def study(recorded, tmp_path):
    with workflow.create(recorded, tmp_path / "study") as experiment:
        finish(workflow.stabilize(experiment))
        yield experiment


def trimmed(experiment):
    return workflow.source_video(experiment).trimmed(experiment.settings("trim", Trim))


def motion(experiment):
    return workflow.motion(experiment, trimmed(experiment))


def test_a_correction_is_part_of_the_motion_and_the_estimate_stays_on_disk(study):
    before, on_disk = motion(study), study.motion_path.read_bytes()
    y, x = workflow.working_video(study).origins_px[9] - workflow.working_video(study).origins_px[0]
    workflow.correct(study, trimmed(study), 9, (y + 2.5, x - 3.0))
    video = workflow.working_video(study)
    np.testing.assert_allclose(video.origins_px[9] - video.origins_px[0], (y + 2.5, x - 3.0))
    assert motion(study).flags[9] == "corrected"
    assert "frame 9 set by hand" in " ".join(video.provenance)
    assert study.motion_path.read_bytes() == on_disk
    workflow.correct(study, trimmed(study), 9, None)
    assert motion(study).displacements_px.tobytes() == before.displacements_px.tobytes()
    assert motion(study).flags == before.flags


def test_corrections_outlive_closing_and_another_estimate(study):
    workflow.correct(study, trimmed(study), 9, (3.0, 4.0))
    study.close()
    with Experiment.open(study.folder) as again:
        assert motion(again).displacements_px[9].tolist() == [3, 4]
        again.save_settings("stabilize", StabilizeSettings(find_overlay=False))
        finish(workflow.stabilize(again))
        assert motion(again).displacements_px[9].tolist() == [3, 4]
        assert Motion.read(again.motion_path).flags[9] == ""


def test_a_later_start_keeps_the_displacements_between_the_frames(study):
    workflow.correct(study, trimmed(study), 9, (3.0, 4.0))
    workflow.correct(study, trimmed(study), 2, (1.0, 1.0))
    before = motion(study)
    study.save_settings("trim", Trim(first=5))
    finish(workflow.stabilize(study))
    after = motion(study)
    assert after.frame_numbers[0] == 5
    expected = before.displacements_px[9] - before.displacements_px[5]
    np.testing.assert_allclose(after.displacements_px[4], expected)
    assert workflow.corrections_left_out(study, trimmed(study)) == (2,)
    study.save_settings("trim", Trim())
    finish(workflow.stabilize(study))
    assert workflow.corrections_left_out(study, trimmed(study)) == ()


def test_what_cannot_be_corrected_is_refused_and_changes_nothing(study):
    for frame in (0, 99):
        with pytest.raises(InputError, match=f"frame {frame} cannot be corrected"):
            workflow.correct(study, trimmed(study), frame, (1, 1))
    with pytest.raises(InputError, match="px apart"):
        workflow.correct(study, trimmed(study), 9, (500, 0))
    assert workflow.corrections(study).frames == ()
    study.motion_path.unlink()
    with pytest.raises(InputError, match="stabilized"):
        workflow.correct(study, trimmed(study), 9, (1, 1))


def test_results_of_another_motion_are_not_current(study):
    from glissile.workflow.results import _origin

    before = _origin(study)
    workflow.correct(study, trimmed(study), 9, (3.0, 4.0))
    assert _origin(study) != before
    workflow.correct(study, trimmed(study), 9, None)
    assert _origin(study) == before
