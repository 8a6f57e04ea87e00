"""What each section of the dock says and allows, from the state of the study; no Qt, no files."""

from collections.abc import Mapping
from dataclasses import dataclass

STAGES = ("trim", "stabilize", "label", "train", "segment", "measure")
# From this many on, some labelled frames are held out to score the network.
LABELS_ENOUGH = 5
LABELS_ADVISED = 10

# Works during which labelling goes on.
_BESIDE_LABELLING = frozenset({"reading", "labels", "train", "segment", "measure"})
_START = "Open a video first"
_READ_ONLY = "Read only: why is said at the top"
_TITLES = {
    "opening": "a video is being opened",
    "reading": "the segmentation is being read",
    "trim": "the trim is being applied",
    "stabilize": "the video is being stabilized",
    "label": "labels are being imported",
    "labels": "labels are being read",
    "train": "the network is training",
    "segment": "frames are being segmented",
    "measure": "frames are being measured",
}


@dataclass(frozen=True)
class Facts:
    """What is known about the open study.

    Attributes
    ----------
    source_shape : tuple of int, optional
        (t, y, x) of the video as recorded; None while no study is open.
    shape : tuple of int, optional
        (t, y, x) of the working video: trimmed, and of one fixed area once stabilized.
    trimmed_shape : tuple of int, optional
        (t, y, x) of the part that is studied, before it is stabilized.
    frames_per_second : float, optional
        None where unknown.
    read_only : bool
        Another program has the study open.
    trimmed : bool
        The trim was applied, even if it keeps everything.
    drift_px : float, optional
        Largest drift removed; None where the video is not stabilized.
    motion_outdated : bool
        The drift was found with other settings or regions than those of now.
    doubtful_frames : int
        Frames whose motion should be looked at.
    corrected_frames : int
        Frames that were set by hand.
    corrections_left_out : int
        Corrections by hand that are kept, but of frames that the motion does not have.
    labelled : int
        Labelled frames of the working video.
    saved_at : str
        Time of the last saved stroke, "14:03:12"; empty before the first.
    saving : bool
        Strokes are being written.
    unsaved : str
        Which strokes cannot be written, and why: "frame 3: no space left on device"; empty where all can.
    scores : tuple of (str, float), optional
        Class name and tolerant F-score of the trained network, empty where too few frames were labelled to
        score it; None before it is trained.
    labels_changed : bool
        Labels, classes or video are others than those that the network was trained on.
    resumable : bool
        A training was cut short and can go on.
    segmented : int
        Frames segmented.
    outdated : bool
        They were segmented by an earlier network.
    measured : bool
        The table and figures were made from what the experiment holds now.
    running : str, optional
        The stage that works now, or "opening" or "reading".
    """

    source_shape: tuple[int, int, int] | None = None
    shape: tuple[int, int, int] | None = None
    trimmed_shape: tuple[int, int, int] | None = None
    frames_per_second: float | None = None
    read_only: bool = False
    trimmed: bool = False
    drift_px: float | None = None
    motion_outdated: bool = False
    doubtful_frames: int = 0
    corrected_frames: int = 0
    corrections_left_out: int = 0
    labelled: int = 0
    saved_at: str = ""
    saving: bool = False
    unsaved: str = ""
    scores: tuple[tuple[str, float], ...] | None = None
    labels_changed: bool = False
    resumable: bool = False
    segmented: int = 0
    outdated: bool = False
    measured: bool = False
    running: str | None = None


@dataclass(frozen=True)
class SectionState:
    """How one section looks.

    Attributes
    ----------
    text : str
        State line under the title.
    button : str
        Text of the primary button.
    enabled : bool
        Whether the primary button works.
    reason : str
        Why it does not, for its tooltip; empty where it does.
    editable : bool
        Whether the rest of the section can be used.
    done : bool
        Gets a check mark.
    next : bool
        The sensible section to go on with.
    running : bool
        Shows progress and a Cancel button.
    alarm : bool
        The state line tells of something that must not be overlooked.
    """

    text: str
    button: str
    enabled: bool
    reason: str
    editable: bool
    done: bool
    next: bool
    running: bool
    alarm: bool = False


