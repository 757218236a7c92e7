"""Grad-CAM."""

import torch
from torch import Tensor
from torch.nn import functional

from xairank.attribution.engine import AttributionMethod, Explanation
from xairank.attribution.forward_pass import ForwardPass


class GradCAM(AttributionMethod):
    """Gradient-weighted class activation mapping (Selvaraju et al., ICCV 2017; the paper's Eq. 4 and 5).

    The weight of feature map k is the mean over its positions of the logit's gradient (Eq. 4); the map is
    ``ReLU(sum_k weight_k * feature_k)`` (Eq. 5), upsampled bilinearly to the image. Only the head is differentiated.
    """

    label = "Grad-CAM"
    color = "#0072B2"
    needs_feature_map = True

    def attribute(self, forward: ForwardPass) -> Explanation:
        """Maps (B, H, W), and ``class_activation`` (B, h, w): the maps before upsampling."""
        weights = forward.feature_gradients.mean(dim=(2, 3), keepdim=True)
        activation = functional.relu((weights * forward.features).sum(dim=1))
        height, width = forward.images.shape[-2:]
        maps = interpolate_axis(interpolate_axis(activation, height, 1), width, 2)
        return maps, {"class_activation": activation}


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
