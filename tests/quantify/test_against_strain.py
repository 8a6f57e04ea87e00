import subprocess
import sys
from pathlib import Path

import matplotlib
import matplotlib.text
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from glissile.defects import DEFAULT_CLASSES, DefectClass
from glissile.errors import InputError
from glissile.quantify.against_strain import draw_area_fractions, save_figure
from glissile.quantify.measure import strain_at

DATA = Path(__file__).parents[2].parent / "shared" / "data"


def a_table(n=50, *, stress=False):
    frame = np.arange(n)
    table = pd.DataFrame(
        {
            "frame": frame,
            "time_s": frame / 20,
            "strain": strain_at(frame / 20, 0.0114, 1e-4),
            "dislocation_area_fraction": 0.02 + 0.01 * np.sin(frame / 5),
            "stacking_fault_area_fraction": np.where(frame > n // 2, 0.01, 0.0),
            "field_of_view_px": 1000,
        }
    )
    if stress:
        table["stress_MPa"] = 300.0 + frame
    return table


def drawn(figure):
    figure.draw_without_rendering()
    return figure


def lines_by_label(axes):
    return {line.get_label(): line for line in axes.get_lines()}


def test_lines_show_percent_against_strain_in_the_colours_of_the_classes():
    table = a_table()
    axes = draw_area_fractions(table, DEFAULT_CLASSES).axes[0]
    lines = lines_by_label(axes)
    assert list(lines) == ["Dislocation", "Stacking fault"]
    for c, name in zip(DEFAULT_CLASSES, lines, strict=True):
        x, y = lines[name].get_data()
        np.testing.assert_array_equal(x, table["strain"])
        np.testing.assert_allclose(y, 100 * table[f"{c.key}_area_fraction"])
        assert lines[name].get_color() == c.color
    assert axes.get_ylabel() == "Area fraction (%)"
    assert axes.get_xlabel() == "Strain"


@pytest.mark.parametrize(("against", "label"), [("time_s", "Time (s)"), ("frame", "Frame")])
def test_other_abscissae(against, label):
    table = a_table()
    axes = drawn(draw_area_fractions(table, DEFAULT_CLASSES, against=against)).axes[0]
    assert axes.get_xlabel() == label
    np.testing.assert_array_equal(axes.get_lines()[0].get_xdata(), table[against])
    assert not axes.child_axes


@pytest.mark.parametrize(("given", "initial"), [(None, 0.0114), (0.01, 0.01)])
def test_the_upper_axis_is_the_strain_over_the_initial_strain(given, initial):
    axes = drawn(draw_area_fractions(a_table(), DEFAULT_CLASSES, initial_strain=given)).axes[0]
    (upper,) = axes.child_axes
    assert upper.get_xlim() == pytest.approx(np.array(axes.get_xlim()) / initial)
    assert "initial strain" in upper.get_xlabel()


def test_an_initial_strain_of_zero_normalises_nothing():
    assert not draw_area_fractions(a_table(), DEFAULT_CLASSES, initial_strain=0.0).axes[0].child_axes


def test_stress_has_an_axis_of_its_own_where_it_is_known():
    table = a_table(stress=True)
    _, right = draw_area_fractions(table, DEFAULT_CLASSES).axes
    np.testing.assert_array_equal(right.get_lines()[0].get_ydata(), table["stress_MPa"])
    assert right.get_ylabel() == "Stress (MPa)"
    table["stress_MPa"] = np.nan
    assert len(draw_area_fractions(table, DEFAULT_CLASSES).axes) == 1


@pytest.mark.parametrize("stress", [False, True])
@pytest.mark.parametrize("against", ["strain", "frame"])
def test_one_column_wide_with_type_of_8_pt_inside_the_figure(stress, against):
    figure = draw_area_fractions(a_table(stress=stress), DEFAULT_CLASSES, against=against)
    drawn(figure)
    assert figure.get_figwidth() * 25.4 == pytest.approx(85)
    texts = [t for t in figure.findobj(matplotlib.text.Text) if t.get_text() and t.get_visible()]
    assert len(texts) > 10
    assert min(t.get_fontsize() for t in texts) >= 8
    ink, page = figure.get_tightbbox(), figure.bbox_inches
    assert ink.x0 >= page.x0
    assert ink.x1 <= page.x1
    assert ink.y0 >= page.y0
    assert ink.y1 <= page.y1


@pytest.mark.parametrize("n_classes", [1, 2, 5])
def test_the_legend_hides_no_point(n_classes):
    classes = [DefectClass(value=i + 1, name=f"defect {i}", color="#112233") for i in range(n_classes)]
    table = a_table(stress=True)
    for c in classes:
        table[f"{c.key}_area_fraction"] = 0.05
    figure = drawn(draw_area_fractions(table, classes))
    axes, right = figure.axes
    bottom = axes.get_legend().get_window_extent().y0
    for line in (*axes.get_lines(), *right.get_lines()):
        heights = line.get_transform().transform(np.column_stack(line.get_data()))[:, 1]
        assert heights.max() < bottom


def test_rows_without_strain_are_left_out():
    table = a_table()
    table.loc[:9, "strain"] = np.nan
    axes = draw_area_fractions(table, DEFAULT_CLASSES).axes[0]
    assert len(axes.get_lines()[0].get_xdata()) == 40


def test_rows_are_drawn_in_the_order_of_the_frames():
    table = a_table().sample(frac=1, random_state=1)
    x = draw_area_fractions(table, DEFAULT_CLASSES).axes[0].get_lines()[0].get_xdata()
    assert (np.diff(x) > 0).all()


@pytest.mark.parametrize("n", [1, 2])
def test_few_rows(n):
    drawn(draw_area_fractions(a_table(n, stress=True), DEFAULT_CLASSES))


def test_frames_without_a_valid_pixel_leave_a_gap():
    table = a_table()
    table.loc[10:20, ["dislocation_area_fraction", "stacking_fault_area_fraction"]] = np.nan
    drawn(draw_area_fractions(table, DEFAULT_CLASSES))


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (a_table(0), "empty"),
        (a_table().assign(strain=np.nan), "no value of 'strain'"),
        (a_table().drop(columns="stacking_fault_area_fraction"), "no column 'stacking_fault_area_fraction'"),
    ],
)
def test_tables_that_cannot_be_drawn(table, said):
    with pytest.raises(InputError, match=said):
        draw_area_fractions(table, DEFAULT_CLASSES)


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_the_same_table_gives_the_same_file(tmp_path, suffix):
    for name in ("a", "b"):
        save_figure(draw_area_fractions(a_table(stress=True), DEFAULT_CLASSES), tmp_path / f"{name}{suffix}")
    a, b = (tmp_path / f"{name}{suffix}" for name in "ab")
    assert a.read_bytes() == b.read_bytes()
    assert len(list(tmp_path.iterdir())) == 2


