"""What is loaded when nothing is computed yet: neither torch nor OpenCV, which take seconds."""

import subprocess
import sys
import textwrap

import pytest

LIST_THE_PLUGIN = """
    from npe2 import PluginManager
    plugins = PluginManager()
    plugins.discover()
    manifest = plugins.get_manifest("napari-glissile")
    assert len(manifest.contributions.commands) >= 5
    assert list(plugins.iter_compatible_readers(["a.mp4"]))
"""
HELP = """
    from glissile.cli import app
    app({arguments}, standalone_mode=False)
"""
# Every module whose settings a form or the command line shows.
SETTINGS = """
    from glissile.workflow import SETTINGS
    for model in SETTINGS.values():
        model()
"""


@pytest.mark.parametrize(
    "script",
    [
        "import glissile",
        "import glissile.demo, glissile.batch",
        SETTINGS,
        HELP.format(arguments=["--help"]),
        HELP.format(arguments=["train", "--help"]),
        LIST_THE_PLUGIN,
        "import glissile.widgets.generator",
    ],
    ids=["glissile", "batch", "settings", "help", "help of train", "plugin", "generator"],
)
def test_neither_torch_nor_cv2_is_loaded(script):
    check = """
        import sys
        loaded = {"torch", "cv2"} & set(sys.modules)
        assert not loaded, loaded
    """
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script) + textwrap.dedent(check)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
