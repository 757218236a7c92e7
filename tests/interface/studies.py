"""What the tests of rankings share: maps of a known order, a tiny network, and what a mistake says."""

import pytest
import torch
from torch import nn

import xairank
from tests.interface.commands import by_method
from xairank.attribution import IntegratedGradients, Saliency
from xairank.errors import UserError

COUNT, SIDE = 12, 32
METHODS = {"saliency": Saliency(), "integrated_gradients": IntegratedGradients(n_steps=2)}


def study(seed=0):
    """Maps of three methods of known order: the more of the mask in it, the better."""
    generator = torch.Generator().manual_seed(seed)
    masks = torch.zeros(COUNT, SIDE, SIDE, dtype=torch.bool)
    for number in range(COUNT):
        masks[number, number : number + 8, 10 : 18 + number % 3] = True
    noise = [torch.rand(COUNT, SIDE, SIDE, generator=generator) for _ in range(3)]
    return {"awful": noise[0], "best": noise[1] + 0.8 * masks, "middle": noise[2] + 0.4 * masks}, masks


class Tiny(nn.Module):
    """Two classes by the mean brightness of the middle."""

    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2d(3, 4, 3, padding=1)
        self.head = nn.Linear(4, 2)

    def forward(self, images):
        return self.head(self.convolution(images).relu().mean(dim=(2, 3)))


def scores(*arguments, **options):
    return by_method(xairank.rank(*arguments, methods=METHODS, **options).scores)


def refusal(function, *arguments, **options):
    with pytest.raises(UserError) as caught:
        function(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)
