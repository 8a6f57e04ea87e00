"""What is remembered of the generator dock for the user of this computer."""

from qtpy.QtCore import QSettings


def settings() -> QSettings:
    """Give the settings of the generator dock."""
    return QSettings(QSettings.Format.IniFormat, QSettings.Scope.UserScope, "glissile", "generator")
