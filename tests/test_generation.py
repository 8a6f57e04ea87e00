"""Images of a generator, made and written in every form: the files hold what the generator makes."""

import csv
import re
from pathlib import Path

import av
import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from glissile.errors import InputError
from glissile.gan.directions import Direction
from glissile.gan.look import Look
from glissile.gan.maker import Maker, rebuilt
from glissile.gan.points import Point, ws_of
from glissile.gan.provenance import of_mixing, of_points, of_walk
from glissile.gan.randomised import random_generator
from glissile.gan.read_back import read_keys
from glissile.gan.records import read_provenance
from glissile.gan.route import Route
from glissile.gan.sampler import Sampler
from glissile.gan.sliders import fit_sliders
from glissile.gan.walk import Walk, WalkSettings
from glissile.io import contact_sheet, generated_images
from glissile.io.generator_card import GeneratorShape
from glissile.io.video_files import read_video
from glissile.progress import finish
from glissile.workflow.generation import (
    Form,
    Generated,
    form_of,
    refuse_target,
    strips,
    table_of_mixing,
    write_images,
)
from glissile.workflow.measuring import Measuring, measure_of

# The second has a meaning in some images only.
MEASURING = Measuring(
    ("mean, grey", "bright"),
    lambda pixels: {"mean, grey": pixels.mean(), **({"bright": 1.0} if pixels.mean() > 127 else {})},
)


def shape_of(channels):
    return GeneratorShape(
        resolution=32,
        channels=channels,
        widths=(8, 8, 8, 4),
        z_dim=8,
        w_dim=8,
        mapping_width=8,
        mapping_layers=2,
    )


def sampler_of(channels):
    generator, card = random_generator(shape_of(channels), 1)
    known = {"weights_sha256": "1" * 64, "nm_per_pixel": 12.5}
    return Sampler(generator, card.model_copy(update=known), device="cpu")


@pytest.fixture(scope="module")
def grey():
    return sampler_of(1)


@pytest.fixture(scope="module")
def colour():
    return sampler_of(3)


def seeds(sampler, *numbers):
    return of_points(sampler.card, [Point(seed=number) for number in numbers])


def walk_of(sampler):
    settings = WalkSettings(steps_per_leg=5)
    return of_walk(sampler.card, Walk(keys=(Point(seed=0), Point(seed=1), Point(seed=2)), settings=settings))


def made(sampler, images):
    maker = Maker(sampler)
    return [maker.pixels(image) for image in images]


@pytest.mark.parametrize("name", ["grey", "colour"])
def test_a_folder_holds_each_image_and_how_it_was_made(tmp_path, request, name):
    sampler = request.getfixturevalue(name)
    images = walk_of(sampler)
    steps = []
    done = finish(write_images(sampler, images, tmp_path / "out", title="walk"), steps.append)
    assert done == Generated(tmp_path / "out", Form.folder, 11)
    files = sorted((tmp_path / "out").iterdir())
    assert [file.name for file in files] == [f"out_{i:04}.png" for i in range(11)]
    for file, image, pixels, step in zip(files, images, made(sampler, images), steps, strict=True):
        with Image.open(file) as found:
            assert np.array_equal(np.asarray(found), pixels)
        assert read_provenance(file) == [image]
        assert np.array_equal(rebuilt(sampler, read_provenance(file)[0]), pixels)
        assert np.array_equal(step.preview, pixels)
    assert [(step.index, step.total, step.frame) for step in steps] == [(i + 1, 11, i) for i in range(11)]


@pytest.mark.parametrize("name", ["grey", "colour"])
def test_a_stack_holds_each_image_and_how_it_was_made(tmp_path, request, name):
    sampler = request.getfixturevalue(name)
    images = seeds(sampler, 3, 1, 2)
    finish(write_images(sampler, images, tmp_path / "a.tif", title="seeds"))
    assert np.array_equal(tifffile.imread(tmp_path / "a.tif"), made(sampler, images))
    assert read_video(tmp_path / "a.tif").nm_per_pixel == pytest.approx(12.5)
    assert read_provenance(tmp_path / "a.tif") == images


def test_a_single_image_is_the_image(tmp_path, grey):
    images = seeds(grey, 5)
    done = finish(write_images(grey, images, tmp_path / "a.png", title="one"))
    assert done.form is Form.image
    with Image.open(tmp_path / "a.png") as found:
        assert np.array_equal(np.asarray(found), made(grey, images)[0])


