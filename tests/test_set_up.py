"""What `make` runs before anything else."""

import importlib.util
import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def set_up():
    spec = importlib.util.spec_from_file_location("set_up", ROOT / "tools" / "set_up.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def on_linux(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")


@pytest.mark.usefixtures("on_linux")
def test_a_missing_library_is_named_by_its_package(set_up, monkeypatch):
    monkeypatch.setattr(set_up, "_loads", lambda library: library != "libxcb-cursor.so.0")
    monkeypatch.setattr(set_up.shutil, "which", lambda command: f"/usr/bin/{command}")
    missing = set(set_up.missing_packages())
    assert missing == {"libxcb-cursor0", *set_up.COMPANIONS}


@pytest.mark.usefixtures("on_linux")
def test_nothing_is_missing_where_everything_loads(set_up, monkeypatch):
    monkeypatch.setattr(set_up, "_loads", lambda library: True)
    monkeypatch.setattr(set_up.shutil, "which", lambda command: f"/usr/bin/{command}")
    assert set_up.missing_packages() == []


def test_without_apt_one_sentence_names_the_packages(set_up, monkeypatch):
    monkeypatch.setattr(set_up, "_apt", lambda: None)
    with pytest.raises(SystemExit) as caught:
        set_up.install_packages(["libegl1", "xvfb"])
    assert "libegl1 xvfb" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_apt_could_not_bring_is_named(set_up, monkeypatch, capfd):
    monkeypatch.setattr(set_up, "_apt", lambda: [sys.executable, "-c", "raise SystemExit(1)"])
    monkeypatch.setattr(set_up, "missing_packages", lambda: ["xvfb"])
    with pytest.raises(SystemExit, match=r"could not install .*: xvfb$"):
        set_up.install_packages(["libegl1", "xvfb"])
    assert "libegl1 xvfb" in capfd.readouterr().out


@pytest.fixture
def checkout(set_up, monkeypatch, tmp_path):
    """A checkout with a `.venv` that works, and a record of the commands that would be run in it."""
    for name in ("pyproject.toml", "constraints.txt", "tools/set_up.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    ran = []
    monkeypatch.setattr(set_up, "ROOT", tmp_path)
    monkeypatch.setattr(set_up, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(set_up, "STAMP", tmp_path / ".venv" / "stamp")
    monkeypatch.setattr(set_up, "_works", lambda: True)
    monkeypatch.setattr(set_up, "_run", lambda command, **options: ran.append(command) or 0)
    (tmp_path / ".venv").mkdir()
    return tmp_path, ran


def test_a_second_call_installs_nothing(set_up, checkout):
    _, ran = checkout
    set_up.make_environment()
    assert any("-e" in command for command in ran)
    ran.clear()
    set_up.make_environment()
    assert ran == []


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_a_changed_requirement_installs_again(set_up, checkout, name):
    folder, ran = checkout
    set_up.make_environment()
    ran.clear()
    with (folder / name).open("a", encoding="utf-8") as file:
        file.write("# newer" + os.linesep)
    set_up.make_environment()
    assert any("-e" in command for command in ran)


def test_a_failed_installation_is_tried_again(set_up, checkout, monkeypatch):
    _, ran = checkout

    def fails(command, **options):
        raise SystemExit("failed")

    with monkeypatch.context() as broken:
        broken.setattr(set_up, "_run", fails)
        with pytest.raises(SystemExit):
            set_up.make_environment()
    set_up.make_environment()
    assert any("-e" in command for command in ran)
