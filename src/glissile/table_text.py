"""Text of the cells of a table."""


def written(value: float | None, form: str) -> str:
    """Write a number by a format such as ".3f"; "-" where there is none."""
    return "-" if value is None or value != value else format(value, form)
