"""How quickly generators make images, as ratios to a plain implementation in the same run.

Generators with random weights, 512 px, one channel, of both usual sizes. The plain implementation, written
here, makes weights for each image, convolves the batch in groups with maps (n, c, y, x), and lets every
operation take fresh memory. Ways that are compared take turns. Previews are single images in quick precision,
stopped at a block; "late layers" changes the w of layers above 128 px and up from image to image.

On the processor: one thread, seconds that the process computed, so that other work counts less; beside it how
long products of matrices with as many operations take on this machine. Of several threads: seconds that pass.

    python benchmarks/generator_speed.py
    python benchmarks/generator_speed.py --threads 2
    python benchmarks/generator_speed.py --device cuda
"""

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812
from torch.utils.flop_counter import FlopCounterMode

from glissile.device import choose, describe, quick_precision
from glissile.gan.layers import EPSILON, rectified
from glissile.gan.networks import Generator, Layer
from glissile.gan.randomised import random_generator
from glissile.gan.resample import filter_of
from glissile.gan.sampler import Sampler
from glissile.io.generator_card import GeneratorShape, widths_of

RESOLUTION = 512
CHANNEL_BASES = (16384, 32768)
BATCHES = (1, 4)
GRAPHICS_BATCHES = (1, 4, 16)
PREVIEWS = (32, 64, 128, 256)
LATE = 12  # the first layer at 256 px
CLOSE = 1e-5  # largest difference, over the largest magnitude

Array = NDArray[np.float32]
Way = Callable[[Array], object]


def shape_of(channel_base: int) -> GeneratorShape:
    return GeneratorShape(
        resolution=RESOLUTION,
        channels=1,
        widths=widths_of(RESOLUTION, channel_base),
        z_dim=512,
        w_dim=512,
        mapping_layers=2,
        mapping_width=512,
    )


def grouped(layer: Layer, x: Tensor, w: Tensor) -> Tensor:
    """Map x (n, c, y, x) as `layer` does, with weights for each image and the batch as groups."""
    n, (outputs, inputs) = len(x), layer.weight.shape[:2]
    weight = layer.weight[None] * layer.affine(w)[:, None, :, None, None]
    weight = weight * (weight.square().sum(dim=(2, 3, 4), keepdim=True) + EPSILON).rsqrt()
    x = x.reshape(1, n * inputs, *x.shape[2:])
    if layer.up:
        weight = weight.transpose(1, 2).reshape(n * inputs, outputs, 3, 3)
        x = F.conv_transpose2d(x, weight, stride=2, groups=n)
        kernel = (4 * filter_of(x)).expand(n * outputs, 1, 4, 4)
        x = F.conv2d(x, kernel, padding=1, groups=n * outputs)
    else:
        x = F.conv2d(x, weight.reshape(n * outputs, inputs, 3, 3), padding=1, groups=n)
    x = x.reshape(n, outputs, *x.shape[2:])
    x = x + layer.noise_const * layer.noise_strength
    return rectified(x + layer.bias[:, None, None], clamp=layer.clamp)


@torch.inference_mode()
def plain(generator: Generator, ws: Array) -> Array:
    """Make images (n, c, y, x) of ws (n, num_ws, w_dim) in the plain way; skip architecture."""
    device = generator.mapping.w_avg.device
    each = torch.from_numpy(ws).to(device)
    x = generator.synthesis.b4.const.repeat(len(ws), 1, 1, 1)
    image = torch.zeros(len(ws), 1, 2, 2, device=device)
    for i, resolution in enumerate(generator.shape.resolutions):
        block = generator.synthesis.get_submodule(f"b{resolution}")
        if i:
            x = grouped(block.conv0, x, each[:, 2 * i - 1])
        x = grouped(block.conv1, x, each[:, 2 * i])
        wide = F.conv_transpose2d(image, 4 * filter_of(image)[None, None], stride=2, padding=1)
        image = wide + block.torgb(x, each[:, 2 * i + 1])
    return image.cpu().numpy()


@torch.inference_mode()
def reference(generator: Generator, ws: Array) -> Array:
    device = generator.mapping.w_avg.device
    made: Tensor = generator.synthesis(torch.from_numpy(ws).to(device))
    return made.cpu().numpy()


class Bench:
    """A generator, and the ways to make images with it."""

    def __init__(self, channel_base: int, device: str) -> None:
        generator, card = random_generator(shape_of(channel_base), seed=0)
        self.shape, self.device = card.shape, choose(device)
        self.sampler = Sampler(generator, card, device=device)
        self.ways: dict[str, Way] = {
            "plain, grouped": lambda ws: plain(generator, ws),
            "networks.py": lambda ws: reference(generator, ws),
            "Sampler, float32": self.sampler.images,
            f"Sampler, quick ({self.quick})": lambda ws: self.sampler.images(ws, precision="quick"),
        }

    @property
    def quick(self) -> str:
        """Name of the quick precision."""
        return str(quick_precision(self.device)).removeprefix("torch.")

    def ws(self, count: int, seed: int) -> Array:
        """Draw ws (count, num_ws, w_dim)."""
        z = np.random.RandomState(seed).randn(count, self.shape.z_dim)
        return self.sampler.map(z)

    def check(self) -> None:
        """Print how far apart the ways are."""
        ws = self.ws(2, 0)
        first, *others = ((name, np.asarray(way(ws))) for name, way in self.ways.items())
        for name, found in others:
            apart = np.abs(found - first[1]).max() / np.abs(first[1]).max()
            print(f"{name}: differs by {apart:.1e} of the largest magnitude", flush=True)
            assert apart < CLOSE or "quick" in name


