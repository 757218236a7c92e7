"""How the class's probability changes while pixels of an image are exchanged, in the order of a map."""

import numpy as np
import torch
from torch import Tensor

from xairank.evaluation.fills import FILLS
from xairank.evaluation.model_metric import ModelMetric, check_choice, check_count
from xairank.evaluation.probe import Probe, content_generator

ORDERS = ("most", "least")
_WORDS = {"mean_color": "mean colour", "blurred": "blurred", "black": "black"}


class Curve(ModelMetric):
    """What deletion and insertion share: the options, the order of the pixels and the area.

    Args:
        fill: What takes the place of removed pixels: ``mean_color`` of the image, the image ``blurred`` by a sixteenth
            of its height, or ``black``.
        order: ``most`` relevant pixels first, or ``least``.
        n_steps: Steps from the first image to the last; one forward pass more than that a map.

    Raises:
        ValueError: An option that is not allowed; names it and what is.
    """

    name: str

    def __init__(self, fill: str = "mean_color", order: str = "most", n_steps: int = 16) -> None:
        check_choice("fill", fill, FILLS)
        check_choice("order", order, ORDERS)
        check_count("n_steps", n_steps)
        self.fill, self.order, self.n_steps = FILLS[fill], order, n_steps
        self.label = f"{self.name} ({_WORDS[fill]}{', least relevant first' * (order == 'least')})"
        self.passes = n_steps + 1

    def filled(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W) with every pixel removed."""
        return self.fill(images, torch.ones_like(images[:, 0], dtype=torch.bool))

    def area(self, maps: Tensor, probe: Probe, start: Tensor, end: Tensor) -> Tensor:
        """Area (B,) under the probabilities on the way from ``start`` to ``end``, both (B, C, H, W).

        The share of exchanged pixels is the abscissa, in ``n_steps`` nearly equal steps from 0 to 1; the area is that
        of the trapezoids.
        """
        places = pixel_places(maps, probe.images, self.order).to(start.device)
        n_pixels = maps[0].numel()
        counts = torch.arange(self.n_steps + 1) * n_pixels // self.n_steps

        def on_the_way(image: int, steps: slice) -> Tensor:
            exchanged = places[image] < counts[steps].to(start.device).view(-1, 1, 1, 1)
            return torch.where(exchanged, end[image], start[image])

        probabilities = probe.probabilities(self.n_steps + 1, on_the_way)
        return torch.trapezoid(probabilities, counts.double() / n_pixels, dim=1)


def pixel_places(maps: Tensor, images: Tensor, order: str = "most") -> Tensor:
    """The place (B, H, W) of each pixel when all are ordered by a map, from 0.

    Equal values are ordered at random, by numbers that depend on the image's content alone: the same for every method
    and metric, and favouring no part of the image. The least relevant first is exactly the reverse.

    Args:
        maps: (B, H, W).
        images: (B, C, H, W).
        order: ``most`` relevant first, or ``least``.
    """
    places = []
    for values, image in zip(maps.flatten(1).cpu().double().numpy(), images, strict=True):
        ties = content_generator(image, 0).random(values.size)
        sequence = np.lexsort((ties, -values))
        sequence = sequence if order == "most" else sequence[::-1]
        place = np.empty(values.size, np.int64)
        place[sequence] = np.arange(values.size)
        places.append(torch.from_numpy(place))
    return torch.stack(places).view(maps.shape)
