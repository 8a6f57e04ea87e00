"""A training between its beginning and its end: position, best weights, checkpoint, short memory."""

import json
import platform
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from math import isfinite, isnan
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from glissile import __version__
from glissile.defects import DefectClass
from glissile.errors import InputError
from glissile.io.checkpoint import (
    Architecture,
    Calibration,
    FramesUsed,
    ModelCard,
    Normalisation,
    Parent,
    read_tensors,
    save_model,
    write_tensors,
)
from glissile.learn.agreement import ClassScore, Tally
from glissile.learn.calibrate import fitted, with_calibration
from glissile.learn.device import choose, describe, out_of_memory
from glissile.learn.fine_tuning import begun_from, shortened
from glissile.learn.identity import CHECKPOINT_FILE, identity
from glissile.learn.intensity import normalised
from glissile.learn.labelled import Part, gathered
from glissile.learn.patches import Batch, draw_batch
from glissile.learn.recipes import Recipe
from glissile.learn.schedule import Plan
from glissile.learn.scoring import SCORES_FILE, FrameScores, beside_copy, note_of, write_scores
from glissile.learn.stopwatch import Stopwatch
from glissile.learn.trainer import Trainer
from glissile.learn.unet import winners

_PACE_FILE = "pace.safetensors"
_NOTE_NO_HOLDOUT = (
    "Too few labelled frames to hold any out, so there are no scores: label at least three that differ."
)
# Pixels on which areas are calibrated; about 100 frames of 400 x 330.
_CALIBRATION_PX = 12_000_000
_STREAM_ORDER, _STREAM_SAMPLE = 1, 2
# What may be other than it was when a training was cut short, by its name in the identity of a training.
_CHANGES = {
    "data": "the labelled frames",
    "recipe": "the training settings",
    "start": "the model that the training begins from",
}

T = TypeVar("T")


