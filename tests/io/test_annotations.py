from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from glissile.defects import DEFAULT_CLASSES, DefectClass
from glissile.errors import InputError
from glissile.io.annotations import (
    frame_number,
    read_class_image,
    read_index_image,
    read_mask_folder,
    write_mask,
)
from glissile.io.class_names import matching_class

DATA = Path(__file__).parents[2].parent / "shared" / "data"
SHAPE = (9, 12)

# The pen of a drawing program: a black line whose rim is grey.
PEN = np.zeros(SHAPE, np.uint8)
PEN[3:6] = ((2, 1, 2) * 4, (1,) * 12, (3, 3, 3) * 4)
DRAWN = PEN > 0
# Index 0 is white, 1 black, 2 and 3 the rim.
PALETTE = [255, 255, 255, 0, 0, 0, 120, 120, 120, 230, 230, 230]


def save_palette(path, indices, palette=PALETTE):
    image = Image.fromarray(indices, "L")
    image = Image.frombytes("P", image.size, indices.tobytes())
    image.putpalette(palette)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, format="PNG")


def save(path, pixels, mode=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(np.asarray(pixels))
    (image if mode is None else image.convert(mode)).save(path)
    return path


def colours(grey):
    return np.repeat(grey[..., None], 3, axis=2)


# --- index images


@given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2), elements=st.sampled_from([0, 1, 2])))
@settings(max_examples=20, deadline=None)
def test_masks_are_written_and_read_back(tmp_path_factory, mask):
    folder = tmp_path_factory.mktemp("masks") / "8.4μm"
    for stem in ("12345", "00007"):
        write_mask(folder / f"{stem}.png", mask)
    for suffix in (".tif", ".PNG", ".TIFF"):
        write_mask(folder / f"a{suffix}" / f"b{suffix}", mask)
        np.testing.assert_array_equal(
            read_index_image(folder / f"a{suffix}" / f"b{suffix}", DEFAULT_CLASSES), mask
        )
    read = read_mask_folder(folder, DEFAULT_CLASSES)
    assert list(read) == ["00007", "12345"]
    for stem in read:
        assert read[stem].dtype == np.uint8
        np.testing.assert_array_equal(read[stem], mask)


def test_masks_are_not_written_with_loss(tmp_path):
    with pytest.raises(InputError, match=r"written as \.png or \.tif"):
        write_mask(tmp_path / "a.jpg", np.zeros(SHAPE, np.uint8))


def test_index_images_are_read_from_every_kind_of_file(tmp_path):
    mask = np.zeros(SHAPE, np.uint8)
    mask[1, :], mask[5, 2:] = 1, 2
    save(tmp_path / "01.png", mask)
    save_palette(tmp_path / "02.PNG", mask, [9, 9, 9, 255, 0, 0, 0, 0, 255])  # of which the colours mislead
    save(tmp_path / "03.png", mask.astype(np.uint16))
    save(tmp_path / "04.png", colours(mask))
    tifffile.imwrite(tmp_path / "06.tif", mask)
    tifffile.imwrite(tmp_path / "07.TIFF", mask.astype(">i4"), byteorder=">")
    tifffile.imwrite(
        tmp_path / "08.tif", mask, photometric="palette", colormap=np.full((3, 256), 300, np.uint16)
    )
    tifffile.imwrite(tmp_path / "09.tif", colours(mask), photometric="rgb")
    read = read_mask_folder(tmp_path, DEFAULT_CLASSES)
    assert len(read) == 8
    for stem, found in read.items():
        np.testing.assert_array_equal(found, mask, err_msg=stem)


