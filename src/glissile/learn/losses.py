"""What training makes small: cross entropy, which judges pixels, and Dice, which judges overlap."""

import torch
import torch.nn.functional as functional
from torch import Tensor


def dice_loss(probabilities: Tensor, truth: Tensor, *, over: str) -> Tensor:
    """One minus the soft Dice overlap, the mean over classes.

    Parameters
    ----------
    probabilities : Tensor, shape (n, classes, y, x)
        Summing to one over the classes; class 0 is the background.
    truth : Tensor of int, shape (n, y, x)
        Index of the true class.
    over : {"present", "all"}
        "present": the defect classes that occur in `truth`; zero where none does. A class that is absent
        from the batch would otherwise be pushed to nothing whatever the frame shows. "all": every class,
        background included.

    Returns
    -------
    Tensor
        A number between 0 and 1.
    """
    classes = probabilities.shape[1]
    one_hot = functional.one_hot(truth, classes).movedim(-1, 1).to(probabilities.dtype)
    overlap = (probabilities * one_hot).sum(dim=(0, 2, 3))
    true_size = one_hot.sum(dim=(0, 2, 3))
    sizes = probabilities.sum(dim=(0, 2, 3)) + true_size
    losses = 1 - (2 * overlap + 1) / (sizes + 1)
    if over == "all":
        return losses.mean()
    present = (true_size[1:] > 0).to(losses.dtype)
    return (losses[1:] * present).sum() / present.sum().clamp(min=1)


def segmentation_loss(logits: Tensor, truth: Tensor, *, dice_over: str) -> Tensor:
    """Cross entropy plus Dice loss, in single precision.

    Parameters
    ----------
    logits : Tensor, shape (n, classes, y, x)
        Outputs of a network.
    truth : Tensor of int64, shape (n, y, x)
        Index of the true class.
    dice_over : {"present", "all"}
        See `dice_loss`.

    Returns
    -------
    Tensor
        A number.
    """
    logits = logits.float()
    return functional.cross_entropy(logits, truth) + dice_loss(
        torch.softmax(logits, dim=1), truth, over=dice_over
    )
