"""Networks of other libraries ranked from end to end on real images: every method, Captum's maps, nothing changed."""

import copy
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from captum.attr import IntegratedGradients as CaptumIntegratedGradients
from captum.attr import LayerGradCam
from captum.attr import Saliency as CaptumSaliency
from safetensors.torch import save_file
from torch import nn
from torch.nn.functional import interpolate

import xairank
from tests.interface.commands import by_method, only_run, rank_command, read_scores
from tests.interface.foreign_networks import (
    CLASSES,
    CONVOLUTIONS,
    NETWORKS,
    Odd,
    Perceptron,
    assert_unchanged,
    build,
    loaded,
    observed,
    of_timm,
    of_torchvision,
    tiles,
    transformers_vit,
)
from xairank.attribution import GradCAM, IntegratedGradients, Saliency
from xairank.attribution.cam import interpolate_axis
from xairank.evaluation import topk_overlap
from xairank.models.layers import find_feature_layer, logits_of
from xairank.runs.maps import read_maps

STEPS = 3
METHODS = {"gradcam": GradCAM(), "saliency": Saliency(), "integrated_gradients": IntegratedGradients(n_steps=STEPS)}
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


class Logits(nn.Module):
    """A network as Captum wants it: images -> logits."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, images):
        return logits_of(self.model(images))


@pytest.fixture(params=NETWORKS, scope="module")
def case(request, shared):
    """A network that was ranked, what it was before, and the ranking."""
    make, seed, size = NETWORKS[request.param]
    dtype = torch.float64 if request.param in CONVOLUTIONS else torch.float32
    model = build(make, seed).to(dtype)
    images, masks = loaded([*tiles(shared, "fray", 1), *tiles(shared, "crack", 1)], size)
    images = images.to(dtype)
    before = observed(model)
    ranking = xairank.rank(model, images, masks, methods=METHODS)
    return SimpleNamespace(
        model=model,
        before=before,
        images=images,
        masks=masks,
        ranking=ranking,
        maps=read_maps(ranking.sweep.runs["folder"][0] / "maps.npz"),
    )


def kept(case, method):
    return torch.from_numpy(case.maps.maps[:, case.maps.methods.index(method)]).double()


def assert_same(found, expected, case, method):
    """Maps as they are kept, whose order is exact and whose values are off by 1/256 of their range, and their score."""
    span = expected.flatten(1).amax(dim=1) - expected.flatten(1).amin(dim=1)
    assert span.min() > 0
    assert ((found - expected).abs().flatten(1).amax(dim=1) / span).max() < 1 / 128
    pixels = case.masks.flatten(1).sum(dim=1)
    scores = torch.tensor(by_method(case.ranking.scores)[method].to_numpy())
    # Values differ by rounding, so that a pixel in two hundred at the edge of the top K may be another in float32.
    allowed = pixels / 200 if case.images.dtype == torch.float32 else torch.zeros(())
    assert ((scores - topk_overlap(expected, case.masks)).abs() * pixels <= allowed + 1e-9).all()


def test_every_method_is_ranked(case):
    assert set(case.ranking.table["method"]) == set(METHODS)
    assert case.maps.methods == list(METHODS)
    assert len(case.ranking.scores) == len(METHODS) * len(case.images)
    assert set(case.ranking.table["n_images"]) == {len(case.images)}
    assert case.ranking.scores["topk_overlap"].nunique() > 1


def test_the_network_is_as_it_was(case):
    assert_unchanged(case.model, dict(case.before))


def test_maps_are_captum_s(case):
    reference = Logits(copy.deepcopy(case.model)).eval()
    for parameter in reference.parameters():
        parameter.requires_grad_(False)
    images = case.images.clone().requires_grad_()
    with torch.no_grad():
        targets = reference(images).argmax(dim=1)
    assert case.maps.predicted == [f"class {target}" for target in targets]
    saliency = CaptumSaliency(reference).attribute(images, targets).amax(dim=1)
    assert_same(kept(case, "saliency"), saliency.detach().double(), case, "saliency")
    method = CaptumIntegratedGradients(reference)
    integrated = method.attribute(images, target=targets, n_steps=STEPS, method="gausslegendre").abs().sum(dim=1)
    assert_same(kept(case, "integrated_gradients"), integrated.detach().double(), case, "integrated_gradients")


def test_grad_cam_is_the_weighted_sum_at_the_layer(case):
    """Captum's for convolutions; of tokens, and of maps with channels last, Captum averages the gradient otherwise."""
    model, images = copy.deepcopy(case.model).eval(), case.images
    name = case.ranking.sweep.runs["info"][0]["layer"]
    layer = model.get_submodule(name)
    with torch.no_grad():
        targets = logits_of(model(images)).argmax(dim=1)
    if images.dtype == torch.float64:
        activation = LayerGradCam(Logits(model), layer).attribute(images, targets).relu().detach()
    else:
        outputs, to_map = [], find_feature_layer(model, images, name).to_map
        layer.register_forward_hook(lambda module, inputs, output: outputs.append(output))
        scores = logits_of(model(images.clone().requires_grad_())).gather(1, targets[:, None]).sum()
        features, gradient = to_map(outputs[0]), to_map(torch.autograd.grad(scores, outputs[0])[0])
        weights = gradient.mean(dim=(2, 3), keepdim=True)
        activation = (weights * features).sum(dim=1, keepdim=True).relu().detach()
    # torch's own upsampling leaves rounding noise between equal values, where the top K would have none to choose from.
    expected = interpolate_axis(interpolate_axis(activation[:, 0], images.shape[2], 1), images.shape[3], 2)
    torch.testing.assert_close(expected, interpolate(activation, images.shape[2:], mode="bilinear")[:, 0])
    assert_same(kept(case, "gradcam"), expected.double(), case, "gradcam")


