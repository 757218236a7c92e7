"""Sweeps of rendered nuts, with images on disk and maps that look like those of real methods."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.ndimage import center_of_mass, gaussian_filter

from tests.runs_fixture import METHODS, fake_config, fake_metrics, fake_record
from xairank.data.faults import Faults
from xairank.data.images import View, read_image, read_mask, view_image
from xairank.data.index import Source, index_samples
from xairank.data.masks import view_mask
from xairank.data.synthetic import SyntheticCategory, render_category
from xairank.evaluation import topk_iou, topk_overlap
from xairank.runs.folder import RunFolder
from xairank.runs.maps import Maps, write_maps
from xairank.runs.sweep import Sweep, read_sweep
from xairank.schema import EXCLUDED_COLUMNS, SCORE_COLUMNS, TEST, TRAIN, chance_column

DEFECTS = {"crack": 3, "cut": 3, "hole": 3, "print": 3}


def write_rendered_sweep(
    folder: Path,
    data_root: Path,
    *,
    seeds: tuple[int, ...] = (42, 43),
    good: int = 6,
    defects: Mapping[str, int] = DEFECTS,
    size: int = 64,
    keep_maps: bool = True,
    **overrides: Any,
) -> Path:
    """Complete runs on a rendered category: every fifth image is tested, and each seed misses one defect in ten.

    Args:
        folder: ``multirun/<name>``.
        data_root: Where the category is rendered.
        seeds: Of the runs.
        good: Number of good images.
        defects: Number of images of each class of defect.
        size: Of the images, in pixels.
        keep_maps: Whether the runs have ``maps.npz``.
        overrides: Of every configuration, by dotted key.
    """
    render_category(data_root / "nuts", SyntheticCategory(good, defects, image_size=size), workers=1)
    table = index_samples(Source("nuts", root=data_root), Faults())
    images, masks = _decode(table, View(size, "none"))
    data = {"data.root": str(data_root), "data.category": "nuts", "data.image_size": size, "data.crop": "none"}
    for seed in seeds:
        config = fake_config(seed, name=folder.name, **{**data, **overrides})
        run = RunFolder(folder / f"seed={seed}", config)
        run.claim()
        scores, excluded, maps = _explain(table, images, masks, seed)
        run.write_table("scores.parquet", scores)
        run.write_table("excluded.csv", excluded)
        run.write_table("metrics.csv", fake_metrics(seed, 0, 3))
        if keep_maps:
            write_maps(run.maps, maps)
        run.finish(fake_record(config))
    return folder


def read_rendered_sweep(place: Path) -> Sweep:
    """Three seeds, 12 defects and 6 good images of 64 pixels, written into a folder."""
    return read_sweep(write_rendered_sweep(place / "multirun" / "nuts", place / "data", seeds=(42, 43, 44)))


def _decode(table: pd.DataFrame, view: View) -> tuple[np.ndarray, np.ndarray]:
    images, masks = [], []
    for row in table.itertuples():
        image = read_image(row.image)
        images.append(np.asarray(view_image(image, view)))
        empty = np.zeros((view.size, view.size), bool)
        masks.append(empty if row.mask is None else view_mask(read_mask(row.mask, image.size), view).mask)
    return np.stack(images), np.stack(masks)


def _explain(table: pd.DataFrame, images: np.ndarray, masks: np.ndarray, seed: int):
    generator = np.random.default_rng(seed)
    described = table[["sample", "label"]].assign(
        seed=seed, fold=0, case=table["sample"], split=np.where(np.arange(len(table)) % 5 == 2, TEST, TRAIN)
    )
    missed = (table["label"] != "good") & (generator.random(len(table)) < 0.1)
    predicted = np.where(missed, "good", table["label"])
    described = described.assign(predicted=predicted, probability=generator.uniform(0.6, 1, len(table)))
    reasons = np.where(table["label"] == "good", "good", np.where(missed, "misclassified", ""))
    excluded = described.assign(reason=reasons)[reasons != ""][[*EXCLUDED_COLUMNS]]
    rows = np.flatnonzero(reasons == "")
    explained = np.stack([[made(images[row], masks[row], generator) for made in _METHODS] for row in rows])
    ranked = described.iloc[rows].reset_index(drop=True)
    k, n_pixels = masks[rows].sum((1, 2)), masks[0].size
    ranked = ranked.assign(k=k, n_pixels=n_pixels)
    tables = []
    for number, method in enumerate(METHODS):
        arguments = torch.from_numpy(explained[:, number]), torch.from_numpy(masks[rows])
        found = {
            "topk_overlap": topk_overlap(*arguments).double().numpy(),
            "topk_iou": topk_iou(*arguments).double().numpy(),
        }
        tables.append(ranked.assign(method=method, **found, **{chance_column("topk_overlap"): k / n_pixels}))
    scores = pd.concat(tables, ignore_index=True)
    scores = scores[[*SCORE_COLUMNS, "topk_overlap", "topk_iou", chance_column("topk_overlap")]]
    predicted_masks = np.stack([gaussian_filter(mask.astype(np.float32), len(mask) / 30) for mask in masks[rows]])
    maps = Maps(
        splits=ranked["split"].tolist(),
        samples=ranked["sample"].tolist(),
        labels=ranked["label"].tolist(),
        predicted=ranked["predicted"].tolist(),
        probability=ranked["probability"].to_numpy(),
        methods=list(METHODS),
        maps=explained,
        images=images[rows],
        masks=masks[rows],
        predicted_masks=np.clip(predicted_masks, 0, 1),
        class_activation={},
    )
    return scores, excluded, maps


def _gradcam(image: np.ndarray, mask: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A wide hill near the defect, zero far away."""
    size = len(mask)
    center = np.array(center_of_mass(mask)) + generator.normal(0, size / 16, 2)
    distances = np.hypot(*(np.mgrid[:size, :size] - center[:, None, None]))
    return np.maximum(1 - distances / (size / 4), 0).astype(np.float32)


def _saliency(image: np.ndarray, mask: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Noise, stronger around the defect."""
    hill = gaussian_filter(mask.astype(float), len(mask) / 12)
    noise = generator.exponential(1, mask.shape) * (0.05 + hill / hill.max())
    return gaussian_filter(noise, 0.5).astype(np.float32)


def _integrated_gradients(image: np.ndarray, mask: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Noise that follows the brightness of the image."""
    hill = gaussian_filter(mask.astype(float), len(mask) / 16)
    noise = generator.exponential(1, mask.shape) * (0.03 + hill / hill.max())
    return (noise * image.mean(axis=2) / 255).astype(np.float32)


_METHODS = (_gradcam, _saliency, _integrated_gradients)
