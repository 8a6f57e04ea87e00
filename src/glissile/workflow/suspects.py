"""Labels of an experiment that its network doubts, and those of them that somebody has looked at."""

import contextlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from glissile import atomic
from glissile.experiment import Experiment
from glissile.learn.suspects import Kind, Suspect, SuspectSettings, fingerprint, overlap, ranked
from glissile.learn.suspects import suspects as suspects_of_frame
from glissile.progress import Step, Steps
from glissile.segment.settings import SegmentSettings
from glissile.workflow.labelled_frames import labelled_frames
from glissile.workflow.models import model_folder
from glissile.workflow.stabilization import working_video

_FILE = "dismissed_suspects.json"
_MOST_BYTES = 16 << 20
# What another network doubts is never quite the same object.
_THE_SAME = 0.5


class _Dismissed(BaseModel):
    """A suspect of which somebody has said that the label is right."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    frame_number: int
    kind: Kind
    value: int
    box: tuple[int, int, int, int]
    label: int = Field(description="Fingerprint of the label in the box")

    def is_(self, suspect: Suspect, label: NDArray[np.integer]) -> bool:
        """Whether this is `suspect`, and the label (y, x) of its frame is still the same there."""
        alike = (self.frame_number, self.kind, self.value)
        return (
            alike == (suspect.frame_number, suspect.kind, suspect.value)
            and overlap(self.box, suspect.box) >= _THE_SAME
            and fingerprint(label, self.box) == self.label
        )


class _AllDismissed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    dismissed: tuple[_Dismissed, ...] = ()


def suspects(experiment: Experiment, settings: SuspectSettings | None = None) -> Steps[tuple[Suspect, ...]]:
    """Have the network in use predict the labelled frames, and list where it and the labels disagree.

    Only reads. A frame that the network has learned from is never given its own label to look at.

    Parameters
    ----------
    experiment : Experiment
        The study.
    settings : SuspectSettings, optional
        What counts as a disagreement.

    Yields
    ------
    Step
        One per labelled frame: `preview` is the predicted mask (y, x), `frame` its index along t of the
        working video.

    Returns
    -------
    tuple of Suspect
        The worst first, without those that were dismissed.

    Raises
    ------
    InputError
        If there is no trained model or no labelled frame, or memory does not suffice.
    """
    from glissile.segment.uncertainty import Ensemble

    folder = model_folder(experiment)
    video = working_video(experiment)
    labelled = labelled_frames(experiment)
    total = len(labelled.frame_numbers)
    ensemble = Ensemble.load((folder,), experiment.settings("segment", SegmentSettings))
    card = ensemble.predictors[0].card
    dismissed = _read(experiment)
    known = {c.value for c in experiment.document.classes}  # of now; the network may have others
    found: list[Suspect] = []
    for done, (number, label) in enumerate(zip(labelled.frame_numbers, labelled.masks, strict=True), 1):
        index = video.index_of(number)
        assert index is not None
        shares = ensemble.probabilities(video, index)
        some = suspects_of_frame(
            label,
            shares,
            card.classes,
            index=index,
            frame_number=number,
            learned=number in card.learned,
            settings=settings or SuspectSettings(),
        )
        found += [s for s in some if s.value in known and not any(one.is_(s, label) for one in dismissed)]
        yield Step(
            done,
            total,
            f"Checking labels, frame {done} of {total}",
            preview=ensemble.mask(shares),
            frame=index,
        )
    return ranked(found)


def suspects_in(folder: Path) -> Steps[tuple[Suspect, ...]]:
    """List the suspects of the experiment in `folder`, which may be open elsewhere; as `suspects`.

    Nothing but plain values is sent, so that a child process can do it.
    """
    with Experiment.open(folder, read_only=True) as experiment:
        return (yield from suspects(experiment))


def dismiss_suspect(experiment: Experiment, suspect: Suspect) -> None:
    """Keep that the label is right where a network doubts it.

    It is listed no more, of whichever network, until the label changes there.

    Raises
    ------
    InputError
        If the experiment is read-only.
    """
    experiment.require_writable()
    kept = _read(experiment)
    one = _Dismissed(
        frame_number=suspect.frame_number,
        kind=suspect.kind,
        value=suspect.value,
        box=suspect.box,
        label=suspect.label,
    )
    content = _AllDismissed(dismissed=(*kept, one))
    atomic.write_text(experiment.folder / _FILE, content.model_dump_json(indent=1))


def _read(experiment: Experiment) -> tuple[_Dismissed, ...]:
    """Read what was dismissed; nothing where the file is damaged: then it is asked again."""
    path = experiment.folder / _FILE
    with contextlib.suppress(OSError, ValueError):  # pydantic's errors are ValueErrors
        if path.stat().st_size <= _MOST_BYTES:
            return _AllDismissed.model_validate_json(path.read_bytes()).dismissed
    return ()
