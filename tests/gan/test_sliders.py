import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
from scipy import fft

from glissile.errors import InputError
from glissile.gan.latent import latents
from glissile.gan.pixels import as_pixels
from glissile.gan.sliders import (
    SLIDING,
    Sliders,
    fit_sliders,
    load_sliders,
    save_sliders,
    sliders_path,
)
from glissile.gan.sliders.fit import _fitted, _ridge
from glissile.gan.sliders.model import LOGARITHMIC
from glissile.io.generator_card import GeneratorCard, GeneratorShape
from glissile.progress import Step, finish
from glissile.synthetic.sem import SemSettings, micrograph

W_DIM = 12
LAYERS = 8
SIZE = 32
SHAPE = GeneratorShape(
    resolution=SIZE, channels=1, widths=(8, 8, 8, 8), z_dim=16, w_dim=W_DIM, mapping_layers=1, mapping_width=8
)
CARD = GeneratorCard(shape=SHAPE, name="stand-in", weights_sha256="a" * 64)


@dataclass
class StandIn:
    """Random fields cut at the quantile that makes the phase fraction a known function of w.

    The cloud of w is flat: its widths along its own axes fall from 2 to 0.05.
    """

    card: GeneratorCard = CARD
    obeys: bool = True
    blank: bool = False
    made: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        rng = np.random.default_rng(8)
        turned = np.linalg.qr(rng.normal(size=(W_DIM, W_DIM)))[0]
        self.matrix = np.geomspace(2, 0.05, W_DIM)[:, None] * turned
        self.shift = rng.normal(size=W_DIM)
        self.covariance = self.matrix.T @ self.matrix
        # The law of the fraction is at an angle to the axes of the cloud.
        self.fraction_law = rng.normal(size=W_DIM)
        self.fraction_law *= 0.1 / np.sqrt(self.fraction_law @ self.covariance @ self.fraction_law)
        self.scale_law = rng.normal(size=W_DIM)
        self.scale_law *= 0.25 / np.sqrt(self.scale_law @ self.covariance @ self.scale_law)
        self.frequency = np.hypot(np.fft.fftfreq(SIZE)[:, None], np.fft.rfftfreq(SIZE)[None])

    @property
    def shape(self) -> GeneratorShape:
        return self.card.shape

    def map(self, z, labels=None, *, psi=1.0):
        w = psi * z[:, :W_DIM] @ self.matrix + self.shift
        if labels is not None:
            w[:, 0] += labels
        return np.repeat(w[:, None], LAYERS, axis=1).astype(np.float32)

    def fraction(self, w):
        return np.clip(0.4 + (w - self.shift) @ self.fraction_law, 0.02, 0.98)

    def images(self, ws, *, noise="const"):
        self.made.append(len(ws))
        found = []
        for w in ws.mean(axis=1).astype(float):
            rng = np.random.default_rng(crc32(w.tobytes()) if self.obeys else len(self.made))
            width = 1.6 * np.exp((w - self.shift) @ self.scale_law)
            white = fft.rfft2(rng.normal(size=(SIZE, SIZE)))
            grain = fft.irfft2(white * np.exp(-2 * (np.pi * width * self.frequency) ** 2))
            share = self.fraction(w) if self.obeys else rng.uniform(0.2, 0.6)
            bright = grain > np.quantile(grain, 1 - share)
            found.append(np.zeros_like(grain) if self.blank else np.where(bright, 0.5, -0.5))
        return np.array(found, np.float32)[:, None]


@pytest.fixture(scope="module")
def sampler() -> StandIn:
    return StandIn()


@pytest.fixture(scope="module")
def sliders(sampler) -> Sliders:
    return finish(fit_sliders(sampler, samples=600, smoothing_px=0))


@pytest.fixture(scope="module")
def others(sampler):
    """Vectors that the fit has not seen."""
    return sampler.map(np.random.default_rng(99).normal(size=(200, 16)))


def test_a_linear_law_is_found_with_its_gradient(sampler, sliders, others):
    fraction = sliders.slider("phase_fraction")
    assert fraction.r2 > 0.99
    assert fraction.trust == "reliable"
    np.testing.assert_allclose(
        sliders.predict(others)["phase_fraction"], sampler.fraction(others[:, 0]), atol=0.015
    )
    along = np.array(fraction.along)
    np.testing.assert_allclose(
        along, sampler.covariance @ sampler.fraction_law, atol=0.15 * np.linalg.norm(along)
    )