@pytest.mark.parametrize("name", ["grey", "colour"])
def test_a_lossless_video_is_the_walk_and_mp4_is_close_to_it(tmp_path, request, name):
    sampler = request.getfixturevalue(name)
    images = walk_of(sampler)
    expected = made(sampler, images)
    form = "gray" if name == "grey" else "rgb24"
    for path in (tmp_path / "a.mkv", tmp_path / "a.mp4"):
        if path.suffix == ".mkv" and name == "colour":
            continue
        finish(write_images(sampler, images, path, title="walk", frames_per_second=30))
        with av.open(str(path)) as container:
            found = [frame.to_ndarray(format=form) for frame in container.decode(video=0)]
            assert float(container.streams.video[0].average_rate) == 30
        assert len(found) == len(expected) == 11
        if path.suffix == ".mkv":
            assert np.array_equal(found, expected)
        for index, frame in enumerate(found):
            errors = [np.abs(frame.astype(float) - other).mean() for other in expected]
            assert int(np.argmin(errors)) == index
        assert read_provenance(path) == images


def test_a_walk_rebuilt_from_its_video_is_the_walk(tmp_path, grey):
    images = walk_of(grey)
    finish(write_images(grey, images, tmp_path / "a.mp4", title="walk"))
    for provenance, pixels in zip(read_provenance(tmp_path / "a.mp4"), made(grey, images), strict=True):
        assert np.array_equal(rebuilt(grey, provenance), pixels)


def test_a_sheet_shows_every_seed(tmp_path, grey):
    images = seeds(grey, 0, 1, 2, 3, 4)
    finish(write_images(grey, images, tmp_path / "a.png", title="sheet", columns=3))
    with Image.open(tmp_path / "a.png") as opened:
        found = np.asarray(opened)
    captions = [f"seed {i}" for i in range(5)]
    heading = "Synthetic images of Random weights, seed 1. They show no real specimen."
    sheet = contact_sheet.laid_out((32, 32), captions, columns=3, heading=heading)
    assert found.shape == sheet.shape
    for index, pixels in enumerate(made(grey, images)):
        top, left = sheet.place(index)
        assert np.array_equal(found[top : top + 32, left : left + 32], pixels)
    assert read_provenance(tmp_path / "a.png") == images


@pytest.mark.parametrize("suffix", [".npz", ".json"])
def test_latents_make_the_images_again(tmp_path, grey, suffix):
    path, images = tmp_path / f"a{suffix}", seeds(grey, 3, 4)
    finish(write_images(grey, images, path, title="latents"))
    assert read_provenance(path) == images
    if suffix == ".npz":
        with np.load(path, allow_pickle=False) as found:
            ws, z = found["ws"], found["z"]
        assert np.array_equal(ws, ws_of(grey, [Point(seed=3), Point(seed=4)]))
        expected = [np.random.RandomState(seed).randn(1, 8)[0].astype(np.float32) for seed in (3, 4)]
        assert np.array_equal(z, expected)


def test_latents_of_a_walk_have_no_z(tmp_path, grey):
    images = walk_of(grey)
    finish(write_images(grey, images, tmp_path / "a.npz", title="latents"))
    with np.load(tmp_path / "a.npz", allow_pickle=False) as found:
        assert set(found.files) == {"records.json", "ws"}
        assert np.array_equal(found["ws"], Route.of(images[0].walk, grey).ws(range(11)))


@pytest.mark.parametrize("name", ["a", "a.tif", "a.png", "one.png"])
def test_measures_go_with_the_images(tmp_path, grey, name):
    images = seeds(grey, 0) if name == "one.png" else seeds(grey, 0, 1)
    finish(write_images(grey, images, tmp_path / name, title="x", measure=MEASURING))
    files = sorted((tmp_path / name).glob("*.png")) if name == "a" else [tmp_path / name]
    found = [p.measures["mean, grey"] for file in files for p in read_provenance(file)]
    assert found == pytest.approx([pixels.mean() for pixels in made(grey, images)], rel=1e-6)


