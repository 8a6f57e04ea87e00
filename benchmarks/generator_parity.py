"""How near our StyleGAN2 is to the numbers that the official program gave.

    python benchmarks/generator_parity.py

The numbers lie in `../shared/gan/fixtures`, beside the repository. Printed are the largest difference and
what it is measured in; the quick engine that makes the images of the program is beside the plain networks.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "gan"))

from stylegan_fixtures import CASES, FIXTURES, Case

from glissile.gan.losses import path_lengths, r1_penalty
from glissile.gan.pixels import as_pixels
from glissile.gan.sampler import Sampler
from glissile.io.generator_card import GeneratorCard

Row = tuple[str, float, str]


def rows_of(case: Case) -> Iterator[Row]:
    generator, discriminator = case.generator().eval(), case.discriminator().eval()
    sampler = Sampler(case.generator(), GeneratorCard(shape=case.generator_shape()), device="cpu")
    with torch.no_grad():
        w = generator.mapping(case.io("z"), case.labels("c"))
        yield "w", difference(w, case.io("w_psi1")), "absolute"
        ws = generator.for_all_layers(w)[:2]
        for noise in ("const", "none"):
            wanted = case.io(f"img_{noise}")
            plain = generator.synthesis(ws, noise)
            yield (
                f"image, noise {noise}, plain",
                relative(plain, wanted),
                "of the largest",
            )
            quick = torch.from_numpy(sampler.images(ws.numpy(), noise=noise))
            yield (
                f"image, noise {noise}, quick",
                relative(quick, wanted),
                "of the largest",
            )
        other = as_pixels(quick.numpy()) != as_pixels(wanted.numpy())
        yield "pixels that differ", float(np.mean(other)), "share"
        each = case.io("img_per_layer_const")
        made = generator.synthesis(case.io("ws_per_layer"))
        yield "image, a w for each layer", relative(made, each), "of the largest"
        images, labels = case.io("d_images_u8").float() / 127.5 - 1, case.labels("d_c")
        worst = max(
            difference(
                discriminator(images[:n], None if labels is None else labels[:n]), case.io(f"d_logits_n{n}")
            )
            for n in (8, 4, 2, 1)
        )
        yield "logits, 8, 4, 2 and 1 images", worst, "absolute"
    if case.has("r1_penalty_n4"):
        wanted = case.io("r1_penalty_n4")
        found = r1_penalty(images[:4], discriminator).detach()
        yield "R1", relative(found, wanted), "of the largest"
        ws = generator.for_all_layers(generator.mapping(case.io("z")))
        lengths = path_lengths(generator.synthesis(ws), ws, case.io("pl_unit_noise")).detach()
        wanted = case.io("pl_lengths")
        yield "path lengths", relative(lengths, wanted), "of the largest"


def difference(found: torch.Tensor, wanted: torch.Tensor) -> float:
    return float((found - wanted).abs().max())


def relative(found: torch.Tensor, wanted: torch.Tensor) -> float:
    return difference(found, wanted) / float(wanted.abs().max())


def main() -> None:
    if not FIXTURES.is_dir():
        raise SystemExit(f"the numbers of the official program are not at {FIXTURES}")
    found = {name: {what: (value, unit) for what, value, unit in rows_of(Case(name))} for name in CASES}
    print("| largest difference | in | " + " | ".join(CASES) + " |")
    print("| --- | --- | " + "--- | " * len(CASES))
    for what, (_, unit) in found[CASES[0]].items():
        values = [f"{found[name][what][0]:.1e}" if what in found[name] else "" for name in CASES]
        print(f"| {what} | {unit} | " + " | ".join(values) + " |")


if __name__ == "__main__":
    main()
