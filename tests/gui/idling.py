"""Waiting for the work of a dock."""


def idle(dock, qtbot):
    """Wait until nothing runs."""
    qtbot.waitUntil(lambda: dock.bench.state.running is None, timeout=60_000)
