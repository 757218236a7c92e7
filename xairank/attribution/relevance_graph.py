"""Which rule of layer-wise relevance propagation each step of a network gets, from the graph that torch.fx traces."""

from collections import Counter
from dataclasses import dataclass
from typing import Literal, cast

from timm.layers import BatchNormAct2d, Conv2dSame
from torch import Tensor, fx, nn

from xairank.attribution.activations import ACTIVATIONS, GATES, operation
from xairank.attribution.protocol import Model, as_parts, explaining

Rule = Literal["gradient", "activation", "convolution", "linear", "norm"]

_PASSED = ACTIVATIONS | {"tanh"}
_SUMS = frozenset(["add", "iadd", "sub", "isub", "neg", "cat", "concat", "stack", "mean", "sum"])
_PRODUCTS = frozenset(["mul", "imul", "multiply", "div", "truediv", "itruediv"])
# Linear in what they are given, or a choice among it: their gradient shares relevance in proportion.
_SHARING = _SUMS | frozenset(
    [
        "adaptiveavgpool2d",
        "adaptivemaxpool2d",
        "avgpool2d",
        "maxpool2d",
        "chunk",
        "clone",
        "contiguous",
        "dropout",
        "dropout2d",
        "expand",
        "flatten",
        "getitem",
        "identity",
        "interpolate",
        "narrow",
        "pad",
        "permute",
        "pixelshuffle",
        "pixelunshuffle",
        "reshape",
        "split",
        "squeeze",
        "stochasticdepth",
        "transpose",
        "unflatten",
        "unsqueeze",
        "upsample",
        "view",
        "zeropad2d",
    ]
)
_RESHAPING = frozenset(
    ["contiguous", "expand", "expandas", "flatten", "getitem", "permute", "reshape", "unsqueeze", "view", "viewas"]
)
_NUMBERS = frozenset(("size", "dim", "len", "numel"))


class Unexplained(Exception):  # noqa: N818 - its words follow "it", see obstacle
    """Why there is no rule for a network."""


class Classifier(nn.Module):
    """A model's way from images to logits, as its call."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = cast(nn.Module, model)

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W) -> logits (B, classes)."""
        model = cast(Model, self.model)
        return model.forward_head(*as_parts(model.forward_features(images)))


@dataclass(frozen=True)
class Plan:
    """How relevance goes through a network; it holds names of layers, not the layers.

    Attributes:
        graph: From images to logits.
        constants: Tensors that the graph reads, by name.
        start: Where relevance ends: the images, or what is left of them after normalisation.
        rules: By node, of those through which relevance goes; the others are constants to it.
        norms: By convolution, the batch norm that is folded into it.
    """

    graph: fx.Graph
    constants: dict[str, Tensor]
    start: fx.Node
    rules: dict[fx.Node, Rule]
    norms: dict[fx.Node, fx.Node]


class Tracer(fx.Tracer):
    """Keeps whole what has a rule, subclasses too."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Convolutions and batch norms."""
        return isinstance(m, nn.Conv2d | nn.BatchNorm2d) or super().is_leaf_module(m, module_qualified_name)


def plan(model: Model) -> Plan:
    """The plan of a model, which is left as it is.

    Raises:
        Unexplained: It cannot be traced, or a step has no rule.
    """
    classifier = Classifier(model)
    try:
        with explaining(classifier):  # type: ignore[arg-type]
            graph = Tracer().trace(classifier)
    except Exception as error:  # torch.fx raises whatever the network's own code does with a proxy
        raise Unexplained("needs a network that torch.fx can trace, to give each layer a rule") from error
    own = set(vars(nn.Module()))
    constants = {name: value for name, value in vars(classifier).items() if name not in own}
    constants |= {name: value for name, value in classifier.named_buffers() if "." not in name}
    return _Planner(classifier, graph).plan({key: value for key, value in constants.items() if _is_tensor(value)})


