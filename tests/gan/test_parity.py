"""Our networks give the numbers of the official program."""

import pytest
import torch
from stylegan_fixtures import CASES, Case, needs_fixtures

from glissile.gan.discriminator import Discriminator
from glissile.gan.losses import generator_loss, path_length_penalty, path_lengths, r1_penalty
from glissile.gan.networks import Generator
from glissile.gan.pixels import as_pixels

pytestmark = needs_fixtures


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return Case(request.param)


@pytest.fixture(scope="module")
def trained() -> Case:
    return Case("a_32_gray")


def relative(found: torch.Tensor, wanted: torch.Tensor) -> float:
    assert found.shape == wanted.shape
    return float((found.detach() - wanted).abs().max() / wanted.abs().max())


def truncated(generator: Generator, w: torch.Tensor, psi: float) -> torch.Tensor:
    return generator.mapping.w_avg.lerp(w, psi)


@torch.no_grad()
def test_w(case: Case) -> None:
    generator = case.generator()
    w = generator.mapping(case.io("z"), case.labels("c"))
    assert (w - case.io("w_psi1")).abs().max() <= 5e-6
    assert (truncated(generator, w, 0.7) - case.io("w_psi07")).abs().max() <= 5e-6


@torch.no_grad()
@pytest.mark.parametrize("noise", ["const", "none"])
def test_images(case: Case, noise: str) -> None:
    generator = case.generator()
    w = generator.mapping(case.io("z"), case.labels("c"))[:2]
    images = generator.synthesis(generator.for_all_layers(w), noise)
    wanted = case.io(f"img_{noise}")
    assert relative(images, wanted) <= 1e-5
    found, exact = as_pixels(images.numpy()).astype(int), as_pixels(wanted.numpy()).astype(int)
    assert (found == exact).mean() >= 0.999
    assert abs(found - exact).max() <= 1


@torch.no_grad()
def test_every_layer_takes_its_own_w(case: Case) -> None:
    generator = case.generator()
    assert relative(generator.synthesis(case.io("ws_per_layer")), case.io("img_per_layer_const")) <= 1e-5
    ws = generator.for_all_layers(case.io("w_psi1"))
    cut = int(case.io("mix_cut"))
    mixed = torch.cat([ws[:1, :cut], ws[1:2, cut:]], dim=1)
    assert relative(generator.synthesis(mixed), case.io("img_mix_const")) <= 1e-5
    w = truncated(generator, case.io("w_psi1")[2:3], 0.7)
    assert relative(generator.synthesis(generator.for_all_layers(w)), case.io("img_const_psi07")) <= 1e-5


@torch.no_grad()
def test_logits_of_every_batch_size(case: Case) -> None:
    discriminator = case.discriminator()
    images = case.io("d_images_u8").float() / 127.5 - 1
    labels = case.labels("d_c")
    for n in (8, 4, 2, 1):
        logits = discriminator(images[:n], None if labels is None else labels[:n])
        assert (logits - case.io(f"d_logits_n{n}")).abs().max() <= 2e-6, n
    if labels is not None:
        assert (discriminator.mapping(None, labels) - case.io("d_cmap")).abs().max() <= 5e-6


@torch.no_grad()
def test_features_before_the_last_block(case: Case) -> None:
    discriminator = case.discriminator()
    seen = []
    discriminator.b4.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    labels = case.labels("d_c")
    discriminator(case.io("d_images_u8")[:2].float() / 127.5 - 1, None if labels is None else labels[:2])
    assert (seen[0] - case.io("d_feat_into_b4_n2")).abs().max() <= 2e-6


def test_mean_of_w_follows_a_batch(trained: Case) -> None:
    generator = trained.generator()
    generator.mapping.follow(generator.mapping(trained.io("z")))
    assert (generator.mapping.w_avg - trained.io("w_avg_after_one_update")).abs().max() <= 1e-6


def test_r1(trained: Case) -> None:
    discriminator = trained.discriminator()
    images = trained.io("d_images_u8")[:4].float() / 127.5 - 1
    penalty = r1_penalty(images, discriminator)
    assert relative(penalty, trained.io("r1_penalty_n4")) <= 1e-5
    loss = (torch.nn.functional.softplus(-discriminator(images)).flatten() + penalty * 0.05).mean()
    loss.backward()
    assert_gradients(discriminator, trained.facts["Dreal_plus_R1_gamma0.1_gradnorm"])


def test_path_lengths(trained: Case) -> None:
    generator = trained.generator()
    ws = generator.for_all_layers(generator.mapping(trained.io("z")))
    lengths = path_lengths(generator.synthesis(ws), ws, trained.io("pl_unit_noise"))
    assert relative(lengths, trained.io("pl_lengths")) <= 1e-5
    penalty, mean = path_length_penalty(lengths, torch.zeros([]))
    assert abs(float(mean.detach()) / trained.facts["pl_mean_after_first_update"] - 1) <= 1e-5
    assert relative(penalty, torch.tensor(trained.facts["pl_penalty"])) <= 1e-5
    (2 * penalty).mean().backward()
    assert_gradients(generator, trained.facts["Gpl_weight2_gradnorm"])


def test_generator_through_discriminator(trained: Case) -> None:
    generator, discriminator = trained.generator(), trained.discriminator()
    logits = discriminator(generator(trained.io("z")))
    assert relative(logits, trained.io("g_logits_on_fakes")) <= 2e-6
    generator_loss(logits).backward()
    assert_gradients(generator, trained.facts["Gmain_gradnorm"])


def assert_gradients(network: Generator | Discriminator, norms: dict[str, float]) -> None:
    found = {k: float(p.grad.norm()) for k, p in network.named_parameters() if p.grad is not None}
    for name, wanted in norms.items():
        assert found[name] == pytest.approx(wanted, rel=1e-5, abs=1e-9), name
    assert set(norms) <= set(found)
    left = {name: norm for name, norm in found.items() if name not in norms and norm > 0}
    assert not left


def test_sizes(case: Case) -> None:
    for network, count in ((case.generator(), "G_params"), (case.discriminator(), "D_params")):
        assert sum(p.numel() for p in network.parameters()) == case.facts[count]
