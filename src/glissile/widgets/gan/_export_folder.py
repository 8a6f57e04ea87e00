"""The folder that was exported to last, remembered for the user of this computer."""

from pathlib import Path

from glissile.widgets.gan._settings import settings

_KEY = "export_folder"


def export_folder() -> Path:
    """Give the folder that was exported to last, where it is still there; else the home folder."""
    name = str(settings().value(_KEY, ""))
    folder = Path(name) if name else Path.home()
    return folder if folder.is_dir() else Path.home()


def remember_export_folder(folder: Path) -> None:
    """Remember where was exported to."""
    settings().setValue(_KEY, str(folder.absolute()))
