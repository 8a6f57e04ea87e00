"""From a video to the motion of its specimen: the settings and the estimate."""

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from glissile.progress import Step, Steps
from glissile.stabilize.motion import Motion
from glissile.video import Video

if TYPE_CHECKING:
    from glissile.stabilize.track import Tracker


class StabilizeSettings(BaseModel):
    """How the motion of the specimen is found."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: Literal["glissile", "tanaka2025", "none"] = Field(
        "glissile",
        title="Method",
        description="glissile: many corners, sub-pixel; tanaka2025: one corner, whole pixels, as in Tanaka "
        "et al. 2025; none: the specimen is taken to stand still",
    )
    corners: int = Field(
        300,
        ge=30,
        le=2000,
        title="Corners",
        description="Corners that are tracked at most, spread over the frame",
        json_schema_extra={"advanced": True},
    )
    window_px: int = Field(
        21,
        ge=7,
        le=101,
        title="Window (px)",
        description="Edge length of the window that is compared around each corner",
        json_schema_extra={"advanced": True},
    )
    pyramid_levels: int = Field(
        3,
        ge=0,
        le=6,
        title="Pyramid levels",
        description="How often the frame is halved for finding large motion first",
        json_schema_extra={"advanced": True},
    )
    round_trip_px: float = Field(
        0.5,
        gt=0,
        le=5,
        title="Round trip (px)",
        description="A corner tracked forth and back must return to within this distance",
        json_schema_extra={"advanced": True},
    )
    keyframe_frames: int = Field(
        25,
        ge=1,
        le=1000,
        title="Keyframe interval (frames)",
        description="New corners are sought after so many frames at the latest",
        json_schema_extra={"advanced": True},
    )
    least_agreement: float = Field(
        0.05,
        gt=0,
        le=1,
        title="Least agreement",
        description="Share of the corners that must move alike; a frame with fewer is interpolated",
        json_schema_extra={"advanced": True},
    )


def _tracker(settings: StabilizeSettings) -> "Tracker":
    # Loaded here: both need OpenCV, which the settings and the table do not.
    if settings.method == "tanaka2025":
        from glissile.stabilize.single_corner import CornerTracker

        return CornerTracker()
    from glissile.stabilize.specimen_track import SpecimenTracker

    return SpecimenTracker(settings)


def estimate_motion(video: Video, settings: StabilizeSettings) -> Steps[Motion]:
    """Find the motion of the specimen, frame by frame.

    Frames are read once, in order; a few of them are in memory at a time, whatever the length of the video.

    Parameters
    ----------
    video : Video
        Frames of any dtype.
    settings : StabilizeSettings
        Method and its parameters.

    Yields
    ------
    Step
        One per frame, with the frame's index along t.

    Returns
    -------
    Motion
        Its first displacement is (0, 0).
    """
    provenance = (f"motion estimated by {settings.method} from {video.name}",)
    if settings.method == "none":
        yield Step(len(video), len(video), "Taking the specimen to stand still")
        return Motion.still(video.frame_numbers, provenance)
    tracker = _tracker(settings)
    total = len(video)
    for index in range(total):
        tracker.add(video.frame(index))
        message = f"Estimating motion, frame {index + 1} of {total}"
        yield Step(index + 1, total, message, frame=index)
    track = tracker.track()
    return Motion(track.displacements_px, track.sigma_px, track.flags, video.frame_numbers, provenance)
