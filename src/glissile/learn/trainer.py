"""One network in training: steps, the weights that are kept, and its state as tensors and numbers."""

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import inf, isfinite, nan
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn

from glissile.device import memory_format, quick_precision
from glissile.io.model_card import Architecture
from glissile.learn.losses import segmentation_loss
from glissile.learn.patches import Batch
from glissile.learn.recipes import Recipe
from glissile.learn.replaying import Replayed
from glissile.learn.schedule import Plateau, one_cycle
from glissile.learn.unet import ResidualUNet, build, logits_of

# The average follows the weights closely at first, or it would long show the random start.
_AVERAGE_DELAY = 10
# Weight of the loss of what is seen in a frame alone, where labelled frames are looked at beside it.
_ALONE = 0.5


class Trainer:
    """A network, its optimizer and the moving average of its weights.

    Parameters
    ----------
    architecture : Architecture
        Of the network.
    recipe : Recipe
        How it learns.
    device : torch.device
        Where.

    Attributes
    ----------
    network, kept : Module
        The network that learns, and the one that is kept: the moving average of its weights, or itself.
    plateau : Plateau
        Of the schedule of that name.
    rate_share : float
        Of the learning rates of the recipe, for a training that goes on more carefully.
    """

    def __init__(self, architecture: Architecture, recipe: Recipe, device: torch.device) -> None:
        self.architecture = architecture
        self._recipe = recipe
        self.plateau = Plateau()
        self.rate_share = 1.0
        self._set_up(device)

    def _set_up(self, device: torch.device) -> None:
        recipe, architecture = self._recipe, self.architecture
        self.device = device
        self._precision = quick_precision(device) if recipe.reduced_precision else torch.float32
        network = build(architecture, seed=recipe.seed)
        # Not for type checkers: `to` has no overload with a memory format alone.
        self._layout = memory_format(device, training=True)
        self.network: torch.nn.Module = network.to(device=device, memory_format=self._layout)  # type: ignore[call-overload]
        self.kept = copy.deepcopy(self.network).eval() if recipe.average else self.network
        self._optimizer = self._new_optimizer()
        self._scaler = torch.amp.GradScaler(device.type, enabled=self._precision is torch.float16)
        self._replayed: Replayed | None = None
        if device.type == "cuda":
            self._replayed = Replayed(
                self._learned, tuple(self.network.parameters()), tuple(self.network.buffers())
            )

    def _new_optimizer(self) -> torch.optim.Optimizer:
        recipe, parameters = self._recipe, self.network.parameters()
        if recipe.optimizer == "adamw":
            return torch.optim.AdamW(
                parameters,
                lr=recipe.learning_rate,
                weight_decay=recipe.weight_decay,
                # A few launches instead of dozens, in which a graphics card would have nothing to do.
                fused=self.device.type == "cuda" or None,
            )
        return torch.optim.RMSprop(
            parameters, lr=recipe.learning_rate, weight_decay=recipe.weight_decay, momentum=0.9
        )

    def learn(self, batch: Batch, *, step: int, steps: int) -> float:
        """Take training step `step` of `steps`, counted from 0.

        Parameters
        ----------
        batch : Batch
            What to learn from.
        step, steps : int
            Place in the schedule.

        Returns
        -------
        float
            The loss; NaN where it or the gradient was not finite. Then weights, their average and the
            optimizer are as before, as they are where an error ends the step.
        """
        one = self._recipe.schedule == "one-cycle"
        share = one_cycle((step + 1) / steps) if one else self.plateau.share
        for group in self._optimizer.param_groups:
            group["lr"] = self._recipe.learning_rate * share * self.rate_share
        self.network.train()
        self._optimizer.zero_grad(set_to_none=True)
        statistics = _together(self.network.buffers())
        try:
            loss, finite = self._loss_and_gradient(batch)
            if finite:
                self._scaler.step(self._optimizer)
        except BaseException:
            self._undo(statistics)
            if self._replayed is not None:
                self._replayed.forget()
            raise
        searching = not finite and isfinite(loss) and self._scaler.get_scale() > 1
        self._scaler.update()
        if finite:
            self._average(step)
            return loss
        self._undo(statistics)
        # In half precision a gradient that overflows tells of the scale, which has just been lowered.
        return loss if searching else nan

    def _loss_and_gradient(self, batch: Batch) -> tuple[float, bool]:
        """Loss of a batch, and whether it and its gradient, which the parameters have now, are finite."""
        frames, truth = torch.from_numpy(batch.frames), torch.from_numpy(batch.truth)
        with _tried_convolutions(self.device):
            loss = self._learned(frames, truth) if self._replayed is None else self._replayed(frames, truth)
        self._scaler.unscale_(self._optimizer)
        # Clipped at infinity, which is measured and left as it is.
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), inf)
        # The one place in a step that waits for the device.
        value, size = torch.stack([loss, norm]).tolist()
        return value, isfinite(value) and isfinite(size)

    def _learned(self, frames: Tensor, truth: Tensor) -> Tensor:
        """Loss of a batch; the gradients are left in the parameters."""
        loss = self._loss(frames, truth.to(self.device, non_blocking=True))
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def _loss(self, frames: Tensor, truth: Tensor) -> Tensor:
        over = self._recipe.dice_over
        if not isinstance(self.network, ResidualUNet) or frames.shape[1] == self.architecture.inputs:
            return segmentation_loss(self._logits(self.network, frames), truth, dice_over=over)
        alone, beside = self._logits(self.network.both, frames).chunk(2)
        return _ALONE * segmentation_loss(alone, truth, dice_over=over) + segmentation_loss(
            beside, truth, dice_over=over
        )

    @torch.no_grad()
    def _undo(self, statistics: Sequence[Tensor]) -> None:
        """Forget a gradient, and what the batch normalisation has seen."""
        self._optimizer.zero_grad(set_to_none=True)
        _apart(statistics, self.network.buffers())

    @torch.inference_mode()
    def logits(self, frame: NDArray[np.float32]) -> Tensor:
        """Logits (classes, y, x) of what is seen of one frame (channels, y, x), by the kept weights."""
        self.kept.eval()
        return self._logits(self.kept, torch.from_numpy(frame[None]))[0]

    @torch.inference_mode()
    def loss(self, logits: Tensor, truth: NDArray[np.uint8]) -> float:
        """Loss of the logits (classes, y, x) of one frame, whose class indices are `truth` (y, x)."""
        target = torch.from_numpy(truth.astype(np.int64)).to(logits.device)
        return float(segmentation_loss(logits[None], target[None], dice_over=self._recipe.dice_over))

    def _logits(self, network: Callable[[Tensor], Tensor], frames: Tensor) -> Tensor:
        there = frames.to(device=self.device, memory_format=self._layout, non_blocking=True)
        with torch.autocast(
            self.device.type, dtype=self._precision, enabled=self._precision is not torch.float32
        ):
            return logits_of(network, there, self.architecture.stride)

    @torch.no_grad()
    def _average(self, step: int) -> None:
        if self.kept is self.network:
            return
        decay = min(self._recipe.average, (1 + step) / (_AVERAGE_DELAY + step))
        kept, own = ([t for t in _tensors(n) if t.is_floating_point()] for n in (self.kept, self.network))
        # All in one call: one by one they would keep a graphics card waiting.
        get_ema_multi_avg_fn(decay)(kept, own, 0)  # type: ignore[no-untyped-call]

    @torch.no_grad()
    def _keep_counts(self) -> None:
        """Let the kept network know how many batches were seen, which changes nothing about its logits."""
        for kept, own in zip(self.kept.buffers(), self.network.buffers(), strict=True):
            if not kept.is_floating_point():
                kept.copy_(own)

    def kept_weights(self) -> dict[str, Tensor]:
        """Copy to the CPU the weights that would be kept now."""
        self._keep_counts()
        return {name: t.detach().to("cpu", copy=True) for name, t in self.kept.state_dict().items()}

    def use_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Replace the kept weights, for scoring them once more."""
        self.kept.load_state_dict(dict(weights))

    def start_from(self, weights: Mapping[str, Tensor]) -> None:
        """Learn on from `weights`, as if these were the first; the schedule goes on where it is."""
        self.network.load_state_dict(dict(weights))
        self.kept.load_state_dict(dict(weights))
        self._optimizer = self._new_optimizer()

    def is_finite(self) -> bool:
        """Whether all weights that are learned or kept are finite numbers."""
        return all(bool(t.isfinite().all()) for t in (*_tensors(self.network), *_tensors(self.kept)))

    def move(self, device: torch.device) -> None:
        """Go on elsewhere, from the same state."""
        state = self.state()
        self._set_up(device)
        self.restore(*state)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """All that the next step depends on: tensors on the CPU, and numbers that JSON keeps exactly."""
        self._keep_counts()
        tensors = {f"network.{name}": t for name, t in self.network.state_dict().items()}
        if self.kept is not self.network:
            tensors |= {f"kept.{name}": t for name, t in self.kept.state_dict().items()}
        for index, slots in self._optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": t for name, t in slots.items()}
        numbers = {
            "plateau": vars(self.plateau).copy(),
            "scaler": self._scaler.state_dict(),
            "rate_share": self.rate_share,
        }
        # A copy: the tensors themselves change with the next step. Not in the memory of a graphics card,
        # which may be short.
        return {name: t.detach().to("cpu", copy=True) for name, t in tensors.items()}, numbers

    def restore(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Go back to a `state`.

        Raises
        ------
        KeyError, RuntimeError, TypeError
            If it is the state of something else.
        """
        self.network.load_state_dict(_part(tensors, "network."))
        if self.kept is not self.network:
            self.kept.load_state_dict(_part(tensors, "kept."))
        slots: dict[int, dict[str, Tensor]] = {}
        for name, tensor in _part(tensors, "optimizer.").items():
            index, slot = name.split(".", 1)
            slots.setdefault(int(index), {})[slot] = tensor.clone()
        groups = self._optimizer.state_dict()["param_groups"]
        self._optimizer.load_state_dict({"state": slots, "param_groups": groups})
        self.plateau = Plateau(**numbers["plateau"])
        self.rate_share = float(numbers["rate_share"])
        if numbers["scaler"]:  # empty where the state comes from a device that needs none
            self._scaler.load_state_dict(dict(numbers["scaler"]))