def test_order_is_natural_and_what_is_hidden_or_no_image_is_skipped(tmp_path):
    for name in ("img_10.png", "img_9.PNG", "img_100.png", "Img_2.png"):
        save(tmp_path / name, np.zeros(SHAPE, np.uint8))
    for name in ("._img_9.png", "img_3.bmp", "img_4.jpg", "Thumbs.db", "notes.txt"):
        (tmp_path / name).write_bytes(b"x")
    save(tmp_path / ".ipynb_checkpoints" / "img_9-checkpoint.png", np.zeros(SHAPE, np.uint8))
    assert list(read_mask_folder(tmp_path, DEFAULT_CLASSES)) == ["Img_2", "img_9", "img_10", "img_100"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: save(p, np.full(SHAPE, 3, np.uint8)), "has the value 3, but the classes are 0, 1, 2"),
        (lambda p: save(p, DRAWN * np.uint8(255)), 'is black and white, .* sub-folder .* "dislocation"'),
        (lambda p: save(p, DRAWN * np.uint8(254) + 1), "has the value 255, .*sub-folder"),
        (lambda p: save(p, np.full(SHAPE, 256, np.uint16)), "has the value 256"),
        (lambda p: save(p, colours(PEN) * np.uint8([1, 0, 0])), "is a colour image, not one of class values"),
        (lambda p: p.write_bytes(b"not an image"), "cannot be read as an image"),
        (lambda p: p.write_bytes(b""), "cannot be read as an image"),
    ],
)
def test_the_first_bad_image_is_named(tmp_path, make, message):
    save(tmp_path / "0001.png", np.zeros(SHAPE, np.uint8))
    make(tmp_path / "0002.png")
    masks = read_mask_folder(tmp_path, DEFAULT_CLASSES)
    assert not masks["0001"].any()
    with pytest.raises(InputError, match=message) as caught:
        dict(masks)
    assert str(caught.value).startswith(str(tmp_path / "0002.png"))


def test_a_tiff_that_holds_no_labels_is_refused(tmp_path):
    tifffile.imwrite(tmp_path / "1.tif", np.zeros(SHAPE, np.float32))
    with pytest.raises(InputError, match="is not a label image, it has float32"):
        read_index_image(tmp_path / "1.tif", DEFAULT_CLASSES)


def test_a_stack_is_not_taken_for_its_first_page(tmp_path):
    tifffile.imwrite(tmp_path / "1.tif", np.zeros((7, *SHAPE), np.uint8), photometric="minisblack")
    with pytest.raises(InputError, match="has 7 pages; save the label of each frame as a file"):
        read_index_image(tmp_path / "1.tif", DEFAULT_CLASSES)


def test_a_tiff_of_negative_values_is_refused(tmp_path):
    tifffile.imwrite(tmp_path / "1.tif", np.full(SHAPE, -1, np.int16))
    with pytest.raises(InputError, match="has the value -1"):
        read_index_image(tmp_path / "1.tif", DEFAULT_CLASSES)


# --- one folder per class


def crossing(value):
    lines = np.zeros(SHAPE, np.uint8)
    lines[:, 5:7] = value
    return lines


