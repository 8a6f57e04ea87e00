"""The commands on small files: what they write, what they print, and how they refuse bad input."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image

from commands import glissile
from glissile import cli, workflow
from glissile.atomic import write_text
from glissile.defects import DEFAULT_CLASSES
from glissile.experiment import Experiment, MaskStore
from glissile.io.annotations import read_mask_folder, write_mask
from glissile.io.checkpoint import read_card
from glissile.io.video_files import read_video, write_video
from glissile.progress import Step
from glissile.quantify.measure import read_table
from glissile.stabilize.motion import Motion
from glissile.synthetic.tem import TemSettings, TemVideo, simulate

SETTINGS = TemSettings(height=144, width=128, frames=10, drift_px=3, jumps=0)
FIELD = (SETTINGS.height - SETTINGS.strip_px, SETTINGS.width)
LABELLED = (0, 4, 9)
COMMANDS = (
    "info", "stabilize", "train", "segment", "measure", "score", "new", "relocate", "run", "models",
    "demo",
)  # fmt: skip


def done(*arguments: object) -> str:
    """What a command prints that must succeed."""
    result = glissile(*arguments)
    assert result.code == 0, result.err
    return result.out


def refused(*arguments: object) -> str:
    """The one sentence of a command that must refuse its input."""
    result = glissile(*arguments)
    assert result.code == 2
    assert result.err.startswith("glissile: ")
    assert result.err.count("\n") == 1
    assert "Traceback" not in result.err
    return result.err


def test_a_place_that_cannot_be_written_is_named(monkeypatch):
    def full(*arguments, **options):
        raise PermissionError(13, "Permission denied", "results/.writing-0123.mp4")

    monkeypatch.setattr(cli, "app", full)
    place = Path("results")
    assert refused("stabilize").startswith(f"glissile: {place}: Permission denied; check that place, or")

    def folder(*arguments, **options):
        raise IsADirectoryError(21, "Is a directory", "results/.writing-0123.mp4", None, "results/a.mp4")

    monkeypatch.setattr(cli, "app", folder)
    assert refused("stabilize").startswith(f"glissile: {place / 'a.mp4'}: Is a directory; check")


def true_mask(truth: TemVideo, number: int) -> np.ndarray:
    """Dislocations as simulated and, so early in the test, a stacking fault drawn by hand."""
    mask = truth.mask(number).copy()
    mask[30:38, 40:90][mask[30:38, 40:90] == 0] = 2
    return mask


@pytest.fixture(scope="module")
def truth() -> TemVideo:
    return simulate(SETTINGS, 4)


@pytest.fixture(scope="module")
def files(truth: TemVideo, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder "8.4μm" with `video.mkv` (lossless), its frames in `frames/`, and masks in two layouts."""
    folder = tmp_path_factory.mktemp("made") / "8.4μm"
    folder.mkdir()
    write_video(folder / "video.mkv", (truth.frame(i) for i in range(len(truth))), frames_per_second=20)
    for number in range(SETTINGS.frames):
        write_mask(folder / "frames" / f"img_{number:04d}.png", truth.frame(number)[: FIELD[0]])
    for number in LABELLED:
        mask = true_mask(truth, number)[: FIELD[0]]
        write_mask(folder / "masks" / f"img_{number:04d}.png", mask)
        write_mask(folder / "whole" / f"img_{number:04d}.png", true_mask(truth, number))
        for value, name in ((1, "dislocation"), (2, "SF")):
            (folder / "paper" / name).mkdir(parents=True, exist_ok=True)
            drawn = Image.fromarray((mask == value).astype(np.uint8))
            drawn.putpalette([255, 255, 255, 0, 0, 0])
            drawn.save(folder / "paper" / name / f"img_{number:04d}.png")
    return folder


@pytest.fixture(scope="module")
def model(files: Path) -> Path:
    """A network, hardly trained."""
    folder = files / "model"
    printed = done(
        "train", files / "frames", files / "masks", "--output", folder, "--epochs", 1, "--device", "cpu"
    )
    assert f"model in {folder}" in printed
    return folder


