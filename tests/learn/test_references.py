import zlib

import cv2
import numpy as np
import pytest
import torch
from drawings import job_of

from glissile.defects import DEFAULT_CLASSES
from glissile.io.checkpoint import load_model
from glissile.io.model_card import Architecture, Normalisation
from glissile.io.tensor_file import write_tensors
from glissile.learn.intensity import normalised
from glissile.learn.judging import Judge
from glissile.learn.labelled import gathered
from glissile.learn.references import References, enough_in, most_bytes, seen, without_references
from glissile.learn.train import train
from glissile.learn.unet import build, logits_of
from glissile.progress import finish

SHAPE = (48, 64)
LOOKING = Architecture(kind="residual", outputs=3, widths=(4, 8), stem=2, references=2)


def random(seed=0):
    return np.random.default_rng(seed)


def changing(steps, noise=0.01):
    """Frames that change from one picture to another by the `steps` between 0 and 1."""
    first, last = (cv2.GaussianBlur(d, (0, 0), 2) for d in random(1).normal(size=(2, *SHAPE)))
    first, last = ((picture / (4 * picture.std())).astype(np.float32) for picture in (first, last))
    drawn = random(2).normal(size=(len(steps), *SHAPE)).astype(np.float32) * noise
    return np.stack([(1 - s) * first + s * last for s in steps]) + drawn


def truths(n):
    drawn = np.zeros((n, *SHAPE), np.uint8)
    for i in range(n):
        drawn[i, (4 + 10 * i) % 45, :30] = 1
        drawn[i, :, 31 + (3 + 8 * i) % 33] = 2
    return drawn


def references(steps=(0.0, 0.25, 0.5, 1.0), **options):
    return References(changing(steps), truths(len(steps)), **{"classes": 2, "looked_at": 2} | options)


def test_the_most_similar_labelled_frames_come_first():
    (frame,) = changing([0.35])
    assert references().alike(frame)[:3] == [1, 2, 0]


def test_illumination_does_not_make_frames_alike():
    steps = (0.0, 0.25, 0.5, 1.0)
    light = np.linspace(-2, 2, SHAPE[1], dtype=np.float32)
    frames = changing(steps)
    frames[3] += light
    made = References(frames, truths(4), classes=2, looked_at=2)
    (frame,) = changing([0.35])
    assert made.alike(frame + light)[:3] == [1, 2, 0]


def test_frames_are_alike_where_labels_come_and_go():
    first, last = changing((0.0, 1.0))
    masks = np.zeros((2, *SHAPE), np.uint8)
    masks[:, :, 5] = 1  # is there all the time
    masks[1, :, 55:58] = 2
    made = References(np.stack([first, last]), masks, classes=2, looked_at=1)
    mostly_last = np.concatenate([last[:, :40], first[:, 40:]], axis=1)
    assert made.alike(mostly_last) == [0]


def test_a_labelled_frame_is_never_given_its_own_labels():
    frames = changing((0.0, 0.25, 0.5, 1.0))
    for i, frame in enumerate(frames):
        assert i not in references().alike(frame)
    found = references().beside(frames[1])
    # The next best is frame 0 or 2; the line of frame 1 lies in neither.
    assert found[[1, 3], 14].max() == 0 < found[[1, 3], 4].max() + found[[1, 3], 24].max()


def test_a_neighbour_that_looks_almost_the_same_is_not_taken_for_the_frame_itself():
    frame = changing((0.0, 0.25, 0.5, 1.0))[1].copy()
    frame[0, 0] += 0.05
    assert references().alike(frame)[0] == 1


def test_channels_are_the_grey_values_of_the_first_and_the_labels_of_each():
    made = references()
    found = made.channels([2, 0, 1])
    assert found.shape == (LOOKING.reference_channels, *SHAPE)
    np.testing.assert_allclose(found[0], changing((0.0, 0.25, 0.5, 1.0))[2], atol=0.007)
    for layer, (frame, k) in zip(found[1:], [(2, 1), (2, 2), (0, 1), (0, 2)], strict=True):
        truth = truths(4)[frame] == k
        assert layer[truth].min() > 0.15
        assert layer.sum() == pytest.approx(truth.sum(), rel=0.05)
        assert layer[cv2.dilate(truth.astype(np.uint8), np.ones((9, 9))) == 0].max() == 0


def test_where_one_frame_is_alike_it_is_looked_at_twice():
    found = references().channels([3])
    np.testing.assert_array_equal(found[1:3], found[3:5])


def test_nothing_is_beside_a_frame_of_another_size_or_of_something_else():
    made = references()
    assert made.beside(np.zeros((48, 66), np.float32)) is None
    assert made.beside(random(9).normal(size=SHAPE).astype(np.float32)) is None
    assert made.beside(np.zeros(SHAPE, np.float32)) is None
    assert references(steps=(0.5,)).beside(changing([0.5])[0]) is None


def test_part_of_the_field_of_view_is_compared_with_the_same_part():
    part = (slice(4, 40), slice(2, 60))
    (frame,) = changing([0.35])
    found = references().beside(frame[part], part)
    assert found.shape == (5, 36, 58)
    np.testing.assert_array_equal(found, references().channels([1, 2])[:, *part])
    own = changing((0.0, 0.25, 0.5, 1.0))[1]
    assert 1 not in references().alike(own[part], part)