def test_the_range_is_that_of_the_samples(sliders):
    fraction = sliders.slider("phase_fraction")
    # 1st and 99th percentile of a normal law of mean 0.4 and spread 0.1.
    assert fraction.low == pytest.approx(0.4 - 0.2326, abs=0.03)
    assert fraction.high == pytest.approx(0.4 + 0.2326, abs=0.03)


def test_r2_is_what_new_images_show(sampler, sliders, others):
    pixels = sampler.images(others)[:, 0] * 127.5 + 128
    measured = [sliders.measured_in(image.astype(np.uint8)).values() for image in pixels]
    predicted = sliders.predict(others)
    for name in ("phase_fraction", "boundary_density", "along_x"):
        truth = np.array([one[name] for one in measured])
        seen = 1 - np.mean((truth - predicted[name]) ** 2) / truth.var()
        assert sliders.slider(name).r2 == pytest.approx(seen, abs=0.12)
        error = np.sqrt(np.mean((truth - predicted[name]) ** 2))
        assert sliders.slider(name).error == pytest.approx(error, rel=0.25)


def test_r2_is_honest_where_samples_are_few():
    rng = np.random.default_rng(3)
    law = rng.normal(size=(60, len(SLIDING))) / np.sqrt(60)

    def drawn(count):
        w = rng.normal(size=(count, 60))
        return w, w @ law + rng.normal(size=(count, len(SLIDING)))

    w, values = drawn(130)
    new, truth = drawn(4000)
    as_log = [one.name in LOGARITHMIC for one in SLIDING]
    found = finish(_fitted(w, np.where(as_log, np.exp(values), values), seed=0, total=130))
    predicted = np.stack(
        [one.fitted(one.mean) + (new - w.mean(axis=0)) @ one.gradient for one in found], axis=1
    )
    seen = 1 - np.mean((predicted - truth) ** 2, axis=0) / truth.var(axis=0)
    # In the mean over the measures. Four fifths of so few samples predict a little worse than all of them.
    assert -0.12 < np.mean([one.r2 for one in found]) - seen.mean() < 0.03
    # The penalty pays: without one, as many samples predict next to nothing.
    plain = np.linalg.lstsq(w, values, rcond=None)[0]
    unpenalised = 1 - np.mean((new @ plain - truth) ** 2, axis=0) / truth.var(axis=0)
    assert seen.mean() > unpenalised.mean() + 0.1


def test_a_few_wild_values_leave_the_gradient_alone():
    rng = np.random.default_rng(4)
    w, law = rng.normal(size=(300, 10)), rng.normal(size=10)
    values = w @ law
    values[:4] = 3000
    gradients, means, _ = _ridge(w, values[:, None])
    np.testing.assert_allclose(gradients[:, 0], law, atol=0.15 * np.linalg.norm(law))
    assert abs(means[0]) < 0.5


def test_what_does_not_depend_on_w_has_no_r2_and_no_use():
    chance = finish(fit_sliders(StandIn(obeys=False), samples=100, threshold=128, smoothing_px=0))
    fraction = chance.slider("phase_fraction")
    # As many numbers as samples allow would predict the samples themselves well: not those left out.
    assert fraction.r2 < 0.1
    assert fraction.trust == "no use"
    with pytest.raises(InputError, match="Phase fraction cannot be set"):
        chance.moved(np.zeros((LAYERS, W_DIM)), {"phase_fraction": 0.5})


@pytest.mark.parametrize(
    ("r2", "words"),
    [(1, "reliable"), (0.7, "reliable"), (0.69, "rough"), (0.25, "rough"), (0.2, "no use"), (-3, "no use")],
)
def test_r2_in_words(sliders, r2, words):
    assert sliders.slider("phase_fraction").model_copy(update={"r2": r2}).trust == words


def test_moved_vectors_make_the_images_that_were_asked_for(sampler, sliders, others):
    for wanted in (0.25, 0.4, 0.55):
        moved = sliders.moved(others[:40], {"phase_fraction": wanted})
        np.testing.assert_allclose(sliders.predict(moved)["phase_fraction"], wanted, atol=1e-5)
        made = (sampler.images(moved)[:, 0] > 0).mean(axis=(1, 2))
        np.testing.assert_allclose(made, wanted, atol=0.02)