@pytest.fixture(scope="module")
def finished(files: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """An experiment made by `new` and finished by `run`, and what `run` printed."""
    folder = tmp_path_factory.mktemp("studies") / "study.glissile"
    done(
        "new", files / "video.mkv", folder, "--labels", files / "whole",
        "--crop", f"0,0,{FIELD[0]},{FIELD[1]}", "--epochs", 1, "--device", "cpu",
        "--fps", 20, "--initial-strain", 0.01, "--strain-rate", 0.001, "--nm-per-pixel", 4,
    )  # fmt: skip
    return folder, done("run", folder)


def numbered(folder: Path, masks: dict[str, np.ndarray]) -> Path:
    for stem, mask in masks.items():
        write_mask(folder / f"{stem}.png", mask)
    return folder


# -- help and refusals --------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_80_columns_and_explains_every_option(command):
    text = done(command, "--help")
    assert max(len(line.rstrip()) for line in text.splitlines()) <= 80
    assert not re.search(r"--[a-z-]+ +\S+ +│", text)  # an option without words beside it
    assert "…" not in text


def test_without_a_command_it_says_what_there_is():
    assert all(command in done() for command in COMMANDS)


def test_the_version_is_printed():
    assert re.match(r"\d+\.\d+", done("--version"))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("info", "absent.mkv"), "glissile: absent.mkv: there is no such file or folder; check the path\n"),
        (("info", "text.mkv"), "text.mkv: "),
        (("info", "study.glissile"), "study.glissile: this is an experiment"),
        (("info",), "VIDEO"),
        (("nothing",), "nothing"),
        (("stabilize", "video.mkv", "--output", "a.gif"), "a.gif: "),
        (("stabilize", "video.mkv", "--output", "a.tif", "--method", "guess"), "--method"),
        (("stabilize", "video.mkv", "--output", "a.tif", "--field-of-view", "all"), "--field-of-view"),
        (("train", "empty", "masks", "--output", "m"), "empty: "),
        (("train", "frames", "empty", "--output", "m"), "empty: has neither label images"),
        (("train", "frames", "other_names", "--output", "m"), "no mask has the name of an image"),
        (("train", "frames", "whole", "--output", "m"), "they must have one size"),
        (("train", "frames", "masks", "--output", "m", "--recipe", "best"), "--recipe"),
        (("train", "frames", "masks", "--output", "m", "--epochs", "0"), "--epochs 0: input should be"),
        (
            ("train", "frames", "masks", "--output", "m", "--epochs", "1.5"),
            "--epochs 1.5: give a whole number",
        ),
        (
            ("train", "frames", "masks", "--output", "m", "--epochs", "1", "--minutes", "1"),
            "--epochs and --minutes both say how long a training takes; give one",
        ),
        (
            ("train", "frames", "masks", "--output", "m", "--start", "absent"),
            "absent: there is no such folder",
        ),
        (("train", "frames", "masks", "--output", "m", "--epochs", "200000"), "--epochs 200000: "),
        (("train", "frames", "masks", "--output", "m", "--resume"), "no interrupted training"),
        (("train", "frames", "masks", "--output", "m", "--folds", "4"), "choose from 2 to 3"),
        (("train", "frames", "masks", "--output", "m", "--folds", "1"), "--folds"),
        (("train", "frames", "masks", "--output", "m", "--folds", "2", "--resume"), "give one of them"),
        (("train", "frames", "masks", "--output", "m", "--held-out", "after"), "--held-out"),
        (("segment", "empty", "video.mkv", "--output", "out"), "empty: there is no trained model here"),
        (("segment", "absent", "video.mkv", "--output", "out"), "absent: there is no such folder"),
        (
            ("segment", "full.glissile", "video.mkv", "--output", "out"),
            "give one of its models, such as full",
        ),
        (("measure", "absent", "--output", "a.csv"), "absent: is not a folder"),
        (("measure", "empty", "--output", "a.csv"), "empty: has neither label images"),
        (("measure", "masks", "--output", "a.csv", "--fps", "-5"), "--fps -5: "),
        (("measure", "masks", "--output", "a.csv", "--fps", "0"), "--fps 0: "),
        (("measure", "masks", "--output", "a.csv", "--nm-per-pixel", "-1"), "--nm-per-pixel -1.0: "),
        (
            ("measure", "masks", "--output", "a.csv", "--nm-per-pixel", "1,7"),
            "--nm-per-pixel 1,7: give a number, with a point before its decimals, such as 1.7\n",
        ),
        (("measure", "masks", "--output", "a.csv", "--strain-rate", "1"), "give both or neither"),
        (
            ("measure", "masks", "--output", "rig.csv"),
            "rig.csv: is there already, is no table of measurements",
        ),
        (
            ("measure", "masks", "--output", "a.csv", "--strain-log", "rig.csv", "--strain-rate", "1"),
            "--strain-rate and --strain-log both tell the strain; give one",
        ),
        (("measure", "masks", "--output", "a.csv", "--strain-log", "absent.csv"), "no such strain log"),
        (
            ("measure", "masks", "--output", "a.csv", "--classes", "line"),
            "has the value 2, but the classes are",
        ),
        (
            ("measure", "F.tif", "--output", "a.csv", "--classes", "line"),
            "frame 0: the mask has 1 px of value 2",
        ),
        (
            ("measure", "masks", "--output", "a.csv", "--classes", "a,,b"),
            '--classes a,,b: "" cannot be a class',
        ),
        (("train", "frames", "masks", "--output", "m", "--classes", "background"), '"background" cannot be'),
        (("train", "frames", "masks", "--output", "m", "--classes", "a b,A  B"), '"A B" comes twice'),
        (
            ("score", "masks", "masks", "--classes", ",".join(map(str, range(256)))),
            "--classes: a mask holds at most 255 classes, not 256\n",
        ),
        (("score", "masks", "masks", "--classes", "line"), "has the value 2, but the classes are 0, 1; add"),
        (("score", "masks", "absent"), "absent: is not a folder"),
        (("score", "one_mask", "masks"), "2 of 3 true masks have no prediction"),
        (("score", "masks", "masks", "--tolerance", "-1"), "--tolerance"),
        (("score", "whole", "masks"), "score masks of one size"),
        (("score", "masks", "masks", "--table", "a.txt"), "a.txt: this is written as a .csv file"),
        (("new", "absent.mkv", "e"), "absent.mkv: there is no such file"),
        (
            ("new", "video.mkv", "e", "--crop", "1,2,3"),
            "--crop 1,2,3: give 4 whole numbers, TOP,LEFT,HEIGHT,WIDTH, none",
        ),
        (("new", "video.mkv", "e", "--crop", "a,b,c,d"), "--crop a,b,c,d: "),
        (("new", "video.mkv", "e", "--crop", "0,0,0,5"), "--crop 0,0,0,5: "),
        (("new", "video.mkv", "e", "--crop", "0,0,999,5"), "does not lie within"),
        (("new", "video.mkv", "e", "--crop", ""), "--crop"),
        (("new", "video.mkv", "e", "--frames", "3"), "--frames 3: give 2 whole numbers, FIRST,LAST, none"),
        (("new", "video.mkv", "e", "--frames", "5,2"), "frames 5 to 2 is not possible"),
        (("new", "video.mkv", "e", "--fps", "-1"), "--fps -1: "),
        (("new", "video.mkv", "e", "--strain-log", "text.mkv"), "text.mkv: is not a table"),
        (("new", "video.mkv", "study.glissile"), "exists already"),
        (("relocate", "study.glissile"), "VIDEO"),
        (("relocate", "absent", "video.mkv"), "absent"),
        (("run", "empty"), "empty: there is no such experiment, and none called empty.glissile beside it"),
        (("run", "absent"), "absent: there is no such experiment, and none called absent.glissile"),
        (("run", "video.mkv"), "video.mkv"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(arguments, sentence, files, tmp_path, monkeypatch):
    for name in ("video.mkv", "frames", "masks", "whole"):
        (tmp_path / name).symlink_to(files / name) if os.name == "posix" else copied(files / name, tmp_path)
    (tmp_path / "empty").mkdir()
    write_text(tmp_path / "text.mkv", "not a video")
    tifffile.imwrite(tmp_path / "F.tif", np.eye(8, dtype=np.uint8) + np.pad([[1]], (0, 7)).astype(np.uint8))
    write_text(tmp_path / "study.glissile" / "experiment.toml", "")
    write_text(tmp_path / "full.glissile" / "models" / "glissile" / "model.safetensors", "")
    write_text(tmp_path / "rig.csv", "time_s,strain\n0,0.1\n")
    shutil.copytree(files / "masks", tmp_path / "other_names")
    for path in (tmp_path / "other_names").iterdir():
        path.rename(path.with_name(f"{path.stem}9.png"))
    (tmp_path / "one_mask").mkdir()
    shutil.copy(files / "masks" / "img_0000.png", tmp_path / "one_mask")
    monkeypatch.chdir(tmp_path)
    assert sentence in refused(*arguments)
    assert not (tmp_path / "e.glissile").exists()


def copied(source: Path, folder: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, folder / source.name)
    else:
        shutil.copy(source, folder)


def test_an_experiment_that_is_open_elsewhere_is_left_alone(finished):
    with Experiment.open(finished[0]):
        assert "process" in refused("run", finished[0])


def test_a_model_that_is_none_is_refused_before_anything_is_written(files, tmp_path):
    refused("segment", tmp_path / "no_model", files / "video.mkv", "--output", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_process_itself_exits_with_2_and_a_name_outside_the_code_page_is_printed(tmp_path):
    ended = subprocess.run(
        [sys.executable, "-m", "glissile", "info", str(tmp_path / "8.4μm.mkv")],
        capture_output=True, check=False, env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )  # fmt: skip
    assert ended.returncode == 2
    assert ended.stdout == b""
    assert b"8.4?m.mkv: there is no such file" in ended.stderr
    assert ended.stderr.strip().count(b"\n") == 0


def test_ctrl_c_says_so(files, monkeypatch):
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("glissile.batch.score_folders", stopped)
    ended = glissile("score", files / "masks", files / "masks")
    assert ended.code == 130
    assert ended.err == "glissile: stopped; what was done is kept\n"


# -- one stage at a time ------------------------------------------------------------------------------------


def test_info_says_frames_size_and_rate(files):
    text = done("info", files / "video.mkv")
    assert "video: 10 frames, 128 x 144 px, uint8" in text
    assert "20 frames/s" in text
    assert f"frames: 10 frames, 128 x {FIELD[0]} px" in done("info", files / "frames")


@pytest.mark.parametrize("suffix", [".tif", ".mkv", ".mp4"])
def test_stabilize_writes_the_video_and_its_motion(suffix, files, truth, tmp_path):
    video, table = tmp_path / f"fixed{suffix}", tmp_path / "motion.csv"
    done("stabilize", files / "frames", "--output", video, "--motion", table)
    motion = Motion.read(table)
    error = motion.displacements_px - (truth.displacements_px - truth.displacements_px[0])
    assert np.abs(error - error.mean(axis=0)).max() < 1
    fixed = read_video(video)
    assert len(fixed) == SETTINGS.frames
    assert fixed.shape[1] <= FIELD[0]


def test_stabilize_by_the_method_none_changes_nothing(files, truth, tmp_path):
    done("stabilize", files / "frames", "--output", tmp_path / "same.tif", "--method", "none")
    np.testing.assert_array_equal(read_video(tmp_path / "same.tif").frame(3), truth.frame(3)[: FIELD[0]])


@pytest.mark.parametrize("kind", ["automatic", "common", "range"])
def test_stabilize_says_which_part_of_the_frame_all_frames_show(kind, files, tmp_path):
    text = done("stabilize", files / "frames", "--output", tmp_path / "f.tif", "--field-of-view", kind)
    _, y, x = read_video(tmp_path / "f.tif").shape
    share = 100 * x * y / (FIELD[0] * FIELD[1])
    assert f"All frames show the same {share:.0f} % of the frame, {x} x {y} px" in text


@pytest.mark.parametrize("kind", ["union", "segments"])
def test_stabilize_writes_a_canvas_with_the_frames_as_recorded(kind, tmp_path, monkeypatch):
    specimen = np.random.default_rng(0).integers(1, 256, (200, 240), np.uint8)
    for k in range(8):
        recorded = specimen[60 - 6 * k : 140 - 6 * k, 60 + 9 * k : 160 + 9 * k]
        write_mask(tmp_path / "frames" / f"{k}.png", recorded)

    def known_motion(video, settings, regions):
        yield Step(8, 8, "Looking it up")
        path = np.outer(range(8), (6.0, -9.0))
        return Motion(path, np.full(8, 0.1), ("",) * 8, video.frame_numbers)

    monkeypatch.setattr("glissile.stabilize.camera_motion.estimate_motion", known_motion)
    output = tmp_path / "canvas.tif"
    text = done("stabilize", tmp_path / "frames", "--output", output, "--field-of-view", kind)
    if kind == "union":
        assert "A canvas of 163 x 122 px holds all frames; a frame covers 40 % of it" in text
        shown = [specimen[18:140, 60:223]] * 8
        areas = [80 * 100] * 8
    else:
        assert "3 segments, cut before frames 2, 5, on one canvas of" in text
        shown = [read_video(output).frame(k) for k in (0, 0, 2, 2, 2, 5, 5, 5)]
        areas = [74 * 91, 74 * 91, *[68 * 82] * 6]
    for k in range(8):
        frame = read_video(output).frame(k)
        np.testing.assert_array_equal(frame, np.where(frame > 0, shown[k], 0))
        assert np.count_nonzero(frame) == areas[k]


@pytest.mark.parametrize(
    ("suffix", "told"), [(".mp4", "padded to even numbers from 127 x 125, in"), (".mkv", "127 x 125 px in")]
)
def test_stabilize_tells_the_size_that_was_written(suffix, told, truth, tmp_path):
    for number in range(3):
        write_mask(tmp_path / "odd" / f"{number}.png", truth.frame(number)[:125, :127])
    output = tmp_path / f"out{suffix}"
    ended = glissile("stabilize", tmp_path / "odd", "--output", output, "--method", "none")
    _, y, x = read_video(output).shape
    assert f"3 frames of {x} x {y} px" in ended.out
    assert told in ended.out
    assert f"Write: Writing out{suffix}, frame 3 of 3" in ended.err.splitlines()


def test_stabilize_never_writes_over_its_input(files, tmp_path, monkeypatch):
    shutil.copy(files / "video.mkv", tmp_path)
    shutil.copytree(files / "frames", tmp_path / "frames")
    monkeypatch.chdir(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for output in (tmp_path / "video.mkv", "frames/../video.mkv"):
        assert "is the input itself" in refused("stabilize", "video.mkv", "--output", output)
    assert "is the input itself" in refused(
        "stabilize", "video.mkv", "--output", "a.tif", "--motion", "video.mkv"
    )
    for name in ("img_0001.tif", "one_more.TIF"):
        assert "among the frames" in refused("stabilize", "frames", "--output", f"frames/{name}")
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_train_keeps_what_it_was_given(model):
    card = read_card(model)
    assert card.recipe["name"] == "glissile"
    assert card.recipe["epochs"] == 1
    assert sorted(card.frames.training + card.frames.validation) == list(LABELLED)


@pytest.mark.parametrize(("which", "held"), [("between", (4,)), ("beyond", (9,))])
def test_train_says_in_words_what_its_scores_are_of(which, held, files, tmp_path):
    text = done(
        "train", files / "frames", files / "masks", "--output", tmp_path / "m", "--epochs", 1,
        "--device", "cpu", "--held-out", which,
    )  # fmt: skip
    card = read_card(tmp_path / "m")
    assert (card.held_out, card.frames.validation) == (which, held)
    assert f"Network, on 1 frame held out {which} those it learned from:" in text
    assert f"Scores {which} the labels: on 1 frame" in text
    assert list(pd.read_csv(tmp_path / "m" / "scores.csv")["frame"]) == [*held, *held]
    assert "Label some of frames" not in text  # labels reach the last frame


def test_train_says_which_frames_are_far_from_labels(files, tmp_path):
    shutil.copytree(files / "masks", tmp_path / "masks")
    (tmp_path / "masks" / f"img_{LABELLED[-1]:04d}.png").unlink()
    text = done(
        "train", files / "frames", tmp_path / "masks", "--output", tmp_path / "m", "--epochs", 1,
        "--device", "cpu",
    )  # fmt: skip
    assert "Label some of frames 5 to 9 (after the last labelled frame)" in text


def test_train_scores_every_labelled_frame_in_folds_and_then_trains(files, tmp_path):
    train = (
        "train", files / "frames", files / "masks", "--output", tmp_path / "m", "--epochs", 1,
        "--device", "cpu",
    )  # fmt: skip
    text = done(*train, "--folds", 3)
    assert "3 networks, on 3 frames that each has not seen:" in text
    assert text.index("3 networks") < text.index("trained on 2 frames")
    assert re.search(r"dislocation +\d\.\d{3} ± \d\.\d{3} +\d\.\d{3} ± \d\.\d{3} +-?[\d.]+% ± [\d.]+%", text)
    assert max(len(line) for line in text.splitlines() if "±" in line) <= 80
    table = pd.read_csv(tmp_path / "m" / "cross_validation.csv")
    assert sorted(set(zip(table["fold"], table["frame"], strict=True))) == [(1, 0), (2, 4), (3, 9)]
    done(*train)
    assert not (tmp_path / "m" / "cross_validation.csv").exists()  # it could be of other labels


def test_segment_writes_the_same_masks_into_folder_tiff_and_zarr(model, files, tmp_path):
    outputs = [tmp_path / name for name in ("folder", "F.tif", "F.zarr")]
    for output in outputs:
        assert f"10 masks in {output}" in done(
            "segment", model, files / "frames", "--output", output, "--device", "cpu"
        )
    in_folder = read_mask_folder(outputs[0], DEFAULT_CLASSES)
    assert list(in_folder) == [path.stem for path in sorted((files / "frames").iterdir())]
    stack = np.stack(list(in_folder.values()))
    assert stack.shape == (SETTINGS.frames, *FIELD)
    assert stack.any()  # otherwise nothing is compared
    np.testing.assert_array_equal(tifffile.imread(outputs[1]), stack)
    store = MaskStore.open(outputs[2], read_only=True)
    np.testing.assert_array_equal(np.stack([store.read(i) for i in store.frames]), stack)
    tables = []
    for output in outputs:
        table = tmp_path / f"{output.name}.csv"
        done("measure", output, "--output", table, "--fps", 20, "--initial-strain", 0.1, "--strain-rate", 2)
        tables.append(read_table(table))
    np.testing.assert_allclose(tables[0]["strain"], 0.1 + 2 * np.arange(SETTINGS.frames) / 20)
    np.testing.assert_array_equal(tables[0]["dislocation_px"], np.count_nonzero(stack == 1, axis=(1, 2)))
    for other in tables[1:]:
        pd.testing.assert_frame_equal(other, tables[0])


def test_segment_writes_probabilities_on_request(model, files, tmp_path):
    command = ("segment", model, files / "frames", "--device", "cpu", "--output")
    done(*command, tmp_path / "alone.tif")
    told = done(*command, tmp_path / "F.tif", "--probabilities", tmp_path / "p", "--other", model)
    assert f"probabilities in {tmp_path / 'p'}" in told
    names = {"probability_dislocation.tif", "probability_stacking_fault.tif", "entropy.tif"}
    assert {path.name for path in (tmp_path / "p").iterdir()} == names
    masks = tifffile.imread(tmp_path / "F.tif")
    # Single frames and batches are rounded otherwise, on which the closest pixels hang.
    assert np.mean(masks == tifffile.imread(tmp_path / "alone.tif")) > 0.995
    probability = tifffile.imread(tmp_path / "p" / "probability_dislocation.tif")
    assert probability.shape == masks.shape
    assert probability[masks == 1].min() > 1 / 3 > probability[masks == 0].mean()
    for masks in (tmp_path / "q", tmp_path / "q" / "entropy.tif"):
        assert "choose another folder" in refused(*command, masks, "--probabilities", tmp_path / "q")
    zarr = tmp_path / "q.zarr"
    assert "choose another folder" in refused(*command, zarr, "--probabilities", zarr)


def test_classes_are_named_once_and_travel_with_the_model(files, truth, tmp_path):
    names = "dislocation,stacking fault,twin"
    for number in LABELLED:
        mask = true_mask(truth, number)[: FIELD[0]]
        mask[60:70, :] = 3
        write_mask(tmp_path / "masks" / f"img_{number:04d}.png", mask)
    done(
        "train", files / "frames", tmp_path / "masks", "--output", tmp_path / "model", "--classes", names,
        "--epochs", 1, "--device", "cpu",
    )  # fmt: skip
    known = read_card(tmp_path / "model").classes
    assert [(c.value, c.name) for c in known] == [(1, "dislocation"), (2, "stacking fault"), (3, "twin")]
    assert known[:2] == DEFAULT_CLASSES
    for name in ("F.zarr", "folder"):
        text = done(
            "segment", tmp_path / "model", files / "frames", "--output", tmp_path / name, "--device", "cpu"
        )
        assert "values: 1 dislocation, 2 stacking fault, 3 twin\n" in text
    found = read_mask_folder(tmp_path / "folder", known)
    assert max(mask.max() for mask in found.values()) == 3
    done("measure", tmp_path / "F.zarr", "--output", tmp_path / "t.csv")
    assert read_table(tmp_path / "t.csv")["twin_px"].tolist() == [
        np.count_nonzero(mask == 3) for mask in found.values()
    ]
    text = done("score", tmp_path / "masks", tmp_path / "masks", "--classes", names)
    assert re.search(r"twin +1\.000 +1\.000 +1\.000", text)


def test_masks_of_a_video_are_named_by_frame_number(model, files, tmp_path):
    for _ in range(2):  # writing over one's own masks is no problem
        done("segment", model, files / "video.mkv", "--output", tmp_path / "folder", "--device", "cpu")
    names = sorted(path.name for path in (tmp_path / "folder").iterdir())
    assert names == [f"{number:04d}.png" for number in range(SETTINGS.frames)]


def test_masks_of_other_frames_are_not_left_among_those_of_a_video(model, files, tmp_path):
    command = ("segment", model, files / "frames", "--output", tmp_path / "out", "--device", "cpu")
    write_mask(tmp_path / "out" / "img_0003.png", np.zeros(FIELD, np.uint8))
    done(*command)
    for name in ("old_0003.png", "old_0099.png"):
        write_mask(tmp_path / "out" / name, np.zeros(FIELD, np.uint8))
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    assert "out: holds 2 images of other frames, first old_0003.png" in refused(*command)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()} == before


def test_what_takes_the_place_of_a_file_is_said(files, tmp_path):
    for command in (
        ("measure", files / "masks", "--fps", 4, "--output", tmp_path / "t.csv"),
        ("stabilize", files / "frames", "--method", "none", "--output", tmp_path / "v.tif"),
    ):
        assert "in place of" not in done(*command)
        assert f"in {command[-1]}, in place of the one before\n" in done(*command)


def test_no_time_is_made_up_where_it_is_not_known(files, tmp_path):
    told = done("measure", files / "masks", "--output", tmp_path / "t.csv")
    assert "time_s is empty, as the times of the frames are not known; give them with --fps\n" in told
    assert read_table(tmp_path / "t.csv")["time_s"].isna().all()
    assert "--fps" not in done("measure", files / "masks", "--output", tmp_path / "t.csv", "--fps", 4)
    np.testing.assert_allclose(read_table(tmp_path / "t.csv")["time_s"], np.array(LABELLED) / 4)


def test_a_zarr_that_exists_is_not_written_over(model, files, tmp_path):
    (tmp_path / "F.zarr").mkdir()
    assert "F.zarr: exists already" in refused(
        "segment", model, files / "video.mkv", "--output", tmp_path / "F.zarr"
    )


def test_measure_takes_strain_and_stress_from_the_log(files, tmp_path):
    log = "time,eps,load\n" + "".join(f"{t},{0.01 * t},{100 + t}\n" for t in range(6))
    write_text(tmp_path / "rig.csv", log)
    done(
        "measure", files / "masks", "--output", tmp_path / "table.csv", "--fps", 4,
        "--strain-log", tmp_path / "rig.csv", "--time-column", "time", "--strain-column", "eps",
        "--stress-column", "load", "--time-offset", 1,
    )  # fmt: skip
    table = read_table(tmp_path / "table.csv")
    assert table["frame"].tolist() == list(LABELLED)
    np.testing.assert_allclose(table["time_s"], np.array(LABELLED) / 4)
    np.testing.assert_allclose(table["strain"], 0.01 * (1 + np.array(LABELLED) / 4))
    np.testing.assert_allclose(table["stress_MPa"], 101 + np.array(LABELLED) / 4)


def test_measure_counts_the_pixels_of_masks_in_both_layouts(files, truth, tmp_path):
    for layout in ("masks", "paper"):
        done("measure", files / layout, "--output", tmp_path / f"{layout}.csv")
    table = read_table(tmp_path / "masks.csv").set_index("frame")
    for number in LABELLED:
        mask = true_mask(truth, number)[: FIELD[0]]
        assert table.loc[number, "dislocation_area_fraction"] == np.mean(mask == 1)
        assert table.loc[number, "stacking_fault_px"] == np.count_nonzero(mask == 2)
    pd.testing.assert_frame_equal(read_table(tmp_path / "paper.csv").set_index("frame"), table)


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """Predicted and true masks: a line one pixel off, and a block of which three fifths are found."""
    truth, predicted = np.zeros((12, 12), np.uint8), np.zeros((12, 12), np.uint8)
    truth[2, :10] = 1
    predicted[3, :10] = 1
    truth[7:9, :5] = 2
    predicted[7:9, :3] = 2
    return (
        numbered(tmp_path / "predicted", {"a_1": predicted, "a_2": truth, "a_3": truth}),
        numbered(tmp_path / "truth", {"a_1": truth, "a_2": truth}),
    )


@pytest.mark.parametrize(("tolerance", "tolerant_f"), [(0, 0.5), (1, 1.0), (2, 1.0)])
def test_score_pools_the_pixels_of_all_pairs(pair, tmp_path, tolerance, tolerant_f):
    text = done("score", *pair, "--tolerance", tolerance, "--json", tmp_path / "scores.json")
    found = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))
    assert found["tolerance_px"] == tolerance
    line, block = (found["classes"][key] for key in ("dislocation", "stacking_fault"))
    assert (line["precision"], line["recall"], line["f"]) == (0.5, 0.5, 0.5)
    assert line["tolerant_f"] == tolerant_f
    assert (line["area_error"], line["predicted_px"], line["truth_px"]) == (0, 20, 20)
    assert (block["precision"], block["recall"]) == (1, 0.8)
    assert block["f"] == pytest.approx(2 * 0.8 / 1.8)
    assert block["area_error"] == pytest.approx(-0.2)
    assert re.search(rf"dislocation +0\.500 +0\.500 +0\.500 +{tolerant_f:.3f} +\+0\.0%", text)
    assert re.search(r"stacking fault +1\.000 +0\.800 +0\.889 .*-20\.0%", text)


