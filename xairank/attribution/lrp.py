"""Layer-wise relevance propagation."""

import operator
from typing import Any, cast
from weakref import WeakKeyDictionary

import torch
from timm.layers import BatchNormAct2d, Conv2dSame, pad_same
from torch import Tensor, fx, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_weights

from xairank.attribution.engine import AttributionMethod, Explanation
from xairank.attribution.forward_pass import ForwardPass
from xairank.attribution.protocol import Model
from xairank.attribution.relevance_graph import Classifier, Plan, Unexplained, plan
from xairank.attribution.relevance_rules import epsilon_rule, gamma_rule, pass_rule

_PASSES = 6  # three convolutions a layer forward, and three backward
# Working in place would change what the rule of the layer before has kept.
_OUT_OF_PLACE: dict[Any, Any] = {
    operator.iadd: operator.add,
    operator.isub: operator.sub,
    operator.imul: operator.mul,
    operator.itruediv: operator.truediv,
}


class LRP(AttributionMethod):
    """Layer-wise relevance propagation: the score, shared backwards among what contributed to it, layer by layer.

    A unit ``k`` hands its relevance on in proportion to contributions, ``R_j = sum_k z_jk / (sum_i z_ik) R_k`` (Bach et
    al., PLOS ONE 2015), where ``z_jk`` follows the composite of Montavon et al. (2019, "Layer-wise relevance
    propagation: an overview"):

    - linear layers: the epsilon rule (Bach's Eq. 58), ``z_jk = x_j w_jk``;
    - convolutions: the gamma rule (Montavon's Eq. 10.5, generalised to inputs of either sign as in zennit), by which
      contributions of the sign of the output count ``1 + gamma`` times;
    - batch norm is folded into the convolution before it; where there is none, it is a linear layer with the epsilon
      rule;
    - activation functions pass relevance through; sums, concatenations and average pooling share it in proportion; max
      pooling gives it to the largest; gates (squeeze-excitation) are constants.

    Relevance ends at the normalised image, so that contributions count from the mean colour and black is not blank.
    The map is the positive part of the relevance summed over channels. Without biases, and with ``epsilon=0``, all
    relevance sums to the score; a score other than the logit starts with its gradient times the logits.

    Use it for convolutional networks, for which its maps are sharp and have little noise; it has no rules for
    transformers and layer norm. Cost: 6 forward passes an image beyond the prediction, through the model as it was
    written.

    Args:
        epsilon: Added to each denominator, with its sign; larger values absorb weak and contradictory relevance.
        gamma: How much contributions of the output's sign are favoured; 0 is the epsilon rule everywhere.
        **options: Those of every method, see :class:`~xairank.attribution.AttributionMethod`.

    Raises:
        ValueError: An option that is not allowed; names it and what is. When explaining, a network without rules.
    """

    label = "LRP"

    def __init__(self, epsilon: float = 1e-6, gamma: float = 0.25, **options: Any) -> None:  # noqa: ANN401
        super().__init__(**options)
        for name, value in (("epsilon", epsilon), ("gamma", gamma)):
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
                raise ValueError(f"{name}={value} is not allowed: expected a number of at least 0")
        self.epsilon, self.gamma = float(epsilon), float(gamma)

    def obstacle(self, model: Model) -> str:
        """Why the method cannot explain a model: it cannot be traced, or has a layer without a rule."""
        try:
            _plan(getattr(model, "plain", model))
        except Unexplained as reason:
            return str(reason)
        return super().obstacle(model)

    def attribute(self, forward: ForwardPass) -> Explanation:
        """Maps (B, H, W)."""
        return self.relevance(forward).sum(dim=1).clamp(min=0), {}

    def relevance(self, forward: ForwardPass) -> Tensor:
        """Signed relevance of each value of the normalised images, (B, C, H, W)."""
        try:
            found = _plan(forward.network)
        except Unexplained as reason:
            raise ValueError(f"LRP: {type(forward.network).__name__} cannot be explained: it {reason}") from reason
        run = _Run(forward.network, found, self.epsilon, self.gamma)
        logits = run.run(forward.images)
        forward.passes += _PASSES * len(forward.images)
        (factors,) = torch.autograd.grad(forward.score(logits, forward.targets).sum(), run.start)
        return run.start.detach() * factors


