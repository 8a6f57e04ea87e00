import numpy as np
import pandas as pd

from glissile.defects import DEFAULT_CLASSES
from glissile.quantify.reliability_diagram import draw_reliability

TABLE = pd.DataFrame(
    {
        "class": ["dislocation"] * 4,
        "temperature": [1.0, 1.0, 2.5, 2.5],
        "low": [0.1, 0.8, 0.2, 0.7],
        "high": [0.2, 0.9, 0.3, 0.8],
        "pixels": [10, 20, 15, 15],
        "mean_probability": [0.15, 0.85, 0.25, 0.75],
        "labelled_fraction": [0.3, 0.7, 0.26, 0.74],
    }
)


def test_what_is_used_is_drawn_full_and_what_was_before_dashed():
    axes = draw_reliability(TABLE, DEFAULT_CLASSES[:1]).axes[0]
    diagonal, before, after = axes.get_lines()
    np.testing.assert_array_equal(diagonal.get_xdata(), diagonal.get_ydata())
    np.testing.assert_array_equal(before.get_xdata(), [0.15, 0.85])
    np.testing.assert_array_equal(before.get_ydata(), [0.3, 0.7])
    np.testing.assert_array_equal(after.get_ydata(), [0.26, 0.74])
    assert after.get_linestyle() == "-"
    assert before.get_linestyle() != "-"
    assert before.get_color() == after.get_color() == DEFAULT_CLASSES[0].color
    assert [t.get_text() for t in axes.get_legend().get_texts()] == ["at temperature 1", "Dislocation"]
