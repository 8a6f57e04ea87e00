"""The class table refuses what masks and tables cannot tell apart."""

import pytest
from pydantic import ValidationError

from glissile.defects import DefectClass


@pytest.mark.parametrize("name", ["background", " Background ", "Field of  view"])
def test_a_class_cannot_be_called_what_means_something_else_in_tables(name):
    with pytest.raises(ValidationError, match="means something else in masks and tables; choose another"):
        DefectClass(value=1, name=name, color="#e69f00")


@pytest.mark.parametrize("letters", ["\x1b[2J", "\n", "\t", "\x9b", "\u202e", "\u2028", "\x00"])
def test_a_class_cannot_be_called_what_commands_a_terminal(letters):
    with pytest.raises(ValidationError, match="cannot be shown; choose another") as caught:
        DefectClass(value=1, name=f"a{letters}b", color="#e69f00")
    assert caught.value.errors()[0]["msg"].isprintable()


@pytest.mark.parametrize(
    "name", ["Stapelfehler (Ä)", "位错", "γ′ phase", "stacking\u00a0fault", "می\u200cشود"]
)
def test_names_of_any_language_are_fine(name):
    assert DefectClass(value=1, name=name, color="#e69f00").name == name


def test_a_name_that_only_resembles_them_is_fine():
    assert DefectClass(value=1, name="Background  fringe", color="#e69f00").key == "background_fringe"
