"""What the sections say and allow, as a table of named cases; needs no window."""

from dataclasses import replace

import pytest

from glissile.stabilize.review import Doubt
from glissile.widgets._resolve import STAGES, Facts, resolve, video_text
from glissile.widgets._resolve_motion import doubt_at, doubt_text, next_doubt, resolve_correction

NOTHING = Facts()
OPENED = Facts(source_shape=(326, 362, 700), shape=(326, 362, 700), frames_per_second=20.0)
TRIMMED = replace(OPENED, trimmed=True)
STABLE = replace(TRIMMED, shape=(326, 300, 600), drift_px=12.34, doubtful_frames=3)
LABELLED = replace(STABLE, labelled=12, saved_at="14:03:12")
TRAINED = replace(LABELLED, scores=(("dislocation", 0.612), ("stacking fault", 0.9)))
PARTLY = replace(TRAINED, segmented=100)
SEGMENTED = replace(TRAINED, segmented=326)
MEASURED = replace(SEGMENTED, measured=True)


@pytest.mark.parametrize(
    ("facts", "following"),
    [
        pytest.param(NOTHING, None, id="nothing open"),
        pytest.param(OPENED, "trim", id="just opened"),
        pytest.param(TRIMMED, "stabilize", id="trimmed"),
        pytest.param(STABLE, "label", id="stabilized"),
        pytest.param(replace(STABLE, motion_outdated=True), "stabilize", id="regions drawn since"),
        pytest.param(replace(STABLE, labelled=3), "label", id="too few labels to score with"),
        pytest.param(LABELLED, "train", id="labelled"),
        pytest.param(replace(OPENED, labelled=12), "train", id="labelled without trim and stabilization"),
        pytest.param(TRAINED, "segment", id="trained"),
        pytest.param(PARTLY, "segment", id="partly segmented"),
        pytest.param(SEGMENTED, "measure", id="segmented"),
        pytest.param(replace(SEGMENTED, outdated=True), "segment", id="segmented by an earlier network"),
        pytest.param(MEASURED, None, id="all done"),
        pytest.param(replace(MEASURED, labelled=3, trimmed=False), None, id="all done on few labels"),
    ],
)
def test_next_section(facts, following):
    states = resolve(facts)
    assert [stage for stage in STAGES if states[stage].next] == ([following] if following else [])
    if following:
        assert states[following].enabled


@pytest.mark.parametrize(
    ("facts", "stage", "text"),
    [
        (NOTHING, "label", "Blocked: open a video first"),
        (OPENED, "trim", "326 frames, 700 x 362, 20 fps"),
        (replace(OPENED, trimmed_shape=(326, 362, 700)), "trim", "326 frames, 700 x 362, 20 fps"),
        (replace(OPENED, trimmed_shape=(200, 362, 700)), "trim", "200 of 326 frames, 700 x 362, 20 fps"),
        (
            replace(OPENED, trimmed_shape=(326, 300, 600)),
            "trim",
            "326 frames, 600 x 300 of 700 x 362, 20 fps",
        ),
        (OPENED, "train", "Blocked: no labelled frame yet"),
        (OPENED, "segment", "Blocked: no trained network yet"),
        (OPENED, "measure", "Blocked: no segmented frame yet"),
        (STABLE, "stabilize", "Drift up to 12.3 px removed, 3 frames to check"),
        (
            replace(STABLE, motion_outdated=True),
            "stabilize",
            "Drift up to 12.3 px removed, 3 frames to check. "
            "Regions or settings are others since: run Stabilize again",
        ),
        (LABELLED, "label", "12 labelled frames, saved 14:03:12"),
        (
            replace(STABLE, doubtful_frames=0, corrected_frames=2, corrections_left_out=1),
            "stabilize",
            "Drift up to 12.3 px removed, 2 frames set by hand, "
            "1 correction kept for frames outside this range",
        ),
        (replace(LABELLED, labelled=1, saved_at=""), "label", "1 labelled frame"),
        (LABELLED, "train", "Ready: 12 labelled frames"),
        (replace(LABELLED, running="train"), "train", "Learning from 12 labelled frames"),
        (TRAINED, "train", "Trained. F within 2 px: dislocation 0.61, stacking fault 0.90"),
        (
            replace(TRAINED, labels_changed=True),
            "train",
            "Trained. F within 2 px: dislocation 0.61, stacking fault 0.90. Labels have changed since",
        ),
        (replace(TRAINED, scores=()), "train", "Trained, on too few frames to score it"),
        (PARTLY, "segment", "100 of 326 frames segmented"),
        (SEGMENTED, "segment", "All 326 frames segmented"),
        (replace(SEGMENTED, outdated=True), "segment", "326 frames segmented by another network"),
        (MEASURED, "measure", "Table and figures written"),
    ],
)
def test_state_line(facts, stage, text):
    assert resolve(facts)[stage].text == text


