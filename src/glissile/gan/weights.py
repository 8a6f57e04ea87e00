"""Tensors of a file -> the weights of a network."""

from collections.abc import Mapping

import torch
from torch import Tensor

from glissile.errors import InputError
from glissile.gan.discriminator import Discriminator
from glissile.gan.networks import Generator
from glissile.gan.resample import TAPS

_FILTER = "resample_filter"  # kept in files beside every layer, always the same


def load(network: Generator | Discriminator, tensors: Mapping[str, Tensor]) -> None:
    """Give a network its weights.

    Parameters
    ----------
    network : Generator or Discriminator
        Of the shape that the weights are for.
    tensors : mapping of str to Tensor
        By name, as files hold them; also with the resampling filters, which the network has built in.

    Raises
    ------
    InputError
        If a tensor is missing, left over, of another shape or a filter is another one.
    """
    taps = torch.tensor(TAPS)
    for name, tensor in tensors.items():
        if name.endswith(_FILTER) and not torch.allclose(tensor.float(), taps[:, None] * taps, atol=1e-6):
            raise InputError(
                f"The generator resamples with another filter than [1, 3, 3, 1] ({name}) and is not read; "
                "choose one that was trained with the published settings"
            )
    try:
        network.load_state_dict({k: v for k, v in tensors.items() if not k.endswith(_FILTER)})
    except RuntimeError as problem:
        first = str(problem).split("\n\t")[1:2] or [str(problem)]
        raise InputError(f"The weights do not fit the network: {first[0].strip()}; get the file again") from (
            problem
        )
