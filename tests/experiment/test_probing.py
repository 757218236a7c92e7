"""The model as metrics may ask it, and what that costs in words."""

import pytest
import torch

from tests.attribution.networks import images_and_targets, network
from xairank.attribution import Saliency, freeze
from xairank.errors import UserError
from xairank.evaluation import Complexity, Deletion, Insertion, Reliance, Sensitivity, TopKOverlap
from xairank.experiment.probing import make_probe, print_cost, without_model

METRICS = {"overlap": TopKOverlap(), "deletion": Deletion(n_steps=9), "insertion": Insertion(n_steps=19)}


def test_a_probe_gives_logits_and_maps_of_the_model_and_leaves_it_as_it_is():
    model = network("resnet18")
    images, targets = images_and_targets(3)
    model.train()
    try:
        probe = make_probe(model, images, targets, 2, Saliency())
        found = probe.logits(1, lambda image, _: images[image][None])
        maps = probe.explain(images)
        assert model.training
    finally:
        model.eval()
    with torch.no_grad():
        expected = model(images).gather(1, targets[:, None]).double()
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(maps, Saliency()(model, images, targets).double(), rtol=1e-4, atol=1e-6)
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.parameters())


def test_no_batch_is_larger_than_the_limit():
    sizes = []
    images, targets = images_and_targets(5)
    frozen = freeze(network("resnet18"), images[:1], batch_limit=3)
    forward = frozen.forward_features
    frozen.forward_features = lambda some: (sizes.append(len(some)), forward(some))[1]
    probe = make_probe(frozen, images, targets, frozen.batch_limit)
    masks = torch.zeros(5, 64, 64, dtype=torch.bool)
    masks[:, 10:20, 10:20] = True
    Deletion(n_steps=4)(torch.rand(5, 64, 64), masks, probe)
    Reliance()(masks, probe)
    assert max(sizes) == 3
    assert sum(sizes) == probe.passes == 5 * (5 + 8)


@pytest.mark.parametrize(
    ("metrics", "measures", "line"),
    [
        ({"overlap": TopKOverlap(), "complexity": Complexity()}, {}, ""),
        ({"overlap": TopKOverlap()}, {"reliance": Reliance()}, "Evaluation: 8 forward passes an image beside the"),
        (METRICS, {"reliance": Reliance()}, "Evaluation: 98 forward passes an image beside the methods' own.\n"),
        (
            METRICS | {"sensitivity": Sensitivity(n_draws=4)},
            {},
            "Evaluation: 90 forward passes an image beside the methods' own; each method explains each image 4 times",
        ),
    ],
)
def test_the_cost_is_told_in_forward_passes(metrics, measures, line, capsys):
    print_cost(metrics, measures, 3)  # 3 x (10 + 20) + 8
    printed = capsys.readouterr().out
    assert " ".join(printed.split()).startswith(line.strip())
    assert bool(printed) == bool(line)


def test_what_variants_cost_is_told_too(capsys):
    print_cost({}, {}, 3, ["gradcam at 5 stages of the network"])
    assert capsys.readouterr().out == "Evaluation: gradcam at 5 stages of the network.\n"


def test_maps_without_a_model_are_scored_by_the_metrics_that_need_none(capsys):
    assert list(without_model(METRICS, "overlap")) == ["overlap"]
    printed = " ".join(capsys.readouterr().out.split())
    assert printed.startswith("Note: deletion and insertion are left out: maps from elsewhere come without the model")
    assert without_model({"overlap": TopKOverlap()}, "overlap")
    assert capsys.readouterr().out == ""
    with pytest.raises(UserError, match=r"^ranking.metric=deletion: asks the model, .* evaluation.metrics: overlap$"):
        without_model(METRICS, "deletion")
