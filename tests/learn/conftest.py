from math import inf

import pytest

from glissile.learn import train


@pytest.fixture(autouse=True, scope="module")
def _one_step_per_look():
    """Let trainings speak at looks only, however slow the machine is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "_TELL_EVERY_S", inf)
        yield


@pytest.fixture
def talkative(monkeypatch, _one_step_per_look):
    """Let trainings speak wherever they can be interrupted."""
    monkeypatch.setattr(train, "_TELL_EVERY_S", 0.0)
