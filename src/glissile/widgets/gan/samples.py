"""Section Samples: seeds as thumbnails, to look through and to pick from."""

from __future__ import annotations

from collections import OrderedDict
from functools import partial
from random import SystemRandom
from typing import TYPE_CHECKING, NamedTuple

from napari.utils.notifications import show_error
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import (
    QApplication,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMenu,
    QPushButton,
    QToolButton,
)

from glissile.errors import InputError
from glissile.gan.points import Point, ws_of
from glissile.gan.thumbnails import exact_pixels, preview_sizes, quick_pixels, reduced
from glissile.widgets._fold import Fold
from glissile.widgets.gan._pins import Pins, toggled
from glissile.widgets.gan._seed_pages import Consecutive, Drawn, Listed, Pages, pages_of
from glissile.widgets.gan._thumbnails import pixmap_of
from glissile.widgets.gan.sample_grid import THUMBNAIL_PX, SampleGrid

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    import numpy as np
    from numpy.typing import NDArray
    from qtpy.QtGui import QPixmap

    from glissile.gan.look import Look
    from glissile.gan.sampler import Sampler
    from glissile.widgets.gan.state import GeneratorState

_REST_MS = 250  # without a change, before thumbnails are made
_LARGEST_PX = 128  # to which images are reduced before Qt scales them
_MOST_KEPT = 512  # thumbnails, for pages that were looked at before


class _Thumbnail(NamedTuple):
    picture: QPixmap
    exact: bool


