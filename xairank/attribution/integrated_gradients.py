"""Integrated gradients."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from xairank.attribution.engine import AttributionMethod, Explanation
from xairank.attribution.forward_pass import ForwardPass
from xairank.attribution.path import BASELINES, RULES
from xairank.attribution.stream import stream_gradients

LADDER = (8, 16, 32, 64, 128, 256)


class IntegratedGradients(AttributionMethod):
    """Gradients summed along the straight path from a baseline to the image (Sundararajan et al., ICML 2017; Eq. 3).

    ``A = (x - x') * integral over a in [0, 1] of d score / d x at x' + a (x - x')``, from a baseline ``x'`` to the
    image x. The map is the sum over channels of ``|A|``. The attributions sum to the score of the image minus that of
    the baseline (completeness); ``completeness_error`` says by how much the finite sum misses this.

    Use it where a baseline without evidence is known. What has the colour of the baseline gets nothing: with a black
    one, as by default, black defects are missed; :class:`ExpectedGradients` averages over several baselines. Its maps
    are fine and scattered, which ``smooth`` mends. Cost: ``2 * n_steps + 2`` forward passes an image, a backward pass
    counting as one; ``uniform`` takes as many steps for each draw.

    Args:
        n_steps: Points on the path; ``auto`` takes for each image the fewest of 8, 16, 32, ..., 256 whose completeness
            error is at most ``tolerance``, and 256 where it never is.
        rule: ``gauss_legendre``, ``midpoint`` or ``trapezoid``.
        baseline: ``black``, ``white``, ``mean_color``, ``blurred``, or ``uniform``: noise, averaged over several draws.
        tolerance: Of ``n_steps=auto``, in logits.
        **options: Those of every method, see :class:`~xairank.attribution.AttributionMethod`.

    Raises:
        ValueError: An option that is not allowed; names it and what is.
    """

    label = "Integrated gradients"
    color = "#009E73"
    diagnostics: ClassVar[Mapping[str, str]] = {"completeness_error": "completeness error, in logits"}

    def __init__(
        self,
        n_steps: int | str = 25,
        rule: str = "gauss_legendre",
        baseline: str = "black",
        tolerance: float = 0.05,
        **options: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(**options)
        for name, value, allowed in (("rule", rule, RULES), ("baseline", baseline, BASELINES)):
            if value not in allowed:
                raise ValueError(f"{name}={value} is not allowed: expected {' or '.join(allowed)}")
        if n_steps != "auto" and (not isinstance(n_steps, int) or isinstance(n_steps, bool) or n_steps < 1):
            raise ValueError(f"n_steps={n_steps} is not allowed: expected a whole number of at least 1, or auto")
        if not isinstance(tolerance, int | float) or not tolerance > 0:
            raise ValueError(f"tolerance={tolerance} is not allowed: expected a number greater than 0")
        ladder = LADDER if isinstance(n_steps, str) else (n_steps,)
        self.points = {steps: RULES[rule](steps) for steps in ladder}
        self.baseline = BASELINES[baseline]
        self.tolerance = tolerance

    def passes(self, images: Tensor) -> int:
        """About how many forward passes each of these images costs."""
        return 2 * min(self.points) + 2

    def attribute(self, forward: ForwardPass) -> Explanation:
        """Maps (B, H, W), ``completeness_error`` (B,) in logits, and ``n_steps`` (B,), the points used.

        Attributions should sum to the difference of the logit between image and baseline; the error is how far they are
        from it, ``|sum - (f(x) - f(x'))|``.
        """
        images = forward.images
        maps, errors = torch.zeros_like(images[:, 0]), torch.zeros_like(forward.scores)
        steps = torch.zeros_like(forward.targets)
        rows = torch.arange(len(images), device=images.device)
        for n_steps in self.points:
            attributions, error = self._integrate(forward, rows, n_steps)
            maps[rows], errors[rows], steps[rows] = attributions.abs().sum(dim=1), error, n_steps
            rows = rows[error > self.tolerance]
            if not len(rows):
                break
        return maps, {"completeness_error": errors, "n_steps": steps}

    def _integrate(self, forward: ForwardPass, rows: Tensor, n_steps: int) -> tuple[Tensor, Tensor]:
        """Attributions (R, C, H, W) of the images in ``rows`` and their completeness errors (R,)."""
        images = forward.images[rows]
        baselines = self.baseline(forward.images)
        attributions, gain = torch.zeros_like(images), torch.zeros_like(forward.scores[rows])
        for baseline in baselines:
            start = forward.forward_prefix(baseline).detach()
            scores = _baseline_scores(forward, start)
            if len(baseline) > 1:
                baseline, start, scores = baseline[rows], start[rows], scores[rows]
            else:
                scores = scores[rows]
            gradients = torch.zeros_like(forward.prefix)
            gradients[rows] = self._mean_gradients(forward, start, rows, n_steps)
            attributions += (images - baseline) * forward.to_input(gradients)[rows] / len(baselines)
            gain += (forward.scores[rows] - scores) / len(baselines)
        return attributions, (attributions.sum(dim=(1, 2, 3)) - gain).abs()

    def _mean_gradients(self, forward: ForwardPass, start: Tensor, rows: Tensor, n_steps: int) -> Tensor:
        """The weighted sum over the path of the gradients at the prefix's output, (R, c, y, x).

        The prefix is affine, so its output moves on a straight line too, and its transpose may wait for the sum.
        """
        positions, weights = (torch.from_numpy(values).to(forward.prefix) for values in self.points[n_steps])
        positions = positions.view(-1, 1, 1, 1)
        difference = forward.prefix[rows] - start
        start = start.expand_as(difference)

        def on_the_path(image: int, steps: slice) -> Tensor:
            return torch.addcmul(start[image], positions[steps], difference[image])

        totals = torch.zeros_like(difference)
        for image, steps, gradients in stream_gradients(forward, rows, n_steps, on_the_path):
            # Summed as (y, x, c), which is how channels-last gradients lie in memory.
            total = torch.einsum("s,syxc->yxc", weights[steps], gradients.permute(0, 2, 3, 1))
            totals[image] += total.permute(2, 0, 1)
        return totals


def _baseline_scores(forward: ForwardPass, start: Tensor) -> Tensor:
    """The explained scores at the baselines, (B,), from the prefix's output there, (B or 1, c, y, x)."""
    with torch.no_grad():
        logits = forward.model.forward_head(*forward.forward_rest(start))
    forward.passes += len(start)
    return forward.score(logits.expand(len(forward.targets), -1), forward.targets)
