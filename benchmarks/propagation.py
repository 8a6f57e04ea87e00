"""How well labels carried to the next labelled frame agree with those drawn there, beside a plain copy.

For every pair of neighbouring labelled frames of the two videos; scores are pooled over all of them. F2
tolerates 2 px. Milliseconds are those of one frame, on average.

    python benchmarks/propagation.py
"""

import argparse
import time
from itertools import pairwise
from pathlib import Path

from glissile.defects import DEFAULT_CLASSES
from glissile.io.annotations import read_mask_folder
from glissile.io.video_files import read_video
from glissile.label.propagation import carried
from glissile.learn.agreement import Tally

DATA = Path(__file__).parents[1].parent / "shared" / "data"
VIDEOS = ("twip-2um", "twip-8.4um")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the videos")
    chosen = parser.parse_args()
    print("| video | class | F copied | F carried | F2 copied | F2 carried | ms per frame |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for video in VIDEOS:
        frames = read_video(chosen.data / video / "images")
        masks = list(read_mask_folder(chosen.data / video / "masks", DEFAULT_CLASSES).values())
        copy, moved, seconds = Tally(DEFAULT_CLASSES), Tally(DEFAULT_CLASSES), 0.0
        for one, other in pairwise(range(len(masks))):
            began = time.perf_counter()
            proposal = carried(frames.frame(one), frames.frame(other), masks[one])
            seconds += time.perf_counter() - began
            copy.add(masks[one], masks[other])
            moved.add(proposal, masks[other])
        for defect in DEFAULT_CLASSES:
            a, b = (tally.scores()[defect.key] for tally in (copy, moved))
            cells = (f"{s:.3f}" for s in (a.f, b.f, a.tolerant_f, b.tolerant_f))
            per_frame = f"{1e3 * seconds / (len(masks) - 1):.0f}"
            print(f"| {video} | {defect.name} | {' | '.join(cells)} | {per_frame} |", flush=True)


if __name__ == "__main__":
    main()
