"""The headline numbers of the Measure section, over experiments whose masks are known."""

import numpy as np
import pytest
import tifffile

from glissile import workflow
from glissile.widgets.sections.measure import MeasureSection

T, Y, X = 6, 20, 40


@pytest.fixture
def section(bench, viewer):
    section = MeasureSection(bench)
    viewer.window.add_dock_widget(section, area="right")
    section.set_open(True)
    return section


def segmented(folder, frames):
    """An experiment; on each of its segmented frames, class 1 covers one per cent more than on the last."""
    video = folder / "test.tif"
    tifffile.imwrite(video, np.random.default_rng(0).integers(0, 255, (T, Y, X), dtype=np.uint8))
    with workflow.create(video, folder / "test") as experiment:
        attributes = {"model": "abc", "origins_px": {str(n): [0.0, 0.0] for n in range(T)}}
        store = experiment.new_segmentation((T, Y, X), attributes)
        for n in frames:
            mask = np.zeros((Y, X), np.uint8)
            mask.ravel()[: 8 * (n + 1)] = 1
            store.write(n, mask)
        return experiment.folder


def opened(bench, folder, qtbot):
    bench.open_folder(folder)
    qtbot.waitUntil(lambda: bench.study is not None and bench.state.running is None, timeout=60_000)
    qtbot.waitUntil(lambda: len(bench.state.table) > 0)


def test_finished_results_are_summed_up_when_they_are_opened(section, bench, tmp_path, qtbot):
    opened(bench, segmented(tmp_path, range(T)), qtbot)
    assert section.numbers.isVisibleTo(section)
    assert section.numbers.text().splitlines() == [
        "dislocation: up to 6.0 % (frame 5)",
        "stacking fault: up to 0.0 % (frame 0)",
    ]
    assert not section.files.isVisibleTo(section)


def test_half_a_table_is_summed_up_only_if_it_was_written(section, bench, tmp_path, qtbot):
    opened(bench, segmented(tmp_path, range(3)), qtbot)
    assert not section.numbers.isVisibleTo(section)
    section.form.set_value(section.form.value().model_copy(update={"overlay_video": False}))
    section.primary.click()
    qtbot.waitUntil(lambda: "Written" in section.files.text(), timeout=60_000)
    assert section.numbers.text().startswith("dislocation: up to 3.0 % (frame 2)")
    assert section.numbers.isVisibleTo(section)


def test_numbers_are_those_of_the_present_classes(section, bench, tmp_path, qtbot):
    opened(bench, segmented(tmp_path, range(T)), qtbot)
    line, fault = bench.study.experiment.document.classes
    bench.set_classes((line.model_copy(update={"name": "line"}), fault))
    qtbot.waitUntil(lambda: section.numbers.text().startswith("line: up to 6.0 % (frame 5)"))


def test_numbers_go_with_the_experiment(section, bench, tmp_path, qtbot):
    opened(bench, segmented(tmp_path, range(T)), qtbot)
    bench.close()
    section.study_changed()
    assert not section.numbers.isVisibleTo(section)
