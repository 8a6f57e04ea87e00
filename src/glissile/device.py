"""Where to compute, and in which precision it pays there."""

import gc
import os

import torch

from glissile.errors import InputError


def choose(device: str) -> torch.device:
    """Choose the device to compute on.

    Parameters
    ----------
    device : {"auto", "cpu", "cuda", "mps"}
        "auto" takes the first of CUDA, MPS (Apple) and CPU on which a sum can be computed.

    Returns
    -------
    torch.device

    Raises
    ------
    InputError
        If the device asked for does not work.
    """
    if device == "auto":
        return torch.device(next(name for name in ("cuda", "mps", "cpu") if _works(name)))
    if not _works(device):
        raise InputError(
            f"The device {device!r} does not work here; choose auto or cpu, or install a build of torch "
            "for it"
        )
    return torch.device(device)


def _works(name: str) -> bool:
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not present.get(name):
        return False
    try:
        # A driver too old for this build of torch shows itself only when something is computed.
        return float((torch.ones(2, device=name) + 1).sum()) == 4
    except RuntimeError:
        return False


def describe(device: torch.device) -> str:
    """Name a device for a person: "CPU (2 cores)", "NVIDIA RTX A4000 (16 GB)"."""
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        return f"{properties.name} ({properties.total_memory / 2**30:.0f} GB)"
    if device.type == "mps":
        return "Apple GPU"
    cores = min(torch.get_num_threads(), os.cpu_count() or 1)
    return f"CPU ({cores} core{'s' if cores > 1 else ''})"


def quick_precision(device: torch.device) -> torch.dtype:
    """Choose the floating-point type in which convolutions are quickest on `device` and still learn.

    bfloat16 where the processor multiplies it in hardware (AVX512-BF16, AMX; elsewhere it is emulated and
    slower) or the graphics card does (from Ampere on), float16 on older graphics cards, else float32.
    """
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    if device.type == "cpu":
        # Older versions of torch cannot say.
        capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
        if capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"):
            return torch.bfloat16
    return torch.float32


def out_of_memory(problem: BaseException) -> bool:
    """Whether `problem` says that memory did not suffice, on a graphics card or in the computer."""
    if isinstance(problem, torch.cuda.OutOfMemoryError | MemoryError):
        return True
    text = str(problem).lower()
    signs = (
        "out of memory",
        "not enough memory",
        "can't allocate memory",
        "cannot allocate memory",
        # How cuDNN and cuBLAS say it.
        "_alloc_failed",
        "unable to find a valid cudnn algorithm",
    )
    return isinstance(problem, RuntimeError) and any(sign in text for sign in signs)


def release_memory(device: torch.device) -> None:
    """Give back what is held for later use; to be called where no exception holds on to tensors."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


def memory_format(device: torch.device, *, training: bool) -> torch.memory_format:
    """Order of the axes in memory that convolutions are quickest in, where it is safe.

    Channels last on CUDA, and on the CPU for prediction. Not for training on the CPU: there torch 2.13 ended
    the process on networks of few channels, see docs/decisions/0007-contiguous-memory-on-the-cpu.md.
    """
    last = device.type == "cuda" or (device.type == "cpu" and not training)
    return torch.channels_last if last else torch.contiguous_format
