"""Convolutions and SiLU whose gradient, wanted for their input alone, takes less time and memory than PyTorch's.

Each computes what its original computes, and may be differentiated once, not twice.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from xairank.attribution.acceleration.differentiation import uses_own_gradient
from xairank.attribution.acceleration.kernels import Kernels, compiled_kernels
from xairank.attribution.acceleration.squeeze_excitation import Gates, SqueezeExcitation

FEW_PIXELS = 14 * 14  # of a feature map
_kernels_are_wanted = ContextVar("_kernels_are_wanted", default=True)


@contextmanager
def without_kernels() -> Iterator[None]:
    """Lets PyTorch's own functions compute what the compiled kernels would, so that the two can be compared."""
    token = _kernels_are_wanted.set(False)
    try:
        yield
    finally:
        _kernels_are_wanted.reset(token)


class Convolution(nn.Module):
    """A convolution, and what alone reads it, that keeps as little as possible for the way back.

    The gradient of the weights would need the input, which is not kept; that of SiLU needs its derivative, which is
    computed along with its value and takes the place of the convolution's output.

    Args:
        original: Its weights are shared.
        activated: Whether SiLU follows: ``x * sigmoid(x)`` (Elfwing et al., 2018).
        excitation: What follows SiLU, if it does; its gate is a sigmoid.
    """

    def __init__(
        self, original: nn.Conv2d, *, activated: bool = False, excitation: SqueezeExcitation | None = None
    ) -> None:
        super().__init__()
        self.original, self.activated, self.excitation = original, activated, excitation
        self.flipped: Tensor | None
        self.register_buffer("flipped", original.weight.flip(2, 3) if _is_transposed_by_flipping(original) else None)

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, c, y, x) -> (B, C, h, w)."""
        if not (uses_own_gradient(inputs) and _pads_by_zeros(self.original)):
            return self._rest(self.original(inputs))
        kernels = _kernels_for(inputs) if self.activated else None
        outputs: Tensor = _Convolve.apply(inputs, self, kernels)
        return outputs if kernels else self._rest(outputs)

    def _rest(self, outputs: Tensor) -> Tensor:
        outputs = functional.silu(outputs) if self.activated else outputs
        return self.excitation(outputs) if self.excitation else outputs


class SiLU(nn.Module):
    """``x * sigmoid(x)`` (Elfwing et al., 2018), by the compiled kernel where it can serve."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Any shape -> the same shape."""
        kernels = _kernels_for(inputs) if inputs.dim() == 4 and uses_own_gradient(inputs) else None
        return cast(Tensor, _Activate.apply(inputs, kernels)) if kernels else functional.silu(inputs)


class _Convolve(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, inputs: Tensor, layer: Convolution, kernels: Kernels | None) -> Tensor:  # noqa: ANN401
        original = layer.original
        ctx.layer, ctx.size = layer, inputs.shape[2:]
        ctx.weights = original.weight.flatten(1) if _is_small_product(original, inputs) else None
        if ctx.weights is None:
            outputs: Tensor = original(inputs)
        else:
            outputs = functional.linear(inputs.permute(0, 2, 3, 1), ctx.weights, original.bias).permute(0, 3, 1, 2)
        if kernels is None:
            return outputs
        outputs = outputs.contiguous(memory_format=torch.channels_last)
        return _activated(ctx, kernels, outputs, outputs, layer.excitation)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN401
        if ctx.saved_tensors:
            gradient = _activation_gradient(ctx, gradient)
        if ctx.weights is not None:
            return (gradient.permute(0, 2, 3, 1) @ ctx.weights).permute(0, 3, 1, 2), None, None
        return _transposed(ctx.layer, gradient, ctx.size), None, None


class _Activate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, inputs: Tensor, kernels: Kernels) -> Tensor:  # noqa: ANN401
        inputs = inputs.contiguous(memory_format=torch.channels_last)
        return _activated(ctx, kernels, inputs, torch.empty_like(inputs))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        return _activation_gradient(ctx, gradient), None