def test_score_writes_the_scores_of_each_mask(pair, tmp_path):
    text = done("score", *pair, "--table", tmp_path / "scores.csv", "--json", tmp_path / "scores.json")
    table = pd.read_csv(tmp_path / "scores.csv")
    assert list(table["frame"]) == ["a_1", "a_1", "a_2", "a_2"]
    assert list(table["f"]) == [0, pytest.approx(2 * 0.6 / 1.6), 1, 1]
    assert list(table["truth_length_px"][::2]) == [9, 9]
    # Of 144 px: 124 and 128 of background with 114 in common, a line missed, a block found in part.
    first = (2 * 114 / (124 + 128) + 0 + 2 * 0.6 / 1.6) / 3
    found = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))
    assert found["mean_dice"] == pytest.approx((first + 1) / 2)
    assert f"mean Dice with background: {found['mean_dice']:.3f}" in text


def test_score_says_nothing_of_a_class_that_is_nowhere(tmp_path):
    empty = numbered(tmp_path / "empty", {"a_1": np.zeros((8, 8), np.uint8)})
    assert re.search(r"dislocation +- +- +- +- +-", done("score", empty, empty))


def test_both_layouts_of_masks_are_the_same_to_score(files):
    text = done("score", files / "paper", files / "masks")
    assert len(re.findall(r"1\.000 +1\.000 +1\.000 +1\.000 +\+0\.0%", text)) == 2


