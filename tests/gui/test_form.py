from typing import Literal, Self

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, model_validator
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication, QComboBox, QLabel, QLineEdit, QToolButton
from superqt import QLargeIntSpinBox

from glissile.errors import InputError
from glissile.learn.recipes import RECIPES, Recipe
from glissile.video import Trim
from glissile.widgets._form import SettingsForm


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Inner(Frozen):
    angle: float = Field(3.0, ge=0, le=90, title="Angle (deg)")


class Everything(Frozen):
    """One field of each kind."""

    flag: bool = Field(True, title="Flag", description="Whether")
    whole: int = Field(3, ge=-5, lt=1000, title="Whole")
    free: int = 7
    real: float = Field(0.5, gt=0, title="Length (px)")
    word: str = Field("a", title="Word")
    choice: Literal["one", "two", 3] = Field("one", title="Choice")
    channels: tuple[int, ...] = Field((8, 16), min_length=1, title="Channels")
    interval: tuple[float, float] = (0.0, 1.0)
    maybe_flag: bool | None = None
    maybe_whole: int | None = Field(None, ge=1, title="Maybe (frames)")
    maybe_real: float | None = None
    maybe_word: str | None = Field(None, min_length=1)
    maybe_choice: Literal["x", "y"] | None = None
    inner: Inner = Inner()
    unshown: dict[str, int] = Field(default_factory=dict)
    hidden_away: float = Field(1e-5, title="Rate", json_schema_extra={"advanced": True})


finite = st.floats(allow_nan=False, allow_infinity=False)
words = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1)
everything = st.builds(
    Everything,
    flag=st.booleans(),
    whole=st.integers(-5, 999),
    free=st.integers(-(10**12), 10**12),
    real=st.floats(0, exclude_min=True, allow_nan=False, allow_infinity=False),
    word=st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"])),
    choice=st.sampled_from(["one", "two", 3]),
    channels=st.lists(st.integers(-(10**9), 10**9), min_size=1).map(tuple),
    interval=st.tuples(finite, finite),
    maybe_flag=st.none() | st.booleans(),
    maybe_whole=st.none() | st.integers(1, 10**15),
    maybe_real=st.none() | finite,
    maybe_word=st.none() | words,
    maybe_choice=st.sampled_from(["x", "y", None]),
    inner=st.builds(Inner, angle=st.floats(0, 90)),
    unshown=st.dictionaries(words, st.integers()),
    hidden_away=finite,
)
maybe_size = st.none() | st.integers(1, 10_000)
trims = st.builds(
    Trim,
    top=st.integers(0, 10_000),
    left=st.integers(0, 10_000),
    height=maybe_size,
    width=maybe_size,
    first=st.integers(0, 10**6),
    last=st.none() | st.integers(0, 10**6),
)
often = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def form_of(qtbot):
    def make(model, fields=None):
        form = SettingsForm(model, fields)
        qtbot.addWidget(form)
        form.show()
        return form

    return make


def editor(form, name):
    return form._editors[name].widget


def sentences(form):
    """What the form complains of."""
    return [
        label.text()
        for label in form.findChildren(QLabel)
        if label.isVisibleTo(form) and "#e5484d" in label.styleSheet()
    ]


@pytest.mark.parametrize(
    ("model", "values"), [(Trim, trims), (Everything, everything)], ids=["trim", "everything"]
)
def test_a_value_comes_back_as_it_went_in(form_of, model, values):
    form = form_of(model)

    @often
    @given(values)
    def round_trip(value):
        form.set_value(value)
        assert form.value() == value
        assert type(form.value()) is model

    round_trip()


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_the_recipes_come_back_as_they_went_in(form_of, recipe):
    form = form_of(Recipe)
    form.set_value(recipe)
    assert form.value() == recipe


def test_a_new_form_holds_the_defaults(form_of):
    assert form_of(Everything).value() == Everything()


def test_fields_that_are_not_shown_keep_their_value(form_of):
    form = form_of(Trim, ["first", "last"])
    form.set_value(Trim(top=5, height=9, first=2))
    editor(form, "first").setValue(4)
    assert form.value() == Trim(top=5, height=9, first=4)
    assert list(form._editors) == ["first", "last"]


def test_titles_and_descriptions_are_those_of_the_model(form_of):
    form = form_of(Trim)
    labels = {label.text(): label.toolTip() for label in form.findChildren(QLabel) if label.text()}
    assert labels["Height (px)"] == "Rows kept; empty keeps all below"
    assert editor(form, "height").toolTip() == labels["Height (px)"]
    assert editor(form, "height").placeholderText() == "automatic"