def test_only_training_frames_are_looked_at():
    frames, masks = changing((0.0, 0.25, 0.5, 1.0)), truths(4)
    data = gathered(frames, masks, range(4), DEFAULT_CLASSES, [1], Normalisation())
    made = References.of(data, data.training, 2)
    # What is held out finds two others, and is found by none.
    assert set(made.alike(data.frames[1])) == {0, 1}
    assert made.channels([1])[0] == pytest.approx(data.frames[2], abs=0.007)


def of_seven_or_eight(training):
    frames, masks = changing(np.linspace(0, 1, 9)), truths(9)
    return gathered(frames, masks, range(9), DEFAULT_CLASSES, range(training, 9), Normalisation())


def test_few_frames_are_not_enough_to_learn_from():
    assert not enough_in(of_seven_or_eight(7))
    assert enough_in(of_seven_or_eight(8))


def test_frames_held_out_are_looked_at_once_they_were_scored_on(tmp_path, monkeypatch):
    frames, masks = changing(np.linspace(0, 1, 9)), truths(9)
    job = job_of(tmp_path, n=9, frames=frames, masks=masks, validation=(4,), epochs=1)
    scored_with = []
    scored = Judge.scored

    def spied(judge, indices):
        scored_with.append(len(judge._references.kept()["references.frames"]))
        return scored(judge, indices)

    monkeypatch.setattr(Judge, "scored", spied)
    card = finish(train(job))
    assert set(scored_with) == {8}
    tensors, _ = load_model(tmp_path)
    kept = References.found_in(tensors, card.architecture)
    held_out = normalised(frames[4], Normalisation())
    assert kept.channels([4])[0] == pytest.approx(held_out, abs=0.007)
    # And it is not given its own labels even so.
    assert 4 not in kept.alike(held_out)


def test_they_are_kept_with_the_weights_and_found_again():
    made = references()
    tensors = {"head.weight": torch.zeros(2)} | made.kept()
    found = References.found_in(tensors, LOOKING)
    (frame,) = changing([0.7])
    np.testing.assert_array_equal(found.beside(frame), made.beside(frame))
    assert list(without_references(tensors)) == ["head.weight"]
    assert References.found_in(without_references(tensors), LOOKING) is None


def tampered(name, tensor):
    return references().kept() | {f"references.{name}": tensor}


def packed(array):
    return torch.from_numpy(np.frombuffer(zlib.compress(array.tobytes()), np.uint8).copy())


@pytest.mark.parametrize(
    "tensors",
    [
        tampered("frames", torch.zeros(4, 48, 64)),
        tampered("frames", torch.zeros(4, 48, 64, dtype=torch.bfloat16)),
        tampered("labels", torch.zeros(9, dtype=torch.bfloat16)),
        tampered("frames", torch.zeros(0, 48, 64, dtype=torch.uint8)),
        tampered("labels", packed(np.full((4, *SHAPE), 3, np.uint8))),
        tampered("labels", packed(np.zeros((3, *SHAPE), np.uint8))),
        tampered("labels", packed(np.zeros((400, *SHAPE), np.uint8))),
        tampered("labels", torch.arange(9, dtype=torch.uint8)),
    ],
)
def test_what_does_not_belong_together_is_refused(tensors):
    with pytest.raises((ValueError, zlib.error)):
        References.found_in(tensors, LOOKING)


@pytest.mark.parametrize("architecture", [LOOKING, LOOKING.model_copy(update={"references": 0})])
def test_a_file_of_weights_has_the_bytes_of_its_network_and_labelled_frames(tmp_path, architecture):
    kept = references().kept() if architecture.references else {}
    write_tensors(tmp_path / "m.safetensors", build(architecture).state_dict() | kept, {})
    assert 0 < most_bytes(architecture) - (tmp_path / "m.safetensors").stat().st_size < (220 << 20)


def test_the_size_of_the_largest_network_takes_no_memory():
    largest = Architecture(kind="ronneberger", outputs=256, widths=(2048,) * 7)
    assert most_bytes(largest) > 2 << 30


def test_a_network_without_labelled_frames_at_hand_is_as_one_that_never_had_any():
    network = build(LOOKING).eval()
    frames = torch.from_numpy(changing([0.3, 0.6]))[:, None]
    beside = torch.from_numpy(np.stack([seen(f.numpy()[0], references()) for f in frames]))
    assert beside.shape[1] == 1 + LOOKING.reference_channels
    # It begins by changing nothing, and learns to.
    torch.testing.assert_close(logits_of(network, beside, 4), logits_of(network, frames, 4))
    torch.nn.init.normal_(network.beside.head.weight)
    alone, together = logits_of(network.both, beside, 4).chunk(2)
    torch.testing.assert_close(alone, logits_of(network, frames, 4))
    torch.testing.assert_close(together, logits_of(network, beside, 4))
    assert (alone - together).abs().max() > 0.1
