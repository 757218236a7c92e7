"""Guided backpropagation."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from xairank.attribution.acceleration.differentiation import pytorch_gradients
from xairank.attribution.activations import ACTIVATIONS, operation
from xairank.attribution.engine import AttributionMethod, Explanation
from xairank.attribution.forward_pass import ForwardPass
from xairank.attribution.protocol import Model


class GuidedBackprop(AttributionMethod):
    """The gradient at the image, of which only positive parts pass backwards through activation functions.

    At each activation ``a = f(z)`` the gradient is ``dz = f'(z) * max(da, 0)`` instead of ``f'(z) * da``; for a ReLU
    this is ``1[z > 0] * 1[da > 0] * da`` (Springenberg et al., 2014, "Striving for simplicity: the all convolutional
    net", section 3.4). For SiLU, GELU, Hardswish and others it is the obvious generalisation: their own derivative,
    and positive incoming gradients alone. Gates (sigmoid, tanh, softmax) keep their gradient. The map is the largest
    absolute value over channels, as of :class:`Saliency`.

    It is known to fail the randomisation check: its maps hardly change when the weights do, as it reconstructs the
    image's edges rather than what the model decides (Adebayo et al., "Sanity checks for saliency maps", NeurIPS 2018;
    Nie et al., ICML 2018). It is here because people use it; compare it with the control ``edges``. Cost: 2 forward
    passes an image.
    """

    label = "Guided backpropagation"
    needs_prediction = False

    def obstacle(self, model: Model) -> str:
        """Why the method cannot explain a model: its activation functions are hidden in compiled code."""
        modules: Callable[[], Any] = getattr(getattr(model, "plain", model), "modules", list)
        if any(isinstance(module, torch.jit.ScriptModule) for module in modules()):
            return "changes how activation functions are differentiated, and those of compiled layers are out of reach"
        return super().obstacle(model)

    def attribute(self, forward: ForwardPass) -> Explanation:
        """Maps (B, H, W)."""
        with _Guided(), pytorch_gradients():
            gradients = forward.prefix_gradients(forward.prefix, forward.targets)
        return forward.to_input(gradients).abs().amax(dim=1), {}


class _Guided(TorchFunctionMode):
    """While it is entered, negative gradients are stopped at the output of each activation function that is called."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        output = func(*args, **(kwargs or {}))
        name = operation(getattr(func, "__name__", ""))
        if name in ACTIVATIONS and isinstance(output, Tensor) and output.requires_grad:
            output.register_hook(lambda gradient: gradient.clamp(min=0))  # it is gone when the graph is
        return output
