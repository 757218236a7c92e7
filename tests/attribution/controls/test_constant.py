import torch

from xairank.attribution.controls import Constant
from xairank.evaluation import TopKOverlap


def test_it_scores_exactly_chance():
    masks = torch.rand(5, 16, 16, generator=torch.Generator().manual_seed(0)) > 0.8
    maps = Constant().from_images(torch.rand(5, 3, 16, 16)).double()
    metric = TopKOverlap()
    torch.testing.assert_close(metric(maps, masks), metric.chance(masks), rtol=0, atol=1e-15)
