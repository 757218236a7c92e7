"""Where a path integral starts and at which points it is summed: baselines and quadrature rules, as pure functions."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Points = tuple[NDArray[np.float64], NDArray[np.float64]]


def gauss_legendre(n_steps: int) -> Points:
    """Positions in (0, 1) and weights summing to one; exact for polynomials of degree 2 n - 1."""
    positions, weights = np.polynomial.legendre.leggauss(n_steps)
    return (positions + 1) / 2, weights / 2


def midpoint(n_steps: int) -> Points:
    """The middles of ``n_steps`` equal parts of (0, 1), equally weighted."""
    return (np.arange(n_steps) + 0.5) / n_steps, np.full(n_steps, 1 / n_steps)


def trapezoid(n_steps: int) -> Points:
    """``n_steps`` points from 0 to 1, both ends at half weight.

    Raises:
        ValueError: Fewer than two points.
    """
    if n_steps < 2:
        raise ValueError(f"n_steps={n_steps}: the trapezoid rule needs at least 2 points")
    weights = np.full(n_steps, 1.0)
    weights[[0, -1]] = 0.5
    return np.linspace(0, 1, n_steps, dtype=np.float64), weights / (n_steps - 1)


def black(images: Tensor) -> Tensor:
    """Zeros: black for images in [0, 1], since normalisation is the model's first layer."""
    return torch.zeros_like(images)


def white(images: Tensor) -> Tensor:
    """Ones: white for images in [0, 1]."""
    return torch.ones_like(images)


def mean_color(images: Tensor) -> Tensor:
    """Each image's mean colour, everywhere."""
    return images.mean(dim=(2, 3), keepdim=True).expand_as(images)


RULES: dict[str, Callable[[int], Points]] = {
    "gauss_legendre": gauss_legendre,
    "midpoint": midpoint,
    "trapezoid": trapezoid,
}
BASELINES: dict[str, Callable[[Tensor], Tensor]] = {"black": black, "white": white, "mean_color": mean_color}
