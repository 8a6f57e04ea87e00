"""`glissile gan nearest`: images that a generator was trained on are told from new ones."""

import csv
import os
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from commands import glissile
from glissile.errors import InputError
from glissile.gan.index_cache import index_cache
from glissile.gan.maker import Maker
from glissile.gan.points import Point
from glissile.gan.provenance import of_points
from glissile.gan.randomised import random_generator
from glissile.gan.records import read_provenance
from glissile.gan.sampler import Sampler
from glissile.io.generator_card import GeneratorShape
from glissile.io.generator_file import write_generator
from glissile.progress import finish
from glissile.workflow.memorisation import compare_with_training

SEEDS = range(6)
COPIED = {1: "a_copy.png", 3: "b_mirrored.png"}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Keep nothing among the files of the user."""
    kept = tmp_path / "cache" / "index.safetensors"
    monkeypatch.setattr("glissile.gan.index_cache.index_cache", lambda folder: kept)
    return kept


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    shape = GeneratorShape(
        resolution=64, channels=1, widths=(8, 8, 8, 4, 4), z_dim=8, w_dim=8, mapping_layers=2, mapping_width=8
    )
    generator, card = random_generator(shape, seed=8)
    path = tmp_path_factory.mktemp("net") / "steel.safetensors"
    write_generator(path, generator.state_dict(), card)
    return path


@pytest.fixture(scope="module")
def sampler(net):
    return Sampler.open(net, device="cpu")


def made(sampler, seed):
    return Maker(sampler).pixels(of_points(sampler.card, [Point(seed=seed)])[0])


@pytest.fixture
def training(sampler, tmp_path):
    """Images of the same kind, that of seed 1, and that of seed 3, mirrored."""
    folder = tmp_path / "training"
    folder.mkdir()
    for seed in range(100, 140):
        Image.fromarray(made(sampler, seed)).save(folder / f"steel{seed}.png")
    Image.fromarray(made(sampler, 1)).save(folder / COPIED[1])
    Image.fromarray(made(sampler, 3)[:, ::-1]).save(folder / COPIED[3])
    return folder


def images(sampler, seeds=SEEDS):
    return of_points(sampler.card, [Point(seed=seed) for seed in seeds])


def test_what_is_among_the_training_images_is_called_a_copy(sampler, training):
    found = finish(compare_with_training(sampler, images(sampler), training))
    assert {seed: found.found[seed].path.name for seed in COPIED} == COPIED
    assert [one.verdict == "copy" for one in found.found] == [seed in COPIED for seed in SEEDS]
    assert found.counts["copy"] == 2
    assert found.sentence.startswith("copies of training images: 2 of 6")
    assert found.training_images == 42
    assert 0 < found.usual < found.close <= found.copy < 1


@pytest.mark.parametrize(
    ("verdicts", "begins"),
    [(["new", "new"], "all 2 images are new"), (["close", "new"], "no image is a copy; 1 of 2 are nearer")],
)
def test_what_it_means_is_said(sampler, training, verdicts, begins):
    found = finish(compare_with_training(sampler, images(sampler, [0, 1]), training))
    told = tuple(replace(one, verdict=verdict) for one, verdict in zip(found.found, verdicts, strict=True))
    changed = replace(found, found=told)
    assert changed.sentence.startswith(begins)


def test_each_image_stands_beside_its_nearest(net, sampler, training, tmp_path, cache):
    sheet, table = tmp_path / "sheet.png", tmp_path / "nearest.csv"
    options = ("--images", training, "--seeds", "0-5", "--output", sheet, "--table", table, "--device", "cpu")
    result = glissile("gan", "nearest", net, *options)
    assert result.code == 0, result.err
    lines = result.out.splitlines()
    assert lines[1].split()[-2:] == ["copy", COPIED[1]]
    assert lines[1].split()[-3] == "1.00"
    assert lines[6].startswith("among 42 training images a similarity of 0.")
    assert lines[7].startswith("copies of training images: 2 of 6")
    assert lines[8:] == [f"sheet in {sheet}", f"table in {table}"]
    assert cache.exists()

    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["verdict"] == "copy" for row in rows] == [seed in COPIED for seed in SEEDS]
    assert rows[1]["nearest"].endswith(COPIED[1])
    assert float(rows[1]["similarity"]) == pytest.approx(1, abs=2e-3)
    assert [one.point.seed for one in read_provenance(sheet)] == list(SEEDS)

    with Image.open(sheet) as shown:
        drawn = np.asarray(shown)
    windows = np.lib.stride_tricks.sliding_window_view(drawn, (64, 64))
    left = np.argwhere((windows == made(sampler, 3)).all(axis=(2, 3)))
    right = np.argwhere((windows == made(sampler, 3)[:, ::-1]).all(axis=(2, 3)))
    assert len(left) == 1
    (beside,) = [place for place in right if place[0] == left[0][0]]  # it may be nearest to others, too
    assert 64 <= beside[1] - left[0][1] < 200

    again = glissile("gan", "nearest", net, *options)
    assert again.out.splitlines()[8].endswith(", in place of the one before")


def test_it_can_be_refused(net, training, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "mine.csv").write_text("of somebody else\n")
    (tmp_path / "mine.png").write_bytes(b"of somebody else")
    for options, sentence in (
        (("--images", tmp_path / "empty"), "holds no PNG, TIFF or JPEG"),
        (("--images", tmp_path / "absent"), "cannot be read"),
        (("--images", training, "--output", tmp_path / "a.tif"), "a sheet is written as a .png"),
        (("--images", training, "--output", tmp_path / "mine.png"), "was not generated here"),
        (("--images", training, "--table", tmp_path / "mine.csv"), "is another table"),
        (("--images", training, "--table", tmp_path / "a.txt"), "written as a .csv"),
        (("--images", training, "--output", training / "a.png"), "lies among the training images"),
        (("--images", training, "--table", training / "a.csv"), "lies among the training images"),
        (("--images", training, "--table", net), "is the input itself"),
        (("--images", training, "--table", tmp_path / "folder.csv"), "is a folder"),
        (("--images", training, "--table", tmp_path / "a.glissile" / "a.csv"), "is of the experiment"),
        (("--images", training, "--class", "0"), "this generator has no classes"),
        (("--images", training, "--psi", "11"), "--psi"),
    ):
        result = glissile("gan", "nearest", net, "--seeds", "0", *options)
        assert result.code == 2, result.out
        assert sentence in result.err
        assert result.err.count("\n") == 1
    assert (tmp_path / "mine.csv").read_text() == "of somebody else\n"
    assert len(list(training.iterdir())) == 42


def test_too_many_for_a_sheet_are_refused_before_the_training_images_are_read(sampler, training, tmp_path):
    steps = compare_with_training(sampler, images(sampler, range(30_000)), training, sheet=tmp_path / "a.png")
    with pytest.raises(InputError, match="too large"):
        next(steps)


def test_progress_counts_training_images_and_images(sampler, training):
    steps = list(compare_with_training(sampler, images(sampler), training))
    assert steps[0].message == "Reading training image 1 of 42"
    assert [step.message for step in steps[-2:]] == ["Comparing image 5 of 6", "Comparing image 6 of 6"]
    assert steps[-1].preview.shape == (64, 64)


def test_each_folder_has_a_cache_of_its_own(tmp_path):
    one, other = index_cache(tmp_path / "a"), index_cache(tmp_path / "b")
    assert one != other
    assert one.parent.name == "glissile"


@pytest.mark.parametrize(
    ("command", "options", "step", "left"),
    [
        (
            "sample",
            ("--seeds", "0"),
            "glissile.workflow.generation.write_images",
            "no unfinished file is left",
        ),
        (
            "slerp",
            ("--seeds", "0,1"),
            "glissile.workflow.generation.write_images",
            "no unfinished file is left",
        ),
        ("measure", (), "glissile.gan.sliders.fit_sliders", "no image was kept"),
    ],
)
def test_ctrl_c_tells_what_is_left(net, tmp_path, monkeypatch, command, options, step, left):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(step, stopped)
    output = () if command == "measure" else ("--output", tmp_path / "a.tif")
    ended = glissile("gan", command, net, *options, *output)
    assert ended.code == 130
    assert ended.err.startswith(f"glissile: stopped; {left}")
    assert "what was done is kept" not in ended.err
    assert not (tmp_path / "a.tif").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are text here")
def test_the_table_tells_the_levels_and_names_that_are_no_text(sampler, training, tmp_path):
    (training / COPIED[1]).rename(training / os.fsdecode(b"k\xf6rnung.png"))
    table = tmp_path / "nearest.csv"
    found = finish(compare_with_training(sampler, images(sampler, [1]), training, table=table))
    (row,) = csv.DictReader(table.read_text(encoding="utf-8").splitlines())
    levels = [float(row[name]) for name in ("usual", "close_from", "copy_from")]
    assert levels == pytest.approx([found.usual, found.close, found.copy], abs=1e-4)
    assert row["nearest"].endswith("k?rnung.png")
    assert found.names == ("k?rnung.png",)


def test_images_in_folders_below_are_told_apart(sampler, training):
    below = training / "below"
    below.mkdir()
    for path in training.glob("*.png"):
        path.rename(below / path.name)
    found = finish(compare_with_training(sampler, images(sampler, [1]), training))
    assert found.names == (f"below/{COPIED[1]}",)


def test_the_options_of_images_are_those_of_the_command(net, sampler, training, tmp_path):
    sheet = tmp_path / "sheet.png"
    options = ("--psi", "0.5", "--cutoff", "4", "--noise", "random", "--noise-seed", "7", "--device", "cpu")
    result = glissile(
        "gan", "nearest", net, "--images", training, "--seeds", "2", "--output", sheet, *options
    )
    assert result.code == 0, result.err
    (told,) = read_provenance(sheet)
    assert (told.point.psi, told.point.cutoff) == (0.5, 4)
    assert (told.look.noise, told.look.noise_seed) == ("random", 7)


LOOKS = (
    ("--psi", "0.4"),
    ("--cutoff", "2", "--psi", "0"),
    ("--noise", "none"),
    ("--noise", "random", "--noise-seed", "7"),
)


@pytest.mark.parametrize("look", LOOKS)
def test_images_are_made_with_the_options_and_compared_so(net, tmp_path, look):
    """The very image is a copy; without the options it is another one."""
    folder = tmp_path / "training"
    options = ("--seeds", "2", "--device", "cpu")
    assert glissile("gan", "sample", net, *options, *look, "--output", tmp_path / "a.png").code == 0
    assert glissile("gan", "sample", net, "--seeds", "50-69", "--output", folder).code == 0
    (tmp_path / "a.png").rename(folder / "very.png")
    table, sheet = tmp_path / "a.csv", tmp_path / "sheet.png"
    outputs = ("--table", table, "--output", sheet)
    result = glissile("gan", "nearest", net, "--images", folder, *options, *look, *outputs)
    assert result.code == 0, result.err
    (row,) = csv.DictReader(table.read_text(encoding="utf-8").splitlines())
    assert (row["image"], row["nearest"].endswith("very.png")) == ("seed 2", True)
    assert (row["similarity"], row["verdict"]) == ("1.0000", "copy")
    with Image.open(folder / "very.png") as very, Image.open(sheet) as shown:
        windows = np.lib.stride_tricks.sliding_window_view(np.asarray(shown), (64, 64))
        assert (windows == np.asarray(very)).all(axis=(2, 3)).sum() == 2  # the image, and its nearest


def test_images_are_of_the_class_that_is_asked_for(tmp_path):
    shape = GeneratorShape(
        resolution=64,
        channels=1,
        widths=(8, 8, 8, 4, 4),
        z_dim=8,
        w_dim=8,
        c_dim=2,
        embedding=8,
        mapping_layers=2,
        mapping_width=8,
    )
    generator, card = random_generator(shape, seed=8)
    net, folder = tmp_path / "two.safetensors", tmp_path / "training"
    write_generator(net, generator.state_dict(), card.model_copy(update={"class_names": ("soft", "hard")}))
    assert glissile("gan", "sample", net, "--seeds", "0-11", "--class", "hard", "--output", folder).code == 0
    similarity = {}
    for label in ("soft", "hard", "1"):
        table = tmp_path / f"{label}.csv"
        options = ("--images", folder, "--seeds", "0-3", "--class", label, "--table", table)
        result = glissile("gan", "nearest", net, *options)
        assert result.code == 0, result.err
        rows = list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))
        similarity[label] = [float(row["similarity"]) for row in rows]
    assert similarity["hard"] == similarity["1"] == pytest.approx([1] * 4, abs=2e-3)
    assert max(similarity["soft"]) < 0.998
    assert "or one of soft, hard" in glissile("gan", "nearest", net, *options[:4], "--class", "2").err


def test_an_index_that_is_damaged_is_made_anew(net, training, tmp_path, monkeypatch):
    monkeypatch.setattr("glissile.gan.index_cache.index_cache", index_cache)
    monkeypatch.setattr("glissile.gan.index_cache.user_cache_path", lambda *_, **__: tmp_path / "kept")
    options = ("gan", "nearest", net, "--images", training, "--seeds", "1")
    first = glissile(*options)
    (kept,) = (tmp_path / "kept").iterdir()
    good = kept.read_bytes()
    kept.write_bytes(b"damaged" * 100)
    again = glissile(*options)
    assert (first.code, again.code, again.out) == (0, 0, first.out), again.err
    assert kept.read_bytes() == good


def test_memory_that_does_not_suffice_is_told(net, training, monkeypatch):
    def images(*_, **__):
        raise MemoryError

    monkeypatch.setattr("glissile.gan.sampler.Sampler.images", images)
    result = glissile("gan", "nearest", net, "--images", training, "--seeds", "2", "--device", "cpu")
    assert result.code == 2
    assert "The memory does not suffice" in result.err