class Microscope(StandIn):
    """Micrographs of which w rules phase fraction, island size and elongation."""

    def settings(self, w):
        fraction, size, stretch = 1 / (1 + np.exp(-(w - self.shift)[:3] / self.matrix.std(axis=0)[:3] / 4))
        return SemSettings(
            height=96,
            width=96,
            phase_fraction=0.1 + 0.5 * fraction,
            island_px=8 + 12 * size,
            elongation=1 + 3 * stretch,
        )

    def images(self, ws, *, noise="const"):
        pixels = [micrograph(self.settings(w), crc32(w.tobytes())).pixels for w in ws[:, 0].astype(float)]
        return (np.array(pixels, np.float32)[:, None] - 127.5) / 127.5


def test_micrographs_are_moved_to_a_phase_fraction_with_the_elongation_held():
    sampler = Microscope()
    sliders = finish(fit_sliders(sampler, samples=240))
    assert sliders.slider("phase_fraction").trust == "reliable"
    assert sliders.slider("along_x").r2 > 0.4
    assert sliders.slider("along_diagonal").trust == "no use"
    start = sampler.map(np.random.default_rng(7).normal(size=(40, 16)))

    def mean(name, ws):
        pixels = as_pixels(sampler.images(ws))
        return float(np.mean([getattr(sliders.measured_in(one), name) for one in pixels]))

    base = mean("along_x", start)
    for wanted in (0.3, 0.45):
        held = sliders.moved(start, {"phase_fraction": wanted}, hold=["along_x"])
        assert mean("phase_fraction", held) == pytest.approx(wanted, abs=0.03)
        assert mean("along_x", held) == pytest.approx(base, abs=0.05)
    more = sliders.moved(start, {"along_x": sliders.slider("along_x").high}, hold=["phase_fraction"])
    assert mean("along_x", more) > base + 0.1
    assert mean("phase_fraction", more) == pytest.approx(mean("phase_fraction", start), abs=0.04)


class Extreme(StandIn):
    """Micrographs of which w rules the phase fraction, from next to nothing to almost all of the image."""

    def settings(self, w):
        share = 1 / (1 + np.exp(-1.8 * (w - self.shift)[0] / self.matrix.std(axis=0)[0]))
        return SemSettings(height=64, width=64, phase_fraction=0.02 + 0.92 * share, island_px=10)

    def images(self, ws, *, noise="const"):
        pixels = [micrograph(self.settings(w), crc32(w.tobytes())).pixels for w in ws[:, 0].astype(float)]
        return (np.array(pixels, np.float32)[:, None] - 127.5) / 127.5


def test_heavy_tails_of_intercepts_are_predicted_by_their_logarithms():
    sampler = Extreme()
    sliders = finish(fit_sliders(sampler, samples=240, threshold=120))
    new = sampler.map(np.random.default_rng(5).normal(size=(120, 16)))
    known = sampler.map(latents(range(240), 16))

    def measured(ws, name):
        found = [getattr(sliders.measured_in(one), name) for one in as_pixels(sampler.images(ws))]
        return np.array(found, float)

    for name in ("island_size", "free_path"):
        slider = sliders.slider(name)
        truth, samples = measured(new, name), measured(known, name)
        whole = np.isfinite(samples)
        gradients, means, centre = _ridge(known.mean(axis=1)[whole], samples[whole, None])
        plain = means[0] + (new.mean(axis=1) - centre) @ gradients[:, 0]
        plain, found = plain[np.isfinite(truth)], sliders.predict(new)[name][np.isfinite(truth)]
        truth = truth[np.isfinite(truth)]
        assert slider.scale == "logarithmic"
        assert (found > 0).all()
        # R^2 is that of the logarithms, and holds on new images.
        logs = np.log(truth)
        assert slider.r2 == pytest.approx(1 - np.mean((logs - np.log(found)) ** 2) / logs.var(), abs=0.12)
        assert slider.r2 > 0.6
        # What is shown is nearer to what is measured, too.
        wrong, wrong_before = np.abs(truth - found), np.abs(truth - plain)
        assert np.median(wrong) < 0.8 * np.median(wrong_before)


