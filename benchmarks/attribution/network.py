"""The network that all contenders explain, and what a contender is."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from xairank.attribution.protocol import as_parts

METHODS = ("gradcam", "saliency", "integrated_gradients")
Maps = dict[str, Tensor]
Contender = Callable[[Tensor, Tensor], Maps]


class Network(nn.Module):
    """A network whose feature map has a name, so that other tools can hook it.

    Args:
        model: Gives a feature map (B, C, h, w), or a tuple that begins with it, which its head takes.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.features = nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        features, *others = self.forward_features(images)
        return self.forward_head(self.features(features), *others)

    def forward_features(self, images: Tensor) -> tuple[Any, ...]:
        return as_parts(self.model.forward_features(images))  # type: ignore[operator]

    def forward_head(self, features: Tensor, *others: Any) -> Tensor:  # noqa: ANN401
        logits: Tensor = self.model.forward_head(features, *others)  # type: ignore[operator]
        return logits


def joined(parts: list[Maps]) -> Maps:
    """The maps of parts of the images as those of all."""
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
