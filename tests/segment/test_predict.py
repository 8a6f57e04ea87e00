from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise

import dask.array as da
import numpy as np
import pytest
import torch
from untrained import CPU, all_steps, frames, model, video

from glissile.errors import InputError
from glissile.io.checkpoint import load_model, save_model
from glissile.io.model_card import Normalisation
from glissile.learn.tiling import tiles
from glissile.learn.unet import build
from glissile.segment.predict import Predictor, segment
from glissile.segment.settings import SegmentSettings
from glissile.video import Video


def test_one_step_per_frame_in_order(tmp_path):
    steps = all_steps(segment(model(tmp_path), video(), CPU))
    assert [s.frame for s in steps] == [0, 1, 2, 3, 4]
    assert [s.index for s in steps] == [1, 2, 3, 4, 5]
    assert {s.total for s in steps} == {5}
    assert steps[0].message.startswith("Segmenting on CPU (")
    for s in steps:
        assert s.preview.shape == (40, 52)
        assert s.preview.dtype == np.uint8
        assert set(np.unique(s.preview)) <= {0, 3, 7}
    assert len({s.preview.tobytes() for s in steps}) == 5


def test_frames_that_are_done_are_skipped(tmp_path):
    steps = all_steps(segment(model(tmp_path), video(), CPU, skip=(0, 3)))
    assert [(s.frame, s.index, s.total) for s in steps] == [(1, 1, 3), (2, 2, 3), (4, 3, 3)]
    assert all_steps(segment(tmp_path, video(), CPU, skip=range(5))) == []


def test_the_batch_size_does_not_change_a_mask(tmp_path):
    model(tmp_path)
    masks = [
        np.stack(
            [
                s.preview
                for s in all_steps(segment(tmp_path, video(), CPU.model_copy(update={"batch_size": b})))
            ]
        )
        for b in (1, 2, 5)
    ]
    # Sums may be taken in another order; a pixel on the fence may then fall to the other side.
    assert np.mean(masks[0] != masks[1]) < 0.002
    assert np.mean(masks[0] != masks[2]) < 0.002


@pytest.fixture
def exact(monkeypatch):
    """Single precision, in which a sum does not depend on the size of the frame beyond 1e-5."""
    monkeypatch.setattr("glissile.segment.predict.quick_precision", lambda device: torch.float32)


@pytest.mark.usefixtures("exact")
@pytest.mark.parametrize(("kind", "stem"), [("residual", 2), ("ronneberger", 1)])
def test_tiles_see_what_the_whole_frame_sees(tmp_path, kind, stem):
    """Equal wherever the receptive field of every tile that counts lies within the tile."""
    model(tmp_path, kind=kind, stem=stem)
    (frame,) = frames(1, (310, 330))
    whole = Predictor(tmp_path, CPU).logits([frame])[0]
    tiled = Predictor(tmp_path, CPU.model_copy(update={"tile_px": 160, "overlap_px": 64})).logits([frame])[0]
    assert tiled.shape == whole.shape
    difference = np.abs(tiled - whole).max(axis=0)
    field = 4 * 4 * stem  # two levels: four convolutions of at most 2 x stem px steps, and more than enough
    sure = np.ones(frame.shape, bool)
    for p in tiles(frame.shape, tile_px=160, overlap_px=64, stride=2 * stem):
        inner = np.zeros_like(sure)
        edges = [
            (max(s.start + (field if s.start else 0), 0), s.stop - (field if s.stop < n else 0))
            for s, n in zip((p.rows, p.columns), frame.shape, strict=True)
        ]
        inner[edges[0][0] : edges[0][1], edges[1][0] : edges[1][1]] = True
        within = np.zeros_like(sure)
        within[p.rows, p.columns] = True
        sure &= inner | ~within
    assert sure.mean() > 0.2
    assert difference[sure].max() < 1e-4
    assert np.mean(tiled.argmax(0) == whole.argmax(0)) > 0.97


@pytest.mark.usefixtures("exact")
def test_prediction_is_what_the_network_says(tmp_path):
    tensors, card = load_model(model(tmp_path))
    network = build(card.architecture).eval()
    network.load_state_dict(tensors)
    (frame,) = frames(1, (40, 52))
    with torch.inference_mode():
        expected = network(torch.from_numpy(frame[None, None] / np.float32(255)))[0].numpy()
    np.testing.assert_allclose(Predictor(tmp_path, CPU).logits([frame])[0], expected, atol=1e-4)


@pytest.fixture
def cores(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.usefixtures("exact")
@pytest.mark.parametrize("together", [1, 2, 7])
@pytest.mark.parametrize("cores", [1, 2, 3, 8], indirect=True)
def test_cores_share_the_frames_and_are_all_there_afterwards(tmp_path, monkeypatch, cores, together):
    monkeypatch.setattr("glissile.segment.predict._MOST_PX_TOGETHER", together * 40 * 52)
    predictor = Predictor(model(tmp_path), CPU.model_copy(update={"batch_size": 4}))
    together = predictor.logits(frames(7))
    with ThreadPoolExecutor(1) as another:
        assert another.submit(torch.get_num_threads).result() == torch.get_num_threads() == cores
    for found, frame in zip(together, frames(7), strict=True):
        np.testing.assert_allclose(found, predictor.logits([frame])[0], atol=1e-4)


@pytest.mark.parametrize("cores", [2], indirect=True)
def test_an_error_beside_other_frames_leaves_all_cores(tmp_path, monkeypatch, cores):
    def wrong(self, grey):
        raise RuntimeError("shapes cannot be multiplied")

    monkeypatch.setattr("glissile.segment.predict._MOST_PX_TOGETHER", 1)
    monkeypatch.setattr(Predictor, "_forward", wrong)
    with pytest.raises(RuntimeError, match="multiplied"):
        Predictor(model(tmp_path), CPU).masks(frames(3))
    assert torch.get_num_threads() == cores


@pytest.mark.parametrize("dtype", ["uint8", "uint16", ">i2", "float32", "float64", "bool"])
def test_pixel_types(tmp_path, dtype):
    assert len(all_steps(segment(model(tmp_path), video(2, dtype=dtype), CPU))) == 2


def test_constant_grey(tmp_path):
    grey = Video.from_frames(np.full((1, 40, 40), 99, np.uint8), name="grey")
    (step,) = all_steps(segment(model(tmp_path, normalisation=Normalisation()), grey, CPU))
    assert step.preview.shape == (40, 40)


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (65, 64)])
def test_odd_sizes(tmp_path, shape):
    settings = SegmentSettings(device="cpu", tile_px=64, overlap_px=16)
    (step,) = all_steps(segment(model(tmp_path), video(1, shape), settings))
    assert step.preview.shape == shape


