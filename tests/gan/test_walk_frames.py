"""Frames of a walk are those of an export, bit by bit, whoever asks for them and in which order."""

import threading

import numpy as np
import pytest

from glissile.errors import InputError
from glissile.gan.equal_speed import retimed
from glissile.gan.look import Look
from glissile.gan.maker import Maker, rebuilt
from glissile.gan.pixels import as_pixels
from glissile.gan.points import Point
from glissile.gan.provenance import Provenance, of_walk
from glissile.gan.randomised import random_generator
from glissile.gan.route import Route
from glissile.gan.sampler import Sampler
from glissile.gan.walk import Walk, WalkSettings
from glissile.gan.walk_frames import WalkFrames, key_frames
from glissile.io.generator_card import GeneratorShape, widths_of


def shape_of(resolution=16, channels=1):
    return GeneratorShape(
        resolution=resolution,
        channels=channels,
        widths=widths_of(resolution, 8 * resolution, 8),
        z_dim=6,
        w_dim=6,
        mapping_width=6,
        mapping_layers=2,
    )


class Counting(Sampler):
    """A sampler that counts the images it makes."""

    made = 0

    def images(self, ws, **how):
        self.made += len(ws)
        return super().images(ws, **how)


def sampler_of(**shape):
    generator, card = random_generator(shape_of(**shape), 1)
    return Counting(generator, card.model_copy(update={"weights_sha256": "1" * 64}), device="cpu")


@pytest.fixture
def sampler():
    return sampler_of()


KEYS = tuple(Point(seed=seed) for seed in (3, 1, 4))
WALK = Walk(keys=KEYS, settings=WalkSettings(steps_per_leg=5))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("look", [Look(), Look(noise="random", noise_seed=5)], ids=str)
def test_frames_are_those_of_an_export(channels, look):
    sampler = sampler_of(channels=channels)
    frames = WalkFrames(sampler, WALK, look)
    maker = Maker(sampler)
    expected = np.stack([maker.pixels(record) for record in of_walk(sampler.card, WALK, look)])
    assert frames.shape == expected.shape == (11, 16, 16) + ((3,) if channels == 3 else ())
    assert frames.ndim == expected.ndim
    assert frames.size == expected.size
    assert np.array_equal(frames[7], expected[7])
    assert np.array_equal(np.asarray(frames), expected)
    assert np.asarray(frames).dtype == frames.dtype == np.uint8


@pytest.mark.parametrize(
    "key",
    [3, -1, np.int64(2), (4, slice(2, 9), 1), slice(1, 8, 3), (slice(None), 4), ..., (..., 3), [5, 2]],
    ids=str,
)
def test_frames_are_indexed_as_arrays_are(sampler, key):
    frames = WalkFrames(sampler, WALK)
    assert np.array_equal(frames[key], np.asarray(frames)[key])


def test_a_frame_that_is_not_there_is_refused(sampler):
    frames = WalkFrames(sampler, WALK)
    for index in (11, -12):
        with pytest.raises(IndexError):
            frames[index]
    assert len(list(frames)) == 11


def test_a_frame_is_made_once(sampler):
    frames = WalkFrames(sampler, WALK)
    assert frames.kept(4) is None
    assert sampler.made == 0
    first = frames.frame(4)
    assert frames.frame(4) is first
    assert frames.kept(4) is first
    assert sampler.made == 1
    with pytest.raises(ValueError, match="read-only"):
        first[0, 0] = 1


def test_what_is_at_hand_is_the_nearest_and_takes_no_work(sampler):
    frames = WalkFrames(sampler, WALK)
    assert frames.at_hand(5) is None
    two, nine = frames.frame(2), frames.frame(9)
    before = sampler.made
    assert [frames.at_hand(i) is two for i in range(11)] == [True] * 6 + [False] * 5
    assert frames.at_hand(10) is nine
    assert sampler.made == before


def test_there_is_room_for_as_many_frames_as_there_is_memory(sampler):
    frames = WalkFrames(sampler, WALK, most_bytes=3 * 16 * 16 + 5)
    for index in range(5):
        frames.frame(index)
    assert [frames.kept(i) is not None for i in range(6)] == [False, False, True, True, True, False]
    assert frames.ready == 3
    assert frames.at_hand(0) is frames.kept(2)
    frames.frame(2)  # looked at again: another goes first
    frames.frame(6)
    assert [i for i in range(11) if frames.kept(i) is not None] == [2, 4, 6]
    assert WalkFrames(sampler, WALK, most_bytes=0)[10].shape == (16, 16)


def test_the_next_missing_frame_lies_ahead(sampler):
    frames = WalkFrames(sampler, WALK)
    for index in (4, 5, 9, 10):
        frames.frame(index)
    assert frames.missing(3) == 3
    assert frames.missing(4) == 6
    assert frames.missing(9) == 0
    assert frames.missing(5, forward=False) == 3
    assert frames.missing(0, forward=False) == 0
    for index in range(11):
        frames.frame(index)
    assert frames.missing(4) is None


def test_there_is_nothing_missing_beyond_what_there_is_room_for(sampler):
    frames = WalkFrames(sampler, WALK, most_bytes=3 * 16 * 16)
    for index in (9, 10, 0):
        frames.frame(index)
    assert frames.missing(9) is None
    assert frames.missing(10) == 1


def test_several_threads_get_the_same_frames(sampler):
    expected = np.asarray(WalkFrames(sampler, WALK))
    frames = WalkFrames(sampler, WALK)
    got = [None] * 4

    def look(thread):
        got[thread] = np.asarray(frames)

    threads = [threading.Thread(target=look, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(each, expected) for each in got)


def test_a_preview_is_what_the_first_blocks_paint():
    sampler = sampler_of(resolution=128)
    frames = WalkFrames(sampler, WALK)
    preview = frames.preview(3, 32)
    assert sampler.made == 0
    assert preview.shape == (128, 128)
    coarse = as_pixels(sampler.preview(Route.of(WALK, sampler).ws([3])[0], resolution=32)[None])[0]
    assert np.array_equal(preview[::4, ::4], coarse)
    assert np.array_equal(preview[3::4, 3::4], coarse)
    assert frames.at_hand(4) is preview
    assert frames.kept(3) is None
    assert frames.ready == 0
    exact = frames.frame(4)
    assert frames.at_hand(4) is exact


def test_a_record_makes_its_frame_again(sampler):
    frames = WalkFrames(sampler, WALK, Look(noise="none"))
    told = Provenance.model_validate_json(frames.record(6).model_dump_json())
    assert np.array_equal(rebuilt(sampler, told), frames[6])


def test_images_of_two_channels_are_refused():
    generator, card = random_generator(shape_of(channels=2), 1)
    with pytest.raises(InputError, match="2 channels"):
        WalkFrames(Sampler(generator, card, device="cpu"), WALK)


def test_key_frames_are_found_whatever_the_timing():
    assert key_frames(WALK) == (0, 5, 10)
    assert key_frames(Walk(keys=KEYS, settings=WalkSettings(steps_per_leg=5, closed=True))) == (0, 5, 10)
    uneven = retimed(WALK, np.array([[1.0, 2.0], [5.0, 1.0]]))
    found = key_frames(uneven)
    assert found != (0, 5, 10)
    assert [uneven.times[frame] for frame in found] == [0, 1, 2]
