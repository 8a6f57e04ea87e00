import pytest
import torch

from glissile.learn.losses import dice_loss, segmentation_loss


def certain(truth, classes=3):
    return torch.nn.functional.one_hot(truth, classes).movedim(-1, 1).float()


def halves():
    truth = torch.zeros(1, 8, 8, dtype=torch.int64)
    truth[:, :4] = 1
    return truth


@pytest.mark.parametrize("over", ["present", "all"])
def test_dice_is_zero_for_the_truth(over):
    assert dice_loss(certain(halves()), halves(), over=over) == pytest.approx(0, abs=1e-6)


def test_dice_of_a_half_overlap():
    predicted = torch.zeros_like(halves())
    predicted[:, 2:6] = 1
    # Both are 32 px, 16 of them in common; one is added above and below.
    assert dice_loss(certain(predicted), halves(), over="present") == pytest.approx(1 - 33 / 65)


def test_a_class_absent_from_the_batch_is_not_pushed_down():
    probabilities = certain(halves()).requires_grad_()
    dice_loss(probabilities, halves(), over="present").backward()
    assert torch.all(probabilities.grad[:, 2] == 0)
    assert torch.any(probabilities.grad[:, 1] != 0)


def test_over_all_it_is():
    probabilities = certain(halves()).requires_grad_()
    dice_loss(probabilities, halves(), over="all").backward()
    assert torch.all(probabilities.grad[:, 2] > 0)


def test_nothing_present_leaves_cross_entropy_alone():
    truth = torch.zeros(2, 8, 8, dtype=torch.int64)
    logits = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0), requires_grad=True)
    loss = segmentation_loss(logits, truth, dice_over="present")
    torch.testing.assert_close(loss, torch.nn.functional.cross_entropy(logits, truth))
    loss.backward()
    assert torch.isfinite(logits.grad).all()


def test_the_sum_is_taken_in_single_precision():
    truth = torch.ones(1, 300, 300, dtype=torch.int64)
    logits = torch.zeros(1, 3, 300, 300, dtype=torch.bfloat16)
    loss = segmentation_loss(logits, truth, dice_over="present")
    assert loss.dtype == torch.float32
    assert loss == pytest.approx(float(torch.log(torch.tensor(3.0))) + 0.5, abs=1e-3)
