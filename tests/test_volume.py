"""A volume (z, y, x) of something else than defects in steel: 16 bits, three classes, planes for frames."""

import numpy as np
import pytest
import tifffile
from scipy.spatial import cKDTree

from commands import glissile
from glissile import workflow
from glissile.experiment import Experiment
from glissile.io.annotations import write_mask
from glissile.learn.agreement import Tally
from glissile.quantify.measure import read_table

SHAPE = (12, 96, 104)
LABELLED = (0, 2, 4, 7, 9, 11)
CLASSES = "grain boundary,pore,precipitate"


def polycrystal() -> tuple[np.ndarray, np.ndarray]:
    """Grey values (uint16) and truth of grains with dark boundaries, black pores and bright dots."""
    random = np.random.default_rng(7)
    places = np.stack(np.indices(SHAPE), axis=-1) * (2.5, 1, 1)
    extent = np.array(SHAPE) * (2.5, 1, 1)
    (near, next_to), (grain, _) = np.moveaxis(
        np.stack(cKDTree(random.uniform(0, extent, (14, 3))).query(places, k=2)), -1, 1
    )
    truth = (next_to - near < 2.2).astype(np.uint8)
    for value, count, radius in ((2, 9, 9.0), (3, 9, 7.0)):
        distance, _ = cKDTree(random.uniform(0, extent, (count, 3))).query(places)
        truth[distance < radius] = value
    light = np.array([0, -9000, -16000, 15000])[truth] + 300 * (grain % 5)
    grey = 30000 + light + random.normal(0, 1500, SHAPE)
    return grey.clip(0, 65535).astype(np.uint16), truth


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The experiment of the volume, the whole way by the commands; and its truth."""
    folder = tmp_path_factory.mktemp("volume")
    grey, truth = polycrystal()
    tifffile.imwrite(folder / "grains.tif", grey, imagej=True, metadata={"axes": "ZYX"})
    for z in LABELLED:
        write_mask(folder / "labels" / f"plane_{z:03}.png", truth[z])
    made = folder / "grains.glissile"
    given = ["--labels", folder / "labels", "--classes", CLASSES, "--method", "none", "--device", "cpu"]
    for arguments in (["new", folder / "grains.tif", made, *given, "--epochs", "4"], ["run", made]):
        result = glissile(*arguments)
        assert result.code == 0, result.err
    return made, truth


def test_planes_that_were_not_labelled_are_segmented(finished):
    made, truth = finished
    with Experiment.open(made, read_only=True) as experiment:
        masks = workflow.segmentation_of(experiment, workflow.working_video(experiment))
        tally = Tally(experiment.document.classes)
        for z in sorted(set(range(SHAPE[0])) - set(LABELLED)):
            tally.add(masks.read(z), truth[z])
        scores = tally.scores()
    assert list(scores) == ["grain_boundary", "pore", "precipitate"]
    for key, score in scores.items():
        assert score.tolerant_f > 0.9, (key, score)


def test_the_table_has_a_row_for_every_plane_and_columns_for_every_class(finished):
    made, truth = finished
    table = read_table(made / "measurements.csv")
    assert table["frame"].tolist() == list(range(SHAPE[0]))
    for value, key in enumerate(("grain_boundary", "pore", "precipitate"), start=1):
        true = (truth == value).mean(axis=(1, 2))
        assert table[f"{key}_area_fraction"].mean() == pytest.approx(true.mean(), rel=0.25)