@contextmanager
def _tried_convolutions(device: torch.device) -> Iterator[None]:
    """Let cuDNN try which of its convolutions are quickest: that pays where all batches are of one size."""
    if device.type != "cuda":
        yield
        return
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


def _tensors(network: torch.nn.Module) -> list[Tensor]:
    """All that a network consists of, in the same order for networks of one kind."""
    return [*network.parameters(), *network.buffers()]


def _together(tensors: Iterable[Tensor]) -> list[Tensor]:
    """Copy tensors into one long one for each type of number: a few launches instead of hundreds."""
    return [torch.cat([t.reshape(-1) for t in alike]) for alike in _by_type(tensors)]


def _apart(together: Sequence[Tensor], tensors: Iterable[Tensor]) -> None:
    """Give `tensors` the values that `_together` copied."""
    for values, alike in zip(together, _by_type(tensors), strict=True):
        for tensor, own in zip(alike, torch.split(values, [t.numel() for t in alike]), strict=True):
            tensor.copy_(own.reshape(tensor.shape))


def _by_type(tensors: Iterable[Tensor]) -> list[list[Tensor]]:
    found: dict[torch.dtype, list[Tensor]] = {}
    for tensor in tensors:
        found.setdefault(tensor.dtype, []).append(tensor)
    return list(found.values())


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
