import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import long_works
import numpy as np
import psutil
import pytest
from driven import at_rest, child_at_work, driven, until

from glissile.errors import InputError
from glissile.progress import finish
from glissile.widgets import _child_process
from glissile.widgets._child_process import REQUESTS, ChildError, Requests, in_child_process

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")


@pytest.fixture(autouse=True)
def _needs_display():
    """Child processes need none."""


@pytest.fixture(autouse=True)
def _leaves_no_process():
    before = psutil.Process().children()
    yield
    assert psutil.Process().children() == before


def gone(process_id, within_s):
    """Whether a process ends within some seconds."""
    deadline = time.monotonic() + within_s
    while psutil.pid_exists(process_id) and psutil.Process(process_id).status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_steps_and_result_come_through():
    steps = []
    assert finish(in_child_process(long_works.count, 5), steps.append) == 0
    assert [(s.index, s.total, s.message, s.metrics) for s in steps] == [
        (n, 5, f"number {n}", {"number": n}) for n in range(1, 6)
    ]


def test_large_previews_come_through():
    (step,) = in_child_process(long_works.draw, (1024, 2048))
    expected = np.arange(1024 * 2048, dtype=np.uint8).reshape(1024, 2048)
    np.testing.assert_array_equal(step.preview, expected)
    assert step.frame == 7


def test_sent_values_come_through():
    steps = in_child_process(long_works.count, 100, 0.01)
    next(steps)
    steps.send(4)
    steps.send(2)
    assert finish(steps) == 6


def test_a_child_knows_no_qt_and_no_napari():
    modules = finish(in_child_process(long_works.imported))
    roots = {name.partition(".")[0] for name in modules}
    assert "numpy" in roots
    assert not roots & {"qtpy", "PyQt6", "PySide6", "superqt", "napari", "torch", "cv2", "pyqtgraph"}


def test_what_a_child_prints_is_seen_and_spoils_nothing(capfd):
    assert finish(in_child_process(long_works.speak)) == ""
    printed = capfd.readouterr().err.splitlines()
    assert {"to stdout", "to stderr µ", "to descriptor 1"} <= set(printed)


def test_a_fault_of_the_input_stays_one():
    with pytest.raises(InputError, match=r"video\.mkv: has no frames; choose another") as caught:
        finish(in_child_process(long_works.raise_input_error))
    assert "raise_input_error" in str(caught.value.__cause__)


def test_an_error_of_python_stays_what_it_is():
    with pytest.raises(RuntimeError, match="CUDA out of memory"):
        finish(in_child_process(long_works.raise_runtime_error))


def test_an_error_unknown_here_becomes_a_sentence():
    with pytest.raises(ChildError, match="StrangeError: this and that") as caught:
        finish(in_child_process(long_works.raise_strange_error))
    assert "raise_strange_error" in str(caught.value.__cause__)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        pytest.param("killed", "was killed; most likely the memory ran out", marks=posix),
        pytest.param("crashed", "crashed with SIGSEGV", marks=posix),
        ("left", "ended unexpectedly with exit code 3: last words"),
    ],
)
def test_a_dead_child_is_one_sentence(how, message):
    with pytest.raises(ChildError, match=message):
        finish(in_child_process(long_works.die, how))


def test_a_function_that_no_child_can_import_is_refused(monkeypatch):
    monkeypatch.setattr(long_works.count, "__module__", "__main__")
    with pytest.raises(ValueError, match="count is defined in __main__"):
        next(in_child_process(long_works.count, 1))


def test_arguments_that_cannot_travel_start_no_process():
    with pytest.raises((TypeError, AttributeError)):
        next(in_child_process(long_works.count, lambda: None))


def test_closing_lets_the_work_clean_up(tmp_path):
    steps = in_child_process(long_works.leave_trace, tmp_path, 1000, 0.05)
    next(steps)
    steps.close()
    assert (tmp_path / "closed").read_text() == "GeneratorExit"
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))


def test_closing_a_child_that_waits_for_room_in_the_pipe(tmp_path):
    steps = in_child_process(long_works.leave_trace, tmp_path, 1_000_000, 0)
    next(steps)
    time.sleep(0.5)
    steps.close()
    assert (tmp_path / "closed").exists()


