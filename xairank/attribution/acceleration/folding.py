"""Surgery on a network: batch norm folded into convolutions, cheaper gradients, and the affine prefix split off.

The network is traced with torch.fx, which sees what really runs in which order, whatever the family. Nothing here
changes what is computed, rounding aside.
"""

import operator
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple, cast

from timm.layers import BatchNormAct2d
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from xairank.attribution.acceleration.layers import Convolution, SiLU
from xairank.attribution.acceleration.squeeze_excitation import SqueezeExcitation

_AFFINE_MODULES = (nn.Conv2d, nn.AvgPool2d, nn.Identity, nn.Dropout)
_SUMS = (operator.add, operator.sub)
_PRODUCTS = (operator.mul, operator.truediv)


class Halves(NamedTuple):
    """A network cut in two: ``rest(prefix(images))`` is the network, and ``prefix`` is affine."""

    prefix: nn.Module
    rest: nn.Module


def fold_and_split(network: nn.Module) -> Halves:
    """Folds and splits a network in evaluation mode whose call is images -> feature map; its modules are reused.

    Raises:
        Exception: torch.fx cannot trace the network; whatever it meets.
    """
    _replace_squeeze_excitation(network)
    graph = _Tracer().trace(network)
    _forbid_in_place(network, graph)
    _fold_batch_norm(network, graph)
    _drop_identities(network, graph)
    end = _end_of_affine_prefix(network, graph)
    _replace_convolutions(network, graph, end)
    _replace_activations(network, graph)
    return _split(network, graph, end)


class _Tracer(fx.Tracer):
    """Keeps whole what the graph should name, subclasses too."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        whole = isinstance(m, nn.Conv2d | nn.BatchNorm2d | SqueezeExcitation)
        return whole or super().is_leaf_module(m, module_qualified_name)


def _replace_squeeze_excitation(network: nn.Module) -> None:
    for name, module in list(network.named_modules()):
        if SqueezeExcitation.replaces(module):
            network.set_submodule(name, SqueezeExcitation(module))


def _forbid_in_place(network: nn.Module, graph: fx.Graph) -> None:
    """In-place activations would overwrite the prefix's output, and most cost a copy where gradients are wanted."""
    for module in network.modules():
        if isinstance(getattr(module, "inplace", None), bool):
            module.inplace = False  # type: ignore[assignment]
    for node in graph.nodes:
        if node.op == "call_function" and node.kwargs.get("inplace") is True:
            node.kwargs = {**node.kwargs, "inplace": False}


def _fold_batch_norm(network: nn.Module, graph: fx.Graph) -> None:
    calls = _calls(graph)
    for node in graph.nodes:
        norm, before = _module(network, node), node.args[0] if node.args else None
        # Another subclass of batch norm may do more than normalise.
        if not isinstance(norm, nn.BatchNorm2d) or type(norm) not in (nn.BatchNorm2d, BatchNormAct2d):
            continue
        convolution = _module(network, before) if isinstance(before, fx.Node) else None
        if not isinstance(before, fx.Node) or not isinstance(convolution, nn.Conv2d) or norm.running_mean is None:
            continue
        if len(before.users) == 1 and calls[node.target] == calls[before.target] == 1:
            activation = norm.act if isinstance(norm, BatchNormAct2d) else nn.Identity()
            network.set_submodule(str(before.target), fuse_conv_bn_eval(convolution, norm))
            network.set_submodule(str(node.target), activation)


def _drop_identities(network: nn.Module, graph: fx.Graph) -> None:
    for node in list(graph.nodes):
        if type(_module(network, node)) is nn.Identity:
            node.replace_all_uses_with(node.args[0])
            graph.erase_node(node)


