"""Convolution by 3 x 3 pixels with 16 products in place of 36: Winograd's F(2 x 2, 3 x 3).

After Lavin and Gray 2016, "Fast algorithms for convolutional neural networks" (arXiv 1509.09308); g, _points
and _sums are their G, B and A. Pays where a product of matrices takes much longer than the sums around it.
"""

import torch
from torch import Tensor

_CHUNK_BYTES = 8 << 20  # of transformed maps in hand at once


def pays(channels: int, resolution: int, dtype: torch.dtype) -> bool:
    """Whether it is quicker than the plain convolution, on maps of so many channels."""
    return channels >= (512 if dtype == torch.float32 else 256) and resolution >= 16


class Winograd:
    """A convolution whose weights stay the same, in memory that is taken once.

    Parameters
    ----------
    weight : Tensor, shape (outputs, inputs, 3, 3)
        As of `conv2d`.
    dtype : torch.dtype
        Of the maps.
    resolution : int
        Rows and columns of the maps; even.
    """

    def __init__(self, weight: Tensor, dtype: torch.dtype, resolution: int) -> None:
        g = torch.tensor([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])
        transformed = torch.einsum("ay,oiyx,bx->baio", g, weight, g)
        inputs, outputs = transformed.shape[2:]
        self._weight = transformed.reshape(16, inputs, outputs).to(dtype)
        across = resolution // 2
        self._high = max(1, _CHUNK_BYTES // (16 * across * max(inputs, outputs) * dtype.itemsize))
        self._high = min(self._high, across)
        self._padded = torch.zeros(resolution + 2, resolution + 2, inputs, dtype=dtype)
        self._rows = torch.empty(4, self._high, resolution + 2, inputs, dtype=dtype)
        self._points = torch.empty(4, 4, self._high, across, inputs, dtype=dtype)
        self._products = torch.empty(4, 4, self._high, across, outputs, dtype=dtype)
        self._columns = torch.empty(2, 4, self._high, across, outputs, dtype=dtype)

    def __call__(self, x: Tensor) -> Tensor:
        """Convolve rows, zero beyond their ends.

        Parameters
        ----------
        x : Tensor, shape (1, inputs, y + 2, x)
            Channels-last; the rows before and after those of the result come along. y is even and at most
            the resolution, which x is.

        Returns
        -------
        Tensor, shape (1, outputs, y, x)
            Channels-last.
        """
        height, width = x.shape[2] - 2, x.shape[3]
        outputs = self._weight.shape[2]
        padded = self._padded[: height + 2]
        padded[:, 1:-1] = x[0].permute(1, 2, 0)
        found = x.new_empty(height // 2, 2, width // 2, 2, outputs)
        for first in range(0, height // 2, self._high):
            end = min(first + self._high, height // 2)
            self._squares(padded[2 * first : 2 * end + 2], found[first:end])
        return found.view(1, height, width, outputs).permute(0, 3, 1, 2)

    def _squares(self, padded: Tensor, out: Tensor) -> None:
        """Make `out` (y / 2, 2, x / 2, 2, outputs) of `padded` (y + 2, x + 2, inputs)."""
        high, across = len(out), out.shape[2]
        rows, points = self._rows[:, :high], self._points[:, :, :high]
        products, columns = self._products[:, :, :high], self._columns[:, :, :high]
        _points(padded, 0, rows)
        _points(rows, 2, points)
        if high == self._high:
            flat = products.view(16, high * across, -1)
            torch.bmm(points.view(16, high * across, -1), self._weight, out=flat)
        else:
            flat = torch.bmm(points.reshape(16, high * across, -1), self._weight)
            products = flat.view(4, 4, high, across, -1)
        _sums(products, columns[0], columns[1])
        for i, column in enumerate(columns):
            _sums(column, out[:, 0, :, i], out[:, 1, :, i])


def _points(x: Tensor, axis: int, out: Tensor) -> None:
    """Combine every four entries along an axis, which overlap by two, to four on the first axis of `out`."""
    every = (slice(None),) * axis
    even, odd = x[(*every, slice(0, None, 2))], x[(*every, slice(1, None, 2))]
    count = even.shape[axis] - 1
    first, third = even.narrow(axis, 0, count), even.narrow(axis, 1, count)
    second, fourth = odd.narrow(axis, 0, count), odd.narrow(axis, 1, count)
    torch.sub(first, third, out=out[0])
    torch.add(second, third, out=out[1])
    torch.sub(third, second, out=out[2])
    torch.sub(second, fourth, out=out[3])


def _sums(products: Tensor, out: Tensor, beside: Tensor) -> None:
    """Add up four products on the first axis to two pixels."""
    first, second, third, fourth = products
    torch.add(first, second, out=out).add_(third)
    torch.sub(second, third, out=beside).sub_(fourth)