def test_closing_between_frames_stops(tmp_path):
    read = []

    class Counting:
        shape, dtype, ndim = (50, 16, 16), np.dtype(np.uint8), 3

        def __getitem__(self, key):
            read.append(key)
            return np.zeros((50, 16, 16), np.uint8)[key]

    lazy = Video.from_frames(
        da.from_array(Counting(), chunks=(1, -1, -1), meta=np.zeros((0, 0, 0), np.uint8)), name="v"
    )
    steps = segment(model(tmp_path), lazy, CPU)
    next(steps)
    steps.close()
    assert len(read) <= 6


def short_of_memory(monkeypatch, fits):
    at_once = Predictor._at_once
    sizes = []

    def limited(self, grey):
        sizes.append(grey.shape)
        if not fits(grey.shape):
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return at_once(self, grey)

    monkeypatch.setattr(Predictor, "_at_once", limited)
    return sizes


def test_short_memory_halves_the_batch_then_the_tile_and_says_so(tmp_path, monkeypatch):
    model(tmp_path)
    sizes = short_of_memory(monkeypatch, lambda s: s[0] * s[2] * s[3] <= 100 * 100)
    steps = all_steps(segment(tmp_path, video(3, (200, 200)), CPU))
    assert [s.frame for s in steps] == [0, 1, 2]
    assert all(s.preview.shape == (200, 200) for s in steps)
    assert "memory was short, now 1 at once in tiles of up to 100 px" in steps[-1].message
    assert [s[0] for s in sizes[:3]] == [3, 2, 1]
    areas = [s[2] * s[3] for s in sizes[2:]]
    assert all(a >= b or b <= 100 * 100 for a, b in pairwise(areas))


def test_no_memory_at_all_is_one_sentence(tmp_path, monkeypatch):
    model(tmp_path)
    short_of_memory(monkeypatch, lambda s: False)
    with pytest.raises(InputError, match="does not suffice to segment a tile") as caught:
        next(segment(tmp_path, video(), CPU))
    assert "\n" not in str(caught.value)


def test_other_errors_pass(tmp_path, monkeypatch):
    def wrong(self, grey):
        raise RuntimeError("shapes cannot be multiplied")

    monkeypatch.setattr(Predictor, "_forward", wrong)
    with pytest.raises(RuntimeError, match="multiplied"):
        next(segment(model(tmp_path), video(), CPU))


def test_weights_of_another_network_are_one_sentence(tmp_path):
    tensors, card = load_model(model(tmp_path))
    del tensors["head.bias"]
    save_model(tmp_path, tensors, card)
    with pytest.raises(InputError, match="do not fit the network"):
        next(segment(tmp_path, video(), CPU))


def test_no_model_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match="no trained model"):
        next(segment(tmp_path, video(), CPU))


def test_half_precision_weights_are_taken(tmp_path):
    tensors, card = load_model(model(tmp_path))
    save_model(tmp_path, {k: t.half() if t.is_floating_point() else t for k, t in tensors.items()}, card)
    assert len(all_steps(segment(tmp_path, video(1), CPU))) == 1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA card with a CUDA build of torch")
def test_cuda_gives_the_masks_of_the_processor(tmp_path):
    model(tmp_path)
    there, here = (all_steps(segment(tmp_path, video(), SegmentSettings(device=d))) for d in ("cuda", "cpu"))
    agreement = np.mean([np.mean(a.preview == b.preview) for a, b in zip(there, here, strict=True)])
    assert agreement > 0.98


def test_the_network_sees_the_valid_part_alone(tmp_path):
    model(tmp_path, normalisation=Normalisation())
    valid = np.array([[0, 0, 40, 52], [3, 0, 40, 50], [0, 2, 38, 52], [3, 0, 40, 50], [7, 7, 7, 20]])
    filled = frames()
    for k, (top, left, bottom, right) in enumerate(valid):
        outside = np.ones((40, 52), bool)
        outside[top:bottom, left:right] = False
        filled[k][outside] = 0
    batched = CPU.model_copy(update={"batch_size": 5})
    steps = all_steps(
        segment(tmp_path, replace(Video.from_frames(filled, name="v"), valid_px=valid), batched)
    )
    assert [s.frame for s in steps] == [0, 1, 2, 3, 4]
    for step, (top, left, bottom, right) in zip(steps, valid, strict=True):
        expected = np.zeros((40, 52), np.uint8)
        if bottom > top:
            part = frames()[step.frame : step.frame + 1, top:bottom, left:right]
            (alone,) = all_steps(segment(tmp_path, Video.from_frames(part, name="v"), CPU))
            expected[top:bottom, left:right] = alone.preview
        assert np.mean(step.preview != expected) < 0.002  # the order of sums, as above
        assert not step.preview[:top].any()
        assert not step.preview[bottom:].any()
