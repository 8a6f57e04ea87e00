"""One study on disk: its document, its lock, its masks."""

from glissile.experiment.backups import Backup
from glissile.experiment.document import Calibration, Document, StrainLogSettings
from glissile.experiment.mask_store import MaskStore
from glissile.experiment.source import Source
from glissile.experiment.study import Experiment, folder_named

__all__ = [
    "Backup",
    "Calibration",
    "Document",
    "Experiment",
    "MaskStore",
    "Source",
    "StrainLogSettings",
    "folder_named",
]
