"""Scoring against the methods and metrics called one image at a time."""

import numpy as np
import pandas as pd
import pytest
import torch

from xairank.attribution import GradCAM, IntegratedGradients, freeze
from xairank.data.datamodule import Batch
from xairank.errors import UserError
from xairank.evaluation import (
    Deletion,
    ImageMeasure,
    MassAccuracy,
    Metric,
    Reliance,
    Sensitivity,
    TopKIoU,
    TopKOverlap,
    mask_shape,
    topk_overlap,
)
from xairank.experiment.probing import make_probe
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
    table["case"] = table["sample"].replace("x/008", "x/007")  # near-duplicates
    batches = [
        Batch(*parts) for parts in zip(*(t.split(5) for t in (images, masks, labels, torch.arange(COUNT))), strict=True)
    ]
    return batches, table, images, masks


METHODS = {"gradcam": GradCAM(), "integrated_gradients": IntegratedGradients(n_steps=3)}
METRICS = {"topk_overlap": TopKOverlap(), "iou": TopKIoU()}


def scored(model, data, batch_limit=4, keep=False, methods=METHODS, metrics=METRICS, done=(), measures=None):
    batches, table, *_ = data
    count = []
    excluded = []
    frozen = freeze(model, batches[0].images, batch_limit=batch_limit)
    parts = list(
        score_samples(
            *(frozen, batches, table, CLASSES, methods, metrics),
            measures=measures or {},
            predict_masks=lambda images: model(images)[1].detach().sigmoid(),
            keep_maps=keep,
            excluded=excluded,
            done=done,
            advance=count.append,
        )
    )
    maps = [part.maps for part in parts if part.maps is not None]
    scores = pd.concat([part.scores for part in parts], ignore_index=True)
    return scores, pd.concat(excluded), maps, sum(count)


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
        shape = mask_shape(masks[index : index + 1])
        assert (row.components, row.thinness) == (shape.components.item(), shape.thinness.item())


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


def test_columns_are_metrics_by_entry_then_chance_then_diagnostics(model, data):
    scores, excluded, *_ = scored(model, data)
    _, table, _, masks = data
    assert scores.columns.tolist() == [
        *("split", "sample", "case", "label", "predicted", "probability", "k", "n_pixels", "components", "thinness"),
        "method",
        *("topk_overlap", "iou", "topk_overlap_chance", "completeness_error", "n_steps"),
    ]
    assert excluded.columns.tolist() == ["split", "sample", "case", "label", "predicted", "reason"]
    indices = [int(sample[-3:]) for sample in scores["sample"]]
    assert scores["topk_overlap_chance"].tolist() == pytest.approx([masks[i].float().mean().item() for i in indices])
    assert scores["iou"].tolist() == pytest.approx((scores["topk_overlap"] / (2 - scores["topk_overlap"])).tolist())
    cases = table.set_index("sample")["case"]
    assert scores["case"].tolist() == cases[scores["sample"]].tolist()


def test_what_is_done_is_left_out_and_the_rest_is_bit_by_bit_the_same(model, data):
    whole, *_ = scored(model, data)
    done = whole["sample"].unique()[:4].tolist()  # a part of the batch limit, as a stopped run leaves it
    rest, excluded, _, count = scored(model, data, done=done)
    expected = whole[~whole["sample"].isin(done)].reset_index(drop=True)
    pd.testing.assert_frame_equal(rest, expected, check_exact=True)
    assert len(excluded) + len(done) + rest["sample"].nunique() == COUNT
    assert count == COUNT


def test_class_activations_come_by_method(model, data):
    *_, parts, _ = scored(model, data, keep=True, methods={**METHODS, "again": GradCAM()})
    for part in parts:
        assert list(part.class_activation) == ["gradcam", "again"]
        np.testing.assert_array_equal(part.class_activation["gradcam"], part.class_activation["again"])


