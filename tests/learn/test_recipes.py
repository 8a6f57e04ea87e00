import subprocess
import sys

import pytest
from pydantic import ValidationError

from glissile.errors import InputError
from glissile.learn.recipes import RECIPES, UNBENT, recipe_named


def test_the_published_recipe_is_as_published():
    r = RECIPES["tanaka2025"]
    assert (r.batch_size, r.optimizer, r.learning_rate, r.epochs) == (1, "rmsprop", 1e-5, 40)
    assert (r.schedule, r.validations_per_epoch, r.holdout_every) == ("plateau", 4, 5)
    assert (r.network, r.widths) == ("ronneberger", (64, 128, 256, 512, 1024))
    assert r.augmentation == UNBENT
    assert not r.calibrate_area


def test_names_and_recipes_agree():
    assert all(name == recipe.name for name, recipe in RECIPES.items())


def test_changes_are_checked():
    assert recipe_named("glissile", epochs=3).epochs == 3
    with pytest.raises(ValidationError):
        recipe_named("glissile", epochs=0)
    with pytest.raises(ValidationError):
        recipe_named("glissile", epoch=3)
    with pytest.raises(ValidationError, match="at least 30"):
        recipe_named("glissile", least_epoch_steps=30, most_epoch_steps=20)
    with pytest.raises(InputError, match="glissile, tanaka2025"):
        recipe_named("tanaka")


def test_every_setting_has_a_title_and_a_description():
    for model in (type(RECIPES["glissile"]), type(UNBENT)):
        for name, field in model.model_fields.items():
            assert field.title, name
            assert field.description, name


def test_settings_load_neither_torch_nor_cv2():
    code = (
        "import sys, glissile.learn.recipes, glissile.segment.settings, glissile.io.checkpoint;"
        "import glissile.learn.agreement, glissile.label.split;"
        "sys.exit(bool({'torch', 'cv2'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("widths", [(0, 16), (4096, 16), (16,), (16, -1)])
def test_channels_that_no_network_can_have_are_refused(widths):
    with pytest.raises(ValidationError, match="widths"):
        recipe_named("glissile", widths=widths)