def resolve(facts: Facts) -> Mapping[str, SectionState]:
    """State of every section, keyed by stage, in order.

    Parameters
    ----------
    facts : Facts
        What is known about the study.

    Returns
    -------
    mapping of str to SectionState
    """
    done = done_stages(facts)
    blocked = {stage: _blocked(stage, facts) for stage in STAGES}
    following = _next(done, blocked) if facts.source_shape is not None else None
    return {
        stage: SectionState(
            text=f"Blocked: {_lower(blocked[stage])}" if blocked[stage] else _text(stage, facts),
            button=_button(stage, facts, done[stage]),
            enabled=not (reason := blocked[stage] or _refused(stage, facts, done[stage])),
            reason=reason,
            editable=facts.source_shape is not None and not refused_now(stage, facts),
            done=done[stage],
            next=stage == following,
            running=facts.running == stage,
            alarm=stage == "label" and bool(facts.unsaved),
        )
        for stage in STAGES
    }


def done_stages(facts: Facts) -> dict[str, bool]:
    """Tell which stages are done."""
    frames = facts.shape[0] if facts.shape else 0
    return {
        "trim": facts.trimmed,
        "stabilize": facts.drift_px is not None and not facts.motion_outdated,
        "label": facts.labelled >= LABELS_ENOUGH,
        "train": facts.scores is not None,
        "segment": 0 < frames <= facts.segmented and not facts.outdated,
        "measure": facts.measured and facts.segmented > 0,
    }


def _next(done: Mapping[str, bool], blocked: Mapping[str, str]) -> str | None:
    """Give the first open stage after the last finished one, or where that is blocked, what is missing."""
    last = max((n for n, stage in enumerate(STAGES) if done[stage]), default=-1)
    if done["measure"] and done["segment"]:
        return None
    open_stages = [stage for stage in STAGES if not done[stage]]
    after = [stage for stage in open_stages if STAGES.index(stage) > last]
    return next((stage for stage in (*after, *open_stages) if not blocked[stage]), None)


def _blocked(stage: str, facts: Facts) -> str:
    """Name what is missing before `stage` can be done; empty where nothing is."""
    if facts.source_shape is None:
        return _START
    if stage == "train" and facts.labelled == 0:
        return "No labelled frame yet"
    if stage == "segment" and facts.scores is None:
        return "No trained network yet"
    if stage == "measure" and facts.segmented == 0:
        return "No segmented frame yet"
    return ""


def _refused(stage: str, facts: Facts, done: bool) -> str:
    """Why a button that is not blocked is greyed all the same."""
    if reason := refused_now(stage, facts):
        return reason
    if stage == "segment" and done:
        return "Every frame is segmented by this network; label more frames and train again to improve it"
    return ""


def refused_now(stage: str, facts: Facts) -> str:
    """Why nothing in a section can be changed at the moment; labelling goes on while the network works."""
    if facts.read_only:
        return _READ_ONLY
    if facts.running is None or (stage == "label" and facts.running in _BESIDE_LABELLING):
        return ""
    return f"Please wait: {_TITLES[facts.running]}"


def _button(stage: str, facts: Facts, done: bool) -> str:
    if stage == "segment" and facts.shape and not facts.outdated and 0 < facts.segmented < facts.shape[0]:
        return "Segment the remaining frames"
    first, again = {
        "trim": ("Apply trim", "Apply trim"),
        "stabilize": ("Stabilize", "Stabilize again"),
        "label": ("Start labelling", "Label this frame"),
        "train": ("Train", "Train again"),
        "segment": ("Segment all frames", "Segment all frames"),
        "measure": ("Measure", "Measure again"),
    }[stage]
    return again if done or (stage == "stabilize" and facts.drift_px is not None) else first


