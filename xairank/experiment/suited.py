"""Which methods can explain a network, and what is said of those that cannot."""

from collections.abc import Mapping

from torch import nn

from xairank.attribution import AttributionMethod, Model
from xairank.console import print_line
from xairank.errors import UserError


def suited_methods(
    methods: Mapping[str, AttributionMethod], network: nn.Module, *, quiet: bool = False
) -> dict[str, AttributionMethod]:
    """The methods that can explain the network; a line tells of each other one, controls aside.

    Args:
        methods: By name, controls among them.
        network: In the protocol of attribution.
        quiet: Whether the lines are left out.

    Raises:
        UserError: None is left but controls.
    """
    said = {name: obstacle_of(method, network) for name, method in methods.items()}
    asked = [name for name, method in methods.items() if not getattr(method, "control", "")]
    left_out = [name for name in asked if said[name]]
    if asked and left_out == asked:
        raise UserError(
            f"attribution.methods: none of {', '.join(asked)} can explain the network: {asked[0]} {said[asked[0]]}; "
            f"choose other methods{_advice(methods[asked[0]], network, ', or name a layer with model.layer=NAME')}"
        )
    for name in left_out if not quiet else ():
        advice = _advice(methods[name], network, "; model.layer=NAME chooses one")
        print_line(f"Note: {name} is left out: it {said[name]}{advice}.")
    return {name: method for name, method in methods.items() if not said[name]}


def obstacle_of(method: object, network: nn.Module | Model) -> str:
    """Why a method cannot explain the network, in words that follow "it"; empty where it can, or does not say."""
    obstacle = getattr(method, "obstacle", None)
    return str(obstacle(network)) if obstacle else ""


def _advice(method: object, network: nn.Module, text: str) -> str:
    """The text where the obstacle is that no layer was found, which a user may name."""
    flat = len(getattr(network, "feature_shape", ("C", "h", "w"))) != 3
    return text if flat and getattr(method, "needs_feature_map", False) else ""
