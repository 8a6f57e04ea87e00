"""One network in training: steps, the weights that are kept, and its state as tensors and numbers."""

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from glissile.io.checkpoint import Architecture
from glissile.learn.device import memory_format, quick_precision
from glissile.learn.losses import segmentation_loss
from glissile.learn.patches import Batch
from glissile.learn.recipes import Recipe
from glissile.learn.schedule import Plateau, one_cycle
from glissile.learn.unet import build, logits_of

# The average follows the weights closely at first, or it would long show the random start.
_AVERAGE_DELAY = 10


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
    """

    def __init__(self, architecture: Architecture, recipe: Recipe, device: torch.device) -> None:
        self.architecture = architecture
        self.device = device
        self._recipe = recipe
        self._precision = quick_precision(device) if recipe.reduced_precision else torch.float32
        network = build(architecture, seed=recipe.seed)
        # Not for type checkers: `to` has no overload with a memory format alone.
        self._layout = memory_format(device, training=True)
        self.network: torch.nn.Module = network.to(device=device, memory_format=self._layout)  # type: ignore[call-overload]
        self.kept = copy.deepcopy(self.network).eval() if recipe.average else self.network
        self.plateau = Plateau()
        parameters = self.network.parameters()
        self._optimizer: torch.optim.Optimizer
        if recipe.optimizer == "adamw":
            self._optimizer = torch.optim.AdamW(
                parameters, lr=recipe.learning_rate, weight_decay=recipe.weight_decay
            )
        else:
            self._optimizer = torch.optim.RMSprop(
                parameters, lr=recipe.learning_rate, weight_decay=recipe.weight_decay, momentum=0.9
            )
        self._scaler = torch.amp.GradScaler(device.type, enabled=self._precision is torch.float16)

    def learn(self, batch: Batch, *, step: int, steps: int) -> Tensor:
        """Take training step `step` of `steps`, counted from 0; returns the loss, still on the device."""
        one = self._recipe.schedule == "one-cycle"
        share = one_cycle((step + 1) / steps) if one else self.plateau.share
        for group in self._optimizer.param_groups:
            group["lr"] = self._recipe.learning_rate * share
        self.network.train()
        self._optimizer.zero_grad(set_to_none=True)
        truth = torch.from_numpy(batch.truth).to(self.device)
        loss = segmentation_loss(
            self._logits(self.network, batch.frames), truth, dice_over=self._recipe.dice_over
        )
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self._scaler.step(self._optimizer)
        self._scaler.update()
        self._average(step)
        return loss.detach()

    @torch.inference_mode()
    def logits(self, frame: NDArray[np.float32]) -> Tensor:
        """Logits (classes, y, x) of one normalised frame (y, x), by the kept weights."""
        self.kept.eval()
        return self._logits(self.kept, frame[None, None])[0]

    @torch.inference_mode()
    def loss(self, logits: Tensor, truth: NDArray[np.uint8]) -> float:
        """Loss of the logits (classes, y, x) of one frame, whose class indices are `truth` (y, x)."""
        target = torch.from_numpy(truth.astype(np.int64)).to(logits.device)
        return float(segmentation_loss(logits[None], target[None], dice_over=self._recipe.dice_over))

    def _logits(self, network: torch.nn.Module, frames: NDArray[np.float32]) -> Tensor:
        there = torch.from_numpy(frames).to(device=self.device, memory_format=self._layout)
        with torch.autocast(
            self.device.type, dtype=self._precision, enabled=self._precision is not torch.float32
        ):
            return logits_of(network, there, self.architecture.stride)

    @torch.no_grad()
    def _average(self, step: int) -> None:
        if self.kept is self.network:
            return
        decay = min(self._recipe.average, (1 + step) / (_AVERAGE_DELAY + step))
        own = self.network.state_dict()
        for name, kept in self.kept.state_dict().items():
            if kept.is_floating_point():
                kept.lerp_(own[name], 1 - decay)
            else:
                kept.copy_(own[name])

    def kept_weights(self) -> dict[str, Tensor]:
        """Copy to the CPU the weights that would be kept now."""
        return {name: t.detach().to("cpu", copy=True) for name, t in self.kept.state_dict().items()}

    def start_from(self, weights: Mapping[str, Tensor]) -> None:
        """Begin from `weights`, in place of random ones."""
        self.network.load_state_dict(dict(weights))
        self.kept.load_state_dict(dict(weights))

    def use_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Replace the kept weights, for scoring them once more."""
        self.kept.load_state_dict(dict(weights))

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """All that the next step depends on: tensors, and numbers that JSON keeps exactly."""
        tensors = {f"network.{name}": t for name, t in self.network.state_dict().items()}
        if self.kept is not self.network:
            tensors |= {f"kept.{name}": t for name, t in self.kept.state_dict().items()}
        for index, slots in self._optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": t for name, t in slots.items()}
        numbers = {"plateau": vars(self.plateau).copy(), "scaler": self._scaler.state_dict()}
        # A copy: the tensors themselves change with the next step.
        return {name: t.detach().clone() for name, t in tensors.items()}, numbers

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
        self._scaler.load_state_dict(dict(numbers["scaler"]))


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
