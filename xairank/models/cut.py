"""A network cut behind one of its layers: by tracing it with torch.fx, or, where that fails, by hooks."""

from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

from timm.layers.attention import Attention, AttentionRope
from torch import Tensor, fx, nn

from xairank.models.feature_layer import FeatureLayer
from xairank.models.layers import logits_of


class Cut(nn.Module):
    """A network in two parts: ``after(*before(images))`` is what the network gives."""

    @abstractmethod
    def before(self, images: Tensor) -> tuple[Any, ...]:
        """Images (B, 3, H, W) -> the feature map (B, C, h, w), and whatever else ``after`` needs."""

    @abstractmethod
    def after(self, features: Tensor, *others: Any) -> Any:  # noqa: ANN401
        """What ``before`` gave -> what the network gives."""


class Uncut(Cut):
    """A network without feature map: its logits take the place of one."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def before(self, images: Tensor) -> tuple[Any, ...]:
        """Images (B, 3, H, W) -> logits (B, classes)."""
        return (logits_of(self.network(images)),)

    def after(self, features: Tensor, *others: Any) -> Any:  # noqa: ANN401
        """Logits -> the same."""
        return features


class Traced(Cut):
    """A network cut in the graph that torch.fx traces; what crosses the cut beside the map is handed on.

    Raises:
        Exception: torch.fx cannot trace the network; whatever it meets.
    """

    def __init__(self, network: nn.Module, layer: FeatureLayer) -> None:
        super().__init__()
        self.layer = layer
        tracer = _Tracer(network.get_submodule(layer.name))
        with _without_constants(network):
            graph = tracer.trace(network)
            if tracer.cut is None:
                raise ValueError(f"{layer.name} is not in the traced graph")
            self.first, self.second = _split(network, graph, tracer.cut)

    def before(self, images: Tensor) -> tuple[Any, ...]:
        """Images (B, 3, H, W) -> the feature map, prefix tokens if any, and what else crosses the cut."""
        output, *crossing = self.first(images)
        prefix = self.layer.prefix_of(output)
        return (self.layer.to_map(output), *([] if prefix is None else [prefix]), *crossing)

    def after(self, features: Tensor, *others: Any) -> Any:  # noqa: ANN401
        """What ``before`` gave -> what the network gives."""
        prefix, crossing = (others[0], others[1:]) if self.layer.n_prefix else (None, others)
        return self.second(self.layer.from_map(features, prefix), *crossing)


class Hooked(Cut):
    """A network whose layer is read, and replaced, by a hook that is there only during the pass.

    What crosses the cut cannot be known, so the images cross it: the part behind the cut is a pass through the whole
    network, in which the layer's output is replaced. Gradients stay exact: those of paths past the layer come through
    the images.
    """

    def __init__(self, network: nn.Module, layer: FeatureLayer) -> None:
        super().__init__()
        self.network, self.layer = network, layer

    def before(self, images: Tensor) -> tuple[Any, ...]:
        """Images (B, 3, H, W) -> the feature map, prefix tokens if any, the images."""
        outputs: list[Tensor] = []

        def read(output: Tensor) -> Tensor:
            outputs.append(output.clone())  # what follows the layer may work in place
            return output

        with self._hook(read):
            self.network(images)
        prefix = self.layer.prefix_of(outputs[0])
        return (self.layer.to_map(outputs[0]), *([] if prefix is None else [prefix]), images)

    def after(self, features: Tensor, *others: Any) -> Any:  # noqa: ANN401
        """What ``before`` gave -> what the network gives."""
        prefix = others[0] if self.layer.n_prefix else None
        with self._hook(lambda output: self.layer.from_map(features, prefix)):
            return self.network(others[-1])

    @contextmanager
    def _hook(self, change: Callable[[Tensor], Tensor]) -> Iterator[None]:
        def hook(module: nn.Module, inputs: object, output: Any) -> Any:  # noqa: ANN401
            return (change(output[0]), *output[1:]) if isinstance(output, tuple) else change(output)

        handle = self.network.get_submodule(self.layer.name).register_forward_hook(hook)
        try:
            yield
        finally:
            handle.remove()


class _Tracer(fx.Tracer):
    """Notes the node with the result of one module, which it traces through like any other."""

    def __init__(self, target: nn.Module) -> None:
        super().__init__()
        self.target = target
        self.cut: fx.Node | None = None

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Convolutions and batch norms stay whole, with what subclasses add: padding by the image's size, activations.

        What reads the graph later knows them by their class. So do attention, whose weights some methods read, and
        squeeze-and-excitation, whose gradient is taken faster as a whole.
        """
        holds_target = m is not self.target and self.target in m.modules()
        kinds = nn.Conv2d | nn.BatchNorm2d | Attention | AttentionRope
        # By its name: timm's class is private, and has another place in other versions; torchvision's is the second.
        whole = isinstance(m, kinds) or type(m).__name__ in ("SqueezeExcite", "SqueezeExcitation")
        return (whole and not holds_target) or super().is_leaf_module(m, module_qualified_name)

    def call_module(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:  # noqa: ANN401
        output = super().call_module(m, forward, args, kwargs)
        if m is self.target:
            first = output[0] if isinstance(output, tuple) else output
            self.cut = first.node if isinstance(first, fx.Proxy) else None
        return output


@contextmanager
def _without_constants(network: nn.Module) -> Iterator[None]:
    """Takes back what tracing leaves on a network: an attribute for each constant tensor, which a graph copies."""
    own = set(vars(network))
    try:
        yield
    finally:
        for name in set(vars(network)) - own:
            delattr(network, name)


def _split(network: nn.Module, graph: fx.Graph, cut: fx.Node) -> tuple[fx.GraphModule, fx.GraphModule]:
    """The graph up to the cut, which gives a tuple of the cut and what crosses it, and the rest, which takes these."""
    nodes = list(graph.nodes)
    place = nodes.index(cut) + 1
    before, after = nodes[:place], nodes[place:]
    read_after = {source for node in after for source in node.all_input_nodes}
    constants = [node for node in before if node.op == "get_attr"]
    crossing = [node for node in before if node in read_after and node is not cut and node not in constants]

    first, values = fx.Graph(), cast(dict[fx.Node, Any], {})
    for node in before:
        values[node] = first.node_copy(node, values.__getitem__)
    first.output(tuple(values[node] for node in (cut, *crossing)))

    second, values = fx.Graph(), {}
    for number, node in enumerate((cut, *crossing)):
        values[node] = second.placeholder(f"value_{number}")
    for node in constants:
        values[node] = second.node_copy(node)
    for node in after:
        values[node] = second.node_copy(node, values.__getitem__)
    return fx.GraphModule(network, first), fx.GraphModule(network, second)
