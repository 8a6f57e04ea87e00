import gc

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from napari.components import ViewerModel
from napari.utils._proxies import PublicOnlyProxy

from glissile.widgets._state import ViewerState, _states, state_of


@pytest.fixture(autouse=True)
def _needs_display():
    """A viewer model needs none."""


def test_a_viewer_has_one_state():
    viewer, other = ViewerModel(), ViewerModel()
    assert state_of(viewer) is state_of(viewer)
    assert state_of(viewer) is not state_of(other)


def test_the_proxy_of_a_viewer_has_the_state_of_the_viewer():
    viewer = ViewerModel()
    state = state_of(PublicOnlyProxy(viewer))
    gc.collect()
    assert state_of(viewer) is state
    assert state_of(PublicOnlyProxy(viewer)) is state


def test_a_state_goes_with_its_viewer():
    before = len(_states)
    viewer = ViewerModel()
    state_of(viewer)
    assert len(_states) == before + 1
    del viewer
    gc.collect()
    assert len(_states) == before


@pytest.mark.parametrize(
    ("name", "signal"),
    [
        ("experiment", "experiment_changed"),
        ("source", "video_changed"),
        ("video", "video_changed"),
        ("running", "running_changed"),
        ("table", "table_changed"),
    ],
)
def test_setting_tells(name, signal):
    state = ViewerState()
    value = pd.DataFrame({"frame": [3], "time_s": [0.5]}) if name == "table" else object()
    seen = []
    getattr(state, signal).connect(lambda: seen.append(getattr(state, name)))
    setattr(state, name, value)
    (found,) = seen
    if name == "table":
        pd.testing.assert_frame_equal(found, value)
    else:
        assert found is value


def test_running_tells_only_of_changes():
    state = ViewerState()
    seen = []
    state.running_changed.connect(lambda: seen.append(state.running))
    for stage in ("train", "train", None, None):
        state.running = stage
    assert seen == ["train", None]


def test_a_new_state_is_empty():
    state = ViewerState()
    assert state.experiment is state.source is state.video is state.running is None
    assert state.table.empty


rows = st.lists(st.tuples(st.integers(0, 20), st.floats(0, 1)), max_size=40)


@given(rows, rows)
def test_the_table_is_sorted_and_has_the_last_row_of_each_frame(first, later):
    state = ViewerState()
    told = []
    state.row_added.connect(told.append)
    state.table = pd.DataFrame(
        [{"frame": frame, "dislocation_area_fraction": value} for frame, value in dict(first).items()]
    )
    for frame, value in later:
        state.add_row({"frame": frame, "dislocation_area_fraction": value})
    expected = dict(first) | dict(later)
    table = state.table
    assert len(table) == len(expected)
    if expected:
        assert table["frame"].tolist() == sorted(expected)
        np.testing.assert_array_equal(
            table["dislocation_area_fraction"], [expected[frame] for frame in sorted(expected)]
        )
    assert [row["frame"] for row in told] == [frame for frame, _ in later]


def test_an_empty_table_forgets_all_rows():
    state = ViewerState()
    state.add_row({"frame": 1})
    state.table = pd.DataFrame()
    assert state.table.empty
