from dataclasses import replace

import numpy as np
import pytest
import tifffile
from untrained import CLASSES, CPU, all_steps, model, video

from glissile.errors import InputError
from glissile.io.checkpoint import load_model, save_model
from glissile.io.model_card import Certainty
from glissile.learn.probability import entropy
from glissile.segment.predict import Predictor, segment
from glissile.segment.uncertainty import Ensemble, segment_by_all


def changed(folder, **changes):
    """The model with another card."""
    tensors, card = load_model(folder)
    save_model(folder, tensors, card.model_copy(update=changes))
    return folder


def sure(temperature, factor=None):
    return Certainty(temperature=temperature, area_factors=(factor, None))


def test_probabilities_add_up_to_1_and_go_with_the_masks(tmp_path):
    predictor = Predictor(model(tmp_path), CPU)
    frame = video().frame(0)
    (shares,) = predictor.probabilities([frame])
    assert shares.shape == (3, *frame.shape)
    np.testing.assert_allclose(shares.sum(axis=0), 1, rtol=1e-5)
    values = np.array([0, 3, 7])
    np.testing.assert_array_equal(values[shares.argmax(axis=0)], predictor.masks([frame])[0])


def test_the_temperature_of_the_card_divides_the_outputs(tmp_path):
    frame = video().frame(0)
    plain = Predictor(model(tmp_path), CPU).probabilities([frame])[0]
    cooled = Predictor(changed(tmp_path, certainty=sure(2.0)), CPU).probabilities([frame])[0]
    squared = cooled**2
    np.testing.assert_allclose(squared / squared.sum(axis=0), plain, atol=1e-4)
    assert np.abs(cooled - plain).max() > 0.05


def test_segmenting_tells_uncertainties_where_the_model_knows_them(tmp_path):
    assert all(not s.metrics for s in all_steps(segment(model(tmp_path), video(), CPU)))
    changed(tmp_path, certainty=sure(1.5, 0.4))
    steps = all_steps(segment(tmp_path, video(), CPU))
    shares = Predictor(tmp_path, CPU).probabilities([video().frame(i) for i in range(5)])
    for step, p in zip(steps, shares, strict=True):
        half = np.count_nonzero((p[1] > 0.25) & (p[1] <= 0.75)) / 2
        assert step.metrics == {"3": pytest.approx(max(0.4 * half, 1), rel=1e-6)}


def test_one_model_is_an_ensemble_that_gives_its_own_masks(tmp_path):
    alone = all_steps(segment(model(tmp_path), video(), CPU))
    together = all_steps(segment_by_all([tmp_path, tmp_path], video(), CPU))
    assert [s.frame for s in together] == [0, 1, 2, 3, 4]
    for a, b in zip(alone, together, strict=True):
        np.testing.assert_array_equal(a.preview, b.preview)


def test_models_that_do_not_agree_leave_no_class_certain(tmp_path):
    folders = [model(tmp_path / str(seed), seed=seed) for seed in (0, 1)]
    each = [Predictor(folder, CPU).probabilities([video().frame(2)])[0] for folder in folders]
    mean = Ensemble.load(folders, CPU).probabilities(video(), 2)
    np.testing.assert_allclose(mean, (each[0] + each[1]) / 2, atol=1e-6)
    assert (entropy(mean) >= (entropy(each[0]) + entropy(each[1])) / 2 - 1e-5).all()


def test_the_stacks_are_there_once_all_is_done(tmp_path):
    made = video()
    cut = replace(made, valid_px=np.array([[2, 0, 40, 50]] * 5))
    steps = segment_by_all([model(tmp_path / "m")], cut, CPU, stacks=tmp_path / "out")
    next(steps)
    steps.close()
    assert not list((tmp_path / "out").iterdir())
    all_steps(segment_by_all([tmp_path / "m"], cut, CPU, stacks=tmp_path / "out"))
    names = [f"probability_{c.key}.tif" for c in CLASSES]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted(["entropy.tif", *names])
    stacks = [tifffile.imread(tmp_path / "out" / name) for name in (*names, "entropy.tif")]
    expected = Predictor(tmp_path / "m", CPU).probabilities([made.frame(3)[2:40, :50]])[0]
    for stack, image in zip(stacks, (*expected[1:], entropy(expected)), strict=True):
        assert stack.shape == (5, 40, 52)
        assert stack.dtype == np.float32
        np.testing.assert_allclose(stack[3, 2:40, :50], image, atol=1e-6)
        assert np.isnan(stack[3, :2]).all()
        assert np.isnan(stack[3, :, 50:]).all()


def test_stacks_that_are_large_are_written_for_large_files(tmp_path, monkeypatch):
    monkeypatch.setattr("glissile.segment.uncertainty.CLASSIC_LIMIT", 4 * 5 * 40 * 52 - 1)
    all_steps(segment_by_all([model(tmp_path / "m")], video(), CPU, stacks=tmp_path / "out"))
    with tifffile.TiffFile(tmp_path / "out" / "entropy.tif") as written:
        assert written.is_bigtiff
        assert written.series[0].shape == (5, 40, 52)


def test_no_name_of_a_class_leads_out_of_the_folder(tmp_path):
    hostile = tuple(
        CLASSES[0].model_copy(update={"value": v, "name": name})
        for v, name in ((3, "a/../../../evil"), (7, "twin/matrix"))
    )
    all_steps(segment_by_all([model(tmp_path / "m", classes=hostile)], video(), CPU, stacks=tmp_path / "out"))
    assert len(list((tmp_path / "out").iterdir())) == 3
    assert sorted(p.name for p in tmp_path.rglob("*.tif")) == sorted(
        p.name for p in (tmp_path / "out").iterdir()
    )


@pytest.mark.parametrize("names", [("a/b", "a:b"), ("twin", "Twin")])
def test_names_that_make_the_same_file_are_told_apart_by_value(tmp_path, names):
    alike = tuple(c.model_copy(update={"name": n}) for c, n in zip(CLASSES, names, strict=True))
    all_steps(segment_by_all([model(tmp_path / "m", classes=alike)], video(), CPU, stacks=tmp_path / "out"))
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "entropy.tif",
        "probability_3.tif",
        "probability_7.tif",
    ]


def test_models_of_other_classes_are_refused(tmp_path):
    model(tmp_path / "a")
    named_otherwise = (CLASSES[0], CLASSES[1].model_copy(update={"name": "void"}))
    changed(model(tmp_path / "b"), classes=named_otherwise)
    model(tmp_path / "c", classes=CLASSES[::-1])
    for other in "bc":
        with pytest.raises(InputError, match="finds other classes than"):
            Ensemble.load([tmp_path / "a", tmp_path / other], CPU)
