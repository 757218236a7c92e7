"""Run folders as training leaves them, filled with simulated scores: for whatever reads sweeps."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from xairank.names import display_name
from xairank.runs.folder import RunFolder
from xairank.schema import (
    BLUR,
    EXCLUDED_COLUMNS,
    LAYER,
    NO_EVIDENCE,
    OWN_EVIDENCE,
    RANDOMISED,
    SCORE_COLUMNS,
    SHAPE_COLUMNS,
    SPEARMAN,
    SSIM,
    TEST,
    TRAIN,
    MethodFacts,
    MetricFacts,
    chance_column,
    to_record,
)

METHODS = ("gradcam", "saliency", "integrated_gradients")
CLASSES = ("crack", "cut", "hole", "print")
N_PIXELS = 224 * 224
METHOD_FACTS = {
    "gradcam": MethodFacts("Grad-CAM", "#0072B2"),
    "saliency": MethodFacts("Saliency", "#E69F00"),
    "integrated_gradients": MethodFacts(
        "Integrated gradients", "#009E73", {"completeness_error": "completeness error, in logits"}
    ),
}
METRIC_FACTS = {"topk_overlap": MetricFacts("Top-K Overlap"), "topk_iou": MetricFacts("Top-K IoU")}
# Mean log odds of the overlap.
LEVELS = {"gradcam": 0.2, "saliency": -1.0, "integrated_gradients": -0.8, "center": -0.8, "random": -3.0, "own_mask": 1}
CONTROLS = {name: {"_target_": f"xairank.attribution.controls.{name}"} for name in ("random", "center", "own_mask")}


def fake_config(seed: int = 42, *, fold: int = 0, name: str = "fake", **overrides: Any) -> dict[str, Any]:
    """A resolved configuration; overrides by dotted key: ``**{"model.beta": 0}``."""
    config: dict[str, Any] = {
        "data": {
            "root": "data/mvtec",
            "category": "hazelnut",
            "image_size": 224,
            "crop": "center",
            "batch_size": 32,
            "num_workers": 4,
            "split_seed": 0,
            "fold": fold,
            "n_folds": 5,
            "augment_evaluation": False,
            "synthetic": None,
        },
        "model": {
            "encoder": "efficientnet_b0",
            "pretrained": True,
            "encoder_weights": None,
            "decoder_channels": 16,
            "beta": 1.0,
            "mask_loss": "bce",
            "class_weights": "balanced",
            "normalize": True,
            "lr": 0.001,
        },
        "attribution": {
            "batch_limit": 16,
            "keep_maps": True,
            "ladder": False,
            "randomise": False,
            "controls": {},
            "methods": {
                "gradcam": {"_target_": "xairank.attribution.GradCAM"},
                "saliency": {"_target_": "xairank.attribution.Saliency"},
                "integrated_gradients": {
                    "_target_": "xairank.attribution.IntegratedGradients",
                    "n_steps": 25,
                    "rule": "gauss_legendre",
                    "baseline": "black",
                },
            },
        },
        "evaluation": {
            "metrics": {
                "topk_overlap": {"_target_": "xairank.evaluation.TopKOverlap"},
                "topk_iou": {"_target_": "xairank.evaluation.TopKIoU"},
            }
        },
        "trainer": {"max_epochs": 30, "accelerator": "auto", "precision": "32-true"},
        "logger": {"_target_": None},
        "seed": seed,
        "name": name,
        "ranking": {"metric": "topk_overlap", "ties": "shared", "relied_on": False},
    }
    for key, value in overrides.items():
        *parents, last = key.split(".")
        place = config
        for parent in parents:
            place = place[parent]
        place[last] = value
    return config


def fake_controls(config: Mapping[str, Any]) -> dict[str, MethodFacts]:
    """Facts of a configuration's controls: any name is one without evidence, ``own_mask`` the model's own."""
    return {
        name: MethodFacts(display_name(name), control=OWN_EVIDENCE if name == "own_mask" else NO_EVIDENCE)
        for name in config["attribution"]["controls"]
    }


def fake_methods(names: Iterable[str]) -> dict[str, MethodFacts]:
    """Facts of methods by any name."""
    return {name: METHOD_FACTS.get(name, MethodFacts(display_name(name))) for name in names}


def fake_samples(n_images: int, split: str) -> pd.DataFrame:
    """Defects, as many of each class, each its own case, with mask sizes that do not depend on the run."""
    labels = [CLASSES[index % len(CLASSES)] for index in range(n_images)]
    first = 0 if split == TRAIN else 500
    names = [f"{label}/{first + index // len(CLASSES):03}" for index, label in enumerate(labels)]
    k = np.random.default_rng(first).integers(100, 3000, n_images)
    columns = {"split": split, "sample": names, "case": names, "label": labels, "k": k, "n_pixels": N_PIXELS}
    generator = np.random.default_rng(first + 1)
    shape = {"components": generator.integers(1, 4, n_images), "thinness": generator.uniform(0, 0.9, n_images)}
    return pd.DataFrame({**columns, **shape})


def fake_tables(
    seed: int, fold: int, n_images: int, n_good: int | None = None, methods: Iterable[str] = METHODS
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """``scores.parquet`` and ``excluded.csv`` of a run: effects of method, image and seed, one image in ten missed."""
    generator = np.random.default_rng([seed, fold])
    samples = pd.concat([fake_samples(n_images * 3, TRAIN), fake_samples(n_images, TEST)], ignore_index=True)
    image_effect = np.random.default_rng(0).normal(0, 0.8, len(samples)) + generator.normal(0, 0.3)
    correct = generator.random(len(samples)) > 0.1
    samples["predicted"] = np.where(correct, samples["label"], "good")
    samples["probability"] = np.where(correct, generator.uniform(0.7, 1, len(samples)), 0.6)
    samples = samples.assign(seed=seed, fold=fold)
    chance = samples["k"] / samples["n_pixels"]
    tables = []
    for place, method in enumerate(methods):
        level = LEVELS.get(method, 0.1 * place - 2.0)
        overlap = 1 / (1 + np.exp(-(level + image_effect + generator.normal(0, 0.6, len(samples)))))
        overlap = np.rint(overlap * samples["k"]) / samples["k"]
        error = generator.exponential(0.02, len(samples)) if method == "integrated_gradients" else np.nan
        scores = {"topk_overlap": overlap, "topk_iou": overlap / (2 - overlap)}
        chances = {chance_column("topk_overlap"): chance}
        tables.append(samples.assign(method=method, **scores, **chances, completeness_error=error))
    columns = [*SCORE_COLUMNS, *METRIC_FACTS, *SHAPE_COLUMNS, chance_column("topk_overlap"), "completeness_error"]
    scores = pd.concat([table[correct] for table in tables], ignore_index=True)[columns]
    missed = samples[~correct].assign(reason="misclassified")
    good = _good(seed, fold, n_images if n_good is None else n_good // 4)
    return scores, pd.concat([missed, good])[[*EXCLUDED_COLUMNS]]


def fake_variants(scores: pd.DataFrame, config: Mapping[str, Any]) -> pd.DataFrame:
    """``variants.parquet``: blur lifts all but Grad-CAM, random weights lower all but a method called guided."""
    tables = []
    options, generator = config["attribution"], np.random.default_rng(config["seed"])

    def changed(kind: str, level: int, name: str, rows: pd.DataFrame, gain: float) -> pd.DataFrame:
        overlap = (rows["topk_overlap"] + gain + generator.normal(0, 0.02, len(rows))).clip(0, 1)
        return rows.assign(topk_overlap=overlap, variant=kind, level=level, changed=name)

    is_cam = scores["method"] == "gradcam"
    if options["ladder"]:
        for sigma in (2, 4, 8, 16, 32):
            gain = 0.01 * sigma
            tables += [changed(BLUR, sigma, f"blur of {sigma} pixels", scores[~is_cam], gain)]
            tables += [changed(BLUR, sigma, f"blur of {sigma} pixels", scores[is_cam], 0.0)]
        for level, name in enumerate(("encoder.blocks.1", "encoder.blocks.4", "encoder.bn2")):
            tables.append(changed(LAYER, level, name, scores[is_cam], 0.1 * (level - 2)))
    if options["randomise"]:
        methods = scores[scores["method"].isin(options["methods"])]
        for level in (1, 2, 3, 4, 5):
            falls = methods["method"] != "guided"
            rows = changed(RANDOMISED, level, f"layer {level}", methods, 0.0)
            rows.loc[falls, "topk_overlap"] *= 1 - 0.18 * level
            likeness = np.where(falls, 1 - 0.19 * level, 0.9) + generator.normal(0, 0.02, len(rows))
            tables.append(rows.assign(**{SPEARMAN: likeness, SSIM: likeness}))
    return pd.concat(tables, ignore_index=True)


def _good(seed: int, fold: int, n_images: int) -> pd.DataFrame:
    rows = [
        {"split": split, "sample": f"good/{first + index:03}", "case": f"good/{first + index:03}"}
        for split, first, count in ((TRAIN, 0, n_images * 3), (TEST, 500, n_images))
        for index in range(count)
    ]
    return pd.DataFrame(rows).assign(seed=seed, fold=fold, label="good", predicted="good", reason="good")


def fake_metrics(seed: int, fold: int, n_epochs: int, beta: float = 1.0) -> pd.DataFrame:
    """``metrics.csv``: losses that fall and accuracies that rise, test behind train."""
    generator = np.random.default_rng([seed, fold, 1])
    columns: dict[str, np.ndarray] = {"epoch": np.arange(n_epochs)}
    for split, lag in (("train", 1.0), ("test", 1.8)):
        decay = np.exp(-np.arange(n_epochs) / 6)
        classification = lag * (0.05 + 1.4 * decay) * generator.uniform(0.7, 1.3, n_epochs)
        mask = lag * (0.005 + 0.5 * decay) * generator.uniform(0.9, 1.1, n_epochs)
        columns[f"{split}_loss"] = classification + beta * mask
        columns[f"{split}_classification_loss"] = classification
        columns[f"{split}_mask_loss"] = mask
        columns[f"{split}_balanced_accuracy"] = (1 - lag * (0.03 + 0.5 * decay)).clip(0.2, 1)
    return pd.DataFrame(columns)


def fake_record(config: Mapping[str, Any]) -> dict[str, Any]:
    """``run.json`` of a run, less status, format and identity."""
    data, weights = config["data"], config["model"]["encoder_weights"]
    return {
        "classes": sorted({*CLASSES, "good"}),
        "methods": to_record({**fake_methods(config["attribution"]["methods"]), **fake_controls(config)}),
        "metrics": to_record(METRIC_FACTS),
        "data": f"data of {data['category']}, split {data['split_seed']}, fold {data['fold']}",
        "weights": f"pretrained:{config['model']['encoder']}" if weights is None else f"content of {weights}",
        "versions": {"python": "3.12.0", "xairank": "0.1.0", "torch": "2.9.0"},
        "git_revision": None,
        "platform": "Linux",
        "device": "cpu",
        "threads": 1,
        "kernels": True,
        "batch_limit": 16,
        "seconds": {"data": 1.0, "training": 10.0, "attribution": 5.0},
    }


def write_fake_run(
    folder: Path,
    config: Mapping[str, Any],
    *,
    n_images: int = 16,
    n_good: int | None = None,
    n_epochs: int | None = None,
    complete: bool = True,
) -> Path:
    """A run folder without maps and checkpoint.

    Args:
        folder: Of the run.
        config: See :func:`fake_config`.
        n_images: Defects in the test split; the training split has three times as many.
        n_good: Good images of both splits; by default as many as defects.
        n_epochs: Rows of ``metrics.csv``; by default what the configuration says.
        complete: Whether ``run.json`` is written.
    """
    run = RunFolder(folder, config)
    run.claim()
    seed, fold = config["seed"], config["data"]["fold"]
    methods = [*config["attribution"]["methods"], *config["attribution"]["controls"]]
    scores, excluded = fake_tables(seed, fold, n_images, n_good, methods)
    run.write_table("scores.parquet", scores)
    run.write_table("excluded.csv", excluded)
    if config["attribution"]["ladder"] or config["attribution"]["randomise"]:
        run.write_table("variants.parquet", fake_variants(scores, config))
    run.write_table("metrics.csv", fake_metrics(seed, fold, n_epochs or config["trainer"]["max_epochs"]))
    if complete:
        run.finish(fake_record(config))
    return folder


def write_fake_sweep(
    folder: Path,
    seeds: Iterable[int] = (42, 43, 44),
    n_images: int = 16,
    *,
    folds: Iterable[int] = (0,),
    variants: Iterable[Mapping[str, Any]] = ({},),
    n_epochs: int = 3,
    n_good: int | None = None,
    **overrides: Any,
) -> Path:
    """A sweep of complete runs, one for each variant, seed and fold.

    Args:
        folder: ``multirun/<name>``.
        seeds: Of the runs.
        n_images: See :func:`write_fake_run`.
        folds: Each a run a seed.
        variants: What varies besides, by dotted key.
        n_epochs: ``trainer.max_epochs``.
        n_good: See :func:`write_fake_run`.
        overrides: Of every run, by dotted key.
    """
    seeds, folds = list(seeds), list(folds)
    common = {"trainer.max_epochs": n_epochs, **overrides}
    for variant in variants:
        for seed in seeds:
            for fold in folds:
                label = ",".join([f"{key}={value}" for key, value in sorted({"data.fold": fold, **variant}.items())])
                config = fake_config(seed, fold=fold, name=folder.name, **{**common, **variant})
                write_fake_run(folder / f"{label},seed={seed}", config, n_images=n_images, n_good=n_good)
    return folder
