"""Simulated studies: overlaps of methods with effects of seeds, of images and of both on each method."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit
from scipy.stats import rankdata

from xairank.schema import MetricFacts

FACTS = MetricFacts("Top-K Overlap")
METHODS = ("gradcam", "saliency", "integrated_gradients")


@dataclass(frozen=True)
class Effects:
    """Mean of each method's log odds of overlap, and standard deviations of what varies around it."""

    methods: tuple[float, ...] = (0.2, -1.0, -0.8)
    seed: float = 0.3
    seed_and_method: float = 0.3
    image: float = 0.8
    image_and_method: float = 0.6
    rest: float = 0.6

    def draw(self, generator: np.random.Generator, n_seeds: int, n_images: int) -> np.ndarray:
        """Overlaps in (0, 1): (methods, seeds, images)."""
        n = len(self.methods)
        log_odds = np.array(self.methods)[:, None, None] + sum(
            size * generator.normal(size=shape)
            for size, shape in (
                (self.seed, (1, n_seeds, 1)),
                (self.seed_and_method, (n, n_seeds, 1)),
                (self.image, (1, 1, n_images)),
                (self.image_and_method, (n, 1, n_images)),
                (self.rest, (n, n_seeds, n_images)),
            )
        )
        return expit(log_odds)

    def truth(self, n: int = 1_000_000) -> dict[str, np.ndarray]:
        """Means of :func:`measures` over all seeds and images: a pair of each in each of ``n`` draws."""
        generator = np.random.default_rng(0)
        common = np.hypot(self.seed, self.image) * generator.normal(size=n)
        own = np.sqrt(self.seed_and_method**2 + self.image_and_method**2 + self.rest**2)
        shape = (len(self.methods), n)
        overlaps = expit(np.array(self.methods)[:, None] + common + own * generator.normal(size=shape))
        return {name: values.mean(axis=1) for name, values in measures(overlaps).items()}


def measures(overlaps: np.ndarray) -> dict[str, np.ndarray]:
    """Overlap, rank as a share (0 best, 1 worst) and win, of methods along the first axis."""
    ranks = rankdata(-overlaps, axis=0)
    return {"overlap": overlaps, "rank": (ranks - 1) / (len(overlaps) - 1), "win": (ranks == 1).astype(float)}


def scores_of(overlaps: np.ndarray, *, split: str = "test", k: int = 500, n_pixels: int = 50176) -> pd.DataFrame:
    """Rows of ``scores.parquet`` from overlaps (methods, seeds, images); NaN where a seed did not rank an image."""
    names = METHODS[: len(overlaps)]
    index = pd.MultiIndex.from_product(
        [names, range(overlaps.shape[1]), [f"cut/{image:03}" for image in range(overlaps.shape[2])]],
        names=["method", "seed", "sample"],
    )
    scores = pd.DataFrame({"topk_overlap": overlaps.ravel()}, index=index).dropna().reset_index()
    facts = {"fold": 0, "split": split, "label": "cut", "k": k, "n_pixels": n_pixels}
    return scores.assign(case=scores["sample"], topk_overlap_chance=k / n_pixels, **facts)
