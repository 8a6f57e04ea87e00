"""`glissile labels`: its help fits a terminal."""

import json
import re

import numpy as np
import pandas as pd
import pytest
import tifffile

from commands import glissile
from glissile import workflow
from glissile.experiment import Experiment
from glissile.io.label_formats import FORMATS


@pytest.mark.parametrize("command", ["import", "suggest", "export", "compare"])
def test_help_fits_80_columns_and_explains_every_option(command):
    result = glissile("labels", command, "--help")
    assert result.code == 0, result.err
    assert max(len(line.rstrip()) for line in result.out.splitlines()) <= 80
    assert not re.search(r"--[a-z-]+ +\S+ +│", result.out)
    assert "…" not in result.out


def done(*arguments):
    result = glissile("labels", *arguments)
    assert result.code == 0, result.err
    return result.out


def refused(*arguments):
    result = glissile("labels", *arguments)
    assert result.code == 2
    assert re.fullmatch(r"glissile: .+\n", result.err), result.err
    return result.err


@pytest.fixture
def annotators(tmp_path):
    """Two experiments on one video of 8 frames: a line in 1, 4 and 6, and in 1, 4 and 7, in 4 elsewhere."""
    tifffile.imwrite(tmp_path / "video.tif", np.zeros((8, 40, 50), np.uint8), photometric="minisblack")
    for name, rows in (("first", {1: 20, 4: 10, 6: 5}), ("second", {1: 20, 4: 30, 7: 5})):
        with workflow.create(tmp_path / "video.tif", tmp_path / name) as experiment:
            for frame, row in rows.items():
                mask = np.zeros((40, 50), np.uint8)
                mask[row, 10:40] = 1
                experiment.labels().write(frame, mask)
    return tmp_path


def test_the_help_of_export_names_every_format():
    text = " ".join(done("export", "--help").split())
    for kind in FORMATS:
        assert re.search(rf"\b{kind.name}\b", text), kind.name


@pytest.mark.parametrize(
    ("target", "options", "said"),
    [
        ("out", (), "Index images (PNG)"),
        ("a.json", (), "COCO (JSON)"),
        ("a.tif", (), "Multi-page TIFF"),
        ("a.ome.zarr", (), "OME-Zarr"),
        ("b", ("--format", "labelme"), "Labelme (JSON per frame)"),
    ],
)
def test_labels_go_out_and_come_back(annotators, target, options, said):
    target = annotators / target
    out = done("export", annotators / "first", target, *options)
    assert out == f"3 labelled frames in {target} ({said})\n"
    with workflow.create(annotators / "video.tif", annotators / "third"):
        pass
    assert "labelled frames taken over: 3\n" in done("import", annotators / "third", target)
    with Experiment.open(annotators / "third", read_only=True) as third:
        assert third.labels_or_none().frames == (1, 4, 6)
        assert np.flatnonzero(third.labels_or_none().read(4)[:, 20]).tolist() == [10]


def test_an_export_says_what_it_takes_the_place_of_and_what_it_does_not(annotators):
    target = annotators / "a.json"
    done("export", annotators / "first", target)
    assert out_of_place(done("export", annotators / "first", target))
    assert "not an empty folder" in refused("export", annotators / "first", annotators, "--format", "png")
    assert "is no format of labels; choose one of png" in refused(
        "export", annotators / "first", target, "--format", "gif"
    )
    assert "no export of labels" in refused("export", annotators / "first", annotators / "video.tif")


def test_nothing_is_written_into_an_experiment(annotators):
    first, second = (annotators / f"{name}.glissile" for name in ("first", "second"))
    for target in (first / "labels.zarr" / "zarr.json", second / "a.json", first / "new"):
        assert "is of the experiment" in refused("export", first, target)
    assert "is of the experiment first" in refused(
        "compare", first, second, "--output", first / "experiment.csv"
    )
    assert not (first / "experiment.csv").exists()
    with Experiment.open(first, read_only=True) as opened:
        assert opened.labels_or_none().frames == (1, 4, 6)


@pytest.mark.parametrize("target", ["out.csv", "out.png"])
def test_no_folder_is_made_that_is_called_like_a_file(annotators, target):
    assert "is written as a folder" in refused("export", annotators / "first", annotators / target)
    assert not (annotators / target).exists()


