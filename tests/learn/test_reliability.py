import numpy as np
import pytest
import torch
from overconfident import sample

from glissile.defects import DEFAULT_CLASSES
from glissile.errors import InputError
from glissile.learn.probability import probabilities
from glissile.learn.reliability import RELIABILITY_FILE, calibration_errors, read_reliability, reliability
from glissile.learn.scoring import write_scores


def table(overconfidence, temperature=1.0):
    logits, truths = sample(overconfidence=overconfidence)
    shares = probabilities(torch.from_numpy(logits), temperature).numpy()
    return reliability(shares, truths, DEFAULT_CLASSES, temperature)


def test_probabilities_that_are_right_lie_on_the_diagonal():
    found = table(1.0)
    assert len(found) == 20
    np.testing.assert_allclose(found["labelled_fraction"], found["mean_probability"], atol=0.02)
    assert (found["mean_probability"] >= found["low"]).all()
    assert (found["mean_probability"] <= found["high"]).all()
    assert found.groupby("class")["pixels"].sum().tolist() == [200_000, 200_000]


def test_the_error_of_a_network_that_is_too_sure_goes_with_its_temperature():
    before, after = (calibration_errors(table(3.0, t)) for t in (1.0, 3.0))
    for key in ("dislocation", "stacking_fault"):
        assert before[key][1.0] > 0.08
        assert after[key][3.0] < 0.005


def test_the_error_is_the_mean_gap_over_pixels():
    shares = np.array([[0.4, 0.4, 0.4, 0.9], [0.6, 0.6, 0.6, 0.1], [0.0] * 4])
    found = reliability(shares, np.array([1, 0, 0, 0]), DEFAULT_CLASSES, 1.0)
    # Three pixels at 0.6, of which a third is right, and one at 0.1, which is wrong.
    assert calibration_errors(found)["dislocation"][1.0] == pytest.approx((3 * (0.6 - 1 / 3) + 0.1) / 4)
    assert calibration_errors(found)["stacking_fault"][1.0] == 0


def test_the_table_comes_back_from_its_folder(tmp_path):
    assert read_reliability(tmp_path) is None
    found = table(1.0)
    write_scores(tmp_path / RELIABILITY_FILE, found)
    np.testing.assert_array_equal(read_reliability(tmp_path)["pixels"], found["pixels"])


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n", "\x00\x00"])
def test_what_is_no_table_is_refused(tmp_path, content):
    (tmp_path / RELIABILITY_FILE).write_text(content)
    with pytest.raises(InputError, match="is no table of reliability"):
        read_reliability(tmp_path)
