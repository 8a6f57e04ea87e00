"""The classes that are painted, learned and measured."""

import unicodedata
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field, field_validator

BACKGROUND = 0
# What columns of the table are called that belong to no class.
RESERVED_KEYS = frozenset({"background", "field_of_view"})
# Words of some languages hold them, though nothing of them is seen.
_JOINERS = "\u200c\u200d"


class DefectClass(BaseModel):
    """One class of crystal defect in a mask.

    Attributes
    ----------
    value : int
        Its value in a mask; 0 is the background.
    name : str
        As shown and as written into tables: "stacking fault".
    color : str
        "#rrggbb".
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: int = Field(ge=1, le=255, title="Value", description="Pixel value of the class in a mask")
    name: str = Field(min_length=1, title="Name", description="Name of the class, as in tables and legends")
    color: str = Field(
        pattern="^#[0-9a-fA-F]{6}$", title="Colour", description="Colour of the class as #rrggbb"
    )

    @field_validator("name")
    @classmethod
    def _shown_and_not_reserved(cls, name: str) -> str:
        # A model card from elsewhere could otherwise command the terminal that its classes are printed to.
        if not all(_is_shown(letter) for letter in name):
            raise ValueError(f"{name!a} has letters that cannot be shown; choose another name")
        if _key(name) in RESERVED_KEYS:
            raise ValueError(f'"{name}" means something else in masks and tables; choose another name')
        return name

    @property
    def key(self) -> str:
        """The name as a column name: "stacking fault" becomes "stacking_fault"."""
        return _key(self.name)


def _key(name: str) -> str:
    return "_".join(name.lower().split())


def _is_shown(letter: str) -> bool:
    return letter.isprintable() or letter in _JOINERS or unicodedata.category(letter) == "Zs"


# Orange and blue of Okabe and Ito (2008): distinct from each other and from grey for all colour vision.
DEFAULT_CLASSES = (
    DefectClass(value=1, name="dislocation", color="#e69f00"),
    DefectClass(value=2, name="stacking fault", color="#56b4e9"),
)


def class_values(classes: Sequence[DefectClass]) -> tuple[int, ...]:
    """Mask values of `classes`, background first."""
    return (BACKGROUND, *(c.value for c in classes))


def named(classes: Sequence[DefectClass]) -> str:
    """Say what the values in a mask mean: "1 dislocation, 2 stacking fault"."""
    return ", ".join(f"{c.value} {c.name}" for c in classes)
