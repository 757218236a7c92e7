"""Whatever a ranking in memory cannot take is named in one line."""

import pytest
import torch

import xairank
from tests.interface.studies import Tiny, refusal, study
from xairank.attribution import Saliency


def with_nan(images):
    return images.clone().index_fill(0, torch.tensor([4]), torch.nan)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda i, m, y: (i[0], m, y), r"images: found shape (3, 32, 32); expected (images, 3, height, width)"),
        (lambda i, m, y: (i[:, :1], m, y), r"images: found shape (12, 1, 32, 32); expected (images, 3, height, width)"),
        (lambda i, m, y: (i[:0], m[:0], y[:0]), r"images: found shape (0, 3, 32, 32)"),
        (lambda i, m, y: (i.permute(0, 2, 3, 1), m, y), r"images: found shape (12, 32, 32, 3)"),
        (lambda i, m, y: ((i * 255).long(), m, y), "images: found torch.int64; expected floating numbers"),
        (lambda i, m, y: (with_nan(i), m, y), "images: image 4 holds NaN or infinite values"),
        (lambda i, m, y: ("images", m, y), "images: found str; expected a tensor or an array"),
        (lambda i, m, y: ([i[0], i[1, :, :5]], m, y), "images: found list; expected a tensor or an array"),
        (lambda i, m, y: (None, m, y), "images: missing; expected images, masks and labels"),
        (lambda i, m, y: (i, None, y), "masks: missing; expected (images, height, width)"),
        (lambda i, m, y: (i, m[:5], y), "masks: found shape (5, 32, 32); expected (12, 32, 32), a mask for each image"),
        (lambda i, m, y: (i, m[:, :16], y), "masks: found shape (12, 16, 32); expected (12, 32, 32)"),
        (lambda i, m, y: (i, m.long() + (i[:, 0] > 0.5), y), "masks: found 3 different values; expected 0 and one oth"),
        (lambda i, m, y: (i, -m.float(), y), "masks: found 2 different values; expected 0 and one other"),
        (lambda i, m, y: (i, m, y[:5]), "labels: found 5; expected 12, one for each image"),
        (
            lambda i, m, y: (i, m, y + 1),
            "labels: found 2; expected one of class 0, class 1, or the index of an output ",
        ),
        (lambda i, m, y: (i, m, ["scratch"] * 12), "labels: found 'scratch'; expected one of class 0, class 1"),
        (lambda i, m, y: (i, m, 3), "labels: found 3; expected 12, one for each image"),
        (lambda i, m, y: (i, m * 1j, y), "masks: found Tensor; expected a tensor or an array (complex numbers have no"),
        (lambda i, m, y: (iter([]), None, None), "images: the data loader gives no batch"),
        (lambda i, m, y: ([i], None, None), "images: a batch is Tensor; expected (images, masks, labels)"),
        (lambda i, m, y: ([{"x": i, "y": y}], None, None), "images: a batch has x, y; expected images, masks and labe"),
    ],
)
def test_mistakes_are_one_line(given, change, message):
    model, images, masks, predicted = given
    assert refusal(xairank.rank, model, *change(images, masks, predicted)).startswith(message)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classes": ["crack"]}, "classes: found 1 names (crack), but the network gives 2 logits"),
        ({"classes": ["a", "b", "c"]}, "classes: found 3 names (a, b, c), but the network gives 2 logits"),
        ({"classes": ["a", "a"]}, "classes: found a twice; expected a name of its own for each output"),
        ({"mean": 0.5}, "mean: found 0.5; expected three numbers, one a channel"),
        ({"std": [0.1, 0.1, 0]}, "std: found [0.1, 0.1, 0]; expected three numbers, one a channel and above 0"),
        ({"methods": {"mine": Saliency}}, "methods['mine']: found the class Saliency; expected an object that can be"),
        ({"methods": {}}, "attribution.methods={} is not allowed"),
        ({"metrics": {"mine": "iou"}}, "metrics['mine']: found str; expected an object that can be called"),
        ({"metrics": {"mine": lambda maps, masks: 1.0}}, "evaluation.metrics.mine: gives float for 2 maps, expected"),
        ({"metrics": {}}, "evaluation.metrics={} is not allowed"),
        ({"layer": "convolutoin"}, "layer=convolutoin: Tiny has no such layer; did you mean convolution"),
        ({"methods": "gradient"}, "attribution=gradient"),
        ({"metric": "topk"}, "ranking.metric"),
        ({"batch_limit": 0}, "attribution.batch_limit"),
        ({"seed": -1}, "seed"),
        ({"data": "nowhere"}, "data"),
    ],
)
def test_mistakes_in_options_are_one_line(given, options, message):
    model, images, masks, _ = given
    assert refusal(xairank.rank, model, images, masks, **options).startswith(message)


class OneLogit(Tiny):
    def forward(self, images):
        return super().forward(images)[:, :1]


class NoGradient(Tiny):
    @torch.no_grad()
    def forward(self, images):
        return super().forward(images)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (OneLogit, "the network gives one logit, with which every image is of the same class; expected a logit for"),
        (NoGradient, "the model's logits have no gradient at the image, so that nothing can be explained"),
    ],
)
def test_networks_that_cannot_be_ranked_are_one_line(given, network, message):
    assert refusal(xairank.rank, network(), *given[1:3]).startswith(message)


@pytest.mark.parametrize("model", [None, [], "resnet18", [Tiny(), None], torch.nn.functional.relu])
def test_what_is_no_network_is_one_line(given, model):
    assert refusal(xairank.rank, model, *given[1:]).startswith("model: found ")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda maps, masks: ({}, masks), "maps: found dict; expected a mapping, a method's name and its maps each"),
        (lambda maps, masks: (maps["best"], masks), "maps: found Tensor; expected a mapping"),
        (
            lambda maps, masks: ({"a": maps["best"][:5]}, masks),
            "maps['a']: found shape (5, 32, 32); expected (12, heig",
        ),
        (lambda maps, masks: ({"a": maps["best"][0]}, masks), "maps['a']: found shape (32, 32); expected (12, height"),
        (
            lambda maps, masks: ({"a": maps["best"][:, :0]}, masks),
            "maps['a']: found shape (12, 0, 32); expected (12, h",
        ),
        (lambda maps, masks: ({"a": maps["best"] * 1j}, masks), "maps['a']: found Tensor; expected a tensor or an ar"),
        (lambda maps, masks: ({"a": maps["best"] / 0}, masks), "maps['a']: the map of image 0 holds NaN or infinite"),
        (lambda maps, masks: (maps, masks[0, 0]), "masks: found shape (32,); expected (images, height, width)"),
        (lambda maps, masks: (maps, masks[:0]), "masks: found shape (0, 32, 32); expected"),
        (lambda maps, masks: (maps, masks, ["crack"]), "labels: found 1; expected 12, one for each mask"),
        (
            lambda maps, masks: (maps, masks, None, torch.rand(3, 3, 32, 32)),
            "images: found shape (3, 3, 32, 32); expec",
        ),
    ],
)
def test_mistakes_in_maps_are_one_line(change, message):
    assert refusal(xairank.rank_maps, *change(*study())).startswith(message)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sign": "negative"}, "maps_sign"),
        ({"metric": "topk"}, "ranking.metric"),
        ({"predicted": ["a"]}, "predicted: "),
    ],
)
def test_mistakes_in_options_of_maps_are_one_line(options, message):
    assert refusal(xairank.rank_maps, *study(), **options).startswith(message)