class Training:
    """A training in progress.

    Every random number is drawn from the seed and the number of the step, so that a resumed training draws
    the same.

    Parameters
    ----------
    frames, masks, frame_numbers, classes, recipe, folder, validation, valid, start
        As in `glissile.learn.train.TrainingJob`.

    Attributes
    ----------
    step : int
        Training steps done.
    plan : Plan
        How many there will be; where minutes are given it changes with the pace.
    """

    def __init__(
        self,
        frames: NDArray[Any],
        masks: NDArray[np.integer],
        frame_numbers: Sequence[int],
        classes: Sequence[DefectClass],
        recipe: Recipe,
        folder: Path,
        validation: Sequence[int],
        valid: Sequence[Part] | None = None,
        start: Path | None = None,
    ) -> None:
        self._asked = recipe
        if start is not None:
            recipe = shortened(recipe)
        self._watch = Stopwatch(recipe.minutes)
        self._normalisation = Normalisation(kind=recipe.grey)
        self._data = gathered(frames, masks, frame_numbers, classes, validation, self._normalisation, valid)
        self._recipe = recipe
        self._folder = folder
        self._device = choose(recipe.device)
        architecture = Architecture(
            kind=recipe.network,
            outputs=len(classes) + 1,
            widths=recipe.widths,
            stem=recipe.stem,
            local_contrast_px=recipe.local_contrast_px,
        )
        self._trainer = Trainer(architecture, recipe, self._device)
        self._parent: Parent | None = None
        if start is not None:
            weights, self._parent = begun_from(
                start, architecture, self._normalisation, classes, seed=recipe.seed
            )
            self._trainer.start_from(weights)
        self._batch_size = min(recipe.batch_size, max(len(self._data.training), 1))
        self._best: dict[str, Tensor] = self._trainer.kept_weights()
        self._best_quality = (-1.0, -np.inf)
        self._best_epoch = 0
        self._calibration: Calibration | None = None
        self._remark = ""
        self._saved_step = -1
        self._seconds_left = 0.0
        self.step = 0
        self.plan = self._full_plan()
        # A training that was killed in the middle of a write leaves up to half a gigabyte behind.
        for left in folder.glob(".writing-*"):
            left.unlink(missing_ok=True)

    def _full_plan(self) -> Plan:
        shown = len(self._data.training) * self._recipe.passes_per_epoch
        steps = -(-shown // self._batch_size)
        per_epoch = int(np.clip(steps, self._recipe.least_epoch_steps, self._recipe.most_epoch_steps))
        return Plan(
            steps=per_epoch * self._recipe.epochs,
            steps_per_epoch=per_epoch,
            validations_per_epoch=self._recipe.validations_per_epoch,
        )

    def begin(self) -> None:
        """Start anew; where minutes are given, find out how many steps fit into them."""
        self._find_paces()
        self.plan = self._watch.fitted(self.plan, 0)

    def _find_paces(self) -> None:
        """Time a few steps, which are undone afterwards, and all that happens between and after them."""
        if not self._watch.limited:
            return
        state = self._trainer.state()
        seconds = self._seconds
        seconds(lambda: self._take_step(self._batch(0), 0, 1), times=2)  # the first are slow
        step_s = seconds(lambda: self._take_step(self._batch(0), 0, 1), times=4)
        looked_at = (self._data.validation or self._data.training)[0]
        self._validate([looked_at])
        frame_s = seconds(lambda: self._validate([looked_at]), times=2)
        write_s = seconds(lambda: write_tensors(self._folder / _PACE_FILE, self._trainer.state()[0], {}))
        (self._folder / _PACE_FILE).unlink()
        score_s = seconds(lambda: self._scored([looked_at]), times=2)
        held_out = len(self._data.validation)
        look_s = held_out * frame_s + write_s
        end_s = 2 * held_out * score_s + write_s  # the network, and copying
        if self._recipe.calibrate_area:
            used = self._calibration_frames()
            end_s += len(used) * seconds(lambda: self._fitted(used[:1]), times=2)
        self._trainer.restore(*state)
        self._watch.expect(step_s=step_s, look_s=look_s, end_s=end_s)

    def _seconds(self, work: Callable[[], object], *, times: int = 1) -> float:
        """Shortest duration of `work`; a longer one only tells what else the machine did."""
        durations = []
        for _ in range(times):
            begun = self._watch.elapsed_s
            work()
            self._synchronise()
            durations.append(self._watch.elapsed_s - begun)
        return min(durations)

    def _synchronise(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        elif self._device.type == "mps":
            torch.mps.synchronize()

    # -- learning ---------------------------------------------------------------------------------------

    def learn(self) -> dict[str, float]:
        """Train up to the next stop of the plan, look at the hold-out, keep the best; metrics for a curve."""
        stop, losses = self.plan.stop_after(self.step), []
        self._watch.begin_part()
        while self.step < min(stop, self.plan.steps):
            losses.append(self._take_step(self._batch(self.step), self.step, self.plan.steps))
            self.step += 1
            self._watch.end_step()
            self.plan = self._watch.fitted(self.plan, self.step)
        loss = float(torch.stack(losses).mean())
        if not isfinite(loss):
            raise InputError(
                f"Training diverged in epoch {self.epoch}; start anew with a smaller learning rate than "
                f"{self._recipe.learning_rate:g}"
            )
        metrics = {"epoch": float(self.epoch), "loss": loss} | self._look()
        if self.step % self.plan.steps_per_epoch == 0 or self.step == self.plan.steps:
            self.save()
        self._watch.end_look()
        # Even at its end: the steps and the look may have shown that there is time for more.
        self.plan = self._watch.fitted(self.plan, self.step)
        self._seconds_left = self._watch.needed_s(self.plan.steps - self.step, self.plan)
        return metrics | {"seconds_left": self._seconds_left}

    @property
    def epoch(self) -> int:
        """Epoch that the last step belongs to, counted from 1."""
        return self.plan.epoch_of(self.step)

    def _batch(self, step: int) -> Callable[[], Batch]:
        """How to draw the batch of a step; not the batch, because its size may shrink meanwhile."""

        def draw() -> Batch:
            epoch, place = divmod(step, self.plan.steps_per_epoch)
            order = np.random.default_rng((self._recipe.seed, _STREAM_ORDER, epoch))
            needed = self.plan.steps_per_epoch * self._batch_size
            rounds = -(-needed // len(self._data.training))
            picks = np.concatenate([order.permutation(self._data.training) for _ in range(rounds)])
            chosen = picks[place * self._batch_size : (place + 1) * self._batch_size]
            return draw_batch(
                [self._data.frames[i] for i in chosen],
                [self._data.truths[i] for i in chosen],
                crop_px=self._recipe.crop_px,
                augmentation=self._recipe.augmentation,
                random=np.random.default_rng((self._recipe.seed, _STREAM_SAMPLE, step)),
            )

        return draw

    def _take_step(self, draw: Callable[[], Batch], step: int, steps: int) -> Tensor:
        """One training step, with half the batch where memory does not suffice for it."""
        while True:
            try:
                batch = draw()
                self._synchronise()  # or the steps would seem quicker than the graphics card takes them
                return self._trainer.learn(batch, step=step, steps=steps)
            except (RuntimeError, MemoryError) as problem:
                if not out_of_memory(problem):
                    raise
                shape = self._data.frames.shape[1:]
                if self._batch_size == 1:
                    raise InputError(
                        f"Memory of the {describe(self._device)} does not suffice to train on one frame of "
                        f"{shape[0]} x {shape[1]} px; choose a smaller crop, or the CPU"
                    ) from problem
                self._batch_size //= 2
                self._remark = f"; memory was short, the batch is now {self._batch_size}"
            if self._device.type == "cuda":
                torch.cuda.empty_cache()

    # -- looking ----------------------------------------------------------------------------------------

    def _look(self) -> dict[str, float]:
        if not self._data.validation:
            self._best, self._best_epoch = self._trainer.kept_weights(), self.epoch
            return {}
        scores, loss = self._validate(self._data.validation)
        self._trainer.plateau.see(loss)
        values = [v for s in scores.values() for v in (s.f, s.tolerant_f) if not isnan(v)]
        quality = (float(np.mean(values)) if values else 0.0, -loss)
        if quality > self._best_quality:
            self._best, self._best_epoch = self._trainer.kept_weights(), self.epoch
            self._best_quality = quality
        metrics = {"validation_loss": loss}
        for key, score in scores.items():
            metrics |= {f"f_{key}": score.f, f"tolerant_f_{key}": score.tolerant_f}
        return metrics

    def _validate(self, indices: Sequence[int]) -> tuple[dict[str, ClassScore], float]:
        tally, losses = Tally(self._data.classes, lengths=False), []
        for i in indices:
            logits = self._whole_frame(lambda i=i: self._trainer.logits(self._data.frame(i)))  # type: ignore[misc]
            losses.append(self._trainer.loss(logits, self._data.truth(i)))
            tally.add(self._masked(logits), self._data.mask(i))
        return tally.scores(), float(np.mean(losses))

    def _whole_frame(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except (RuntimeError, MemoryError) as problem:
            if not out_of_memory(problem):
                raise
            y, x = self._data.frames.shape[1:]
            raise InputError(
                f"Memory of the {describe(self._device)} does not suffice to look at a whole frame of {y} x "
                f"{x} px; crop the video, or train on the CPU"
            ) from problem

    def predicted(self, frame: NDArray[Any], valid: Part) -> NDArray[np.uint8]:
        """Mask (y, x), in class values, of a frame (y, x) of grey values; background outside `valid`."""
        grey = normalised(frame[valid], self._normalisation)
        mask = np.zeros(frame.shape, np.uint8)
        mask[valid] = self._masked(self._whole_frame(lambda: self._trainer.logits(grey)))
        return mask

    def _masked(self, logits: Tensor) -> NDArray[np.uint8]:
        return np.asarray(self._data.values[winners(with_calibration(logits[None], self._calibration)[0])])

    def message(self) -> str:
        """Where the training stands, for a person."""
        left = self._seconds_left
        time_left = f"{left / 60:.0f} min" if left >= 90 else f"{left:.0f} s"
        epoch = f"epoch {self.epoch} of {self.plan.epochs}"
        return f"Training on {describe(self._device)}, {epoch}, {time_left} left{self._remark}"

    # -- keeping ----------------------------------------------------------------------------------------

    def save(self) -> None:
        """Write the checkpoint, if there is anything new since the last."""
        if self._saved_step == self.step:
            return
        tensors, numbers = self._trainer.state()
        tensors |= {f"best.{name}": t for name, t in self._best.items()}
        position = {
            "identity": self._identity(),
            "trainer": numbers,
            "step": self.step,
            "steps": self.plan.steps,
            "steps_per_epoch": self.plan.steps_per_epoch,
            "batch_size": self._batch_size,
            "best_quality": self._best_quality,
            "best_epoch": self._best_epoch,
            "elapsed_s": self._watch.elapsed_s,
        }
        write_tensors(self._folder / CHECKPOINT_FILE, tensors, {"position": json.dumps(position)})
        self._saved_step = self.step

    def _identity(self) -> dict[str, Any]:
        start = "" if self._parent is None else self._parent.weights_sha256
        return identity(self._data.data_hash, self._asked, start)

    def resume(self) -> None:
        """Go back to where the checkpoint was written.

        Raises
        ------
        InputError
            If there is none, it is broken, or labels or recipe are other than they were.
        """
        path = self._folder / CHECKPOINT_FILE
        if not path.is_file():
            raise InputError(f"{self._folder}: there is no interrupted training to resume; start a new one")
        tensors, texts = read_tensors(path)
        unusable = f"{path}: this checkpoint does not fit this program; start a new training"
        try:
            position = json.loads(texts["position"])
            found, own = position["identity"], self._identity()
            changed = next((key for key in _CHANGES if found.get(key) != own.get(key)), None)
        except (AttributeError, KeyError, TypeError, ValueError) as problem:
            raise InputError(unusable) from problem
        if changed is not None:
            raise InputError(
                f"{self._folder}: {_CHANGES[changed]} changed since the training was interrupted; start a "
                "new training"
            )
        try:
            self._trainer.restore(tensors, position["trainer"])
            self.step = self._saved_step = int(position["step"])
            self.plan = Plan(
                int(position["steps"]), int(position["steps_per_epoch"]), self._recipe.validations_per_epoch
            )
            self._batch_size = int(position["batch_size"])
            quality, loss = position["best_quality"]
            self._best_quality = (float(quality), float(loss))
            self._best_epoch = int(position["best_epoch"])
            self._watch.earlier_s = float(position["elapsed_s"])
        except (KeyError, TypeError, ValueError, RuntimeError) as problem:
            raise InputError(unusable) from problem
        self._best = {n.removeprefix("best."): t for n, t in tensors.items() if n.startswith("best.")}
        self._find_paces()
        self.plan = self._watch.fitted(self.plan, self.step)

    def end(self) -> ModelCard:
        """Calibrate and score the best weights, write the model, remove the checkpoint."""
        self._trainer.use_weights(self._best)
        if self._recipe.calibrate_area:
            self._calibration = self._calibrated()
        frames = FramesUsed(
            training=tuple(self._data.frame_numbers[i] for i in self._data.training),
            validation=tuple(self._data.frame_numbers[i] for i in self._data.validation),
        )
        scores: dict[str, FrameScores] = {}
        if held_out := self._data.validation:
            scores = {"holdout": self._scored(held_out), "copy_nearest": self._data.copy_nearest()}
        card = ModelCard(
            classes=self._data.classes,
            architecture=self._trainer.architecture,
            normalisation=self._normalisation,
            recipe=self._asked.model_dump(mode="json"),
            frames=frames,
            data_hash=self._data.data_hash,
            scores={
                subject: {key: score.as_numbers() for key, score in found.pooled().items()}
                for subject, found in scores.items()
            },
            mean_dice={subject: found.mean_dice() for subject, found in scores.items()},
            scores_note=note_of(self._recipe.held_out, frames.validation) if scores else _NOTE_NO_HOLDOUT,
            calibration=self._calibration,
            parent=self._parent,
            epochs=self._best_epoch,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            seconds=self._watch.elapsed_s,
            device=describe(self._device),
            versions={
                "glissile": __version__,
                "torch": torch.__version__,
                "python": platform.python_version(),
            },
        )
        # Never beside another model than theirs.
        (self._folder / SCORES_FILE).unlink(missing_ok=True)
        card = save_model(self._folder, self._trainer.kept_weights(), card)
        if scores:
            write_scores(self._folder / SCORES_FILE, beside_copy(scores["holdout"], scores["copy_nearest"]))
        (self._folder / CHECKPOINT_FILE).unlink(missing_ok=True)
        return card

    def _scored(self, indices: Sequence[int]) -> FrameScores:
        """Score the kept weights in every way, which takes longer than a look."""
        found = FrameScores(self._data.classes)
        for i in indices:
            logits = self._whole_frame(lambda i=i: self._trainer.logits(self._data.frame(i)))  # type: ignore[misc]
            found.add(self._data.frame_numbers[i], self._masked(logits), self._data.mask(i))
        return found

    def _calibrated(self) -> Calibration:
        """Fit the areas of the training frames."""
        return self._fitted(self._calibration_frames())

    def _calibration_frames(self) -> tuple[int, ...]:
        most = max(1, _CALIBRATION_PX // self._data.truths[0].size)
        return self._data.training[:: -(-len(self._data.training) // most)]

    def _fitted(self, used: Sequence[int]) -> Calibration:
        logits = [self._trainer.logits(self._data.frame(i)).cpu().numpy() for i in used]
        return fitted(logits, [self._data.truth(i) for i in used], thinning=self._recipe.thinning)
