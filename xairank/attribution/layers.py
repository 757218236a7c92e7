"""Layers whose gradient, wanted for their input alone, takes less time and memory than PyTorch's.

Each computes what its original computes, and may be differentiated once, not twice.
"""

from typing import Any, cast

import torch
from timm.models._efficientnet_blocks import SqueezeExcite
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from xairank.attribution.silu import Kernel, compiled_kernel

FEW_PIXELS = 14 * 14  # of a feature map


class Convolution(nn.Module):
    """A convolution, and SiLU behind it, that keeps neither its input nor its output for the way back.

    The gradient of the weights would need the input; that of SiLU needs its derivative, computed along with its value.

    Args:
        original: Its weights are shared.
        activated: Whether SiLU follows: ``x * sigmoid(x)`` (Elfwing et al., 2018).
    """

    def __init__(self, original: nn.Conv2d, *, activated: bool = False) -> None:
        super().__init__()
        self.original = original
        self.activated = activated

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, c, y, x) -> (B, C, h, w)."""
        on_cpu = inputs.device.type == "cpu" and inputs.dtype == torch.float32
        kernel = compiled_kernel() if self.activated and on_cpu and _differentiated(inputs) else None
        plain_padding = self.original.padding_mode == "zeros" and not isinstance(self.original.padding, str)
        if not (_differentiated(inputs) and plain_padding):
            outputs: Tensor = self.original(inputs)
        elif kernel:
            return cast(Tensor, _Convolve.apply(inputs, self.original, kernel))
        else:
            outputs = _Convolve.apply(inputs, self.original, None)
        return functional.silu(outputs) if self.activated else outputs


class _Convolve(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, inputs: Tensor, original: nn.Conv2d, kernel: Kernel | None) -> Tensor:  # noqa: ANN401
        ctx.original, ctx.shape, ctx.strides = original, inputs.shape, inputs.stride()
        ctx.weights = original.weight.flatten(1) if _is_small_product(original, inputs) else None
        if ctx.weights is None:
            outputs: Tensor = original(inputs)
        else:
            outputs = functional.linear(inputs.permute(0, 2, 3, 1), ctx.weights, original.bias).permute(0, 3, 1, 2)
        if kernel is None:
            return outputs
        value = torch.empty_like(outputs)
        kernel(outputs, value, outputs)  # its derivative takes the place of what nobody reads any more
        ctx.save_for_backward(outputs)
        return value

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN401
        for derivative in ctx.saved_tensors:
            gradient = gradient * derivative
        if ctx.weights is not None:
            return (gradient.permute(0, 2, 3, 1) @ ctx.weights).permute(0, 3, 1, 2), None, None
        layer = ctx.original
        stand_in = gradient.new_empty_strided(ctx.shape, ctx.strides)  # of the input only shape and layout are read
        geometry = (layer.stride, layer.padding, layer.dilation, False, (0, 0), layer.groups)
        wanted = (True, False, False)
        result = torch.ops.aten.convolution_backward(gradient, stand_in, layer.weight, None, *geometry, wanted)
        return result[0], None, None


def _is_small_product(layer: nn.Conv2d, inputs: Tensor) -> bool:
    """Whether a layer mixes the channels of few pixels, which CPUs do sooner as a product than as a convolution."""
    pointwise = layer.kernel_size == layer.stride == (1, 1) and layer.groups == 1 and layer.padding == (0, 0)
    few = inputs.device.type == "cpu" and inputs.shape[2] * inputs.shape[3] <= FEW_PIXELS
    return pointwise and few and inputs.is_contiguous(memory_format=torch.channels_last)


class SqueezeExcitation(nn.Module):
    """``x * gate(mean(x))``, channel by channel (Hu et al., CVPR 2018), with fewer passes over x on the way back.

    Args:
        original: timm's module; its layers are shared.
    """

    def __init__(self, original: SqueezeExcite) -> None:
        super().__init__()
        layers = _as_linear(original.conv_reduce), original.act1, _as_linear(original.conv_expand), original.gate
        self.gate = nn.Sequential(*layers)

    def forward(self, features: Tensor) -> Tensor:
        """Feature map (B, C, h, w) -> the same shape."""
        if not _differentiated(features):
            return features * self.gate(features.mean(dim=(2, 3)))[..., None, None]
        outputs: Tensor = _Gated.apply(features, self.gate)
        return outputs


class _Gated(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, gate: nn.Module) -> Tensor:  # noqa: ANN401
        with torch.enable_grad():  # a small graph of its own, from the means to the gates
            ctx.means = features.mean(dim=(2, 3)).requires_grad_()
            ctx.gates = gate(ctx.means)
        ctx.save_for_backward(features)
        return features * ctx.gates.detach()[..., None, None]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        """With gates s(m), m the mean of x over n pixels: d/dx = s * g + s'(m)^T (sum of g * x) / n."""
        (features,) = ctx.saved_tensors
        products = gradient * features
        (of_means,) = torch.autograd.grad(ctx.gates, ctx.means, products.sum(dim=(2, 3)), retain_graph=True)
        of_pixels = of_means[..., None, None] / (features.shape[2] * features.shape[3])
        return torch.addcmul(of_pixels, gradient, ctx.gates.detach()[..., None, None], out=products), None


def _as_linear(pointwise: nn.Conv2d) -> nn.Linear:
    """A 1 x 1 convolution for a single pixel, which is sooner multiplied than convolved."""
    linear = nn.Linear(pointwise.in_channels, pointwise.out_channels, bias=pointwise.bias is not None)
    linear.weight = nn.Parameter(pointwise.weight.flatten(1), requires_grad=False)
    if pointwise.bias is not None:
        linear.bias = nn.Parameter(pointwise.bias, requires_grad=False)
    return linear


def _differentiated(inputs: Tensor) -> bool:
    return inputs.requires_grad and torch.is_grad_enabled()
