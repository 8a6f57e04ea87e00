import numpy as np

from glissile.stabilize.overlay import CELL_PX, FixedParts, on_specimen


def grid(shape, step=8):
    y, x = np.mgrid[4 : shape[0] : step, 4 : shape[1] : step]
    return np.stack([y.ravel(), x.ravel()], axis=1).astype(np.float32)


def votes(parts, shift, shape=(64, 96), clock=(slice(0, 16), slice(56, 96)), rounds=4):
    start = grid(shape)
    fixed = np.zeros(shape, bool)
    fixed[clock] = True
    still = fixed[start[:, 0].astype(int), start[:, 1].astype(int)]
    moved = np.where(still[:, None], 0, shift).astype(np.float32)
    for _ in range(rounds):
        parts.vote(start, moved, np.asarray(shift, float))
    return fixed


def test_what_stays_while_the_specimen_moves_is_fixed():
    parts = FixedParts((64, 96))
    assert parts.pixels() is None
    fixed = votes(parts, (3, -4))
    found = parts.pixels()
    assert found.shape == (64, 96)
    assert found[fixed].all()
    assert not found[~fixed].any()


def test_a_short_way_tells_nothing():
    parts = FixedParts((64, 96))
    votes(parts, (1, -1), rounds=50)
    assert parts.pixels() is None


def test_a_corner_that_sticks_once_is_forgiven():
    parts = FixedParts((64, 96))
    votes(parts, (0, 5), rounds=2)
    assert parts.pixels() is None
    votes(parts, (0, 5), clock=(slice(0, 0), slice(0, 0)), rounds=20)
    votes(parts, (0, 5), rounds=4)
    assert parts.pixels() is None


def test_cells_around_are_taken_along_unless_they_move():
    parts = FixedParts((40, 40))
    start = np.array([(20, 20)], np.float32)
    for _ in range(3):
        parts.vote(start, np.zeros((1, 2), np.float32), np.array([6.0, 0]))
        parts.vote(np.add(start, (0, CELL_PX)), np.array([(6, 0)], np.float32), np.array([6.0, 0]))
    expected = np.zeros((5, 5), bool)
    expected[1:4, 1:4] = True
    expected[2, 3] = False
    np.testing.assert_array_equal(parts.cells, expected)
    points = np.array([(20, 20), (20, 28), (39, 39)], np.float32)
    assert on_specimen(points, parts.cells).tolist() == [False, True, True]