def test_a_network_without_a_map_is_ranked_by_the_other_methods(shared, capsys):
    model = build(Perceptron)
    images, masks = loaded(tiles(shared, "crack", 3), 64)
    before = observed(model)
    ranking = xairank.rank(model, images, masks, methods=METHODS)
    lines = [line for line in capsys.readouterr().out.splitlines() if "gradcam" in line]
    assert lines == [
        "Note: gradcam is left out: it needs a feature map, and no layer of the network gives one that the logits "
        "depend on everywhere; model.layer=NAME chooses one."
    ]
    assert set(ranking.table["method"]) == {"saliency", "integrated_gradients"}
    assert_unchanged(model, before)
    with pytest.raises(
        xairank.errors.UserError, match="gradcam needs a feature map, and no layer of the network gives"
    ):
        xairank.rank(model, images, masks, methods={"gradcam": GradCAM()})


def test_several_networks_count_as_such_in_the_statistics(shared):
    images, masks = loaded(tiles(shared, "crack", 4), 64)
    models = [build(Odd, seed) for seed in (0, 1)]
    before = [observed(model) for model in models]
    ranking = xairank.rank(models, images, masks, methods=METHODS)
    assert ranking.table["n_seeds"].tolist() == [2] * len(METHODS)
    assert ranking.table["n_images"].tolist() == [4] * len(METHODS)
    for model, was in zip(models, before, strict=True):
        assert_unchanged(model, was)
    alone = [by_method(xairank.rank(model, images, masks, methods=METHODS).scores) for model in models]
    both = ranking.scores
    assert sorted(both["seed"].unique()) == [0, 1]
    found = [by_method(both[both["seed"] == seed]) for seed in (0, 1)]
    assert any(found[0].equals(one) for one in alone)
    assert any(found[1].equals(one) for one in alone)
    assert not found[0].equals(found[1])
    score = ranking.table.set_index("method")["score"]
    pd.testing.assert_series_equal(score.sort_index(), (sum(alone) / 2).mean(), check_names=False)


