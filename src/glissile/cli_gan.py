"""`glissile gan`: look through the generators of SEM micrographs."""

import typer

app = typer.Typer(
    name="gan", help="Sample generators of micrographs, and walk through them.", no_args_is_help=True
)
