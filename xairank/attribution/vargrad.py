"""VarGrad."""

import torch

from xairank.attribution.engine import Explanation
from xairank.attribution.forward_pass import ForwardPass
from xairank.attribution.noise import NoisyMethod
from xairank.attribution.stream import stream_input_gradients


class VarGrad(NoisyMethod):
    """The variance of the gradient over noisy copies of the image: where small changes move the model most.

    ``V(i, j) = max_k Var_s [d score / d x(i, j, k) at x + noise_s]``, the mean of the squares minus the square of the
    mean, with ``noise_s ~ N(0, (noise * (max x - min x))^2)`` (Adebayo et al., 2018, "Local explanation methods for
    deep neural networks lack sensitivity to parameter values"; as for :class:`SmoothGrad`, the largest over channels).

    It is independent of the mean gradient, which :class:`SmoothGrad` shows, and depends on the curvature alone: of a
    model that is linear around the image it says nothing, its map being zero. Cost: ``2 * n_samples`` forward passes an
    image.

    Args:
        n_samples: Noisy copies of an image, at least 2.
        noise: Standard deviation of the noise, as a share of the image's range: its largest minus its smallest value.
        seed: Other seeds draw other noise; it also depends on the image's content.
        **options: Those of every method, see :class:`~xairank.attribution.AttributionMethod`.

    Raises:
        ValueError: An option that is not allowed; names it and what is.
    """

    label = "VarGrad"
    least_samples = 2

    def attribute(self, forward: ForwardPass) -> Explanation:
        """Maps (B, H, W)."""
        means, squares = torch.zeros_like(forward.images), torch.zeros_like(forward.images)
        rows = torch.arange(len(means), device=means.device)
        stream = stream_input_gradients(forward, rows, self.n_samples, self.noisy(forward))
        for image, steps, gradients in stream:
            # Welford's recurrence, a sample at a time: no cancellation, and the same whatever the batch.
            for step, gradient in enumerate(gradients, start=steps.start):
                difference = gradient - means[image]
                means[image] += difference / (step + 1)
                squares[image] += difference * (gradient - means[image])
        return squares.amax(dim=1) / self.n_samples, {}
