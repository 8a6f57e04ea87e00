"""A place of a frame, seen from near."""

from typing import Any

from napari.layers import Image

# Of a place that is looked at: as many pixels and as many times its size are seen at least.
_LEAST_SEEN_PX, _AROUND = 120, 2.5


def show_close(viewer: Any, layer: Image, index: int, box: tuple[int, int, int, int]) -> None:
    """Move the camera to a place of a video, so near that it is seen well, with some of what is around it.

    Parameters
    ----------
    viewer : napari.Viewer
        Shows the frame.
    layer : napari.layers.Image
        The video (t, y, x).
    index : int
        Along t.
    box : tuple of int
        First row and column of the place, and those after the last, in pixels.
    """
    top, left, bottom, right = box
    size_px = max(_LEAST_SEEN_PX, _AROUND * (bottom - top), _AROUND * (right - left))
    viewer.reset_view(layers=[layer])
    camera = viewer.scene.camera
    closer = min(layer.data.shape[1:]) / size_px
    if closer > 1:
        camera.zoom *= closer
        middle = layer.data_to_world((index, (top + bottom) / 2, (left + right) / 2))
        camera.center = (*camera.center[:-2], *middle[-2:])
