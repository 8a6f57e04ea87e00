import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from glissile.errors import InputError
from glissile.gan.measures import MEASURES
from glissile.gan.microstructure import Microstructure, measure, threshold_of
from glissile.synthetic.sem import SemSettings, micrograph

# Discs that may overlap, thrown at random: their measures are known in closed form.
RADIUS = 9.0
PER_AREA = 0.0015


def stripes(period: float, angle_deg: float, size: int = 256, share: float = 0.5, offset: float = 0.0):
    """Grey stripes of 0 and 200 along `angle_deg`, clockwise on the screen."""
    y, x = np.mgrid[:size, :size]
    angle = np.deg2rad(angle_deg)
    across = y * np.cos(angle) - x * np.sin(angle) + offset
    return np.where((across / period) % 1 < share, 200, 0).astype(np.uint8)


def discs(seed: int, size: int = 512, *, apart: float | None = None):
    """Grey discs; at the points of a square lattice `apart` pixels wide, where that is given."""
    rng = np.random.default_rng(seed)
    if apart is None:
        reach = size + 2 * RADIUS
        centres = rng.uniform(-RADIUS, size + RADIUS, size=(rng.poisson(PER_AREA * reach**2), 2))
    else:
        lattice = np.arange(-apart, size + apart, apart)
        centres = np.stack(np.meshgrid(lattice, lattice), -1).reshape(-1, 2) + rng.uniform(0, apart, 2)
    found = np.zeros((size, size), bool)
    for centre in centres:
        low, high = (np.clip(np.rint(centre + side * RADIUS), 0, size).astype(int) for side in (-1.2, 1.2))
        y, x = np.ogrid[low[0] : high[0], low[1] : high[1]]
        found[low[0] : high[0], low[1] : high[1]] |= np.hypot(y - centre[0], x - centre[1]) < RADIUS
    return np.where(found, 200, 0).astype(np.uint8)


def plain(image, **options) -> Microstructure:
    return measure(image, threshold=100, smoothing_px=0, **options)


def mean_of(name: str, images) -> float:
    return float(np.mean([getattr(plain(image), name) for image in images]))


@pytest.fixture(scope="module")
def thrown():
    return [discs(seed) for seed in range(12)]


@pytest.fixture(scope="module")
def on_lattice():
    return [discs(seed, apart=29.3) for seed in range(12)]


def test_discs_have_the_fraction_intercept_and_boundary_of_discs(on_lattice):
    fraction = np.pi * RADIUS**2 / 29.3**2
    assert mean_of("phase_fraction", on_lattice) == pytest.approx(fraction, rel=0.01)
    assert mean_of("island_size", on_lattice) == pytest.approx(np.pi * RADIUS / 2, rel=0.02)
    free = np.pi * RADIUS / 2 * (1 - fraction) / fraction
    assert mean_of("free_path", on_lattice) == pytest.approx(free, rel=0.02)
    assert mean_of("boundary_density", on_lattice) == pytest.approx(2 * np.pi * RADIUS / 29.3**2, rel=0.02)
    assert mean_of("anisotropy", on_lattice) < 0.03


def test_overlapping_discs_follow_the_boolean_model(thrown):
    free = np.exp(-PER_AREA * np.pi * RADIUS**2)
    boundary = PER_AREA * 2 * np.pi * RADIUS * free
    assert mean_of("phase_fraction", thrown) == pytest.approx(1 - free, rel=0.03)
    assert mean_of("boundary_density", thrown) == pytest.approx(boundary, rel=0.03)
    assert mean_of("free_path", thrown) == pytest.approx(1 / (2 * PER_AREA * RADIUS), rel=0.04)
    assert mean_of("island_size", thrown) == pytest.approx((1 - free) * np.pi / boundary, rel=0.03)


def test_the_correlation_length_is_that_of_the_boolean_model(thrown):
    lag = np.linspace(0, 2 * RADIUS, 2000)
    # Area that two discs at this distance have in common.
    common = 2 * RADIUS**2 * np.arccos(lag / (2 * RADIUS)) - lag / 2 * np.sqrt(4 * RADIUS**2 - lag**2)
    free = np.exp(-PER_AREA * np.pi * RADIUS**2)
    both_free = np.exp(-PER_AREA * (2 * np.pi * RADIUS**2 - common))
    covariance = (both_free - free**2) / (free * (1 - free))
    wanted = lag[np.argmax(covariance < np.exp(-1))]
    assert mean_of("correlation_length", thrown) == pytest.approx(wanted, rel=0.03)


def test_cut_intercepts_do_not_shorten_the_mean():
    # Each crop is hardly larger than a disc: most intercepts are cut, some span it.
    whole = discs(1, 1024)
    crops = [whole[y : y + 24, x : x + 24] for y in range(0, 1000, 24) for x in range(0, 1000, 24)]
    found = [plain(crop) for crop in crops]
    fraction = np.mean([one.phase_fraction for one in found])
    crossings = np.mean([2 * one.phase_fraction / one.island_size if one.island_size else 0 for one in found])
    assert 2 * fraction / crossings == pytest.approx(plain(whole).island_size, rel=0.02)


