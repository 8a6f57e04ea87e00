"""Section Micrographs: real images beside the generator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QLabel

from glissile.widgets._fold import Fold
from glissile.widgets.gan._resolve_micrographs import MicrographFacts, resolve_micrographs
from glissile.widgets.gan.micrograph_search import MicrographSearch
from glissile.widgets.gan.nearest_image import NearestImage

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from glissile.widgets.gan.state import GeneratorState


class MicrographsSection(Fold):
    """Finds a micrograph in the generator, and the training image that is nearest to the picture.

    Parameters
    ----------
    viewer : napari.Viewer
        Has the micrograph.
    state : GeneratorState
        Has the picture.
    """

    def __init__(self, viewer: ViewerModel, state: GeneratorState) -> None:
        super().__init__("Micrographs", is_section=True)
        self._state = state
        self.search = MicrographSearch(viewer, state)
        self.nearest = NearestImage(state)
        for title, widget in (
            ("Find a micrograph in the generator", self.search),
            ("Nearest training image", self.nearest),
        ):
            heading = QLabel(title)
            heading.setStyleSheet("font-weight: bold; margin-top: 8px;")
            self.body.addWidget(heading)
            self.body.addWidget(widget)
        self.search.changed.connect(self.refresh)
        self.nearest.changed.connect(self.refresh)
        for signal in (state.network_changed, state.point_changed):
            signal.connect(self.refresh)
        self.toggled.connect(self.search.set_watching)
        self.toggled.connect(self.nearest.set_watching)
        self.refresh()

    def facts(self) -> MicrographFacts:
        """Give what is known."""
        state, search, nearest = self._state, self.search, self.nearest
        return MicrographFacts(
            network=state.sampler is not None,
            picture=state.point is not None,
            micrograph=search.micrograph.layer is not None,
            problem="" if search.crop is None else search.crop.problem,
            searching=search.work.running,
            opening=search.reading.running,
            found=search.found is not None,
            reading=nearest.work.running,
            folder="" if nearest.folder is None else nearest.folder.name,
            images=0 if nearest.index is None else len(nearest.index),
        )

    def refresh(self) -> None:
        """Show what can be done now."""
        controls = resolve_micrographs(self.facts())
        self.search.show_controls(controls)
        self.nearest.show_controls(controls)
