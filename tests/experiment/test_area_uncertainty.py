import shutil

import numpy as np
import pytest

from glissile.errors import InputError
from glissile.experiment import MaskStore
from glissile.experiment.area_uncertainty import read_area_uncertainty, write_area_uncertainty

KNOWN = {1: 12.5, 2: 0.75}


@pytest.fixture
def store(tmp_path):
    return MaskStore.create(tmp_path / "masks.zarr", (5, 6, 7))


@pytest.fixture
def mask():
    found = np.zeros((6, 7), np.uint8)
    found[1], found[3] = 1, 2
    return found


def test_what_was_kept_comes_back(store, mask):
    write_area_uncertainty(store, 3, mask, KNOWN)
    store.write(3, mask)
    again = MaskStore.open(store.path)
    assert read_area_uncertainty(again, 3, again.read(3)) == KNOWN
    assert read_area_uncertainty(again, 2, mask) == {}
    assert again.frames == (3,)
    np.testing.assert_array_equal(again.array[3], mask)  # other readers are not disturbed


def test_a_mask_that_was_corrected_has_no_band(store, mask):
    write_area_uncertainty(store, 3, mask, KNOWN)
    mask[[1, 2]] = mask[[2, 1]]  # the areas are what they were
    assert read_area_uncertainty(store, 3, mask) == {}


def test_nothing_is_kept_where_no_mask_can_be(store, mask):
    with pytest.raises(InputError, match="reading only"):
        write_area_uncertainty(MaskStore.open(store.path, read_only=True), 3, mask, KNOWN)
    shutil.rmtree(store.path)
    with pytest.raises(InputError, match="no longer there"):
        write_area_uncertainty(store, 3, mask, KNOWN)
    assert not store.path.exists()


def test_where_nothing_is_known_nothing_stays(store, mask):
    write_area_uncertainty(store, 3, mask, KNOWN)
    write_area_uncertainty(store, 3, mask, {})
    assert read_area_uncertainty(store, 3, mask) == {}
    assert not list(store.path.glob("area_uncertainty*"))


@pytest.mark.parametrize(
    "content", ["", "[]", "{", '{"1": 3}', '{"mask": 7}', '{"mask": 7, "px": []}', "\x80"]
)
def test_a_damaged_file_costs_the_band_and_no_more(store, mask, content):
    write_area_uncertainty(store, 3, mask, KNOWN)
    (store.path / "area_uncertainty.3.json").write_bytes(content.encode("latin-1"))
    assert read_area_uncertainty(store, 3, mask) == {}
