"""Squeeze-and-excitation whose gradient passes over the feature map less often."""

from typing import Any

import torch
from timm.models._efficientnet_blocks import SqueezeExcite
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class SqueezeExcitation(nn.Module):
    """``x * gate(mean(x))``, channel by channel (Hu et al., CVPR 2018); differentiable once, in its input alone.

    Args:
        original: timm's module, whose layers are shared.
    """

    def __init__(self, original: SqueezeExcite) -> None:
        super().__init__()
        self.gate = nn.Sequential(original.conv_reduce, original.act1, original.conv_expand, original.gate)

    def forward(self, features: Tensor) -> Tensor:
        """Feature map (B, C, h, w) -> the same shape."""
        if features.requires_grad and torch.is_grad_enabled():
            outputs: Tensor = _Gated.apply(features, self.gate)
            return outputs
        return features * self.gate(_squeezed(features))


class _Gated(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, gate: nn.Module) -> Tensor:  # noqa: ANN401
        with torch.enable_grad():  # a small graph of its own, from the means to the gates
            ctx.squeezed = _squeezed(features).requires_grad_()
            ctx.gates = gate(ctx.squeezed)
        ctx.save_for_backward(features)
        return features * ctx.gates.detach()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        """With gates s(m), m the mean of x over n pixels: d/dx = s * g + s'(m)^T (sum of g * x) / n."""
        (features,) = ctx.saved_tensors
        products = gradient * features
        of_gates = products.sum(dim=(2, 3), keepdim=True)
        (of_means,) = torch.autograd.grad(ctx.gates, ctx.squeezed, of_gates, retain_graph=True)
        n_pixels = features.shape[2] * features.shape[3]
        return torch.addcmul(of_means / n_pixels, gradient, ctx.gates.detach(), out=products), None


def _squeezed(features: Tensor) -> Tensor:
    return features.mean(dim=(2, 3), keepdim=True).detach()
