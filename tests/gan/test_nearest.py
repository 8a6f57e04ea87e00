import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from glissile.errors import InputError
from glissile.gan import nearest as nearest_module
from glissile.gan.index_cache import index_cache
from glissile.gan.nearest import VALUES, Index, averaged, index_images, nearest
from glissile.progress import finish
from glissile.synthetic.sem import SemSettings, micrograph

SETTINGS = SemSettings(height=128, width=128, island_px=14)
COUNT = 60
ONE = 7


def drawn(seed: int) -> np.ndarray:
    return micrograph(SETTINGS, seed).pixels


def write(folder: Path, images) -> Path:
    folder.mkdir(exist_ok=True)
    for number, image in enumerate(images):
        Image.fromarray(image).save(folder / f"steel{number}.png")
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return write(tmp_path_factory.mktemp("nearest") / "training", [drawn(seed) for seed in range(COUNT)])


@pytest.fixture(scope="module")
def index(folder) -> Index:
    return finish(index_images(folder))


def noisy(image):
    return np.clip(image + np.random.default_rng(0).normal(0, 20, image.shape), 0, 255).astype(np.uint8)


def bent(image):
    """Warped by about 1.5 % of its width, as a generator would that has learned it by heart."""
    size = len(image)
    way = ndimage.gaussian_filter(
        np.random.default_rng(1).normal(size=(2, size, size)), (0, size / 8, size / 8)
    )
    way *= 0.015 * size / way.std()
    y, x = np.mgrid[:size, :size]
    return ndimage.map_coordinates(image, [y + way[0], x + way[1]], order=1, mode="reflect")


COPIES = {
    "the same": lambda image: image,
    "mirrored left to right": lambda image: image[:, ::-1],
    "mirrored top to bottom": lambda image: image[::-1],
    "transposed": lambda image: image.T,
    "turned by 90": np.rot90,
    "turned by 180": lambda image: image[::-1, ::-1],
    "turned by 270 and mirrored": lambda image: np.rot90(image, 3)[:, ::-1],
    "noisy": noisy,
    "brighter, of less contrast": lambda image: (100 + 0.3 * image).astype(np.uint8),
    "blurred": lambda image: ndimage.gaussian_filter(image, 2.0),
    "moved by 4 %": lambda image: np.roll(image, (5, -5), (0, 1)),
    "moved by 6 %": lambda image: np.roll(image, (8, 8), (0, 1)),
    "moved by half a value": lambda image: np.roll(image, (2, 2), (0, 1)),
    "warped": bent,
    "mirrored, noisy and moved": lambda image: noisy(np.roll(image[:, ::-1], 4, axis=0)),
    "twice as large": lambda image: np.kron(image, np.ones((2, 2), np.uint8)),
    "half as large": lambda image: image.reshape(64, 2, 64, 2).mean(axis=(1, 3)).astype(np.uint8),
    "in colour": lambda image: np.repeat(image[..., None], 3, axis=-1),
}


@pytest.mark.parametrize("change", COPIES)
def test_copies_are_found_and_called_copies(index, change):
    found = nearest(index, COPIES[change](drawn(ONE)))
    assert found.path.name == f"steel{ONE}.png"
    assert found.verdict == "copy"
    assert "copy of the training image steel7.png" in found.sentence


def test_the_same_image_has_similarity_one(index):
    assert nearest(index, drawn(ONE)).similarity == pytest.approx(1, abs=2e-3)


def test_no_shift_falls_between_two_values(index):
    between = [nearest(index, np.roll(drawn(ONE), (y, x), (0, 1))) for y in range(5) for x in range(5)]
    assert min(one.similarity for one in between) > 0.87


def test_new_images_of_the_same_kind_are_no_copies(index):
    found = [nearest(index, drawn(1000 + seed)) for seed in range(60)]
    assert all(one.verdict != "copy" for one in found)
    assert sum(one.verdict == "new" for one in found) >= 57
    assert "no copy" in found[0].sentence or "unusually close" in found[0].sentence
    # They are as near to the training images as these are to each other.
    assert np.median([one.similarity for one in found]) == pytest.approx(index.usual, abs=0.04)


def test_what_is_moved_too_far_is_another_view(index):
    assert nearest(index, np.roll(drawn(ONE), (50, 40), (0, 1))).verdict != "copy"


def test_similar_contents_elsewhere_are_no_copy(index):
    shuffled = drawn(ONE).reshape(4, 32, 4, 32).transpose(2, 1, 0, 3).reshape(128, 128)[::-1]
    assert nearest(index, shuffled).verdict != "copy"


