"""A training between its beginning and its end: position, best weights, checkpoint."""

import platform
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime
from math import isfinite, isnan, nan
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from glissile import __version__
from glissile.defects import DefectClass
from glissile.device import describe
from glissile.errors import InputError
from glissile.io.checkpoint import save_model
from glissile.io.model_card import Architecture, Calibration, FramesUsed, ModelCard, Normalisation, Parent
from glissile.io.tensor_file import write_tensors
from glissile.learn.batches import Batches
from glissile.learn.fine_tuning import begun_from, shortened
from glissile.learn.identity import CHECKPOINT_FILE, identity
from glissile.learn.judging import Judge
from glissile.learn.keeping import read_checkpoint, unusable, write_checkpoint
from glissile.learn.labelled import Part, gathered
from glissile.learn.recipes import Recipe
from glissile.learn.references import References, enough_in
from glissile.learn.reliability import RELIABILITY_FILE
from glissile.learn.schedule import Divergence, Plan
from glissile.learn.scoring import SCORES_FILE, FrameScores, beside_copy, note_of, write_scores
from glissile.learn.stopwatch import Stopwatch
from glissile.learn.timing import timed
from glissile.learn.within_memory import FittingTrainer, Room
from glissile.progress import Ticks

_PACE_FILE = "pace.safetensors"
_NOTE_NO_HOLDOUT = (
    "Too few labelled frames to hold any out, so there are no scores: label at least three that differ."
)
# Pixels on which areas are calibrated; about 100 frames of 400 x 330.
_CALIBRATION_PX = 12_000_000
# An epoch on large frames without a graphics card may take longer than anyone wants to lose.
_SAVE_EVERY_S = 300.0