def test_bounds_hold_in_the_editor(form_of):
    box = editor(form_of(Everything), "whole")
    assert isinstance(box, QLargeIntSpinBox)
    assert (box.minimum(), box.maximum()) == (-5, 999)


def test_every_valid_change_is_told_once(form_of, qtbot):
    form = form_of(Everything)
    seen = []
    form.value_changed.connect(seen.append)
    form.set_value(Everything(whole=5, real=2.0, word="b"))
    assert seen == [form.value()]
    form.set_value(form.value())
    assert len(seen) == 1
    editor(form, "word").setText("bc")
    editor(form, "flag").click()
    editor(form, "choice").setCurrentIndex(2)
    editor(form, "inner")._editors["angle"].widget.setText("20,5")
    assert [value.word for value in seen] == ["b", *["bc"] * 4]
    assert seen[-1] == Everything(whole=5, real=2.0, word="bc", flag=False, choice=3, inner=Inner(angle=20.5))


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("real", "abc", "Length (px): 'abc' is not a number"),
        ("real", "", "Length (px): needs a number"),
        ("real", "-1", "Length (px): should be greater than 0"),
        ("maybe_whole", "1.5", "Maybe (frames): '1.5' is not a whole number"),
        ("maybe_whole", "0", "Maybe (frames): should be greater than or equal to 1"),
        ("channels", "8, x", "Channels: 'x' is not a whole number"),
    ],
)
def test_an_invalid_entry_is_one_sentence_in_its_place(form_of, name, text, sentence):
    form = form_of(Everything)
    seen = []
    form.value_changed.connect(seen.append)
    line = editor(form, name)
    assert isinstance(line, QLineEdit)
    line.setText(text)
    assert sentences(form) == [sentence]
    with pytest.raises(InputError) as caught:
        form.value()
    assert str(caught.value) == sentence
    assert not seen
    form.set_value(Everything())
    assert not sentences(form)


def test_an_empty_optional_entry_is_none(form_of):
    form = form_of(Trim)
    form.set_value(Trim(height=40))
    editor(form, "height").clear()
    assert form.value().height is None


def test_numbers_may_have_a_comma(form_of):
    form = form_of(Everything)
    editor(form, "real").setText("0,25")
    assert form.value().real == 0.25


class Ordered(Frozen):
    least: int = 1
    most: int = 4

    @model_validator(mode="after")
    def _order(self) -> Self:
        if self.least > self.most:
            raise ValueError(f"at least {self.least} is more than at most {self.most}")
        return self


def test_what_is_wrong_with_the_whole_is_said_too(form_of):
    form = form_of(Ordered)
    editor(form, "least").setValue(9)
    assert sentences(form) == ["at least 9 is more than at most 4"]
    editor(form, "most").setValue(9)
    assert not sentences(form)


class Required(Frozen):
    column: str = Field(min_length=1, title="Column")


def test_a_model_without_defaults_asks_for_them(form_of):
    form = form_of(Required)
    with pytest.raises(InputError, match="Column: "):
        form.value()
    editor(form, "column").setText("strain")
    assert form.value() == Required(column="strain")


def test_advanced_fields_are_folded_away(form_of):
    form = form_of(Everything)
    rate = editor(form, "hidden_away")
    assert not rate.isVisibleTo(form)
    assert editor(form, "real").isVisibleTo(form)
    (fold,) = (b for b in form.findChildren(QToolButton) if b.text() == "Advanced")
    fold.click()
    assert rate.isVisibleTo(form)
    assert rate.text() == "1e-05"


def test_a_form_without_advanced_fields_has_no_fold(form_of):
    assert not form_of(Trim).findChildren(QToolButton)


@pytest.mark.parametrize("name", ["whole", "choice"])
def test_the_wheel_scrolls_the_dock_and_not_the_value(form_of, name):
    form = form_of(Everything)
    widget = editor(form, name)
    assert isinstance(widget, QLargeIntSpinBox | QComboBox)
    assert not widget.hasFocus()
    QApplication.sendEvent(
        widget,
        QWheelEvent(
            QPointF(3, 3),
            QPointF(3, 3),
            QPoint(0, -120),
            QPoint(0, -120),
            Qt.MouseButton.NoButton,
            Qt.KeyboardModifier.NoModifier,
            Qt.ScrollPhase.NoScrollPhase,
            False,
        ),
    )
    assert form.value() == Everything()
