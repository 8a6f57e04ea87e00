import json
import shutil
import subprocess
import sys
import threading
import time

import dask.array as da
import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from glissile.errors import InputError
from glissile.experiment import Experiment, MaskStore

SHAPE = (50, 5, 7)


def filled(value, shape=SHAPE[1:]):
    return np.full(shape, value, np.uint8)


@pytest.fixture
def store(tmp_path):
    return MaskStore.create(tmp_path / "labels.zarr", SHAPE, {"model": "a"})


def test_frames_are_present_exactly_when_they_were_written(store):
    assert store.frames == ()
    for frame in (11, 2, 49, 0):
        store.write(frame, filled(frame))
    store.write(3, filled(0))  # labelled, and nothing found: not the same as not labelled
    assert store.frames == (0, 2, 3, 11, 49)
    store.remove(2)
    store.remove(2)
    assert store.frames == (0, 3, 11, 49)
    assert not store.read(2).any()


@given(
    st.dictionaries(st.integers(0, 49), hnp.arrays(np.uint8, SHAPE[1:]), max_size=6),
)
@settings(max_examples=25, deadline=None)
def test_what_is_written_is_read_back_here_by_a_second_opener_and_by_zarr(tmp_path_factory, masks):
    path = tmp_path_factory.mktemp("masks") / "labels.zarr"
    store = MaskStore.create(path, SHAPE)
    second = MaskStore.open(path, read_only=True)
    plain = zarr.open_array(path, mode="r")
    expected = np.zeros(SHAPE, np.uint8)
    for frame, mask in masks.items():
        store.write(frame, mask)
        expected[frame] = mask
    assert store.frames == second.frames == tuple(sorted(masks))
    for one in (store, second):
        np.testing.assert_array_equal([one.read(i) for i in range(SHAPE[0])], expected)
    np.testing.assert_array_equal(plain[:], expected)


def test_lazy_display_follows_what_is_written_later(store):
    lazy = da.from_array(store.array, chunks=(1, -1, -1))
    assert not lazy[4].compute().any()
    store.write(4, filled(9))
    np.testing.assert_array_equal(lazy[4].compute(), filled(9))
    assert store.array.metadata.dimension_names == ("t", "y", "x")


def test_what_zarr_writes_is_read_too(store):
    zarr.open_array(store.path, mode="r+")[7] = 5
    assert store.frames == (7,)
    np.testing.assert_array_equal(store.read(7), filled(5))


def test_attributes_are_seen_by_others_and_by_zarr(store):
    second = MaskStore.open(store.path, read_only=True)
    assert store.attributes == second.attributes == {"model": "a"}
    assert dict(zarr.open_array(store.path, mode="r").attrs) == second.attributes
    assert store.shape == second.shape == SHAPE


@pytest.mark.parametrize(
    ("frame", "mask", "message"),
    [
        (50, filled(1), "there is no frame 50, only 0 to 49"),
        (-1, filled(1), "there is no frame -1"),
        (0, filled(1, (7, 5)), "a mask of 7 x 5 does not fit frame 0 of 5 x 7 px"),
        (0, filled(1) * 0.5, "whole numbers, not float64"),
        (0, filled(1).astype(int) * 256, "has values 256 to 256"),
        (0, filled(1).astype(np.int8) * -1, "has values -1 to -1"),
    ],
)
def test_a_mask_that_does_not_fit_is_refused(store, frame, mask, message):
    with pytest.raises(InputError, match=message):
        store.write(frame, mask)
    assert store.frames == ()


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int16, np.uint64])
def test_whole_numbers_of_any_type_are_taken(store, dtype):
    store.write(0, np.asfortranarray(filled(1).astype(dtype)))
    np.testing.assert_array_equal(store.read(0), filled(1))
    store.read(0)[:] = 3  # the caller's own


def test_a_store_opened_for_reading_refuses_to_write(store):
    second = MaskStore.open(store.path, read_only="held by anna, process 7")
    for write in (
        lambda: second.write(0, filled(1)),
        lambda: second.remove(0),
    ):
        with pytest.raises(InputError, match="held by anna, process 7"):
            write()
    assert second.read_only
    assert not store.read_only


def test_a_store_is_not_made_over_another(store):
    store.write(1, filled(1))
    with pytest.raises(InputError, match="exists already"):
        MaskStore.create(store.path, SHAPE)
    assert store.frames == (1,)


def test_a_store_that_was_deleted_takes_no_mask(store):
    shutil.rmtree(store.path)
    with pytest.raises(InputError, match="is no longer there"):
        store.write(1, filled(1))
    assert not store.path.exists()


