import numpy as np
import pytest

from glissile.stabilize.settling import Shares, overlap_shares, template_errors

SHAPE = (20, 24)


def plane(seed, size=(60, 70)):
    """Information and counts of a template; here and there it tells nothing of one direction."""
    rng = np.random.default_rng(seed)
    gradients = rng.normal(size=(2, *size)) * rng.choice([0, 1, 5], (2, *size))
    information = np.stack([gradients[0] ** 2, gradients[0] * gradients[1], gradients[1] ** 2])
    return information.astype(np.float32), rng.integers(1, 9, size).astype(np.float32)


def by_hand(place, others, information, counts):
    """Shares (2, m, 2) of others under one frame, pixel by pixel."""
    yy, yx, xx = information / counts
    inside = np.zeros(counts.shape, bool)
    inside[place[0] : place[0] + SHAPE[0], place[1] : place[1] + SHAPE[1]] = True
    matrices = []
    for y, x in others:
        both = np.zeros_like(inside)
        both[y : y + SHAPE[0], x : x + SHAPE[1]] = True
        both &= inside
        matrices.append([[yy[both].sum(), yx[both].sum()], [yx[both].sum(), xx[both].sum()]])
    matrices = np.array(matrices)
    return (np.linalg.inv(matrices.sum(axis=0)) @ matrices).transpose(1, 0, 2)


def test_shares_are_those_of_the_information_in_what_two_frames_both_show():
    information, counts = plane(0)
    rng = np.random.default_rng(1)
    others = rng.integers(0, (41, 47), (30, 2))
    others[20:] = others[:10]  # some lie at the same place
    places = others[[3, 25, 7, 3]]
    found = overlap_shares(places, others, SHAPE, information, counts)
    assert found.shape == (4, 2, 30, 2)
    np.testing.assert_allclose(found.sum(axis=2), np.broadcast_to(np.eye(2), (4, 2, 2)), atol=1e-4)
    for place, shares in zip(places, found, strict=True):
        np.testing.assert_allclose(shares, by_hand(place, others, information, counts), atol=1e-4)


def test_frames_that_lie_beside_the_template_have_no_share():
    information, counts = plane(2)
    places = np.array([[0, 0]])
    others = np.array([[0, 0], [100, 0], [0, -100], [5, 30]])
    found = overlap_shares(places, others, SHAPE, information, counts)
    assert not found[0, :, 1:].any()


def chained(groups=12, frames_each=4, reach=4, seed=0):
    """Groups of frames, each compared with those near it; and the share of each in it, (n, 2, m, 2)."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(groups), frames_each)
    rows = []
    for first in range(0, groups, 3):
        near = np.arange(max(0, first - reach), min(groups, first + 3 + reach))
        frames = np.flatnonzero((group >= first) & (group < first + 3))
        shares = rng.uniform(0.2, 1, (len(frames), len(near)))
        shares /= shares.sum(axis=1, keepdims=True)
        across = rng.normal(0, 0.02, (len(frames), len(near)))
        across -= across.mean(axis=1, keepdims=True)
        matrices = shares[:, None, :, None] * np.eye(2)[:, None] + across[:, None, :, None] * [
            [[0, 1]],
            [[1, 0]],
        ]
        rows.append(Shares(frames, near, matrices))
    return group, rows


def lie_off(rows, errors, count):
    """How far the templates lie off if groups do by `errors`, (groups, 2)."""
    off = np.zeros((count, 2))
    for row in rows:
        off[row.frames] = np.einsum("namb,mb->na", row.of_groups, errors[row.groups])
    return off


@pytest.mark.parametrize("kind", ["slope", "waves", "step"])
def test_what_templates_lie_off_is_found_from_what_frames_say_of_them(kind):
    group, rows = chained()
    t = np.linspace(-1, 1, 12)
    shape = {"slope": t, "waves": np.sin(6 * t), "step": np.sign(t)}[kind]
    errors = 0.1 * np.stack([shape, -0.5 * shape[::-1]], axis=1)
    off = lie_off(rows, errors, len(group))
    noise, doubt = np.full(len(group), 0.003), np.full(len(group), 0.05)
    found = template_errors(errors[group] - off, noise, doubt, group, rows)
    # Where all lie nobody can tell.
    np.testing.assert_allclose(found - found.mean(axis=0), off - off.mean(axis=0), atol=0.004)


def test_a_group_that_is_measured_badly_is_not_believed():
    group, rows = chained()
    noise, doubt = np.full(len(group), 0.003), np.full(len(group), 0.01)
    told = np.zeros((len(group), 2))
    told[group == 5] = 3.0
    noise[group == 5] = 5.0
    assert np.abs(template_errors(told, noise, doubt, group, rows)).max() < 0.01


def test_frames_that_were_compared_with_nothing_stay_where_they_are():
    group, rows = chained()
    told = np.random.default_rng(0).normal(0, 0.1, (len(group) + 6, 2))
    told[-3:] = np.nan  # not measured at all
    group = np.concatenate([group, [12, 12, 12, -1, -1, -1]])
    noise, doubt = np.full(len(group), 0.01), np.full(len(group), 0.05)
    found = template_errors(told, noise, doubt, group, rows)
    assert np.isfinite(found).all()
    assert found[:-6].any()
    assert not found[-6:].any()
    assert not template_errors(told, noise, doubt, group, []).any()
    assert template_errors(told[:0], noise[:0], doubt[:0], group[:0], []).shape == (0, 2)
