"""Layers whose gradient, wanted for their input alone, takes less time and memory than PyTorch's.

Each computes what its original computes, and may be differentiated once, not twice.
"""

from typing import Any

import torch
from timm.models._efficientnet_blocks import SqueezeExcite
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from xairank.attribution.silu import Kernel, compiled_kernel


class Convolution(nn.Module):
    """A convolution that does not keep its input, which only the gradient of its weights would need.

    Args:
        original: Its weights are shared.
    """

    def __init__(self, original: nn.Conv2d) -> None:
        super().__init__()
        self.original = original

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, c, y, x) -> (B, C, h, w)."""
        as_it_is = not _differentiated(inputs) or self.original.padding_mode != "zeros"
        if as_it_is or isinstance(self.original.padding, str):
            outputs: Tensor = self.original(inputs)
        else:
            outputs = _Convolve.apply(inputs, self.original)
        return outputs


class _Convolve(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, inputs: Tensor, original: nn.Conv2d) -> Tensor:  # noqa: ANN401
        ctx.original, ctx.shape, ctx.strides = original, inputs.shape, inputs.stride()
        outputs: Tensor = original(inputs)
        return outputs

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        layer = ctx.original
        stand_in = gradient.new_empty_strided(ctx.shape, ctx.strides)  # of the input only shape and layout are read
        geometry = (layer.stride, layer.padding, layer.dilation, False, (0, 0), layer.groups)
        wanted = (True, False, False)
        return torch.ops.aten.convolution_backward(gradient, stand_in, layer.weight, None, *geometry, wanted)[0], None


class SiLU(nn.Module):
    """``x * sigmoid(x)`` (Elfwing et al., 2018), whose derivative is computed along with its value."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Any shape -> the same shape."""
        dense = inputs.is_contiguous() or inputs.is_contiguous(memory_format=torch.channels_last)
        fits = inputs.device.type == "cpu" and inputs.dtype == torch.float32 and dense
        kernel = compiled_kernel() if fits and _differentiated(inputs) else None
        outputs: Tensor = _ValueAndDerivative.apply(inputs, kernel) if kernel else functional.silu(inputs)
        return outputs


class _ValueAndDerivative(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, inputs: Tensor, kernel: Kernel) -> Tensor:  # noqa: ANN401
        value, derivative = kernel(inputs)
        ctx.save_for_backward(derivative)
        return value

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        (derivative,) = ctx.saved_tensors
        return gradient * derivative, None


class SqueezeExcitation(nn.Module):
    """``x * gate(mean(x))``, channel by channel (Hu et al., CVPR 2018), with fewer passes over x on the way back.

    Args:
        original: timm's module; its layers are shared.
    """

    def __init__(self, original: SqueezeExcite) -> None:
        super().__init__()
        self.gate = nn.Sequential(original.conv_reduce, original.act1, original.conv_expand, original.gate)

    def forward(self, features: Tensor) -> Tensor:
        """Feature map (B, C, h, w) -> the same shape."""
        if not _differentiated(features):
            return features * self.gate(_mean(features))
        outputs: Tensor = _Gated.apply(features, self.gate)
        return outputs


class _Gated(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, gate: nn.Module) -> Tensor:  # noqa: ANN401
        with torch.enable_grad():  # a small graph of its own, from the means to the gates
            ctx.means = _mean(features).detach().requires_grad_()
            ctx.gates = gate(ctx.means)
        ctx.save_for_backward(features)
        return features * ctx.gates.detach()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        """With gates s(m), m the mean of x over n pixels: d/dx = s * g + s'(m)^T (sum of g * x) / n."""
        (features,) = ctx.saved_tensors
        products = gradient * features
        of_gates = products.sum(dim=(2, 3), keepdim=True)
        (of_means,) = torch.autograd.grad(ctx.gates, ctx.means, of_gates, retain_graph=True)
        n_pixels = features.shape[2] * features.shape[3]
        return torch.addcmul(of_means / n_pixels, gradient, ctx.gates.detach(), out=products), None


def _mean(features: Tensor) -> Tensor:
    return features.mean(dim=(2, 3), keepdim=True)


def _differentiated(inputs: Tensor) -> bool:
    return inputs.requires_grad and torch.is_grad_enabled()
