import logging
import os
import sys
import threading
import time
import warnings

import long_works
import psutil
import pytest
from napari.utils import progress
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QObject, QThread

from glissile.errors import InputError
from glissile.progress import Step
from glissile.widgets._worker import Work, in_child_process, start


class Diary:
    """Callbacks that remember what they were called with, and in which thread."""

    def __init__(self):
        self.entries = []
        self.threads = set()

    def callbacks(self):
        return {name: self._writer(name) for name in ("on_step", "on_done", "on_error", "on_stop")}

    def _writer(self, name):
        def write(*args):
            self.entries.append((name, *args))
            self.threads.add(threading.get_ident())

        return write

    def names(self):
        return [entry[0] for entry in self.entries]


@pytest.fixture
def diary():
    return Diary()


@pytest.fixture
def begin(qtbot, diary):
    """Start a work that writes a diary; wait for it at the end of the test."""
    works = []

    def _begin(steps, description="Counting", **options):
        works.append(start(steps, description=description, **diary.callbacks() | options))
        return works[-1]

    yield _begin
    for work in works:
        work.cancel()
    qtbot.waitUntil(lambda: not any(work.running for work in works), timeout=8000)


def ended(work):
    return lambda: not work.running


def test_steps_and_result_arrive_in_the_gui_thread(qtbot, begin, diary):
    work = begin(lambda: long_works.count(20))
    assert work.running
    qtbot.waitUntil(ended(work))
    assert [entry[1].index for entry in diary.entries[:-1]] == list(range(1, 21))
    assert diary.entries[-1] == ("on_done", 0)
    assert diary.threads == {threading.get_ident()}


def test_the_work_itself_is_done_in_another_thread(qtbot, begin, diary):
    def steps():
        yield Step(1, 1, "looking")
        return threading.get_ident()

    work = begin(steps)
    qtbot.waitUntil(ended(work))
    assert diary.entries[-1][1] != threading.get_ident()


def test_a_generator_is_as_good_as_a_function_that_makes_one(qtbot, begin, diary):
    work = begin(long_works.count(3))
    qtbot.waitUntil(ended(work))
    assert diary.entries[-1] == ("on_done", 0)


def test_values_reach_the_generator_in_order(qtbot, begin, diary):
    work = begin(lambda: long_works.count(6, 0.05))
    for value in (1, 20, 300):
        work.send(value)
    qtbot.waitUntil(ended(work))
    assert diary.entries[-1] == ("on_done", 321)


@pytest.mark.parametrize("error", [RuntimeError("CUDA out of memory"), MemoryError(), SystemExit(3)])
def test_any_error_is_reported_and_closes_the_generator(qtbot, begin, diary, error, caplog):
    closed = []

    def inner():
        try:
            yield Step(1, 3, "fine")
            yield Step(2, 3, "not reached in time")
        finally:
            closed.append(True)

    def steps():
        for step in inner():
            yield step
            raise error

    work = begin(steps, "Training")
    with caplog.at_level(logging.ERROR):
        qtbot.waitUntil(ended(work))
    message = f"Training failed: {type(error).__name__}: {error}"
    assert diary.entries[-1] == ("on_error", message)
    assert diary.names().count("on_error") == 1
    assert closed
    assert notification_manager.records[-1].message == message
    assert "Traceback" in caplog.text
    assert type(error).__name__ in caplog.text


def test_a_fault_of_the_input_is_shown_as_its_own_sentence(qtbot, begin, diary):
    work = begin(long_works.raise_input_error, "Reading")
    qtbot.waitUntil(ended(work))
    sentence = "video.mkv: has no frames; choose another"
    assert diary.entries[-1] == ("on_error", sentence)
    assert notification_manager.records[-1].message == sentence


def test_a_factory_that_fails_is_reported(qtbot, begin, diary):
    def no_steps():
        raise InputError("no model was trained yet; train one first")

    work = begin(no_steps)
    qtbot.waitUntil(ended(work))
    assert diary.entries == [("on_error", "no model was trained yet; train one first")]


