"""95 % intervals for a mean over seeds and images, both of them samples of more: other seeds, other images.

Values are a matrix (seeds S, images I), NaN where a seed did not rank an image. Its mean is that of the seeds' means,
as in the paper. Model: value = mean + effect of the seed + effect of the image + rest.

Resampling seeds and images (Owen 2007, "The pigeonhole bootstrap", Annals of Applied Statistics 1) counts the rest
three times, and the percentiles of ten seeds are too narrow by a tenth. So the resampled quantity is Student's ratio,
whose variance is that of the model above; see :func:`bootstrap_interval`. ``tests/ranking/test_bootstrap.py`` measures
the coverage.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from scipy.stats import t as student

Array = NDArray[np.float64]

LEVEL = 0.95
N_RESAMPLES = 1000
_TAILS = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
# With two or three seeds the intervals cover the truth in 82 to 95 % of simulated studies only.
FEWEST_SEEDS = 5
# A resample that by chance holds hardly any variation would make the ratio explode.
_SMALLEST_VARIANCE_RATIO = 0.1
_NO_VARIATION = 1e-14


class Interval(NamedTuple):
    """A mean and the limits of its interval; limits are NaN where nothing varies, so that nothing can be estimated."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Resamples:
    """How often each seed (B, S) and each image (B, I) is drawn in each of B resamples."""

    seeds: Array
    images: Array


@lru_cache(maxsize=4)
def draw_resamples(n_seeds: int, n_images: int, n_resamples: int = N_RESAMPLES) -> Resamples:
    """Draws seeds and, independently, images with replacement; the same draws for the same numbers."""
    generator = np.random.default_rng([n_seeds, n_images])
    counts = [generator.multinomial(n, np.full(n, 1 / n), n_resamples) for n in (n_seeds, n_images)]
    return Resamples(*(some.astype(np.float64) for some in counts))


def bootstrap_interval(values: Array, resamples: Resamples, low: float = -np.inf, high: float = np.inf) -> Interval:
    """Bootstrap-t interval of a mean, seeds and images resampled (Efron and Tibshirani 1993, section 12.5).

    Args:
        values: (S, I), NaN where a seed did not rank an image.
        resamples: For this S and I.
        low: Least value the mean can have.
        high: Largest value the mean can have.
    """
    found = _moments(values, _every(values.shape))
    mean, variance = found.mean[0], found.variance[0]
    if variance < _NO_VARIATION:
        return Interval(mean, np.nan, np.nan)
    drawn = _moments(values, resamples)
    ratios = (drawn.mean - mean) / np.sqrt(np.maximum(drawn.variance, _SMALLEST_VARIANCE_RATIO * variance))
    limits = mean - np.nanquantile(ratios, _TAILS[::-1]) * np.sqrt(variance)
    return Interval(mean, *limits.clip(low, high))


def rate_interval(values: Array) -> Interval:
    """Interval of a rate in [0, 1]: Student's, on the scale of log odds, with the variance over seeds and images.

    No resample holds what was never seen, so that a bootstrap of few images with a rate near 0 or 1 misses the truth.
    Where all values are 0 or all are 1, the limit is that of as many independent images (Clopper and Pearson 1934).

    Args:
        values: (S, I) in [0, 1], NaN where a seed did not rank an image.
    """
    found = _moments(values, _every(values.shape))
    mean, variance, freedom = found.mean[0], found.variance[0], found.freedom[0]
    if variance < _NO_VARIATION:
        exact = _TAILS[0] ** (1 / values.shape[1])
        low, high = {0.0: (0.0, 1 - exact), 1.0: (exact, 1.0)}.get(round(mean, 9), (np.nan, np.nan))
        return Interval(mean, low, high)
    half_width = student.ppf(_TAILS[1], freedom) * np.sqrt(variance) / (mean * (1 - mean))
    return Interval(mean, *expit(logit(mean) + half_width * np.array([-1, 1])))


