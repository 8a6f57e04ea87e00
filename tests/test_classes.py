"""A class removed from an experiment, with what is painted of it."""

import errno

import numpy as np
import pytest
import tifffile

from glissile import workflow
from glissile.errors import InputError
from glissile.experiment import MaskStore

T, Y, X = 5, 20, 30


@pytest.fixture
def experiment(tmp_path):
    tifffile.imwrite(tmp_path / "test.tif", np.zeros((T, Y, X), np.uint8) + 90)
    with workflow.create(tmp_path / "test.tif", tmp_path / "test") as experiment:
        both = np.zeros((Y, X), np.uint8)
        both[3], both[9] = 1, 2
        for number, mask in ((0, both), (1, np.where(both == 2, 2, 0)), (3, np.zeros_like(both))):
            experiment.labels().write(number, mask)
        experiment.proposals().write(2, both)
        yield experiment


def test_the_frames_it_is_painted_on_are_told(experiment):
    assert workflow.painted_with(experiment, 2) == workflow.Painted((0, 1), (2,))
    assert workflow.painted_with(experiment, 1) == workflow.Painted((0,), (2,))
    assert workflow.painted_with(experiment, 3) == workflow.Painted((), ())


def test_it_goes_from_labels_and_proposals_and_the_rest_stays(experiment):
    workflow.remove_class(experiment, 2)
    assert [c.name for c in experiment.document.classes] == ["dislocation"]
    store = experiment.labels_or_none()
    assert store.frames == (0, 3)  # of frame 1 nothing is left; frame 3 was marked as free of defects
    assert np.unique(store.read(0)).tolist() == [0, 1]
    assert (store.read(0)[3] == 1).all()
    assert np.unique(experiment.proposals_or_none().read(2)).tolist() == [0, 1]


def test_the_labels_are_backed_up_before(experiment):
    assert not list(experiment.backups_folder.glob("*.zip"))
    workflow.remove_class(experiment, 2)
    assert len(list(experiment.backups_folder.glob("*.zip"))) == 1


@pytest.mark.parametrize("value", [0, 3, 255])
def test_what_is_no_class_cannot_be_removed(experiment, value):
    with pytest.raises(InputError, match=f"no class {value}"):
        workflow.remove_class(experiment, value)


def test_the_only_class_stays(experiment):
    workflow.remove_class(experiment, 1)
    with pytest.raises(InputError, match="beside others"):
        workflow.remove_class(experiment, 2)
    assert experiment.labels_or_none().frames == (0, 1, 3)


@pytest.mark.parametrize("fails_at", [0, 1, 2])
def test_on_a_full_disk_all_stays_as_it_is(experiment, monkeypatch, fails_at):
    before = {number: experiment.labels().read(number) for number in (0, 1, 3)}
    write, written = MaskStore.write, []

    def full(store, frame, mask):
        written.append(frame)
        if len(written) > fails_at:
            raise OSError(errno.ENOSPC, "no space left on device")
        write(store, frame, mask)

    monkeypatch.setattr(MaskStore, "write", full)
    with pytest.raises(InputError, match=r"stays as it is \(no space left"):
        workflow.remove_class(experiment, 2)
    monkeypatch.undo()
    assert [c.name for c in experiment.document.classes] == ["dislocation", "stacking fault"]
    for number, mask in before.items():
        np.testing.assert_array_equal(experiment.labels().read(number), mask)
    assert (experiment.proposals_or_none().read(2) == 2).any()
    assert not list(experiment.folder.glob(".*writing*"))
