"""How close projections come to an image, as ratios to the plain way in the same run.

Images of generators with random weights, of which the truth is known, and crops of micrographs. The plain way
minimises the mean squared difference of pixels over one w, from the mean of w, by Adam alone. All ways take
as many steps; but the others look at samples before, except from the mean, and in the first fifth of their
steps at four images. All are measured by both distances: medians, and medians of the ratios, of which those
below 1 are closer than the plain way.

A generator with random weights shows no microstructure. On micrographs the numbers tell how well the search
works, and nothing about how faithful the projections of a trained generator are.

    python benchmarks/projection.py
    python benchmarks/projection.py --resolution 128 --device cuda --micrographs FOLDER
    python benchmarks/projection.py --generator NET --micrographs FOLDER
"""

import argparse
import math
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from glissile.device import choose, describe
from glissile.gan import weights
from glissile.gan.features import Distance, Lpips, pixel_distance, texture_distance
from glissile.gan.networks import Generator
from glissile.gan.pixels import as_pixels
from glissile.gan.projection import project
from glissile.gan.projection_settings import ProjectionSettings
from glissile.gan.randomised import random_generator
from glissile.gan.spread import spread_of_w
from glissile.gan.target import as_target
from glissile.io.generator_card import GeneratorShape, widths_of
from glissile.progress import finish

MICROGRAPHS = Path(__file__).resolve().parents[2] / "shared" / "data" / "twip-8.4um" / "images"
# Random images are faint enough that their grey values are not cut off.
FAINT = 0.15


def random_of(seed: int, resolution: int) -> Generator:
    shape = GeneratorShape(
        resolution=resolution,
        channels=1,
        widths=widths_of(resolution, 32 * resolution, 128),
        z_dim=64,
        w_dim=64,
        mapping_layers=4,
        mapping_width=64,
    )
    generator, _ = random_generator(shape, seed)
    with torch.no_grad():
        for name, tensor in generator.named_parameters():
            if ".torgb." in name and "affine" not in name:
                tensor *= FAINT
    return generator


def opened(path: Path) -> Generator:
    from glissile.io.generator_file import read_generator

    found = read_generator(path)
    generator = Generator(found.card.shape)
    weights.load(generator, found.tensors)
    return generator.eval().requires_grad_(requires_grad=False)


def plain(generator: Generator, target: Tensor, steps: int, rate: float = 0.1) -> Tensor:
    """Minimise differences of pixels, from the mean of w, by Adam; gives ws (num_ws, w_dim)."""
    spread = spread_of_w(generator)
    w = spread.mean[None].clone().requires_grad_()
    measured, optimiser = pixel_distance(target), torch.optim.Adam([w], lr=rate)
    for i in range(steps):
        fall = 0.5 - 0.5 * math.cos(math.pi * min(1, (1 - i / steps) / 0.25))
        optimiser.param_groups[0]["lr"] = rate * fall * min(1, (i + 1) / steps / 0.05)
        optimiser.zero_grad()
        measured(generator.synthesis(generator.for_all_layers(w))).sum().backward()
        optimiser.step()
    return generator.for_all_layers(w.detach())[0]


def ways(lpips: Path | None) -> dict[str, tuple[Distance, dict[str, object]]]:
    found: dict[str, tuple[Distance, dict[str, object]]] = {
        "w, pixels": (pixel_distance, {}),
        "w, texture": (texture_distance, {}),
        "w, texture, from the mean": (texture_distance, {"samples": 0, "starts": 1}),
        "w+, pixels": (pixel_distance, {"space": "w+"}),
        "w+, texture": (texture_distance, {"space": "w+"}),
        "w, texture, noise fitted": (texture_distance, {"noise": "optimised"}),
    }
    if lpips:
        found["w, LPIPS"] = (Lpips.read(lpips), {})
        found["w+, LPIPS"] = (Lpips.read(lpips), {"space": "w+"})
    return found


def targets(options: argparse.Namespace) -> Iterator[tuple[str, Generator, NDArray[np.uint8]]]:
    for seed in range(options.seeds):
        generator = opened(options.generator) if options.generator else random_of(seed, options.resolution)
        z = np.random.RandomState(1000 + seed).randn(1, generator.shape.z_dim).astype(np.float32)
        ws = generator.for_all_layers(generator.mapping(torch.from_numpy(z)))
        yield "generated", generator, as_pixels(generator.synthesis(ws).numpy())[0]
        files = sorted(options.micrographs.glob("*.png")) if options.micrographs.is_dir() else []
        if files:
            frame = cv2.imread(str(files[seed * 7 % len(files)]), cv2.IMREAD_GRAYSCALE)
            yield "micrograph", generator, frame


def distances_of(target: Tensor, image: Tensor) -> tuple[float, float]:
    """Distances in grey values (root mean square) and in texture."""
    pixels = pixel_distance(target)(image[None]).sqrt().item()
    return pixels, texture_distance(target)(image[None]).item()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--resolution", type=int, default=64, help="of random generators, pixels")
    parser.add_argument("--seeds", type=int, default=3, help="how many generators and images of each kind")
    parser.add_argument("--steps", type=int, nargs="+", default=[50, 200])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--generator", type=Path, help="a trained one, in place of random ones")
    parser.add_argument("--micrographs", type=Path, default=MICROGRAPHS, help="folder of PNG files")
    parser.add_argument("--lpips", type=Path, help="weights of LPIPS, safetensors")
    options = parser.parse_args()
    where = choose(options.device)
    print(f"{describe(where)}; {'trained' if options.generator else 'random'} generator")
    found: dict[tuple[str, int, str], list[tuple[float, float]]] = {}
    for kind, generator, image in targets(options):
        on_device = generator.to(where)
        target = torch.from_numpy(as_target(image, generator.shape)).to(where)
        for steps in options.steps:
            ws = plain(on_device, target, steps)
            reached = distances_of(target, on_device.synthesis(ws[None])[0])
            found.setdefault((kind, steps, "plain"), []).append(reached)
            for name, (distance, changes) in ways(options.lpips).items():
                settings = ProjectionSettings.model_validate(
                    {"steps": steps, "device": options.device, **changes}
                )
                done = finish(project(generator, image, settings, distance=distance))
                reached = distances_of(target, torch.from_numpy(done.image).to(where))
                found.setdefault((kind, steps, name), []).append(reached)
    print("| image | steps | way | rms | texture | rms, of plain | texture, of plain |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for (kind, steps, name), values in found.items():
        ratios = np.log(values) - np.log(found[kind, steps, "plain"])
        cells = [f"{value:.4f}" for value in np.median(values, axis=0)]
        cells += [f"{ratio:.2f}" for ratio in np.exp(np.median(ratios, axis=0))]
        print(f"| {kind} | {steps} | {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