def two_way_p(differences: Array) -> float:
    """Two-sided p of Student's test that a mean over seeds and images is 0, both of them samples of more.

    Args:
        differences: (S, I), NaN where a seed did not rank an image.
    """
    found = _moments(differences, _every(differences.shape))
    mean, variance = found.mean[0], found.variance[0]
    if variance < _NO_VARIATION:
        return float(abs(mean) < _NO_VARIATION)
    return float(2 * student.sf(abs(mean) / np.sqrt(variance), found.freedom[0]))


def detectable_difference(differences: Array, alpha: float = 1 - LEVEL, power: float = 0.8) -> float:
    """The least mean that :func:`two_way_p` would find below ``alpha`` with this probability, if values vary as here.

    Args:
        differences: (S, I), NaN where a seed did not rank an image.
        alpha: In (0, 1).
        power: In (0.5, 1).

    Returns:
        In the unit of the values; NaN where nothing varies.
    """
    found = _moments(differences, _every(differences.shape))
    variance, freedom = found.variance[0], found.freedom[0]
    if variance < _NO_VARIATION:
        return float("nan")
    return float(np.sqrt(variance) * (student.isf(alpha / 2, freedom) + student.ppf(power, freedom)))


class _Moments(NamedTuple):
    """The mean, its variance over draws of seeds and images, and Satterthwaite's degrees of freedom; (B,) each."""

    mean: Array
    variance: Array
    freedom: Array


def _every(shape: tuple[int, ...]) -> Resamples:
    return Resamples(np.ones((1, shape[0])), np.ones((1, shape[1])))


def _moments(values: Array, drawn: Resamples) -> _Moments:
    """The variance is (effect of seeds + rest) + (effect of images + rest) - rest, none of the effects below zero."""
    n_seeds, n_images = values.shape
    ranked = np.isfinite(values).astype(np.float64)
    known = np.where(ranked > 0, values, 0.0)
    counts = drawn.images @ ranked.T  # images of each seed
    seeds = drawn.seeds * (counts > 0)
    counts = np.maximum(counts, 1)
    total = seeds.sum(axis=1, keepdims=True)
    total[total == 0] = np.nan  # seeds that ranked none of the drawn images
    seed_means = drawn.images @ known.T / counts
    mean = (seeds * seed_means).sum(axis=1, keepdims=True) / total

    over_seeds = (seeds * (seed_means - mean) ** 2).sum(axis=1) / (total * np.maximum(total - 1, 1))[:, 0]
    # How much each image moves the mean: the deviations from the seeds' means, weighted as the mean weighs them.
    influence = (seeds / counts @ known - seeds * seed_means / counts @ ranked) / total
    over_images = (drawn.images * influence**2).sum(axis=1) * n_images / max(n_images - 1, 1)
    rest, rest_freedom = _rest(known, ranked, drawn.images, seeds, seed_means, counts)
    rest *= (seeds / counts).sum(axis=1) / total[:, 0] ** 2

    variance = np.maximum(over_seeds - rest, 0) + np.maximum(over_images - rest, 0) + rest
    if n_images == 1:  # nothing is known of other images
        variance = np.zeros_like(variance)
    spread = over_seeds**2 / max(n_seeds - 1, 1) + over_images**2 / max(n_images - 1, 1) + rest**2 / rest_freedom
    least = min((n - 1 for n in (n_seeds, n_images) if n > 1), default=1)
    return _Moments(mean[:, 0], variance, np.maximum(variance**2 / np.maximum(spread, 1e-300), least))


def _rest(
    known: Array, ranked: Array, images: Array, seeds: Array, seed_means: Array, counts: Array
) -> tuple[Array, Array]:
    """Variance of a single value beyond the effects of its seed and its image (B,), and its degrees of freedom."""
    weights = seeds @ ranked  # seeds of each image
    image_effects = (seeds @ known - (seeds * seed_means) @ ranked) / np.maximum(weights, 1)
    within_seeds = (seeds * (images @ (known**2).T - counts * seed_means**2)).sum(axis=1)
    squares = within_seeds - (images * weights * image_effects**2).sum(axis=1)
    freedom = (images * weights).sum(axis=1) - seeds.sum(axis=1) - (images * (weights > 0)).sum(axis=1) + 1
    freedom = np.maximum(freedom, 1)
    return np.maximum(squares, 0) / freedom, freedom
