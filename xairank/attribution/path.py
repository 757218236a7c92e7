"""Where a path integral starts and at which points it is summed: baselines and quadrature rules, as pure functions."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

Points = tuple[NDArray[np.float64], NDArray[np.float64]]
BLUR = 1 / 16  # standard deviation of the blurred baseline, in image heights: 14 pixels of 224
UNIFORM_DRAWS = 4
MOST_NODES = 4096  # of Gauss and Legendre: they are found with memory that grows by the square of their number


def gauss_legendre(n_steps: int) -> Points:
    """Positions in (0, 1) and weights summing to one; exact for polynomials of degree 2 n - 1.

    Raises:
        ValueError: More points than memory allows.
    """
    if n_steps > MOST_NODES:
        raise ValueError(f"n_steps={n_steps}: gauss_legendre takes at most {MOST_NODES} points; set rule=midpoint")
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


def black(images: Tensor) -> list[Tensor]:
    """Zeros: black for images in [0, 1], since normalisation is the model's first layer."""
    return [torch.zeros_like(images[:1])]


def white(images: Tensor) -> list[Tensor]:
    """Ones: white for images in [0, 1]."""
    return [torch.ones_like(images[:1])]


def mean_color(images: Tensor) -> list[Tensor]:
    """Each image's mean colour, everywhere."""
    return [images.mean(dim=(2, 3), keepdim=True).expand_as(images)]


def blurred(images: Tensor) -> list[Tensor]:
    """Each image without detail: a Gaussian blur of a sixteenth of its height (Fong & Vedaldi, ICCV 2017)."""
    sigma = images.shape[-2] * BLUR
    # Three standard deviations each way, but torchvision reflects at the border, which needs a kernel inside the image.
    kernel = [2 * min(round(3 * sigma), size - 1) + 1 for size in (images.shape[-1], images.shape[-2])]
    return [gaussian_blur(images, kernel, [sigma, sigma])]


def uniform(images: Tensor) -> list[Tensor]:
    """Several images of uniform noise in [0, 1], the same for every image (Sturmfels et al., 2020)."""
    generator = torch.Generator().manual_seed(0)
    draws = torch.rand(UNIFORM_DRAWS, 1, *images.shape[1:], generator=generator)
    return list(draws.to(images))


RULES: dict[str, Callable[[int], Points]] = {
    "gauss_legendre": gauss_legendre,
    "midpoint": midpoint,
    "trapezoid": trapezoid,
}
# Each gives one baseline, (B, C, H, W) or (1, C, H, W) where it is the same for all, or several to be averaged over.
BASELINES: dict[str, Callable[[Tensor], list[Tensor]]] = {
    "black": black,
    "white": white,
    "mean_color": mean_color,
    "blurred": blurred,
    "uniform": uniform,
}
