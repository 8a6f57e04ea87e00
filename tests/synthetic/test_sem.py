import numpy as np
import pytest
from pydantic import ValidationError
from scipy import ndimage

from glissile.synthetic.sem import SemSettings, micrograph


def test_the_same_settings_and_seed_give_the_same_micrograph():
    one, again = (micrograph(SemSettings(), seed=3) for _ in range(2))
    np.testing.assert_array_equal(one.pixels, again.pixels)
    np.testing.assert_array_equal(one.islands, again.islands)
    assert not np.array_equal(one.pixels, micrograph(SemSettings(), seed=4).pixels)


@pytest.mark.parametrize("fraction", [0.0, 0.05, 0.3, 0.6, 0.9])
def test_the_phase_fraction_is_met_to_half_an_island(fraction):
    settings = SemSettings(height=200, width=300, phase_fraction=fraction, size_spread=0)
    image = micrograph(settings, seed=1)
    island = np.pi * settings.island_px**2 / 4
    assert abs(image.phase_fraction - fraction) * 60_000 <= island / 2 + 1
    assert image.phase.shape == image.pixels.shape == (200, 300)
    assert (len(image.islands) == 0) == (fraction == 0)


@pytest.mark.parametrize(("elongation", "angle"), [(1, 0), (3, 35), (3, -70), (6, 90)])
def test_islands_have_their_area_elongation_and_direction(elongation, angle):
    # Few enough that most lie alone.
    settings = SemSettings(
        height=512,
        width=512,
        phase_fraction=0.04,
        island_px=24,
        elongation=elongation,
        angle_deg=angle,
        size_spread=0,
    )
    image = micrograph(settings, seed=6)
    marked, count = ndimage.label(image.phase)
    alone = []
    for number, (rows, columns) in enumerate(ndimage.find_objects(marked), start=1):
        y, x = np.nonzero(marked == number)
        inside = rows.start > 0 and columns.start > 0 and rows.stop < 512 and columns.stop < 512
        if inside and len(y) < 1.3 * np.pi * 12**2:
            alone.append((y, x))
    assert len(alone) > count / 3
    for y, x in alone:
        assert len(y) == pytest.approx(np.pi * 12**2, rel=0.05)
        spread = np.cov(x, y)
        width, length = np.sqrt(np.linalg.eigvalsh(spread))
        assert length / width == pytest.approx(elongation, rel=0.06)
        if elongation > 1:
            axis = np.linalg.eigh(spread)[1][:, 1]
            off = np.rad2deg(np.arctan2(axis[1], axis[0])) - angle
            assert abs((off + 90) % 180 - 90) < 3


def test_sizes_spread_as_set():
    settings = SemSettings(height=1000, width=1000, phase_fraction=0.5, size_spread=0.25, noise=0)
    sizes = np.log(micrograph(settings, seed=2).islands[:, 2:])
    np.testing.assert_allclose(sizes.std(axis=0), 0.25, rtol=0.06)
    length, width = np.exp(sizes.mean(axis=0))
    assert length * width == pytest.approx(9**2, rel=0.05)
    assert length / width == pytest.approx(1.5)


def test_islands_are_thrown_evenly_up_to_the_border():
    share = np.mean([micrograph(SemSettings(height=96, width=96), seed).phase for seed in range(250)], axis=0)
    border = np.concatenate(
        [share[:8].ravel(), share[-8:].ravel(), share[:, :8].ravel(), share[:, -8:].ravel()]
    )
    assert border.mean() == pytest.approx(share.mean(), rel=0.06)


def test_islands_are_bright_and_the_matrix_is_dark():
    image = micrograph(SemSettings(noise=0, texture=0, grain_px=4000), seed=5)
    inside, outside = ndimage.binary_erosion(image.phase, iterations=6), ~image.phase
    outside = ndimage.binary_erosion(outside, iterations=6, border_value=1)
    assert np.median(image.pixels[inside]) == pytest.approx(165, abs=4)
    assert np.median(image.pixels[outside]) == pytest.approx(75, abs=2)


def test_the_edge_stays_where_the_truth_has_it():
    settings = SemSettings(noise=0, texture=0, grain_px=4000, blur_px=0, elongation=1)
    image = micrograph(settings, seed=5)
    seen = image.pixels > (settings.matrix_grey + settings.island_grey) / 2
    assert np.mean(seen != image.phase) < 0.005


def test_noise_has_the_size_asked_for():
    quiet, noisy = (micrograph(SemSettings(noise=noise), seed=7).pixels.astype(float) for noise in (0, 10))
    assert np.std(noisy - quiet) == pytest.approx(10, rel=0.03)


def test_grain_boundaries_are_dark_lines():
    settings = SemSettings(phase_fraction=0, noise=0, texture=0, grain_px=50)
    pixels = micrograph(settings, seed=1).pixels
    dark = pixels < 0.8 * settings.matrix_grey
    assert 0.02 < dark.mean() < 0.12
    # They close: the grains do not touch.
    assert ndimage.label(~ndimage.binary_dilation(dark))[1] > 15


def test_looks_leave_the_islands_where_they_are():
    looks = {"noise": 0, "blur_px": 2, "island_grey": 200, "grain_px": 20, "texture": 0}
    one, other = micrograph(SemSettings(), 8), micrograph(SemSettings(**looks), 8)
    np.testing.assert_array_equal(one.phase, other.phase)


def test_settings_are_bounded():
    for bad in ({"phase_fraction": 1}, {"elongation": 0.5}, {"island_px": 0}, {"width": 5}, {"colour": 1}):
        with pytest.raises(ValidationError):
            SemSettings(**bad)
