"""JSON files of other people: of bounded size, and every sentence names the file."""

import json
from pathlib import Path
from typing import Any

from glissile.errors import InputError

# COCO files of thousands of frames with images of none have some MB; Labelme keeps the image in its file.
_MOST_BYTES = 64 << 20


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file that holds an object.

    Raises
    ------
    InputError
        If it cannot be read, is larger than 64 MiB, or holds something else.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise InputError(f"{path}: is larger than {_MOST_BYTES >> 20} MiB; split it by frames")
        found = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except InputError:
        raise
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: is no whole JSON file; export it again") from error
    if not isinstance(found, dict):
        raise InputError(f"{path}: holds no object, as COCO and Labelme files do; export it again")
    return found


def compact(found: Any) -> str:
    """Write as JSON without spaces, with a line feed at the end."""
    return json.dumps(found, ensure_ascii=False, separators=(",", ":"), allow_nan=False) + "\n"