def test_targets_of_logarithmic_measures_are_reached(sliders, others):
    for wanted in (3.0, 4.5):
        moved = sliders.moved(others[:20], {"island_size": wanted})
        np.testing.assert_allclose(sliders.predict(moved)["island_size"], wanted, rtol=1e-4)
    with pytest.raises(InputError, match="above 0"):
        sliders.moved(others, {"island_size": 0.0})


def test_files_without_logarithms_are_read_as_they_were_meant(tmp_path, sliders, others):
    values = json.loads(sliders.model_dump_json())
    values["schema_version"] = 1
    for one in values["sliders"]:
        del one["scale"]
    path = tmp_path / "net.sliders.json"
    path.write_text(json.dumps(values))
    old = load_sliders(path, CARD)
    size = old.slider("island_size")
    assert size.scale == "linear"
    w = others.mean(axis=1) - np.array(old.w_mean)
    np.testing.assert_allclose(old.predict(others)["island_size"], size.mean + w @ np.array(size.gradient))


def test_a_version_that_knew_no_logarithms_has_none(tmp_path, sliders):
    values = json.loads(sliders.model_dump_json())
    assert values["schema_version"] == 2
    values["schema_version"] = 1
    path = tmp_path / "net.sliders.json"
    path.write_text(json.dumps(values))
    with pytest.raises(InputError, match="logarithm"):
        load_sliders(path, CARD)
    values["schema_version"] = 2
    next(one for one in values["sliders"] if one["name"] == "island_size")["low"] = 0
    path.write_text(json.dumps(values))
    with pytest.raises(InputError, match="has no logarithm"):
        load_sliders(path, CARD)


def test_all_layers_take_the_same_step(sliders, others):
    mixed = others[:2].copy()
    mixed[0, 4:] = others[5, 4:]
    step = sliders.moved(mixed, {"phase_fraction": 0.5}) - mixed
    np.testing.assert_allclose(step, np.broadcast_to(step[:, :1], step.shape), atol=1e-6)
    np.testing.assert_allclose(
        sliders.moved(mixed[0], {"phase_fraction": 0.5}) - mixed[0], step[0], atol=1e-6
    )


def test_no_other_step_to_the_target_is_likelier(sampler, sliders, others):
    start = others[0].astype(float)
    gradient = np.array(sliders.slider("phase_fraction").gradient)
    step = sliders.moved(start, {"phase_fraction": 0.6})[0] - start[0]
    precision = np.linalg.inv(sampler.covariance)

    def size(delta):
        return float(np.sqrt(delta @ precision @ delta))

    rng = np.random.default_rng(1)
    for aside in rng.normal(size=(50, W_DIM)) @ sampler.matrix * 0.3:
        other = step + aside - gradient * (gradient @ aside) / (gradient @ gradient)
        assert gradient @ other == pytest.approx(gradient @ step)
        # The covariance of the samples is not quite the true one.
        assert size(other) > 0.95 * size(step)
    straight = gradient * (gradient @ step) / (gradient @ gradient)
    assert size(straight) > 1.5 * size(step)
    assert sliders.effort(start, {"phase_fraction": 0.6}) == pytest.approx(size(step), rel=0.1)


def test_a_measure_can_be_held_while_another_moves(sliders, others):
    start = others[:20]
    before = sliders.predict(start)
    wanted = before["phase_fraction"].mean() + 0.1
    free = sliders.predict(sliders.moved(start, {"phase_fraction": wanted}))
    held = sliders.predict(sliders.moved(start, {"phase_fraction": wanted}, hold=["boundary_density"]))
    assert np.abs(free["boundary_density"] - before["boundary_density"]).max() > 1e-3
    np.testing.assert_allclose(held["boundary_density"], before["boundary_density"], atol=1e-6)
    np.testing.assert_allclose(held["phase_fraction"], wanted, atol=1e-5)
    assert np.all(
        sliders.effort(start, {"phase_fraction": wanted}, ["boundary_density"])
        >= sliders.effort(start, {"phase_fraction": wanted}) - 1e-9
    )


def test_two_targets_are_reached_at_once(sliders, others):
    targets = {"phase_fraction": 0.45, "boundary_density": 0.3}
    found = sliders.predict(sliders.moved(others, targets))
    for name, value in targets.items():
        np.testing.assert_allclose(found[name], value, atol=1e-5)