def test_mean_and_std_are_the_network_s_first_layer(shared):
    images, masks = loaded(tiles(shared, "fray", 4), 64)

    class Normalized(nn.Module):
        def __init__(self, model):
            super().__init__()
            self.model = model

        def forward(self, images):
            mean, std = (torch.tensor(values).view(3, 1, 1) for values in IMAGENET.values())
            return self.model((images - mean) / std)

    model = build(Odd)
    found = by_method(xairank.rank(model, images, masks, methods=METHODS, **IMAGENET).scores)
    expected = by_method(xairank.rank(Normalized(model), images, masks, methods=METHODS).scores)
    plain = by_method(xairank.rank(model, images, masks, methods=METHODS).scores)
    np.testing.assert_array_equal(found[["gradcam", "saliency"]], expected[["gradcam", "saliency"]])
    assert not np.array_equal(found["saliency"], plain["saliency"])


FACTORY = """
from tests.interface.foreign_networks import Odd, transformers_vit

def odd(scale=1):
    assert scale == 2
    return Odd()
"""
COMMANDS = {
    "timm": (of_timm("convnext_atto"), 64, ["model=timm", "model.name=convnext_atto"], IMAGENET),
    "torchvision": (of_torchvision("resnet18"), 64, ["model=torchvision", "model.name=resnet18"], IMAGENET),
    "one's own": (Odd, 64, ["model=python", "model.factory=mine_networks:odd", "+model.arguments.scale=2"], {}),
    "transformers": (transformers_vit, 64, ["model=python", "model.factory=mine_networks:transformers_vit"], {}),
}


@pytest.mark.parametrize("source", COMMANDS)
def test_the_command_and_the_function_give_the_same_scores(source, shared, tmp_path, monkeypatch, capsys):
    make, size, options, normalize = COMMANDS[source]
    torch.manual_seed(0)
    model = make()
    head = next(module for module in reversed(list(model.modules())) if isinstance(module, nn.Linear))
    with torch.no_grad():
        head.bias[CLASSES.index("crack")] += 100  # to which all cracks are one then, and all frays too
    rows = [(*paths, label) for label, count in (("crack", 3), ("fray", 2)) for paths in tiles(shared, label, count)]
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "mine_networks.py").write_text(FACTORY)
    pd.DataFrame(rows, columns=["image", "mask", "label"]).to_csv("tiles.csv", index=False)
    weights = "mine.safetensors" if source == "timm" else "mine.pth"
    state = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    save_file(state, weights) if source == "timm" else torch.save({"epoch": 1, "state_dict": state}, weights)
    status, out, err = rank_command(
        monkeypatch,
        capsys,
        *options,
        f"model.weights={weights}",
        f"model.classes=[{','.join(CLASSES)}]",
        "data=folder",
        "data.table=tiles.csv",
        "data.category=tiles",
        f"data.image_size={size}",
        "data.mask_threshold=127",
        f"attribution.methods.integrated_gradients.n_steps={STEPS}",
        "device=cpu",
    )
    assert status == 0, err
    assert "Feature map: " in out
    run = only_run("rank")
    scores = read_scores(run)
    assert set(scores) == {*METHODS, "random", "center", "edges", "constant"}
    assert len(scores) == 3
    excluded = pd.read_csv(run / "excluded.csv")
    assert excluded[["label", "predicted", "reason"]].to_numpy().tolist() == [["fray", "crack", "misclassified"]] * 2
    data = {"table": "tiles.csv", "category": "tiles", "image_size": size, "mask_threshold": 127}
    before = observed(model)
    ranking = xairank.rank(model, data=data, classes=CLASSES, methods=METHODS, **normalize)
    assert_unchanged(model, before)
    assert by_method(ranking.sweep.scores)[scores.columns].equals(scores)
    assert ranking.excluded["reason"].tolist() == ["misclassified"] * 2