# -- an experiment ------------------------------------------------------------------------------------------


def test_run_goes_all_the_way_and_says_where_the_results_lie(finished):
    folder, text = finished
    stages = ["Stabilize", "Train", "Segment", "Measure"]
    assert re.findall(r"^(\w+) \.\.\.$", text, re.M) == stages
    assert re.findall(r"^(\w+): done in", text, re.M) == stages
    assert f"results in {folder}" in text
    assert f"model in {folder / 'models' / 'glissile'}\n" in text
    assert "curves of dislocation and stacking fault have no bands of uncertainty" in text
    assert "measurements.csv" in text
    assert re.search(r"^All frames show the same \d\d % of the frame, \d+ x \d+ px$", text, re.M)
    table = read_table(folder / "measurements.csv")
    np.testing.assert_allclose(table["strain"], 0.01 + 0.001 * np.arange(SETTINGS.frames) / 20)


def test_run_again_trains_nothing(finished):
    weights = next(finished[0].glob("models/*/model.safetensors"))
    written = weights.stat().st_mtime_ns
    text = done("run", finished[0])
    assert re.findall(r"^(\w+): done in", text, re.M) == []
    assert "every stage is done already" in text
    assert weights.stat().st_mtime_ns == written


def test_new_takes_relative_paths_folders_and_names_with_dots(files, tmp_path, monkeypatch):
    monkeypatch.chdir(files)
    target = Path(os.path.relpath(tmp_path, files)) / "8.4μm"
    text = done("new", "frames", target, "--labels", "paper")
    assert "--label-first" not in text
    assert "labelled frames taken over: 3" in text
    monkeypatch.chdir(tmp_path)
    with Experiment.open(Path("8.4μm")) as made:
        assert made.folder == tmp_path / "8.4μm.glissile"
        assert made.source_path() == files / "frames"
        assert made.document.source.frames == SETTINGS.frames
        assert made.labels_or_none().frames == LABELLED


