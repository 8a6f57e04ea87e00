"""From an in-situ TEM video of moving crystal defects to area fraction against strain."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("napari-glissile")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0.0.0"

__all__ = ["__version__"]