def _replace_convolutions(network: nn.Module, graph: fx.Graph, cut: fx.Node) -> None:
    """Puts :class:`Convolution` in the place of each, with what alone reads it, but not across a cut."""
    calls = _calls(graph)
    for node in graph.nodes:
        convolution = _module(network, node)
        if type(convolution) is not nn.Conv2d:  # a subclass may compute something else
            continue
        alone = node is not cut and calls[node.target] == 1
        activated = alone and _take_out(network, graph, node, lambda module: type(module) is nn.SiLU)
        excitation = _take_out(network, graph, node, _gates_by_sigmoid) if activated else None
        excitation = cast(SqueezeExcitation | None, excitation)
        replacement = Convolution(convolution, activated=bool(activated), excitation=excitation)
        network.set_submodule(str(node.target), replacement)


def _gates_by_sigmoid(module: nn.Module | None) -> bool:
    return isinstance(module, SqueezeExcitation) and type(module.gate) is nn.Sigmoid


def _take_out(
    network: nn.Module, graph: fx.Graph, node: fx.Node, wanted: Callable[[nn.Module | None], bool]
) -> nn.Module | None:
    """Takes the module that alone reads a node out of the graph, if it is the wanted one."""
    reader = next(iter(node.users)) if len(node.users) == 1 else node
    module = _module(network, reader)
    if not wanted(module):
        return None
    reader.replace_all_uses_with(node)
    graph.erase_node(reader)
    return module


def _replace_activations(network: nn.Module, graph: fx.Graph) -> None:
    for node in graph.nodes:
        if type(_module(network, node)) is nn.SiLU:
            network.set_submodule(str(node.target), SiLU())


def _end_of_affine_prefix(network: nn.Module, graph: fx.Graph) -> fx.Node:
    """The last node of the chain of affine nodes that starts at the images."""
    node = next(iter(graph.nodes))
    while len(node.users) == 1 and _is_affine(network, next(iter(node.users)), node):
        node = next(iter(node.users))
    return node


def _is_affine(network: nn.Module, node: fx.Node, source: fx.Node) -> bool:
    """Whether a node is affine in ``source``, its only input that is not constant."""
    if node.op == "call_module":
        module = _module(network, node)
        fixed_norm = type(module) is nn.BatchNorm2d and module.running_mean is not None
        return isinstance(module, _AFFINE_MODULES) or fixed_norm
    if node.op != "call_function" or len(node.args) != 2 or node.kwargs:
        return False
    others = [argument for argument in node.args if argument is not source]
    constant = len(others) == 1 and (not isinstance(others[0], fx.Node) or others[0].op == "get_attr")
    divisor = node.target is operator.truediv and node.args[1] is source
    return constant and not divisor and node.target in (*_SUMS, *_PRODUCTS)


def _split(network: nn.Module, graph: fx.Graph, end: fx.Node) -> Halves:
    prefix, rest = fx.Graph(), fx.Graph()
    values: dict[fx.Node, fx.Node] = {}
    nodes = list(graph.nodes)
    cut = nodes.index(end) + 1
    for node in nodes[:cut]:
        values[node] = prefix.node_copy(node, values.__getitem__)
    prefix.output(values[end])
    start = rest.placeholder("prefix")
    if any(reader.op != "call_module" for reader in end.users):  # modules no longer work in place
        start = rest.call_method("clone", (start,))
    values = {end: start}
    for node in nodes[:cut]:
        if node.op == "get_attr":  # a constant may be used on both sides
            values[node] = rest.node_copy(node)
    for node in nodes[cut:]:
        values[node] = rest.node_copy(node, values.__getitem__)
    module = fx.GraphModule(network, rest)
    module.graph.eliminate_dead_code()
    module.recompile()
    return Halves(fx.GraphModule(network, prefix), module)


def _calls(graph: fx.Graph) -> Counter[object]:
    """How often each module is called."""
    return Counter(node.target for node in graph.nodes if node.op == "call_module")


def _module(network: nn.Module, node: fx.Node) -> nn.Module | None:
    return network.get_submodule(cast(str, node.target)) if node.op == "call_module" else None


class Features(nn.Module):
    """A model's ``forward_features`` as its call."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Any:  # noqa: ANN401
        """Images (B, 3, H, W) -> feature map (B, C, h, w), or a tuple that begins with it."""
        return self.model.forward_features(images)  # type: ignore[operator]