class SamplesSection(Fold):
    """Shows samples by page: of consecutive, random, named or pinned seeds.

    Parameters
    ----------
    state : GeneratorState
        Its worker makes the thumbnails; is told what to show and what to take into the walk.
    pins : Pins, optional
        Where pinned seeds are kept. Default: with the user's settings.
    """

    def __init__(self, state: GeneratorState, pins: Pins | None = None) -> None:
        super().__init__("Samples", is_section=True)
        self._state, self._pins = state, pins or Pins()
        self._pages: Pages = Consecutive()
        self._page = 0
        self._pinned: tuple[int, ...] = ()
        self._thumbnails: OrderedDict[tuple[Point, Look], _Thumbnail] = OrderedDict()
        self._failed: set[tuple[Point, Look, bool]] = set()  # since the last change
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(_REST_MS)
        self._rest.timeout.connect(self._fill)
        self._add_paging()
        self._add_seeds()
        self.grid = SampleGrid()
        self.body.addWidget(self.grid)
        self._add_actions()
        self._connect()
        self._on_network()

    def _add_paging(self) -> None:
        self.back = _arrow(Qt.ArrowType.LeftArrow, "Page before")
        self.back.clicked.connect(lambda: self._turn(-1))
        self.title = QLabel()
        self.title.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.forward = _arrow(Qt.ArrowType.RightArrow, "Next page")
        self.forward.clicked.connect(lambda: self._turn(1))
        row = QHBoxLayout()
        row.addWidget(self.back)
        row.addWidget(self.title, 1)
        row.addWidget(self.forward)
        self.body.addLayout(row)

    def _add_seeds(self) -> None:
        self.go_to = QLineEdit()
        self.go_to.setPlaceholderText("7 or 0,1,5-9")
        self.go_to.setToolTip("A seed, from which on seeds are shown, or a list of seeds; press Enter")
        self.go_to.setAccessibleName("Go to seed")
        self.go_to.returnPressed.connect(self._go_to)
        self.random = QPushButton("Random seeds")
        self.random.setToolTip("Draw other seeds")
        self.random.clicked.connect(lambda: self._open(Drawn(SystemRandom().randrange(2**32))))
        self.only_pinned = QPushButton("★ Pinned")
        self.only_pinned.setCheckable(True)
        self.only_pinned.toggled.connect(self._show_pinned)
        typed, buttons = QHBoxLayout(), QHBoxLayout()
        typed.addWidget(QLabel("Go to seed"))
        typed.addWidget(self.go_to, 1)
        buttons.addWidget(self.random, 1)
        buttons.addWidget(self.only_pinned, 1)
        self.body.addLayout(typed)
        self.body.addLayout(buttons)

    def _add_actions(self) -> None:
        self.pin = QPushButton("★ Pin")
        self.pin.clicked.connect(lambda: self._with_selected(self._toggle_pin))
        self.copy = QPushButton("Copy seed")
        self.copy.setToolTip("Copy the seed as text (Ctrl+C)")
        self.copy.clicked.connect(lambda: self._with_selected(self._copy))
        self.add = QPushButton("Add to walk")
        self.add.setToolTip("Make the sample the next key frame (double click, Enter)")
        self.add.clicked.connect(lambda: self._with_selected(self._add))
        row = QHBoxLayout()
        for widget in (self.pin, self.copy, self.add):
            row.addWidget(widget, 1)
        self.body.addLayout(row)

    def _connect(self) -> None:
        grid, state = self.grid, self._state
        grid.chosen.connect(self._show_seed)
        grid.taken.connect(self._add)
        grid.pressed_pin.connect(self._toggle_pin)
        grid.pressed_copy.connect(self._copy)
        grid.customContextMenuRequested.connect(self._open_menu)
        self.toggled.connect(lambda shown: self._fill())
        state.network_changed.connect(self._on_network)
        state.look_changed.connect(self._on_picture)
        state.edits_changed.connect(self._on_picture)
        state.point_changed.connect(self._on_picture)

    @property
    def shown(self) -> tuple[Point, ...]:
        """Samples of the page."""
        return tuple(self._state.seeded(seed) for seed in self.grid.seeds)

    @property
    def pinned(self) -> tuple[Point, ...]:
        """Samples that are pinned."""
        return tuple(self._state.seeded(seed) for seed in self._pinned)

    # pages

    def _open(self, pages: Pages, *, pinned: bool = False) -> None:
        self._pages, self._page = pages, 0
        self.only_pinned.blockSignals(True)
        self.only_pinned.setChecked(pinned)
        self.only_pinned.blockSignals(False)
        self._refresh()

    def _turn(self, by: int) -> None:
        self._page += by
        self._refresh()

    def _go_to(self) -> None:
        try:
            pages = pages_of(self.go_to.text())
        except InputError as error:
            show_error(str(error))
            return
        self._open(pages)
        self._show_seed(pages.page(0)[0])

    def _show_pinned(self, pinned: bool) -> None:
        self._open(Listed(self._pinned, "Pinned seeds") if pinned else Consecutive(), pinned=pinned)

    def _refresh(self) -> None:
        """Show the page, with the thumbnails that are there, and have the others made."""
        there = self._state.sampler is not None
        seeds = self._pages.page(self._page) if there else ()
        self.grid.set_seeds(seeds, self._pinned)
        self.title.setText(self._pages.title(self._page) if seeds else "")
        self.back.setEnabled(there and bool(self._pages.page(self._page - 1)))
        self.forward.setEnabled(there and bool(self._pages.page(self._page + 1)))
        self.only_pinned.setEnabled(bool(self._pinned) or self.only_pinned.isChecked())
        self.only_pinned.setToolTip(
            "Show the pinned seeds of this generator" if self._pinned else "No seed is pinned yet"
        )
        self._show_selected()
        self._fill()

    def _show_selected(self) -> None:
        point = self._state.point
        self.grid.select(None if point is None else point.seed)
        seed = self.grid.selected
        self.pin.setText("Unpin" if seed in self._pinned else "★ Pin")
        self.pin.setToolTip("Keep the seed among the pinned ones of this generator, also after a restart (P)")
        for widget in (self.pin, self.copy, self.add):
            widget.setEnabled(seed is not None)

    def _on_network(self) -> None:
        card = self._state.card
        self.content.setEnabled(card is not None)
        self._pinned = () if card is None else self._pins.of(card)
        self._thumbnails.clear()
        self.grid.set_seeds((), ())
        self._open(Consecutive())

    def _on_picture(self) -> None:
        """Leave the worker to the picture, as long as it changes."""
        self._state.forget("thumbnails")
        self._rest.start()
        self._show_selected()

    # thumbnails

    def _fill(self) -> None:
        """Show the thumbnails that are there, and have the others made; until then the old ones stay."""
        self._failed.clear()
        state = self._state
        look = state.look
        for seed in self.grid.seeds:
            known = self._thumbnails.get((state.seeded(seed), look))
            if known is not None:
                self._thumbnails.move_to_end((state.seeded(seed), look))
                self.grid.set_picture(seed, known.picture)
        self._ask()

    def _ask(self) -> None:
        """Have the next thumbnail made: previews first, then images; none while the picture changes."""
        state = self._state
        if state.sampler is None or self._rest.isActive() or not self.is_open():
            return
        look = state.look
        points = [state.seeded(seed) for seed in self.grid.seeds]
        sizes = preview_sizes(state.sampler.shape)
        for exact in (False, True) if sizes else (True,):
            for point in points:
                known = self._thumbnails.get((point, look))
                missing = known is None or (exact and not known.exact)
                if missing and (point, look, exact) not in self._failed:
                    job = _thumbnail(point, look, None if exact else sizes[0])
                    taken = self._taker(point, look, exact=exact)
                    state.generate("thumbnails", job, taken, partial(self._leave_out, point, look, exact))
                    return
        state.forget("thumbnails")

    def _taker(self, point: Point, look: Look, *, exact: bool) -> Callable[[NDArray[np.uint8]], None]:
        def take(pixels: NDArray[np.uint8]) -> None:
            picture = pixmap_of(pixels, THUMBNAIL_PX)
            self._thumbnails[point, look] = _Thumbnail(picture, exact)
            while len(self._thumbnails) > _MOST_KEPT:
                self._thumbnails.popitem(last=False)
            seed = point.seed
            if seed is not None and look == self._state.look and point == self._state.seeded(seed):
                self.grid.set_picture(seed, picture)
            self._ask()

        return take

    def _leave_out(self, point: Point, look: Look, exact: bool) -> None:
        """Go on with the next thumbnail; this one is tried again with the next change."""
        self._failed.add((point, look, exact))
        self._ask()

    # what is done with samples

    def _with_selected(self, do: Callable[[int], None]) -> None:
        seed = self.grid.selected
        if seed is not None:
            do(seed)

    def _show_seed(self, seed: int) -> None:
        if self._state.sampler is not None:
            self._state.show(self._state.seeded(seed))

    def _add(self, seed: int) -> None:
        self._state.add_key(self._state.seeded(seed))

    def _copy(self, seed: int) -> None:
        QApplication.clipboard().setText(str(seed))

    def _toggle_pin(self, seed: int) -> None:
        card = self._state.card
        if card is None:
            return
        try:
            self._pinned = self._pins.toggle(card, seed)
        except InputError as error:
            self._pinned = toggled(self._pinned, seed)
            show_error(str(error))
        if self.only_pinned.isChecked():
            self._pages = Listed(self._pinned, "Pinned seeds")
            self._page = max(0, self._page - (not self._pages.page(self._page)))
        self._refresh()

    def menu_of(self, seed: int) -> QMenu:
        """Give the menu of a sample."""
        menu = QMenu(self)
        menu.addAction("Show", lambda: self._show_seed(seed))
        menu.addAction("Add to walk", lambda: self._add(seed))
        menu.addAction("Unpin" if seed in self._pinned else "Pin", lambda: self._toggle_pin(seed))
        menu.addAction("Copy seed", lambda: self._copy(seed))
        return menu

    def _open_menu(self, position: Any) -> None:
        seed = self.grid.seed_at(position)
        if seed is not None:
            menu = self.menu_of(seed)
            menu.aboutToHide.connect(menu.deleteLater)
            menu.popup(self.grid.viewport().mapToGlobal(position))


def _thumbnail(point: Point, look: Look, preview_px: int | None) -> Callable[[Sampler], NDArray[np.uint8]]:
    """Give what makes a thumbnail, from a preview or from the image."""

    def make(sampler: Sampler) -> NDArray[np.uint8]:
        ws = ws_of(sampler, [point])[0]
        if preview_px is not None:
            return quick_pixels(sampler, ws, look, preview_px)
        return reduced(exact_pixels(sampler, ws, look), _LARGEST_PX)

    return make


def _arrow(direction: Qt.ArrowType, name: str) -> QToolButton:
    button = QToolButton()
    button.setArrowType(direction)
    button.setToolTip(name)
    button.setAccessibleName(name)
    return button