def test_cancelling_closes_the_generator_between_two_steps(qtbot, begin, diary, tmp_path):
    work = begin(lambda: long_works.leave_trace(tmp_path, 1000, 0.02))
    qtbot.waitUntil(lambda: len(diary.entries) >= 3)
    work.cancel()
    seen = len(diary.entries)
    qtbot.waitUntil(ended(work))
    assert diary.entries[seen:] == [("on_stop",)]
    assert (tmp_path / "closed").read_text() == "GeneratorExit"


def test_a_paused_work_takes_no_step_and_goes_on(qtbot, begin, diary):
    work = begin(lambda: long_works.count(60, 0.01))
    qtbot.waitUntil(lambda: len(diary.entries) >= 3)
    work.pause()
    assert work.paused
    qtbot.wait(300)
    seen = len(diary.entries)
    qtbot.wait(500)
    assert len(diary.entries) == seen < 60
    assert work.running
    work.go_on()
    qtbot.waitUntil(ended(work))
    assert diary.entries[-1] == ("on_done", 0)
    assert diary.names().count("on_step") == 60


def test_a_pause_does_not_count_as_work_in_the_bar(qtbot, begin, viewer):
    before = set(progress._all_instances)
    work = begin(lambda: long_works.count(1000, 0.02))
    qtbot.waitUntil(lambda: any(bar.n > 5 for bar in set(progress._all_instances) - before))
    (bar,) = set(progress._all_instances) - before
    work.pause()
    qtbot.wait(300)
    worked_s = time.time() - bar.start_t
    qtbot.wait(1500)
    work.go_on()
    assert time.time() - bar.start_t < worked_s + 0.5


def test_a_paused_work_can_be_cancelled(qtbot, begin, diary, tmp_path):
    work = begin(lambda: long_works.leave_trace(tmp_path, 1000, 0.02))
    qtbot.waitUntil(lambda: len(diary.entries) >= 3)
    work.pause()
    qtbot.wait(300)
    work.cancel()
    qtbot.waitUntil(ended(work))
    assert diary.entries[-1] == ("on_stop",)
    assert (tmp_path / "closed").read_text() == "GeneratorExit"


def test_cancelling_before_the_first_step(qtbot, begin, diary):
    work = begin(lambda: long_works.count(3))
    work.cancel()
    qtbot.waitUntil(ended(work))
    assert diary.entries == [("on_stop",)]


def test_a_work_waits_for_a_slow_window(qtbot, begin):
    made = []
    ahead = []

    def steps():
        for index in range(1, 31):
            made.append(index)
            yield Step(index, 30, "quick")

    def slow(step):
        ahead.append(len(made) - step.index)
        QThread.msleep(5)

    work = begin(steps, on_step=slow)
    qtbot.waitUntil(ended(work))
    assert made[-1] == 30
    assert max(ahead) <= 6


def test_a_work_ends_with_its_owner(qtbot, begin, diary, tmp_path):
    owner = QObject()
    work = begin(lambda: long_works.leave_trace(tmp_path, 1000, 0.02), owner=owner)
    qtbot.waitUntil(lambda: len(diary.entries) >= 2)
    owner.deleteLater()
    qtbot.waitUntil(ended(work))
    assert set(diary.names()) == {"on_step"}
    assert (tmp_path / "closed").exists()


def test_warnings_of_a_work_reach_the_user(qtbot, begin):
    def steps():
        yield Step(1, 1, "reading")
        warnings.warn("cut.mkv: 136 of about 300 frames decode", UserWarning, stacklevel=1)
        warnings.warn("some library is changing", DeprecationWarning, stacklevel=1)

    notification_manager.records.clear()
    work = begin(steps)
    qtbot.waitUntil(ended(work))
    assert [str(record.message) for record in notification_manager.records] == [
        "cut.mkv: 136 of about 300 frames decode"
    ]