def clock(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
    elif torch.get_num_threads() == 1:
        return time.process_time()
    return time.perf_counter()


def page_faults() -> int:
    """Pages of memory that this process touched first; 0 where the system does not say."""
    try:
        import resource
    except ImportError:
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def measured(
    works: dict[str, Callable[[int], object]], device: torch.device, times: int
) -> dict[str, tuple[float, float]]:
    """Median seconds and page faults of each work, which take turns; the first two calls do not count."""
    found: dict[str, list[tuple[float, int]]] = {name: [] for name in works}
    for turn in range(times + 2):
        for name, work in works.items():
            faults, began = page_faults(), clock(device)
            work(turn)
            found[name].append((clock(device) - began, page_faults() - faults))
    return {
        name: tuple(statistics.median(column) for column in zip(*taken[2:], strict=True))
        for name, taken in found.items()
    }


def operations(bench: Bench) -> float:
    """Count the operations of one image: two for a multiplication with its addition."""
    ws = bench.ws(1, 0)
    with FlopCounterMode(display=False) as counter:
        bench.ways["networks.py"](ws)
    return float(counter.get_total_flops())


def whole_images(bench: Bench, batches: tuple[int, ...], times: int) -> None:
    print("\n| batch | way | ms per image | images/s | x plain | page faults per image |")
    print("| --- | --- | --- | --- | --- | --- |")
    for batch in batches:
        given = [bench.ws(batch, seed) for seed in range(times + 2)]
        works = {
            name: lambda turn, way=way, given=given: way(given[turn]) for name, way in bench.ways.items()
        }
        found = measured(works, bench.device, times)
        base = found["plain, grouped"][0]
        for name, (seconds, faults) in found.items():
            print(
                f"| {batch} | {name} | {1e3 * seconds / batch:.1f} | {batch / seconds:.1f} "
                f"| {base / seconds:.2f} | {faults / batch:.0f} |",
                flush=True,
            )


def single_images(bench: Bench, times: int) -> None:
    """Print how quick previews and changes of late layers are."""
    sampler = bench.sampler
    turns = range(times + 2)
    # Each work has images of its own, of which nothing is computed yet.
    works: dict[str, Callable[[int], object]] = {}
    for size in PREVIEWS:
        ws = [bench.ws(1, 1000 * size + turn)[0] for turn in turns]
        works[f"preview of {size} px, {bench.quick}"] = lambda turn, size=size, ws=ws: sampler.preview(
            ws[turn], resolution=size
        )
    found = measured(works, bench.device, times)
    late = [bench.ws(1, seed) for seed in turns]
    for ws in late:
        ws[:, :LATE] = late[0][:, :LATE]
    for precision in ("float32", "quick"):
        work = lambda turn, precision=precision: sampler.images(late[turn], precision=precision)  # noqa: E731
        found |= measured({f"late layers, {precision}": work}, bench.device, times)
    print("\n| what | ms | images/s |")
    print("| --- | --- | --- |")
    for name, (seconds, _) in found.items():
        print(f"| {name} | {1e3 * seconds:.1f} | {1 / seconds:.1f} |", flush=True)


def attainable(device: torch.device) -> dict[str, float]:
    """Measure how many operations a second products of matrices come to, by precision."""
    found = {}
    for dtype in (torch.float32, quick_precision(device)):
        a = torch.randn(1024, 1024, device=device).to(dtype)
        seconds = measured({"": lambda _, a=a: a @ a}, device, 9)[""][0]
        found[str(dtype).removeprefix("torch.")] = 2 * 1024**3 / seconds
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--times", type=int, default=5, help="calls of each way that count")
    parser.add_argument("--threads", type=int, default=1, help="of the processor")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    torch.backends.cudnn.allow_tf32 = False  # all that is called float32 is
    device = choose(chosen.device)
    rates = attainable(device)
    allocator = {k: v for k, v in os.environ.items() if k.startswith(("MALLOC_", "THP_MEM", "LD_PRELOAD"))}
    system = " ".join(platform.libc_ver()).strip() or platform.system()
    print(
        f"{describe(device)}, torch {torch.__version__}, {system}, {chosen.threads} thread(s), "
        f"allocator: {allocator or 'default'}; products of matrices: "
        + ", ".join(f"{name} {rate / 1e9:.0f} GFLOP/s" for name, rate in rates.items())
    )
    for channel_base in CHANNEL_BASES:
        print(f"\n**channel_base {channel_base}**\n")
        bench = Bench(channel_base, chosen.device)
        bench.check()
        n = operations(bench)
        as_products = ", ".join(f"{name} {1e3 * n / rate:.0f} ms" for name, rate in rates.items())
        print(f"{n / 1e9:.1f} GFLOP per image; as products of matrices: {as_products}", flush=True)
        whole_images(bench, BATCHES if device.type == "cpu" else GRAPHICS_BATCHES, chosen.times)
        single_images(bench, chosen.times)


if __name__ == "__main__":
    main()