def rows_in(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


@pytest.mark.parametrize(
    ("name", "walked", "timed"),
    [
        ("a", False, False),
        ("a", True, False),
        ("a.tif", False, False),
        ("a.tif", True, True),
        ("a.png", False, False),
        ("one.png", False, False),
        ("a.mp4", False, True),
        ("a.mkv", True, True),
    ],
)
def test_what_is_measured_stands_in_a_table(tmp_path, grey, name, walked, timed):
    point = Point.of_w(np.ones(8), "found")
    images = [*seeds(grey, 7, 3), *of_points(grey.card, [point])]
    images = walk_of(grey) if walked else images[:1] if name == "one.png" else images
    done = finish(
        write_images(grey, images, tmp_path / name, title="x", frames_per_second=4, measure=MEASURING)
    )
    table = tmp_path / "a" / "a.csv" if name == "a" else tmp_path / f"{name}.csv"
    assert done.table == table
    header, *rows = rows_in(table)
    first = ["frame", *(["time_s"] if timed else []), "synthetic_image", *([] if walked else ["seed"])]
    assert header == [*first, "mean, grey", "bright"]
    columns = dict(zip(header, zip(*rows, strict=True), strict=True))
    assert columns["frame"] == tuple(str(i) for i in range(len(images)))
    assert columns["synthetic_image"] == tuple(image.title for image in images)
    if timed:
        assert [float(cell) for cell in columns["time_s"]] == [i / 4 for i in range(len(images))]
    if not walked:
        assert columns["seed"] == ("7", "3", "")[: len(images)]
    wanted = [MEASURING.found(pixels) for pixels in made(grey, images)]
    assert [float(cell) for cell in columns["mean, grey"]] == pytest.approx(
        [one["mean, grey"] for one in wanted], rel=1e-6
    )
    assert [bool(cell) for cell in columns["bright"]] == ["bright" in one for one in wanted]


def test_a_mixed_image_is_of_no_seed(tmp_path, grey):
    images = table_of_mixing(grey.card, [Point(seed=0)], [Point(seed=4)], (0, 1))
    finish(write_images(grey, images, tmp_path / "a.png", title="x", columns=2, measure=MEASURING))
    assert [row[2] for row in rows_in(tmp_path / "a.png.csv")] == ["seed", "4", "0", ""]


def test_a_measure_that_no_image_has_keeps_its_column(tmp_path, grey):
    nothing = Measuring(("a", "b", "c"), lambda pixels: {"b": 1.0})
    finish(write_images(grey, seeds(grey, 0), tmp_path / "a.png", title="x", measure=nothing))
    assert rows_in(tmp_path / "a.png.csv")[1] == ["0", "seed 0", "0", "", "1", ""]


@pytest.mark.parametrize("name", ["a.tif", "a.PNG", "a.mp4"])
def test_a_table_lies_beside_its_images_only(tmp_path, grey, name):
    """Images that are written anew without measures take it along; that of other images stays."""
    path, table = tmp_path / name, tmp_path / f"{name}.csv"
    finish(write_images(grey, seeds(grey, 0, 1), path, title="x", measure=MEASURING))
    one = table.read_bytes()
    for measure in (None, MEASURING):
        for other in ("a.png", "a.TIF", "a.mkv"):
            done = finish(write_images(grey, seeds(grey, 2, 3), tmp_path / other, title="x", measure=measure))
            assert done.dropped is None
    assert table.read_bytes() == one
    finish(write_images(grey, seeds(grey, 2, 3), path, title="x", measure=MEASURING))
    assert table.read_bytes() != one
    done = finish(write_images(grey, seeds(grey, 0, 1), path, title="x"))
    assert done.dropped == table
    assert not table.exists()
    table.write_text("frame,mine\n")
    finish(write_images(grey, seeds(grey, 0, 1), path, title="x"))
    with pytest.raises(InputError, match="no table of such images"):
        finish(write_images(grey, seeds(grey, 2, 3), path, title="x", measure=MEASURING))
    assert table.read_text() == "frame,mine\n"
    assert [told.point.seed for told in read_provenance(path)] == [0, 1]
    table.unlink()
    table.mkdir()
    with pytest.raises(InputError, match="no table of such images"):
        finish(write_images(grey, seeds(grey, 2, 3), path, title="x", measure=MEASURING))


def test_a_table_that_was_kept_outlives_its_images(tmp_path, grey):
    path, table = tmp_path / "a.tif", tmp_path / "a.tif.csv"
    finish(write_images(grey, seeds(grey, 0, 1), path, title="x", measure=MEASURING))
    path.unlink()
    kept = table.read_bytes()
    finish(write_images(grey, seeds(grey, 2, 3), path, title="x"))
    assert table.read_bytes() == kept


def test_a_sheet_within_a_folder_of_images_leaves_their_table(tmp_path, grey):
    finish(write_images(grey, seeds(grey, 0, 1), tmp_path / "a", title="x", measure=MEASURING))
    kept = (tmp_path / "a" / "a.csv").read_bytes()
    for measure in (MEASURING, None):
        finish(write_images(grey, seeds(grey, 2, 3), tmp_path / "a" / "a.png", title="x", measure=measure))
        assert (tmp_path / "a" / "a.csv").read_bytes() == kept


def test_a_table_that_is_held_open_is_told_before_anything_is_made(tmp_path, grey, monkeypatch):
    path, table = tmp_path / "a.tif", tmp_path / "a.tif.csv"
    finish(write_images(grey, seeds(grey, 0, 1), path, title="x", measure=MEASURING))
    before, real = path.read_bytes(), Path.open

    def held(self, mode="r", *arguments, **options):
        if self == table and "+" in mode:
            raise PermissionError(13, "Permission denied")
        return real(self, mode, *arguments, **options)

    monkeypatch.setattr(Path, "open", held)
    with pytest.raises(InputError, match=r"a\.tif\.csv: cannot be replaced \(Permission denied\); close it"):
        finish(write_images(grey, seeds(grey, 2, 3), path, title="x", measure=MEASURING))
    assert path.read_bytes() == before


@pytest.mark.parametrize("title", ["=1+1", "@a", "-2", 'a\nb,"c"'])
def test_a_title_of_others_is_one_line_and_no_formula(tmp_path, grey, title):
    images = of_points(grey.card, [Point.of_w(np.ones(8), title)])
    finish(write_images(grey, images, tmp_path / "a.png", title="x", measure=MEASURING))
    _, row = rows_in(tmp_path / "a.png.csv")
    assert row[1] == {'a\nb,"c"': 'a b,"c"'}.get(title, f"'{title}")
    assert len((tmp_path / "a.png.csv").read_text().splitlines()) == 2


@pytest.mark.parametrize("name", ["a.tif", "a.png"])
def test_as_many_measured_images_are_written_as_are_read_again(tmp_path, grey, monkeypatch, name):
    """What fits is told before an image is made, also where each number is as long as can be."""
    monkeypatch.setattr(generated_images, "_MOST_BYTES", generated_images._MORE_BYTES + 2500)

    def found(pixels):
        long = -1e-300 - pixels.mean() * 1e-303
        return {"size, µm": long, "x": long}

    long = Measuring(("size, µm", "x"), found)
    images = seeds(grey, *range(10, 40))
    steps = write_images(grey, images, tmp_path / name, title="x", measure=long)
    with pytest.raises(InputError, match=r"30 images were made is too long .* holds that of \d+;") as refusal:
        next(steps)
    assert list(tmp_path.iterdir()) == []
    fitting = int(re.search(r"that of (\d+);", str(refusal.value))[1])
    assert 5 < fitting < 30
    finish(write_images(grey, images[:fitting], tmp_path / name, title="x", measure=long))
    told = read_provenance(tmp_path / name)
    means = [pixels.mean() for pixels in made(grey, images[:fitting])]
    assert len(set(means)) == fitting
    for one, mean in zip(told, means, strict=True):
        assert one.measures["size, µm"] == pytest.approx(-1e-300 - mean * 1e-303, rel=1e-6, abs=0)
    with pytest.raises(InputError, match="too long"):
        next(write_images(grey, images[: fitting + 1], tmp_path / name, title="x", measure=long))
    # Those of a folder are in files of their own.
    finish(write_images(grey, images, tmp_path / "folder", title="x", measure=long))
    assert len(list((tmp_path / "folder").glob("*.png"))) == 30


@pytest.mark.parametrize(
    ("points", "names"),
    [
        ([Point(seed=3), Point(seed=12)], ["seed0003", "seed0012"]),
        ([Point(seed=12), Point(seed=3)], ["0000", "0001"]),  # in the order that they were asked for
        ([Point(seed=12, name="mine", psi=0.5), Point(seed=123456)], ["seed000012", "seed123456"]),
        ([Point(seed=12), Point(seed=12, psi=0.5)], ["0000", "0001"]),
        ([Point(seed=12), Point(z=(0.5,) * 8)], ["0000", "0001"]),
    ],
)
def test_files_of_a_folder_are_named_by_seeds_that_rise(tmp_path, grey, points, names):
    images = of_points(grey.card, points)
    finish(write_images(grey, images, tmp_path / "out", title="x"))
    files = [tmp_path / "out" / f"out_{name}.png" for name in names]
    assert files == sorted((tmp_path / "out").iterdir())
    for file, point, pixels in zip(files, points, made(grey, images), strict=True):
        assert read_keys(file, grey).keys == (point,)
        with Image.open(file) as found:
            assert np.array_equal(np.asarray(found), pixels)


def test_mixed_images_are_named_by_their_place(tmp_path, grey):
    images = of_mixing(grey.card, [Point(seed=5)], [Point(seed=6), Point(seed=7)], (0,))
    finish(write_images(grey, images, tmp_path / "out", title="x"))
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["out_0000.png", "out_0001.png"]


def test_images_are_measured_as_the_samples_of_the_sliders_were(grey):
    sliders = finish(fit_sliders(grey, samples=60, threshold=120))
    measuring = measure_of(sliders)
    assert measuring.names[:2] == ("phase_fraction", "island_size, µm")
    (pixels,) = made(grey, seeds(grey, 5))
    found = measuring(pixels)
    assert found["phase_fraction"] == pytest.approx(sliders.measured_in(pixels).phase_fraction, rel=1e-6)
    assert found["island_size, µm"] == pytest.approx(sliders.measured_in(pixels).island_size, rel=1e-6)
    assert set(found) == set(measuring.names)
    blank = measuring(np.zeros((32, 32), np.uint8))
    assert "island_size, µm" not in blank
    assert set(blank) < set(measuring.names)
    for value in (*found.values(), -np.pi * 1e-200):
        rounded = Measuring(("x",), lambda _, value=value: {"x": value})(pixels)["x"]
        assert len(repr(rounded)) <= len(repr(measuring.longest(0)["phase_fraction"]))


@pytest.mark.parametrize("name", ["a", "a.tif", "a.png", "a.mp4", "a.npz"])
def test_what_is_stopped_leaves_nothing_or_the_old(tmp_path, grey, name):
    for before in (False, True):
        if before and name == "a":
            continue
        if before:
            finish(write_images(grey, seeds(grey, 9, 8), tmp_path / name, title="old"))
        left = [(file.name, file.read_bytes()) for file in tmp_path.iterdir()]
        steps = write_images(grey, seeds(grey, *range(8)), tmp_path / name, title="new")
        next(steps)
        next(steps)
        steps.close()
        assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == left


def test_a_failure_on_the_way_leaves_nothing(tmp_path, grey):
    images = [*seeds(grey, 0, 1), *of_points(grey.card, [Point(seed=2, label=1)])]
    for name in ("a", "a.tif", "a.png", "a.mp4", "a.npz"):
        with pytest.raises(InputError, match="no classes"):
            finish(write_images(grey, images, tmp_path / name, title="x"))
    assert list(tmp_path.iterdir()) == []


def test_images_are_made_one_at_a_time(tmp_path, grey, monkeypatch):
    """Frames are written as they come: when frame k is told, no later one has been made."""
    count = 0
    original = Sampler.images

    def counted(self, *args, **kwargs):
        nonlocal count
        count += 1
        return original(self, *args, **kwargs)

    monkeypatch.setattr(Sampler, "images", counted)
    for name in ("a", "a.tif", "a.mp4"):
        count = 0
        for written, _ in enumerate(
            write_images(grey, walk_of(grey), tmp_path / name, title="walk"), start=1
        ):
            assert count <= written + 1


def test_a_table_of_mixing_has_its_sources_at_the_edges(tmp_path, grey):
    rows, columns = [Point(seed=0), Point(seed=1)], [Point(seed=4), Point(seed=5), Point(seed=6)]
    table = table_of_mixing(grey.card, rows, columns, (0, 1))
    assert len(table) == 12
    assert table[0] is None
    assert [p.title for p in table[1:5]] == ["seed 4", "seed 5", "seed 6", "seed 0"]
    assert [p.title for p in table[8:]] == ["seed 1", "seed 1 + seed 4", "seed 1 + seed 5", "seed 1 + seed 6"]
    done = finish(write_images(grey, table, tmp_path / "a.png", title="mixing", columns=4))
    assert done.images == 11
    assert read_provenance(tmp_path / "a.png") == table[1:]


def test_strips_go_along_each_direction(grey):
    vectors = [tuple(np.eye(8)[i].tolist()) for i in (2, 5)]
    found = [
        Direction(name="A", vector=vectors[0], layers=(0, 1), scale=2.0),
        Direction(name="B", vector=vectors[1], layers=(7,)),
    ]
    base = ws_of(grey, [Point(seed=3)])[0]
    images = strips(grey, Point(seed=3), found, (-1.0, 0.0, 1.5))
    assert [p.title for p in images] == ["A: -1", "A: +0", "A: +1.5", "B: -1", "B: +0", "B: +1.5"]
    maker = Maker(grey)
    assert np.array_equal(maker.ws(images[1]), base)
    expected = base.copy()
    expected[:2, 2] += 3
    assert np.array_equal(maker.ws(images[2]), expected)


@pytest.mark.parametrize(
    ("name", "count", "grid", "form"),
    [
        ("a.png", 1, False, Form.image),
        ("a.png", 1, True, Form.sheet),
        ("a.PNG", 2, False, Form.sheet),
        ("a.tiff", 1, False, Form.stack),
        ("a.mp4", 1, False, Form.video),
        ("a.json", 1, False, Form.latents),
        ("a", 1, False, Form.folder),
    ],
)
def test_the_name_says_what_is_written(tmp_path, name, count, grid, form):
    assert form_of(tmp_path / name, count, grid=grid) is form


def test_an_unknown_ending_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"not written as \.gif; give a name that ends in one of \.avi, "):
        form_of(tmp_path / "a.gif", 1)