def test_text_stays_text_in_vector_files(tmp_path):
    figure = draw_area_fractions(a_table(), DEFAULT_CLASSES)
    save_figure(figure, tmp_path / "f.svg")
    save_figure(figure, tmp_path / "f.pdf")
    assert ">Stacking fault</text>" in (tmp_path / "f.svg").read_text(encoding="utf-8")
    pdf = (tmp_path / "f.pdf").read_bytes()
    assert b"/Subtype /Type0" in pdf
    assert b"/Type3" not in pdf
    assert b"/CreationDate" not in pdf


def test_a_png_has_300_dpi(tmp_path):
    save_figure(draw_area_fractions(a_table(), DEFAULT_CLASSES), tmp_path / "f.png")
    with Image.open(tmp_path / "f.png") as image:
        assert image.width == pytest.approx(85 / 25.4 * 300, abs=1)


def test_another_format_is_refused(tmp_path):
    with pytest.raises(InputError, match="png, svg or pdf"):
        save_figure(draw_area_fractions(a_table(), DEFAULT_CLASSES), tmp_path / "f.docx")


def test_neither_the_style_of_the_user_nor_ours_leaks(tmp_path):
    with matplotlib.rc_context({"font.size": 3, "axes.facecolor": "red"}):
        before = dict(matplotlib.rcParams)
        figure = draw_area_fractions(a_table(), DEFAULT_CLASSES)
        save_figure(figure, tmp_path / "f.svg")
        assert dict(matplotlib.rcParams) == before
    assert matplotlib.colors.to_hex(figure.axes[0].get_facecolor()) == "#ffffff"
    assert (
        "matplotlib.pyplot" not in sys.modules or "glissile" not in sys.modules["matplotlib.pyplot"].__file__
    )


def test_figures_need_no_pyplot_and_overlays_load_no_cv2_before_they_are_drawn(tmp_path):
    code = (
        "import sys, glissile.quantify.measure, glissile.quantify.overlay\n"
        "from glissile.quantify.against_strain import *\n"
        "import pandas as pd\n"
        "from glissile.defects import DEFAULT_CLASSES as classes\n"
        "table = pd.DataFrame({'frame': [0], 'strain': [0.1], 'dislocation_area_fraction': [0.1]})\n"
        "draw_area_fractions(table, classes[:1]).savefig(sys.argv[1])\n"
        "assert not {'matplotlib.pyplot', 'torch', 'cv2'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path / "figure.svg"], check=True)


@pytest.mark.skipif(not DATA.exists(), reason="the published data set is not there")
@pytest.mark.parametrize(
    ("name", "initial", "rate"), [("twip-2um", 3.4e-2, 2.5e-5), ("twip-8.4um", 1.14e-2, 1e-4)]
)
def test_published_areas_can_be_drawn(name, initial, rate):
    published = pd.read_csv(DATA / name / "published_area.csv")
    table = pd.DataFrame(
        {
            "frame": published["frame"],
            "strain": strain_at(published["frame"] / 20, initial, rate),
            "dislocation_area_fraction": published["dislocation_fraction"],
            "stacking_fault_area_fraction": published["stacking_fault_fraction"],
        }
    )
    axes = drawn(draw_area_fractions(table, DEFAULT_CLASSES)).axes[0]
    _, y = axes.get_lines()[0].get_data()
    np.testing.assert_allclose(y, 100 * published["dislocation_fraction"])


def test_the_band_is_one_standard_uncertainty_around_the_curve():
    table = a_table()
    plain = draw_area_fractions(table, DEFAULT_CLASSES).axes[0]
    assert not plain.collections
    table["dislocation_area_fraction_uncertainty"] = 0.02
    axes = draw_area_fractions(table, DEFAULT_CLASSES).axes[0]
    (band,) = axes.collections
    heights = band.get_paths()[0].vertices[:, 1]
    percent = 100 * table["dislocation_area_fraction"]
    assert heights.max() == pytest.approx(percent.max() + 2)
    assert heights.min() == pytest.approx(max(percent.min() - 2, 0))
    assert axes.get_ylim()[1] > heights.max()


def test_frames_without_a_band_leave_a_gap_in_it():
    table = a_table()
    table["dislocation_area_fraction_uncertainty"] = 0.02
    table.loc[table.index[len(table) // 2], "dislocation_area_fraction_uncertainty"] = np.nan
    (band,) = drawn(draw_area_fractions(table, DEFAULT_CLASSES)).axes[0].collections
    assert len(band.get_paths()) == 2 or len(band.get_paths()[0].to_polygons()) == 2