class Training:
    """A training in progress.

    Every random number is drawn from the seed and the number of the step, so that a resumed training draws
    the same. `begin` or `resume` come first, then `learn` until `done`, then `end`; `close` comes last. Each
    can be left off wherever it yields, which is after every step and every frame that is looked at.

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
        architecture = Architecture(
            kind=recipe.network,
            outputs=len(classes) + 1,
            widths=recipe.widths,
            stem=recipe.stem,
            local_contrast_px=recipe.local_contrast_px,
            references=recipe.references if recipe.network == "residual" and enough_in(self._data) else 0,
        )
        self._references: References | None = None
        if architecture.references:
            self._references = References.of(self._data, self._data.training, architecture.references)
        room = Room.wanted(recipe, len(self._data.training), self._data.frames.shape[1:])
        _require_size(architecture, room, self._data.frames.shape[1:])
        self._trainer = FittingTrainer(architecture, recipe, room)
        self._parent: Parent | None = None
        if start is not None:
            weights, self._parent = begun_from(
                start, architecture, self._normalisation, classes, seed=recipe.seed
            )
            self._trainer.start_from(weights)
        self._judge = Judge(self._trainer, self._data, self._normalisation, self._references)
        self._best: dict[str, Tensor] = self._trainer.kept_weights()
        self._best_quality = (-1.0, -np.inf)
        self._best_epoch = 0
        self._divergence = Divergence()
        # Of the steps since the hold-out was last looked at.
        self._losses: list[float] = []
        self._doing = "preparing"
        self._why_ended = ""
        self._saved: tuple[int, int, int] | None = None
        self._saved_at_s = 0.0
        self.step = 0
        self.plan = Plan.wanted(recipe, len(self._data.training), room.batch_size)
        self._batches = Batches(self._data, recipe, self.plan.steps_per_epoch, self._device, self._references)
        # A training that was killed in the middle of a write leaves up to half a gigabyte behind.
        for left in folder.glob(".writing-*"):
            left.unlink(missing_ok=True)

    @property
    def _device(self) -> torch.device:
        """Where it computes now."""
        return self._trainer.device

    # -- time -------------------------------------------------------------------------------------------

    def begin(self) -> Ticks[None]:
        """Start anew; where minutes are given, find out how many steps fit into them."""
        yield from self._find_paces()
        self._fit_plan()

    def at_rest(self) -> AbstractContextManager[None]:
        """Let no time count, while nothing is asked of the training."""
        return self._watch.at_rest()

    def _fit_plan(self) -> None:
        if not self._why_ended:
            self.plan = self._watch.fitted(self.plan, self.step)

    def _find_paces(self) -> Ticks[None]:
        """Time a few steps, which are undone afterwards, and all that happens between and after them."""
        if not self._watch.limited:
            self._suppose_paces()
            return
        self._doing = "finding out how many steps fit into its time"
        state = self._trainer.state()
        try:
            yield from self._time_parts()
        finally:
            self._trainer.restore(*state)

    def _suppose_paces(self) -> None:
        """Guess what looking takes: a third of learning from as many pixels, which also looks back."""
        y, x = self._data.frames.shape[1:]
        room = self._trainer.room
        frame = y * x / (3 * room.batch_size * min(y, room.crop_px) * min(x, room.crop_px))
        look = len(self._data.validation) * frame
        calibrated = len(self._calibration_frames()) if self._recipe.calibrate_area else 0
        ways = self._ways_of_seeing
        self._watch.suppose(look=look, end=(1 + 2 * ways) * look + ways * calibrated * frame)

    @property
    def _ways_of_seeing(self) -> int:
        """Two where frames are seen beside labelled frames and alone."""
        return 1 if self._references is None else 2

    def _time_parts(self) -> Ticks[None]:
        held, used = self._data.validation, self._calibration_frames() if self._recipe.calibrate_area else ()
        tensors, file = self._trainer.state()[0], self._folder / _PACE_FILE

        def write() -> None:
            write_tensors(file, tensors, {})
            file.unlink()

        found = yield from timed(
            self._watch,
            self._device,
            # At the end of the schedule, where the learning rate is nothing.
            take_step=lambda n: self._take_step(n, 1),
            look=lambda: list(self._judge.look((held or self._data.training)[:1])),
            write=write,
            calibrate=lambda: list(self._fitted(used[:1])) if used else None,
            score=lambda: list(self._judge.scored((held or self._data.training)[:1])),
        )
        look_s = len(held) * found.frame_s + found.write_s
        # At the end the network is scored, so is copying, and two more looks tell how sure it may be,
        # whichever way it sees.
        end_s = 2 * len(held) * (found.score_s + self._ways_of_seeing * found.frame_s) + found.write_s
        end_s += len(used) * found.calibration_s
        self._watch.expect(step_s=found.step_s, look_s=look_s, end_s=end_s)

    # -- learning ---------------------------------------------------------------------------------------

    def learn(self) -> Ticks[dict[str, float]]:
        """Train up to the next stop of the plan, look at the hold-out, keep the best; metrics for a curve."""
        self._doing = ""
        stop = self.plan.stop_after(self.step - len(self._losses))
        self._watch.begin_part()
        while self.step < min(stop, self.plan.steps):
            loss = self._take_step(self.step, self.plan.steps)
            self._losses.append(loss)
            self.step += 1
            if self._divergence.see(loss):
                self._go_back()
            self._watch.end_step()
            self._fit_plan()
            if self._watch.elapsed_s - self._saved_at_s > _SAVE_EVERY_S:
                self.save()
            yield
        metrics = self.running() | (yield from self._look())
        self._losses.clear()
        if self._tired():
            self._why_ended = (
                f"; ended early, as {self._recipe.patience_epochs} epochs brought nothing better"
            )
            self.stop()
        if self.step % self.plan.steps_per_epoch == 0 or self.step == self.plan.steps:
            self.save()
        self._watch.end_look()
        # Even at its end: the steps and the look may have shown that there is time for more.
        self._fit_plan()
        left = self.seconds_left()
        return metrics | ({} if left is None else {"seconds_left": left})

    def running(self) -> dict[str, float]:
        """Where the training stands since the hold-out was last looked at: `epoch`, `loss`."""
        epoch = self.step / self.plan.steps_per_epoch
        finite = [loss for loss in self._losses if isfinite(loss)]
        return {"epoch": epoch, "loss": float(np.mean(finite)) if finite else nan}

    @property
    def learning(self) -> bool:
        """Whether steps were taken since the hold-out was last looked at."""
        return bool(self._losses)

    @property
    def done(self) -> bool:
        """Whether all is learned and looked at."""
        return self.step >= self.plan.steps and not self._losses

    def stop(self) -> None:
        """Learn no more than was learned by now, which is one step at least."""
        if self.done:
            return
        self._why_ended = self._why_ended or "; stopped as asked"
        self.plan = replace(self.plan, steps=max(self.step, 1))

    @property
    def epoch(self) -> int:
        """Epoch that the last step belongs to, counted from 1."""
        return self.plan.epoch_of(self.step)

    def _tired(self) -> bool:
        patience = self._recipe.patience_epochs
        if patience is None or not self._data.validation:
            return False
        return self.epoch - self._best_epoch >= patience and self.step < self.plan.steps

    def _take_step(self, step: int, steps: int) -> float:
        return self._trainer.learn_from(
            lambda room: self._batches.take(step, room, self._device), step=step, steps=steps
        )

    def _go_back(self) -> None:
        """Learn on from the best weights with more care.

        Raises
        ------
        InputError
            If that was done too often.
        """
        if not self._divergence.go_back():
            raise InputError(
                f"Training diverged in epoch {self.epoch}; start anew with a smaller learning rate than "
                f"{self._recipe.learning_rate:g}"
            )
        self._trainer.start_from(self._best)
        self._trainer.rate_share = self._divergence.rate_share

    # -- looking ----------------------------------------------------------------------------------------

    def _look(self) -> Ticks[dict[str, float]]:
        if not self._trainer.is_finite():
            self._go_back()
        if not self._data.validation:
            self._best, self._best_epoch = self._trainer.kept_weights(), self.epoch
            return {}
        scores, loss = yield from self._judge.look(self._data.validation)
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

    def predicted(self, frame: NDArray[Any], valid: Part) -> NDArray[np.uint8]:
        """Mask (y, x), in class values, of a frame (y, x) of grey values; background outside `valid`."""
        return self._judge.predicted(frame, valid)

    # -- telling ----------------------------------------------------------------------------------------

    def seconds_left(self) -> float | None:
        """Time to the written model; None where too little was done to tell."""
        return self._watch.left_s(self.plan, self.step, self.step - len(self._losses))

    def message(self) -> str:
        """Where the training stands, for a person."""
        parts = [f"Training on {describe(self._device)}"]
        if self._doing:
            parts.append(self._doing)
        else:
            parts.append(f"epoch {self.epoch} of {self.plan.epochs}")
            left = self.seconds_left()
            if left is not None:
                parts.append(f"{left / 60:.0f} min left" if left >= 90 else f"{left:.0f} s left")
        return ", ".join(parts) + self._trainer.remark() + self._divergence.remark() + self._why_ended

    # -- keeping ----------------------------------------------------------------------------------------

    def save(self) -> None:
        """Write the checkpoint, if there is anything new since the last."""
        now = self.step, len(self._losses), self.plan.steps
        if self._saved == now or not self.step or not self._trainer.is_finite():
            return
        tensors, numbers = self._trainer.state()
        tensors |= {f"best.{name}": t for name, t in self._best.items()}
        position = {
            "trainer": numbers,
            "limits": self._trainer.limits(),
            "step": self.step,
            "steps": self.plan.steps,
            "steps_per_epoch": self.plan.steps_per_epoch,
            "losses": self._losses,
            "divergence": vars(self._divergence),
            "best_quality": self._best_quality,
            "best_epoch": self._best_epoch,
            "why_ended": self._why_ended,
            "elapsed_s": self._watch.elapsed_s,
        }
        write_checkpoint(self._folder, tensors, position, self._identity())
        self._saved, self._saved_at_s = now, self._watch.elapsed_s

    def _identity(self) -> dict[str, Any]:
        start = "" if self._parent is None else self._parent.weights_sha256
        return identity(self._data.data_hash, self._asked, start)

    def resume(self) -> Ticks[None]:
        """Go back to where the checkpoint was written.

        Raises
        ------
        InputError
            If there is none, it is broken, or labels or recipe are other than they were.
        """
        tensors, position = read_checkpoint(self._folder, self._identity())
        try:
            self._trainer.limit(position["limits"])
            self._trainer.restore(tensors, position["trainer"])
            self.step = int(position["step"])
            self.plan = Plan(
                int(position["steps"]), int(position["steps_per_epoch"]), self._recipe.validations_per_epoch
            )
            self._losses = [float(loss) for loss in position["losses"]]
            self._divergence = Divergence(**position["divergence"])
            quality, loss = position["best_quality"]
            self._best_quality = (float(quality), float(loss))
            self._best_epoch = int(position["best_epoch"])
            self._why_ended = str(position["why_ended"])
            self._watch.earlier_s = self._saved_at_s = float(position["elapsed_s"])
        except (KeyError, TypeError, ValueError, RuntimeError) as problem:
            raise unusable(self._folder) from problem
        self._saved = self.step, len(self._losses), self.plan.steps
        self._best = {n.removeprefix("best."): t for n, t in tensors.items() if n.startswith("best.")}
        yield from self._find_paces()
        self._fit_plan()

    def close(self) -> None:
        """End the threads that draw batches."""
        self._batches.close()

    def end(self) -> Ticks[ModelCard]:
        """Calibrate and score the best weights, write the model, remove the checkpoint."""
        self.save()  # what follows changes the weights
        self._doing = "scoring the best network"
        self._trainer.use_weights(self._best)
        if self._recipe.calibrate_area:
            judge = self._judge
            judge.calibration, judge.alone_calibration = yield from self._fitted(self._calibration_frames())
        frames = FramesUsed(
            training=tuple(self._data.frame_numbers[i] for i in self._data.training),
            validation=tuple(self._data.frame_numbers[i] for i in self._data.validation),
        )
        scores: dict[str, FrameScores] = {}
        certainty, alone_certainty, table = None, None, None
        if held_out := self._data.validation:
            scores = {
                "holdout": (yield from self._judge.scored(held_out)),
                "copy_nearest": self._data.copy_nearest(),
            }
            certainty, alone_certainty, table = yield from self._judge.certainty(held_out)
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
            calibration=self._judge.calibration,
            alone_calibration=self._judge.alone_calibration,
            certainty=certainty,
            alone_certainty=alone_certainty,
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
        for name in (SCORES_FILE, RELIABILITY_FILE):
            (self._folder / name).unlink(missing_ok=True)
        kept = {}
        if self._references:
            # Scored without the frames held out, which may help with others from now on.
            labelled = sorted({*self._data.training, *self._data.validation})
            looked_at = self._trainer.architecture.references
            kept = References.of(self._data, labelled, looked_at).kept()
        note = note_of(card.held_out, frames.validation) if scores else _NOTE_NO_HOLDOUT
        card = card.model_copy(update={"scores_note": note})
        card = save_model(self._folder, self._trainer.kept_weights() | kept, card)
        if scores:
            write_scores(self._folder / SCORES_FILE, beside_copy(scores["holdout"], scores["copy_nearest"]))
        if table is not None:
            write_scores(self._folder / RELIABILITY_FILE, table)
        (self._folder / CHECKPOINT_FILE).unlink(missing_ok=True)
        return card

    def _calibration_frames(self) -> tuple[int, ...]:
        most = max(1, _CALIBRATION_PX // self._data.truths[0].size)
        return self._data.training[:: -(-len(self._data.training) // most)]

    def _fitted(self, used: Sequence[int]) -> Ticks[tuple[Calibration, Calibration | None]]:
        return self._judge.calibrated(used, thinning=self._recipe.thinning)


def _require_size(architecture: Architecture, room: Room, shape: tuple[int, ...]) -> None:
    """Refuse frames (y, x) of which a batch is a single pixel at the coarsest level, without any spread."""
    seen = max(min(size, room.crop_px) for size in shape)
    if room.batch_size == 1 and seen <= architecture.stride:
        raise InputError(
            f"Frames of {shape[0]} x {shape[1]} px, one at a time, are too small for a network that sees "
            f"{architecture.stride} px as one; label more frames, take larger ones, or give the network "
            "fewer levels (Channels)"
        )
