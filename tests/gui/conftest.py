"""A real napari for every test in this folder; skipped where there is no display."""

import os
import sys

import pytest


def pytest_collection_modifyitems(items):
    for item in items:
        if "/gui/" in item.path.as_posix():
            item.add_marker(pytest.mark.gui)


@pytest.fixture(autouse=True)
def _needs_display():
    if sys.platform.startswith("linux") and not (
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or os.environ.get("QT_QPA_PLATFORM")
    ):
        pytest.skip("no display; run under xvfb-run")


@pytest.fixture
def viewer(make_napari_viewer_proxy):
    """A viewer as plugins get it: private access is an error, since warnings are."""
    return make_napari_viewer_proxy(strict_qt="raise")
