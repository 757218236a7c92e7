"""How the output of a layer is a feature map: (B, C, h, w)."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Layout = Literal["channels first", "channels last", "tokens"]
MOST_PREFIX_TOKENS = 8  # class, distillation and register tokens


@dataclass(frozen=True)
class FeatureLayer:
    """A layer whose output is a feature map, in one of three layouts.

    Attributes:
        name: Of the module.
        layout: (B, C, h, w), (B, h, w, C), or tokens (B, prefix + h * w, C).
        shape: (C, h, w).
        n_prefix: Tokens before those of the image, such as the class token.
    """

    name: str
    layout: Layout
    shape: tuple[int, int, int]
    n_prefix: int = 0

    def to_map(self, output: Tensor) -> Tensor:
        """The layer's output -> feature map (B, C, h, w)."""
        if self.layout == "channels last":
            return output.permute(0, 3, 1, 2)
        if self.layout == "tokens":
            return output[:, self.n_prefix :].transpose(1, 2).unflatten(2, self.shape[1:])
        return output

    def from_map(self, features: Tensor, prefix: Tensor | None) -> Tensor:
        """A feature map (B, C, h, w), and the prefix tokens (B, prefix, C) if any -> what the layer would give."""
        if self.layout == "channels last":
            return features.permute(0, 2, 3, 1)
        if self.layout == "tokens":
            tokens = features.flatten(2).transpose(1, 2)
            return tokens if prefix is None else torch.cat([prefix, tokens], dim=1)
        return features

    def prefix_of(self, output: Tensor) -> Tensor | None:
        """The prefix tokens of the layer's output, (B, prefix, C); None where there are none."""
        return output[:, : self.n_prefix] if self.n_prefix else None


def as_feature_layer(
    name: str, output: Tensor, image_size: tuple[int, int], n_prefix: int | None = None
) -> FeatureLayer | None:
    """How a module's output for images of a size (height, width) is a feature map; None where it is none.

    Args:
        name: Of the module.
        output: What it gives, (B, C, h, w), (B, h, w, C) or tokens (B, prefix + h * w, C).
        image_size: Height and width of the images, in pixels; the map has their aspect.
        n_prefix: Tokens before those of the image, where it is known.
    """
    height, width = image_size
    if output.ndim == 4:
        _, first, second, third = output.shape
        if second * third > 1 and _has_aspect(second, third, height, width):
            return FeatureLayer(name, "channels first", (first, second, third))
        if first * second > 1 and _has_aspect(first, second, height, width):
            return FeatureLayer(name, "channels last", (third, first, second))
    if output.ndim == 3:
        for count in range(MOST_PREFIX_TOKENS + 1) if n_prefix is None else (n_prefix,):
            grid = _grid(output.shape[1] - count, height, width)
            if grid:
                return FeatureLayer(name, "tokens", (output.shape[2], *grid), count)
    return None


def _has_aspect(rows: int, columns: int, height: int, width: int) -> bool:
    """Whether a grid has the image's aspect, up to the rounding of one row and column."""
    return abs(rows * width - columns * height) < max(height, width)


def _grid(count: int, height: int, width: int) -> tuple[int, int] | None:
    """Rows and columns of ``count`` tokens in the image's aspect."""
    if count < 2:
        return None
    rows = round(math.sqrt(count * height / width))
    return (
        (rows, count // rows)
        if rows and count % rows == 0 and _has_aspect(rows, count // rows, height, width)
        else None
    )