def test_nothing_else_is_replaced(tmp_path, grey, monkeypatch):
    for name in ("mine.png", "mine.tif", "mine.json"):
        (tmp_path / name).write_bytes(b'{"mine": 1}')
        with pytest.raises(InputError, match="was not generated here"):
            finish(write_images(grey, seeds(grey, 0), tmp_path / name, title="x"))
        assert (tmp_path / name).read_bytes() == b'{"mine": 1}'
    with pytest.raises(InputError, match="not an empty folder"):
        refuse_target(tmp_path, Form.folder)
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        refuse_target(tmp_path / "folder.png", Form.image)
    with pytest.raises(InputError, match="is the input itself"):
        refuse_target(tmp_path / "mine.tif", Form.stack, tmp_path / "mine.tif")
    with pytest.raises(InputError, match="is of the experiment"):
        refuse_target(tmp_path / "study.glissile" / "a.tif", Form.stack)
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    with pytest.raises(InputError, match="the folder you are in"):
        refuse_target(tmp_path / "empty", Form.folder)


def test_what_was_generated_may_be_replaced(tmp_path, grey):
    for name in ("a.png", "a.tif", "a.mp4", "a.npz", "a.json"):
        for seed in (0, 1):
            finish(write_images(grey, seeds(grey, seed), tmp_path / name, title="x"))
            assert read_provenance(tmp_path / name)[0].point.seed == seed