def test_a_direction_raises_its_measure_by_one_unit(sliders, others):
    for hold in ((), ("boundary_density", "phase_fraction")):
        step = sliders.direction("phase_fraction", hold)
        change = {
            name: values - sliders.predict(others)[name]
            for name, values in sliders.predict(others + 0.01 * step).items()
        }
        np.testing.assert_allclose(change["phase_fraction"], 0.01, rtol=1e-3)
    np.testing.assert_allclose(change["boundary_density"], 0, atol=1e-5)


def test_measures_that_go_together_cannot_be_set_apart(sliders, others):
    twin = sliders.slider("phase_fraction").model_copy(update={"name": "free_path", "r2": 0.9})
    rest = tuple(one for one in sliders.sliders if one.name != "free_path")
    doubled = sliders.model_copy(update={"sliders": (*rest, twin)})
    with pytest.raises(InputError, match="Phase fraction, Matrix free path: these change together"):
        doubled.moved(others, {"phase_fraction": 0.5, "free_path": 0.3})


def test_the_same_seed_gives_the_same_sliders(sampler):
    one, other = (finish(fit_sliders(sampler, samples=60, seed=5, smoothing_px=0)) for _ in range(2))
    assert one == other
    assert one != finish(fit_sliders(sampler, samples=60, seed=6, smoothing_px=0))


def test_progress_counts_images_and_can_be_stopped():
    sampler = StandIn()
    steps = fit_sliders(sampler, samples=100, smoothing_px=0)
    seen: list[Step] = [next(steps) for _ in range(4)]
    assert [step.index for step in seen] == [0, 16, 32, 48]
    assert all(step.total == 100 for step in seen)
    assert seen[-1].preview.shape == (SIZE, SIZE)
    steps.close()
    assert sum(sampler.made) == 48


def test_truncated_samples_spread_less(sampler, sliders):
    half = finish(fit_sliders(sampler, samples=200, psi=0.5, smoothing_px=0)).slider("phase_fraction")
    full = sliders.slider("phase_fraction")
    assert (half.high - half.low) / (full.high - full.low) == pytest.approx(0.5, abs=0.1)


def test_classes_are_taken_in_turn():
    shape = SHAPE.model_copy(update={"c_dim": 3, "embedding": 4})
    sampler = StandIn(card=CARD.model_copy(update={"shape": shape}))
    taken = []

    def noted(z, labels=None, *, psi=1.0):
        taken.extend(labels)
        return StandIn.map(sampler, z, labels, psi=psi)

    sampler.map = noted
    finish(fit_sliders(sampler, samples=50, smoothing_px=0))
    assert taken[:5] == [0, 1, 2, 0, 1]
    taken.clear()
    finish(fit_sliders(sampler, samples=50, labels=[2], smoothing_px=0))
    assert set(taken) == {2}


def test_colour_generators_are_measured_in_grey(sampler):
    class Coloured(StandIn):
        def images(self, ws, *, noise="const"):
            return np.repeat(super().images(ws), 3, axis=1)

    one, other = (finish(fit_sliders(s, samples=60, smoothing_px=0)) for s in (sampler, Coloured()))
    assert one.sliders == other.sliders


def test_lengths_have_the_unit_of_the_card(sampler, sliders):
    scaled = StandIn(card=CARD.model_copy(update={"nm_per_pixel": 50.0}))
    one = finish(fit_sliders(scaled, samples=60, smoothing_px=0))
    assert one.unit("island_size") == "µm"
    assert one.unit("phase_fraction") == ""
    assert sliders.unit("boundary_density") == "1/px"
    assert one.slider("island_size").mean == pytest.approx(0.05 * sliders.slider("island_size").mean, rel=0.2)


@pytest.mark.parametrize(
    ("sampler_of", "options", "words"),
    [
        (StandIn, {"samples": 20}, "too few"),
        (StandIn, {"threshold": 250.0}, "show both phases"),
        (lambda: StandIn(blank=True), {}, "one grey value"),
    ],
)
def test_what_cannot_be_fitted_is_refused(sampler_of, options, words):
    with pytest.raises(InputError, match=words):
        finish(fit_sliders(sampler_of(), **{"samples": 60, "smoothing_px": 0} | options))


