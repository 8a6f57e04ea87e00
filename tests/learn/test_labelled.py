import numpy as np
import pytest

from glissile.defects import DEFAULT_CLASSES, DefectClass
from glissile.errors import InputError
from glissile.io.model_card import Normalisation
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
    assert data.copy_nearest().pooled()["dislocation"].f == 1
    data = gather(masks=masks, frame_numbers=(0, 6, 10, 20), validation=(1,))
    assert data.copy_nearest().pooled()["dislocation"].f == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frames": np.zeros((0, 20, 24)), "masks": np.zeros((0, 20, 24), np.uint8)}, "No frame is labelled"),
        ({"masks": np.zeros((4, 20, 25), np.uint8)}, "one mask of its size"),
        ({"frames": np.zeros((4, 20)), "masks": np.zeros((4, 20), np.uint8)}, "one mask of its size"),
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


PARTS = ((slice(0, 20), slice(0, 24)), (slice(3, 20), slice(0, 21)), (slice(0, 16), slice(5, 24))) * 2


def test_outside_the_valid_part_lies_its_mirror_image():
    data = gather(6, valid=PARTS)
    whole = gather(6)
    for i, part in enumerate(PARTS):
        assert data.mask(i).shape == data.frame(i).shape == whole.frames[i][part].shape
        np.testing.assert_array_equal(data.mask(i), whole.mask(i)[part])
    for below, stack in ((data.truths[1], whole.truths), (data.frames[1], data.frames)):
        np.testing.assert_array_equal(below[2::-1], below[3:6])
        np.testing.assert_array_equal(below[:, :-4:-1], below[:, 18:21])
        assert below.shape == stack.shape[1:]


def test_nothing_is_learned_from_what_is_not_valid():
    random = np.random.default_rng(5)
    frames = random.integers(0, 255, (6, 20, 24)).astype(np.uint8)
    masks = random.integers(0, 3, (6, 20, 24)).astype(np.uint8)
    others = frames.copy(), masks.copy()
    for i, part in enumerate(PARTS):
        outside = np.ones((20, 24), bool)
        outside[part] = False
        others[0][i][outside], others[1][i][outside] = 255, 77
    one, other = (
        gather(6, frames=f, masks=m, validation=(1, 2), valid=PARTS) for f, m in ((frames, masks), others)
    )
    np.testing.assert_array_equal(one.frames, other.frames)
    np.testing.assert_array_equal(one.truths, other.truths)
    assert one.copy_nearest().pooled() == other.copy_nearest().pooled()


def test_copying_gives_background_where_the_nearest_frame_is_not_valid():
    masks = np.ones((2, 20, 24), np.uint8)
    parts = ((slice(0, 20), slice(0, 16)), (slice(0, 20), slice(4, 24)))
    score = gather(2, masks=masks, validation=(1,), valid=parts).copy_nearest().pooled()["dislocation"]
    assert (score.predicted_px, score.truth_px) == (20 * 12, 20 * 20)


def test_the_hash_knows_what_is_valid():
    assert (
        len({gather(6).data_hash, gather(6, valid=PARTS).data_hash, gather(6, valid=PARTS[::-1]).data_hash})
        == 3
    )


def test_a_valid_part_that_is_too_small_is_refused():
    with pytest.raises(InputError, match="Frames of 15 x 19 px are too small"):
        gather(3, valid=((slice(0, 15), slice(0, 24)), *PARTS[1:3]))


def test_masks_without_any_defect_are_refused():
    with pytest.raises(InputError, match="None of the 4 labelled frames shows a defect"):
        gather(masks=np.zeros((4, 20, 24), np.uint8))
