"""The class table refuses what masks and tables cannot tell apart."""

import pytest
from pydantic import ValidationError

from glissile.defects import DefectClass


@pytest.mark.parametrize("name", ["background", " Background ", "Field of  view"])
def test_a_class_cannot_be_called_what_means_something_else_in_tables(name):
    with pytest.raises(ValidationError, match="means something else in masks and tables; choose another"):
        DefectClass(value=1, name=name, color="#e69f00")


def test_a_name_that_only_resembles_them_is_fine():
    assert DefectClass(value=1, name="Background  fringe", color="#e69f00").key == "background_fringe"