def test_no_image_and_strange_channels_are_refused(tmp_path, grey):
    with pytest.raises(InputError, match="no image to generate"):
        finish(write_images(grey, [], tmp_path / "a.png", title="x"))
    four = sampler_of(4)
    with pytest.raises(InputError, match="images of 4 channels"):
        finish(write_images(four, seeds(four, 0), tmp_path / "a.png", title="x"))
    finish(write_images(four, seeds(four, 0), tmp_path / "a.npz", title="x"))


def test_too_little_memory_is_said_in_a_sentence(tmp_path, grey, monkeypatch):
    def refuses(*args, **kwargs):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Sampler, "images", refuses)
    with pytest.raises(InputError, match="does not suffice for images of 32 px"):
        finish(write_images(grey, seeds(grey, 0), tmp_path / "a.png", title="x"))

    def breaks(*args, **kwargs):
        raise RuntimeError("another reason")

    monkeypatch.setattr(Sampler, "images", breaks)
    with pytest.raises(RuntimeError, match="another reason"):
        finish(write_images(grey, seeds(grey, 0), tmp_path / "a.png", title="x"))


def test_random_noise_is_still_in_a_walk(tmp_path, grey):
    """A film does not flicker: all frames have the noise of one seed."""
    walk = Walk(keys=(Point(seed=0), Point(seed=0)), settings=WalkSettings(steps_per_leg=2))
    images = made(grey, of_walk(grey.card, walk, Look(noise="random", noise_seed=3)))
    assert np.array_equal(images[0], images[2])
    other = made(grey, of_walk(grey.card, walk, Look(noise="random", noise_seed=4)))
    assert not np.array_equal(images[0], other[0])
