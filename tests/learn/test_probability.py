import numpy as np
import pytest
import torch
from overconfident import sample

from glissile.learn.probability import (
    area_uncertainties,
    entropy,
    fitted_area_factors,
    fitted_temperature,
    half_areas,
    probabilities,
)


@pytest.mark.parametrize("overconfidence", [3.0, 1.0, 0.5])
def test_the_temperature_is_how_much_too_sure_a_network_is(overconfidence):
    assert fitted_temperature(*sample(overconfidence=overconfidence)) == pytest.approx(
        overconfidence, rel=0.02
    )


def test_the_temperature_of_a_network_that_is_always_right_stays_in_bounds():
    truths = np.array([0, 1, 2, 1], np.uint8)
    logits = 8 * np.eye(3, dtype=np.float32)[:, truths]
    assert 0.09 < fitted_temperature(logits, truths) < 0.5
    assert 5 < fitted_temperature(-logits, truths) <= 10.01


@pytest.mark.parametrize("temperature", [1.0, 0.3, 4.0])
def test_probabilities_add_up_to_1_and_keep_the_most_probable_class(temperature):
    logits = torch.from_numpy(sample(n=1000)[0])
    found = probabilities(logits, temperature)
    np.testing.assert_allclose(found.sum(dim=0), 1, rtol=1e-5)
    assert torch.equal(found.argmax(dim=0), logits.argmax(dim=0))
    assert found.dtype == torch.float32


def test_probabilities_of_a_colder_network_are_sharper():
    logits = torch.tensor([1.0, 0.0])
    assert probabilities(logits, 2)[0] == pytest.approx(1 / (1 + np.exp(-0.5)))
    assert probabilities(logits, 1)[0] == pytest.approx(1 / (1 + np.exp(-1)))


@pytest.mark.parametrize("classes", [2, 3, 9])
def test_entropy_is_1_where_all_is_possible_and_0_where_one_is_certain(classes):
    alike = np.full((classes, 4, 5), 1 / classes, np.float32)
    np.testing.assert_allclose(entropy(alike), 1, rtol=1e-6)
    certain = np.zeros((classes, 4, 5), np.float32)
    certain[1] = 1
    np.testing.assert_array_equal(entropy(certain), 0)


def test_entropy_of_two_possible_classes_of_four_is_one_half():
    shares = np.array([0.5, 0, 0.5, 0], np.float32)[:, None]
    assert entropy(shares)[0] == pytest.approx(0.5)
    assert np.isnan(entropy(np.full((2, 1), np.nan, np.float32)))[0]


def test_half_areas_count_pixels_between_a_quarter_and_three_quarters():
    line = torch.tensor([0.0, 0.2, 0.25, 0.26, 0.5, 0.75, 0.76, 1.0])[None]
    np.testing.assert_array_equal(half_areas(torch.stack([1 - line, line])), [1.5])


def frames(n, *, factor, seed):
    """Frames whose areas are wrong by a known factor of what is open."""
    random = np.random.default_rng(seed)
    half = random.uniform(20, 400, (n, 1))
    return half, random.normal(0, factor * half), np.full((n, 1), 1000)


def test_two_of_three_frames_lie_in_the_band():
    half, errors, labelled = frames(400, factor=0.7, seed=0)
    (factor,) = fitted_area_factors(half, errors, labelled)
    assert factor == pytest.approx(0.7, rel=0.08)
    half, errors, _ = frames(4000, factor=0.7, seed=1)
    sigma = np.array([area_uncertainties(h, (factor,)) for h in half])
    assert np.mean(np.abs(errors) < sigma) == pytest.approx(0.68, abs=0.04)


def test_so_they_do_when_each_was_left_out_of_the_fit():
    half, errors, labelled = frames(60, factor=1.4, seed=2)
    inside = []
    for i in range(len(half)):
        kept = np.arange(len(half)) != i
        (factor,) = fitted_area_factors(half[kept], errors[kept], labelled[kept])
        inside.append(abs(errors[i, 0]) < area_uncertainties(half[i], (factor,))[0])
    assert 0.55 < np.mean(inside) < 0.81


def test_errors_of_the_fitted_frames_have_the_size_that_is_told():
    half, errors, labelled = frames(7, factor=2, seed=3)
    (factor,) = fitted_area_factors(half, errors, labelled)
    sigma = np.array([area_uncertainties(h, (factor,)) for h in half])
    assert np.sqrt(np.mean((errors / sigma) ** 2)) == pytest.approx(1)


def test_a_class_on_fewer_than_three_frames_has_no_band():
    half, errors, labelled = (np.repeat(a, 2, axis=1) for a in frames(5, factor=1, seed=4))
    labelled[2:, 1] = 0
    factors = fitted_area_factors(half, errors, labelled)
    assert factors[0] is not None
    assert factors[1] is None
    assert area_uncertainties(half[0], factors)[1] is None


def test_what_is_found_on_frames_without_the_class_counts():
    half, errors, labelled = (np.vstack([a, a]) for a in frames(6, factor=1, seed=5))
    labelled[6:], errors[6:] = 0, 50 * half[6:]
    (factor,) = fitted_area_factors(half, errors, labelled)
    assert factor == pytest.approx(50 / np.sqrt(2), rel=0.1)


def test_no_frame_is_surer_than_to_a_pixel():
    assert area_uncertainties(np.array([0.0, 40.0, 40.0]), (3.0, 0.0, 0.5)) == (3.0, 1.0, 20.0)
    half, errors = np.zeros((3, 1)), np.array([[2], [-2], [2]])
    (factor,) = fitted_area_factors(half, errors, np.ones((3, 1), int))
    assert area_uncertainties(half[0], (factor,)) == (pytest.approx(2),)