def _text(stage: str, facts: Facts) -> str:
    return {
        "trim": _trim_text,
        "stabilize": _stabilize_text,
        "label": _label_text,
        "train": _train_text,
        "segment": _segment_text,
        "measure": _measure_text,
    }[stage](facts)


def video_text(shape: tuple[int, int, int], frames_per_second: float | None = None) -> str:
    """Write (t, y, x) as people do: "326 frames, 700 x 362, 20 fps"."""
    t, y, x = shape
    return f"{_count(t, 'frame')}, {x} x {y}{_speed(frames_per_second)}"


def _speed(frames_per_second: float | None) -> str:
    return "" if frames_per_second is None else f", {frames_per_second:.3g} fps"


def _trim_text(facts: Facts) -> str:
    source, kept = facts.source_shape, facts.trimmed_shape
    assert source is not None
    if kept is None or kept == source:
        return video_text(source, facts.frames_per_second)
    frames = (
        _count(kept[0], "frame") if kept[0] == source[0] else f"{kept[0]} of {_count(source[0], 'frame')}"
    )
    size = f"{kept[2]} x {kept[1]}"
    size += "" if kept[1:] == source[1:] else f" of {source[2]} x {source[1]}"
    return f"{frames}, {size}{_speed(facts.frames_per_second)}"


def _stabilize_text(facts: Facts) -> str:
    if facts.drift_px is None:
        return "Not stabilized yet"
    parts = [f"Drift up to {facts.drift_px:.1f} px removed"]
    if facts.corrected_frames:
        parts.append(f"{_count(facts.corrected_frames, 'frame')} set by hand")
    if facts.corrections_left_out:
        parts.append(f"{_count(facts.corrections_left_out, 'correction')} kept for frames outside this range")
    if facts.doubtful_frames:
        parts.append(f"{_count(facts.doubtful_frames, 'frame')} to check")
    text = ", ".join(parts)
    if facts.motion_outdated:
        text += ". Regions or settings are others since: run Stabilize again"
    return text


def _label_text(facts: Facts) -> str:
    if facts.unsaved:
        return f"CANNOT SAVE {facts.unsaved}. It is tried again every second; do not close the window"
    written = f", saved {facts.saved_at}" if facts.saved_at else ""
    saved = ", saving" if facts.saving else written
    if facts.labelled == 0:
        advice = f"about {LABELS_ADVISED}, spread over the video, are a good start"
        return f"No labelled frame yet{saved}; {advice}"
    return f"{_count(facts.labelled, 'labelled frame')}{saved}"


def _train_text(facts: Facts) -> str:
    resumable = facts.resumable and facts.running != "train"
    offer = "; a training was cut short: resume it or start anew" if resumable else ""
    changed = ". Labels have changed since" if facts.labels_changed else ""
    if facts.scores is None:
        how = "Learning from" if facts.running == "train" else "Ready:"
        return f"{how} {_count(facts.labelled, 'labelled frame')}{offer}"
    scores = ", ".join(f"{name} {score:.2f}" for name, score in facts.scores)
    text = f"Trained. F within 2 px: {scores}" if scores else "Trained, on too few frames to score it"
    return text + changed + offer


def _segment_text(facts: Facts) -> str:
    assert facts.shape is not None
    if facts.segmented == 0:
        return f"Ready: {_count(facts.shape[0], 'frame')} to segment"
    if facts.outdated:
        return f"{_count(facts.segmented, 'frame')} segmented by another network"
    if facts.segmented < facts.shape[0]:
        return f"{facts.segmented} of {_count(facts.shape[0], 'frame')} segmented"
    return f"All {_count(facts.shape[0], 'frame')} segmented"


def _measure_text(facts: Facts) -> str:
    if facts.measured:
        return "Table and figures written"
    return f"Ready: {_count(facts.segmented, 'segmented frame')}"


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _lower(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:]