def test_unknown_measures_and_targets_are_refused(sliders, others):
    with pytest.raises(InputError, match="no slider for 'colour'"):
        sliders.moved(others, {"colour": 1})
    with pytest.raises(InputError, match="no finite number"):
        sliders.moved(others, {"phase_fraction": float("nan")})


def test_nothing_wanted_is_nothing_changed(sliders, others):
    np.testing.assert_array_equal(sliders.moved(others, {}), others)
    np.testing.assert_array_equal(sliders.moved(others, {}, ["phase_fraction"]), others)


def test_a_file_gives_the_same_sliders_back(tmp_path, sliders):
    path = sliders_path(tmp_path / "steel.v2.safetensors")
    assert path.name == "steel.v2.sliders.json"
    save_sliders(path, sliders)
    assert load_sliders(path, CARD) == sliders
    assert [one.name for one in load_sliders(path, CARD).sliders] == [one.name for one in SLIDING]


def test_sliders_of_another_generator_are_refused(tmp_path, sliders):
    path = tmp_path / "net.sliders.json"
    save_sliders(path, sliders)
    with pytest.raises(InputError, match="fitted to another generator"):
        load_sliders(path, CARD.model_copy(update={"weights_sha256": "b" * 64}))


def _broken(sliders: Sliders, kind: str) -> bytes:
    values = json.loads(sliders.model_dump_json())
    match kind:
        case "cut":
            return sliders.model_dump_json().encode()[:-40]
        case "bytes":
            return b"\xff\xfe\x00"
        case "deep":
            return b"[" * 100_000
        case "nan":
            return sliders.model_dump_json().replace('"r2":', '"r2":NaN,"x":', 1).encode()
        case "short":
            values["sliders"][0]["gradient"].pop()
        case "twice":
            values["sliders"][1] = values["sliders"][0]
        case "unknown":
            values["sliders"][0]["name"] = "colour"
        case "newer":
            values["schema_version"] = 99
    return json.dumps(values).encode()


@pytest.mark.parametrize("kind", ["cut", "bytes", "deep", "nan", "short", "twice", "unknown", "newer"])
def test_damaged_files_are_refused_with_their_name(tmp_path, sliders, kind):
    path = tmp_path / "net.sliders.json"
    path.write_bytes(_broken(sliders, kind))
    with pytest.raises(InputError, match=r"net\.sliders\.json"):
        load_sliders(path, CARD)


@pytest.mark.parametrize("noise", ["const", "none"])
def test_sliders_know_the_noise_of_their_samples(tmp_path, noise):
    class Noisy(StandIn):
        def images(self, ws, *, noise="const"):
            seen.add(noise)
            return super().images(ws)

    seen = set()
    found = finish(fit_sliders(Noisy(), samples=60, smoothing_px=0, noise=noise))
    assert seen == {noise}
    path = tmp_path / "net.sliders.json"
    save_sliders(path, found)
    assert load_sliders(path, CARD).noise == found.noise == noise


def test_files_that_do_not_tell_the_noise_are_read(tmp_path, sliders):
    values = json.loads(sliders.model_dump_json())
    assert values.pop("noise") == "const"
    path = tmp_path / "net.sliders.json"
    path.write_text(json.dumps(values))
    assert load_sliders(path, CARD) == sliders.model_copy(update={"noise": None})
    path.write_text(json.dumps({**values, "noise": "random"}))
    with pytest.raises(InputError, match="noise"):
        load_sliders(path, CARD)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pipes among files")
def test_what_is_no_file_is_refused_at_once(tmp_path):
    path = tmp_path / "net.sliders.json"
    path.mkdir()
    with pytest.raises(InputError, match=r"net\.sliders\.json: is no file; choose a file of sliders"):
        load_sliders(path, CARD)
    path.rmdir()
    os.mkfifo(path)
    for pipe in (path, Path(os.devnull)):
        with pytest.raises(InputError, match="is no file; choose a file of sliders"):
            load_sliders(pipe, CARD)


def test_missing_and_oversized_files_are_refused(tmp_path, monkeypatch, sliders):
    path = tmp_path / "net.sliders.json"
    with pytest.raises(InputError, match="cannot be read"):
        load_sliders(path, CARD)
    save_sliders(path, sliders)
    monkeypatch.setattr("glissile.gan.sliders.file._MOST_BYTES", 100)
    with pytest.raises(InputError, match="is larger than"):
        load_sliders(path, CARD)
