"""The rules of layer-wise relevance propagation, as layers whose gradient is changed and whose output is not.

Relevance is kept as a factor: ``R(x) = x * c(x)``, where ``c`` is what travels backwards. Of a layer without a rule it
is the gradient, so that sums, means, concatenations and poolings share relevance in proportion by themselves. A rule
multiplies the factor at its output, which is the usual ``R(y) / denominator`` as ``y / denominator * c(y)``.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

# Inputs, weight, bias -> outputs.
Linear = Callable[[Tensor, Tensor, Tensor | None], Tensor]


def epsilon_rule(outputs: Tensor, epsilon: float) -> Tensor:
    """``R(x_j) = sum_k x_j w_jk / (y_k + epsilon sign(y_k)) R(y_k)`` (Bach et al., PLOS ONE 2015, Eq. 58).

    Args:
        outputs: Those of a linear layer, ``y_k = sum_j x_j w_jk + b_k``.
        epsilon: At least 0.
    """
    values = outputs.detach()
    return _carried(values, (_share(values, values, epsilon), outputs))


def gamma_rule(
    linear: Linear, inputs: Tensor, weight: Tensor, bias: Tensor | None, gamma: float, epsilon: float
) -> Tensor:
    """Contributions of the sign of the output count ``1 + gamma`` times.

    ``R(x_j) = sum_k z_jk / (sum_i z_ik) R(y_k)``, ``z_jk = x_j w_jk + gamma max(x_j w_jk, 0)`` for ``y_k > 0``, with a
    minimum for ``y_k < 0`` (Montavon et al., 2019, Eq. 10.5, generalised to inputs of either sign by Andéol et al.,
    2021); biases are contributions too. With ``gamma=0`` it is the epsilon rule.

    Args:
        linear: The layer as a function of its inputs, weight and bias.
        inputs: Of the layer.
        weight: Its weight.
        bias: Its bias, if any.
        gamma: At least 0.
        epsilon: Added to the denominator, with its sign.

    Returns:
        The layer's outputs.
    """
    outputs = linear(inputs, weight, bias)
    if gamma == 0:
        return epsilon_rule(outputs, epsilon)
    positive = _positive_contributions(linear, inputs, weight, bias)
    values, sign = outputs.detach(), torch.where(outputs > 0, 1.0, -1.0).to(outputs)
    # The negative contributions are the output minus the positive ones.
    extra = torch.where(values > 0, positive.detach(), values - positive.detach())
    share = _share(values, values + gamma * extra, epsilon)
    own = torch.where(values > 0, share, (1 + gamma) * share)
    return _carried(values, (own, outputs), (gamma * sign * share, positive))


def pass_rule(inputs: Tensor, outputs: Tensor) -> Tensor:
    """``R(x) = R(y)`` through an activation function ``y = f(x)`` (Bach et al., 2015, section 2.5)."""
    return _carried(outputs.detach(), (_share(outputs.detach(), inputs.detach(), 0.0), inputs))


def _positive_contributions(linear: Linear, inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """``sum_j max(x_j w_jk, 0) + max(b_k, 0)``."""
    above = weight.clamp(min=0), None if bias is None else bias.clamp(min=0)
    if not bool((inputs < 0).any()):
        return linear(inputs, *above)
    return linear(inputs.clamp(min=0), *above) + linear(inputs.clamp(max=0), weight.clamp(max=0), None)


def _share(values: Tensor, denominators: Tensor, epsilon: float) -> Tensor:
    """``values / (denominators + epsilon sign)``, the sign of zero being positive; 0 where that is 0."""
    stabilized = denominators + torch.where(denominators >= 0, epsilon, -epsilon).to(denominators)
    return torch.where(stabilized == 0, torch.zeros_like(values), values / stabilized)


def _carried(values: Tensor, *factors: tuple[Tensor, Tensor]) -> Tensor:
    """The values, with a gradient that goes, times a factor, to each of some tensors: (factor, tensor)."""
    carried: Tensor = _Carried.apply(values, *(part for pair in factors for part in pair))
    return carried


class _Carried(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, *factors: Tensor) -> Tensor:  # noqa: ANN401
        ctx.save_for_backward(*factors[::2])
        return values.view_as(values)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        parts: list[Tensor | None] = [None]
        for factor in ctx.saved_tensors:
            parts += [None, factor * gradients[0]]
        return tuple(parts)
