import numpy as np
import pytest
from drifting_textures import moved, texture

from glissile.stabilize.template import Template

SHAPE = (96, 112)
RIM = 14
INSIDE = (slice(RIM, -RIM), slice(RIM, -RIM))
EVERYWHERE = np.ones(SHAPE, np.float32)
PHASES = [(0, 0), (0, 1), (1, 0), (1, 1)]


def frames_of(asides, noise=4.0, seed=0):
    """Frames (t, y, x) of a texture that lies aside of whole pixels by `asides` (t, 2)."""
    rng = np.random.default_rng(seed)
    image = texture(SHAPE, seed)
    return np.stack([moved(image, aside) + rng.normal(0, noise, SHAPE) for aside in asides]).astype(
        np.float32
    )


def template_of(frames, asides):
    sums = np.stack([frames[::2].sum(axis=0), frames[1::2].sum(axis=0)])
    counts = np.stack([np.full(SHAPE, len(frames[k::2]), np.float32) for k in (0, 1)])
    return Template(sums, counts, asides)


@pytest.fixture(scope="module")
def asides():
    return np.random.default_rng(1).uniform(-0.5, 0.5, (60, 2))


@pytest.fixture(scope="module")
def template(asides):
    """A template that knows its noise; made of other frames than those below."""
    frames = frames_of(asides, seed=0)
    template = template_of(frames, asides)
    residuals = frames_of(np.zeros((6, 2))) - template.expected((0, 0))
    template.whiten(residuals, EVERYWHERE, (0, 0))
    return template


def displacement_told(template, frame, phase=(0, 0), where=EVERYWHERE):
    kernels = template.kernels(phase, template.expected(phase))
    residual = (frame - kernels.expected) * where
    down, right = (residual * kernels.down).sum(), (residual * kernels.right).sum()
    yy, yx, xx = (template.information() * where).sum(axis=(1, 2))
    return np.linalg.solve([[yy, yx], [yx, xx]], [down, right])


@pytest.mark.parametrize("phase", PHASES)
def test_what_is_expected_is_the_specimen_where_the_phase_says(template, phase):
    truth = moved(texture(SHAPE), np.multiply(0.5, phase))
    off = (template.expected(phase) - truth)[INSIDE]
    # 60 frames with a noise of 4.
    assert np.sqrt(np.square(off).mean()) < 0.8


@pytest.mark.parametrize("phase", PHASES)
def test_what_is_slow_lies_where_the_phase_says_too(phase):
    y, x = (2 * np.pi * np.arange(n) / n for n in SHAPE)
    slow = texture(SHAPE) + 60 * np.cos(y)[:, None] + 60 * np.cos(x)
    expected = template_of(np.repeat(slow[None].astype(np.float32), 4, axis=0), np.zeros((4, 2))).expected(
        phase
    )
    off = (expected - moved(slow, np.multiply(0.5, phase)))[INSIDE]
    assert np.sqrt(np.square(off).mean()) < 0.5


def test_frames_that_lie_aside_do_not_blur_the_template():
    asides = np.random.default_rng(2).uniform(-0.5, 0.5, (60, 2))
    sharp = template_of(frames_of(asides, noise=0), asides).expected((0, 0))
    blurred = frames_of(asides, noise=0).mean(axis=0)
    truth = texture(SHAPE)
    left = [np.square((image - truth)[INSIDE]).mean() for image in (sharp, blurred)]
    assert left[0] < 0.2 * left[1]


def test_frames_that_all_lie_aside_are_put_back():
    asides = np.full((20, 2), (0.3, -0.2))
    sharp = template_of(frames_of(asides, noise=0), asides).expected((0, 0))
    assert np.square((sharp - texture(SHAPE))[INSIDE]).mean() < 0.05


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("aside", [(0, 0), (0.2, -0.1), (-0.25, 0.25), (0.05, 0.15)])
def test_the_displacement_of_a_frame_is_told(template, phase, aside):
    there = np.multiply(0.5, phase) + aside
    frame = (moved(texture(SHAPE), there) + np.random.default_rng(7).normal(0, 4, SHAPE)).astype(np.float32)
    assert np.abs(displacement_told(template, frame, phase) - aside).max() < 0.02


def test_a_displacement_is_told_without_bias(template):
    there = [(0.2, -0.2)] * 40
    told = [displacement_told(template, frame) for frame in frames_of(there)[20:]]
    # frames_of starts with the same noise as the template's; these are others in it.
    assert np.abs(np.mean(told, axis=0) - there[0]).max() < 0.01


def test_information_is_the_inverse_of_the_scatter(template):
    rng = np.random.default_rng(11)
    truth = texture(SHAPE)
    told = [
        displacement_told(template, (truth + rng.normal(0, 4, SHAPE)).astype(np.float32), where=_middle())
        for _ in range(150)
    ]
    yy, yx, xx = (template.information() * _middle()).sum(axis=(1, 2))
    expected = np.sqrt(np.diag(np.linalg.inv([[yy, yx], [yx, xx]])))
    np.testing.assert_allclose(np.std(told, axis=0), expected, rtol=0.3)


def test_a_template_of_a_few_noisy_frames_tells_no_less_and_no_more():
    told = []
    frame = moved(texture(SHAPE), (0.2, -0.2)).astype(np.float32)
    for seed in range(12):
        rng = np.random.default_rng(seed)
        frames = (texture(SHAPE) + rng.normal(0, 40, (12, *SHAPE))).astype(np.float32)
        template = template_of(frames, np.zeros((12, 2)))
        template.whiten(frames[:6] - template.expected((0, 0)), EVERYWHERE, (0, 0))
        told.append(displacement_told(template, frame))
    np.testing.assert_allclose(np.mean(told, axis=0), (0.2, -0.2), rtol=0.12)


