"""Networks of a few layers in timm's protocol, for what a real architecture would only make slow."""

import torch
from torch import nn
from torch.nn import functional


class Small(nn.Sequential):
    """Features, then average pooling and a linear layer."""

    def __init__(self, *features, channels, bias=True):
        torch.manual_seed(0)
        super().__init__(nn.Sequential(*features), nn.Linear(channels, 4, bias=bias))
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=0.3)
        self.double().eval()

    def forward_features(self, images):
        return self[0](images)

    def forward_head(self, features):
        return self[1](features.flatten(1))

    def forward(self, images):
        return self.forward_head(self.forward_features(images))


def relu_network(bias=True, activation=nn.ReLU):
    """Two convolutions, max and average pooling, 8 x 8 images or larger."""
    return Small(
        nn.Conv2d(3, 6, 3, padding=1, bias=bias),
        activation(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 8, 3, padding=1, bias=bias),
        activation(),
        nn.AdaptiveAvgPool2d(1),
        channels=8,
        bias=bias,
    )


class Functional(nn.Module):
    """The same weights as another small network, with functions in the place of activation layers."""

    def __init__(self, layers, function=functional.relu):
        super().__init__()
        self.layers, self.function = layers, function

    def forward_features(self, images):
        first, second = self.layers[0][0], self.layers[0][3]
        pooled = functional.max_pool2d(self.function(first(images)), 2)
        return functional.adaptive_avg_pool2d(self.function(second(pooled)), 1)

    def forward_head(self, features):
        return self.layers.forward_head(features)

    def forward(self, images):
        return self.forward_head(self.forward_features(images))
