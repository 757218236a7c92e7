"""Score-CAM."""

from typing import Any

import torch
from torch import Tensor

from xairank.attribution.cam import ClassActivationMap, upsample
from xairank.attribution.forward_pass import ForwardPass
from xairank.attribution.stream import stream_scores


class ScoreCAM(ClassActivationMap):
    """Each feature map is weighted by the score of the image that it masks (Wang et al., CVPR Workshops 2020).

    Feature map k, upsampled to the image and scaled to [0, 1], is the mask ``H_k``. The weights are the softmax over k
    of the scores of ``image * H_k`` (Algorithm 1); the baseline's score that the paper subtracts from all of them
    cancels there. The map is ``ReLU(sum_k weight_k * A_k)``. A constant feature map masks everything.

    It needs no gradient, and asks the network about images that it never saw. Weights behind the softmax are nearly
    equal where scores differ by less than one, as probabilities do. All of them are positive, so that a layer without
    activation at its end, whose maps are negative as often as positive, may give an empty map. Cost: one forward pass
    an image and feature map, of which EfficientNet-B0 has 1280 at its last layer; ``n_channels`` bounds it.

    Args:
        layer: As of every class activation map.
        n_channels: How many feature maps are used: those of the largest variance over places, for each image; None
            for all, as in the paper.
        **options: Those of every method, see :class:`~xairank.attribution.AttributionMethod`.

    Raises:
        ValueError: An option that is not allowed; names it and what is.
    """

    label = "Score-CAM"

    def __init__(
        self,
        layer: str | int | None = None,
        n_channels: int | None = None,
        **options: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(layer, **options)
        whole = isinstance(n_channels, int) and not isinstance(n_channels, bool)
        if n_channels is not None and (not whole or n_channels < 1):
            raise ValueError(f"n_channels={n_channels} is not allowed: expected a whole number of at least 1, or None")
        self.n_channels = n_channels

    def activation(self, forward: ForwardPass, there: ForwardPass) -> Tensor:
        """The map at the layer's resolution, (B, h, w)."""
        features = self._chosen(there.features)

        def masked(image: int, channels: slice) -> Tensor:
            masks = _scaled(upsample(features[image, channels], forward.images))
            return forward.images[image] * masks.unsqueeze(1)

        rows = torch.arange(len(features), device=features.device)
        weights = stream_scores(forward, rows, features.shape[1], masked).softmax(dim=1)
        return (weights[:, :, None, None] * features).sum(dim=1)

    def _chosen(self, features: Tensor) -> Tensor:
        """The feature maps of the largest variance, (B, n, h, w); of equal ones the first."""
        if self.n_channels is None:
            return features
        variances = (features - features.mean(dim=(2, 3), keepdim=True)).square().mean(dim=(2, 3))
        order = variances.sort(dim=1, descending=True, stable=True).indices
        chosen = order[:, : self.n_channels, None, None]
        return features.gather(1, chosen.expand(-1, -1, *features.shape[2:]))


def _scaled(masks: Tensor) -> Tensor:
    """Masks (n, H, W), each scaled to [0, 1]; zero where it is constant."""
    least = masks.amin(dim=(1, 2), keepdim=True)
    spread = masks.amax(dim=(1, 2), keepdim=True) - least
    return torch.where(spread == 0, 0, (masks - least) / spread)