def _middle():
    where = np.zeros(SHAPE, np.float32)
    where[32:64, 32:80] = 1
    return where


def test_only_what_is_held_has_a_say(asides):
    frames = frames_of(asides)
    template = template_of(frames, asides)
    template.hold(_middle())
    template.whiten(frames[:6] - template.expected((0, 0)), EVERYWHERE, (0, 0))
    kernels = template.kernels((0, 0), template.expected((0, 0)))
    for image in (kernels.down, kernels.right, *template.information(), template.own_share(0)):
        assert not image[_middle() == 0].any()
        assert image[_middle() > 0].any()


def test_places_that_no_frame_shows_have_no_say(asides):
    frames = frames_of(asides)
    shown = np.ones(SHAPE, np.float32)
    shown[:, :40] = 0
    sums = np.stack([frames[::2].sum(axis=0), frames[1::2].sum(axis=0)]) * shown
    template = Template(sums, np.stack([30 * shown, 30 * shown]), asides)
    template.whiten((frames[:6] - template.expected((0, 0))) * shown, shown, (0, 0))
    kernels = template.kernels((0, 0), template.expected((0, 0)))
    for image in (kernels.down, kernels.right, *template.information(), template.own_share(1)):
        assert not image[:, :40].any()
    truth = moved(texture(SHAPE), (0.2, 0.1)).astype(np.float32)
    assert np.abs(displacement_told(template, truth, where=shown) - (0.2, 0.1)).max() < 0.03


def test_places_that_few_frames_show_have_no_say(asides):
    frames = frames_of(asides)
    shown = np.ones((60, *SHAPE), np.float32)
    shown[6:, :, :40] = 0
    sums, counts = ([a[::2].sum(axis=0), a[1::2].sum(axis=0)] for a in (frames * shown, shown))
    template = Template(np.stack(sums), np.stack(counts), asides)
    template.whiten(frames[:6] - template.expected((0, 0)), EVERYWHERE, (0, 0))
    for image in (template.information(), template.kernels((0, 0), template.expected((0, 0))).down):
        assert not image[..., :42].any()
        assert image[..., 42:-2].any(axis=-1)[..., 2:-2].all()


def test_noisy_places_have_less_say(asides):
    frames = frames_of(asides)
    rough = np.ones(SHAPE)
    rough[:, SHAPE[1] // 2 :] = 2
    noise = np.random.default_rng(3).normal(0, 4, (8, *SHAPE)) * rough
    template = template_of(frames, asides)
    template.whiten(noise.astype(np.float32), EVERYWHERE, (0, 0))
    yy = template.information()[0]
    assert 2.5 < yy[:, :40].mean() / yy[:, -40:].mean() < 6


def test_waves_that_are_all_noise_have_less_say(asides):
    # Noise along x only, where the waves of the texture would tell about x.
    frames = frames_of(asides)
    x = np.broadcast_to(np.arange(SHAPE[1]), SHAPE)
    fringes = np.stack([np.cos(2 * np.pi * (x / 14 + turn)) for turn in np.linspace(0, 1, 8)])
    noise = np.random.default_rng(3).normal(0, 4, (8, *SHAPE))
    told = []
    for residuals in (noise, noise + 20 * fringes):
        template = template_of(frames, asides)
        template.whiten(residuals.astype(np.float32), EVERYWHERE, (0, 0))
        kernels = template.kernels((0, 0), template.expected((0, 0)))
        response = [(kernels.right * fringe).sum() for fringe in fringes]
        told.append(np.ptp(response) / template.information()[2].sum())
    # How far fringes of height one drag the estimate.
    assert told[1] < 0.5 * told[0]


def test_the_noise_of_a_frame_that_is_in_the_template_is_told():
    rng = np.random.default_rng(4)
    truth = texture(SHAPE, cutoff=0.5)  # so that there is signal everywhere
    found, told = [], []
    for _ in range(10):
        noise = rng.normal(0, 8, (10, *SHAPE))
        template = template_of((truth + noise).astype(np.float32), np.zeros((10, 2)))
        template.whiten((noise[:6] - noise.mean(axis=0)).astype(np.float32), EVERYWHERE, (0, 0))
        # Half a pixel aside the noise of the frame makes a slope.
        kernels = template.kernels((1, 1), template.expected((1, 1)))
        for k, own in enumerate(noise):
            found.append([(own * kernels.down).sum(), (own * kernels.right).sum()])
            told.append(template.own_noise((0.5, 0.5)) * template.own_share(k % 2).sum())
    assert np.mean(told, axis=0) == pytest.approx(np.mean(found, axis=0), rel=0.15)
    assert np.abs(template.own_noise((0.0, 0.0))).max() < 0.02 * np.abs(template.own_noise((0.5, 0.5))).max()


def test_noise_that_two_groups_do_not_share_is_no_signal():
    asides = np.zeros((40, 2))
    noise = np.random.default_rng(5).normal(100, 10, (40, *SHAPE)).astype(np.float32)
    alike = frames_of(asides, noise=10)
    informed = []
    for frames in (noise, alike):
        template = template_of(frames, asides)
        template.whiten(frames[:6] - template.expected((0, 0)), EVERYWHERE, (0, 0))
        informed.append(template.information()[[0, 2]].sum())
    assert abs(informed[0]) < 0.01 * informed[1]
