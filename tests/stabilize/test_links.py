import numpy as np
import pytest
from drifting_textures import clean, recorded, texture, wandering
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage as ndi

from glissile.stabilize import links as links_of_blocks
from glissile.stabilize.links import placed
from glissile.stabilize.small_frames import SmallFrames

WINDOW = (96, 128)
SMALL = SmallFrames(WINDOW)


def link_of(numbers, first, second, guess, small):
    comparison = links_of_blocks.compared(numbers, first, second, guess, small)
    return None if comparison is None else links_of_blocks.linked([comparison], small)[0]


def linked(first, second, guess, small):
    """Displacement, its standard error and the height of the correlation of a link; None for no link."""
    link = link_of((3, 5), first, second, guess, small)
    if link is None:
        return None
    assert (link.first, link.second) == (3, 5)
    return link.displacement_px, link.sigma_px, link.height


def Link(first, second, displacement, sigma, height, distortion=(0.0, 0.0), distortion_sigma=0.001):
    return links_of_blocks.Link(
        first, second, displacement, sigma, height, np.array(distortion), distortion_sigma
    )


def flat(frame):
    return SMALL.flat(SMALL.small(frame))


def pair(shift, seed=0, noise=3.0):
    """Flat small images of a frame, and of one that is displaced by `shift`."""
    path = np.array([(0, 0), shift], float)
    return [flat(frame) for frame in recorded(clean(path, WINDOW, seed=seed), noise=noise, seed=seed)]


# one link


@given(st.tuples(st.floats(-14, 14), st.floats(-14, 14)), st.integers(0, 2**31))
@settings(max_examples=25)
def test_a_displacement_is_found_within_its_error(shift, seed):
    displacement, sigma, height = linked(*pair(shift, seed), np.array(shift), SMALL)
    assert np.abs(displacement - shift).max() < max(0.1, 3 * sigma)
    assert np.abs(displacement - shift).max() < 0.3
    assert sigma < 0.3
    assert height > 8


@given(st.tuples(st.integers(-4, 4), st.integers(-4, 4)))
@settings(max_examples=10)
def test_a_guess_that_is_off_does_not_matter(off):
    shift = np.array((9.3, -17.6))
    images = pair(shift)
    plain, other = (linked(*images, guess, SMALL)[0] for guess in (shift, shift + off))
    assert np.abs(plain - other).max() < 0.25


def test_the_window_does_not_hold_the_displacement_back():
    errors = []
    for seed in range(12):
        shift = np.array((0.0, 3.7))
        errors.append(linked(*pair(shift, seed), np.zeros(2), SMALL)[0][1] - shift[1])
    assert abs(np.mean(errors)) < 0.03


def test_the_way_back_is_the_way_forth_turned_round():
    first, second = pair((4.4, -2.7))
    forth = linked(first, second, np.array((4.0, -3.0)), SMALL)
    back = linked(second, first, np.array((-4.0, 3.0)), SMALL)
    assert np.abs(forth[0] + back[0]).max() < 0.05


def test_the_contrast_of_one_image_does_not_matter():
    first, second = pair((4.4, -2.7))
    plain = linked(first, second, np.zeros(2), SMALL)
    stronger = linked(first, 5 * second, np.zeros(2), SMALL)
    assert np.abs(plain[0] - stronger[0]).max() < 0.02
    assert 0.8 < stronger[2] / plain[2] < 1.25


def test_noise_makes_the_error_larger():
    sigmas = [linked(*pair((2.0, 1.0), noise=noise), np.zeros(2), SMALL)[1] for noise in (1, 30, 80)]
    assert sigmas[0] < sigmas[1] < sigmas[2]


