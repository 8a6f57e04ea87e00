import pytest
import torch

from glissile import device
from glissile.device import choose, describe, out_of_memory, quick_precision
from glissile.errors import InputError


def test_the_processor_is_always_there(monkeypatch):
    assert choose("cpu").type == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert choose("auto").type == "cpu"


def test_a_card_that_is_there_but_does_not_work_is_passed_over(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    ones = torch.ones

    def too_old(*shape, device=None):
        if device == "cuda":
            raise RuntimeError("The NVIDIA driver on your system is too old")
        return ones(*shape, device=device)

    monkeypatch.setattr(torch, "ones", too_old)
    assert choose("auto").type == "cpu"
    with pytest.raises(InputError):
        choose("cuda")


def test_asking_for_what_is_not_there_is_one_sentence(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="'cuda' does not work here; choose auto or cpu"):
        choose("cuda")
    with pytest.raises(InputError, match="'tpu'"):
        choose("tpu")


@pytest.mark.parametrize(("threads", "text"), [(1, "CPU (1 core)"), (2, "CPU (2 cores)")])
def test_the_processor_for_a_person(monkeypatch, threads, text):
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    monkeypatch.setattr(device.os, "cpu_count", lambda: 8)
    assert describe(torch.device("cpu")) == text


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        ({"avx512_bf16": True}, torch.bfloat16),
        ({"amx_bf16": True}, torch.bfloat16),
        ({"avx2": True}, torch.float32),
    ],
)
def test_half_precision_only_where_the_hardware_has_it(monkeypatch, capabilities, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert quick_precision(torch.device("cpu")) is expected


@pytest.mark.parametrize(
    ("problem", "short"),
    [
        (torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), True),
        (RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate"), True),
        (RuntimeError("MPS backend out of memory"), True),
        (MemoryError(), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_what_short_memory_looks_like(problem, short):
    assert out_of_memory(problem) is short


def test_an_allocation_that_fails_for_real_is_recognised():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(10**15)
    assert out_of_memory(caught.value)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA card with a CUDA build of torch")
def test_cuda_is_chosen_and_named():
    assert choose("auto").type == "cuda"
    assert "GB)" in describe(choose("cuda"))
    assert quick_precision(choose("cuda")) in (torch.bfloat16, torch.float16)