def test_what_is_not_a_store_is_refused(tmp_path):
    with pytest.raises(InputError, match="is not a store of masks"):
        MaskStore.open(tmp_path / "missing.zarr")
    zarr.create_array(tmp_path / "other.zarr", shape=(4, 4, 4), chunks=(2, 4, 4), dtype="uint8")
    with pytest.raises(InputError, match="not one of masks with a frame per chunk"):
        MaskStore.open(tmp_path / "other.zarr")
    (tmp_path / "other.zarr" / "zarr.json").write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match="is damaged"):
        MaskStore.open(tmp_path / "other.zarr")


@pytest.mark.parametrize("damage", ["empty", "cut", "flipped", "text", "other size"])
def test_a_damaged_frame_is_named_and_the_others_stay_readable(store, damage):
    rng = np.random.default_rng(0)
    mask = rng.integers(0, 3, SHAPE[1:], np.uint8)
    for frame in (3, 4, 5):
        store.write(frame, mask)
    chunk = store.path / "c.4.0.0"
    whole = chunk.read_bytes()
    flipped = bytearray(whole)
    flipped[-6] ^= 1
    other = MaskStore.create(store.path.parent / "other.zarr", (1, 2, 2))
    other.write(0, filled(1, (2, 2)))
    chunk.write_bytes(
        {
            "empty": b"",
            "cut": whole[:-3],
            "flipped": bytes(flipped),
            "text": b"not a chunk",
            "other size": (other.path / "c.0.0.0").read_bytes(),
        }[damage]
    )
    with pytest.raises(InputError, match="the mask of frame 4 is damaged"):
        store.read(4)
    assert store.frames == (3, 4, 5)
    for frame in (3, 5):
        np.testing.assert_array_equal(store.read(frame), mask)


def test_a_flipped_bit_is_noticed_even_where_the_bytes_are_stored_as_they_are(tmp_path):
    store = MaskStore.create(tmp_path / "labels.zarr", (1, 64, 64))
    store.write(0, np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8))
    chunk = store.path / "c.0.0.0"
    content = bytearray(chunk.read_bytes())
    content[len(content) // 2] ^= 1
    chunk.write_bytes(bytes(content))
    with pytest.raises(InputError, match="damaged"):
        store.read(0)


def test_files_of_others_and_temporary_files_are_no_frames(store):
    store.write(1, filled(1))
    for name in (".writing-0.0", "c.x.0.0", "c.2.0.0.partial", "Thumbs.db", "c.3.0"):
        (store.path / name).touch()
    assert store.frames == (1,)


def test_reading_while_another_thread_writes_gives_whole_frames(tmp_path):
    store = MaskStore.create(tmp_path / "labels.zarr", (4, 64, 64))
    stop = threading.Event()

    def write():
        value = 0
        while not stop.is_set():
            value = value % 200 + 1
            for frame in range(4):
                store.write(frame, filled(value, (64, 64)))

    writers = [threading.Thread(target=write) for _ in range(2)]
    for writer in writers:
        writer.start()
    try:
        array = store.array
        for _ in range(100):
            for frame in range(4):
                assert len(np.unique(store.read(frame))) == 1
            assert len(np.unique(array[2])) == 1
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    assert store.frames == (0, 1, 2, 3)


WRITER = """
import sys
from pathlib import Path
import numpy as np
from glissile.experiment import Experiment
opened = Experiment.open(Path(sys.argv[1]))
assert not opened.read_only, opened.locked_by
store = opened.labels()
print("writing", flush=True)
turn = 0
while True:
    turn += 1
    for frame in range(20):
        store.write(frame, np.full((12, 16), (frame * 11 + turn % 2) % 256, np.uint8))
    opened.update(versions={"turn": str(turn)})
"""


def test_a_study_whose_writer_is_killed_at_any_moment_opens_whole(experiment, tmp_path):
    folder = experiment.folder
    experiment.close()
    rng = np.random.default_rng(1)
    for _ in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE, text=True
        )
        try:
            assert process.stdout.readline() == "writing\n"
            time.sleep(rng.uniform(0.02, 0.2))
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
        with Experiment.open(folder, read_only=True) as reader:
            for frame in reader.labels_or_none().frames:
                assert set(np.unique(reader.labels_or_none().read(frame))) <= {frame * 11, frame * 11 + 1}
        with Experiment.open(folder) as opened:
            assert not opened.read_only
            store = opened.labels_or_none()
            assert len(store.frames) > 0
            assert store.array[:].shape == (20, 12, 16)
            assert not list(folder.rglob(".writing-*"))
            json.loads((store.path / "zarr.json").read_text(encoding="utf-8"))
