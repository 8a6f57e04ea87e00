"""Labels proposed for frames of a study: carried, and found by its network."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import tifffile

from glissile import workflow
from glissile.errors import InputError
from glissile.experiment import Experiment
from glissile.io.video_files import read_video
from glissile.learn.recipes import Recipe
from glissile.progress import finish

T, Y, X = 6, 48, 64
RECIPE = Recipe(
    epochs=8, widths=(6, 8), least_epoch_steps=40, most_epoch_steps=40, device="cpu", references=0
)


def drawn(number):
    mask = np.zeros((Y, X), np.uint8)
    mask[10 + 3 * number : 14 + 3 * number, 6:58] = 1
    return mask


def frames():
    masks = np.stack([drawn(number) for number in range(T)])
    texture = np.random.default_rng(0).normal(0, 8, (Y, X))
    grey = 120 + texture - 80 * (masks == 1) + np.random.default_rng(1).normal(0, 2, masks.shape)
    return np.clip(grey, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("proposals")
    tifffile.imwrite(folder / "test.tif", frames())
    with workflow.create(folder / "test.tif", folder / "test", settings={"train": RECIPE}) as experiment:
        for number in (0, 1, 2, 4, 5):
            experiment.labels().write(number, drawn(number))
        finish(workflow.train(experiment))
    return experiment.folder


def overlap(found, truth):
    return 2 * np.count_nonzero(found & truth) / (np.count_nonzero(found) + np.count_nonzero(truth))


def test_labels_are_carried_with_the_defect_and_not_beyond_the_valid_part(tmp_path):
    still = tmp_path / "test.tif"
    tifffile.imwrite(still, frames())
    video = read_video(still)
    found = finish(workflow.carried_labels(video, 2, 3, drawn(2)))
    assert overlap(found == 1, drawn(3) == 1) > 0.9
    assert overlap(drawn(2) == 1, drawn(3) == 1) < 0.5
    valid = np.tile([0, 0, Y, X], (T, 1))
    valid[3] = (5, 20, Y, 50)
    partly = replace(video, valid_px=valid)
    cut = finish(workflow.carried_labels(partly, 2, 3, drawn(2)))
    np.testing.assert_array_equal(cut[5:, 20:50], found[5:, 20:50])
    assert not cut[:, :20].any()
    assert not cut[:, 50:].any()


def test_the_network_finds_the_defects_of_the_frame_that_is_asked_for(trained):
    found = finish(workflow.network_labels(trained, 3))
    assert found.dtype == np.uint8
    assert overlap(found == 1, drawn(3) == 1) > 0.8
    assert overlap(found == 1, drawn(1) == 1) < 0.2


def test_what_is_segmented_already_is_not_predicted_again(trained, monkeypatch):
    with Experiment.open(trained) as experiment:
        finish(workflow.segment(experiment))
        kept = experiment.segmentation_or_none().read(3)
    monkeypatch.setattr("glissile.segment.predict.segment", lambda *a, **k: pytest.fail("predicted again"))
    np.testing.assert_array_equal(finish(workflow.network_labels(trained, 3)), kept)


def test_without_a_network_there_is_no_proposal_of_it(tmp_path):
    tifffile.imwrite(tmp_path / "test.tif", frames())
    with workflow.create(tmp_path / "test.tif", tmp_path / "test") as experiment:
        pass
    with pytest.raises(InputError, match="train"):
        finish(workflow.network_labels(experiment.folder, 0))


def test_the_network_proposes_no_class_that_there_is_no_more(trained, tmp_path):
    shutil.copytree(trained.parent, tmp_path / "copy")
    with Experiment.open(tmp_path / "copy" / trained.name) as experiment:
        (other,) = (c for c in experiment.document.classes if c.value == 2)
        experiment.update(classes=(other,))
    assert not finish(workflow.network_labels(experiment.folder, 3)).any()


@pytest.fixture
def proposed(tmp_path):
    """An experiment with proposals for frames 1 and 3."""
    tifffile.imwrite(tmp_path / "test.tif", frames())
    with workflow.create(tmp_path / "test.tif", tmp_path / "test") as experiment:
        for number in (1, 3):
            experiment.proposals().write(number, drawn(number))
        yield experiment


def test_proposals_give_way_to_labels_that_are_imported(proposed, tmp_path):
    (tmp_path / "masks").mkdir()
    for number in (3, 4):
        tifffile.imwrite(tmp_path / "masks" / f"m_{number}.tif", drawn(number))
    taken = workflow.import_labels(proposed, tmp_path / "masks")
    assert taken.frames == (3, 4)
    assert taken.proposals == 1
    assert proposed.proposals_or_none().frames == (1,)


def test_proposals_give_way_to_labels_that_are_restored(proposed):
    proposed.labels().write(3, drawn(3))
    backup = proposed.back_up_labels()
    proposed.labels().remove(3)
    workflow.restore_labels(proposed, backup)
    assert proposed.proposals_or_none().frames == (1,)
