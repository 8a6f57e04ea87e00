"""Labels proposed for frames of a study: carried, and found by its network."""

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
