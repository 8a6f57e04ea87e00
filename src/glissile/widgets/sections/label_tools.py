"""Tools for labels that napari has not: lines traced, whole objects erased, changed and filled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from napari.utils.notifications import show_info
from qtpy.QtWidgets import QGridLayout, QPushButton, QVBoxLayout, QWidget

from glissile.label.objects import brought, changed, filled_between
from glissile.widgets._resolve_frames import beside
from glissile.widgets.sections.section import words

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from glissile.widgets._bench import Bench

    ObjectTool = Callable[[NDArray[np.uint8], float, float, int], NDArray[np.uint8] | None]

# Key, title, and what to do.
_TRACE = (
    "T",
    "Trace lines",
    "Click along the defect: the line is shown before it is drawn. Enter or a double click draws it, "
    "Backspace takes a point back, Escape all. With Shift the next piece is straight.",
)
_ERASE = ("D", "Erase object", "Click an object to erase all of it. Escape goes back to the brush.")
_CHANGE = (
    "C",
    "Change class",
    "Click an object to give it the class that is chosen above. Escape goes back to the brush.",
)
_FILL = (
    "G",
    "Fill between",
    "Click between the two edges of a wide defect of the chosen class, or inside a closed one, to fill it. "
    "Escape goes back to the brush.",
)
_BRING = (
    "O",
    "Object of another frame",
    "The labels of the labelled frame before this one, or of the one after it, are shown as outlines. Click "
    "an object to have it here, too. Escape goes back to the brush.",
)
_NO_OBJECT = "There is no object within 4 px of the click"
_NO_EDGES = "The click lies between no two edges of the class that is chosen"
_COLUMNS = 2


class LabelTools(QWidget):  # type: ignore[misc]  # qtpy brings no types
    """One button for each tool, its key, and how it is used while it is.

    Parameters
    ----------
    bench : Bench
        The study whose labels are drawn.
    pen_px : callable
        Gives the width of the line of a class, in pixels, by its value.
    hidden : callable
        Gives the values of the classes that are not seen, whose objects stay as they are.
    """

    def __init__(
        self, bench: Bench, pen_px: Callable[[int], float], hidden: Callable[[], frozenset[int]]
    ) -> None:
        super().__init__()
        self._bench = bench
        self._hidden = hidden
        self._takes: dict[str, Callable[[], object]] = {
            _TRACE[0]: lambda: bench.display.trace_lines(pen_px),
            _ERASE[0]: self._picker(lambda mask, y, x, value: changed(mask, y, x, 0), _NO_OBJECT),
            _CHANGE[0]: self._picker(changed, _NO_OBJECT),
            _FILL[0]: self._picker(filled_between, _NO_EDGES),
            _BRING[0]: self._bring,
        }
        self._taken = ""
        self.buttons: dict[str, QPushButton] = {}
        self.hint = words("")
        grid = QGridLayout()
        grid.setSpacing(4)
        for n, (key, title, how) in enumerate((_TRACE, _ERASE, _CHANGE, _FILL, _BRING)):
            button = QPushButton(f"{title} ({key})")
            button.setCheckable(True)
            button.setToolTip(f"{how} Key {key} while the Labels layer is selected")
            button.setProperty("how", how)
            button.clicked.connect(lambda checked, key=key: self._take(key if checked else ""))
            grid.addWidget(button, *divmod(n, _COLUMNS), 1, _COLUMNS if key == _BRING[0] else 1)
            self.buttons[key] = button
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(grid)
        layout.addWidget(self.hint)
        bench.study_changed.connect(self._bind_keys)
        bench.frame_changed.connect(self._follow_frame)
        self._show()

    @property
    def taken(self) -> bool:
        """Whether one of these tools is in hand."""
        return bool(self._taken)

    def _bind_keys(self) -> None:
        """Bind the keys on the layer, so that they end with it."""
        if self._bench.keeper is not None:
            for key, button in self.buttons.items():
                self._bench.keeper.layer.bind_key(
                    key, lambda layer, button=button: button.click(), overwrite=True
                )

    def _take(self, key: str) -> None:
        display = self._bench.display
        if key and self._bench.keeper is not None:
            self._takes[key]()
            self._taken = key
            assert display.tool is not None
            display.tool.ended.connect(self._end)
        elif display.tool is not None:
            display.show_labels()
        self._show()

    def _end(self) -> None:
        self._taken = ""
        self._show()

    def _show(self) -> None:
        for key, button in self.buttons.items():
            button.setChecked(key == self._taken)
        self.hint.setVisible(self.taken)
        if self.taken:
            self.hint.setText(self.buttons[self._taken].property("how"))

    def _follow_frame(self, index: int) -> None:
        if self._bench.display.tool is not None:
            self._bench.display.tool.show()

    def _bring(self) -> None:
        def other() -> NDArray[np.uint8]:
            """Labels of the labelled frame before the one that is looked at, else of the one after it."""
            keeper, index = self._bench.keeper, self._bench.display.working_index()
            assert keeper is not None
            shown = -1 if index is None else index
            before, after = (beside(keeper.labelled, shown, back=back) for back in (True, False))
            found = after if before is None else before
            return np.zeros_like(keeper.mask(0)) if found is None else keeper.mask(found).copy()

        acts = self._acts(lambda mask, y, x, value: brought(mask, other(), y, x), _NO_OBJECT)
        self._bench.display.bring_objects(acts, other)

    def _picker(self, act: ObjectTool, otherwise: str) -> Callable[[], object]:
        """Give what takes a tool that acts on objects."""
        picked = self._acts(act, otherwise)
        return lambda: self._bench.display.pick_objects(picked)

    def _acts(self, act: ObjectTool, otherwise: str) -> Callable[[int, float, float], None]:
        """Give what acts on the object that is clicked, and says `otherwise` where it can do nothing."""

        def picked(index: int, y: float, x: float) -> None:
            study, keeper = self._bench.study, self._bench.keeper
            assert study is not None
            assert keeper is not None
            if not 0 <= index < len(study.video):
                return  # beside the video in time, where another layer is
            mask = keeper.mask(index)
            unseen = np.isin(mask, list(self._hidden()))
            found = act(np.where(unseen, 0, mask).astype(np.uint8), y, x, int(keeper.layer.selected_label))
            if found is None:
                show_info(otherwise)
            else:
                keeper.put(index, np.where(unseen, mask, found).astype(np.uint8))

        return picked