def test_new_with_labels_that_cannot_be_taken_over_leaves_nothing_behind(files, tmp_path):
    study = tmp_path / "e.glissile"
    (tmp_path / "empty").mkdir()
    refused("new", files / "video.mkv", study, "--labels", tmp_path / "empty")
    refused("new", files / "video.mkv", study, "--labels", files / "whole", "--label-step", 0)
    assert not study.exists()
    assert "taken over: 3" in done("new", files / "video.mkv", study, "--labels", files / "whole")


@pytest.mark.parametrize("name", ["e", "e.glissile"])
def test_new_removes_no_folder_that_was_there_before(files, tmp_path, name):
    kept = tmp_path / "e.glissile" / ".notes" / "mine.txt"
    kept.parent.mkdir(parents=True)
    kept.touch()
    refused("new", files / "video.mkv", tmp_path / name, "--labels", files / "whole", "--label-step", 0)
    assert kept.exists()
    assert [path.name for path in (tmp_path / "e.glissile").iterdir()] == [".notes"]
    done("new", files / "video.mkv", tmp_path / name, "--labels", files / "whole")


def test_new_gives_the_experiment_back_before_it_is_removed(files, tmp_path, monkeypatch):
    held = []
    monkeypatch.setattr("glissile.cli.shutil.rmtree", lambda f: held.append((f / ".lock.json").exists()))
    refused("new", files / "video.mkv", tmp_path / "e", "--labels", files / "whole", "--label-step", 0)
    assert held == [False]  # Windows removes no file that is open


