"""Write constraints.txt: the versions in `.venv` of everything that the project and its development need.

Call it with `.venv/bin/python tools/pin_versions.py` after trying newer packages.
"""

import re
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
HEADER = """\
# Versions that the tests pass with, for `make`; written by tools/pin_versions.py.
# torch has no local version (+cpu, +cu130): pip takes the build that the index or the machine provides.
"""


def needed(start: list[Requirement]) -> set[str]:
    """Names of the installed distributions that `start` needs, themselves included."""
    found: set[tuple[str, frozenset[str]]] = set()
    waiting = [(canonicalize_name(r.name), frozenset(r.extras)) for r in start]
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) in found:
            continue
        try:
            requirements = distribution(name).requires or []
        except PackageNotFoundError:  # an optional one, or one for another system
            continue
        found.add((name, extras))
        for text in requirements:
            requirement = Requirement(text)
            marker = requirement.marker
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in {"", *extras}):
                waiting.append((canonicalize_name(requirement.name), frozenset(requirement.extras)))
    return {name for name, _ in found}


def main() -> None:
    """Write the file."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    dev = [Requirement(text) for text in project["dependency-groups"]["dev"]]
    names = needed([Requirement("napari-glissile[all,test]"), *dev]) - {"napari-glissile", "pip"}
    lines = [f"{name}=={re.sub(r'[+].*', '', distribution(name).version)}\n" for name in sorted(names)]
    (ROOT / "constraints.txt").write_text(HEADER + "".join(lines), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
