"""Models that come from elsewhere, and models for other programs."""

import hashlib
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glissile import __version__
from glissile.atomic import replacing
from glissile.defects import DefectClass, class_values, named
from glissile.errors import InputError
from glissile.io.archives import Archive, open_archive
from glissile.io.bioimage_zoo import (
    COVER_FILE,
    ONNX_FILE,
    README_FILE,
    SAMPLE_INPUT_FILE,
    SAMPLE_OUTPUT_FILE,
    TEST_INPUT_FILE,
    TEST_OUTPUT_FILE,
    ZooEntry,
    describe,
    readme,
    write_package,
)
from glissile.io.checkpoint import WEIGHTS_FILE, has_model, load_model, read_card, save_model
from glissile.io.foreign_package import find_description, find_weights
from glissile.io.foreign_unet import ForeignUNet, read_foreign_unet
from glissile.io.model_card import FramesUsed, ModelCard, Normalisation
from glissile.io.model_words import IMPORTED
from glissile.io.outputs import refuse_file
from glissile.progress import Step, Steps

# The test frame of a package is published with it, and a cover may have 500 KB.
_SAMPLE_PX, _COVER_PX = 512, 384
_DRAWN_PX = 256
_DRAWN = "The test frame and the cover show a drawn micrograph, not a recorded one."
_RECORDED = "The test frame and the cover show a recorded micrograph."


def import_model(source: Path, output: Path, classes: Sequence[DefectClass] | None = None) -> ModelCard:
    """Make a model folder of a model that comes from elsewhere, without running anything of it.

    Parameters
    ----------
    source : Path
        Package of the BioImage Model Zoo, exported by this program or with a U-Net that
        `glissile.io.foreign_unet` reads; or the weights of such a U-Net, as .pth, .pt or .safetensors.
    output : Path
        Model folder to make.
    classes : sequence of DefectClass, optional
        What the outputs after the first mean; only for U-Nets from elsewhere, which do not tell.

    Returns
    -------
    ModelCard

    Raises
    ------
    InputError
        If the file is no such model, or is hostile; if the classes do not fit; if `output` holds a model.
    """
    if not source.is_file():
        raise InputError(f"{source}: there is no such file; give a package (.zip) or weights (.pth)")
    if has_model(output) or output.is_file():
        raise InputError(f"{output}: is there already and would be lost; choose another folder")
    if not _is_zip(source):
        return _imported(source, output, read_foreign_unet(source), classes)
    with open_archive(source) as archive:
        if find_description(archive) is not None:
            return _unpacked(archive, output, classes)
    return _imported(source, output, read_foreign_unet(source), classes)


def _is_zip(path: Path) -> bool:
    with path.open("rb") as opened:
        return opened.read(2) == b"PK"


def _unpacked(archive: Archive, output: Path, classes: Sequence[DefectClass] | None) -> ModelCard:
    weights = find_weights(archive)
    with TemporaryDirectory() as folder, _blamed_on(f"{archive.path}, {weights.member}", Path(folder)):
        if not weights.ours:
            suffix = ".safetensors" if weights.member.lower().endswith(".safetensors") else ".pt"
            copy = Path(folder) / f"weights{suffix}"
            archive.copy(weights.member, copy)
            return _imported(archive.path, output, read_foreign_unet(copy), classes, weights.class_names)
        archive.copy(weights.member, Path(folder) / WEIGHTS_FILE)
        tensors, card = _loaded(Path(folder))
    if classes is not None and tuple(c.key for c in classes) != tuple(c.key for c in card.classes):
        raise InputError(f"{archive.path}: the model has the classes {named(card.classes)}; name no others")
    return save_model(output, tensors, card)


