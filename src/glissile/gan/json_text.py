"""Values as JSON text, which may come from anybody."""

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from glissile.errors import InputError

M = TypeVar("M", bound=BaseModel)
MOST_CHARACTERS = 64_000_000


def parsed(model: type[M], text: str, what: str) -> M:
    """Read a value from JSON.

    Parameters
    ----------
    model : type
        What it should be.
    text : str
        JSON, of any origin.
    what : str
        What to call it in messages: "walk.json", "The walk in latents.npz".

    Returns
    -------
    BaseModel

    Raises
    ------
    InputError
        If it is none, or more than `MOST_CHARACTERS` long.
    """
    if len(text) > MOST_CHARACTERS:
        raise InputError(f"{what}: {len(text):,} characters are too many; choose the file that was exported")
    try:
        return model.model_validate_json(text)
    except ValidationError as problem:
        first = problem.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])[:100]
        wrong = first["msg"].removeprefix("Value error, ")
        raise InputError(
            f"{what}: {ascii(where)[1:-1] + ': ' if where else ''}{wrong}; export it again"
        ) from problem