class _Planner:
    """Walks from the logits back to the images."""

    def __init__(self, classifier: nn.Module, graph: fx.Graph) -> None:
        self.classifier = classifier
        self.graph = graph
        self.calls = Counter(node.target for node in graph.nodes if node.op == "call_module")
        self.aside: set[fx.Node] = set()  # constants, and sizes
        for node in graph.nodes:
            if self._is_aside(node):
                self.aside.add(node)

    def plan(self, constants: dict[str, Tensor]) -> Plan:
        start = self._end_of_normalisation()
        rules: dict[fx.Node, Rule] = {}
        (logits,) = self.graph.find_nodes(op="output")
        waiting = list(logits.all_input_nodes)
        while waiting:
            node = waiting.pop()
            if node is not start and node not in rules and node not in self.aside:
                rules[node] = self._rule(node)
                waiting += self._sources(node)
        norms = {node.args[0]: node for node, rule in rules.items() if rule == "norm" and self._is_folded(node)}
        return Plan(self.graph, constants, start, rules, cast(dict[fx.Node, fx.Node], norms))

    def _is_aside(self, node: fx.Node) -> bool:
        shape = node.target is getattr and node.args[1] in ("shape", "ndim", "dtype", "device")
        sources = node.all_input_nodes
        known = bool(sources) and self.aside.issuperset(sources)
        return node.op == "get_attr" or shape or known or self.operation(node) in _NUMBERS

    def operation(self, node: fx.Node) -> str:
        """What a node computes, by name."""
        if node.op == "call_module":
            return operation(type(self.module(node)).__name__)
        return operation(node.target if isinstance(node.target, str) else getattr(node.target, "__name__", ""))

    def module(self, node: fx.Node) -> nn.Module:
        """That of a node that calls one."""
        return self.classifier.get_submodule(str(node.target))

    def _end_of_normalisation(self) -> fx.Node:
        """The last node at which each number still comes from one number of the images."""
        node = next(iter(self.graph.nodes))
        while len(node.users) == 1:
            after = next(iter(node.users))
            constant = self.aside.issuperset(set(after.all_input_nodes) - {node})
            same = after.args[:1] == (node,) and self.operation(after) in (_PRODUCTS | {"add", "sub"})
            if not (same and constant) and self.operation(after) != "identity":
                break
            node = after
        return node

    def _sources(self, node: fx.Node) -> list[fx.Node]:
        """The nodes to which a node hands its relevance on."""
        sources = [source for source in node.all_input_nodes if source not in self.aside]
        if self.operation(node) not in _PRODUCTS or len(sources) < 2:
            return sources
        signals = [source for source in sources if not self._is_gate(source)]
        if len(signals) != 1:
            raise Unexplained("has no rule for the product of two signals of which neither is a gate")
        return signals

    def _is_gate(self, node: fx.Node) -> bool:
        while self.operation(node) in _RESHAPING:
            node = node.all_input_nodes[0]
        return self.operation(node) in GATES

    def _rule(self, node: fx.Node) -> Rule:
        found = self.operation(node)
        if node.op == "call_module":
            module = self.module(node)
            if type(module) in (nn.Conv2d, Conv2dSame):
                return "convolution"
            if type(module) is nn.Linear:
                return "linear"
            act = operation(type(module.act).__name__) if isinstance(module, BatchNormAct2d) else "identity"
            fixed = type(module) in (nn.BatchNorm2d, BatchNormAct2d) and module.running_mean is not None
            if fixed and act in _PASSED | {"identity"}:
                return "norm"
        if found in _PASSED:
            return "activation"
        if found == "linear" and node.op == "call_function":
            return "linear"
        if found in _SHARING | _PRODUCTS:
            return "gradient"
        kind = type(self.module(node)).__name__ if node.op == "call_module" else found or node.op
        raise Unexplained(f"has no rule for {kind} ({node.name}); its rules are those of convolutional networks")

    def _is_folded(self, node: fx.Node) -> bool:
        before = node.args[0]
        if not isinstance(before, fx.Node) or before.op != "call_module":
            return False
        alone = len(before.users) == 1 and self.calls[before.target] == self.calls[node.target] == 1
        return alone and type(self.module(before)) in (nn.Conv2d, Conv2dSame)


def _is_tensor(value: object) -> bool:
    return isinstance(value, Tensor)