def test_progress_is_shown_while_it_lasts(qtbot, begin, viewer):
    before = set(progress._all_instances)

    def bars():
        return [(bar.n, bar.total, bar.desc.strip(": ")) for bar in set(progress._all_instances) - before]

    go_on = threading.Event()

    def steps():
        yield Step(3, 5, "number 3")
        go_on.wait()

    work = begin(steps, "Counting")
    qtbot.waitUntil(lambda: bars() == [(3, 5, "number 3")])
    go_on.set()
    qtbot.waitUntil(ended(work))
    assert not bars()


def test_steps_stay_in_order_however_napari_processes_events(qtbot, begin, diary, viewer):
    work = begin(lambda: long_works.count(400))
    qtbot.waitUntil(ended(work), timeout=20_000)
    assert [entry[1].index for entry in diary.entries[:-1]] == list(range(1, 401))
    assert diary.names()[-1] == "on_done"


# ---------------------------------------------------------------------------------------------------------
# in child processes


def test_a_child_process_does_the_work(qtbot, begin, diary):
    work = begin(in_child_process(long_works.process_id))
    qtbot.waitUntil(ended(work), timeout=20_000)
    assert diary.entries[-1][0] == "on_done"
    assert diary.entries[-1][1] != os.getpid()
    assert not psutil.pid_exists(diary.entries[-1][1])


def test_a_value_reaches_a_child_while_it_computes(qtbot, begin, diary):
    work = begin(in_child_process(long_works.count, 3, 0.5))
    qtbot.waitUntil(lambda: diary.names() == ["on_step"], timeout=20_000)
    work.send(5)
    qtbot.waitUntil(ended(work), timeout=20_000)
    assert diary.entries[-1] == ("on_done", 5)


def test_cancelling_does_not_wait_for_the_step_of_a_child(qtbot, begin, diary, tmp_path):
    work = begin(in_child_process(long_works.stubborn, tmp_path))
    qtbot.waitUntil(lambda: diary.names() == ["on_step"], timeout=20_000)
    work.cancel()
    qtbot.waitUntil(ended(work), timeout=5000)
    assert diary.names() == ["on_step", "on_stop"]
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_dead_child_is_one_sentence(qtbot, begin, diary):
    work = begin(in_child_process(long_works.die, "killed"), "Training")
    qtbot.waitUntil(ended(work), timeout=20_000)
    assert diary.entries[-1] == (
        "on_error",
        "Training failed: the background process was killed; most likely the memory ran out, so close other "
        "programs or work in smaller pieces",
    )


def test_closing_the_viewer_ends_its_child_processes(qtbot, begin, diary, tmp_path, viewer):
    work = begin(in_child_process(long_works.stubborn, tmp_path))
    qtbot.waitUntil(lambda: diary.names() == ["on_step"], timeout=20_000)
    viewer.close()
    qtbot.waitUntil(ended(work), timeout=5000)
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))


def test_napari_names_the_work_when_it_asks_before_closing(qtbot, begin, make_napari_viewer):
    viewer = make_napari_viewer()
    work = begin(lambda: long_works.count(1000, 0.01), "Training the network")
    qtbot.waitUntil(lambda: viewer.window._task_status_manager.is_busy())
    assert "Training the network" in viewer.window._task_status_manager.get_status()[0]
    work.cancel()
    qtbot.waitUntil(ended(work))
    assert not viewer.window._task_status_manager.is_busy()


def test_a_work_is_forgotten_when_it_has_ended(qtbot, diary):
    work = start(lambda: long_works.count(2), description="Counting", **diary.callbacks())
    qtbot.waitUntil(ended(work))
    assert isinstance(work, Work)
    assert not work.running
    work.cancel()
    work.send(1)
    assert diary.names() == ["on_step", "on_step", "on_done"]
