"""Images that a generator made are found again in its latent space."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.func import functional_call

from glissile.errors import InputError
from glissile.gan.features import Distance, pixel_distance, texture_distance
from glissile.gan.networks import Generator
from glissile.gan.noise_maps import noise_correlation, standardise
from glissile.gan.pixels import as_pixels
from glissile.gan.projection import Projection, Stop, project
from glissile.gan.projection_settings import ProjectionSettings
from glissile.gan.randomised import random_generator
from glissile.gan.spread import spread_of_w
from glissile.io.generator_card import GeneratorShape, widths_of
from glissile.progress import Step, finish

QUICK = ProjectionSettings(steps=20, samples=30, starts=2, device="cpu")


def generator_of(
    seed: int = 0, *, resolution: int = 32, channels: int = 1, classes: int = 0, **more: object
) -> Generator:
    """Random weights, the images scaled so that few grey values are cut off."""
    given: dict[str, object] = {
        "resolution": resolution,
        "channels": channels,
        "widths": widths_of(resolution, 512, 32),
        "z_dim": 24,
        "w_dim": 24,
        "c_dim": classes,
        "embedding": 8 if classes else 0,
        "mapping_layers": 3,
        "mapping_width": 24,
    }
    generator, _ = random_generator(GeneratorShape.model_validate(given | more), seed)
    with torch.no_grad():
        for name, tensor in generator.named_parameters():
            if ".torgb." in name and "affine" not in name:
                tensor *= 0.15
    return generator


def vectors(generator: Generator, seed: int, n: int = 1) -> Tensor:
    """Vectors w (n, w_dim) of random z."""
    z = np.random.RandomState(seed).randn(n, generator.shape.z_dim).astype(np.float32)
    w: Tensor = generator.mapping(torch.from_numpy(z))
    return w


def made(generator: Generator, ws: Tensor) -> np.ndarray:
    """Grey values of one image."""
    return as_pixels(generator.synthesis(ws).numpy())[0]


def made_of_seed(generator: Generator, seed: int) -> np.ndarray:
    return made(generator, generator.for_all_layers(vectors(generator, seed)))


def best_of(generator: Generator, target: np.ndarray, distance: Distance, n: int = 1000) -> float:
    """Distance of the best of `n` random images."""
    measured = distance(torch.from_numpy(target))
    ws = generator.for_all_layers(vectors(generator, 4321, n))
    return min(measured(generator.synthesis(some)).min().item() for some in ws.split(100))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_an_image_of_the_generator_is_found_again(seed: int) -> None:
    generator = generator_of(seed)
    image = made_of_seed(generator, 1000 + seed)
    found = finish(project(generator, image, ProjectionSettings(device="cpu")))
    reached = found.distances
    assert reached["distance"] < 0.03 * best_of(generator, found.target, texture_distance)
    assert reached["rms"] ** 2 < 0.03 * best_of(generator, found.target, pixel_distance)
    assert reached["psnr_db"] > 38
    assert reached["distance"] < reached["of_best_sample"] < reached["of_mean"]
    assert reached["between_layers"] == 0
    np.testing.assert_allclose(found.residual, found.target - found.image)
    assert np.sqrt(np.mean(found.residual**2)) == pytest.approx(reached["rms"], rel=1e-4)
    again = generator.synthesis(torch.from_numpy(found.ws)[None])[0].numpy()
    np.testing.assert_allclose(again, found.image, atol=1e-4)
    assert found.ws.shape == (generator.shape.num_ws, generator.shape.w_dim)
    assert found.ws.dtype == np.float32


def test_freed_layers_show_what_one_vector_cannot() -> None:
    generator = generator_of(3)
    ws = generator.for_all_layers(vectors(generator, 1)).clone()
    ws[:, 4:] = vectors(generator, 2)
    image = made(generator, ws)
    settings = ProjectionSettings(device="cpu", samples=100)
    of_w = finish(project(generator, image, settings)).distances
    of_ws = finish(project(generator, image, settings.model_copy(update={"space": "w+"}))).distances
    tied = finish(
        project(generator, image, settings.model_copy(update={"space": "w+", "closeness": 1.0}))
    ).distances
    assert of_ws["distance"] < 0.6 * of_w["distance"]
    assert 0 < tied["between_layers"] < 0.7 * of_ws["between_layers"]


def test_fitted_noise_shows_grain_and_stays_noise() -> None:
    generator = generator_of(4)
    other = {
        name: torch.from_numpy(np.random.RandomState(i).randn(*tensor.shape).astype(np.float32))
        for i, (name, tensor) in enumerate(generator.synthesis.named_buffers())
    }
    ws = generator.for_all_layers(vectors(generator, 1))
    image = as_pixels(functional_call(generator.synthesis, other, (ws,)).numpy())[0]
    settings = ProjectionSettings(device="cpu", samples=100)
    fixed = finish(project(generator, image, settings))
    fitted = finish(project(generator, image, settings.model_copy(update={"noise": "optimised"})))
    assert not fixed.noise
    assert fitted.distances["distance"] < 0.3 * fixed.distances["distance"]
    maps = {name: torch.from_numpy(one) for name, one in fitted.noise.items()}
    assert {name: one.shape for name, one in maps.items()} == {n: t.shape for n, t in other.items()}
    for one in maps.values():
        assert one.mean().item() == pytest.approx(0, abs=1e-4)
        assert one.square().mean().item() == pytest.approx(1, abs=1e-3)
    assert noise_correlation(maps.values()).item() < 2
    again = functional_call(generator.synthesis, maps, (torch.from_numpy(fitted.ws)[None],))[0]
    np.testing.assert_allclose(again.numpy(), fitted.image, atol=1e-4)


def test_steps_count_improve_and_show() -> None:
    generator = generator_of(5, channels=3)
    steps: list[Step] = []
    image = made_of_seed(generator, 1)
    settings = QUICK.model_copy(update={"space": "w+", "noise": "optimised"})
    finish(project(generator, image, settings), steps.append)
    indices = [step.index for step in steps]
    assert indices == sorted(indices)
    assert steps[-1].index == steps[-1].total == 1 + 20
    assert all(step.preview is not None and step.preview.shape == (32, 32, 3) for step in steps)
    # The price of freed layers is what is minimised together with the distance.
    of_w = [step.metrics["distance"] for step in steps if step.message in ("Searching", "Settling")]
    assert of_w == sorted(of_w, reverse=True)
    assert [*dict.fromkeys(step.message for step in steps)] == [
        "Looking at samples",
        "Searching",
        "Settling",
        "Freeing the layers",
        "Fitting noise",
    ]


def stopped_after(generator: Generator, image: np.ndarray, steps: int) -> Projection:
    work = project(generator, image, QUICK)
    for _ in range(steps):
        next(work)
    with pytest.raises(StopIteration) as over:
        work.send(Stop())
    found: Projection = over.value.value
    return found


def test_a_stopped_projection_gives_its_best() -> None:
    generator = generator_of(6)
    image = made_of_seed(generator, 1)
    distances = [stopped_after(generator, image, steps).distances["distance"] for steps in (1, 4, 7)]
    assert distances[0] > distances[1] > distances[2]
    work = project(generator, image, QUICK)
    next(work)
    work.close()


def test_equal_seeds_give_equal_results_and_nothing_else_is_touched() -> None:
    generator = generator_of(7)
    image = made_of_seed(generator, 1)
    before = {name: tensor.clone() for name, tensor in generator.state_dict().items()}
    settings = QUICK.model_copy(update={"noise": "optimised"})
    generator.train().requires_grad_()
    torch.manual_seed(1)
    state = torch.get_rng_state()
    one = finish(project(generator, image, settings))
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    two = finish(project(generator, image, settings))
    np.testing.assert_array_equal(one.ws, two.ws)
    np.testing.assert_array_equal(one.image, two.image)
    other = finish(project(generator, image, settings.model_copy(update={"seed": 1})))
    assert (other.ws != one.ws).any()
    for name, tensor in generator.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    assert generator.training
    assert all(tensor.requires_grad for tensor in generator.parameters())


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_grey_and_colour_images_of_any_size(channels: int, kind: type) -> None:
    generator = generator_of(8, resolution=16, channels=channels)
    drawn = (np.random.RandomState(0).rand(23, 40) * 200).astype(kind)
    for image in (drawn, np.repeat(drawn[..., None], 3, axis=2)):
        found = finish(project(generator, image, QUICK))
        assert found.image.shape == found.target.shape == (channels, 16, 16)
        assert found.distances["distance"] < found.distances["of_mean"]


@pytest.mark.parametrize("architecture", ["resnet", "orig"])
def test_other_generators(architecture: str) -> None:
    generator = generator_of(9, resolution=16, architecture=architecture, noise=architecture == "orig")
    settings = QUICK.model_copy(update={"noise": "optimised", "samples": 0})
    found = finish(project(generator, made_of_seed(generator, 1), settings))
    assert bool(found.noise) == generator.shape.noise or not found.noise
    assert "of_best_sample" not in found.distances
    assert found.distances["distance"] < found.distances["of_mean"]


def test_classes() -> None:
    generator = generator_of(10, resolution=16, classes=3)
    image = np.random.RandomState(0).randint(0, 255, (16, 16)).astype(np.uint8)
    finish(project(generator, image, QUICK))
    finish(project(generator, image, QUICK, label=2))
    assert not torch.equal(spread_of_w(generator, 0).mean, spread_of_w(generator, 2).mean)
    with pytest.raises(InputError, match="no class 3"):
        finish(project(generator, image, QUICK, label=3))


def test_what_is_not_finite_ends_with_a_sentence() -> None:
    image = np.zeros((16, 16), np.uint8)
    generator = generator_of(11, resolution=16)
    with torch.no_grad():
        generator.get_parameter("synthesis.b8.conv0.bias")[0] = torch.nan
    with pytest.raises(InputError, match="distance is not finite in step 0"):
        finish(project(generator, image, QUICK))
    with torch.no_grad():
        generator.get_parameter("mapping.fc0.bias")[0] = torch.inf
    with pytest.raises(InputError, match="w that are not finite"):
        finish(project(generator, image, QUICK))


def test_coordinates_of_w_are_in_its_own_units() -> None:
    generator = generator_of(12)
    spread = spread_of_w(generator)
    v = spread.coordinates_of(spread.samples)
    torch.testing.assert_close(spread.w_of(v), spread.samples, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(v.mean(dim=0), torch.zeros(24), atol=1e-3, rtol=0)
    covariance = v.T @ v / len(v)
    torch.testing.assert_close(covariance, torch.eye(24), atol=1e-2, rtol=0)


def test_a_generator_whose_w_never_changes() -> None:
    generator = generator_of(13, resolution=16)
    with torch.no_grad():
        generator.get_parameter("mapping.fc2.weight").zero_()
    found = finish(project(generator, made_of_seed(generator, 1), QUICK))
    assert np.isfinite(found.ws).all()
    assert found.distances["rms"] < 0.01


def test_correlation_tells_noise_from_an_image() -> None:
    white = [torch.from_numpy(np.random.RandomState(i).randn(64, 64).astype(np.float32)) for i in range(20)]
    assert 0.6 < noise_correlation(white).item() < 1.5
    smooth = [torch.nn.functional.avg_pool2d(one[None], 3, 1, 1)[0] for one in white]
    standardise(smooth)
    assert smooth[0].square().mean().item() == pytest.approx(1, abs=1e-4)
    assert noise_correlation(smooth).item() > 50
    standardise(flat := [torch.ones(4, 4)])
    assert flat[0].abs().max() == 0
