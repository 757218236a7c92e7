"""Scoring against the methods and metrics called one image at a time."""

import numpy as np
import pandas as pd
import pytest
import torch

from xairank.attribution import GradCAM, IntegratedGradients, freeze
from xairank.data.datamodule import Batch
from xairank.evaluation import topk_overlap
from xairank.experiment.scoring import exclusion_reasons, score_samples
from xairank.models import EncoderDecoder
from xairank.models.encoder import create_encoder

CLASSES = ["crack", "good", "hole"]
COUNT = 14


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return EncoderDecoder(create_encoder("resnet10t", pretrained=False, weights=None), 3, 4, 32).eval()


@pytest.fixture(scope="module")
def data(model):
    """Images labelled by the model itself, but for two good, two wrong and one without a defect in view."""
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(COUNT, 3, 32, 32, generator=generator)
    masks = torch.rand(COUNT, 32, 32, generator=generator) < 0.1
    with torch.no_grad():
        labels = model(images)[0].argmax(dim=1)
    labels[:2] = CLASSES.index("good")
    labels[2:4] = (model(images)[0].argmin(dim=1))[2:4]
    masks[:2], masks[5] = False, False
    table = pd.DataFrame(
        {"sample": [f"x/{i:03}" for i in range(COUNT)], "label": [CLASSES[i] for i in labels], "split": "test"}
    )
    batches = [
        Batch(*parts) for parts in zip(*(t.split(5) for t in (images, masks, labels, torch.arange(COUNT))), strict=True)
    ]
    return batches, table, images, masks


METHODS = {"gradcam": GradCAM(), "integrated_gradients": IntegratedGradients(n_steps=3)}


def scored(model, data, batch_limit=4, keep=False):
    batches, table, *_ = data
    done = []
    predict_masks = (lambda images: model(images)[1].detach().sigmoid()) if keep else None
    frozen = freeze(model, batches[0].images, batch_limit=batch_limit)
    result = score_samples(frozen, batches, table, CLASSES, METHODS, predict_masks=predict_masks, advance=done.append)
    return pd.concat(result.scores), pd.concat(result.excluded), result.maps, sum(done)


def test_every_sample_is_ranked_or_excluded_and_counted_once(model, data):
    scores, excluded, maps, done = scored(model, data)
    assert sorted([*scores["sample"].unique(), *excluded["sample"]]) == sorted(data[1]["sample"])
    assert done == COUNT
    assert maps == []


def test_reasons(model, data):
    _, excluded, *_ = scored(model, data)
    reasons = excluded.set_index("sample")["reason"]
    assert reasons["x/000"] == reasons["x/001"] == "good"
    labels = data[1].set_index("sample")["label"]
    for sample in ("x/002", "x/003"):
        assert reasons[sample] == ("good" if labels[sample] == "good" else "misclassified")
    assert reasons["x/005"] == ("good" if labels["x/005"] == "good" else "empty_mask")


def test_a_missing_mask_counts_before_a_wrong_class():
    labels, predicted = pd.Series(["crack", "good"]), pd.Series(["hole", "crack"])
    assert exclusion_reasons(labels, predicted, pd.Series([0, 0])).tolist() == ["empty_mask", "good"]


@pytest.mark.parametrize("batch_limit", [1, 4, 64])
def test_scores_equal_one_image_at_a_time_whatever_the_batches(model, data, batch_limit):
    scores, *_ = scored(model, data, batch_limit)
    _, _, images, masks = data
    for row in scores.itertuples():
        index = int(row.sample[-3:])
        with torch.no_grad():
            probabilities = model(images[index : index + 1])[0].double().softmax(1)[0]
        target = probabilities.argmax()
        map_ = METHODS[row.method](model, images[index : index + 1], target[None])
        assert row.topk_overlap == pytest.approx(topk_overlap(map_.double(), masks[index : index + 1]).item(), abs=1e-6)
        assert row.predicted == CLASSES[target]
        assert row.probability == pytest.approx(probabilities.max().item(), rel=1e-4)
        assert row.k == masks[index].sum()
        assert row.n_pixels == 1024


def test_kept_maps_are_those_that_were_scored(model, data):
    scores, _, parts, _ = scored(model, data, keep=True)
    _, _, images, masks = data
    assert [sample for part in parts for sample in part.samples] == scores["sample"].unique().tolist()
    for part in parts:
        for position, sample in enumerate(part.samples):
            index = int(sample[-3:])
            assert np.array_equal(part.masks[position], masks[index].numpy())
            assert (
                np.abs(part.images[position] / 255 - images[index].permute(1, 2, 0).numpy()).max() <= 0.5 / 255 + 1e-6
            )
            overlaps = scores[scores["sample"] == sample].set_index("method")["topk_overlap"]
            for number, method in enumerate(part.methods):
                found = topk_overlap(torch.from_numpy(part.maps[position, number])[None].double(), masks[index][None])
                assert found.item() == overlaps[method]
