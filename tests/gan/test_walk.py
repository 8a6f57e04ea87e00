import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from linear_generator import LinearGenerator
from pydantic import ValidationError

from glissile.errors import InputError
from glissile.gan.equal_speed import measured_distances, retimed, timed
from glissile.gan.json_text import parsed
from glissile.gan.latent import latents, slerp, slerp_about
from glissile.gan.points import Point, ws_of
from glissile.gan.route import Route
from glissile.gan.walk import PAPER_WALK, Walk, WalkSettings
from glissile.progress import finish

SPACES = ("z", "w")
PATHS = ("slerp", "linear", "spline")
SEEDS = tuple(Point(seed=seed) for seed in (4, 7, 1, 9))

walks = st.builds(
    lambda seeds, psi, **chosen: Walk(
        keys=tuple(Point(seed=seed, psi=psi + 0.1 * seed) for seed in seeds),
        settings=WalkSettings(**chosen),
    ),
    st.lists(st.integers(0, 5), min_size=2, max_size=5),
    st.floats(0, 1),
    steps_per_leg=st.integers(1, 9),
    space=st.sampled_from(SPACES),
    path=st.sampled_from(PATHS),
    easing=st.sampled_from(("none", "smooth")),
    closed=st.booleans(),
)


def way(space: str, path: str, *, closed: bool = False, steps: int = 200, keys=SEEDS, **chosen) -> np.ndarray:
    """Vectors w of the first layer along a walk, which has left truncation alone."""
    walk = Walk(
        keys=keys, settings=WalkSettings(steps_per_leg=steps, space=space, path=path, closed=closed, **chosen)
    )
    return Route.of(walk, LinearGenerator()).ws(range(walk.frame_count))[:, 0].astype(np.float64)


@settings(max_examples=60, deadline=None)
@given(walks)
def test_every_key_frame_is_met_bit_by_bit(walk):
    sampler = LinearGenerator()
    steps = walk.settings.steps_per_leg
    met = range(0, walk.frame_count, steps)
    keys = walk.keys
    assert len(met) == len(keys)
    assert walk.frame_count == (len(keys) * steps if walk.settings.closed else (len(keys) - 1) * steps + 1)
    assert Route.of(walk, sampler).ws(met).tobytes() == ws_of(sampler, keys).tobytes()


@settings(max_examples=60, deadline=None)
@given(walks, st.randoms(use_true_random=False))
def test_a_frame_is_the_same_however_it_is_asked_for(walk, random):
    sampler = LinearGenerator()
    whole = Route.of(walk, sampler).ws(range(walk.frame_count))
    frames = random.sample(range(walk.frame_count), min(5, walk.frame_count))
    assert Route.of(walk, sampler).ws(frames).tobytes() == whole[frames].tobytes()
    route = Route.of(walk, sampler)
    assert all(route.ws([frame])[0].tobytes() == whole[frame].tobytes() for frame in frames)


@settings(max_examples=30, deadline=None)
@given(walks, st.integers(0, 99))
def test_json_keeps_a_walk(walk, seed):
    distances = np.random.RandomState(seed).rand(walk.legs, 20)
    for kept in (walk, retimed(walk, distances)):
        again = parsed(Walk, kept.model_dump_json(), "walk.json")
        assert again == kept
        np.testing.assert_array_equal(again.times, kept.times)


def test_the_walk_of_the_paper():
    sampler = LinearGenerator(z_dim=512)
    walk = Walk(keys=(Point(seed=0), Point(seed=1)), settings=PAPER_WALK)
    assert walk.frame_count == 1440
    a, b = latents([0, 1], 512)
    (expected,) = ws_of(sampler, [Point(z=tuple(slerp(a, b, 479 / 1439)))])
    np.testing.assert_allclose(Route.of(walk, sampler).ws([479])[0], expected, atol=1e-6)


def test_slerp_in_z_turns_evenly():
    walk = Walk(keys=SEEDS[:2], settings=WalkSettings(steps_per_leg=12))
    route = Route.of(walk, LinearGenerator(z_dim=32))
    z = np.array([route.curve(0, t)[0] for t in walk.times[:-1]])
    unit = z / np.linalg.norm(z, axis=1, keepdims=True)
    angles = np.arccos((unit[1:] * unit[:-1]).sum(axis=1))
    np.testing.assert_allclose(angles, angles.mean(), rtol=1e-4)


