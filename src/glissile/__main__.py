"""`python -m glissile` is the `glissile` command."""

from glissile.cli import main

main()
