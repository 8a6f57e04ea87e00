"""Prepare a checkout for its make targets: system libraries, `.venv`, pinned packages.

Run by the Makefile with whatever Python 3 the machine has; uses nothing but the standard library. A second
run with nothing to do takes a fraction of a second.
"""

import argparse
import ctypes
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
STAMP = VENV / "set-up-for"
# The oldest pip that knows --group.
PIP = "pip>=25.1"

# What Qt's xcb plugin and vispy load at run time, and the Debian or Ubuntu package that brings it.
LIBRARIES = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libX11-xcb.so.1": "libx11-xcb1",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
    "libfreetype.so.6": "libfreetype6",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-render.so.0": "libxcb-render0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-shm.so.0": "libxcb-shm0",
    "libxcb-sync.so.1": "libxcb-sync1",
    "libxcb-util.so.1": "libxcb-util1",
    "libxcb-xfixes.so.0": "libxcb-xfixes0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
    "libxkbcommon.so.0": "libxkbcommon0",
}
# A virtual screen for the tests and screenshots, and the package that brings each command.
COMMANDS = {"Xvfb": "xvfb", "xvfb-run": "xvfb", "xauth": "xauth"}
# Software OpenGL and a font come with no file of a fixed name: installed along with any of the above.
COMPANIONS = ("libgl1-mesa-dri", "fonts-dejavu-core")


def missing_packages() -> list[str]:
    """Name the packages of the libraries that do not load and of the commands that are not there."""
    if not sys.platform.startswith("linux"):
        return []
    missing = {package for library, package in LIBRARIES.items() if not _loads(library)}
    missing |= {package for command, package in COMMANDS.items() if shutil.which(command) is None}
    return sorted(missing.union(COMPANIONS)) if missing else []


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def install_packages(packages: list[str]) -> None:
    """Install system packages through apt, or end with a sentence that names them."""
    wanted = " ".join(packages)
    apt = _apt()
    if apt is None:
        sys.exit(f"Please install these system packages, then call make again: {wanted}")
    print(f"Installing system packages: {wanted}", flush=True)
    _run([*apt, "update", "-qq"], check=False)
    done = _run([*apt, "install", "-y", "-qq", "--no-install-recommends", *packages], check=False)
    left = missing_packages()
    if done or left:
        sys.exit(
            f"apt could not install these system packages, please install them: {' '.join(left or packages)}"
        )


def _apt() -> "list[str] | None":
    """Return the apt command that works without asking anything, or None."""
    if shutil.which("apt-get") is None:
        return None
    quiet = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]
    if os.geteuid() == 0:
        return quiet
    if shutil.which("sudo") and _run(["sudo", "-n", "true"], check=False, silent=True) == 0:
        return ["sudo", "-n", *quiet]
    return None


def make_environment() -> None:
    """Create `.venv` where there is none that works, and install the pinned packages into it."""
    wanted = _fingerprint()
    if STAMP.exists() and STAMP.read_text(encoding="utf-8") == wanted and _works():
        return
    if not _works() and _run([sys.executable, "-m", "venv", "--clear", str(VENV)], check=False):
        sys.exit(
            "Python's venv module does not work here: install python3-venv (Debian, Ubuntu), then try again"
        )
    print("Installing Python packages into .venv; the first time this takes some minutes", flush=True)
    pip = [str(_python()), "-m", "pip", "install", "--disable-pip-version-check"]
    if not sys.stdout.isatty():
        pip.append("--quiet")
    pinned = ["-c", str(ROOT / "constraints.txt")]
    _run([*pip, *pinned, PIP])
    _run([*pip, *pinned, "-e", f"{ROOT}[all,test]", "--group", f"{ROOT / 'pyproject.toml'}:dev"])
    STAMP.write_text(wanted, encoding="utf-8")


def _fingerprint() -> str:
    state = hashlib.sha256(sys.version.encode())
    for name in ("pyproject.toml", "constraints.txt", "tools/set_up.py"):
        state.update((ROOT / name).read_bytes())
    return state.hexdigest()


def _python() -> Path:
    return VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _works() -> bool:
    return _python().exists() and _run([str(_python()), "-c", "import pip"], check=False, silent=True) == 0


def _run(command: "list[str]", *, check: bool = True, silent: bool = False) -> int:
    out = subprocess.DEVNULL if silent else None
    code = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, check=False).returncode
    if check and code:
        sys.exit(f"this command failed with exit code {code}: {' '.join(command)}")
    return code


def main() -> None:
    """Command line of this file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--display", action="store_true", help="also what windows on a virtual screen need")
    options = parser.parse_args()
    if sys.version_info < (3, 11):  # noqa: UP036  (an older one may well be what calls this file)
        found = ".".join(str(n) for n in sys.version_info[:3])
        sys.exit(f"Python 3.11 or newer is needed, {sys.executable} is {found}: call make PYTHON=/path/to/it")
    packages = missing_packages() if options.display else []
    if packages:
        install_packages(packages)
    make_environment()


if __name__ == "__main__":
    main()
