import csv
import runpy
from pathlib import Path

import av
import numpy as np
import pytest
from skimage.io import imread

from glissile.errors import InputError
from glissile.synthetic import sample
from glissile.synthetic.sample import (
    SAMPLE_CHECKED,
    SAMPLE_INITIAL_STRAIN,
    SAMPLE_LABELLED,
    SAMPLE_LOG_AT_FRAME_0_S,
    SAMPLE_NM_PER_PIXEL,
    SAMPLE_SETTINGS,
    SAMPLE_STRAIN_RATE_PER_S,
    SAMPLE_TRIM,
    area_fractions,
    common_field,
    sample_folder,
    sample_video,
)
from glissile.synthetic.tem import TemSettings, simulate

ROOT = Path(__file__).parents[2]


def table(path: Path) -> dict[str, np.ndarray]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: np.array([float(row[name]) for row in rows]) for name in rows[0]}


def test_the_sample_is_small():
    files = [path for path in sample_folder().rglob("*") if path.is_file()]
    assert (sample_folder() / "video.mp4").stat().st_size < 4e6
    assert sum(path.stat().st_size for path in files) < 6e6


def test_the_shipped_video_shows_the_frames_as_drawn():
    wanted = {0, 81, 239}
    with av.open(str(sample_folder() / "video.mp4")) as container:
        stream = container.streams.video[0]
        assert stream.average_rate == 20
        shipped = {
            i: frame.to_ndarray(format="gray")
            for i, frame in enumerate(container.decode(video=0))
            if i in wanted or i == SAMPLE_SETTINGS.frames - 1
        }
    assert max(shipped) == SAMPLE_SETTINGS.frames - 1
    for i in wanted:
        error = shipped[i].astype(float) - sample_video().frame(i)
        assert abs(error.mean()) < 0.5
        assert np.sqrt(np.mean(error**2)) < 5


@pytest.mark.parametrize(("folder", "frames"), [("labels", SAMPLE_LABELLED), ("truth/masks", SAMPLE_CHECKED)])
def test_the_shipped_masks_are_the_truth(folder, frames):
    files = sorted((sample_folder() / folder).iterdir())
    assert [path.name for path in files] == [f"{i:04d}.png" for i in frames]
    for path, i in list(zip(files, frames, strict=True))[::3]:
        np.testing.assert_array_equal(imread(path), sample_video().mask(i))


def test_labels_and_checked_frames_are_apart_and_show_both_classes():
    assert not set(SAMPLE_LABELLED) & set(SAMPLE_CHECKED)
    shown = [np.unique(sample_video().mask(i)).tolist() for i in SAMPLE_LABELLED]
    assert shown[0] == [0, 1]
    assert sum(values == [0, 1, 2] for values in shown) >= 5


def test_the_shipped_motion_and_areas_are_the_truth():
    video = sample_video()
    motion = table(sample_folder() / "truth" / "motion.csv")
    np.testing.assert_array_equal(motion["frame"], np.arange(240))
    found = np.stack([motion["dy_px"], motion["dx_px"]], axis=1)
    np.testing.assert_allclose(found, video.displacements_px, atol=5.1e-5)
    areas = table(sample_folder() / "truth" / "area.csv")
    np.testing.assert_allclose(areas["strain"], video.strain, atol=5.1e-8)
    field = common_field(video.displacements_px, SAMPLE_TRIM)
    for i in (0, 100, 239):
        dislocation, fault = area_fractions(video, i, field)
        assert areas["dislocation_area_fraction"][i] == pytest.approx(dislocation, abs=5.1e-7)
        assert areas["stacking_fault_area_fraction"][i] == pytest.approx(fault, abs=5.1e-7)


def test_the_field_is_seen_in_every_frame_and_named_in_the_readme():
    video = sample_video()
    field = common_field(video.displacements_px, SAMPLE_TRIM)
    assert SAMPLE_TRIM.height is not None
    assert SAMPLE_TRIM.width is not None
    for dy, dx in video.displacements_px:
        assert field.top + dy >= 0
        assert field.left + dx >= 0
        assert field.bottom + dy <= SAMPLE_TRIM.height
        assert field.right + dx <= SAMPLE_TRIM.width
    assert (field.bottom - field.top) * (field.right - field.left) > 0.8 * 332 * 440
    readme = " ".join((ROOT / "sample_data" / "README.md").read_text(encoding="utf-8").split())
    assert f"rows {field.top} to {field.bottom - 1} and columns {field.left} to {field.right - 1}" in readme


def test_the_rig_log_agrees_with_the_constants():
    log = table(sample_folder() / "strain_log.csv")
    assert np.all(np.diff(log["time_s"]) > 0)
    expected = SAMPLE_INITIAL_STRAIN + SAMPLE_STRAIN_RATE_PER_S * (log["time_s"] - SAMPLE_LOG_AT_FRAME_0_S)
    np.testing.assert_allclose(log["strain"], expected, atol=1e-7)
    times = sample_video().times_s + SAMPLE_LOG_AT_FRAME_0_S
    assert log["time_s"][0] <= times[0]
    assert log["time_s"][-1] >= times[-1]
    stress = np.interp(times, log["time_s"], log["stress_MPa"])
    np.testing.assert_allclose(stress, sample_video().stress_mpa, atol=0.6)


def test_the_readme_states_the_constants():
    readme = (ROOT / "sample_data" / "README.md").read_text(encoding="utf-8")
    assert f"{SAMPLE_NM_PER_PIXEL} nm" in readme
    assert f"initial strain {SAMPLE_INITIAL_STRAIN}" in readme
    assert f"top 0, left 0, height {SAMPLE_TRIM.height}, width {SAMPLE_TRIM.width}" in readme
    assert f"at {SAMPLE_LOG_AT_FRAME_0_S} s" in readme


def test_encoding_twice_gives_the_same_bytes(tmp_path):
    write_mp4 = runpy.run_path(str(ROOT / "sample_data" / "make_sample.py"))["write_mp4"]
    video = simulate(TemSettings(height=128, width=160, frames=8), seed=1)
    for name in ("once.mp4", "twice.mp4"):
        write_mp4(tmp_path / name, video)
    once = (tmp_path / "once.mp4").read_bytes()
    assert len(once) > 1000
    assert once == (tmp_path / "twice.mp4").read_bytes()


def test_a_missing_sample_is_said_so(monkeypatch, tmp_path):
    monkeypatch.setattr(sample, "__file__", str(tmp_path / "src" / "glissile" / "synthetic" / "sample.py"))
    with pytest.raises(InputError, match="make sample"):
        sample_folder()
