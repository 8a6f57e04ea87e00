"""The layers of the open study in a viewer, and which frame of it is looked at."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image, Labels, Layer, Shapes
from numpy.typing import NDArray

from glissile import workflow
from glissile.defects import DefectClass
from glissile.video import Video
from glissile.widgets._alignment import Alignment
from glissile.widgets._close_up import show_close
from glissile.widgets._flat_look import FlatLook
from glissile.widgets._frame_axis import frame_at, go_to_frame
from glissile.widgets._labels_tool import LabelsTool, ObjectBringer, ObjectPicker
from glissile.widgets._layer_list import remove
from glissile.widgets._layers import (
    StoredMasks,
    class_colormap,
    experiment_of,
    mask_layer,
    other_frame_layer,
    rectangle_layer,
    video_layer,
    video_of,
)
from glissile.widgets._line_tracer import LineTracer
from glissile.widgets._mode import Mode
from glissile.widgets._overlays import Overlays
from glissile.widgets._state import ViewerState
from glissile.widgets._study import Study
from glissile.widgets._tool_in_hand import ToolInHand


class Display:
    """The layers of one study.

    Parameters
    ----------
    viewer : napari.Viewer
        Where they are shown.
    state : ViewerState
        Its `shown` is kept up to date.

    Attributes
    ----------
    masks : StoredMasks, optional
        What the Segmentation layer shows.
    mode : Mode
        Whoever draws over the video enters it first.
    """

    def __init__(self, viewer: Any, state: ViewerState) -> None:
        self.viewer = viewer
        self._state = state
        self.mode = Mode()
        self.masks: StoredMasks | None = None
        self._study: Study | None = None
        self._video: Image | None = None
        self._source: Image | None = None
        self._labels: Labels | None = None
        self._segmentation: Labels | None = None
        self._overlays = Overlays(viewer)
        self._in_hand = ToolInHand(viewer, self.mode)
        self._drawing: Layer | None = None
        self._alignment: Alignment | None = None
        self._hidden: list[Layer] = []
        self._contour: int | None = None  # of the Labels layer, while it shows a proposal
        self._flat_look: FlatLook | None = None
        self._flat_folder: Path | None = None

    def show(self, study: Study, labels: Labels, frame_number: int | None) -> None:
        """Show a study in the empty display.

        Parameters
        ----------
        study : Study
            Its working video and segmentation are shown.
        labels : Labels
            Its labels, above them.
        frame_number : int, optional
            Number in the source of the frame to look at, where the working video has it.
        """
        self._take_over(study)
        folder, classes = study.experiment.folder, study.experiment.document.classes
        self._study = study
        if folder != self._flat_folder:
            self._flat_look = None
        self.masks = StoredMasks(workflow.segmentation_of(study.experiment, study.video), study.video)
        self._video = Image(**self._look(study.video, "video"))
        self._segmentation = Labels(
            **mask_layer(self.masks, "Segmentation", "segmentation", study.video, folder, classes)
        )
        self._segmentation.editable = False
        self._labels = labels
        for layer in (self._video, self._segmentation, self._labels):
            self.viewer.add_layer(layer)
        self.viewer.layers.selection = {self._video}
        self._state.shown = self.video()
        index = None if frame_number is None else study.video.index_of(frame_number)
        self.go_to(index or 0)

    def _take_over(self, study: Study) -> None:
        """Take out what napari's readers have shown of the same video or experiment."""
        source = Path(study.experiment.document.source.path)
        for layer in list(self.viewer.layers):
            if study.experiment.folder == experiment_of(layer) or source == video_of(layer):
                self.viewer.layers.remove(layer)

    def clear(self) -> None:
        """Take the layers of the study out of the viewer."""
        self.mode.leave()
        self._hide_drawing()
        self._overlays.clear()
        for layer in (self._source, self._labels, self._segmentation, self._video):
            remove(self.viewer, layer)
        self.forget()

    def forget(self) -> None:
        """Let go of the study where its layers went with their window."""
        self._overlays.forget()
        self._in_hand.forget()
        self._source = self._labels = self._segmentation = self._video = None
        self._study = self.masks = self._contour = None
        self._state.shown = None

    def owns(self, layer: Layer) -> bool:
        """Whether `layer` is one of the study's."""
        mine = (
            *(self._video, self._source, self._labels, self._segmentation, self._drawing),
            *(() if self._alignment is None else self._alignment.layers),
            *(() if self.tool is None else (self.tool.layer,)),
            *self._overlays.layers,
        )
        return any(layer is one for one in mine)

    @property
    def shows_source(self) -> bool:
        """Whether the video is shown as recorded."""
        return self._source is not None

    def index(self) -> int:
        """Index along t of the frame that is looked at; the video that is shown may not reach there."""
        return frame_at(self.viewer.dims)

    def video(self) -> Video | None:
        """Return the video that is shown: the working video, or the one as recorded."""
        if self._study is None:
            return None
        return self._study.source if self.shows_source else self._study.video

    def frame_number(self) -> int | None:
        """Return the number in the source of the frame that is looked at."""
        video = self.video()
        if video is None or not 0 <= self.index() < len(video):
            return None
        return int(video.frame_numbers[self.index()])

    def working_index(self) -> int | None:
        """Index along t, in the working video, of the frame that is looked at."""
        number = self.frame_number()
        return None if number is None or self._study is None else self._study.video.index_of(number)

    def go_to(self, index: int) -> None:
        """Look at frame `index` along t of the video that is shown."""
        go_to_frame(self.viewer.dims, index)

    def go_to_working(self, index: int) -> None:
        """Look at frame `index` of the working video."""
        self.show_source(False)
        self.go_to(index)

    def look_at(self, index: int, box: tuple[int, int, int, int]) -> None:
        """Look at a place of frame `index` of the working video, and draw a frame around it.

        Parameters
        ----------
        index : int
            Along t.
        box : tuple of int
            First row and column, and those after the last, in pixels of the working video.
        """
        assert self._video is not None
        self.go_to_working(index)
        self.mark_place(box)
        show_close(self.viewer, self._video, index, box)

    def mark_place(self, box: tuple[int, int, int, int] | None) -> None:
        """Draw a frame around a place, as `look_at` takes it; None takes it away."""
        if self._study is not None:
            self._overlays.mark_place(box, self._study.video)

    def outline_segmentation(self, outlined: bool) -> None:
        """Show outlines of the Segmentation layer, as it has the colours of the labels above it, or areas."""
        if self._segmentation is not None:
            self._segmentation.contour = int(outlined)

    def show_labels(self) -> None:
        """Make the Labels layer the one that is painted on."""
        assert self._labels is not None
        self.show_source(False)
        if self._labels not in self.viewer.layers:
            self.viewer.add_layer(self._labels)
        self._labels.visible = True
        self.viewer.layers.selection = {self._labels}
        self._labels.mode = "paint"

    def show_as_proposal(self, shown: bool) -> None:
        """Draw the outlines alone of what the Labels layer shows, or all of it again."""
        labels = self._labels
        if labels is None or shown == (self._contour is not None):
            return
        if shown:
            self._contour, labels.contour = labels.contour, 1
        else:
            labels.contour, self._contour = self._contour, None

    def trace_lines(self, pen_px: Callable[[int], float]) -> LabelsTool:
        """Let lines be traced on the Labels layer, until it is painted on or looked at in another way.

        Parameters
        ----------
        pen_px : callable
            Gives the width of the line of a class, in pixels, by its value.
        """
        study = self._study
        assert study is not None
        return self._take(lambda labels: LineTracer(labels, study.video, pen_px, self.working_index))

    def pick_objects(self, picked: Callable[[int, float, float], object]) -> LabelsTool:
        """Let objects of the Labels layer be clicked, until it is painted on or looked at in another way.

        Parameters
        ----------
        picked : callable
            Gets index along t of the working video, y and x, in pixels, of each click.
        """
        return self._take(lambda labels: ObjectPicker(labels, picked))

    def bring_objects(
        self, picked: Callable[[int, float, float], object], other: Callable[[], NDArray[np.uint8]]
    ) -> LabelsTool:
        """Show outlines of the labels of another frame, and let objects among them be clicked.

        Parameters
        ----------
        picked : callable
            As of `pick_objects`.
        other : callable
            Gives those labels (y, x) for the frame that is looked at.
        """
        study = self._study
        assert study is not None

        def make(labels: Labels) -> LabelsTool:
            layer = Labels(**other_frame_layer(labels.colormap, study.video))
            layer.contour = 1
            layer.editable = False
            return ObjectBringer(labels, picked, layer, other)

        return self._take(make)

    def _take(self, make: Callable[[Labels], LabelsTool]) -> LabelsTool:
        assert self._labels is not None
        self.show_labels()
        return self._in_hand.take(self._labels, make)

    @property
    def tool(self) -> LabelsTool | None:
        """What is drawn with on the Labels layer in place of napari's own tools."""
        return self._in_hand.tool

    def drop_tool(self) -> None:
        """Take the tool away; what was not finished is not drawn."""
        self._in_hand.drop()

    def show_segmentation(self) -> None:
        """Bring the Segmentation layer back where it was closed or hidden."""
        assert self._segmentation is not None
        if self._segmentation not in self.viewer.layers:
            self.viewer.add_layer(self._segmentation)
        self._segmentation.visible = True

    def show_differences(self, compared: workflow.Comparison) -> None:
        """Show where two sets of labels differ, in a layer of its own, in place of the labels."""
        assert self._study is not None
        self.show_source(False)
        self._overlays.show_differences(compared, self._study.video)
        if self._labels is not None:
            self._labels.visible = False

    def show_probability(self, image: NDArray[np.float32], name: str, colormap: str) -> None:
        """Show an image (y, x) of 0 to 1 over the frame that is looked at, in place of another one.

        Not over frames that are compared. An image that the user has hidden stays so.
        """
        assert self._study is not None
        if self._alignment is None:
            self._overlays.show_probability(image, name, colormap, self._study.video)

    def fade_probability(self) -> None:
        """Hide the image of another frame until that of this one is there."""
        self._overlays.fade_probability()

    def hide_probability(self) -> None:
        """Take what `show_probability` shows out of the viewer."""
        self._overlays.hide_probability()

    @property
    def probability_closed(self) -> bool:
        """Whether the user has closed what `show_probability` shows."""
        return self._overlays.probability_closed

    def refresh_masks(self) -> None:
        """Read the mask of the frame that is looked at again."""
        if self._segmentation is not None:
            self._segmentation.refresh()

    def set_classes(self, classes: tuple[DefectClass, ...], hidden: frozenset[int] = frozenset()) -> None:
        """Show masks in the colours of `classes`, but for those of the mask values that are hidden."""
        for layer in (self._labels, self._segmentation):
            if layer is not None:
                layer.colormap = class_colormap(classes, hidden)

    def show_source(self, shown: bool) -> None:
        """Show the video as recorded in place of the working video, or the other way round."""
        if not shown:
            self.mode.leave()
        study = self._study
        if study is None or shown == self.shows_source:
            return
        number = self.frame_number()
        if shown:
            self.hide_probability()
            source = Image(**self._look(study.source, "source"))
            self._set_aside()
            self.viewer.add_layer(source)
            self.viewer.layers.move(self.viewer.layers.index(source), 0)
            self._source = source
        else:
            self._hide_drawing()
            source, self._source = self._source, None
            remove(self.viewer, source)
            self._bring_back()
        self._state.shown = video = self.video()
        index = video.index_of(number) if video is not None and number is not None else None
        if index is not None:
            self.go_to(index)

    def _set_aside(self) -> None:
        """Hide the layers of the working video, in favour of another picture."""
        layers = (self._video, self._labels, self._segmentation)
        self._hidden = [layer for layer in layers if layer and layer.visible]
        for layer in self._hidden:
            layer.visible = False

    def _bring_back(self) -> None:
        for layer in self._hidden:
            layer.visible = True
        self._hidden = []
        if not self.viewer.layers.selection and self._video in self.viewer.layers:
            self.viewer.layers.selection = {self._video}

    def show_alignment(self, frame_number: int) -> Alignment:
        """Show a frame as recorded over the one it is compared with, to be dragged into place.

        Parameters
        ----------
        frame_number : int
            Number in the source of a frame of the stabilized video, not its first.
        """
        assert self._study is not None
        self.show_source(False)
        self.mode.enter(self._hide_alignment)
        self.hide_probability()
        self._set_aside()
        self._alignment = Alignment(self._study, frame_number)
        for layer in self._alignment.layers:
            self.viewer.add_layer(layer)
        self.viewer.layers.selection = {self._alignment.layers[-1]}
        return self._alignment

    def _hide_alignment(self) -> None:
        alignment, self._alignment = self._alignment, None
        if alignment is not None:
            for layer in alignment.layers:
                remove(self.viewer, layer)
            self._bring_back()
            alignment.ended.emit()

    @property
    def is_flat(self) -> bool:
        """Whether the illumination is flattened on the screen."""
        return self._flat_look is not None

    def set_flat_look(self, look: FlatLook | None) -> None:
        """Flatten the illumination on the screen, or show the videos as they are."""
        study = self._study
        if study is None:
            return
        self._flat_look, self._flat_folder = look, study.experiment.folder
        for layer, video, role in (
            (self._video, study.video, "video"),
            (self._source, study.source, "source"),
        ):
            if layer is not None:
                seen = self._look(video, role)
                layer.data, layer.metadata = seen["data"], seen["metadata"]
                layer.contrast_limits = seen["contrast_limits"]

    def _look(self, video: Video, role: str) -> dict[str, Any]:
        """Arguments of the layer that shows `video`."""
        assert self._study is not None
        look, limits = self._flat_look, self._study.limits
        if look is not None:
            video, limits = look.flatten(video), look.limits
        return video_layer(video, role, self._study.experiment.folder, limits)

    def show_rectangles(self, name: str, corners: Sequence[NDArray[np.float64]]) -> Shapes:
        """Draw rectangles over the video as recorded.

        Parameters
        ----------
        name : str
            Of the layer.
        corners : sequence of ndarray, each of shape (4, 2)
            (y, x) in pixels of the source: of what is kept, and of the part of it that is valid.

        Returns
        -------
        napari.layers.Shapes
        """
        assert self._study is not None
        layer = Shapes(**rectangle_layer(name, corners, self._study.source))
        self.show_drawing(layer)
        return layer

    def show_drawing(self, layer: Layer) -> None:
        """Show a layer, to be drawn on, over the video as recorded, in place of any other."""
        self.show_source(True)
        self._hide_drawing()
        self._drawing = layer
        self.viewer.add_layer(layer)
        self.viewer.layers.selection = {layer}

    def _hide_drawing(self) -> None:
        drawing, self._drawing = self._drawing, None
        remove(self.viewer, drawing)