def test_closing_kills_what_does_not_listen(tmp_path):
    steps = in_child_process(long_works.stubborn, tmp_path)
    next(steps)
    steps.close()
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))
    assert _child_process.KILL_AFTER_S < 5  # what napari is promised on closing


def test_a_request_to_close_interrupts_the_wait_for_a_step(tmp_path):
    requests = Requests()
    token = REQUESTS.set(requests)
    steps = in_child_process(long_works.count, 2, 60)
    requests.close.set()
    with pytest.raises(GeneratorExit):
        next(steps)
    REQUESTS.reset(token)


def test_a_paused_child_neither_works_nor_computes():
    with driven(long_works.count, 100_000, 0.001) as (requests, steps, _):
        until(lambda: len(steps) > 3)
        requests.paused = True
        resting_at = at_rest(steps)
        process = child_at_work()
        before = process.cpu_times()
        time.sleep(1)
        after = process.cpu_times()
        assert after.user + after.system - before.user - before.system < 0.1
        assert steps[-1].index == resting_at
        requests.paused = False
        until(lambda: steps[-1].index > resting_at + 3)


def test_a_value_that_was_sent_while_paused_is_the_first_to_be_seen():
    with driven(long_works.until_told, 0.001) as (requests, steps, outcome):
        until(lambda: len(steps) > 3)
        requests.paused = True
        resting_at = at_rest(steps)
        requests.values.put("stop")
        requests.paused = False
        until(lambda: outcome)
        assert outcome == [resting_at]


def test_a_work_that_is_paused_before_it_begins_takes_one_step_at_most():
    requests = Requests()
    requests.paused = True
    token = REQUESTS.set(requests)
    steps = in_child_process(long_works.count, 3, 0.01)
    threading.Timer(3, lambda: setattr(requests, "paused", False)).start()
    began = time.monotonic()
    assert finish(steps) == 0
    assert time.monotonic() - began > 3
    REQUESTS.reset(token)


def test_a_paused_child_cleans_up_when_closed(tmp_path):
    with driven(long_works.leave_trace, tmp_path, 100_000, 0.001) as (requests, steps, outcome):
        until(lambda: len(steps) > 3)
        requests.paused = True
        at_rest(steps)
        requests.close.set()
        until(lambda: outcome)
    assert isinstance(outcome[0], GeneratorExit)
    assert (tmp_path / "closed").read_text() == "GeneratorExit"


PARENT = """
    import os, sys, time
    from pathlib import Path
    folder = Path({folder!r})
    with (folder / "runs").open("a") as runs:
        runs.write("run\\n")
    sys.path.insert(0, {tests!r})
    import long_works
    from glissile.widgets._child_process import in_child_process
    steps = in_child_process(long_works.stubborn, folder)
    next(steps)
    {then}
"""


def parent(folder, then):
    """A script without `if __name__ == "__main__"`, as users write them, that is the parent of a child."""
    script = folder / "script.py"
    code = PARENT.format(folder=str(folder), tests=str(Path(__file__).parent), then=then)
    script.write_text(textwrap.dedent(code), encoding="utf-8")
    return subprocess.Popen([sys.executable, str(script)])


def child_of(folder, process):
    while not (folder / "pid").exists() or not (folder / "pid").read_text():
        assert process.poll() is None
        time.sleep(0.05)
    return int((folder / "pid").read_text())


def test_the_main_module_is_not_imported_again(tmp_path):
    assert parent(tmp_path, "steps.close()").wait(timeout=30) == 0
    assert (tmp_path / "runs").read_text() == "run\n"


@pytest.mark.parametrize(
    "then",
    [
        "time.sleep(60)",
        # Another process inherits the pipes, so that the child never sees their end.
        pytest.param("os.fork() or os.closerange(0, 3); time.sleep(12)", marks=posix),
    ],
)
def test_a_child_ends_when_its_parent_is_killed_in_the_middle_of_a_step(tmp_path, then):
    process = parent(tmp_path, then)
    child = child_of(tmp_path, process)
    time.sleep(0.3)
    process.kill()
    process.wait()
    assert psutil.pid_exists(child)
    assert gone(child, within_s=8)
