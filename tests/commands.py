"""The command line as tests run it."""

import contextlib
import io
import sys
from typing import NamedTuple

import pytest

from glissile import cli


class Done(NamedTuple):
    code: int
    out: str
    err: str


def glissile(*arguments: object) -> Done:
    """Run the command in this process, its streams no terminals."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.ExitStack() as streams:
        patch.setattr(sys, "argv", ["glissile", *(str(a) for a in arguments)])
        patch.setattr("warnings.showwarning", None)  # given back afterwards
        patch.setenv("COLUMNS", "80")
        streams.enter_context(contextlib.redirect_stdout(out))
        streams.enter_context(contextlib.redirect_stderr(err))
        with pytest.raises(SystemExit) as ended:
            cli.main()
    return Done(ended.value.code, out.getvalue(), err.getvalue())