def test_slerp_in_w_is_about_the_mean():
    sampler = LinearGenerator()
    a, b = ws_of(sampler, SEEDS[:2])
    walk = Walk(keys=SEEDS[:2], settings=WalkSettings(steps_per_leg=4, space="w"))
    expected = [slerp_about(sampler.w_mean, a, b, t) for t in (0.25, 0.5, 0.75)]
    np.testing.assert_array_equal(Route.of(walk, sampler).ws([1, 2, 3]), expected)


def test_linear_in_w_is_straight():
    found = way("w", "linear", steps=4, keys=SEEDS[:2])
    np.testing.assert_allclose(found, np.linspace(found[0], found[-1], 5), atol=1e-6)


@pytest.mark.parametrize("space", SPACES)
def test_between_two_key_frames_a_spline_is_the_plain_path(space):
    plain = way(space, "slerp" if space == "z" else "linear", steps=10, keys=SEEDS[:2])
    np.testing.assert_allclose(way(space, "spline", steps=10, keys=SEEDS[:2]), plain, atol=1e-5)


@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("space", SPACES)
def test_a_spline_turns_no_corner(space, closed):
    def corner(path: str) -> float:
        frames = way(space, path, closed=closed)
        if closed:
            frames = np.concatenate([frames, frames[:2]])
        velocity = np.diff(frames, axis=0)
        return float(
            np.linalg.norm(np.diff(velocity, axis=0), axis=1).max() / np.linalg.norm(velocity, axis=1).max()
        )

    assert corner("spline") < 0.05
    assert corner("slerp") > 0.3


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("space", SPACES)
def test_a_loop_closes_within_a_step(space, path):
    frames = way(space, path, closed=True)
    steps = np.linalg.norm(np.diff(np.concatenate([frames, frames[:1]]), axis=0), axis=1)
    assert steps[-1] == pytest.approx(steps[-2], rel=0.1)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("space", SPACES)
def test_no_frame_jumps(space, path):
    opposite = Point(z=tuple((-latents([4], 8)[0]).tolist()))
    frames = way(space, path, keys=(SEEDS[0], SEEDS[0], SEEDS[1], SEEDS[2]))
    assert np.linalg.norm(np.diff(frames, axis=0), axis=1).max() < 0.1
    if path != "linear" or space == "w":
        frames = way(space, path, keys=(SEEDS[0], opposite, SEEDS[1]))
        assert np.linalg.norm(np.diff(frames, axis=0), axis=1).max() < 0.2


def test_smooth_easing_stands_still_at_key_frames():
    walk = Walk(keys=SEEDS, settings=WalkSettings(steps_per_leg=100, easing="smooth"))
    steps = np.diff(walk.times).reshape(3, 100)
    np.testing.assert_allclose(steps.sum(axis=1), 1)
    assert steps[:, [0, -1]].max() < 0.001
    np.testing.assert_allclose(steps[:, 49:51], 0.015, rtol=0.01)
    np.testing.assert_allclose(steps, steps[:, ::-1], atol=1e-9)


@pytest.mark.parametrize("space", SPACES)
def test_truncation_goes_from_that_of_one_key_frame_to_the_next(space):
    sampler = LinearGenerator()
    keys = (Point(seed=1, psi=0.2, cutoff=3), Point(seed=1, psi=1, cutoff=3))
    walk = Walk(keys=keys, settings=WalkSettings(steps_per_leg=4, space=space))
    ws = Route.of(walk, sampler).ws(range(5))
    off = ws[:, 0] - sampler.w_mean
    np.testing.assert_allclose(off, np.linspace(0.2, 1, 5)[:, None] * off[-1], atol=1e-5)
    np.testing.assert_allclose(ws[:, 3:], np.broadcast_to(ws[-1:, 3:], (5, 7, 6)), atol=1e-6)


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        (
            Point.of_w(np.ones(6), "annealed"),
            r"Key frame 2 \(annealed\) is a vector w and has no z: choose space w",
        ),
        (
            Point(seed=3, label=2),
            r"Key frame 2 \(seed 3\) is of another class than the first: choose space w",
        ),
        (
            Point(seed=3, cutoff=2),
            r"Key frame 2 \(seed 3\) has another cutoff than the first: choose space w",
        ),
    ],
)
def test_what_cannot_walk_in_z_can_in_w(key, sentence):
    sampler = LinearGenerator(c_dim=3)
    keys = (Point(seed=1), key)
    with pytest.raises(InputError, match=sentence):
        Route.of(Walk(keys=keys), sampler)
    walk = Walk(keys=keys, settings=WalkSettings(space="w", steps_per_leg=2, path="linear"))
    ws = Route.of(walk, sampler).ws(range(3))
    np.testing.assert_allclose(ws[1], (ws[0] + ws[2]) / 2, atol=1e-6)


