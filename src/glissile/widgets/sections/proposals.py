"""Labels to start from: carried from another frame or found by the network, to be corrected and accepted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QGridLayout, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from glissile import workflow
from glissile.widgets._resolve import refused_now
from glissile.widgets._resolve_frames import nearest, resolve_proposals
from glissile.widgets._worker import Work, in_child_process, start
from glissile.widgets.sections.section import words

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from glissile.progress import Steps
    from glissile.widgets._bench import Bench
    from glissile.widgets.sections.frame_choice import FrameChoice

_NOT_COUNTED = "It counts as labelled, and is learned from, only once it is accepted."


class Proposals(QWidget):  # type: ignore[misc]  # qtpy brings no types
    """Makes proposals, and takes or drops the one of the frame that is looked at.

    Parameters
    ----------
    bench : Bench
        The study.
    frames : FrameChoice
        Knows its frames.
    """

    def __init__(self, bench: Bench, frames: FrameChoice) -> None:
        super().__init__()
        self._bench = bench
        self._frames = frames
        self._work: Work | None = None
        self._origins: dict[int, str] = {}  # of the proposals, by index along t
        self.buttons: dict[str, QPushButton] = {}
        self.carry = self._button("H", "Carry labels here", self._carry_here)
        self.ask = self._button("U", "Ask the network", self._ask)
        self.carry_on = self._button("K", "Carry on to the next suggested frame", self._carry_on)
        self.accept = self._button("A", "Accept", lambda: self._decide(accepted=True))
        self.discard = self._button("R", "Discard", lambda: self._decide(accepted=False))
        self.note = words("")
        grid = QGridLayout()
        grid.setSpacing(4)
        grid.addWidget(self.carry, 0, 0)
        grid.addWidget(self.ask, 0, 1)
        grid.addWidget(self.carry_on, 1, 0, 1, 2)
        deciding = QHBoxLayout()
        deciding.addWidget(self.accept, 1)
        deciding.addWidget(self.discard, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(grid)
        layout.addWidget(self.note)
        layout.addLayout(deciding)
        bench.study_changed.connect(self._start_anew)
        frames.changed.connect(self.refresh)
        bench.frame_changed.connect(lambda index: self.refresh())
        bench.closed.connect(self._stop)
        self.refresh()

    def _button(self, key: str, title: str, call: Callable[[], object]) -> QPushButton:
        button = QPushButton(f"{title} ({key})")
        button.clicked.connect(lambda: call())
        self.buttons[key] = button
        return button

    def _start_anew(self) -> None:
        self._stop()
        self._origins = {}
        if self._bench.keeper is not None:
            for key, button in self.buttons.items():
                self._bench.keeper.layer.bind_key(
                    key, lambda layer, button=button: button.click(), overwrite=True
                )
        self.refresh()

    def refresh(self) -> None:
        """Show what can be done with the frame that is looked at."""
        bench, index = self._bench, self._bench.display.working_index()
        state = resolve_proposals(
            self._frames.marks,
            index,
            locked=refused_now("label", bench.facts()),
            network=bench.study is not None and bench.study.card is not None,
            working=self._work is not None,
        )
        for button, reason, how in (
            (self.carry, state.carry, "Moves the labels of the nearest labelled frame with the defects"),
            (self.ask, state.ask, "Shows what the network finds on this frame, to be corrected"),
            (
                self.carry_on,
                state.carry_on,
                "Goes there, with the labels of the labelled frame nearest to it",
            ),
        ):
            button.setEnabled(not reason)
            button.setToolTip(reason or how)
        for button in (self.accept, self.discard):
            button.setVisible(state.shown)
        bench.display.show_as_proposal(state.shown)
        self.note.setVisible(state.shown or self._work is not None)
        if state.shown and index is not None:
            origin = self._origins.get(index, "")
            self.note.setText(f"<b>Proposal{origin}.</b> Correct it with all tools. {_NOT_COUNTED}")
        elif self._work is not None:
            self.note.setText(f"{self._work.description}…")

    def _carry_here(self) -> None:
        index = self._bench.display.working_index()
        if index is not None:
            self._carry_to(index)

    def _carry_on(self) -> None:
        index = self._frames.next_suggested
        if index is not None:
            self._bench.display.go_to_working(index)
            if index not in self._frames.marks.proposed:
                self._carry_to(index)

    def _carry_to(self, index: int) -> None:
        study, keeper = self._bench.study, self._bench.keeper
        source = nearest(self._frames.marks.labelled, index)
        if study is None or keeper is None or source is None:
            return
        mask = keeper.mask(source).copy()
        number = study.video.frame_numbers[source]
        self._make(
            index,
            lambda: workflow.carried_labels(study.video, source, index, mask),
            "Carrying labels",
            f", carried from frame {number}",
        )

    def _ask(self) -> None:
        study, index = self._bench.study, self._bench.display.working_index()
        if study is not None and index is not None:
            folder = study.experiment.folder
            self._make(
                index,
                lambda: in_child_process(workflow.network_labels, folder, index),
                "Asking the network",
                " of the network",
            )

    def _make(
        self, index: int, steps: Callable[[], Steps[NDArray[np.uint8]]], description: str, origin: str
    ) -> None:
        """Have a proposal for a frame made beside other works, and show it."""

        def ended() -> bool:
            wanted = work is self._work
            if wanted:
                self._work = None
            return wanted

        def done(mask: NDArray[np.uint8]) -> None:
            keeper = self._bench.keeper
            if ended() and keeper is not None and keeper.propose(index, mask):
                self._origins[index] = origin
            self.refresh()

        def failed(sentence: str) -> None:
            ended()
            self.refresh()

        self._stop()
        work = self._work = start(steps, description=description, on_done=done, on_error=failed, owner=self)
        self.refresh()

    def _decide(self, *, accepted: bool) -> None:
        keeper, index = self._bench.keeper, self._bench.display.working_index()
        if keeper is not None and index in keeper.proposed:
            (keeper.accept if accepted else keeper.remove)(index)
            self._frames.refresh()

    def _stop(self) -> None:
        work, self._work = self._work, None
        if work is not None:
            work.cancel()
