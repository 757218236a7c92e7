"""SmoothGrad."""

import torch
from torch import Tensor

from xairank.attribution.engine import Explanation
from xairank.attribution.forward_pass import ForwardPass
from xairank.attribution.noise import NoisyMethod
from xairank.attribution.stream import stream_gradients


class SmoothGrad(NoisyMethod):
    """The mean gradient over noisy copies of the image, which is less noisy than the gradient at the image itself.

    ``S(i, j) = max_k |1/n sum_s d score / d x(i, j, k) at x + noise_s|``, with
    ``noise_s ~ N(0, (noise * (max x - min x))^2)`` (Smilkov et al., 2017, "SmoothGrad: removing noise by adding noise";
    the mean is that of section 3, the largest absolute value over channels is that of :class:`Saliency`).

    Use it where saliency scatters; the authors find 10 to 20 % of noise best. Signs may cancel in the mean, in which
    case :class:`~xairank.attribution.VarGrad` shows what is left. Cost: ``2 * n_samples`` forward passes an image.

    Args:
        n_samples: Noisy copies of an image.
        noise: Standard deviation of the noise, as a share of the image's range: its largest minus its smallest value.
        seed: Other seeds draw other noise; it also depends on the image's content.
        **options: Those of every method, see :class:`~xairank.attribution.AttributionMethod`.

    Raises:
        ValueError: An option that is not allowed; names it and what is.
    """

    label = "SmoothGrad"

    def attribute(self, forward: ForwardPass) -> Explanation:
        """Maps (B, H, W).

        The prefix is affine, so that its transpose may wait for the sum.
        """
        samples = self.noisy(forward)

        def prefixes(image: int, steps: slice) -> Tensor:
            with torch.no_grad():
                return forward.forward_prefix(samples(image, steps))

        totals = torch.zeros_like(forward.prefix)
        rows = torch.arange(len(totals), device=totals.device)
        for image, _, gradients in stream_gradients(forward, rows, self.n_samples, prefixes):
            totals[image] += gradients.sum(dim=0)
        return (forward.to_input(totals) / self.n_samples).abs().amax(dim=1), {}
