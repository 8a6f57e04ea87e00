import numpy as np
import pytest

from glissile.defects import DEFAULT_CLASSES, DefectClass
from glissile.errors import InputError
from glissile.io.checkpoint import Normalisation
from glissile.learn.labelled import gathered


def gather(n=4, *, validation=(1,), **changes):
    random = np.random.default_rng(0)
    given = {
        "frames": random.integers(0, 255, (n, 20, 24)).astype(np.uint8),
        "masks": random.integers(0, 3, (n, 20, 24)).astype(np.uint8),
        "frame_numbers": tuple(range(0, 10 * n, 10)),
        "classes": DEFAULT_CLASSES,
        "validation": validation,
        "normalisation": Normalisation(),
    }
    return gathered(**{**given, **changes})


def test_masks_come_back_in_their_own_values():
    classes = (
        DefectClass(value=7, name="a", color="#000000"),
        DefectClass(value=200, name="b", color="#ffffff"),
    )
    masks = np.random.default_rng(1).choice([0, 7, 200], (4, 20, 24)).astype(np.uint8)
    data = gather(classes=classes, masks=masks)
    assert set(np.unique(data.truths)) == {0, 1, 2}
    for i in range(4):
        np.testing.assert_array_equal(data.mask(i), masks[i])


def test_training_is_what_is_not_held_out():
    data = gather(5, validation=(3, 1))
    assert (data.training, data.validation) == ((0, 2, 4), (1, 3))


def test_the_hash_sees_everything_that_matters():
    masks = gather().truths
    changed = masks.copy()
    changed[0, 0, 0] = (changed[0, 0, 0] + 1) % 3
    hashes = [
        gather(masks=m, **c).data_hash
        for m, c in [
            (masks, {}),
            (changed, {}),
            (masks, {"validation": (2,)}),
            (masks, {"frame_numbers": (0, 1, 2, 3)}),
            (masks, {"frames": np.zeros((4, 20, 24), np.uint8)}),
            (masks, {"frames": np.zeros((4, 20, 24), np.uint16)}),
            (masks, {"classes": (*DEFAULT_CLASSES, DefectClass(value=3, name="twin", color="#000000"))}),
        ]
    ]
    assert len(set(hashes)) == len(hashes)
    assert gather(masks=masks.astype(np.int64)).data_hash == hashes[0]


def test_copying_takes_the_nearest_training_frame():
    masks = np.zeros((4, 20, 24), np.uint8)
    masks[0, :5], masks[1, :5], masks[2:, 10:12] = 1, 1, 1
    data = gather(masks=masks, frame_numbers=(0, 4, 10, 20), validation=(1,))
    assert data.copy_nearest()["dislocation"].f == 1
    data = gather(masks=masks, frame_numbers=(0, 6, 10, 20), validation=(1,))
    assert data.copy_nearest()["dislocation"].f == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frames": np.zeros((0, 20, 24)), "masks": np.zeros((0, 20, 24), np.uint8)}, "No frame is labelled"),
        ({"masks": np.zeros((4, 20, 25), np.uint8)}, "one mask of its size"),
        ({"frame_numbers": (1, 2)}, "2 frame numbers"),
        ({"masks": np.full((4, 20, 24), 9, np.uint8)}, "frame 0 has the value 9"),
        ({"validation": (0, 1, 2, 3)}, "none to train on"),
        ({"validation": (4,)}, "held-out"),
        ({"classes": ()}, "classes"),
        ({"frames": np.zeros((4, 8, 24)), "masks": np.zeros((4, 8, 24), np.uint8)}, "too small"),
    ],
)
def test_what_cannot_be_learned_from(changes, message):
    with pytest.raises(InputError, match=message):
        gather(**changes)
