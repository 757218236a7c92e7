"""A simulated sweep with maps, and the paper's style switched on for every test."""

from collections.abc import Iterator
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from tests.runs_fixture import write_fake_sweep
from xairank.figures.style import RC
from xairank.runs.maps import Maps, write_maps
from xairank.runs.sweep import Sweep, read_sweep

SIZE = 32
# Names as long as they get, beside each other.
_OTHERS = ["guided_backpropagation", "smooth_gradient", "mask_prediction", "lime", "shap"]
METHODS = ["gradcam", "saliency", "integrated_gradients", *_OTHERS]


@pytest.fixture(autouse=True)
def paper_style() -> Iterator[None]:
    with mpl.rc_context(RC):
        yield


def fake_maps(scores: pd.DataFrame) -> Maps:
    """Maps for the samples of one run's scores: a smooth Grad-CAM, noise for the other methods."""
    generator = np.random.default_rng(0)
    samples = scores.drop_duplicates("sample")
    methods = list(dict.fromkeys(scores["method"]))
    n = len(samples)
    rows, columns = np.mgrid[:SIZE, :SIZE]
    centers = generator.uniform(8, 24, (n, 2, 1, 1))
    distances = np.hypot(rows - centers[:, 0], columns - centers[:, 1])
    attributions = generator.standard_exponential((n, len(methods), SIZE, SIZE)).astype(np.float32)
    attributions[:, 0] = np.maximum(1 - distances / 10, 0)
    return Maps(
        splits=samples["split"].tolist(),
        samples=samples["sample"].tolist(),
        labels=samples["label"].tolist(),
        predicted=samples["predicted"].tolist(),
        probability=samples["probability"].to_numpy(),
        methods=methods,
        maps=attributions,
        images=generator.integers(0, 256, (n, SIZE, SIZE, 3), dtype=np.uint8),
        masks=distances < 6,
        predicted_masks=np.clip(1 - distances / 12, 0, 1).astype(np.float32),
        class_activation={"gradcam": generator.random((n, 7, 7), dtype=np.float32)},
    )


def write_sweep_with_maps(folder: Path, **options) -> Path:
    """See :func:`tests.runs_fixture.write_fake_sweep`; every run gets its ``maps.npz``."""
    write_fake_sweep(folder, **options)
    for scores in folder.glob("*/scores.parquet"):
        write_maps(scores.with_name("maps.npz"), fake_maps(pd.read_parquet(scores)))
    return folder


@pytest.fixture(scope="session")
def sweep_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seeds, 24 training and 8 test images, maps; not to be changed."""
    return write_sweep_with_maps(tmp_path_factory.mktemp("multirun") / "paper", n_images=8)


@pytest.fixture(scope="session")
def sweep(sweep_folder: Path) -> Sweep:
    return read_sweep(sweep_folder)


def make_scores(n_methods: int, n_images: int = 12, seeds: tuple[int, ...] = (42, 43, 44)) -> pd.DataFrame:
    """Scores of any number of methods, with ties between them on a few images."""
    generator = np.random.default_rng(n_methods)
    rows = []
    for seed in seeds:
        for image in range(n_images):
            split = "test" if image % 3 == 0 else "train"
            label = ("crack", "cut", "hole", "print")[image % 4]
            for method in METHODS[:n_methods]:
                overlap = round(float(generator.random()), 1)
                rows.append(
                    (seed, 0, split, f"{label}/{image:03}", label, 200 + 150 * image, 224 * 224, method, overlap)
                )
    columns = ["seed", "fold", "split", "sample", "label", "k", "n_pixels", "method", "topk_overlap"]
    return pd.DataFrame(rows, columns=columns).astype({"fold": "Int64"})
