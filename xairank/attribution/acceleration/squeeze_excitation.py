"""Squeeze-and-excitation with fewer passes over the feature map on the way back, and its gradient by hand."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torchvision.ops import SqueezeExcitation as TorchvisionSqueezeExcitation

from xairank.attribution.acceleration.differentiation import uses_own_gradient

try:  # private to timm: where a version of it has another place for it, its own squeeze-and-excitation runs
    from timm.models._efficientnet_blocks import SqueezeExcite
except ImportError:
    SqueezeExcite = None  # type: ignore[assignment,misc]

_aten = torch.ops.aten
# The gradients of what may stand in a squeeze-and-excitation, from the gradient of its output and its input.
_GRADIENTS: dict[type, Callable[[Tensor, Tensor], Tensor]] = {
    nn.SiLU: _aten.silu_backward,
    nn.ReLU: lambda gradient, inputs: _aten.threshold_backward(gradient, inputs, 0),
    nn.Hardsigmoid: _aten.hardsigmoid_backward,
    nn.Hardswish: _aten.hardswish_backward,
    nn.Sigmoid: lambda gradient, inputs: _aten.sigmoid_backward(gradient, inputs.sigmoid()),
}


class SqueezeExcitation(nn.Module):
    """``x * gate(mean(x))``, channel by channel (Hu et al., CVPR 2018).

    Args:
        original: One of timm's or torchvision's that :meth:`replaces`; its layers are shared.
    """

    def __init__(self, original: nn.Module) -> None:
        super().__init__()
        reduce, activation, expand, gate = _parts(original)
        # Functions of the same kind, but not in place: their inputs are read again on the way back.
        self.reduce, self.activation = _as_linear(reduce), type(activation)()
        self.expand, self.gate = _as_linear(expand), type(gate)()

    @staticmethod
    def replaces(module: nn.Module) -> bool:
        """Whether a module is of the kind that this one computes."""
        _, activation, _, gate = _parts(module)
        return {type(activation), type(gate)} <= set(_GRADIENTS)

    def forward(self, features: Tensor) -> Tensor:
        """Feature map (B, C, h, w) -> the same shape."""
        if not uses_own_gradient(features):
            return features * Gates(self, features).factors
        outputs: Tensor = _Gate.apply(features, self)
        return outputs


class Gates:
    """What a squeeze-and-excitation multiplies a feature map with.

    With gates s(m), m the mean of x over n pixels: d/dx = s * g + s'(m)^T (sum of g * x) / n.
    """

    def __init__(self, excitation: SqueezeExcitation, features: Tensor) -> None:
        self.excitation = excitation
        self.n_pixels = features.shape[2] * features.shape[3]
        self.hidden = excitation.reduce(features.mean(dim=(2, 3)))
        self.logits = excitation.expand(excitation.activation(self.hidden))
        self.values: Tensor = excitation.gate(self.logits)

    @property
    def factors(self) -> Tensor:
        """(B, C, 1, 1)."""
        return self.values[..., None, None]

    def pixel_gradient(self, of_logits: Tensor) -> Tensor:
        """The gradients of the gates' logits (B, C) -> the second term of that of the feature map, (B, C)."""
        layer = self.excitation
        of_hidden = _GRADIENTS[type(layer.activation)](of_logits @ layer.expand.weight, self.hidden)
        return of_hidden @ layer.reduce.weight / self.n_pixels


class _Gate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, excitation: SqueezeExcitation) -> Tensor:  # noqa: ANN401
        ctx.save_for_backward(features)
        ctx.gates = Gates(excitation, features)
        return features * ctx.gates.factors

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        (features,) = ctx.saved_tensors
        products = gradient * features
        of_logits = _GRADIENTS[type(ctx.gates.excitation.gate)](products.sum(dim=(2, 3)), ctx.gates.logits)
        of_pixels = ctx.gates.pixel_gradient(of_logits)[..., None, None]
        return torch.addcmul(of_pixels, gradient, ctx.gates.factors, out=products), None


def _parts(module: nn.Module) -> tuple[Any, ...]:
    """The convolution that reduces, its activation, the convolution that expands, and its gate; else four times None.

    Of these classes alone: a subclass may compute something else.
    """
    if SqueezeExcite is not None and type(module) is SqueezeExcite:
        return module.conv_reduce, module.act1, module.conv_expand, module.gate
    if type(module) is TorchvisionSqueezeExcitation:
        return module.fc1, module.activation, module.fc2, module.scale_activation
    return (None,) * 4


def _as_linear(pointwise: nn.Conv2d) -> nn.Linear:
    """A 1 x 1 convolution for a single pixel, which is faster as a product than as a convolution."""
    linear = nn.Linear(pointwise.in_channels, pointwise.out_channels, bias=pointwise.bias is not None)
    linear.weight = nn.Parameter(pointwise.weight.flatten(1), requires_grad=False)
    if pointwise.bias is not None:
        linear.bias = nn.Parameter(pointwise.bias, requires_grad=False)
    return linear