def test_the_folder_one_is_in_is_no_target(annotators, monkeypatch):
    (annotators / "empty").mkdir()
    monkeypatch.chdir(annotators / "empty")
    assert "is the folder you are in" in refused("export", annotators / "first", ".")


def test_labels_of_another_video_are_said_to_be_so(annotators):
    frames = np.full((8, 40, 50), 9, np.uint8)
    tifffile.imwrite(annotators / "other.tif", frames, photometric="minisblack")
    with workflow.create(annotators / "other.tif", annotators / "third") as experiment:
        experiment.labels().write(4, np.eye(40, 50, dtype=np.uint8))
        experiment.labels().write(5, np.eye(40, 50, dtype=np.uint8))
    said = "third.glissile is an experiment on another video"
    assert said in done("compare", annotators / "first", annotators / "third")
    assert said in done("import", annotators / "first", annotators / "third")
    assert "another video" not in done("compare", annotators / "first", annotators / "second")


def test_names_from_elsewhere_are_printed_without_what_moves_the_cursor(annotators):
    image = {"id": 1, "file_name": "\x1b[31mred\x1b[0m_9999.png", "height": 40, "width": 50}
    square = {"image_id": 1, "category_id": 1, "segmentation": [[1, 1, 5, 1, 5, 5]]}
    content = {"images": [image], "annotations": [square], "categories": [{"id": 1, "name": "dislocation"}]}
    (annotators / "a.json").write_text(json.dumps(content))
    out = done("import", annotators / "first", annotators / "a.json")
    assert "left out: 1 (?[31mred?[0m_9999)" in out


def test_small_backups_have_a_size(annotators):
    with Experiment.open(annotators / "first"):
        pass
    assert re.search(r"3 labelled frames  [1-9][0-9.]* KiB\n", done("backups", annotators / "first"))


def out_of_place(text):
    return text.endswith(", in place of the one before\n")


def test_annotators_are_compared(annotators):
    out = done("compare", annotators / "first", annotators / "second", "--output", annotators / "a.csv")
    lines = out.splitlines()
    assert lines[:3] == [
        "labelled by both: 2 frames",
        "labelled by the first only, and not compared: 1 frame",
        "labelled by the second only, and not compared: 1 frame",
    ]
    assert re.fullmatch(r" +kappa +F +F \(2 px\) +length", lines[3])
    assert re.fullmatch(r"  dislocation +0\.492 +0\.500 +0\.500 +\+0\.0%", lines[4])
    assert re.fullmatch(r"  stacking fault +- +- +- +-", lines[5])
    assert lines[6] == "frames that differ most, with the share beyond 2 px: 4 (100%)"
    assert lines[7] == f"table in {annotators / 'a.csv'}"
    table = pd.read_csv(annotators / "a.csv")
    assert table["frame"].tolist() == ["all", "all", "1", "1", "4", "4"]
    assert table["f"].tolist()[2] == 1


def test_a_comparison_that_is_not_possible_is_refused(annotators):
    said = refused("compare", annotators / "first", annotators / "absent")
    assert "no such file or folder; check the path of the labels" in said
    said = refused("compare", annotators / "first", annotators / "second", "--output", annotators / "a.txt")
    assert "written as a .csv file" in said


def test_a_comparison_takes_the_place_of_no_other_table(annotators, tmp_path):
    log = tmp_path / "strain_log.csv"
    log.write_text("time_s,strain\n0,0.1\n")
    found = glissile("labels", "compare", annotators / "first", annotators / "second", "--output", log)
    assert found.code == 2
    assert "another table" in found.err
    assert log.read_text() == "time_s,strain\n0,0.1\n"
    table = tmp_path / "agreement.csv"
    for _ in range(2):
        done("compare", annotators / "first", annotators / "second", "--output", table)


@pytest.mark.parametrize("name", ["mine.json", "recording.tif"])
def test_an_export_takes_the_place_of_nothing_but_an_export(annotators, tmp_path, name):
    (tmp_path / name).write_bytes(b"of somebody else")
    assert "no export of labels" in refused("export", annotators / "first", tmp_path / name)
    assert (tmp_path / name).read_bytes() == b"of somebody else"
    (tmp_path / name).unlink()
    for _ in range(2):
        done("export", annotators / "first", tmp_path / name)
