"""Layers that come into a viewer and go again while someone works on another one."""

from typing import Any

from napari.layers import Layer


def add_beside(viewer: Any, layer: Layer) -> None:
    """Add a layer; the one that is selected stays so, and whoever paints goes on painting."""
    selected = set(viewer.layers.selection)
    viewer.add_layer(layer)
    viewer.layers.selection = selected


def remove(viewer: Any, layer: Layer | None) -> None:
    """Take a layer out, if it is there."""
    if layer is not None and layer in viewer.layers:
        viewer.layers.remove(layer)