def test_every_greyed_button_says_why():
    for facts in (NOTHING, OPENED, PARTLY, MEASURED, replace(LABELLED, running="train")):
        for state in resolve(facts).values():
            assert state.enabled == (not state.reason)


def test_one_labelled_frame_is_enough_to_train():
    assert resolve(replace(OPENED, labelled=1))["train"].enabled


def test_labelling_goes_on_while_the_network_works():
    states = resolve(replace(TRAINED, running="train"))
    assert states["label"].enabled
    assert states["label"].editable
    assert not states["trim"].editable
    assert "training" in states["segment"].reason
    assert [stage for stage in STAGES if states[stage].running] == ["train"]


def test_labelling_waits_while_the_video_changes():
    assert not resolve(replace(LABELLED, running="stabilize"))["label"].enabled


def test_read_only_study_allows_nothing():
    for state in resolve(replace(SEGMENTED, read_only=True)).values():
        assert not state.enabled
        assert not state.editable


def test_complete_segmentation_is_not_repeated_in_vain():
    assert not resolve(SEGMENTED)["segment"].enabled
    assert resolve(replace(SEGMENTED, outdated=True))["segment"].enabled


def test_sizes_are_width_by_height():
    assert video_text((1, 20, 30)) == "1 frame, 30 x 20"


@pytest.mark.parametrize(
    ("facts", "frame", "corrected", "correctable", "undoable", "why"),
    [
        pytest.param(STABLE, 12, False, True, False, "dragged", id="any frame"),
        pytest.param(STABLE, 12, True, True, True, "dragged", id="a corrected one"),
        pytest.param(STABLE, 5, False, False, False, "counted from this frame", id="the first one"),
        pytest.param(STABLE, None, False, False, False, "not part of", id="one that was trimmed away"),
        pytest.param(replace(STABLE, running="train"), 12, True, False, False, "wait", id="while it works"),
        pytest.param(replace(STABLE, read_only=True), 12, True, False, False, "Read only", id="read-only"),
    ],
)
def test_what_can_be_done_with_a_frame(facts, frame, corrected, correctable, undoable, why):
    state = resolve_correction(facts, frame, 5, corrected)
    assert (state.correctable, state.undoable) == (correctable, undoable)
    assert why in state.reason
    assert state.editable == (facts is STABLE)


def test_doubts_are_gone_through_in_order():
    doubts = (Doubt(3, 3, "jump"), Doubt(10, 14, "interpolated"), Doubt(20, 20, "overlay"))
    assert [doubt_text(doubt) for doubt in doubts[:2]] == ["frame 3: jump", "frames 10\u201314: interpolated"]
    assert [doubt_at(doubts, frame) for frame in (None, 2, 3, 12, 14, 15)] == [None, None, 0, 1, 1, None]
    assert [next_doubt(doubts, frame, back=False) for frame in (0, 3, 12, 20)] == [*doubts, None]
    assert [next_doubt(doubts, frame, back=True) for frame in (3, 4, 14, 21)] == [
        None,
        *doubts[:1],
        *doubts[:1],
        doubts[2],
    ]