def test_class_0_is_the_class_that_is_not_named():
    sampler = LinearGenerator(c_dim=3)
    Route.of(Walk(keys=(Point(seed=1), Point(seed=2, label=0))), sampler)
    walk = Walk(keys=(Point(seed=1, label=2), Point(seed=2, label=2)))
    halfway = tuple(slerp(*latents([1, 2], 8), 0.5))
    expected = ws_of(sampler, [Point(z=halfway, label=2)])
    np.testing.assert_allclose(Route.of(walk, sampler).ws([30]), expected, atol=1e-6)


@pytest.mark.parametrize("frame", [-1, 61])
def test_frames_beyond_the_walk_are_refused(frame):
    with pytest.raises(InputError, match=f"There is no frame {frame}; the walk has frames 0 to 60"):
        Route.of(Walk(keys=SEEDS[:2]), LinearGenerator()).ws([frame])


def test_a_prepared_walk_maps_no_key_frame_again():
    sampler = LinearGenerator()
    route = Route.of(Walk(keys=SEEDS, settings=WalkSettings(space="w")), sampler)
    assert sampler.calls == 4
    route.ws(range(1, 60))
    assert sampler.calls == 4


# A straight walk in w along which the grey level is a known function of how far it is.
START, END = Point(w=((0.0,) * 6,)), Point(w=((1.0,) + (0.0,) * 5,))


def straight(keys=(START, END), **chosen) -> Walk:
    return Walk(keys=keys, settings=WalkSettings(space="w", path="linear", equal_speed=True, **chosen))


@pytest.mark.parametrize(("steps", "samples"), [(1, 64), (60, 64), (1439, 179), (10_000, 256)])
def test_distances_are_those_of_the_images(steps, samples):
    sampler = LinearGenerator()
    sampler.image = lambda ws: float(ws[0, 0]) ** 2
    measured = measured_distances(straight(steps_per_leg=steps), sampler)
    seen = []
    found = None
    while found is None:
        try:
            seen.append(next(measured))
        except StopIteration as done:
            found = done.value
    assert found.shape == (1, samples)
    np.testing.assert_allclose(found[0], np.diff(np.linspace(0, 1, samples + 1) ** 2), atol=1e-6)
    assert [step.index for step in seen] == list(range(1, samples + 2))
    assert {step.total for step in seen} == {samples + 1}


@pytest.mark.parametrize(("noise", "seed"), [("const", 0), ("none", 0), ("random", 5)])
def test_what_is_measured_is_what_is_shown(noise, seed):
    sampler = LinearGenerator()
    finish(timed(straight(steps_per_leg=2), sampler, noise=noise, noise_seed=seed))
    assert sampler.looks == {(noise, seed)}


def test_noise_that_fades_along_a_walk_counts():
    class Fading(LinearGenerator):
        """Noise as strong as how far the walk is, squared, over grey levels that rise evenly."""

        def images(self, ws, *, noise="const", noise_seed=0):
            grain = np.random.RandomState(0).randn(64, 64) * (10 if noise == "const" else 0)
            far = ws[:, 0, 0, None, None, None].astype(float)
            return (far + far**2 * grain).astype(np.float32)

    halfway = {
        noise: finish(timed(straight(steps_per_leg=100), Fading(), noise=noise)).times[50]
        for noise in ("const", "none")
    }
    assert halfway["none"] == pytest.approx(0.5, abs=1e-3)
    assert halfway["const"] == pytest.approx(np.sqrt(0.5), abs=0.02)


@pytest.mark.parametrize(
    ("image", "inverse"),
    [
        (lambda s: s**2, np.sqrt),
        (lambda s: np.expm1(3 * s), lambda g: np.log1p(g * np.expm1(3)) / 3),
        (lambda s: s, lambda g: g),
    ],
)
def test_frames_move_to_where_the_image_changes_equally(image, inverse):
    sampler = LinearGenerator()
    sampler.image = lambda ws: float(image(ws[0, 0].astype(float)))
    walk = finish(timed(straight(steps_per_leg=240), sampler))
    np.testing.assert_allclose(walk.times, inverse(np.linspace(0, 1, 241)), atol=2e-3)
    levels = image(Route.of(walk, sampler).ws(range(241))[:, 0, 0].astype(float))
    speed = np.diff(levels)[4:]
    assert speed.max() / speed.min() < 1.05


