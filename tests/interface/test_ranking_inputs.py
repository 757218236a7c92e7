"""What a ranking takes in memory: loaders, labels, images, networks, and methods and metrics of one's own."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, default_collate

import xairank
from tests.interface.commands import by_method
from tests.interface.studies import COUNT, METHODS, scores
from xairank.evaluation import TopKIoU


def as_mapping(keys):
    return lambda batch: dict(zip(keys, default_collate(batch), strict=True))


@pytest.mark.parametrize(
    "collate",
    [
        None,
        as_mapping(("images", "masks", "labels")),
        as_mapping(("image", "mask", "label")),
        as_mapping(("image", "mask", "target")),
    ],
)
def test_data_loaders(given, collate):
    model, images, masks, predicted = given
    wrong = predicted.clone()
    wrong[0] = 1 - wrong[0]
    loader = DataLoader(TensorDataset(images, masks, wrong), batch_size=5, collate_fn=collate)
    expected = scores(model, images, masks, wrong)
    assert len(expected) == COUNT - 1
    assert scores(model, loader).equals(expected)
    assert len(scores(model, DataLoader(TensorDataset(images, masks), batch_size=5))) == COUNT
    assert len(scores(model, [(images[:6], masks[:6]), (images[6:], masks[6:])])) == COUNT


def test_labels_as_indices_and_names(given):
    model, images, masks, predicted = given
    predicted = predicted.clone()
    predicted[2] = 1 - predicted[2]
    classes = ["crack", "good"]
    names = [classes[index] for index in predicted]
    expected = scores(model, images, masks, predicted, classes=classes)
    assert len(expected) == sum(
        index == 0 and number != 2 for number, index in enumerate(predicted.tolist())
    )  # neither the good ones nor the one that is wrong
    for labels in (predicted.numpy(), names, np.array(names)):
        assert scores(model, images, masks, labels, classes=classes).equals(expected)


def test_images_of_whole_numbers_become_0_to_1(given):
    model, images, masks, _ = given
    whole = (images * 255).round().to(torch.uint8)
    expected = scores(model, whole.float() / 255, masks)
    assert scores(model, whole, masks).equals(expected)
    assert scores(model, whole.numpy(), masks.numpy() * np.uint8(255)).equals(expected)
    assert scores(model, whole, masks[:, None].float()).equals(expected)


def test_metrics_and_methods_of_one_s_own(given):
    model, images, masks, _ = given

    def inside(maps, masks):
        return (maps * masks).flatten(1).sum(dim=1) / maps.flatten(1).sum(dim=1)

    def plain(model, images, targets):
        return images.mean(dim=1)

    metrics = {"inside": inside, "topk_iou": TopKIoU()}
    ranking = xairank.rank(model, images, masks, methods={"plain": plain, **METHODS}, metrics=metrics)
    found = by_method(ranking.scores, "inside")["plain"]
    np.testing.assert_allclose(found, inside(images.mean(dim=1).double(), masks), rtol=1e-6)
    assert ranking.table.set_index("method")["score"]["plain"] == pytest.approx(found.mean())
    by_iou = xairank.rank(model, images, masks, methods=METHODS, metrics=metrics, metric="topk_iou")
    score = by_method(by_iou.scores, "topk_iou")["saliency"].mean()
    assert by_iou.table.set_index("method")["score"]["saliency"] == pytest.approx(score)


def test_networks_of_any_floating_type(given):
    model, images, masks, _ = given
    expected = scores(model, images, masks)
    for dtype, images_dtype in ((torch.float64, torch.float32), (torch.float32, torch.float64)):
        found = scores(copy.deepcopy(model).to(dtype), images.to(images_dtype), masks)
        np.testing.assert_allclose(found, expected, atol=0.03)
    for dtype in (torch.float16, torch.bfloat16):
        assert scores(copy.deepcopy(model).to(dtype), images, masks).shape == expected.shape
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


class Brightness(nn.Module):
    """A classifier without parameters."""

    def forward(self, images):
        return torch.stack([images.mean(dim=(1, 2, 3)), images.square().mean(dim=(1, 2, 3))], dim=1)


def test_a_network_without_parameters(given):
    assert len(scores(Brightness(), *given[1:3])) == COUNT
