"""Seven made-up studies whose answer is known before it is written: scores that were chosen, in run folders."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from tests.runs_fixture import CONTROLS, write_fake_sweep
from xairank.runs.sweep import Sweep, read_sweep

# Mean overlap of each method and of the control; an image and a seed move all of them alike, and each a little.
CLEAR = {"gradcam": 0.6, "saliency": 0.3, "integrated_gradients": 0.2, "center": 0.1, "random": 0.05, "own_mask": 0.7}
EQUAL = {**CLEAR, "saliency": 0.6, "integrated_gradients": 0.6}
BELOW_CONTROL = {**CLEAR, "center": 0.8}

SEEDS = range(42, 48)


def study(folder: Path, levels: dict[str, float], n_images: int = 24, labels: tuple[str, ...] = (), **options) -> Sweep:
    """A sweep whose scores have these means.

    Args:
        folder: Of the sweep.
        levels: Mean of each method and control.
        n_images: Of the test split.
        labels: Classes that stay; by default all.
        options: Of the configuration; ``change`` is a function of the scores before they are written.
    """
    change: Callable[[pd.DataFrame], pd.DataFrame] = options.pop("change", lambda scores: scores)
    overrides = {"attribution.controls": CONTROLS, **options}
    write_fake_sweep(folder, SEEDS, n_images, **overrides)
    for path in sorted(folder.glob("*/scores.parquet")):
        for name in ("scores.parquet", "variants.parquet"):
            place = path.with_name(name)
            if place.is_file():
                scores = _with_levels(pd.read_parquet(place), levels)
                if labels:
                    scores = scores[scores["label"].isin(labels)]
                change(scores).to_parquet(place, index=False)
        if labels:
            table = pd.read_csv(path.with_name("excluded.csv"))
            table[table["label"].isin([*labels, "good"])].to_csv(path.with_name("excluded.csv"), index=False)
    return read_sweep(folder)


def _with_levels(scores: pd.DataFrame, levels: dict[str, float]) -> pd.DataFrame:
    """Every image has its own noise a method, the same in all runs and variants, and a little a run."""
    seed = int(scores["seed"].iloc[0])
    values = []
    for method, split, sample in zip(scores["method"], scores["split"], scores["sample"], strict=True):
        own = np.random.default_rng([*f"{method}{split}{sample}".encode()]).normal(0, 0.04)
        run = np.random.default_rng([seed, *f"{method}{sample}".encode()]).normal(0, 0.01)
        values.append(levels[method] + own + run)
    overlap = np.clip(values, 0, 1)
    return scores.assign(topk_overlap=overlap, topk_iou=overlap / (2 - overlap))


def other_metric(scores: pd.DataFrame) -> pd.DataFrame:
    """Saliency is best by the other metric."""
    lifted = scores["topk_iou"] + 0.7 * (scores["method"] == "saliency")
    return scores.assign(topk_iou=lifted.clip(0, 1))


def smoother_is_better(scores: pd.DataFrame) -> pd.DataFrame:
    """Saliency passes Grad-CAM where it is blurred by 16 pixels or more."""
    if "variant" not in scores:
        return scores
    lifted = (scores["variant"] == "blur") & (scores["level"] >= 16) & (scores["method"] == "saliency")
    return scores.assign(topk_overlap=(scores["topk_overlap"] + 0.35 * lifted).clip(0, 1))


STUDIES: dict[str, Callable[[Path], Sweep]] = {
    "clear winner": lambda folder: study(folder, CLEAR),
    "not separated": lambda folder: study(folder, EQUAL),
    "too few images": lambda folder: study(folder, CLEAR, 4),
    "worse than control": lambda folder: study(folder, BELOW_CONTROL),
    "one class only": lambda folder: study(folder, CLEAR, 64, ("crack",)),
    "winner changes with metric": lambda folder: study(folder, CLEAR, change=other_metric),
    "winner changes with blur": lambda folder: study(
        folder, CLEAR, change=smoother_is_better, **{"attribution.ladder": True}
    ),
}