def test_levels_are_in_order(index):
    assert 0 < index.usual < index.close < index.copy < 1


def test_images_that_are_held_twice_do_not_raise_what_is_usual(tmp_path, index):
    images = [drawn(seed) for seed in range(COUNT)]
    twice = finish(index_images(write(tmp_path / "twice", [*images, *(image[:, ::-1] for image in images)])))
    assert len(twice) == 2 * COUNT
    assert twice.usual == pytest.approx(index.usual, abs=0.03)
    assert nearest(twice, drawn(ONE)).verdict == "copy"
    assert nearest(twice, drawn(2000)).verdict != "copy"


def test_a_few_images_still_tell_a_copy(tmp_path):
    few = finish(index_images(write(tmp_path / "few", [drawn(0), drawn(1)])))
    assert nearest(few, drawn(1)[::-1]).verdict == "copy"
    assert nearest(few, drawn(5)).verdict == "new"
    one = finish(index_images(write(tmp_path / "one", [drawn(0)])))
    assert nearest(one, drawn(0)).verdict == "copy"


def test_flat_images_are_like_nothing(index, tmp_path):
    assert nearest(index, np.full((128, 128), 90, np.uint8)).similarity == 0
    flat = finish(
        index_images(write(tmp_path / "flat", [np.full((64, 64), grey, np.uint8) for grey in (1, 9)]))
    )
    assert nearest(flat, drawn(0)).verdict == "new"


@pytest.mark.parametrize("shape", [(5, 9), (64, 64), (100, 37), (333, 512)])
def test_images_of_any_size_are_averaged(shape):
    x = np.mgrid[: shape[0], : shape[1]][1]
    values = averaged((10 * x / shape[1]).astype(np.float32))
    assert values.shape == (VALUES, VALUES)
    assert values.mean() == pytest.approx(0, abs=1e-5)
    assert values.std() == pytest.approx(1, rel=1e-4)
    assert np.all(np.diff(values.mean(axis=0)) >= -1e-6)
    np.testing.assert_allclose(values, np.broadcast_to(values[:1], values.shape), atol=1e-4)


def test_progress_names_the_images(folder):
    steps = list(index_images(folder))
    assert steps[0].message == "Reading training image 1 of 60"
    assert all(step.total == COUNT and 0 <= step.index <= COUNT for step in steps)
    assert "Comparing" in steps[-1].message


def test_a_kept_index_is_used_as_long_as_the_images_stay(tmp_path, monkeypatch):
    training = write(tmp_path / "training", [drawn(seed) for seed in range(12)])
    cache = tmp_path / "index.safetensors"
    first = finish(index_images(training, cache))
    monkeypatch.setattr(nearest_module, "read_image", None)
    again = finish(index_images(training, cache))
    np.testing.assert_array_equal(again.values, first.values)
    assert (again.paths, again.usual, again.close, again.copy) == (
        first.paths,
        first.usual,
        first.close,
        first.copy,
    )
    monkeypatch.undo()
    Image.fromarray(drawn(500)).save(training / "steel3.png")
    changed = finish(index_images(training, cache))
    assert nearest(changed, drawn(500)).verdict == "copy"
    assert nearest(finish(index_images(training, cache)), drawn(500)).verdict == "copy"
    (training / "steel0.png").unlink()
    assert len(finish(index_images(training, cache))) == 11


@pytest.mark.parametrize("foreign", [b"of somebody else", b"\xff" * 64, b"\x02" + b"\x00" * 7 + b"{}"])
def test_a_file_of_somebody_else_is_no_cache(tmp_path, foreign):
    training = write(tmp_path / "training", [drawn(seed) for seed in range(3)])
    cache = tmp_path / "weights.safetensors"
    cache.write_bytes(foreign)
    with pytest.raises(InputError, match=r"weights\.safetensors: is there already, and no index"):
        finish(index_images(training, cache))
    assert cache.read_bytes() == foreign


def test_weights_are_no_cache(tmp_path):
    from safetensors.numpy import save_file

    training = write(tmp_path / "training", [drawn(seed) for seed in range(3)])
    cache = tmp_path / "weights.safetensors"
    save_file({"values": np.zeros(4, np.float32)}, cache, {"format": "pt"})
    kept = cache.read_bytes()
    with pytest.raises(InputError, match="no index"):
        finish(index_images(training, cache))
    assert cache.read_bytes() == kept


