"""Maps that a GPU makes are those of the CPU, and memory that does not suffice is met by smaller batches."""

import copy

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from tests.attribution.networks import images_and_targets, network
from xairank.attribution import GradCAM, IntegratedGradients, Saliency, explain, freeze
from xairank.config import CONFIGURATION
from xairank.models.adapt import adapt

GPU = torch.device("cuda")
DRAWS = {"smoothgrad", "vargrad", "expected_gradients", "gradient_shap", "rise"}  # other numbers on another device


def adapted(name, device="cpu"):
    return adapt(copy.deepcopy(network(name)), image_size=64).to(device)


def extended(model):
    """All methods that can explain a model."""
    with initialize_config_dir(str(CONFIGURATION), version_base="1.3"):
        entries = compose("train", ["attribution=extended"]).attribution.methods
    methods = {name: instantiate(entry) for name, entry in entries.items() if name not in DRAWS}
    return {name: method for name, method in methods.items() if not method.obstacle(model)}


def errors(found, expected):
    """Of each image, the largest difference as a share of its largest value."""
    difference = (found.cpu() - expected).abs().flatten(1).amax(dim=1)
    return difference / expected.abs().flatten(1).amax(dim=1).clamp(min=1e-12)


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_b0", "convnext_atto"])
def test_every_method_gives_the_maps_of_the_cpu(name):
    # In float64: the networks are random, and differences of their nearly equal scores, as of occlusion, are rounding.
    model, there, (images, targets) = adapted(name).double(), adapted(name, GPU).double(), images_and_targets(2)
    images = images.double()
    methods = extended(model)
    assert len(methods) > 10
    expected = explain(methods, model, images, targets)
    for same in (there, freeze(there, images[:1].to(GPU))):
        found = explain(methods, same, images.to(GPU), targets.to(GPU))
        for key in methods:
            assert errors(found[key][0], expected[key][0]).max() < 1e-6, key


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_b0", "convnext_atto"])
def test_single_precision_is_all_of_it(name):
    # TF32, which PyTorch allows convolutions on a GPU, has 10 bits: it moves these maps by some per cent.
    model, there, (images, targets) = adapted(name).double(), adapted(name, GPU), images_and_targets(8)
    methods = {"gradcam": GradCAM(), "saliency": Saliency(), "integrated_gradients": IntegratedGradients()}
    expected = explain(methods, model, images.double(), targets)
    for same in (there, freeze(there, images[:1].to(GPU))):
        found = explain(methods, same, images.to(GPU), targets.to(GPU))
        for key in methods:
            # The median: an image in which one activation flips from zero to a rounding error has another map.
            assert errors(found[key][0].double(), expected[key][0]).median() < 1e-3, key


def test_a_batch_that_does_not_fit_is_halved_and_the_maps_stay():
    model, (images, targets) = copy.deepcopy(network("efficientnet_b0")).to(GPU), images_and_targets(64, size=128)
    frozen = freeze(model, images[:1].to(GPU))
    methods = {"gradcam": GradCAM(), "saliency": Saliency(), "ig": IntegratedGradients(n_steps=16)}
    expected = explain(methods, frozen, images.to(GPU), targets.to(GPU), batch_limit=4)
    torch.cuda.empty_cache()
    free, total = torch.cuda.mem_get_info()
    try:
        torch.cuda.set_per_process_memory_fraction(min(1.0, (total - free + 2**29) / total))  # half a GiB
        found = explain(methods, frozen, images.to(GPU), targets.to(GPU), batch_limit=1024)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    for name in methods:
        assert errors(found[name][0], expected[name][0].cpu()).median() < 1e-3


def test_the_same_maps_twice():
    model, (images, targets) = adapted("efficientnet_b0", GPU), images_and_targets(8)
    methods = extended(model)
    frozen = freeze(model, images[:1].to(GPU))
    torch.use_deterministic_algorithms(True)
    try:
        first, second = (explain(methods, frozen, images.to(GPU), targets.to(GPU)) for _ in range(2))
    finally:
        torch.use_deterministic_algorithms(False)
    for name in first:
        assert torch.equal(first[name][0], second[name][0]), name
