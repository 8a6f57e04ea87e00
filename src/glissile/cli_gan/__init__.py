"""`glissile gan`: look through the generators of SEM micrographs."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

import typer

from glissile import console
from glissile.cli_gan.files import convert, info
from glissile.cli_gan.images import directions, mix, sample
from glissile.cli_gan.measures import measure
from glissile.cli_gan.nearest import nearest
from glissile.cli_gan.projection import project
from glissile.cli_gan.walk import slerp
from glissile.errors import InputError

P = ParamSpec("P")

app = typer.Typer(
    name="gan", help="Sample generators of micrographs, and walk through them.", no_args_is_help=True
)

_NOTHING = "no unfinished file is left"
# What is left of a command that is stopped: files come into being only when they are whole.
_LEFT: dict[Callable[..., None], str] = {
    info: "a generator is only read",
    convert: _NOTHING,
    sample: _NOTHING,
    slerp: _NOTHING,
    mix: _NOTHING,
    directions: _NOTHING,
    measure: "no image was kept, and sliders of before are as they were",
    nearest: f"{_NOTHING}; training images that were all read are not read again",
    project: f"{_NOTHING}, and what was found so far is not kept",
}


def _telling(command: Callable[P, None], left: str) -> Callable[P, None]:
    """Have a command say what is left of it where it is stopped, and when the memory was too little."""

    @wraps(command)
    def told(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except KeyboardInterrupt as stop:
            raise console.Stopped(left) from stop
        except (RuntimeError, MemoryError) as problem:
            from glissile.device import out_of_memory

            if not out_of_memory(problem):
                raise
            raise InputError(
                "The memory does not suffice for this generator; close other programs, or give --device cpu"
            ) from problem

    return told


for _command, _left in _LEFT.items():
    app.command()(_telling(_command, _left))
