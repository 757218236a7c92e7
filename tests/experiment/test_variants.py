from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.ndimage import gaussian_filter
from scipy.stats import spearmanr
from skimage.metrics import structural_similarity as reference

from tests.attribution.networks import images_and_targets, likely_targets, network
from xairank.attribution import GradCAM, Saliency, explain, freeze
from xairank.attribution.controls import Center
from xairank.evaluation import TopKOverlap, topk_overlap
from xairank.experiment.explaining import split_variants
from xairank.experiment.variants import SIGMAS, Variants, rank_correlation, structural_similarity


@pytest.fixture(scope="module")
def explained():
    model, (images, _) = network("resnet18"), images_and_targets(3)
    targets = likely_targets(model, images)  # there is evidence for them, so that no map is constant
    methods = {"cam": GradCAM(), "saliency": Saliency(), "center": Center()}
    frozen = freeze(model, images)
    masks = torch.zeros(3, 64, 64, dtype=torch.bool)
    masks[:, 10:30, 20:40] = True
    described = pd.DataFrame({"sample": ["a", "b", "c"]})
    return methods, frozen, images, targets, masks, described, explain(methods, frozen, images, targets)


def test_blurred_maps_are_scored_as_scipy_blurs_them(explained):
    methods, frozen, images, targets, masks, described, maps = explained
    variants = Variants(methods, {"topk_overlap": TopKOverlap()}, ladder=True)
    rows = pd.concat(variants.rows(described, maps, masks, frozen, images, targets))
    blurred = rows[rows["variant"] == "blur"]
    assert sorted(blurred["level"].unique()) == list(SIGMAS)
    for sigma in (2, 16):
        own = blurred[(blurred["level"] == sigma) & (blurred["method"] == "saliency")]
        expected = np.stack([gaussian_filter(one, sigma, mode="reflect") for one in maps["saliency"][0].double()])
        found = topk_overlap(torch.from_numpy(expected), masks)
        np.testing.assert_allclose(own["topk_overlap"], found.numpy(), atol=0.006)  # two of 400 pixels may round apart
    assert set(blurred["method"]) == set(methods)


def test_randomised_maps_are_compared_with_the_trained_ones(explained):
    methods, frozen, images, targets, masks, described, maps = explained
    other = freeze(network("mobilenetv3_small_050"), images)
    variants = Variants(
        methods, {"topk_overlap": TopKOverlap()}, ladder=False, randomised=[("nothing", frozen), ("all", other)]
    )
    rows = pd.concat(variants.rows(described, maps, masks, frozen, images, targets))
    assert set(rows["method"]) == {"cam", "saliency"}  # no control: it knows nothing of weights
    same, changed = rows[rows["level"] == 1], rows[rows["level"] == 2]
    np.testing.assert_allclose(same["spearman"], 1, atol=1e-6)
    np.testing.assert_allclose(same["ssim"], 1, atol=1e-4)
    found = explain({"saliency": Saliency()}, other, images, targets)["saliency"][0]
    expected = [spearmanr(a.flatten(), b.flatten())[0] for a, b in zip(found, maps["saliency"][0], strict=True)]
    np.testing.assert_allclose(changed[changed["method"] == "saliency"]["spearman"], expected, atol=1e-6)


def test_what_variants_cost_is_told_in_words(explained):
    methods, frozen, *_ = explained
    staged = SimpleNamespace(plain=SimpleNamespace(stages=["layer1", "layer2", "layer3"]))
    metrics = {"topk_overlap": TopKOverlap()}
    both = Variants(methods, metrics, ladder=True, randomised=[("head", frozen), ("all", frozen)])
    assert both.costs(staged) == [
        "cam at 3 stages of the network",
        "every method again for 2 networks with re-initialised weights",
    ]
    assert Variants(methods, metrics, ladder=False).costs(staged) == []
    assert Variants({"saliency": Saliency()}, metrics, ladder=True).costs(staged) == []  # blurs cost no pass


def test_constant_maps_have_no_order_and_no_structure():
    flat, noise = torch.ones(16, 16), torch.rand(16, 16)
    assert rank_correlation(flat, noise) == rank_correlation(noise, flat) == 0.0
    assert abs(structural_similarity(flat, noise)) < 0.1


def test_structural_similarity_is_scikit_images():
    one, other = (torch.rand(40, 40, generator=torch.Generator().manual_seed(k)).double() for k in (0, 1))
    other = (one + 0.3 * other) / 1.3
    stretched = [((values - values.min()) / (values.max() - values.min())).numpy() for values in (one, other)]
    expected = reference(*stretched, data_range=1.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False)
    assert structural_similarity(one, other) == pytest.approx(expected, abs=0.02)


def test_rows_of_a_part_are_split_into_both_files():
    rows = pd.DataFrame(
        {"sample": ["a", "a"], "variant": ["", "blur"], "level": [None, 2], "changed": [None, "x"], "score": [1.0, 2.0]}
    )
    scores, variants = split_variants(rows)
    assert list(scores.columns) == ["sample", "score"]
    assert scores["score"].tolist() == [1.0]
    assert variants[["variant", "level", "score"]].to_numpy().tolist() == [["blur", 2, 2.0]]
    scores, variants = split_variants(rows.drop(columns=["variant", "level", "changed"]).head(0))
    assert variants.empty
