"""Work of many small steps on a graphics card, recorded once and replayed as one."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from glissile.device import out_of_memory

# torch asks for some rounds on a stream of their own before work is recorded: libraries set themselves up,
# and cuDNN finds out which of its convolutions are quickest.
_ROUNDS_BEFORE = 3


class Replayed:
    """A function of tensors that is recorded for each of their shapes, and from then on replayed.

    A small network launches about a thousand kernels in a training step, each over sooner than the next can
    be launched: most of the time the card would wait for the processor. A recording (a CUDA graph) launches
    them all at once.

    Parameters
    ----------
    work : callable
        Takes tensors on the card and gives a tensor. Gradients of `parameters` may be among its effects.
    parameters : sequence of Tensor
        Those whose `grad` `work` fills. It has to be None before each call.
    changed : sequence of Tensor
        All else that `work` changes in place.
    """

    def __init__(
        self, work: Callable[..., Tensor], parameters: Sequence[Tensor], changed: Sequence[Tensor]
    ) -> None:
        self._work = work
        self._parameters = parameters
        self._changed = changed
        self._recordings: dict[tuple[torch.Size, ...], _Recording] = {}
        self._plain = False

    def __call__(self, *inputs: Tensor) -> Tensor:
        """Do the work on `inputs`, which may be in pinned memory of the computer; as `work` would.

        The result is overwritten by the next call.
        """
        if self._plain:
            return self._work(*inputs)
        shapes = tuple(tensor.shape for tensor in inputs)
        recording = self._recordings.get(shapes)
        if recording is None:
            try:
                recording = self._recordings[shapes] = self._recorded(inputs)
            except RuntimeError as problem:
                if out_of_memory(problem):
                    raise
                # Not every driver can; slower is better than not at all.
                self._plain = True
                return self._work(*inputs)
        for own, tensor in zip(recording.inputs, inputs, strict=True):
            own.copy_(tensor, non_blocking=True)
        recording.graph.replay()
        for parameter, gradient in zip(self._parameters, recording.gradients, strict=True):
            parameter.grad = gradient
        return recording.result

    def forget(self) -> None:
        """Give up all recordings and the memory that they hold."""
        self._recordings.clear()

    def _recorded(self, inputs: Sequence[Tensor]) -> "_Recording":
        device = self._parameters[0].device
        own = [tensor.to(device) for tensor in inputs]
        before = [tensor.clone() for tensor in self._changed]
        aside = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream(device))
        try:
            with torch.cuda.stream(aside):
                for _ in range(_ROUNDS_BEFORE):
                    self._work(*own)
                    self._without_gradients()
            torch.cuda.current_stream(device).wait_stream(aside)
        finally:
            self._without_gradients()
            with torch.no_grad():
                for tensor, value in zip(self._changed, before, strict=True):
                    tensor.copy_(value)
        graph = torch.cuda.CUDAGraph()
        # Other threads go on preparing what comes next.
        try:
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                result = self._work(*own)
        except BaseException:
            self._without_gradients()
            raise
        gradients = [parameter.grad for parameter in self._parameters]
        self._without_gradients()
        return _Recording(graph, own, result, gradients)

    def _without_gradients(self) -> None:
        for parameter in self._parameters:
            parameter.grad = None


class _Recording:
    """A recording, and the tensors that it reads from and writes to."""

    def __init__(
        self,
        graph: torch.cuda.CUDAGraph,
        inputs: Sequence[Tensor],
        result: Tensor,
        gradients: Sequence[Tensor | None],
    ) -> None:
        self.graph = graph
        self.inputs = inputs
        self.result = result
        self.gradients = gradients