def test_strain_without_time_is_not_passed_over(files, tmp_path):
    strain = ("--initial-strain", 0.01, "--strain-rate", 1e-4)
    assert "--fps" in done("new", files / "masks", tmp_path / "untimed", *strain)
    assert "--fps" not in done("new", files / "masks", tmp_path / "timed", *strain, "--fps", 4)


def test_new_knows_other_classes(files, tmp_path):
    done("new", files / "video.mkv", tmp_path / "e", "--classes", "twin,void,crack")
    with Experiment.open(tmp_path / "e.glissile", read_only=True) as made:
        assert [(c.name, c.value) for c in made.document.classes] == [("twin", 1), ("void", 2), ("crack", 3)]


def test_scores_and_motion_take_the_place_of_nothing_else(files, tmp_path):
    for output in (files / "masks" / "0000.png", tmp_path):
        refused("score", files / "masks", files / "masks", "--json", output)
        refused("stabilize", files / "video.mkv", "--output", tmp_path / "o.tif", "--motion", output)
    assert not (tmp_path / "o.tif").exists()


def test_new_keeps_every_option(files, tmp_path):
    write_text(tmp_path / "rig.csv", "t,e,s\n0,0,0\n9,1,1\n")
    done(
        "new", files / "video.mkv", tmp_path / "study", "--crop", "2,4,60,80", "--frames", "1,7",
        "--method", "tanaka2025", "--field-of-view", "segments", "--recipe", "tanaka2025", "--minutes", 3,
        "--seed", 5, "--device", "cpu",
        "--fps", 8, "--initial-strain", 0.02, "--nm-per-pixel", 1.5, "--strain-log", tmp_path / "rig.csv",
        "--time-column", "t", "--strain-column", "e", "--stress-column", "s", "--time-offset", -0.5,
    )  # fmt: skip
    with Experiment.open(tmp_path / "study.glissile") as made:
        kept = {stage: made.settings(stage, model) for stage, model in workflow.SETTINGS.items()}
        assert kept["trim"].model_dump() == {
            "top": 2, "left": 4, "height": 60, "width": 80, "first": 1, "last": 7
        }  # fmt: skip
        assert kept["stabilize"].method == kept["train"].name == "tanaka2025"
        assert kept["field_of_view"].kind == "segments"
        assert (kept["train"].minutes, kept["train"].seed, kept["train"].device) == (3, 5, "cpu")
        assert kept["segment"].device == "cpu"
        calibration = made.document.calibration
        assert calibration.seconds_per_frame == 1 / 8
        assert calibration.nm_per_pixel == 1.5
        assert calibration.strain_log.path == (tmp_path / "rig.csv").as_posix()
        assert calibration.strain_log.time_offset_s == -0.5
        assert calibration.strain_log.stress_column == "s"