@pytest.mark.parametrize(
    ("dislocation", "fault"),
    [
        ("dislocation", "stacking_fault"),
        ("Dislocations", "Stacking Faults"),
        ("dislocation", "sf"),
        ("DISLOCATION", "SF"),
        ("DISLOCATIONS", "StackingFault"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_the_layout_of_tanaka_2025_is_read_and_dislocations_win(tmp_path, dislocation, fault):
    save(tmp_path / "original" / "img_0050.png", colours(PEN))
    save_palette(tmp_path / dislocation / "img_0050.PNG", PEN)
    save_palette(tmp_path / fault / "img_0050.png", crossing(2))
    save_palette(tmp_path / fault / "img_0100.PNG", crossing(1))
    save_palette(tmp_path / fault / ".ipynb_checkpoints" / "img_0100-checkpoint.PNG", crossing(1))
    masks = read_mask_folder(tmp_path, DEFAULT_CLASSES)
    assert list(masks) == ["img_0050", "img_0100"]
    both = np.where(DRAWN, 1, crossing(2))
    np.testing.assert_array_equal(masks["img_0050"], both)
    np.testing.assert_array_equal(masks["img_0100"], crossing(2))
    turned = read_mask_folder(tmp_path, DEFAULT_CLASSES[::-1])
    np.testing.assert_array_equal(turned["img_0050"], np.where(crossing(1) > 0, 2, DRAWN))


def test_one_class_alone_is_read(tmp_path):
    save_palette(tmp_path / "sf" / "1.PNG", PEN)
    np.testing.assert_array_equal(read_mask_folder(tmp_path, DEFAULT_CLASSES)["1"], DRAWN * 2)


def test_a_class_of_ones_own_is_found_by_its_name(tmp_path):
    twins = [DefectClass(value=7, name="ε martensite", color="#000000")]
    save_palette(tmp_path / "ε_martensite" / "1.png", PEN)
    np.testing.assert_array_equal(read_mask_folder(tmp_path, twins)["1"], DRAWN * 7)


def test_a_folder_of_no_class_is_named_in_a_warning(tmp_path):
    save_palette(tmp_path / "dislocation" / "1.png", PEN)
    save_palette(tmp_path / "stackingfolt" / "1.png", PEN)
    with pytest.warns(
        UserWarning, match=r'"stackingfolt" matches no single class \(dislocation, stacking fault\)'
    ):
        read_mask_folder(tmp_path, DEFAULT_CLASSES)


def test_initials_that_two_classes_share_are_not_guessed_at(tmp_path):
    classes = [
        DefectClass(value=i, name=n, color="#000000")
        for i, n in enumerate(["slip fringe", "stacking fault", "sf"], 1)
    ]
    save_palette(tmp_path / "SF" / "1.png", PEN)
    np.testing.assert_array_equal(read_mask_folder(tmp_path, classes)["1"], DRAWN * 3)
    with pytest.raises(InputError, match="has neither"):
        read_mask_folder(tmp_path, classes[:2])


def test_frames_beside_index_images_do_not_disturb(tmp_path):
    save(tmp_path / "1.png", np.zeros(SHAPE, np.uint8))
    save(tmp_path / "other" / "2.png", PEN)
    assert list(read_mask_folder(tmp_path, DEFAULT_CLASSES)) == ["1"]


def test_folders_that_cannot_be_told_apart_are_refused(tmp_path):
    save_palette(tmp_path / "dislocations" / "1.png", PEN)
    save_palette(tmp_path / "dislocation" / "1.png", PEN)
    with pytest.raises(InputError, match='both "dislocation" and "dislocations" are folders of the class "d'):
        read_mask_folder(tmp_path, DEFAULT_CLASSES)


def test_two_images_of_one_stem_are_refused(tmp_path):
    for name in ("1.png", "1.tif"):
        save(tmp_path / name, np.zeros(SHAPE, np.uint8))
    with pytest.raises(InputError, match=r"1\.tif: has the same stem as 1\.png"):
        read_mask_folder(tmp_path, DEFAULT_CLASSES)


def test_images_of_one_frame_have_one_size(tmp_path):
    save_palette(tmp_path / "dislocations" / "1.png", PEN)
    save_palette(tmp_path / "sf" / "1.png", PEN[:-1])
    with pytest.raises(
        InputError, match=r"sf.1\.png: is 8 x 12 px, but .*dislocations.1\.png of the same frame is 9 x 12"
    ):
        read_mask_folder(tmp_path, DEFAULT_CLASSES)["1"]


def test_an_empty_or_missing_folder_is_said_so(tmp_path):
    with pytest.raises(InputError, match=r'neither label images .* the classes "dislocation", "stacking f'):
        read_mask_folder(tmp_path, DEFAULT_CLASSES)
    with pytest.raises(InputError, match="is not a folder"):
        read_mask_folder(tmp_path / "gone", DEFAULT_CLASSES)
    save(tmp_path / "1.png", PEN)
    with pytest.raises(KeyError):
        read_mask_folder(tmp_path, DEFAULT_CLASSES)["2"]


WHITE = np.array([255, 0, 120, 230], np.uint8)[PEN]  # the pen as a grey picture
WIDE = WHITE.copy()
WIDE[5] = 255  # without its palest rim: what lies on the dark side of half
DARK = WIDE < 128


@pytest.mark.parametrize(
    ("name", "pixels", "drawn"),
    [
        ("dark pen on white", WHITE, DARK),
        ("bright pen on black", 255 - WHITE, DARK),
        ("RGB", colours(WHITE), DARK),
        ("RGBA, opaque", np.dstack([colours(WHITE), np.full(SHAPE, 255, np.uint8)]), DARK),
        ("RGBA, only the pen is opaque", np.dstack([colours(WHITE * 0), 255 - WHITE]), DARK),
        ("16-bit", (255 - WHITE).astype(np.uint16) * 257, DARK),
        ("16-bit file of 8-bit values", WHITE.astype(np.uint16), DARK),
        ("red pen", np.dstack([WHITE * 0 + 255, WHITE, WHITE]), None),
        ("1-bit, dark on white", ~DARK, DARK),
        ("1-bit, bright on black", DARK, DARK),
        ("index image", DARK * np.uint8(1), DARK),
        ("index image of another class", DARK * np.uint8(2), DARK),
        ("nothing on white", WHITE * 0 + 255, np.zeros(SHAPE, bool)),
        ("nothing on black", WHITE * 0, np.zeros(SHAPE, bool)),
    ],
)
def test_a_class_is_found_in_pictures_without_a_palette(tmp_path, name, pixels, drawn):
    path = save(tmp_path / "1.png", pixels)
    if drawn is None:  # red is (255 + 0 + 0) / 3 and counts as dark
        drawn = colours(WHITE)[..., 0] * 2 / 3 + 85 < 127.5
    np.testing.assert_array_equal(read_class_image(path), drawn)


@pytest.mark.parametrize("photometric", ["miniswhite", "minisblack"])
def test_a_bilevel_tiff_is_read(tmp_path, photometric):
    tifffile.imwrite(tmp_path / "1.tif", DARK, photometric=photometric)
    np.testing.assert_array_equal(read_class_image(tmp_path / "1.tif"), DARK)


@pytest.mark.parametrize("pixels", [PEN, PEN + np.uint8(1)])
def test_a_grey_picture_without_white_is_not_guessed_at(tmp_path, pixels):
    path = save(tmp_path / "1.png", pixels)
    with pytest.raises(InputError, match="is neither black and white nor an index image, its values are"):
        read_class_image(path)


@pytest.mark.parametrize(
    ("stem", "number"), [("0050", 50), ("cut_video7_img_0050", 50), ("a-1", 1), ("0", 0)]
)
def test_the_frame_number_is_at_the_end(stem, number):
    assert frame_number(stem) == number


@pytest.mark.parametrize("stem", ["", "img", "0050_mask", "²"])
def test_a_stem_without_a_number_is_refused(stem):
    with pytest.raises(InputError, match="does not end in a frame number"):
        frame_number(stem)


def test_a_number_that_no_frame_has_is_refused():
    assert frame_number("img_" + "0" * 5000 + "7") == 7
    for digits in (19, 400, 5000):
        with pytest.raises(InputError, match=f"ends in a number of {digits} digits, which is of no frame"):
            frame_number("img_" + "9" * digits)


def test_names_from_elsewhere_do_not_reach_the_terminal_raw():
    for stem in ("\x1b]0;pwn\x07name", "\x1b[31m" + "9" * 50):
        with pytest.raises(InputError) as refusal:
            frame_number(stem)
        assert str(refusal.value).isprintable()


@pytest.mark.parametrize("name", ["DS", "ds", "d", "di", "", "__", "!!!", "SFs", "t"])
def test_what_could_mean_anything_is_no_class(name):
    others = [DefectClass(value=v, name=n, color="#000000") for v, n in ((3, "???"), (4, "twin"))]
    assert matching_class(name, (*DEFAULT_CLASSES, *others)) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [("SF", 2), ("sf", 2), ("S_F", 2), ("stackingfaults", 2), ("Dislocations", 1), ("s", 3), ("???", 4)],
)
def test_classes_are_known_by_their_name_or_two_initials(name, value):
    others = [DefectClass(value=v, name=n, color="#000000") for v, n in ((3, "S"), (4, "???"))]
    assert matching_class(name, (*DEFAULT_CLASSES, *others)).value == value


@pytest.mark.skipif(not DATA.exists(), reason="the real data are not beside this repository")
@pytest.mark.parametrize(
    ("name", "count", "shape", "values"),
    [("twip-2um", 42, (400, 330), {0, 1, 2}), ("twip-8.4um", 40, (362, 700), {0, 1, 2})],
)
def test_the_real_labels_are_read(name, count, shape, values):
    masks = read_mask_folder(DATA / name / "masks", DEFAULT_CLASSES)
    assert len(masks) == count
    assert next(iter(masks)) == "0000"
    numbers = [frame_number(stem) for stem in masks]
    assert numbers == sorted(numbers)
    found = set()
    for mask in masks.values():
        assert mask.shape == shape
        found |= set(np.unique(mask).tolist())
        assert 0.001 < (mask > 0).mean() < 0.08
    assert found == values