class Broken(Metric):
    def __init__(self, value):
        self.value = value

    def __call__(self, maps, masks):
        return self.value(masks)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            lambda masks: masks.flatten(1).double().mean(1) * float("nan"),
            r"gives nan for x/\d+ and gradcam; a metric must",
        ),
        (
            lambda masks: MassAccuracy()(-masks.double(), masks),
            r"cannot score the maps of gradcam from x/\d+ on: maps: negative values in the maps \[0, 1, 2, 3\]",
        ),
        (lambda masks: masks.double().mean(), r"gives values of shape \(\), expected one an image, \(4,\)"),
    ],
)
def test_a_metric_that_cannot_be_ranked_is_named(model, data, value, message):
    with pytest.raises(UserError, match=rf"^evaluation.metrics.mine: {message}"):
        scored(model, data, metrics={"mine": Broken(value)})


def test_a_map_with_nan_is_named_by_sample_and_method(model, data):
    third = scored(model, data)[0]["sample"].unique()[2]
    bad = data[2][int(third[-3:])]

    def broken(model, images, targets):
        maps = images.mean(dim=1)
        maps[[bool(torch.equal(image, bad)) for image in images]] = torch.nan
        return maps

    with pytest.raises(UserError, match=rf"^attribution.methods.broken: the map of {third} holds NaN or infinite"):
        scored(model, data, methods={**METHODS, "broken": broken})


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_logits_that_are_not_finite_are_never_a_misclassified_image(model, data, bad):
    batches, table, *others = data
    images = batches[1].images.clone()
    images[2, 0, 3, 3] = bad
    broken = [batches[0], batches[1]._replace(images=images), *batches[2:]]
    with pytest.raises(UserError, match=r"^the model's logits of x/007 are NaN or infinite: training diverged"):
        scored(model, (broken, table, *others))


ASKING = {"topk_overlap": TopKOverlap(), "deletion": Deletion(n_steps=3), "sensitivity": Sensitivity(n_draws=2)}


@pytest.mark.parametrize("batch_limit", [1, 4, 64])
def test_metrics_and_measures_that_ask_the_model_do_it_one_image_at_a_time_too(model, data, batch_limit):
    scores, *_ = scored(model, data, batch_limit, metrics=ASKING, measures={"reliance": Reliance()})
    _, _, images, masks = data
    assert (scores.groupby("sample")[["reliance", "reliance_least"]].nunique() == 1).all(axis=None)
    assert list(scores.columns[-5:]) == [
        "topk_overlap_chance",
        "reliance",
        "reliance_least",
        "completeness_error",
        "n_steps",
    ]
    for row in scores[scores["sample"].isin(scores["sample"].unique()[:3])].itertuples():
        index = int(row.sample[-3:])
        image, mask, method = images[index : index + 1], masks[index : index + 1], METHODS[row.method]
        target = torch.tensor([CLASSES.index(row.predicted)])
        probe = make_probe(model, image, target, 64, method)
        map_ = method(model, image, target).double()
        assert row.deletion == pytest.approx(ASKING["deletion"](map_, mask, probe).item(), rel=1e-4)
        assert row.sensitivity == pytest.approx(ASKING["sensitivity"](map_, mask, probe).item(), rel=1e-2)
        assert row.reliance == pytest.approx(Reliance()(mask, probe)[""].item(), abs=1e-4)


class Endless(ImageMeasure):
    def __call__(self, masks, probe):
        return {"": masks.flatten(1).sum(dim=1) / 0.0}


class Misnamed(ImageMeasure):
    def __call__(self, masks, probe):
        return {"more": masks.flatten(1).double().sum(dim=1)}


@pytest.mark.parametrize(
    ("measure", "message"),
    [
        (Endless(), r"gives inf for x/\d+; a measure must be finite"),
        (Misnamed(), r"gives \['more'\], its columns are \[''\]"),
    ],
)
def test_a_measure_that_cannot_be_used_is_named(model, data, measure, message):
    with pytest.raises(UserError, match=rf"^evaluation.measures.mine: {message}"):
        scored(model, data, measures={"mine": measure})
