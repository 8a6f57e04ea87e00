"""Section Walk: key frames in a row, and the walk through them as a layer that plays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSpinBox

from glissile.errors import InputError
from glissile.gan.equal_speed import measured_distances, retimed, timed
from glissile.gan.walk import Walk, WalkSettings
from glissile.gan.walk_frames import key_frames
from glissile.widgets._fold import Fold
from glissile.widgets._form import SettingsForm, WheelGuard
from glissile.widgets._frame_axis import frame_at, frame_axis, go_to_frame, steps_of
from glissile.widgets.gan._playing import Player
from glissile.widgets.gan._resolve_walk import (
    PAPER_FRAMES_PER_SECOND,
    WalkFacts,
    paper_keys,
    paper_settings,
    resolve_walk,
    walk_of,
)
from glissile.widgets.gan.key_frames import KeyFrames
from glissile.widgets.gan.long_work import LongWork
from glissile.widgets.gan.walk_layer import WalkLayer
from glissile.widgets.sections.section import words

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from napari.components import ViewerModel
    from numpy.typing import NDArray

    from glissile.gan.look import Look
    from glissile.gan.sampler import Sampler
    from glissile.progress import Steps
    from glissile.widgets.gan._kept_walks import KeptWalks
    from glissile.widgets.gan.state import GeneratorState

MOST_FRAMES_PER_SECOND = 30
_REBUILD_AFTER_MS = 150
_MEASURE = "Make images along the walk, and space its frames so that the image changes equally"
_SHOW = "Show the walk as a layer; its frames are made while the slider moves"
_PLAY = "Let napari's slider move along the walk; frames are made ahead, so the second round is smooth"
_PAPER = (
    "Play the walk of the paper: 1438 images between two key frames; where there are none, between the "
    "picture and another sample"
)


class WalkSection(Fold):
    """Builds a walk from key frames, and shows, plays and re-times it.

    Parameters
    ----------
    viewer : napari.Viewer
        Where the walk is shown.
    state : GeneratorState
        Has the key frames.
    kept : KeptWalks, optional
        Where key frames are kept. Default: with the user's settings.
    """

    changed = Signal()  # the walk is another, or there is none

    def __init__(self, viewer: ViewerModel, state: GeneratorState, kept: KeptWalks | None = None) -> None:
        super().__init__("Walk", is_section=True)
        self._viewer, self._state = viewer, state
        self._distances: dict[Any, NDArray[np.floating]] = {}
        self._once_shown: Callable[[Walk], None] = lambda walk: None
        self.walk: Walk | None = None  # that is shown
        self.layer = WalkLayer(viewer, state, self)
        self.player = Player(self)
        self._rebuild = QTimer(self)
        self._rebuild.setSingleShot(True)
        self._rebuild.setInterval(_REBUILD_AFTER_MS)
        self._rebuild.timeout.connect(self._renew)
        self.keys = KeyFrames(state, kept)
        self.keys.chosen.connect(self._go_to_key)
        self.keys.selection_changed.connect(self.refresh)
        self.body.addWidget(self.keys)
        self._add_settings()
        self.keys.sources.read_settings.connect(self.form.set_value)
        self._add_playing()
        self._add_shortcuts()
        state.network_changed.connect(self._on_network)
        state.point_changed.connect(self._on_picture)
        state.edits_changed.connect(self._on_picture)
        state.truncation_changed.connect(self._on_picture)
        state.ws_changed.connect(self.refresh)
        state.look_changed.connect(self._on_keys)
        state.keys_changed.connect(self._on_keys)
        self.layer.progressed.connect(self._on_progress)
        moved = viewer.dims.events.point
        moved.connect(self._show_playing)
        follow = self._show_playing
        self.destroyed.connect(lambda: moved.disconnect(follow))
        self._on_keys()

    # what it is made of

    def _add_settings(self) -> None:
        self.form = SettingsForm(WalkSettings)
        self._settings: WalkSettings | None = self.form.value()
        self.form.value_changed.connect(self._on_settings)
        self.body.addWidget(self.form)
        self.work = LongWork()
        self.work.running_changed.connect(self.refresh)
        self.body.addWidget(self.work)
        self.measure = QPushButton("Measure the speed")
        self.measure.clicked.connect(self._measure)
        self.body.addWidget(self.measure)

    def _add_playing(self) -> None:
        self.text = words("")
        self.body.addWidget(self.text)
        self.show_walk = QPushButton("Show")
        self.show_walk.clicked.connect(lambda: self._shown(self._raise))
        self.play = QPushButton("Play")
        self.play.clicked.connect(self._toggle_play)
        self.rate = QSpinBox()
        self.rate.setRange(1, MOST_FRAMES_PER_SECOND)
        self.rate.setValue(PAPER_FRAMES_PER_SECOND)
        self.rate.setToolTip("Frames per second at which napari plays the walk")
        self.rate.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.rate.installEventFilter(WheelGuard(self))
        self.rate.valueChanged.connect(self._on_rate)
        row = QHBoxLayout()
        row.addWidget(self.show_walk, 1)
        row.addWidget(self.play, 1)
        row.addWidget(self.rate)
        row.addWidget(QLabel("frames/s"))
        self.body.addLayout(row)

    def _add_shortcuts(self) -> None:
        self.paper = QPushButton("Walk of one minute (Lambard et al. 2023)")
        self.paper.clicked.connect(self._walk_of_the_paper)
        self.body.addWidget(self.paper)

    # what is known, and what follows from it

    def settings(self) -> WalkSettings | None:
        """Give what the form holds; None where that is not valid."""
        try:
            return self.form.value()
        except InputError:
            return None

    def facts(self) -> WalkFacts:
        """Give what is known of the walk."""
        state, frames = self._state, self.layer.frames
        settings = self.settings()
        return WalkFacts(
            network=state.sampler is not None,
            picture=state.edited_point(),
            keys=state.keys,
            selected=self.keys.selected,
            undoable=self.keys.undoable,
            settings=settings,
            measured=settings is not None and self._way(settings) in self._distances,
            running=self.work.running,
            shown=frames is not None,
            ready=0 if frames is None else frames.ready,
            frames_per_second=self.rate.value(),
        )

    @property
    def refused(self) -> str:
        """Why there is no walk; empty where there is."""
        return resolve_walk(self.facts()).show

    @property
    def frame_count(self) -> int:
        """Number of frames of the walk as it is set now; 0 where there is none."""
        walk = self._set_walk()
        return 0 if walk is None else walk.frame_count

    def timed(self) -> Callable[[], Steps[Walk]] | None:
        """Give what times the walk as it is set now, measuring where it must; None where there is no walk."""
        walk, settings, sampler = self._set_walk(), self.settings(), self._state.sampler
        if walk is None or settings is None or sampler is None:
            return None
        distances = self._distances.get(self._way(settings)) if settings.equal_speed else None
        look = self._state.look
        return lambda: _timed(walk, sampler, look, distances)

    def _set_walk(self) -> Walk | None:
        settings = self.settings()
        if settings is None or self.refused:
            return None
        return walk_of(self._state.keys, settings)

    def refresh(self) -> None:
        """Show what can be done now."""
        facts = self.facts()
        controls = resolve_walk(facts)
        self.text.setText(controls.text)
        self.keys.show_controls(controls)
        for button, reason, tooltip in (
            (self.measure, controls.measure, _MEASURE),
            (self.show_walk, controls.show, _SHOW),
            (self.play, controls.play, _PLAY),
            (self.paper, controls.paper, _PAPER),
        ):
            button.setEnabled(not reason)
            button.setToolTip(reason or tooltip)
        asked = facts.settings is not None and facts.settings.equal_speed
        self.measure.setVisible(asked and not facts.measured and not self.work.running)
        self._show_playing()

    def _way(self, settings: WalkSettings) -> Any:
        """Give what the distances of images along the walk depend on."""
        look = self._state.look
        return self._state.keys, settings.space, settings.path, settings.closed, look.noise, look.noise_seed

    # key frames

    def _go_to_key(self, index: int) -> None:
        """Go to a key frame; without a walk, look at it alone."""
        if self.refused:
            self._state.show(self._state.keys[index])
        else:
            self._shown(lambda walk: self._look_at(walk, index))
        self.refresh()

    def _look_at(self, walk: Walk, index: int) -> None:
        self._raise(walk)
        go_to_frame(self._viewer.dims, key_frames(walk)[index])

    def _on_keys(self) -> None:
        self._renew_soon()
        self.refresh()
        self.changed.emit()

    # the walk in the viewer

    def _shown(self, then: Callable[[Walk], None]) -> None:
        """Have the layer show the walk as it is set now, timed in the background where it must be."""
        settings, walk = self.settings(), self._set_walk()
        if settings is None or walk is None:
            return
        self._rebuild.stop()
        self._once_shown = then
        distances = self._distances.get(self._way(settings)) if settings.equal_speed else None
        if distances is None:
            self._state.forget("walk timing")
            self._put(walk)
        else:
            self._state.generate("walk timing", lambda sampler: retimed(walk, distances), self._put)

    def _put(self, walk: Walk) -> None:
        look = self._state.look
        frames, sampler = self.layer.frames, self._state.sampler
        if sampler is None:
            return
        if frames is None or not frames.shows(sampler, walk, look):
            self.layer.show(walk, look)
        self.walk = walk
        then, self._once_shown = self._once_shown, lambda walk: None
        if self._plays:
            self._play_within(walk)
        then(walk)
        self.refresh()

    def _raise(self, walk: Walk) -> None:
        """Bring the walk before the picture."""
        layers, layer = self._viewer.layers, self.layer.layer
        if layer is not None:
            layers.move(layers.index(layer), len(layers))
            layer.visible = True

    def _renew_soon(self) -> None:
        if self.layer.frames is not None:
            self._rebuild.start()

    def _renew(self) -> None:
        """Let the layer follow key frames and settings, where it is there; it goes with the walk."""
        if self.layer.layer is None:
            return
        if self.refused:
            if len(self._state.keys) < 2:
                self.layer.remove()
            return
        self._shown(lambda walk: None)

    def _hide(self) -> None:
        if self.layer.layer is not None and self.layer.layer.visible:
            if self.player.playing:
                self.player.stop()
            self.layer.layer.visible = False

    # playing

    def _toggle_play(self) -> None:
        if self.player.playing:
            self.player.stop()
        else:
            self._shown(self._play)
        self._show_playing()

    def _play(self, walk: Walk) -> None:
        self._raise(walk)
        dims = self._viewer.dims
        dims.ndisplay = 2  # in 3D there is no slider along t
        if not 0 <= frame_at(dims) < walk.frame_count:
            go_to_frame(dims, 0)
        self._play_within(walk)

    def _play_within(self, walk: Walk) -> None:
        dims = self._viewer.dims
        self.player.play(frame_axis(dims), self.rate.value(), steps_of(dims, walk.frame_count))

    def _on_rate(self) -> None:
        if self._plays and self.walk is not None:
            self._play_within(self.walk)
        self.refresh()

    @property
    def _plays(self) -> bool:
        """Whether it is the walk that napari plays, and no video of the user's."""
        layer = self.layer.layer
        return self.player.playing and layer is not None and bool(layer.visible)

    def _show_playing(self, event: Any = None) -> None:
        self.player.stopped()
        self.play.setText("Stop" if self.player.playing else "Play")

    def _walk_of_the_paper(self) -> None:
        state = self._state
        keys = paper_keys(state.keys, state.edited_point(), [state.seeded(seed) for seed in (0, 1)])
        self.form.set_value(paper_settings(self.settings()))
        self.rate.setValue(PAPER_FRAMES_PER_SECOND)
        state.set_keys(keys)
        self._shown(self._play_from_the_start)

    def _play_from_the_start(self, walk: Walk) -> None:
        go_to_frame(self._viewer.dims, 0)
        self._play(walk)

    # equal speed

    def _on_settings(self, settings: WalkSettings) -> None:
        before, self._settings = self._settings, settings
        newly = settings.equal_speed and not (before is not None and before.equal_speed)
        self._renew_soon()
        self.refresh()
        self.changed.emit()
        if newly:
            self._measure()

    def _measure(self) -> None:
        """Measure how much the image changes along the walk, in the background."""
        settings, sampler = self.settings(), self._state.sampler
        if settings is None or sampler is None or resolve_walk(self.facts()).measure:
            return
        walk, way, look = walk_of(self._state.keys, settings), self._way(settings), self._state.look
        assert walk is not None
        self.work.run(
            lambda: measured_distances(walk, sampler, noise=look.noise, noise_seed=look.noise_seed),
            description="Measuring the speed of the walk",
            on_done=lambda distances: self._take_distances(sampler, way, distances),
        )

    def _take_distances(self, sampler: Sampler, way: Any, distances: NDArray[np.floating]) -> None:
        if sampler is self._state.sampler:
            self._distances[way] = distances
            self._renew_soon()
        self.refresh()

    # what comes from elsewhere

    def _on_network(self) -> None:
        self.work.stop()
        self._distances.clear()
        self.walk = None
        # The next picture is flat. In 3D, where RGB and grey images come after one another, napari ended the
        # process in its graphics (napari 0.9.2 with the software graphics of Mesa 22.3).
        self._viewer.dims.ndisplay = 2
        self.layer.remove()
        self.refresh()

    def _on_picture(self) -> None:
        """Make way for the picture that is looked at now."""
        self._hide()
        self.refresh()

    def _on_progress(self) -> None:
        if self.layer.frames is None:
            self.walk = None
        self.refresh()


def _timed(walk: Walk, sampler: Sampler, look: Look, distances: NDArray[np.floating] | None) -> Steps[Walk]:
    if distances is not None:
        return retimed(walk, distances)
    return (yield from timed(walk, sampler, noise=look.noise, noise_seed=look.noise_seed))
