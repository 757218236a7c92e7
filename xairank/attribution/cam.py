"""What class activation maps have in common: a weighted sum of a layer's feature maps, upsampled to the image."""

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from xairank.attribution.engine import AttributionMethod, Explanation
from xairank.attribution.forward_pass import ForwardPass
from xairank.attribution.protocol import Model


class ClassActivationMap(AttributionMethod):
    """A method whose map is a coarse one, at the resolution of a layer, upsampled bilinearly to the image.

    Args:
        layer: Whose feature map is read: name of a module, or the number of a stage, 0 for the first one, at the
            largest resolution, and -1 for the last. None is the model's own, the last before the head.
        **options: Those of every method, see :class:`~xairank.attribution.AttributionMethod`.

    Raises:
        ValueError: An option that is not allowed; names it and what is.
    """

    needs_feature_map = True

    def __init__(self, layer: str | int | None = None, **options: Any) -> None:  # noqa: ANN401
        super().__init__(**options)
        if isinstance(layer, bool) or not isinstance(layer, str | int | None):
            raise ValueError(
                f"layer={layer} is not allowed: expected the name of a layer, the number of a stage, or None"
            )
        self.layer = layer

    def obstacle(self, model: Model) -> str:
        """Why the method cannot explain a model, in words that follow "it"; empty where it can."""
        found = super().obstacle(model)
        if found or not isinstance(self.layer, int) or not hasattr(model, "stages"):
            return found
        count = len(model.stages)
        if not -count <= self.layer < count:
            return f"needs the feature map of stage {self.layer}, and the network has {count} in all"
        return ""

    def attribute(self, forward: ForwardPass) -> Explanation:
        """Maps (B, H, W), and ``class_activation`` (B, h, w): the maps before upsampling.

        Raises:
            ValueError: The model cannot be cut at another layer.
        """
        activation = functional.relu(self.activation(forward, forward.at(self.layer)))
        return upsample(activation, forward.images), {"class_activation": activation}

    @abstractmethod
    def activation(self, forward: ForwardPass, there: ForwardPass) -> Tensor:
        """The map at the layer's resolution, (B, h, w), of which the positive part is taken.

        Args:
            forward: Of the model.
            there: The same one, with the feature map of the layer.
        """


class GradientActivationMap(ClassActivationMap):
    """A class activation map that is made of a feature map and the gradient of the explained score at it."""

    def activation(self, forward: ForwardPass, there: ForwardPass) -> Tensor:
        """The map at the layer's resolution, (B, h, w)."""
        return self.combine(there.features, there.feature_gradients)

    @abstractmethod
    def combine(self, features: Tensor, gradients: Tensor) -> Tensor:
        """Feature map (B, C, h, w) and gradients of the score at it, (B, C, h, w) -> map (B, h, w)."""


def upsample(maps: Tensor, images: Tensor) -> Tensor:
    """Maps (B, h, w) -> (B, H, W), the size of the images (B, C, H, W), bilinearly."""
    height, width = images.shape[-2:]
    return interpolate_axis(interpolate_axis(maps, height, 1), width, 2)


def interpolate_axis(maps: Tensor, size: int, axis: int) -> Tensor:
    """Linear interpolation of maps (B, h, w) to ``size`` along ``axis``, pixel centres aligned as in torch's bilinear.

    Between equal values it gives exactly that value, so that constant regions stay ties; torch's own kernel leaves
    rounding noise there, by which a sort would order them.
    """
    count = maps.shape[axis]
    centres = (torch.arange(size, dtype=torch.float64) + 0.5) * (count / size) - 0.5
    centres = centres.clamp(0, count - 1)
    low = centres.floor()
    shape = [-1 if dimension == axis else 1 for dimension in range(maps.ndim)]
    weights = (centres - low).view(shape).to(maps)
    below = low.long().to(maps.device)
    above = (below + 1).clamp(max=count - 1)
    return torch.lerp(maps.index_select(axis, below), maps.index_select(axis, above), weights)
