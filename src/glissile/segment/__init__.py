"""From a trained network to the mask of every frame."""
