"""Integrated gradients."""

import torch
from torch import Tensor

from xairank.attribution.path import BASELINES, RULES
from xairank.attribution.protocol import Diagnostics, Model, checked, explaining, input_gradients, target_logits


class IntegratedGradients:
    """Gradients summed along the straight path from a baseline to the image (Sundararajan et al., ICML 2017; Eq. 3).

    The map is the sum over channels of the absolute attributions ``|(x - x') * integral of the gradient|``. All (image,
    step) pairs are one stream, cut by ``batch_limit``: it bounds memory and sets the speed, never the result.

    Args:
        n_steps: Points on the path.
        rule: ``gauss_legendre``, ``midpoint`` or ``trapezoid``.
        baseline: ``black``, ``white`` or ``mean_color``.
        batch_limit: Largest number of (image, step) pairs in one pass through the network.

    Raises:
        ValueError: An option that is not allowed; names it and what is.
    """

    def __init__(
        self, n_steps: int = 25, rule: str = "gauss_legendre", baseline: str = "black", batch_limit: int = 16
    ) -> None:
        for name, value, allowed in (("rule", rule, RULES), ("baseline", baseline, BASELINES)):
            if value not in allowed:
                raise ValueError(f"{name}={value} is not allowed: expected {' or '.join(allowed)}")
        for name, number in (("n_steps", n_steps), ("batch_limit", batch_limit)):
            if not isinstance(number, int) or isinstance(number, bool) or number < 1:
                raise ValueError(f"{name}={number} is not allowed: expected a whole number of at least 1")
        self.points = RULES[rule](n_steps)
        self.baseline = BASELINES[baseline]
        self.batch_limit = batch_limit

    def __call__(self, model: Model, images: Tensor, targets: Tensor) -> Tensor:
        """Images (B, 3, H, W), targets (B,) -> maps (B, H, W)."""
        return self.with_diagnostics(model, images, targets)[0]

    def with_diagnostics(self, model: Model, images: Tensor, targets: Tensor) -> tuple[Tensor, Diagnostics]:
        """Maps (B, H, W), and ``completeness_error`` (B,), in logits.

        Attributions should sum to the difference of the logit between image and baseline; the error is how far they are
        from it, ``|sum - (f(x) - f(x'))|``.
        """
        with explaining(model):
            images, targets = checked(images, targets)
            baselines = self.baseline(images)
            difference = images - baselines
            attributions = difference * self._mean_gradients(model, baselines, difference, targets)
            gain = self._logits(model, images, targets) - self._logits(model, baselines, targets)
        error = (attributions.sum(dim=(1, 2, 3)) - gain).abs()
        return attributions.abs().sum(dim=1), {"completeness_error": error}

    def _mean_gradients(self, model: Model, baselines: Tensor, difference: Tensor, targets: Tensor) -> Tensor:
        """The weighted sum over the path of the input gradients, (B, C, H, W)."""
        positions, weights = (torch.from_numpy(values).to(difference) for values in self.points)
        totals = torch.zeros_like(difference)
        pairs = torch.arange(len(difference) * len(positions), device=difference.device)
        for chunk in pairs.split(self.batch_limit):
            image, step = chunk // len(positions), chunk % len(positions)
            inputs = torch.addcmul(baselines[image], positions[step].view(-1, 1, 1, 1), difference[image])
            gradients, _ = input_gradients(model, inputs, targets[image])
            # A chunk's pairs belong to few neighbouring images: a small matrix sums each one's share in a fixed order.
            first, last = int(image[0]), int(image[-1])
            shares = (image == torch.arange(first, last + 1, device=image.device)[:, None]) * weights[step]
            totals[first : last + 1] += (shares @ gradients.flatten(1)).view_as(totals[first : last + 1])
        return totals

    def _logits(self, model: Model, images: Tensor, targets: Tensor) -> Tensor:
        with torch.no_grad():
            parts = zip(images.split(self.batch_limit), targets.split(self.batch_limit), strict=True)
            scores = [target_logits(model.forward_head(model.forward_features(part)), target) for part, target in parts]
        return torch.cat(scores) if scores else images.new_zeros(0)