def _activated(
    ctx: Any,  # noqa: ANN401
    kernels: Kernels,
    inputs: Tensor,
    derivative: Tensor,
    excitation: SqueezeExcitation | None = None,
) -> Tensor:
    """SiLU, and the excitation where there is one; the derivative is written, and may take the inputs' place."""
    features = kernels.silu(inputs, derivative)
    ctx.kernels = kernels
    if excitation is None:
        ctx.save_for_backward(derivative)
        return features
    ctx.gates = Gates(excitation, features)
    gated = features.mul_(ctx.gates.factors)
    ctx.save_for_backward(derivative, gated)
    return gated


def _activation_gradient(ctx: Any, gradient: Tensor) -> Tensor:  # noqa: ANN401
    derivative, *gated = ctx.saved_tensors
    result = torch.empty_like(derivative) if _graph_is_kept() else derivative
    if not gated:
        return torch.mul(gradient, derivative, out=result)
    gradient = gradient.contiguous(memory_format=torch.channels_last)
    # The gradient of the gates s is the sum of g * x, their derivative s * (1 - s), and the gated map holds s * x.
    of_logits = ctx.kernels.sum_of_products(gradient, *gated) * (1 - ctx.gates.values)
    of_pixels = ctx.gates.pixel_gradient(of_logits)
    return cast(Tensor, ctx.kernels.chain(gradient, ctx.gates.values, of_pixels, derivative, result))


def _transposed(layer: Convolution, gradient: Tensor, size: torch.Size) -> Tensor:
    """The gradient of a convolution's input, (y, x) = size: the transposed convolution of that of its output."""
    original = layer.original
    padding = cast(tuple[int, ...], original.padding)
    if layer.flipped is not None and gradient.device.type == "cpu":
        padding = tuple(_beyond(original))
        return functional.conv2d(gradient, layer.flipped, None, 1, padding, original.dilation, original.groups)
    geometry = zip(size, padding, original.dilation, original.kernel_size, original.stride, strict=True)
    unread = [(pixels + 2 * pad - gap * (kernel - 1) - 1) % stride for pixels, pad, gap, kernel, stride in geometry]
    arguments = original.weight, None, original.stride, padding, unread, original.groups, original.dilation
    return functional.conv_transpose2d(gradient, *arguments)


def _is_transposed_by_flipping(layer: nn.Conv2d) -> bool:
    """Whether a convolution with flipped weights is the transposed one: CPUs do it in up to half the time."""
    depthwise = layer.groups == layer.in_channels == layer.out_channels and layer.stride == (1, 1)
    return depthwise and _pads_by_zeros(layer) and min(_beyond(layer)) >= 0


def _beyond(layer: nn.Conv2d) -> list[int]:
    """By how many pixels the kernel reaches beyond the padded image: the padding of its transpose."""
    geometry = zip(layer.kernel_size, layer.dilation, cast(tuple[int, ...], layer.padding), strict=True)
    return [gap * (kernel - 1) - pad for kernel, gap, pad in geometry]


def _pads_by_zeros(layer: nn.Conv2d) -> bool:
    return layer.padding_mode == "zeros" and not isinstance(layer.padding, str)


def _is_small_product(layer: nn.Conv2d, inputs: Tensor) -> bool:
    """Whether a layer mixes the channels of few pixels, which CPUs do faster as a product than as a convolution."""
    pointwise = layer.kernel_size == layer.stride == (1, 1) and layer.groups == 1 and layer.padding == (0, 0)
    few = inputs.device.type == "cpu" and inputs.shape[2] * inputs.shape[3] <= FEW_PIXELS
    return pointwise and few and inputs.is_contiguous(memory_format=torch.channels_last)


def _kernels_for(inputs: Tensor) -> Kernels | None:
    suited = inputs.device.type == "cpu" and inputs.dtype == torch.float32
    return compiled_kernels() if suited and _kernels_are_wanted.get() else None


def _graph_is_kept() -> bool:
    """Whether this backward pass may not be the last, so that nothing it reads may be overwritten."""
    is_kept: Callable[[], bool] = getattr(torch._C._autograd, "_get_current_graph_task_keep_graph", lambda: True)
    return is_kept()
