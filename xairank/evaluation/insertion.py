"""Insertion."""

from torch import Tensor

from xairank.evaluation.curve import Curve
from xairank.evaluation.probe import Probe


class Insertion(Curve):
    """The area under the class's probability while pixels are put into a filled image, in the order of the map.

    RISE (Petsiuk et al., BMVC 2018): ``integral over q in [0, 1] of p(filled image with the share q of the
    pixels of x)``, by trapezoids.

    Pixels of equal value are ordered by numbers that depend on the image alone, see
    :func:`~xairank.evaluation.curve.pixel_places`. With the least relevant first it equals
    :class:`~xairank.evaluation.Deletion` with the most relevant first, as far as ``n_steps`` cuts alike.

    With the most relevant pixels first, a faithful map makes the probability rise at once, so that more is better; with
    the least relevant first, less is. It says what suffices for the model, not where the defect is, and nearly empty
    images are ones the model never saw: compare several fills. ``n_steps + 1`` forward passes a map.
    """

    name = "Insertion"

    def __init__(self, fill: str = "blurred", order: str = "most", n_steps: int = 16) -> None:
        super().__init__(fill, order, n_steps)
        self.higher_is_better = order == "most"

    def score(self, maps: Tensor, masks: Tensor, probe: Probe) -> Tensor:
        """Maps (B, H, W), masks (B, H, W), the probe -> areas (B,) in [0, 1]."""
        return self.area(maps, probe, self.filled(probe.images), probe.images)
