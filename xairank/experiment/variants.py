"""Maps changed after the fact, at other layers, or of a network with other weights: does a method's score hold?"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from scipy.stats import spearmanr
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure

from xairank.attribution import AttributionMethod, Explanation, FrozenModel, explain
from xairank.attribution.smoothing import smoothed
from xairank.evaluation.metric import Metric
from xairank.experiment.scoring import score_maps
from xairank.names import count, in_words
from xairank.schema import BLUR, LAYER, RANDOMISED, SPEARMAN, SSIM

SIGMAS = (2, 4, 8, 16, 32)  # pixels; 0 is the map itself


class Variants:
    """What ``variants.parquet`` holds beside the scores of a part.

    Args:
        methods: By name, controls too.
        metrics: The metric that decides, by name.
        ladder: Whether maps are blurred, and the methods with a layer run at each stage of the network.
        randomised: Networks re-initialised stage by stage from the head down, with what was re-initialised last; see
            :func:`xairank.experiment.randomised.randomised_networks`.
    """

    def __init__(
        self,
        methods: Mapping[str, AttributionMethod],
        metrics: Mapping[str, Metric],
        *,
        ladder: bool,
        randomised: Sequence[tuple[str, FrozenModel]] = (),
    ) -> None:
        self.methods, self.metrics = methods, metrics
        self.ladder, self.randomised = ladder, randomised

    def costs(self, model: FrozenModel) -> list[str]:
        """What :meth:`rows` explains beside the maps themselves, in words; blurred maps cost no pass."""
        stages = _at_stages(self.methods, model) if self.ladder else {}
        found = []
        if stages:
            names = in_words(list(next(iter(stages.values()))))
            found.append(f"{names} at {count(len(stages), 'stage')} of the network")
        if self.randomised:
            found.append(f"every method again for {count(len(self.randomised), 'network')} with re-initialised weights")
        return found

    def rows(
        self,
        described: pd.DataFrame,
        explained: Mapping[str, Explanation],
        masks: Tensor,
        model: FrozenModel,
        images: Tensor,
        targets: Tensor,
    ) -> list[pd.DataFrame]:
        """Rows as of :func:`~xairank.experiment.scoring.score_maps`, with ``variant``, ``level`` and ``changed``.

        Args:
            described: A row an image.
            explained: The maps of each method as they are, on the host.
            masks: (B, H, W), on the host.
            model: That was explained.
            images: (B, C, H, W), on its device.
            targets: The explained classes, (B,).
        """
        rows = []
        if self.ladder:
            rows += blurred_rows(described, explained, masks, self.metrics)
            for level, (layer, methods) in enumerate(_at_stages(self.methods, model).items()):
                maps = _on_host(explain(methods, model, images, targets))
                rows.append(self._scored(described, maps, masks, LAYER, level, layer))
        random = {name: method for name, method in self.methods.items() if method.control == ""}
        for level, (changed, other) in enumerate(self.randomised, 1):
            maps = _on_host(explain(random, other, images, targets))
            table = self._scored(described, maps, masks, RANDOMISED, level, changed)
            rows.append(table.assign(**_similarities(maps, explained)))
        return rows

    def _scored(
        self,
        described: pd.DataFrame,
        maps: Mapping[str, Explanation],
        masks: Tensor,
        variant: str,
        level: int,
        changed: str,
    ) -> pd.DataFrame:
        plain: dict[str, Explanation] = {name: (values, {}) for name, (values, _) in maps.items()}
        return score_maps(described, plain, self.metrics, masks).assign(variant=variant, level=level, changed=changed)


def blurred_rows(
    described: pd.DataFrame, explained: Mapping[str, Explanation], masks: Tensor, metrics: Mapping[str, Metric]
) -> list[pd.DataFrame]:
    """The scores of all maps at each blur; the arguments are those of :meth:`Variants.rows`."""
    tables = []
    for sigma in SIGMAS:
        maps: dict[str, Explanation] = {name: (smoothed(maps, sigma), {}) for name, (maps, _) in explained.items()}
        scores = score_maps(described, maps, metrics, masks)
        tables.append(scores.assign(variant=BLUR, level=sigma, changed=f"blur of {sigma} pixels"))
    return tables


def _at_stages(methods: Mapping[str, AttributionMethod], model: FrozenModel) -> dict[str, dict[str, AttributionMethod]]:
    """By the name of each stage's last layer, the methods that have a layer, set to it."""
    found: dict[str, dict[str, AttributionMethod]] = {}
    for stage in getattr(model.plain, "stages", ()):
        for name, method in methods.items():
            if hasattr(method, "layer"):
                placed: Any = copy.copy(method)
                placed.layer = stage
                found.setdefault(stage, {})[name] = placed
    return found


def _on_host(explained: Mapping[str, Explanation]) -> dict[str, Explanation]:
    return {name: (maps.cpu(), {}) for name, (maps, _) in explained.items()}


def _similarities(maps: Mapping[str, Explanation], trained: Mapping[str, Explanation]) -> dict[str, np.ndarray]:
    """Of each map with that of the trained network, in the order of the rows."""
    pairs = [
        (one, other) for name, (some, _) in maps.items() for one, other in zip(some, trained[name][0], strict=True)
    ]
    return {
        SPEARMAN: np.array([rank_correlation(one, other) for one, other in pairs]),
        SSIM: np.array([structural_similarity(one, other) for one, other in pairs]),
    }


def rank_correlation(one: Tensor, other: Tensor) -> float:
    """Spearman's, in [-1, 1], of two maps (H, W); 0 where one of them is constant and orders nothing."""
    if bool((one == one.flatten()[0]).all()) or bool((other == other.flatten()[0]).all()):
        return 0.0
    return float(spearmanr(one.flatten().numpy(), other.flatten().numpy()).statistic)


def structural_similarity(one: Tensor, other: Tensor) -> float:
    """SSIM (Wang et al., 2004), in [-1, 1], of two maps (H, W), each stretched to [0, 1]; a constant one becomes 0."""
    first, second = (_stretched(values)[None, None] for values in (one, other))
    return float(cast(Tensor, structural_similarity_index_measure(first, second, data_range=1.0)))


def _stretched(values: Tensor) -> Tensor:
    values = values.double()
    span = values.max() - values.min()
    return torch.zeros_like(values) if span == 0 else (values - values.min()) / span