@pytest.mark.parametrize("side", [7, 16])
def test_a_checkerboard_has_the_intercept_of_its_squares(side):
    boards = []
    for shift in range(2 * side):
        y, x = np.mgrid[:200, :200] + shift
        boards.append(np.where((y // side + x // side) % 2, 200, 0).astype(np.uint8))
    assert mean_of("phase_fraction", boards) == pytest.approx(0.5, abs=0.003)
    assert mean_of("island_size", boards) == pytest.approx(side, rel=0.02)
    assert mean_of("free_path", boards) == pytest.approx(side, rel=0.02)
    # Four directions are 5 % short for boundaries along x and y only; diagonals miss the corners.
    assert 0.85 * 2 / side < mean_of("boundary_density", boards) < 2 / side


@pytest.mark.parametrize("angle", [0, 20, 45, 90, 130, 178])
def test_stripes_have_their_angle_period_and_boundary(angle):
    found = [plain(stripes(20, angle, size=200, share=0.3, offset=offset + 0.5)) for offset in range(20)]
    assert np.mean([one.phase_fraction for one in found]) == pytest.approx(0.3, abs=0.01)
    assert np.mean([one.boundary_density for one in found]) == pytest.approx(2 / 20, rel=0.06)
    smooth = measure(stripes(20, angle), threshold=100)
    assert abs((smooth.angle_deg - angle + 90) % 180 - 90) < 1.5
    assert smooth.anisotropy > 0.95
    assert smooth.along_x == pytest.approx(np.cos(2 * np.deg2rad(angle)), abs=0.06)
    assert smooth.along_diagonal == pytest.approx(np.sin(2 * np.deg2rad(angle)), abs=0.06)


def test_intercepts_take_both_directions_alike():
    # Along the stripes nothing is crossed; the mean over both directions is twice that across.
    found = plain(stripes(16, 0, size=256))
    assert found.island_size == pytest.approx(16, rel=0.05)
    assert plain(stripes(16, 90, size=256)).island_size == pytest.approx(found.island_size, rel=0.05)


def test_turned_and_mirrored_images_measure_alike():
    image = micrograph(SemSettings(elongation=2.5, angle_deg=25), seed=4).pixels
    first = measure(image, threshold=120)
    for other in (np.rot90(image), image[::-1], image.T, image[:, ::-1]):
        found = measure(np.ascontiguousarray(other), threshold=120)
        for name in ("phase_fraction", "island_size", "free_path", "boundary_density", "anisotropy"):
            assert getattr(found, name) == pytest.approx(getattr(first, name), rel=1e-3)
        assert found.correlation_length == pytest.approx(first.correlation_length, rel=1e-3)
    turned = measure(np.ascontiguousarray(np.rot90(image)), threshold=120)
    assert turned.along_x == pytest.approx(-first.along_x, abs=1e-3)
    assert measure(image[::-1], threshold=120).along_diagonal == pytest.approx(
        -first.along_diagonal, abs=1e-3
    )


def test_swapping_the_phases_swaps_their_sizes(thrown):
    one, other = plain(thrown[0]), plain(200 - thrown[0])
    assert one.island_size == pytest.approx(other.free_path)
    assert one.free_path == pytest.approx(other.island_size)
    assert one.boundary_density == other.boundary_density
    assert one.correlation_length == pytest.approx(other.correlation_length, rel=1e-4)


def test_twice_the_magnification_doubles_lengths():
    small = discs(3, 256)
    large = np.kron(small, np.ones((2, 2), np.uint8))
    for name, factor in (("island_size", 2), ("free_path", 2), ("correlation_length", 2)):
        assert getattr(plain(large), name) == pytest.approx(factor * getattr(plain(small), name), rel=0.02)
    # Diagonals see the steps between large pixels.
    assert plain(large).boundary_density == pytest.approx(plain(small).boundary_density / 2, rel=0.13)


def test_the_correlation_length_does_not_reach_around_the_border():
    # Bright at the left and at the right end: at opposite borders, which are no neighbours.
    image = np.zeros((64, 64), np.uint8)
    image[:, :8] = image[:, -8:] = 200
    wrapped = np.roll(image, 8, axis=1)
    assert plain(image).correlation_length < plain(wrapped).correlation_length


@pytest.mark.parametrize("grey", [0, 200])
def test_one_phase_alone_has_no_sizes(grey):
    found = plain(np.full((32, 40), grey, np.uint8), nm_per_pixel=3.0)
    assert found.phase_fraction == (grey > 100)
    assert found.island_size is found.free_path is found.correlation_length is found.angle_deg is None
    assert found.boundary_density == found.anisotropy == 0
    assert "island_size" not in found.values()
    assert all(np.isfinite(list(found.values().values())))


@pytest.mark.parametrize(("nm", "unit", "factor"), [(None, "px", 1), (2.5, "nm", 2.5), (40.0, "µm", 0.04)])
def test_lengths_are_in_the_unit_of_the_pixel_size(thrown, nm, unit, factor):
    pixels, found = plain(thrown[0]), plain(thrown[0], nm_per_pixel=nm)
    for each in MEASURES:
        value, plainly = getattr(found, each.name), getattr(pixels, each.name)
        scale = {"length": factor, "inverse length": 1 / factor}.get(each.dimension, 1)
        assert value == pytest.approx(plainly * scale)
        assert each.unit(nm) == {"length": unit, "inverse length": f"1/{unit}", "angle": "°"}.get(
            each.dimension, ""
        )


def test_noise_makes_no_boundaries():
    quiet = SemSettings(noise=0, size_spread=0)
    clean = measure(micrograph(quiet, 5).pixels, threshold=120)
    noisy_image = micrograph(quiet.model_copy(update={"noise": 20}), 5).pixels
    noisy = measure(noisy_image, threshold=120)
    assert noisy.boundary_density == pytest.approx(clean.boundary_density, rel=0.05)
    assert noisy.island_size == pytest.approx(clean.island_size, rel=0.05)
    assert plain(noisy_image).boundary_density > 1.2 * clean.boundary_density


def test_a_micrograph_measures_as_its_truth_does():
    for settings in (SemSettings(), SemSettings(phase_fraction=0.15, elongation=3, angle_deg=-40)):
        image = micrograph(settings, 2)
        found = measure(image.pixels, threshold=threshold_of([image.pixels]))
        truth = plain(image.phase * np.uint8(200))
        assert found.phase_fraction == pytest.approx(truth.phase_fraction, abs=0.035)
        assert found.free_path == pytest.approx(truth.free_path, rel=0.08)
        assert found.correlation_length == pytest.approx(truth.correlation_length, rel=0.1)
        assert found.boundary_density == pytest.approx(truth.boundary_density, rel=0.1)


def test_more_phase_larger_islands_and_elongation_are_seen():
    def of(**settings):
        found = [micrograph(SemSettings(**settings), seed).pixels for seed in range(4)]
        return {name: np.mean([getattr(measure(i, threshold=120), name) for i in found]) for name in _SEEN}

    base = of()
    assert of(phase_fraction=0.45)["phase_fraction"] - base["phase_fraction"] == pytest.approx(0.15, abs=0.03)
    assert of(island_px=36)["island_size"] / base["island_size"] == pytest.approx(2, rel=0.15)
    assert of(elongation=4)["anisotropy"] > base["anisotropy"] + 0.2


_SEEN = ("phase_fraction", "island_size", "anisotropy")


def test_the_threshold_parts_the_phases_of_all_images_together():
    rng = np.random.default_rng(0)
    few, many = (
        np.clip(np.where(rng.uniform(size=(64, 64)) < share, 180, 60) + rng.normal(0, 6, (64, 64)), 0, 255)
        for share in (0.05, 0.6)
    )
    found = threshold_of([few.astype(np.uint8), many.astype(np.uint8)], smoothing_px=0)
    assert 80 < found < 160
    assert plain(few).phase_fraction == pytest.approx(0.05, abs=0.015)


def test_the_threshold_leaves_two_values_apart():
    image = np.array([[10, 11]] * 8, np.uint8).repeat(8, axis=1)
    found = threshold_of([image], smoothing_px=0)
    assert 10 < found < 11
    assert measure(image, threshold=found, smoothing_px=0).phase_fraction == 0.5


def test_no_threshold_without_two_grey_values():
    for images in ([], [np.full((16, 16), 7, np.uint8)]):
        with pytest.raises(InputError, match="one grey value"):
            threshold_of(images)


def test_colour_is_measured_as_grey(thrown):
    assert plain(np.repeat(thrown[0][..., None], 3, axis=-1)) == plain(thrown[0])


@pytest.mark.parametrize("shape", [(7, 40), (40,), (3, 40, 40)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(InputError, match="cannot be measured"):
        plain(np.zeros(shape, np.uint8))


@given(arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, min_side=8, max_side=40)), st.floats(0, 255))
def test_any_image_has_measures_within_their_bounds(image, threshold):
    found = measure(image, threshold=threshold)
    assert 0 <= found.phase_fraction <= 1
    assert 0 <= found.boundary_density <= np.pi / 2
    assert 0 <= found.anisotropy <= 1
    assert found.angle_deg is None or 0 <= found.angle_deg < 180
    if found.correlation_length is not None:
        assert 0 < found.correlation_length <= min(image.shape) / 2 + 1
    # What is in the phase and what is not share the same test lines.
    if found.island_size is not None:
        whole = found.island_size + found.free_path
        assert found.island_size / whole == pytest.approx(found.phase_fraction)


def test_every_measure_has_a_title_a_symbol_and_a_reference():
    names = [one.name for one in MEASURES]
    assert len(set(names)) == len(names)
    assert all(one.title and one.symbol and one.description and one.reference for one in MEASURES)