class _Run(fx.Interpreter):
    """A pass through the network, whose gradient is relevance by input.

    Attributes:
        start: What relevance ends at.
    """

    def __init__(self, network: Model, found: Plan, epsilon: float, gamma: float) -> None:
        classifier = Classifier(network)
        for name, value in found.constants.items():
            setattr(classifier, name, value)
        super().__init__(classifier, graph=found.graph)
        self.plan, self.epsilon, self.gamma = found, epsilon, gamma
        self.start = torch.empty(0)

    def run_node(self, n: fx.Node) -> Any:  # noqa: ANN401
        """What a node gives."""
        rule = self.plan.rules.get(n)
        if n.op == "output":
            return super().run_node(n)
        if rule is None:
            with torch.no_grad():
                value = super().run_node(n)
            if n is self.plan.start:
                value = self.start = value.detach().requires_grad_()
            return value
        args, kwargs = self.fetch_args_kwargs_from_env(n)
        if rule == "gradient":
            return self._call(n, args, kwargs)
        if rule == "linear":
            return epsilon_rule(self._call(n, args, kwargs), self.epsilon)
        if rule == "convolution":
            return self._convolution(n, args[0])
        if rule == "norm":
            return self._norm(n, args[0])
        with torch.no_grad():
            outputs = self._call(n, (args[0].clone(), *args[1:]), kwargs)  # it may work in place
        return pass_rule(args[0], outputs)

    def _call(self, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:  # noqa: ANN401
        target: Any = _OUT_OF_PLACE.get(node.target, node.target)
        if node.op == "call_method" and node.target in ("add_", "sub_", "mul_", "div_"):
            target = str(node.target).removesuffix("_")
        return getattr(self, node.op)(target, args, kwargs)

    def _convolution(self, node: fx.Node, inputs: Tensor) -> Tensor:
        layer = cast(nn.Conv2d, self.submodules[str(node.target)])
        weight, bias = layer.weight, layer.bias
        if node in self.plan.norms:
            norm = cast(nn.BatchNorm2d, self.submodules[str(self.plan.norms[node].target)])
            mean, variance = cast(Tensor, norm.running_mean), cast(Tensor, norm.running_var)
            weight, bias = fuse_conv_bn_weights(weight, bias, mean, variance, norm.eps, norm.weight, norm.bias)

        def convolve(inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
            if isinstance(layer, Conv2dSame):
                inputs = pad_same(inputs, list(layer.kernel_size), list(layer.stride), list(layer.dilation))
                return functional.conv2d(inputs, weight, bias, layer.stride, 0, layer.dilation, layer.groups)
            return layer._conv_forward(inputs, weight, bias)

        bias = None if bias is None else bias.detach()
        return gamma_rule(convolve, inputs, weight.detach(), bias, self.gamma, self.epsilon)

    def _norm(self, node: fx.Node, inputs: Tensor) -> Tensor:
        layer = cast(nn.BatchNorm2d, self.submodules[str(node.target)])
        outputs = inputs
        if node not in self.plan.norms.values():
            outputs = epsilon_rule(nn.BatchNorm2d.forward(layer, inputs), self.epsilon)
        if not isinstance(layer, BatchNormAct2d) or isinstance(layer.act, nn.Identity):
            return outputs
        with torch.no_grad():
            activated = layer.act(outputs.clone())
        return pass_rule(outputs, activated)


_PLANS: WeakKeyDictionary[nn.Module, tuple[list[type], Plan]] = WeakKeyDictionary()


def _plan(model: Model) -> Plan:
    """The plan of a model, made anew when its layers have become others.

    Raises:
        Unexplained: There is none.
    """
    network = cast(nn.Module, model)
    layers = [type(module) for module in network.modules()]
    if network not in _PLANS or _PLANS[network][0] != layers:
        _PLANS[network] = layers, plan(model)
    return _PLANS[network][1]
