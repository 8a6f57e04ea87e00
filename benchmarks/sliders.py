"""How well microstructure sliders set what they say, on images that they were not fitted to.

Sliders are fitted to a generator; then images of other seeds are moved to what 10, 30, 50, 70 and 90 % of
images have less of, and measured again. "error" is the median distance from what was wanted, as a ratio to
that of the same images before they were moved: 0 is exact, 1 does nothing. "effort" is how far w went.
"held" is how much phase fraction changes where it is held, as a ratio to how much where it is not.

Without NET the generator has random weights, which show no microstructure.

    python benchmarks/sliders.py NET
    python benchmarks/sliders.py --samples 500
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glissile.errors import InputError
from glissile.gan.pixels import as_pixels
from glissile.gan.points import Point, ws_of
from glissile.gan.randomised import sample_generator
from glissile.gan.sampler import Sampler
from glissile.gan.sliders import Sliders, fit_sliders
from glissile.progress import finish

FIRST_SEED = 1_000_000
SHARES = (10, 30, 50, 70, 90)
HELD = "phase_fraction"


def measured(sampler: Sampler, sliders: Sliders, ws: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
    """Measures of the images of ws (n, num_ws, w_dim) by name; NaN where one has no meaning."""
    found = [sliders.measured_in(as_pixels(sampler.images(one[None]))[0]).values() for one in ws]
    return {
        one.name: np.array([image.get(one.name, np.nan) for image in found], np.float64)
        for one in sliders.sliders
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("net", metavar="NET", type=Path, nargs="?", help="a trained generator")
    parser.add_argument("--samples", type=int, default=2000, help="that the sliders are fitted to")
    parser.add_argument("--images", type=int, default=64, help="that are moved")
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    if options.net is None:
        generator, card = sample_generator()
        sampler = Sampler(generator, card, device=options.device)
    else:
        sampler = Sampler.open(options.net, device=options.device)
    sliders = finish(fit_sliders(sampler, samples=options.samples))
    ws = ws_of(sampler, [Point(seed=FIRST_SEED + i) for i in range(options.images)])
    before = measured(sampler, sliders, ws)
    print("| measure | R2 | error | effort | held |")
    print("| --- | --- | --- | --- | --- |")
    for slider in sliders.sliders:
        name = slider.name
        if slider.trust == "no use":
            print(f"| {slider.measure.title} | {slider.r2:.2f} | no use | | |")
            continue
        errors, unmoved, effort, free, held = [], [], [], [], []
        for target in np.nanpercentile(before[name], SHARES):
            wanted = {name: float(target)}
            moved = measured(sampler, sliders, sliders.moved(ws, wanted))
            errors.append(abs(moved[name] - target))
            unmoved.append(abs(before[name] - target))
            effort.append(sliders.effort(ws, wanted))
            if name != HELD:
                free.append(abs(moved[HELD] - before[HELD]))
                try:
                    still = measured(sampler, sliders, sliders.moved(ws, wanted, hold=[HELD]))
                except InputError:  # they change together
                    continue
                held.append(abs(still[HELD] - before[HELD]))
        ratio = np.nanmedian(errors) / np.nanmedian(unmoved)
        other = f"{np.nanmedian(held) / np.nanmedian(free):.2f}" if held else ""
        print(
            f"| {slider.measure.title} | {slider.r2:.2f} | {ratio:.2f} | {np.median(effort):.1f} | {other} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
