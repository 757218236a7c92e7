"""Sensitivity."""

import torch
from torch import Tensor

from xairank.evaluation.model_metric import ModelMetric, check_count
from xairank.evaluation.probe import Probe, content_generator


class Sensitivity(ModelMetric):
    """The largest relative change of the map under noise in the image that a person does not see.

    ``max over draws of ||a(x + e) - a(x)|| / ||a(x)||``, Euclidean norms over the pixels, with e uniform in
    [-radius, radius] at every value of the image: the maximum sensitivity of Yeh et al. (NeurIPS 2019),
    divided by the norm of the map, so that methods of any scale compare. The explained class stays that of the image.
    Of a map of zeros the change is not divided. Methods that draw at random, such as SmoothGrad, draw anew for each
    changed image: what their own draws change counts too, as it does for who looks at two such maps.

    Less is better, but a map that never changes, such as a constant one, has 0: it says how stable a map is, not
    whether it is right. Slow: it costs ``n_draws`` explanations of each image by each method.

    Args:
        radius: Of the noise, in the units of the images.
        n_draws: How often noise is drawn.
        seed: Other seeds draw other noise; it depends on the image's content, so that it is the same for all methods.

    Raises:
        ValueError: An option that is not allowed; names it and what is.
    """

    label = "Sensitivity"
    higher_is_better = False
    high = None

    def __init__(self, radius: float = 0.02, n_draws: int = 10, seed: int = 0) -> None:
        if isinstance(radius, bool) or not isinstance(radius, int | float) or not 0 < radius < float("inf"):
            raise ValueError(f"radius={radius} is not allowed: expected a number greater than 0")
        check_count("n_draws", n_draws)
        self.radius, self.seed, self.explanations = radius, seed, n_draws

    def score(self, maps: Tensor, masks: Tensor, probe: Probe) -> Tensor:
        """Maps (B, H, W), masks (B, H, W), the probe -> largest relative changes (B,)."""
        maps = maps.double().cpu()
        generators = [content_generator(image, self.seed) for image in probe.images]
        largest = maps.new_zeros(len(maps))
        for _ in range(self.explanations):
            draws = [
                generator.uniform(-self.radius, self.radius, image.shape)
                for generator, image in zip(generators, probe.images, strict=True)
            ]
            noise = torch.stack([torch.from_numpy(draw) for draw in draws]).to(probe.images)
            changes = (probe.explain(probe.images + noise) - maps).flatten(1).norm(dim=1)
            largest = torch.maximum(largest, changes)
        norms = maps.flatten(1).norm(dim=1)
        return largest / torch.where(norms > 0, norms, 1.0)
