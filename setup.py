"""Puts the sample, which lies beside `src`, into the built package; all else is in pyproject.toml."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithSample(build_py):
    """Copy `sample_data` to `glissile/sample_data`; an editable install finds it in the source tree."""

    def run(self) -> None:
        """Build as usual, then copy."""
        super().run()
        if not self.editable_mode:
            shutil.copytree(
                Path(__file__).parent / "sample_data",
                Path(self.build_lib) / "glissile" / "sample_data",
                ignore=shutil.ignore_patterns("*.py", "__pycache__", ".*"),
                dirs_exist_ok=True,
            )


setup(cmdclass={"build_py": BuildWithSample})
