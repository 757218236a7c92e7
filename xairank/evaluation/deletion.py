"""Deletion."""

from torch import Tensor

from xairank.evaluation.curve import Curve
from xairank.evaluation.probe import Probe


class Deletion(Curve):
    """The area under the class's probability while pixels are removed, in the order of the map.

    RISE (Petsiuk et al., BMVC 2018): ``integral over q in [0, 1] of p(x with the share q of the pixels
    filled)``, by trapezoids.

    Pixels of equal value are ordered by numbers that depend on the image alone, see
    :func:`~xairank.evaluation.curve.pixel_places`. With the least relevant first it equals
    :class:`~xairank.evaluation.Insertion` with the most relevant first, as far as ``n_steps`` cuts alike.

    With the most relevant pixels first, a faithful map makes the probability fall at once, so that less is better; with
    the least relevant first, more is. It says what the model uses, not where the defect is, and images with holes are
    ones the model never saw: compare several fills. ``n_steps + 1`` forward passes a map.
    """

    name = "Deletion"

    def __init__(self, fill: str = "mean_color", order: str = "most", n_steps: int = 16) -> None:
        super().__init__(fill, order, n_steps)
        self.higher_is_better = order == "least"

    def score(self, maps: Tensor, masks: Tensor, probe: Probe) -> Tensor:
        """Maps (B, H, W), masks (B, H, W), the probe -> areas (B,) in [0, 1]."""
        return self.area(maps, probe, probe.images, self.filled(probe.images))
