"""The networks that were opened last, remembered for the user of this computer."""

import json
from pathlib import Path

from glissile.widgets.gan._settings import settings

_KEY = "recent_networks"
_MOST = 8


def recent_networks() -> tuple[Path, ...]:
    """Files of networks, the one that was opened last first; they need not be there any more."""
    try:
        names = json.loads(str(settings().value(_KEY, "[]")))
    except ValueError:  # edited by hand
        return ()
    return (
        tuple(Path(name) for name in names[:_MOST] if isinstance(name, str))
        if isinstance(names, list)
        else ()
    )


def remember_network(path: Path) -> None:
    """Put a file in front of those that were opened last."""
    whole = path.absolute()
    names = [str(whole), *(str(other) for other in recent_networks() if other != whole)]
    settings().setValue(_KEY, json.dumps(names[:_MOST]))
