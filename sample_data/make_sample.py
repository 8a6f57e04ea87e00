"""Make the sample anew, bit for bit with the same versions of numpy, scipy and FFmpeg: `make sample`."""

import shutil
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from skimage.io import imsave

from glissile.atomic import replacing, write_text
from glissile.synthetic.sample import (
    SAMPLE_CHECKED,
    SAMPLE_LABELLED,
    SAMPLE_TRIM,
    area_fractions,
    common_field,
    rig_log,
    sample_video,
)
from glissile.synthetic.tem import TemVideo

# One thread, no version strings of the container, no CPU-dependent choices: the same bytes every time.
ENCODER = {
    "preset": "slow",
    "crf": "21",
    "threads": "1",
    "flags": "+bitexact",
    "x264-params": "cpu-independent=1:keyint=60:bframes=2",
}


def write_mp4(path: Path, video: TemVideo) -> None:
    """Encode all frames as H.264."""
    rate = Fraction(video.settings.frames_per_second).limit_denominator(1000)
    with (
        replacing(path) as temporary,
        av.open(str(temporary), "w", format="mp4", options={"fflags": "+bitexact"}) as container,
    ):
        stream = container.add_stream("libx264", rate=rate, options=ENCODER)
        stream.height, stream.width = video.shape[1:]
        stream.pix_fmt = "yuv420p"
        # Grey values are stored as they are, and players are told so.
        stream.codec_context.color_range = 2
        for packet in _packets(stream, video):
            container.mux(packet)


def _packets(stream: av.VideoStream, video: TemVideo) -> Iterator[av.Packet]:
    for number, grey in enumerate(video):
        frame = av.VideoFrame(grey.shape[1], grey.shape[0], "yuv420p")
        for plane, values in zip(frame.planes, (grey, None, None), strict=True):
            held = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
            held[:] = 128
            if values is not None:
                held[:, : values.shape[1]] = values
        frame.pts = number
        yield from stream.encode(frame)
    yield from stream.encode(None)


def write_truth(folder: Path, video: TemVideo) -> None:
    """Write masks of the labelled and of the checked frames, the motion and the area fractions."""
    for name, frames in (("labels", SAMPLE_LABELLED), ("truth/masks", SAMPLE_CHECKED)):
        target = folder / name
        if target.exists():
            shutil.rmtree(target)
        target.mkdir(parents=True)
        for number in frames:
            imsave(target / f"{number:04d}.png", video.mask(number), check_contrast=False)
    motion = [f"{i},{dy:.4f},{dx:.4f}\n" for i, (dy, dx) in enumerate(video.displacements_px)]
    write_text(folder / "truth" / "motion.csv", "frame,dy_px,dx_px\n" + "".join(motion))
    field = common_field(video.displacements_px, SAMPLE_TRIM)
    rows = ["frame,strain,stress_MPa,dislocation_area_fraction,stacking_fault_area_fraction\n"]
    for i in range(len(video)):
        dislocation, fault = area_fractions(video, i, field)
        rows.append(f"{i},{video.strain[i]:.7f},{video.stress_mpa[i]:.3f},{dislocation:.6f},{fault:.6f}\n")
    write_text(folder / "truth" / "area.csv", "".join(rows))
    log = [f"{time:.1f},{strain:.7f},{stress:.3f}\n" for time, strain, stress in rig_log(video)]
    write_text(folder / "strain_log.csv", "time_s,strain,stress_MPa\n" + "".join(log))


def main(folder: Path) -> None:
    """Write the sample into `folder`."""
    video = sample_video()
    write_truth(folder, video)
    write_mp4(folder / "video.mp4", video)
    print(f"{folder}: {len(video)} frames, field {common_field(video.displacements_px, SAMPLE_TRIM)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
