"""A real napari for every test in this folder; skipped where there is no display."""

import gc
import os
import sys
from pathlib import Path
from time import monotonic

import pytest
from idling import idle
from qtpy.QtCore import QCoreApplication, QEvent, QObject, QSettings
from qtpy.QtWidgets import QApplication

from glissile.widgets._bench import Bench
from glissile.widgets.glissile_dock import MOTION_NAME, GlissileDock

_LAST_TO_GO_S = 10


def pytest_collection_modifyitems(items):
    for item in items:
        if "/gui/" in item.path.as_posix():
            item.add_marker(pytest.mark.gui)


@pytest.fixture(scope="module", autouse=True)
def _modules_are_not_looked_through():
    """Leave what is there already out of the collections by which napari finds viewers that leak."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _needs_display():
    if sys.platform.startswith("linux") and not (
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or os.environ.get("QT_QPA_PLATFORM")
    ):
        pytest.skip("no display; install Xvfb")


@pytest.fixture(autouse=True)
def _keeps_nothing(tmp_path, monkeypatch):
    """Keep settings, pinned seeds and walks in a folder of the test, not in that of the user."""
    before = QSettings(QSettings.Format.IniFormat, QSettings.Scope.UserScope, "glissile").fileName()
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(tmp_path / "settings"))
    for module in ("_pins", "_kept_walks"):
        monkeypatch.setattr(f"glissile.widgets.gan.{module}.settings_folder", lambda: tmp_path / "kept")
    yield
    home = str(Path(before).parent)
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, home)


@pytest.fixture
def _nothing_leaks(request, qapp):
    """No window, menu or popup is left a while after the viewer was closed: some go later than others."""
    before = set(QApplication.topLevelWidgets())
    yield
    if not request.node.rep_call.passed:
        return  # its traceback holds widgets
    until = monotonic() + _LAST_TO_GO_S
    while left := _of_this_test(before):
        if monotonic() > until:
            pytest.fail(f"these are left once the viewer is closed: {', '.join(left)}")
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        qapp.processEvents()
        gc.collect()


def _of_this_test(before):
    """Describe the windows that were not there before, but for canvases of vispy, which are never deleted."""
    kinds = ((type(each).__name__, each) for each in set(QApplication.topLevelWidgets()) - before)
    return sorted(
        f"{kind} {each.objectName() or each.windowTitle()}".strip()
        for kind, each in kinds
        if kind != "CanvasBackendDesktop"
    )


@pytest.fixture
def viewer(_nothing_leaks, make_napari_viewer_proxy):
    """A viewer as plugins get it: private access is an error, since warnings are."""
    return make_napari_viewer_proxy()


@pytest.fixture
def said():
    """Messages shown to the user."""
    from napari.utils.notifications import notification_manager

    messages = []

    def take(notification):
        messages.append(notification.message)

    notification_manager.notification_ready.connect(take)
    yield messages
    notification_manager.notification_ready.disconnect(take)


@pytest.fixture
def bench(viewer):
    """What a section of the dock works at, without the dock."""
    parent = QObject()
    bench = Bench(viewer, parent)
    yield bench
    bench.close()


@pytest.fixture
def dock(viewer, qtbot):
    """The Glissile dock in the viewer, with the docks below the video."""
    dock = GlissileDock(viewer)
    viewer.window.add_dock_widget(dock, name="Glissile", area="right")
    qtbot.waitUntil(lambda: MOTION_NAME in viewer.window.dock_widgets)
    yield dock
    dock.bench.close()


@pytest.fixture
def opened(dock, folder, qtbot):
    """The dock with the stabilized experiment `folder`, a fixture of the module that asks for it."""
    dock.bench.open_folder(folder)
    idle(dock, qtbot)
    assert dock.bench.study.motion is not None
    return dock