def test_a_moved_video_is_found_again_by_the_command_that_the_refusal_names(finished, files, tmp_path):
    folder = shutil.copytree(finished[0], tmp_path / "with space.glissile")
    with Experiment.open(folder) as moved:
        gone = {"path": (tmp_path / "gone.mkv").as_posix(), "relative_path": None}
        moved.update(source=moved.document.source.model_copy(update=gone))
        kept = moved.document.model_dump(exclude={"source", "versions"})
    labels = {path: path.read_bytes() for path in (folder / "labels.zarr").rglob("*")}
    [command] = re.findall(r"glissile (relocate .*) VIDEO\n", refused("run", folder))
    relocate = shlex.split(command)
    assert "absent.mkv: there is no such file or folder" in refused(*relocate, tmp_path / "absent.mkv")
    with (files / "video.mkv").open("rb") as video, (tmp_path / "other.mkv").open("wb") as other:
        other.write(video.read()[:-1] + b"\0")
    assert "other.mkv: is not the video that with space.glissile was made from" in refused(
        *relocate, tmp_path / "other.mkv"
    )
    assert "no longer at" in refused("run", folder)
    shutil.copy(files / "video.mkv", tmp_path / "renamed 8.4μm.mkv")
    assert f"the video is {tmp_path / 'renamed 8.4μm.mkv'}" in done(*relocate, tmp_path / "renamed 8.4μm.mkv")
    with Experiment.open(folder) as found:
        assert found.source_changed() is None
        assert found.document.model_dump(exclude={"source", "versions"}) == kept
        assert found.document.source.relative_path == "../renamed 8.4μm.mkv"
    assert {path: path.read_bytes() for path in (folder / "labels.zarr").rglob("*")} == labels


def test_labels_whose_numbers_count_otherwise_find_their_frames(files, truth, tmp_path):
    labels = numbered(tmp_path / "labels", {f"{n:03d}": truth.mask(0) for n in (1, 31, 52, 400)})
    text = done(
        "new", files / "video.mkv", tmp_path / "e", "--labels", labels, "--label-first", 1, "--label-step", 10
    )
    assert "labelled frames taken over: 3" in text
    assert "labels between two frames, given to the nearer one: 1" in text
    assert "labels without a frame, left out: 1 (400)" in text
    assert "say how with --label-first and --label-step" in text
    with Experiment.open(tmp_path / "e.glissile") as made:
        assert made.labels_or_none().frames == (0, 3, 5)


def test_labels_come_into_an_experiment_that_is_there(files, truth, tmp_path):
    folder = tmp_path / "e.glissile"
    done("new", files / "video.mkv", folder)
    first = numbered(tmp_path / "first", {f"{n}": truth.mask(0) for n in (2, 4)})
    assert "labelled frames taken over: 2" in done("labels", "import", folder, first)
    again = numbered(tmp_path / "again", {f"{n}": truth.mask(5) for n in (21, 51, 61)})
    text = done("labels", "import", tmp_path / "e", again, "--label-first", 1, "--label-step", 10)
    assert "labelled frames taken over: 2" in text
    assert "frames that were labelled already and keep their labels: 1" in text
    with Experiment.open(folder) as made:
        assert made.labels_or_none().frames == (2, 4, 5, 6)
        np.testing.assert_array_equal(made.labels_or_none().read(2), truth.mask(0))
        assert "held by" in refused("labels", "import", folder, first)


def test_numbers_of_labels_that_do_not_fit_are_doubted_aloud(files, truth, tmp_path):
    labels = numbered(tmp_path / "labels", {f"{n:04d}": truth.mask(0) for n in (0, 25, 50, 76)})
    text = done(
        "new", files / "video.mkv", tmp_path / "e", "--labels", labels, "--label-first", 1, "--label-step", 10
    )
    assert (
        "labels numbered before the first frame: 1 of 4, between two frames: 4 of 4; --label-first and "
        "--label-step are probably wrong" in text
    )
    assert "say how with" not in text


def test_labels_outside_the_frames_that_are_kept_are_counted(files, tmp_path):
    new = ("new", files / "video.mkv", tmp_path / "e", "--labels", files / "whole", "--frames", "4,8")
    text = done(*new)
    assert (
        "labelled frames taken over: 3\nof these outside the frames that are kept, and so of no use: 2\n"
        in text
    )