def test_halves_that_move_apart_make_the_error_larger():
    x = np.arange(WINDOW[1])
    one, other = clean(np.array([(0, 0), (0, 1.0)]), WINDOW)
    torn = np.where(x < WINDOW[1] // 2, one, other)
    whole, apart = (linked(flat(one), flat(image), np.zeros(2), SMALL)[1] for image in (other, torn))
    assert apart > 2 * whole


def test_images_that_share_too_little_are_no_link():
    images = pair((0, 0))
    assert linked(*images, np.array((0.0, 0.95 * WINDOW[1])), SMALL) is None
    assert linked(*images, np.array((-0.95 * WINDOW[0], 0.0)), SMALL) is None
    assert linked(*images, np.array((500.0, 500.0)), SMALL) is None
    # Three eighths of one edge and a quarter of the other.
    assert linked(*images, np.array((60.0, 96.0)), SMALL) is None
    assert linked(np.zeros_like(images[0]), images[1], np.zeros(2), SMALL) is None


@given(st.integers(0, 2**31))
@settings(max_examples=20)
def test_unrelated_images_stand_out_by_their_height(seed):
    images = [flat(texture(WINDOW, s)) for s in (seed, seed + 1)]
    found = linked(*images, np.zeros(2), SMALL)
    assert found is not None
    assert found[2] < 6.5


# all links


def links_of(path, pairs, sigma=0.02, seed=0):
    rng = np.random.default_rng(seed)
    return [Link(a, b, path[b] - path[a] + rng.normal(0, sigma, 2), sigma, 20.0) for a, b in pairs]


@given(st.integers(2, 30), st.integers(0, 2**31))
def test_exact_links_give_exact_positions(count, seed):
    path = wandering(count, seed, 3.0)
    pairs = [(k, k + lag) for lag in (1, 2, 4) for k in range(count - lag)]
    found = placed(count, links_of(path, pairs, sigma=1e-9))
    assert np.abs(found.positions_px - path).max() < 1e-6
    assert not found.views.any()


def test_wrong_links_among_right_ones_have_no_say():
    path = wandering(40, 1, 3.0)
    pairs = [(k, k + lag) for lag in (1, 2, 4, 8) for k in range(40 - lag)]
    links = links_of(path, pairs)
    for k in range(0, len(links), 10):
        links[k] = Link(
            links[k].first, links[k].second, links[k].displacement_px + np.array((30, -20)), 0.02, 7.0
        )
    found = placed(40, links)
    assert np.abs(found.positions_px - path).max() < 0.2


def test_good_links_have_more_say_than_bad_ones():
    links = [Link(0, 1, np.array((1.0, 0.0)), 0.01, 20.0), Link(0, 1, np.array((2.0, 0.0)), 1.0, 20.0)]
    assert np.abs(placed(2, links).positions_px[1] - (1, 0)).max() < 0.01


@pytest.mark.parametrize("worse", [1.0, 5.0])
def test_links_that_contradict_each_other_are_told_to_be_worse(worse):
    path = wandering(60, 2, 3.0)
    pairs = [(k, k + lag) for lag in (1, 2, 4) for k in range(60 - lag)]
    links = [
        Link(a, b, path[b] - path[a] + e, 0.02, 20.0)
        for (a, b), e in zip(
            pairs, np.random.default_rng(3).normal(0, 0.02 * worse, (len(pairs), 2)), strict=True
        )
    ]
    sigma = placed(60, links).sigma_px
    assert 0.5 < np.median(sigma) / (0.02 * worse) < 2


def test_blocks_without_links_between_them_are_views_of_their_own():
    path = wandering(7, 4, 3.0)
    found = placed(7, links_of(path, [(0, 1), (1, 4), (3, 5), (5, 6)], sigma=1e-9))
    assert found.views.tolist() == [0, 0, 1, 2, 0, 2, 2]
    assert np.abs(found.positions_px[[0, 1, 4]] - path[[0, 1, 4]]).max() < 1e-6
    assert np.abs(found.positions_px[[3, 5, 6]] - (path[[3, 5, 6]] - path[3])).max() < 1e-6
    assert not found.positions_px[2].any()


def test_no_links_at_all():
    found = placed(3, [])
    assert found.views.tolist() == [0, 1, 2]
    assert not found.positions_px.any()


# turns and growth


def turned(angle, growth, size=(120, 150)):
    """Flat small images of a frame, and of one that is turned and grown about its middle."""
    image = texture((size[0] + 80, size[1] + 80), 3)
    middle = (np.array(image.shape) - 1) / 2
    scale = 1 + growth
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / scale
    other = ndi.affine_transform(image, turn, middle - turn @ middle, order=3, mode="reflect")
    small = SmallFrames(size)
    return small, [small.flat(small.small(i[40:-40, 40:-40].astype(np.float32))) for i in (image, other)]


@pytest.mark.parametrize(("angle", "growth"), [(0.005, 0.0), (-0.008, 0.0), (0.0, 0.006), (0.004, -0.005)])
def test_a_turn_and_a_growth_are_measured(angle, growth):
    small, images = turned(angle, growth)
    link = link_of((0, 1), *images, np.zeros(2), small)
    assert np.abs(link.turn_and_growth - (angle, growth)).max() < 0.2 * max(abs(angle), abs(growth))
    assert np.abs(link.turn_and_growth - (angle, growth)).max() > 0
    assert link.distortion_sigma < 0.001


def test_turns_add_up_along_links():
    links = [
        Link(0, 1, np.zeros(2), 0.1, 9.0, (0.01, 0.0)),
        Link(1, 2, np.zeros(2), 0.1, 9.0, (0.02, -0.003)),
    ]
    found = placed(3, links)
    np.testing.assert_allclose(found.distortion, [(0, 0), (0.01, 0), (0.03, -0.003)], atol=1e-9)
