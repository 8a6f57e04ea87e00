"""The files around the code agree with it and with each other."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def project():
    return tomllib.loads(text("pyproject.toml"))


def constraints():
    lines = (line for line in text("constraints.txt").splitlines() if line and not line.startswith("#"))
    return dict(line.split("==") for line in lines)


def make_targets():
    return set(re.findall(r"^([a-z]+):", text("Makefile"), flags=re.MULTILINE))


def test_the_manifest_at_the_top_is_the_one_in_the_package():
    assert text("napari.yaml") == text("src/glissile/napari.yaml")


def test_torch_is_pinned_without_saying_which_build():
    assert constraints()["torch"] == "2.13.0"
    assert not [name for name, version in constraints().items() if Version(version).local]


def test_every_declared_package_is_pinned_to_an_allowed_version():
    declared = project()
    wanted = [*declared["project"]["dependencies"], *declared["dependency-groups"]["dev"]]
    for extra in ("all", "exchange", "test"):
        wanted += declared["project"]["optional-dependencies"][extra]
    pinned = constraints()
    for requirement in map(Requirement, wanted):
        assert requirement.specifier.contains(pinned[canonicalize_name(requirement.name)]), requirement


def test_no_qt_binding_in_the_base_dependencies():
    base = {canonicalize_name(Requirement(r).name) for r in project()["project"]["dependencies"]}
    assert not base & {"pyqt5", "pyqt6", "pyside2", "pyside6", "opencv-python"}


def test_every_make_target_is_documented():
    documented = set(re.findall(r"`make ([a-z]+)`", text("CONTRIBUTING.md")))
    assert documented == make_targets()


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")
def test_make_alone_lists_the_targets():
    shown = subprocess.run(["make", "-s"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert set(re.findall(r"^  make ([a-z]+) +\S", shown, flags=re.MULTILINE)) == make_targets()


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "docs/labelling.md", "docs/scope.md"])
def test_links_to_files_lead_somewhere(name):
    page = ROOT / name
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def help_of(*command):
    called = [sys.executable, "-c", "from glissile.cli import main; main()", *command, "--help"]
    wide = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1", "PYTHONIOENCODING": "utf-8"}
    return subprocess.run(called, capture_output=True, encoding="utf-8", check=True, env=wide).stdout


def documented_calls():
    """Command and the rest of the line, for each call of `glissile` that the documentation shows."""
    calls = r"^(?:\| `)?glissile (model [a-z]+|labels [a-z]+|[a-z]+) ?([^`\n]*)"
    pages = text("README.md") + text("docs/labelling.md")
    return re.findall(calls, pages, flags=re.MULTILINE)


def test_commands_of_the_documentation_exist():
    used = {command for command, _ in documented_calls()}
    shown = help_of() + help_of("model") + help_of("labels")
    assert len(used) >= 8
    names = {command.split()[-1] for command in used}
    assert [name for name in names if not re.search(rf"^\W*{name}\b", shown, re.MULTILINE)] == []


@pytest.mark.parametrize(("command", "rest"), [(c, rest) for c, rest in documented_calls() if "--" in rest])
def test_options_of_the_documentation_exist(command, rest):
    shown = help_of(*command.split())
    assert [o for o in re.findall(r"--[a-z-]+", rest) if not re.search(rf"{o}\b", shown)] == []
