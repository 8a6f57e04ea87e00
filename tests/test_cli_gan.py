"""`glissile gan`: what is asked for is in the files, and what cannot be is refused in a sentence."""

import csv
import json
import os
import re
import subprocess
import sys

import av
import numpy as np
import pytest
import tifffile
from PIL import Image

from commands import glissile
from glissile.gan.equal_speed import timed
from glissile.gan.look import Look
from glissile.gan.maker import Maker, rebuilt
from glissile.gan.points import Point
from glissile.gan.provenance import of_mixing, of_points, of_walk
from glissile.gan.randomised import random_generator
from glissile.gan.records import read_provenance
from glissile.gan.sampler import Sampler
from glissile.gan.sliders import load_sliders, save_sliders, sliders_path
from glissile.gan.walk import Walk, WalkSettings
from glissile.io.generator_card import GeneratorShape, TrainingData
from glissile.io.generator_file import read_generator_card, write_generator
from glissile.progress import finish

COMMANDS = ["info", "convert", "sample", "slerp", "mix", "directions", "measure", "nearest", "project"]


def done(*arguments):
    result = glissile("gan", *arguments)
    assert result.code == 0, result.err
    return result.out


def refused(*arguments):
    result = glissile("gan", *arguments)
    assert result.code == 2, result.out
    assert re.fullmatch(r"glissile: .+\n", result.err), result.err
    return result.err


def network(folder, name, **shape):
    kwargs = {"z_dim": 8, "w_dim": 8, "mapping_width": 8, "mapping_layers": 2, "channels": 1, **shape}
    generator, card = random_generator(GeneratorShape(resolution=32, widths=(8, 8, 8, 4), **kwargs), seed=3)
    known = {"kimg": 1200.0, "fid": 12.34, "licence": "CC-BY-4.0", "nm_per_pixel": 40.0}
    data = TrainingData(description="3000 SEM images of dual-phase steel", images=3000)
    if shape.get("c_dim"):
        known["class_names"] = ("annealed", "quenched")
    card = card.model_copy(update={**known, "training_data": data})
    write_generator(folder / name, generator.state_dict(), card)
    return folder / name


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    return network(tmp_path_factory.mktemp("net"), "steel.safetensors")


@pytest.fixture(scope="module")
def classes(tmp_path_factory):
    return network(tmp_path_factory.mktemp("classes"), "two.safetensors", c_dim=2, embedding=8)


@pytest.fixture(scope="module")
def sampler(net):
    return Sampler.open(net, device="cpu")


def pixels(path):
    with Image.open(path) as found:
        return np.asarray(found)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_80_columns_and_explains_every_option(command):
    result = glissile("gan", command, "--help")
    assert result.code == 0, result.err
    assert max(len(line.rstrip()) for line in result.out.splitlines()) <= 80
    assert not re.search(r"--[a-z-]+ +\S+ +│", result.out)
    assert "…" not in result.out


def test_info_tells_the_card(net):
    out = done("info", net)
    for line in (
        "images: 32 x 32 px, grey",
        "trained: no, its weights are random and show no microstructure",
        "seen in training: 1200 thousand images",
        "FID: 12.3",
        "training data: 3000 SEM images of dual-phase steel, 3000 images",
        "scale: 40 nm per pixel",
        "licence: CC-BY-4.0",
        "format: glissile (safetensors)",
    ):
        assert f"{line}\n" in out
    generator, _ = random_generator(read_generator_card(net).shape, seed=3)
    million = sum(parameter.numel() for parameter in generator.parameters()) / 1e6
    said = f"network: StyleGAN2 (skip), {million:.3g} million parameters, 8 layers, z of 8, w of 8\n"
    assert said in out
    assert f"weights: {read_generator_card(net).weights_sha256}\n" in out
    assert "classes" not in out


def test_info_names_classes(classes):
    assert "classes: 2 (0 annealed, 1 quenched)\n" in done("info", classes)