def _loaded(folder: Path) -> tuple[dict[str, Any], ModelCard]:
    """Load a model that comes from elsewhere, where it holds no more than its network can use."""
    from glissile.learn.references import most_bytes, without_references
    from glissile.segment.predict import network_of

    # Before they are read: packed, weights that would fill the memory can be small.
    architecture = read_card(folder).architecture
    size, most = (folder / WEIGHTS_FILE).stat().st_size, most_bytes(architecture)
    if size > most:
        raise InputError(
            f"{folder}: the weights have {size} bytes, and such a network at most {most}; get the file again"
        )
    tensors, card = load_model(folder)
    if not architecture.references and len(without_references(tensors)) < len(tensors):
        raise InputError(
            f"{folder}: holds labelled frames, which its network does not look at; get the file again"
        )
    network_of(folder, tensors, card)
    return tensors, card


@contextmanager
def _blamed_on(name: str, folder: Path) -> Iterator[None]:
    """Say the name of a member of an archive where a sentence names its copy in `folder`."""
    try:
        yield
    except InputError as problem:
        sentence = str(problem)
        for path in sorted(folder.iterdir()):
            sentence = sentence.replace(str(path), name)
        raise InputError(sentence.replace(str(folder), name)) from problem


def _imported(
    source: Path,
    output: Path,
    found: ForeignUNet,
    classes: Sequence[DefectClass] | None,
    told: Sequence[str] = (),
) -> ModelCard:
    n = found.architecture.outputs - 1
    if classes is None or len(classes) != n:
        given = "" if classes is None else f", not {len(classes)}"
        example = ",".join(told if len(told) == n else [f"class {i + 1}" for i in range(n)])
        raise InputError(
            f"{source}: the network tells {n} {'classes' if n > 1 else 'class'} from background{given}; "
            f'name them in their order, --classes "{example}"'
        )
    with source.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    card = ModelCard(
        classes=tuple(classes),
        architecture=found.architecture,
        normalisation=Normalisation(kind="full range"),
        recipe={"name": IMPORTED, "file": source.name, "sha256": digest},
        frames=FramesUsed(training=()),
        data_hash="",
        scores_note="none; compare masks of this network with labels of your own",
        epochs=0,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=0,
        device="",
        versions={"glissile": __version__},
    )
    return save_model(output, found.tensors, card)


def export_onnx(model_folder: Path, output: Path) -> Steps[None]:
    """Write the network of a model as ONNX; see `glissile.learn.export.onnx_model`.

    Parameters
    ----------
    model_folder : Path
        A trained model.
    output : Path
        An .onnx file.

    Yields
    ------
    Step
        Two.

    Raises
    ------
    InputError
        If the model cannot be used, the packages that write ONNX are missing, or the name ends otherwise.
    """
    refuse_file(output, ".onnx", model_folder)
    from glissile.learn.export import onnx_model
    from glissile.segment.predict import network_of

    tensors, card = load_model(model_folder)
    network = network_of(model_folder, tensors, card)
    content = onnx_model(network, card)
    yield Step(index=1, total=2, message="The network is converted")
    with replacing(output) as temporary:
        temporary.write_bytes(content)
    yield Step(index=2, total=2, message=f"{output.name} is written")


def export_package(
    model_folder: Path, output: Path, entry: ZooEntry, *, sample: Path | None = None
) -> Steps[None]:
    """Write a model as a package of the BioImage Model Zoo.

    The labelled frames that the model looks at stay with it: a package is published, and the frames may not
    be meant for that.

    Parameters
    ----------
    model_folder : Path
        A trained model.
    output : Path
        A .zip file.
    entry : ZooEntry
        Name, authors, licence.
    sample : Path, optional
        Video or image whose first frame is the test frame and the cover; a drawn one where not given.

    Yields
    ------
    Step
        Three.

    Raises
    ------
    InputError
        If the model or the sample cannot be used, the packages that write ONNX are missing, the name ends
        otherwise, or the model flattens its frames, which the Model Zoo cannot describe.
    """
    refuse_file(output, ".zip", model_folder, sample)
    from glissile.learn.export import OPSET, onnx_model, plain_outputs
    from glissile.segment.predict import network_of

    tensors, card = load_model(model_folder)
    network = network_of(model_folder, tensors, card)
    if card.normalisation.kind == "flattened":
        raise InputError(
            f"{model_folder}: the network sees frames divided by their illumination, which a package cannot "
            "describe; export it as .onnx, or train one with another grey range"
        )
    frame = _test_frame(sample, card)
    outputs = plain_outputs(network, card, frame, as_probabilities=entry.output == "probabilities")
    yield Step(index=1, total=3, message="The test frame is predicted")
    files = {
        ONNX_FILE: onnx_model(network, card),
        WEIGHTS_FILE: _published(model_folder, tensors, card),
        TEST_INPUT_FILE: _npy(frame[None, None]),
        TEST_OUTPUT_FILE: _npy(outputs[None]),
        SAMPLE_INPUT_FILE: _tiff(frame),
        SAMPLE_OUTPUT_FILE: _tiff(outputs),
        COVER_FILE: _cover(frame, outputs, card),
        README_FILE: readme(card, entry, _DRAWN if sample is None else _RECORDED).encode(),
    }
    yield Step(index=2, total=3, message="The network is converted")
    write_package(output, describe(card, entry, files, opset=OPSET, dtype=frame.dtype.name), files)
    yield Step(index=3, total=3, message=f"{output.name} is written")


