"""Convolutions of 3 x 3 pixels as a generator needs them, their weights laid out once for the processor.

oneDNN, which torch convolves with on x86 processors, wants weights in an order of its own and sorts them anew
in each call. For small maps of many channels this takes longer than the convolution. The operators that take
sorted weights are those that torch.compile generates calls of; where they are missing or do not give what
the plain ones give, the plain ones are used.
"""

import functools

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

_ALONG_X = (0, 1)  # padding of a convolution along (y, x)
_NO_ENDS = (1, 0)  # of a transposed one: what only one of two rows contributes to is cut off


def convolved(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Convolve rows, zero beyond their ends.

    Parameters
    ----------
    x : Tensor, shape (1, inputs, y + 2, x)
        The rows before and after those of the result come along.
    weight : Tensor, shape (outputs, inputs, 3, 3)
        As of `conv2d`.
    bias : Tensor, shape (outputs,), optional

    Returns
    -------
    Tensor, shape (1, outputs, y, x)
    """
    return F.conv2d(x, weight, bias, padding=_ALONG_X)


def doubled(x: Tensor, weight: Tensor) -> Tensor:
    """Convolve to twice as many rows and columns, before the low-pass filter.

    Parameters
    ----------
    x : Tensor, shape (1, inputs, y + 2, x)
        The rows before and after come along.
    weight : Tensor, shape (inputs, outputs, 3, 3)
        As of `conv_transpose2d`.

    Returns
    -------
    Tensor, shape (1, outputs, 2 y + 3, 2 x + 1)
        From one row before the first doubled one to two after the last.
    """
    return F.conv_transpose2d(x, weight, stride=2, padding=_NO_ENDS)


class Packed:
    """A convolution, or a doubling one, whose weights stay the same.

    Parameters
    ----------
    weight : Tensor, shape (outputs, inputs, 3, 3)
        Of the type of the maps.
    up : bool
        Whether it is `doubled` that is called, or `convolved` without a bias.
    size : tuple of int
        Rows and columns of the maps that are given.
    """

    def __init__(self, weight: Tensor, *, up: bool, size: tuple[int, int]) -> None:
        self._up, self._sorts = up, sorts(weight.dtype)
        self._weight = (weight.transpose(0, 1) if up else weight).contiguous()
        if self._sorts:
            self._weight = _sort(self._weight, up=up, shape=(1, weight.shape[1], *size))

    def __call__(self, x: Tensor) -> Tensor:
        """Convolve x (1, inputs, y + 2, x); see `convolved` and `doubled`."""
        if self._sorts:
            return _call(x, self._weight, up=self._up)
        return doubled(x, self._weight) if self._up else convolved(x, self._weight)


@functools.cache
def sorts(dtype: torch.dtype) -> bool:
    """Whether weights of a type can be sorted beforehand here."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    # Whole numbers, which every order of summation adds up to the same.
    numbers = torch.arange(16 * 16 * 9) * 7 % 5 - 2
    weight = numbers.reshape(16, 16, 3, 3).to(dtype)
    x = (torch.arange(16 * 6 * 4) % 3).reshape(1, 16, 6, 4).to(dtype)
    x = x.contiguous(memory_format=torch.channels_last)
    try:
        return torch.equal(
            _call(x, _sort(weight, up=False, shape=x.shape), up=False), convolved(x, weight)
        ) and torch.equal(_call(x, _sort(weight, up=True, shape=x.shape), up=True), doubled(x, weight))
    except (AttributeError, RuntimeError, TypeError, NotImplementedError):
        return False


def _sort(weight: Tensor, *, up: bool, shape: tuple[int, ...]) -> Tensor:
    operators = torch.ops.mkldnn
    found: Tensor
    if up:
        found = operators._reorder_convolution_transpose_weight(  # noqa: SLF001
            weight, _NO_ENDS, (0, 0), (2, 2), (1, 1), 1, shape
        )
    else:
        found = operators._reorder_convolution_weight(  # noqa: SLF001
            weight, _ALONG_X, (1, 1), (1, 1), 1, shape
        )
    return found


def _call(x: Tensor, weight: Tensor, *, up: bool) -> Tensor:
    operators = torch.ops.mkldnn
    found: Tensor
    if up:
        found = operators._convolution_transpose_pointwise(  # noqa: SLF001
            x, weight, None, _NO_ENDS, (0, 0), (2, 2), (1, 1), 1, "none", [], ""
        )
    else:
        found = operators._convolution_pointwise(  # noqa: SLF001
            x, weight, None, _ALONG_X, (1, 1), (1, 1), 1, "none", [], ""
        )
    return found
