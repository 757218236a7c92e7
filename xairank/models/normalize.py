"""Normalisation of images as a layer of the model."""

import torch
from torch import Tensor, nn


class Normalize(nn.Module):
    """Shifts and scales channels inside the model, so that the model's input stays in [0, 1] and black is 0."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W) in [0, 1] -> the encoder's input."""
        return (images - self.mean) / self.std
