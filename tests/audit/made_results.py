"""Gathered results whose answer is known, for all cells of the grid: simulated scores in place of runs."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.special import expit

from audit.collect import KEYS
from audit.grid import Cell, grid
from audit.study import CONTROLS, METHODS, METRICS
from xairank.schema import BLUR, LAYER, RANDOMISED

# Mean log odds of the overlap: Grad-CAM leads, saliency is last, the controls lie below.
LEVELS = {
    **dict.fromkeys(METHODS, -1.2),
    "gradcam": 0.3,
    "saliency": -2.0,
    "integrated_gradients": -1.0,
    "layer_cam": 0.0,
    "random": -4.0,
    "center": -2.2,
    "edges": -2.4,
    "constant": -4.0,
    "own_mask": 0.6,
}
CLASSES = {"crack": 9, "cut": 9, "hole": 9, "print": 8}
N_PIXELS = 224 * 224


def make_results(
    levels: Mapping[str, float] = LEVELS, seed: int = 0, cells: list[Cell] | None = None
) -> dict[str, pd.DataFrame]:
    """The tables of :func:`audit.collect.collect`: 35 defects, of which a seed classifies nine in ten correctly.

    Args:
        levels: Mean log odds of each method and control.
        seed: Of the simulation.
        cells: Of the grid; by default all.
    """
    generator = np.random.default_rng(seed)
    parts: dict[str, list[pd.DataFrame]] = {}
    for cell in cells or list(grid()):
        for name, table in _cell(cell, levels, generator).items():
            parts.setdefault(name, []).append(table.assign(data=cell.data.name, switch=cell.switch))
    return {name: pd.concat(tables, ignore_index=True) for name, tables in parts.items()}


def _cell(cell: Cell, levels: Mapping[str, float], generator: np.random.Generator) -> dict[str, pd.DataFrame]:
    defects = [f"{label}/{number:03}" for label, n in CLASSES.items() for number in range(n)]
    images = pd.DataFrame({"sample": defects, "fold": np.arange(len(defects)) % 5})
    images["label"] = images["sample"].str.partition("/")[0]
    images = images.assign(case=images["sample"], split="test", n_pixels=N_PIXELS, components=1)
    images["k"] = generator.integers(50, 5000, len(images))
    images["thinness"] = generator.uniform(0.05, 0.9, len(images))
    images["topk_overlap_chance"] = images["k"] / N_PIXELS
    every = images.merge(pd.DataFrame({"seed": cell.seeds}), how="cross")
    if cell.trained:
        every["fold"] = -1
    every["probability"] = generator.uniform(0.5, 1, len(every))
    every["reliance_least"] = generator.normal(1, 1, len(every))
    every["reliance"] = every["reliance_least"] + 0.1
    is_right = generator.random(len(every)) < 0.9
    right, wrong = every[is_right], every[~is_right]
    methods = [*(method.name for method in cell.methods), *CONTROLS]
    scores = _scores(right, methods, levels, generator)
    found = {
        "images": right.drop(columns=[]),
        "scores": scores,
        "excluded": wrong[["seed", "fold", "split", "sample", "case", "label"]].assign(
            predicted="good", reason="misclassified"
        ),
        "runs": every[["seed", "fold"]]
        .drop_duplicates()
        .assign(seconds=60.0, device="made up", git_revision="abc", test_balanced_accuracy=0.9),
    }
    if cell.switch == "base":
        found["ladder"] = _ladder(right, methods, levels, generator)
    if cell.switch.startswith("randomised"):
        found["randomised"] = _randomised(right, [m.name for m in cell.methods], levels, generator)
    return found


def _scores(
    images: pd.DataFrame,
    methods: list[str],
    levels: Mapping[str, float],
    generator: np.random.Generator,
    less: float = 0.0,
) -> pd.DataFrame:
    """Overlaps with an effect of the image on all methods, and one on each."""
    shared = {sample: generator.normal(0, 0.5) for sample in images["sample"].unique()}
    tables = []
    for method in methods:
        own = {sample: generator.normal(0, 0.4) for sample in shared}
        noise = generator.normal(0, 0.2, len(images))
        effect = images["sample"].map(lambda sample, own=own: shared[sample] + own[sample]).to_numpy()
        overlap = expit(levels[method] - less + effect + noise)
        table = images[KEYS[2:]].assign(method=method, topk_overlap=overlap, topk_by_position=overlap)
        others = {
            name: overlap if name != "mass_distance" else 1 - overlap for name in METRICS if name != "topk_overlap"
        }
        tables.append(table.assign(**others))
    return pd.concat(tables, ignore_index=True)


def _ladder(images, methods, levels, generator) -> pd.DataFrame:
    tables = []
    for sigma in (2, 4, 8, 16, 32):
        scores = _scores(images, methods, levels, generator)
        tables.append(scores.assign(variant=BLUR, level=float(sigma), changed=f"blur of {sigma} pixels"))
    for stage in range(3):
        scores = _scores(images, ["gradcam", "layer_cam"], levels, generator, less=2.0 - stage)
        tables.append(scores.assign(variant=LAYER, level=float(stage), changed=f"blocks.{stage}"))
    return pd.concat(tables, ignore_index=True)[[*KEYS[2:], "method", "topk_overlap", "variant", "level", "changed"]]


def _randomised(images, methods, levels, generator) -> pd.DataFrame:
    tables = []
    for stage in range(1, 6):
        scores = _scores(images, methods, levels, generator, less=0.5 * stage)
        likeness = np.where(scores["method"] == "guided_backprop", 0.9, 0.1)
        tables.append(
            scores.assign(variant=RANDOMISED, level=float(stage), changed=f"stage {stage}", spearman=likeness)
        )
    columns = [*KEYS[2:], "method", "topk_overlap", "variant", "level", "changed", "spearman"]
    return pd.concat(tables, ignore_index=True)[columns]