def test_info_of_a_file_of_ours_does_not_load_torch(net):
    code = (
        "import sys; from glissile import cli; sys.argv = ['glissile', 'gan', 'info', sys.argv[1]]\n"
        "try:\n    cli.main()\nfinally:\n    print('torch' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code, str(net)], capture_output=True, text=True, check=True)
    assert ran.stdout.endswith("False\n"), ran.stdout


def test_convert_keeps_the_weights_and_adds_to_the_card(net, tmp_path):
    target = tmp_path / "b.safetensors"
    out = done("convert", net, target, "--name", "Steel", "--kimg", "5", "--training-data", "two images")
    assert "name: Steel\n" in out
    before, after = read_generator_card(net), read_generator_card(target)
    assert after.weights_sha256 == before.weights_sha256
    assert (after.name, after.kimg, after.fid, after.licence) == ("Steel", 5, 12.34, "CC-BY-4.0")
    assert after.training_data.description == "two images"
    assert after.training_data.images == 3000
    assert "is there already" in refused("convert", net, target)
    assert "is the input itself" in refused("convert", net, net)
    assert "--fid -1" in refused("convert", net, tmp_path / "c.safetensors", "--fid", "-1")
    assert "a .safetensors file" in refused("convert", net, tmp_path / "c.pkl")
    (tmp_path / "d.json").write_text("{}")
    assert "d.json: is there already" in refused("convert", net, tmp_path / "d.safetensors")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.json", "b.safetensors", "d.json"]


def test_sample_writes_each_seed(net, sampler, tmp_path):
    target = tmp_path / "out"
    assert done("sample", net, "--seeds", "3,7-9", "--output", target) == (
        f"4 synthetic images in {target} (folder)\n"
    )
    expected = of_points(sampler.card, [Point(seed=seed) for seed in (3, 7, 8, 9)])
    for file, image in zip(sorted(target.iterdir()), expected, strict=True):
        assert read_provenance(file) == [image]
        assert np.array_equal(pixels(file), Maker(sampler).pixels(image))


def test_sample_takes_what_an_image_looks_like_from_its_options(net, sampler, tmp_path):
    target = tmp_path / "a.png"
    options = ("--psi", 0.7, "--cutoff", 4, "--noise", "random", "--noise-seed", 9, "--device", "cpu")
    out = done("sample", net, "--seeds", 5, *options, "--output", target)
    assert out == f"1 synthetic image in {target} (image)\n"
    look = Look(noise="random", noise_seed=9)
    (image,) = of_points(sampler.card, [Point(seed=5, psi=0.7, cutoff=4)], look)
    assert read_provenance(target) == [image]
    assert np.array_equal(pixels(target), Maker(sampler).pixels(image))


def test_sample_puts_seeds_on_a_grid(net, tmp_path):
    target = tmp_path / "grid.png"
    out = done("sample", net, "--seeds", "0-5", "--grid", "2x3", "--output", target)
    assert out == f"6 synthetic images in {target} (contact sheet)\n"
    assert [p.point.seed for p in read_provenance(target)] == [0, 1, 2, 3, 4, 5]
    height, width = pixels(target).shape
    assert width > 3 * 32
    assert 2 * 32 < height < 6 * 32
    again = done("sample", net, "--seeds", "0-5", "--grid", "2x3", "--output", target)
    assert again.endswith(", in place of the one before\n")


@pytest.mark.parametrize(("given", "label"), [("1", 1), ("quenched", 1), ("annealed", 0)])
def test_a_class_is_named_or_numbered(classes, tmp_path, given, label):
    done("sample", classes, "--seeds", 0, "--class", given, "--output", tmp_path / "a.png")
    assert read_provenance(tmp_path / "a.png")[0].point.label == label


def test_latents_are_written(net, sampler, tmp_path):
    done("sample", net, "--seeds", "0-2", "--output", tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz", allow_pickle=False) as found:
        assert found["ws"].shape == (3, 8, 8)
    done("sample", net, "--seeds", "0-2", "--output", tmp_path / "a.json")
    assert len(json.loads((tmp_path / "a.json").read_text())["ws"]) == 3


@pytest.mark.parametrize(
    ("options", "frames", "settings"),
    [
        ((), 13, {"steps_per_leg": 6}),
        (("--closed",), 15, {"steps_per_leg": 5, "closed": True}),
        (("--space", "w", "--path", "spline"), 13, {"steps_per_leg": 6, "space": "w", "path": "spline"}),
        (("--easing", "smooth"), 13, {"steps_per_leg": 6, "easing": "smooth"}),
    ],
)
def test_slerp_goes_through_its_seeds(net, sampler, tmp_path, options, frames, settings):
    target = tmp_path / "walk.mkv"
    out = done("slerp", net, "--seeds", "0,1,5", "--frames", 13, "--fps", 30, *options, "--output", target)
    assert out == f"{frames} synthetic images in {target} (video)\n"
    walk = Walk(keys=tuple(Point(seed=s) for s in (0, 1, 5)), settings=WalkSettings(**settings))
    expected = of_walk(sampler.card, walk)
    assert read_provenance(target) == expected
    maker = Maker(sampler)
    with av.open(str(target)) as container:
        assert float(container.streams.video[0].average_rate) == 30
        found = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
    assert np.array_equal(found, [maker.pixels(image) for image in expected])


def test_slerp_at_equal_speed_keeps_where_the_frames_are(net, tmp_path):
    target = tmp_path / "walk.tif"
    done("slerp", net, "--seeds", "0,1", "--frames", 9, "--equal-speed", "--output", target)
    walk = read_provenance(target)[0].walk
    assert walk.positions is not None
    assert walk.frame_count == 9
    assert not np.allclose(walk.positions, np.linspace(0, 1, 9))
    assert tifffile.imread(target).shape == (9, 32, 32)


def test_the_walk_of_the_paper_has_1440_frames():
    from glissile.cli_gan.walk import _steps_per_leg
    from glissile.gan.walk import PAPER_WALK

    assert _steps_per_leg(2, 1440, closed=False) == PAPER_WALK.steps_per_leg


def test_mix_lays_out_a_table(net, sampler, tmp_path):
    options = ("--rows", "0,1", "--columns", "4-6", "--layers", "0-2,5")
    out = done("mix", net, *options, "--output", tmp_path / "mix.png")
    assert out == f"11 synthetic images in {tmp_path / 'mix.png'} (contact sheet)\n"
    done("mix", net, *options, "--output", tmp_path / "mix.tif")
    rows, columns = [Point(seed=0), Point(seed=1)], [Point(seed=4), Point(seed=5), Point(seed=6)]
    expected = of_mixing(sampler.card, rows, columns, (0, 1, 2, 5))
    assert read_provenance(tmp_path / "mix.tif") == expected
    assert [p for p in read_provenance(tmp_path / "mix.png") if p.mixing] == expected
    assert np.array_equal(tifffile.imread(tmp_path / "mix.tif"), [Maker(sampler).pixels(p) for p in expected])


@pytest.mark.parametrize(("method", "name"), [("sefa", "SeFa"), ("pca", "PCA")])
def test_directions_are_listed_and_shown(net, tmp_path, method, name):
    options = ("--method", method, "--count", 3, "--layers", "2-4")
    lines = done("directions", net, *options).splitlines()
    assert [line.partition(":")[0] for line in lines] == [f"{name} 1", f"{name} 2", f"{name} 3"]
    done("directions", net, *options, "--images", 5, "--reach", 2, "--output", tmp_path / "a.tif")
    found = read_provenance(tmp_path / "a.tif")
    assert [p.title for p in found[:5]] == [f"{name} 1: {x}" for x in ("-2", "-1", "+0", "+1", "+2")]
    stack = tifffile.imread(tmp_path / "a.tif")
    assert len(stack) == 15
    assert np.array_equal(stack[2], stack[7])
    assert not np.array_equal(stack[0], stack[4])
    out = done("directions", net, *options, "--output", tmp_path / "a.png")
    assert out.endswith(f"21 synthetic images in {tmp_path / 'a.png'} (contact sheet)\n")


def test_measure_keeps_sliders_beside_the_network(tmp_path):
    net = network(tmp_path, "steel.safetensors")
    assert "nothing is measured yet" in refused(
        "sample", net, "--seeds", 0, "--measures", "--output", tmp_path / "a.png"
    )
    out = done("measure", net, "--samples", 60, "--threshold", 128)
    assert re.search(r"^measured: \d+ of 60 images, bright phase above 128\n", out)
    assert re.search(r"\n  Phase fraction +-?\d\.\d\d +\S+ to \S+  (reliable|rough|no use)\n", out)
    assert re.search(r"\n  Island size \(µm\) +-?\d\.\d\d", out)
    assert out.endswith(f"sliders in {tmp_path / 'steel.sliders.json'}\n")
    done("sample", net, "--seeds", "0", "--measures", "--output", tmp_path / "a.png")
    measures = read_provenance(tmp_path / "a.png")[0].measures
    assert 0 < measures["phase_fraction"] < 1
    assert measures["island_size, µm"] > 0


@pytest.mark.parametrize("space", ["w", "w+"])
def test_project_writes_what_it_found(net, sampler, tmp_path, space):
    micrograph, folder = tmp_path / "crop.png", tmp_path / "found"
    truth = Maker(sampler).pixels(of_points(sampler.card, [Point(seed=21)])[0])
    Image.fromarray(truth).save(micrograph)
    out = done(
        "project", net, micrograph, "--steps", 30, "--space", space, "--output", folder, "--device", "cpu"
    )
    assert re.search(r"^distance \S+, of the mean image \S+; grey values differ by \d+\.\d of 255", out)
    assert {file.name for file in folder.iterdir()} == {
        "comparison.png",
        "image.png",
        "latents.npz",
        "projection.json",
    }
    (image,) = read_provenance(folder / "image.png")
    assert image.title == "found: crop.png"
    assert len(image.point.w) == (1 if space == "w" else 8)
    found = pixels(folder / "image.png")
    assert np.array_equal(rebuilt(sampler, image), found)
    told = json.loads((folder / "projection.json").read_text())
    assert told["settings"]["steps"] == 30
    assert told["distances"]["distance"] < told["distances"]["of_mean"]
    with np.load(folder / "latents.npz", allow_pickle=False) as latents:
        assert np.array_equal(latents["ws"][0], Maker(sampler).ws(image))
    sheet = pixels(folder / "comparison.png")
    places = [windows_found(sheet, wanted) for wanted in (truth, found)]
    assert [len(place) for place in places] == [1, 1]
    assert places[0][0][1] < places[1][0][1]
    assert "not an empty folder" in refused("project", net, micrograph, "--output", folder)


def windows_found(sheet, wanted):
    """List where `wanted` is in `sheet`, by top and left edge."""
    windows = np.lib.stride_tricks.sliding_window_view(sheet, wanted.shape)
    return np.argwhere((windows == wanted).all(axis=(2, 3)))


def test_a_projection_of_what_is_no_image_leaves_nothing(net, tmp_path):
    (tmp_path / "a.png").write_bytes(b"no image")
    assert "no image that can be read" in refused(
        "project", net, tmp_path / "a.png", "--output", tmp_path / "x"
    )
    (tmp_path / "a.bmp").write_bytes(b"BM")
    assert "no PNG, TIFF or JPEG" in refused("project", net, tmp_path / "a.bmp", "--output", tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_impossible_options_are_refused(net, classes, tmp_path):
    png, mp4 = tmp_path / "a.png", tmp_path / "a.mp4"
    for arguments, sentence in (
        (("sample", net, "--seeds", "3-1", "--output", png), "write the smaller number first"),
        (("sample", net, "--seeds", "x", "--output", png), "is no list of seeds"),
        (
            ("sample", net, "--seeds", "0-8", "--grid", "2x3", "--output", png),
            "has 6 places, and there are 9",
        ),
        (("sample", net, "--seeds", "0", "--grid", "2", "--output", png), "give rows and columns"),
        (
            ("sample", net, "--seeds", "0-9", "--grid", "8x8", "--output", png),
            "10 seeds fill 2 rows of 8; give --grid 2x8, or 64 seeds",
        ),
        (("sample", net, "--seeds", "0", "--grid", "4x1", "--output", png), "1 seed fills 1 row of 1"),
        (("sample", net, "--seeds", "0", "--grid", "2x2", "--output", mp4), "a sheet is written as .png"),
        (("sample", net, "--seeds", "0", "--output", tmp_path / "a.gif"), "not written as .gif"),
        (("sample", net, "--seeds", "0", "--class", "1", "--output", png), "this generator has no classes"),
        (
            ("sample", classes, "--seeds", "0", "--class", "2", "--output", png),
            "or one of annealed, quenched",
        ),
        (("sample", net, "--seeds", "0", "--psi", "20", "--output", png), "--psi"),
        (("sample", net, "--seeds", "0", "--output", net), "not written as .safetensors"),
        (("sample", tmp_path / "absent.pkl", "--seeds", "0", "--output", png), "absent.pkl"),
        (("slerp", net, "--seeds", "0", "--output", mp4), "through 2 to 256 seeds, and these are 1"),
        (("slerp", net, "--seeds", "0-9", "--frames", "5", "--output", mp4), "fewer than a walk through 10"),
        (("slerp", net, "--seeds", "0,1", "--frames", "20000", "--output", mp4), "more than 10000"),
        (("slerp", net, "--seeds", "0,1", "--output", png), "a walk is written as video"),
        (("slerp", net, "--seeds", "0,1", "--fps", "0", "--output", mp4), "--fps"),
        (("mix", net, "--rows", "0", "--columns", "1", "--layers", "0-8", "--output", png), "from 0 to 7"),
        (("directions", net, "--layers", "9"), "from 0 to 7"),
        (("measure", net, "--noise", "random"), "--noise random"),
    ):
        assert sentence in refused(*arguments), arguments
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a"])
def test_a_huge_table_of_styles_is_refused_before_anything_is_read(tmp_path, name):
    options = ("--rows", "0-999", "--columns", "0-999", "--layers", "0", "--output", tmp_path / name)
    assert "1000000 images are too many" in refused("mix", tmp_path / "absent.pkl", *options)


def test_a_table_of_styles_too_large_for_a_sheet_is_refused_before_it_is_laid_out(net, tmp_path, monkeypatch):
    monkeypatch.setattr("glissile.workflow.generation.of_mixing", None)
    monkeypatch.setattr("glissile.io.contact_sheet._MOST_PIXELS", 10_000)
    options = ("--rows", "0-2", "--columns", "3-5", "--layers", "0", "--output", tmp_path / "a.png")
    assert "a contact sheet of" in refused("mix", net, *options)


@pytest.mark.parametrize(("seeds", "rows"), [("0-5", 2), ("0-3", 2), ("0-2", 1)])
def test_a_grid_may_end_within_its_last_row(net, tmp_path, seeds, rows):
    done("sample", net, "--seeds", seeds, "--grid", f"{rows}x3", "--output", tmp_path / "a.png")


@pytest.mark.filterwarnings("always")
def test_a_video_without_x264_says_so(net, tmp_path, monkeypatch):
    monkeypatch.setattr(av, "codecs_available", av.codecs_available - {"libx264"})
    options = ("--seeds", "0,1", "--frames", 3, "--output", tmp_path / "a.mp4")
    result = glissile("gan", "slerp", net, *options)
    assert result.code == 0, result.err
    assert result.err.count("FFmpeg has no x264 here, so this is MPEG-4") == 1
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.streams.video[0].codec_context.name == "mpeg4"


def test_foreign_files_stay(net, tmp_path):
    for name in ("mine.png", "mine.tif", "mine.mp4", "mine.npz", "mine.json"):
        (tmp_path / name).write_bytes(b"of somebody else")
        command = "slerp" if name.endswith("mp4") else "sample"
        said = refused(command, net, "--seeds", "0,1", "--output", tmp_path / name)
        assert "was not generated here" in said
        assert (tmp_path / name).read_bytes() == b"of somebody else"


def test_measure_replaces_nothing_but_sliders_of_its_own(tmp_path):
    net = network(tmp_path, "steel.safetensors")
    notes = tmp_path / "steel.sliders.json"
    notes.write_text("my own notes", encoding="utf-8")
    refused("measure", net, "--samples", 60)
    assert notes.read_text(encoding="utf-8") == "my own notes"
    notes.unlink()
    done("measure", net, "--samples", 60, "--threshold", 128)
    assert "in place of the one before" in done("measure", net, "--samples", 60, "--threshold", 128)
    options = ("--seeds", "0-2", "--measures", "--output")
    assert "measured only where" in refused("sample", net, *options, tmp_path / "a.npz")
    assert not (tmp_path / "a.npz").exists()
    done("sample", net, *options, tmp_path / "a.mp4")
    header, *rows = (tmp_path / "a.mp4.csv").read_text(encoding="utf-8").splitlines()
    assert header.startswith("frame,time_s,synthetic_image,seed,phase_fraction")
    assert [row.split(",")[2:4] for row in rows] == [[f"seed {seed}", f"{seed}"] for seed in range(3)]
    out = done("sample", net, "--seeds", "5", "--output", tmp_path / "a.mp4")
    assert out.endswith(f"{tmp_path / 'a.mp4.csv'}, the table of the images before, was removed\n")
    assert not (tmp_path / "a.mp4.csv").exists()  # its numbers were of other images
    (tmp_path / "a.mp4.csv").write_text("of somebody else\n")
    done("sample", net, "--seeds", "5", "--output", tmp_path / "a.mp4")
    assert (tmp_path / "a.mp4.csv").read_text() == "of somebody else\n"


def test_measure_looks_at_the_noise_that_is_asked_for_and_keeps_it(tmp_path):
    net = network(tmp_path, "steel.safetensors")
    options = ("measure", net, "--samples", 60, "--threshold", 128, "--noise")
    found = {}
    for noise, said in (("const", ""), ("none", " without noise")):
        out = done(*options, noise)
        assert re.match(rf"measured: \d+ of 60 images{said}, bright phase above 128\n", out)
        found[noise] = load_sliders(sliders_path(net), read_generator_card(net))
        assert found[noise].noise == noise
    assert found["const"].sliders != found["none"].sliders
    sample = ("sample", net, "--seeds", "0", "--measures", "--output", tmp_path / "a.png", "--noise")
    other = (
        "these images have --noise {}; steel.sliders.json and its threshold are of images with --noise none"
    )
    assert done(*sample, "none").startswith("1 synthetic image in ")
    for noise in ("const", "random"):
        line, *_, last = done(*sample, noise).splitlines()
        assert line == other.format(noise)
        assert last == f"measures in {tmp_path / 'a.png.csv'}, and in the metadata of each image"
    # A file of before does not say, and nothing is said of it.
    old = found["none"].model_copy(update={"noise": None})
    save_sliders(sliders_path(net), old)
    assert done(*sample, "const").startswith("1 synthetic image in ")


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A generator with its sliders."""
    net = network(tmp_path_factory.mktemp("measured"), "steel.safetensors")
    done("measure", net, "--samples", 60, "--threshold", 128)
    return net


def table_in(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def truth_in(net, images):
    """What the sliders of a generator measure in images, by name with unit."""
    sliders = load_sliders(sliders_path(net), read_generator_card(net))
    told = []
    for image in images:
        found = sliders.measured_in(image).values()
        units = {one.name: sliders.unit(one.name) for one in sliders.sliders}
        told.append({f"{k}, {u}" if (u := units[k]) else k: found[k] for k in units if k in found})
    return told


def is_told(row, wanted):
    first = ("frame", "time_s", "synthetic_image", "seed")
    numbers = {name: float(cell) for name, cell in row.items() if cell and name not in first}
    assert numbers == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize("name", ["walk.mkv", "walk.tif", "walk"])
def test_every_frame_of_a_walk_is_measured(measured, tmp_path, name):
    target = tmp_path / name
    options = ("--seeds", "0,1", "--frames", 5, "--fps", 4, "--measures", "--output", target)
    out = done("slerp", measured, *options)
    maker = Maker(Sampler.open(measured, device="cpu"))
    told = [one for file in files_of(target) for one in read_provenance(file)]
    wanted = truth_in(measured, map(maker.pixels, told))
    assert len({one["phase_fraction"] for one in wanted}) == 5
    table = target / "walk.csv" if name == "walk" else tmp_path / f"{name}.csv"
    rows = table_in(table)
    also = "" if name == "walk.mkv" else ", and in the metadata of each image"
    assert out.endswith(f"measures in {table}{also}\n")
    for row, one in zip(rows, wanted, strict=True):
        is_told(row, one)
    assert [row["synthetic_image"] for row in rows] == [f"frame {i}" for i in range(5)]
    assert "seed" not in rows[0]
    times = None if name == "walk" else ["0", "0.25", "0.5", "0.75", "1"]
    assert (None if name == "walk" else [row["time_s"] for row in rows]) == times
    assert ("time_s" in rows[0]) == (name != "walk")
    kept = [one.measures for one in told]
    if name == "walk.mkv":
        assert not any(kept)
    else:
        assert kept == [pytest.approx(one, rel=1e-6) for one in wanted]


def files_of(target):
    return sorted(target.glob("*.png")) if target.is_dir() else [target]


@pytest.mark.parametrize("options", [("sample", "--seeds", "0"), ("slerp", "--seeds", "0,1", "--frames", 3)])
def test_measures_wait_for_those_of_the_generator(net, measured, tmp_path, options, monkeypatch):
    command, *rest = options
    target = tmp_path / "a.tif"
    said = refused(command, net, *rest, "--measures", "--output", target)
    assert said == f"glissile: {net}: nothing is measured yet; run glissile gan measure on it first\n"
    monkeypatch.setattr("glissile.gan.sampler.Sampler.open", lambda *_, **__: pytest.fail("opened"))
    assert "measured only where" in refused(
        command, measured, *rest, "--measures", "--output", tmp_path / "a.npz"
    )
    (tmp_path / "a.tif.csv").write_text("of somebody else\n")
    assert "no table of such images" in refused(command, measured, *rest, "--measures", "--output", target)
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif.csv"]


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such files")
@pytest.mark.parametrize("command", ["sample", "measure"])
def test_sliders_that_are_a_pipe_or_a_folder_are_refused(tmp_path, command):
    net = network(tmp_path, "steel.safetensors")
    sample = ("--seeds", "0", "--measures", "--output", tmp_path / "a.png")
    options = sample if command == "sample" else ("--samples", 60)
    place = sliders_path(net)
    place.mkdir()
    assert "steel.sliders.json: is no file; choose a file of sliders" in refused(command, net, *options)
    place.rmdir()
    os.mkfifo(place)
    assert "steel.sliders.json: is no file; choose a file of sliders" in refused(command, net, *options)


def test_equal_speed_is_that_of_the_images_that_are_written(net, sampler, tmp_path):
    path = tmp_path / "a.json"
    look = ("--noise", "random", "--noise-seed", "7")
    done("slerp", net, "--seeds", "0,1", "--frames", 9, "--equal-speed", *look, "--output", path)
    walk = Walk(keys=(Point(seed=0), Point(seed=1)), settings=WalkSettings(steps_per_leg=8, equal_speed=True))
    (told,) = {record.walk.positions for record in read_provenance(path)}
    assert told == finish(timed(walk, sampler, noise="random", noise_seed=7)).positions
    assert told != finish(timed(walk, sampler)).positions


def test_too_many_frames_are_refused_before_anything_is_measured(net, tmp_path, monkeypatch):
    monkeypatch.setattr("glissile.io.generated_images.MOST_IMAGES", 97)
    monkeypatch.setattr(
        "glissile.gan.equal_speed.measured_distances", lambda *_, **__: pytest.fail("measured")
    )
    seeds = ("--seeds", "0-9", "--frames", 95, "--equal-speed")
    assert "too many" in refused("slerp", net, *seeds, "--output", tmp_path / "a.tif")


def test_the_bundled_sample_becomes_a_file(tmp_path):
    path = tmp_path / "sample.safetensors"
    out = done("convert", "sample", path)
    assert "its weights are random" in out
    assert read_generator_card(path).shape.resolution == 256


def test_the_data_bar_is_left_out_of_a_projection(net, sampler, tmp_path):
    truth = Maker(sampler).pixels(of_points(sampler.card, [Point(seed=4)])[0])
    Image.fromarray(np.concatenate([truth, np.zeros((9, 32), np.uint8)])).save(tmp_path / "sem.png")
    for name, options in (("found", ("--data-bar", 9)), ("with", ("--data-bar", 6)), ("whole", ())):
        folder = tmp_path / name
        done("project", net, tmp_path / "sem.png", *options, "--steps", 10, "--output", folder)
        assert len(windows_found(pixels(folder / "comparison.png"), truth)) == (name == "found")
    other = ("project", net, tmp_path / "sem.png", "--output", tmp_path / "other", "--data-bar")
    for rows, sentence in ((99, "lower it"), (41, "lower it"), (-1, "--data-bar")):
        assert sentence in refused(*other, rows)
    assert not (tmp_path / "other").exists()


def test_directions_are_those_of_the_class(classes):
    first, second = (done("directions", classes, "--method", "pca", "--class", label) for label in (0, 1))
    assert first != second
