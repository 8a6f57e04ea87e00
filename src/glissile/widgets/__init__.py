"""The napari docks: forms, layers and buttons over the stages; no arithmetic."""
