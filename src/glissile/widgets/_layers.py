"""Videos, masks and rectangles as napari layers: scale, units, axis labels, colours, provenance."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from napari.utils.colormaps import DirectLabelColormap
from numpy.typing import NDArray

from glissile.defects import DefectClass
from glissile.errors import InputError
from glissile.experiment import MaskStore
from glissile.stabilize.field_of_view import FieldOfView
from glissile.stabilize.regions import ANCHOR, LEFT_OUT
from glissile.video import Trim, Video
from glissile.widgets._placement import scaled
from glissile.workflow.annotators import ONLY_FIRST, ONLY_SECOND, OTHER_CLASS, WITHIN_TOLERANCE

# Masks lie over the video so that the defects below stay visible, and thin lines show on dark ground too.
MASK_OPACITY = 0.7
BRUSH_SIZE_PX = 3
# Vermillion and bluish green of Okabe and Ito (2008): seen on dark and bright, and of no usual class.
REGION_COLORS: Mapping[int, str] = {LEFT_OUT: "#d55e00", ANCHOR: "#009e73"}
_REGIONS_OPACITY = 0.6
_AROUND_PLACE_PX = 4  # between a place and the frame around it
# Of two sets of labels; grey, vermillion, blue and reddish purple of Okabe and Ito (2008).
DIFFERENCE_COLORS: Mapping[int, str] = {
    WITHIN_TOLERANCE: "#999999",
    ONLY_FIRST: "#d55e00",
    ONLY_SECOND: "#0072b2",
    OTHER_CLASS: "#cc79a7",
}
# A mask value that belongs to no class should be noticed.
_UNKNOWN_COLOR = "#ff00ff"
# Of a rectangle, and of the valid part of it: yellow and sky blue of Okabe and Ito (2008).
_RECTANGLE_COLORS = ("#f0e442", "#56b4e9")


def placement(video: Video) -> dict[str, Any]:
    """Where the pixels of `video` lie in napari's world, which is the source's first frame.

    Parameters
    ----------
    video : Video
        Frames (t, y, x).

    Returns
    -------
    dict
        `scale`, `translate`, `units` and `axis_labels`, each for (t, y, x). One step along t is one frame.
    """
    found = scaled("tyx", video.nm_per_pixel)
    _, *sizes = found["scale"]
    corner = (float(at) * size for at, size in zip(video.origins_px[0], sizes, strict=True))
    return {**found, "translate": (0.0, *corner)}


def video_layer(video: Video, role: str, experiment: Path, limits: tuple[float, float]) -> dict[str, Any]:
    """Arguments of `viewer.add_image` that show `video`.

    Parameters
    ----------
    video : Video
        What to show.
    role : str
        "video" or "source", kept in the metadata.
    experiment : Path
        Folder of the experiment it belongs to.
    limits : tuple of float
        Grey values shown black and white.
    """
    return {
        "data": video.frames,
        "name": video.name if role == "video" else f"{video.name} (as recorded)",
        "contrast_limits": limits,
        "colormap": "gray",
        "metadata": {
            "glissile": {"experiment": str(experiment), "role": role, "provenance": video.provenance}
        },
        **placement(video),
    }


def frame_layer(video: Video, index: int, limits: tuple[float, float], colors: str) -> dict[str, Any]:
    """Arguments of an image layer (y, x) of one frame, whose light adds to that of the layers below.

    Parameters
    ----------
    video : Video
        As recorded or trimmed.
    index : int
        Index along t; the frame is read now.
    limits : tuple of float
        Grey values shown black and in full colour.
    colors : str
        Colormap of napari: "green".
    """
    return {
        "data": video.frame(index),
        "name": f"Frame {video.frame_numbers[index]}",
        "contrast_limits": limits,
        "colormap": colors,
        "blending": "additive",
        "metadata": {"glissile": {"role": "alignment"}},
        **{key: value[1:] for key, value in placement(video).items()},
    }


def mask_layer(
    data: Any, name: str, role: str, video: Video, experiment: Path, classes: Sequence[DefectClass]
) -> dict[str, Any]:
    """Arguments of `viewer.add_labels` that show masks (t, y, x) over `video`."""
    return {
        "data": data,
        "name": name,
        "opacity": MASK_OPACITY,
        "colormap": class_colormap(classes),
        "metadata": {"glissile": {"experiment": str(experiment), "role": role}},
        **placement(video),
    }


def other_frame_layer(colormap: DirectLabelColormap, video: Video) -> dict[str, Any]:
    """Arguments of a labels layer (y, x) that shows outlines of the labels of another frame."""
    return {
        "data": np.zeros(video.shape[1:], np.uint8),
        "name": "Labels of another frame",
        "colormap": colormap,
        "metadata": {"glissile": {"role": "other frame"}},
        **{key: value[1:] for key, value in placement(video).items()},
    }


def difference_layer(masks: NDArray[np.uint8], video: Video) -> dict[str, Any]:
    """Arguments of a labels layer of differences (t, y, x), as `Comparison.difference` gives them."""
    known: dict[int | None, str] = dict(DIFFERENCE_COLORS.items())
    return {
        "data": masks,
        "name": "Differences",
        "opacity": MASK_OPACITY,
        "colormap": DirectLabelColormap(color_dict={None: _UNKNOWN_COLOR, 0: "transparent", **known}),
        "metadata": {"glissile": {"role": "differences"}},
        **placement(video),
    }


def rectangle_layer(name: str, corners: Sequence[NDArray[np.float64]], source: Video) -> dict[str, Any]:
    """Arguments of a shapes layer with one or two rectangles, corners (4, 2) each in pixels of `source`."""
    return {
        "data": list(corners),
        "shape_type": "rectangle",
        "name": name,
        "edge_color": list(_RECTANGLE_COLORS[: len(corners)]),
        "face_color": "transparent",
        "edge_width": 2,
        "metadata": {"glissile": {"role": "rectangle"}},
        **{key: value[1:] for key, value in placement(source).items()},
    }


def place_layer(box: tuple[int, int, int, int], video: Video) -> dict[str, Any]:
    """Arguments of a shapes layer (y, x) that frames a place: first row and column, those after the last."""
    top, left, bottom, right = box
    margin = _AROUND_PLACE_PX
    return {
        "data": rectangle_corners(
            top - margin, left - margin, bottom - top + 2 * margin, right - left + 2 * margin
        ),
        "shape_type": "rectangle",
        "name": "Place to check",
        "edge_color": _RECTANGLE_COLORS[0],
        "face_color": "transparent",
        "edge_width": 1,
        "metadata": {"glissile": {"role": "place"}},
        **{key: value[1:] for key, value in placement(video).items()},
    }


def tracing_layer(video: Video) -> dict[str, Any]:
    """Arguments of a shapes layer that shows lines (y, x) while they are traced over `video`."""
    return {
        "name": "Tracing",
        "ndim": 2,
        "edge_width": 1,  # thin, so that the defect is seen beside it
        "face_color": "transparent",
        "opacity": MASK_OPACITY,
        "metadata": {"glissile": {"role": "tracing"}},
        **{key: value[1:] for key, value in placement(video).items()},
    }


def regions_layer(values: NDArray[np.uint8], source: Video) -> dict[str, Any]:
    """Arguments of a labels layer to draw regions (y, x) with, on the pixels of `source`."""
    known: dict[int | None, str] = dict(REGION_COLORS.items())
    return {
        "data": values,
        "name": "Regions",
        "opacity": _REGIONS_OPACITY,
        "colormap": DirectLabelColormap(color_dict={None: _UNKNOWN_COLOR, 0: "transparent", **known}),
        "metadata": {"glissile": {"role": "regions"}},
        **{key: value[1:] for key, value in placement(source).items()},
    }


def class_colormap(
    classes: Sequence[DefectClass], hidden: Collection[int] = frozenset()
) -> DirectLabelColormap:
    """Colours of `classes`; the background is transparent, and so are the mask values that are hidden."""
    colors: dict[int | None, str] = {
        c.value: "transparent" if c.value in hidden else c.color for c in classes
    }
    return DirectLabelColormap(color_dict={None: _UNKNOWN_COLOR, 0: "transparent", **colors})


class StoredMasks:
    """Masks (t, y, x) uint8 of a store as napari reads them: a frame when it is shown.

    Parameters
    ----------
    store : MaskStore, optional
        Indexed along t by source frame number; None as long as there is none.
    video : Video
        The working video the masks lie on; its frames are those of this array.

    Attributes
    ----------
    previews : dict of int to ndarray (y, x)
        Masks by index along t that are shown in place of those in the store.
    """

    dtype = np.dtype(np.uint8)
    ndim = 3

    def __init__(self, store: MaskStore | None, video: Video) -> None:
        self.store = store
        self.shape = video.shape
        self.previews: dict[int, NDArray[np.uint8]] = {}
        self._frame_numbers = video.frame_numbers

    @property
    def size(self) -> int:
        """Number of pixels of all frames."""
        return int(np.prod(self.shape))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> NDArray[np.uint8]:
        first, *rest = key if isinstance(key, tuple) else (key,)
        if first is Ellipsis:
            return np.asarray(self._stack(range(len(self)))[key])
        if isinstance(first, int | np.integer):
            found = self._frame(int(first))[tuple(rest)]
        else:
            found = self._stack(np.arange(len(self))[first])[(slice(None), *rest)]
        return np.array(found)  # a copy: napari paints into what it is given

    def __setitem__(self, key: Any, value: Any) -> None:
        raise InputError(
            "these masks are only shown, strokes on them would be lost; paint on the Labels layer of an "
            "experiment that is open in the Glissile dock (Plugins > Glissile)"
        )

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self._stack(range(len(self))).astype(dtype or self.dtype, copy=False)

    def _stack(self, indices: Any) -> NDArray[np.uint8]:
        frames = [self._frame(int(i)) for i in indices]
        return np.stack(frames) if frames else np.zeros((0, *self.shape[1:]), np.uint8)

    def _frame(self, index: int) -> NDArray[np.uint8]:
        index %= len(self)
        if index in self.previews:
            return self.previews[index]
        if self.store is None:
            return np.zeros(self.shape[1:], np.uint8)
        return self.store.read(int(self._frame_numbers[index]))


def rectangle_corners(top: float, left: float, height: float, width: float) -> NDArray[np.float64]:
    """Corners (4, 2) of the pixels that a crop keeps, as a napari rectangle.

    A pixel's centre lies at its index, so that its edges are half a pixel away.
    """
    low, high = np.array([top, left]) - 0.5, np.array([top + height, left + width]) - 0.5
    return np.array([low, (low[0], high[1]), high, (high[0], low[1])])


def cropped(trim: Trim, corners: NDArray[np.float64], shape: tuple[int, int]) -> Trim:
    """Take the crop of `trim` from a drawn rectangle.

    Parameters
    ----------
    trim : Trim
        Its frame range is kept.
    corners : ndarray, shape (4, 2 or more)
        The rectangle; the last two columns are (y, x) in pixels.
    shape : tuple of int
        (y, x) of the frame; what sticks out is cut off.

    Returns
    -------
    Trim
        At least one pixel high and wide.
    """
    edges = np.asarray(corners)[:, -2:] + 0.5
    low = np.clip(np.round(edges.min(axis=0)), 0, np.array(shape) - 1).astype(int)
    high = np.clip(np.round(edges.max(axis=0)), low + 1, shape).astype(int)
    (top, left), (height, width) = low, high - low
    return trim.model_copy(
        update={"top": int(top), "left": int(left), "height": int(height), "width": int(width)}
    )


def field_corners(video: Video, shown: FieldOfView, frame_number: int) -> list[NDArray[np.float64]]:
    """Where a field of view lies in one frame.

    Parameters
    ----------
    video : Video
        The trimmed video.
    shown : FieldOfView
        Chosen for its frames.
    frame_number : int
        Number of the frame in the source.

    Returns
    -------
    list of ndarray, each of shape (4, 2)
        Corners in pixels of the source, of all that is shown, and, where not all frames are valid all over,
        of what this one is measured in. Empty for a frame that is left out.
    """
    kept = np.flatnonzero(shown.frame_numbers == frame_number)
    if not kept.size:
        return []
    size = (shown.rectangle.height, shown.rectangle.width)
    y, x = (video.origins_px[0] + shown.starts_px[kept[0]]).tolist()
    found = [rectangle_corners(y, x, *size)]
    if (shown.valid_px != (0, 0, *size)).any():
        top, left, bottom, right = shown.valid_px[kept[0]].tolist()
        found.append(rectangle_corners(y + top, x + left, bottom - top, right - left))
    return found


def experiment_of(layer: Any) -> Path | None:
    """Experiment folder that a layer was read from; None for other layers."""
    folder = dict(layer.metadata.get("glissile", {})).get("experiment")
    return None if folder is None else Path(folder)


def video_of(layer: Any) -> Path | None:
    """Video that a layer was read from; None for other layers, and for those of an experiment."""
    origin = dict(layer.metadata.get("glissile", {}))
    return None if "experiment" in origin or "path" not in origin else Path(origin["path"])
