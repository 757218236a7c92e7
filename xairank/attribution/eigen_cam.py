"""Eigen-CAM."""

import torch
from torch import Tensor

from xairank.attribution.cam import ClassActivationMap
from xairank.attribution.forward_pass import ForwardPass


class EigenCAM(ClassActivationMap):
    """The feature map projected on its first principal direction; the same for every class (Muhammad & Yeasin, 2020).

    The feature map as a matrix O of a row a place and a column a channel is ``U S V^T``; the map is ``O v_1``, with the
    first column of V. A singular vector has no sign of its own: the one is taken with which the map sums to a positive
    number. Of a map behind a ReLU all values are then positive or zero; of any other the negative ones are cut to zero.
    The matrix is not centred, as in the paper.

    It reads neither the head nor the class: what it shows is where the network sees much, whatever that speaks for, and
    ``score`` changes nothing. Cost: one forward pass an image, and a singular value decomposition.
    """

    label = "Eigen-CAM"

    def activation(self, forward: ForwardPass, there: ForwardPass) -> Tensor:
        """The map at the layer's resolution, (B, h, w)."""
        # The decomposition refuses NaN; the engine names the image that holds it when the method is done.
        features = there.features.nan_to_num(nan=0, posinf=0, neginf=0)
        precise = features.flatten(2).to(torch.promote_types(features.dtype, torch.float32))
        _, values, directions = torch.linalg.svd(precise, full_matrices=False)
        projection = values[:, :1] * directions[:, 0]  # O v_1 = s_1 u_1; places are the columns here
        sign = torch.where(projection.sum(dim=1, keepdim=True) < 0, -1, 1)
        return (sign * projection).unflatten(1, features.shape[2:]).to(features)