def test_run_says_before_it_stabilizes_that_there_are_no_labels(files, tmp_path):
    done("new", files / "video.mkv", tmp_path / "e")
    ended = glissile("run", tmp_path / "e")
    assert ended.code == 2
    assert re.match("no frame is labelled yet, .*\nStabilize ...\n", ended.out)
    assert "Stabilize: done" in ended.out
    assert "no frame is labelled yet; paint or import a few labels first" in ended.err
    assert "no frame is labelled yet" not in glissile("run", tmp_path / "e").out


def test_the_demo_prints_a_table_and_where_the_results_lie(finished, monkeypatch):
    rows = [("drift error, RMS", 0.08734, "px"), ("dislocation: F-score", float("nan"), "")]
    rows += [("dislocation: error of the mean area fraction", -12.345, "%")]
    report = pd.DataFrame(rows, columns=["quantity", "value", "unit"])
    monkeypatch.setattr("glissile.demo.report", lambda _: report)
    text = done("demo", finished[0])
    assert re.search(r"^  drift error, RMS +0\.0873 px$", text, re.M)
    assert re.search(r"^  dislocation: F-score +-$", text, re.M)
    assert re.search(r"fraction +-12\.3 %$", text, re.M)
    assert text.endswith(f"results in {finished[0]}\n")
    assert "Train" not in text


# -- progress -----------------------------------------------------------------------------------------------


def test_progress_is_plain_lines_where_there_is_no_terminal(files, tmp_path):
    ended = glissile("measure", files / "masks", "--output", tmp_path / "table.csv")
    assert ended.err.splitlines()[-1] == "Measure: Measuring, frame 9"
    assert "\r" not in ended.err
    assert "\x1b" not in ended.err


def test_progress_is_a_bar_on_a_terminal(files, tmp_path):
    pty = pytest.importorskip("pty", reason="pseudo-terminals are of POSIX")
    try:
        ours, theirs = pty.openpty()
    except OSError as error:  # as in a container without /dev/pts
        pytest.skip(f"this machine gives out no terminal ({error})")
    command = [sys.executable, "-m", "glissile", "measure", str(files / "masks")]
    ended = subprocess.run(
        [*command, "--output", str(tmp_path / "table.csv"), "--fps", "20"],
        stdout=subprocess.PIPE, stderr=theirs, check=True, text=True,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "80", "PYTHONIOENCODING": "utf-8"},
    )  # fmt: skip
    os.close(theirs)
    shown = os.read(ours, 100_000).decode("utf-8", errors="replace")
    os.close(ours)
    assert "━" in shown
    assert "3/3" in shown
    assert ended.stdout == f"3 frames in {tmp_path / 'table.csv'}\n"


def test_stabilize_takes_regions_and_says_how_far_the_specimen_went(tmp_path):
    rng = np.random.default_rng(0)
    image = cv2.GaussianBlur(rng.normal(size=(160, 160)).astype(np.float32), (0, 0), 2.0)
    image = 120 + 30 * image / image.std()
    places = [(k // 2, k // 3) for k in range(16)]
    frames = np.stack([image[40 - y : 120 - y, 40 - x : 120 - x] for y, x in places]).clip(0, 255)
    write_video(tmp_path / "clip.mkv", iter(frames.round().astype(np.uint8)), frames_per_second=10)
    drawn = np.zeros((80, 80), np.uint8)
    drawn[10:70, 10:70] = 2
    write_mask(tmp_path / "regions.png", drawn)
    said = done(
        "stabilize", tmp_path / "clip.mkv", "--output", tmp_path / "out.tif",
        "--motion", tmp_path / "motion.csv", "--regions", tmp_path / "regions.png",
    )  # fmt: skip
    found = Motion.read(tmp_path / "motion.csv").displacements_px
    assert np.abs(found - found.mean(0) - np.array(places) + np.mean(places, axis=0)).max() < 0.1
    assert re.search(r"Drift up to 8\.\d px, standard error 0\.0\d px", said)
    write_mask(tmp_path / "small.png", drawn[:5])
    assert "is 80 x 5 px, but the video is 80 x 80 px" in refused(
        "stabilize", tmp_path / "clip.mkv", "--output", tmp_path / "out.tif",
        "--regions", tmp_path / "small.png",
    )  # fmt: skip


# -- several models -----------------------------------------------------------------------------------------


@pytest.fixture
def several(finished, tmp_path) -> Path:
    """The finished experiment with a label corrected, and a second model that was trained on it."""
    folder = Path(shutil.copytree(finished[0], tmp_path / "study.glissile"))
    with Experiment.open(folder) as opened:
        store = opened.labels_or_none()
        mask = store.read(LABELLED[0])
        mask[60:64, 20:80] = 1
        store.write(LABELLED[0], mask)
    text = done("run", folder, "--retrain")
    assert re.findall(r"^(\w+): done in", text, re.M) == ["Train", "Segment", "Measure"]
    assert "begun from the model glissile" in text
    return folder


def test_models_are_kept_compared_and_chosen(several):
    text = done("models", several)
    assert re.search(r"^  glissile: trained 20\d\d-.*, labels have changed since", text, re.M)
    assert re.search(r"^\* glissile-2: trained .*, begun from glissile$", text, re.M)
    assert re.search(r"^\* glissile: ", done("models", several, "--use", "glissile"), re.M)
    assert 'there is no model "best"; there are glissile' in refused("models", several, "--use", "best")
    done("run", several)  # chosen again, as it fits the labels
    assert not (several / "models" / "glissile-3").exists()


def test_train_goes_on_from_a_model_but_not_in_its_place(files, model, tmp_path):
    train = ("train", files / "frames", files / "masks", "--device", "cpu", "--epochs", 4, "--start", model)
    assert "begun from the model model" in done(*train, "--output", tmp_path / "second")
    card = read_card(tmp_path / "second")
    assert card.parent.weights_sha256 == read_card(model).weights_sha256
    assert card.frames.validation == read_card(model).frames.validation
    assert "model: " in refused(*train, "--output", model)
    assert "no trained model here" in refused(*train[:-1], tmp_path, "--output", tmp_path / "third")