def test_a_damaged_index_is_made_again(tmp_path):
    training = write(tmp_path / "training", [drawn(seed) for seed in range(3)])
    cache = tmp_path / "index.safetensors"
    first = finish(index_images(training, cache))
    good = cache.read_bytes()
    for content in (b"", good[: len(good) // 2], good[:-10]):
        cache.write_bytes(content)
        np.testing.assert_array_equal(finish(index_images(training, cache)).values, first.values)
        assert cache.read_bytes() == good


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Give the file in which the program itself keeps what it knows of a folder."""
    monkeypatch.setattr("glissile.gan.index_cache.user_cache_path", lambda *_, **__: tmp_path / "kept")
    path = index_cache(tmp_path / "training")
    assert path.parent == tmp_path / "kept"
    path.parent.mkdir()
    return path


def test_an_index_that_the_program_keeps_is_made_anew_whatever_is_wrong_with_it(tmp_path, own):
    training = write(tmp_path / "training", [drawn(seed) for seed in range(3)])
    first = finish(index_images(training, own))
    good = own.read_bytes()
    for content in (b"of nobody", b"\xff" * 64, b"\0" * len(good), good[:-10]):
        own.write_bytes(content)
        np.testing.assert_array_equal(finish(index_images(training, own)).values, first.values)
        assert own.read_bytes() == good
    # Beside it a file of somebody else stays.
    mine = own.with_name("mine.safetensors")
    mine.write_bytes(b"of somebody else")
    with pytest.raises(InputError, match="no index"):
        finish(index_images(training, mine))
    assert mine.read_bytes() == b"of somebody else"


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pipes among files")
def test_an_index_that_is_no_file_is_refused_or_passed_over(tmp_path, own):
    training = write(tmp_path / "training", [drawn(seed) for seed in range(3)])
    given = tmp_path / "given.safetensors"
    for make in (Path.mkdir, os.mkfifo):
        for cache in (given, own):
            make(cache)
        with pytest.raises(InputError, match=r"given\.safetensors: is no file; choose another one"):
            next(index_images(training, given))
        assert len(finish(index_images(training, own))) == 3
        for cache in (given, own):
            cache.rmdir() if cache.is_dir() else cache.unlink()


def test_what_cannot_be_kept_is_found_all_the_same(tmp_path):
    training = write(tmp_path / "training", [drawn(seed) for seed in range(3)])
    (tmp_path / "file").write_bytes(b"")
    assert len(finish(index_images(training, tmp_path / "file" / "index.safetensors"))) == 3


def test_images_in_sub_folders_are_found(tmp_path):
    write(tmp_path / "00000", [drawn(0)])
    write(tmp_path / "00001", [drawn(1)])
    found = finish(index_images(tmp_path))
    assert [path.parent.name for path in found.paths] == ["00000", "00001"]


def test_folders_without_images_are_refused(tmp_path):
    with pytest.raises(InputError, match="holds no PNG"):
        finish(index_images(tmp_path))
    with pytest.raises(InputError, match="cannot be read"):
        finish(index_images(tmp_path / "missing"))
    (tmp_path / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(InputError, match=r"cut\.png"):
        finish(index_images(tmp_path))


def test_the_central_square_of_an_oblong_training_image_counts(tmp_path):
    oblong = np.concatenate([drawn(90)[:, :40], drawn(ONE), drawn(91)[:, :40]], axis=1)
    others = [drawn(seed) for seed in range(20, 40)]
    found = nearest(finish(index_images(write(tmp_path / "oblong", [oblong, *others]))), drawn(ONE))
    assert found.path.name == "steel0.png"
    assert found.similarity == pytest.approx(1, abs=2e-3)
    assert found.verdict == "copy"


def test_small_numbers_are_not_flat():
    image = drawn(ONE).astype(np.float32)
    np.testing.assert_allclose(averaged(1e-6 * image), averaged(image), atol=1e-4)
    assert not averaged(np.full((64, 64), 100.0, np.float32)).any()
    assert not averaged(np.zeros((64, 64), np.uint8)).any()


def test_a_full_disk_keeps_no_index_and_loses_no_work(folder, tmp_path, monkeypatch):
    from safetensors import SafetensorError

    def full(*_):
        raise SafetensorError("No space left on device")

    monkeypatch.setattr("safetensors.numpy.save_file", full)
    assert len(finish(index_images(folder, tmp_path / "index.safetensors"))) == COUNT
    assert not (tmp_path / "index.safetensors").exists()
