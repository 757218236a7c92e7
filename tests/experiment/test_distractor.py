"""A rendered distractor: a method that marks it scores below one that does not, and the model does not rely on it."""

import numpy as np
import pytest
import torch
from torch import nn

from xairank.attribution import AttributionMethod, explain, freeze
from xairank.data.synthetic.scan import render
from xairank.evaluation import Deletion, Insertion, Reliance, TopKOverlap
from xairank.experiment.probing import make_probe

COUNT, SIZE = 6, 96
PRINTED, SOUND = 0, 1
WHITE = 200 / 255  # of red: white ink is above, shell and sticker are below


class InkDetector(nn.Module):
    """Knows an imprint by its white ink, and by nothing else: red below ``WHITE`` changes no logit."""

    def forward_features(self, images):
        return nn.functional.relu(images[:, :1] - WHITE)

    def forward_head(self, features):
        ink = 20 * features.sum(dim=(1, 2, 3)) - 1
        return torch.stack([ink, torch.zeros_like(ink)], dim=1)

    def forward(self, images):
        return self.forward_head(self.forward_features(images))


class MarksInk(AttributionMethod):
    def attribute(self, forward):
        return (forward.images[:, 0] - WHITE).clamp(min=0), {}


class MarksSticker(AttributionMethod):
    """Blue above red, as the sticker is and nuts are not."""

    def attribute(self, forward):
        return (forward.images[:, 2] - forward.images[:, 0]).clamp(min=0), {}


@pytest.fixture(scope="module")
def scans():
    """Imprints with a sticker: images, masks of the imprint, and of the sticker, which is all that differs without."""
    images, defects, stickers = [], [], []
    for index in range(COUNT):
        with_sticker, defect = render(0, "print", index, SIZE, "sticker")
        without, _ = render(0, "print", index, SIZE)
        images.append(torch.from_numpy(with_sticker).permute(2, 0, 1).float() / 255)
        defects.append(torch.from_numpy(defect))
        stickers.append(torch.from_numpy((with_sticker != without).any(axis=-1)))
    return torch.stack(images), torch.stack(defects), torch.stack(stickers)


@pytest.fixture(scope="module")
def probe(scans):
    targets = torch.full((COUNT,), PRINTED)
    return make_probe(InkDetector(), scans[0], targets, batch_limit=4)


def test_the_model_provably_ignores_the_sticker(scans, probe):
    images, defects, stickers = scans
    assert bool((stickers.flatten(1).sum(dim=1) > 20).all())
    assert not (stickers & defects).any()
    assert not InkDetector().forward_features(images)[:, 0][stickers].any()
    assert InkDetector()(images).argmax(dim=1).tolist() == [PRINTED] * COUNT


def test_the_model_relies_on_the_defect_and_not_on_the_sticker(scans, probe):
    _, defects, stickers = scans
    on_defects, on_stickers = Reliance()(defects, probe), Reliance()(stickers, probe)
    assert bool((on_defects["least"] > 1).all())
    assert bool((on_stickers["least"] <= 1e-6).all())
    assert bool((on_stickers[""] <= 1e-6).all())


def test_a_method_that_marks_the_sticker_scores_below_one_that_does_not(scans, probe):
    images, defects, stickers = scans
    methods = {"ink": MarksInk(), "sticker": MarksSticker()}
    maps = {
        name: found.double()
        for name, (found, _) in explain(methods, freeze(InkDetector(), images[:1]), images, probe.targets).items()
    }
    on_sticker = [TopKOverlap()(maps[name], stickers) for name in methods]
    assert bool((on_sticker[1] > on_sticker[0] + 0.3).all())
    metrics = {"overlap": TopKOverlap(), "deletion": Deletion(), "insertion": Insertion("mean_color")}
    for name, metric in metrics.items():
        arguments = (defects,) if name == "overlap" else (defects, probe)
        good, bad = (metric(maps[method], *arguments).numpy() for method in methods)
        gain = good - bad if metric.higher_is_better else bad - good
        assert (gain > 0.1).all(), (name, np.round(good, 2), np.round(bad, 2))
