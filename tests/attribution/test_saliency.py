import torch
from torch import nn

from xairank.attribution import Saliency


def test_is_the_largest_absolute_weight_over_channels_of_a_linear_model():
    weights = torch.randn(4, 3, 8, 8)

    class Linear(nn.Module):
        def forward_features(self, images):
            return images

        def forward_head(self, features):
            return torch.einsum("bchw,kchw->bk", features, weights)

    targets = torch.tensor([3, 0])
    maps = Saliency()(Linear(), torch.rand(2, 3, 8, 8), targets)
    torch.testing.assert_close(maps, weights[targets].abs().amax(dim=1))