def _published(model_folder: Path, tensors: dict[str, Any], card: ModelCard) -> bytes:
    """Give the weights of a model without the labelled frames beside them."""
    from glissile.learn.references import without_references

    bare = without_references(tensors)
    if len(bare) == len(tensors):
        return (model_folder / WEIGHTS_FILE).read_bytes()
    with TemporaryDirectory() as folder:
        save_model(Path(folder), bare, card)
        return (Path(folder) / WEIGHTS_FILE).read_bytes()


def _test_frame(sample: Path | None, card: ModelCard) -> NDArray[Any]:
    """Frame (y, x) of a size and pixel type as the package describes."""
    frame = _drawn() if sample is None else _first_frame(sample)
    stride = card.architecture.stride
    y, x = (min(n, _SAMPLE_PX) for n in frame.shape)
    if min(y, x) < stride:
        raise InputError(f"{sample}: its frames are smaller than {stride} px; choose another sample")
    top, left = ((n - m) // 2 for n, m in zip(frame.shape, (y, x), strict=True))
    frame = frame[top : top + y, left : left + x]
    if card.normalisation.kind == "full range":
        if frame.dtype != np.uint8:
            raise InputError(f"{sample}: has {frame.dtype} pixels; this model needs a sample of 8 bit")
        return frame
    if not np.isfinite(frame).all():
        raise InputError(f"{sample}: its first frame has pixels that are no numbers; choose another sample")
    return frame.astype(np.float32)


def _drawn() -> NDArray[np.uint8]:
    from glissile.synthetic.tem import TemSettings, simulate

    settings = TemSettings(height=_DRAWN_PX, width=_DRAWN_PX, frames=1, jumps=0, overlay=False)
    return simulate(settings).frame(0)


def _first_frame(sample: Path) -> NDArray[Any]:
    from glissile.io.video_files import read_video

    return read_video(sample).frame(0)


def _npy(array: NDArray[Any]) -> bytes:
    written = io.BytesIO()
    np.save(written, np.ascontiguousarray(array), allow_pickle=False)
    return written.getvalue()


def _tiff(array: NDArray[Any]) -> bytes:
    import tifffile

    written = io.BytesIO()
    tifffile.imwrite(written, array, photometric="minisblack", compression="zlib")
    return written.getvalue()


def _cover(frame: NDArray[Any], outputs: NDArray[np.float32], card: ModelCard) -> bytes:
    """Square picture of the frame and its mask, as PNG."""
    from PIL import Image

    from glissile.contrast import contrast_limits
    from glissile.quantify.overlay import overlay_frame

    mask = np.array(class_values(card.classes), np.uint8)[outputs.argmax(axis=0)]
    edge = min(*frame.shape, _COVER_PX)
    top, left = ((n - edge) // 2 for n in frame.shape)
    part = slice(top, top + edge), slice(left, left + edge)
    picture = overlay_frame(frame[part], mask[part], card.classes, contrast=contrast_limits([frame]))
    written = io.BytesIO()
    Image.fromarray(picture).save(written, "png", optimize=True)
    return written.getvalue()