def test_steps_are_shared_out_by_length_and_key_frames_stay():
    sampler = LinearGenerator()
    keys = tuple(Point(w=((x,) + (0.0,) * 5,)) for x in (0.0, 1.0, 1.25, 4.0))
    walk = finish(timed(straight(keys, steps_per_leg=40), sampler))
    assert walk.frame_count == 121
    ws = Route.of(walk, sampler).ws(range(121))
    assert np.flatnonzero(np.isin(walk.times, [0, 1, 2, 3])).tolist() == [0, 30, 38, 120]
    assert ws[[0, 30, 38, 120]].tobytes() == ws_of(sampler, keys).tobytes()
    speed = np.diff(ws[:, 0, 0])
    assert speed.max() / speed.min() < 1.1
    assert finish(timed(walk, sampler)) is walk


def test_a_loop_keeps_equal_speed_over_its_end():
    sampler = LinearGenerator()
    sampler.image = lambda ws: float(ws[0, 0]) ** 2
    walk = finish(timed(straight(steps_per_leg=100, closed=True), sampler))
    levels = Route.of(walk, sampler).ws([*range(200), 0])[:, 0, 0].astype(float) ** 2
    np.testing.assert_allclose(np.abs(np.diff(levels)), 0.01, atol=0.001)


def test_easing_is_about_the_image_where_speed_is_equal():
    sampler = LinearGenerator()
    sampler.image = lambda ws: float(ws[0, 0]) ** 2
    walk = finish(timed(straight(steps_per_leg=200, easing="smooth"), sampler))
    t = np.linspace(0, 1, 201)
    np.testing.assert_allclose(walk.times**2, t * t * (3 - 2 * t), atol=1e-3)


@settings(max_examples=60, deadline=None)
@given(walks, st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_any_distances_give_a_walk_that_goes_forward(walk, seed, still):
    random = np.random.RandomState(seed)
    distances = random.rand(walk.legs, 12) * (random.rand(walk.legs, 12) >= still)
    found = retimed(walk, distances)
    times = found.times
    assert len(times) == walk.frame_count
    assert times[0] == 0
    assert (np.diff(times) > 0).all()
    assert set(range(walk.legs + (0 if walk.settings.closed else 1))) <= set(times)
    assert times[-1] < walk.legs or not walk.settings.closed


def test_where_no_image_changes_the_walk_stays():
    sampler = LinearGenerator()
    sampler.image = lambda ws: 1.0
    walk = straight()
    assert finish(timed(walk, sampler)) is walk
    assert finish(timed(Walk(keys=SEEDS), sampler)).positions is None


def test_distances_of_another_walk_are_refused():
    for distances in (np.ones((2, 64)), np.full((1, 64), np.nan), -np.ones((1, 64))):
        with pytest.raises(ValueError, match="do not go with 1 legs"):
            retimed(straight(), distances)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"keys": [{"seed": 1}]}', "at least 2"),
        ('{"keys": [' + '{"seed": 1},' * 300 + '{"seed": 1}]}', "at most 256"),
        ('{"keys": [{"seed": 1}, {"seed": NaN}]}', "keys.1.seed"),
        ('{"keys": [{"seed": 1}, {"seed": 2}], "positions": [0, 1]}', "2 positions do not go with 61 frames"),
        (
            '{"keys": [{"seed": 1}, {"seed": 2}], "settings": {"steps_per_leg": 1}, "positions": [0, 1.5]}',
            "not between 0 and 1",
        ),
        (
            '{"keys": [{"seed": 1}, {"seed": 2}], "settings": {"steps_per_leg": 1}, "positions": [0, NaN]}',
            "positions.1: Input should be a finite number",
        ),
        ('{"keys": [{"seed": 1}, {"seed": 2}], "settings": {"steps_per_leg": 100000}}', "less than or equal"),
        (
            '{"keys": [' + '{"seed": 1},' * 199 + '{"seed": 1}], "settings": {"steps_per_leg": 10000}}',
            "is too long; take fewer steps per leg",
        ),
        ('{"keys": [{"seed": 1}, {"seed": 2}], "run": "rm"}', "Extra inputs"),
    ],
)
def test_bad_json_is_refused_with_a_sentence(text, sentence):
    with pytest.raises(InputError, match=sentence):
        parsed(Walk, text, "walk.json")


def test_one_key_frame_is_no_walk():
    with pytest.raises(ValidationError):
        Walk(keys=SEEDS[:1])
