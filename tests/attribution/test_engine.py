import logging
import subprocess
import sys

import pytest
import torch
from torch import nn

from tests.attribution.networks import images_and_targets, likely_targets, network, relative_error
from xairank.attribution import (
    AttributionMethod,
    GradCAM,
    IntegratedGradients,
    NonFiniteError,
    Saliency,
    explain,
    freeze,
)
from xairank.attribution.acceleration import layers

METHODS = {"gradcam": GradCAM(), "saliency": Saliency(), "integrated_gradients": IntegratedGradients(n_steps=3)}


class Watched(nn.Module):
    """A network that counts the images it sees, and runs out of memory above a batch size."""

    def __init__(self, model, memory=None):
        super().__init__()
        self.model, self.memory, self.batches = model, memory, []

    def forward_features(self, images):
        if self.memory and len(images) > self.memory:
            raise torch.OutOfMemoryError("CUDA out of memory")
        self.batches.append(len(images))
        return self.model.forward_features(images)

    def forward_head(self, features):
        return self.model.forward_head(features)


def test_methods_together_give_what_each_gives_alone():
    model, (images, targets) = network("efficientnet_b0"), images_and_targets(3)
    together = explain(METHODS, model, images, targets)
    assert list(together) == list(METHODS)
    for name, method in METHODS.items():
        torch.testing.assert_close(together[name][0], method(model, images, targets), rtol=1e-5, atol=1e-8)
    assert together["integrated_gradients"][1]["completeness_error"].shape == (3,)
    assert together["saliency"][1] == {}


def test_one_forward_pass_serves_prediction_gradcam_and_saliency():
    model, (images, _) = Watched(network("resnet18")), images_and_targets(4)
    explain({name: METHODS[name] for name in ("gradcam", "saliency")}, model, images, batch_limit=4)
    assert model.batches == [4]


def test_without_targets_the_predicted_class_is_explained():
    model, (images, _) = network("resnet18"), images_and_targets(3)
    predicted = model(images).argmax(dim=1)
    assert torch.equal(
        explain(METHODS, model, images)["saliency"][0], explain(METHODS, model, images, predicted)["saliency"][0]
    )


@pytest.mark.parametrize("what", ["features", "logits", "scores", "feature_gradients"])
def test_what_a_method_said_it_does_not_need_is_named_when_it_asks_for_it(what):
    class Forgetful(AttributionMethod):
        needs_prediction = False

        def attribute(self, forward):
            return getattr(forward, what), {}

    named = "the gradients" if what == "feature_gradients" else what
    with pytest.raises(ValueError, match=f"^mine: reads {named} of the forward pass, .* needs_prediction = False"):
        explain({"mine": Forgetful()}, network("resnet18"), *images_and_targets(1))


def test_a_plain_callable_is_called_with_the_explained_classes():
    def brightness(model, images, targets):
        return images.mean(dim=1) + targets.view(-1, 1, 1)

    images, targets = images_and_targets(5)
    maps, diagnostics = explain({"brightness": brightness}, network("resnet18"), images, targets, batch_limit=2)[
        "brightness"
    ]
    assert torch.equal(maps, brightness(None, images, targets))
    assert diagnostics == {}


def test_no_images_give_no_maps():
    for maps, _ in explain(METHODS, network("resnet18"), torch.rand(0, 3, 64, 64), torch.zeros(0).long()).values():
        assert maps.shape == (0, 64, 64)


@pytest.mark.parametrize("memory", [1, 3])
def test_out_of_memory_halves_the_batch_and_goes_on(memory, caplog):
    model, (images, _) = network("resnet18"), images_and_targets(7)
    targets = likely_targets(model, images)
    expected = explain(METHODS, model, images, targets)
    with caplog.at_level(logging.WARNING):
        found = explain(METHODS, Watched(model, memory), images, targets, batch_limit=8)
    assert f"Out of memory: going on with batches of {2 if memory == 3 else 1}" in caplog.text
    for name in METHODS:
        assert relative_error(found[name][0], expected[name][0]) < 1e-5


def test_a_frozen_model_remembers_the_batch_that_fitted():
    frozen = freeze(network("resnet18"), images_and_targets(1)[0], batch_limit=8)
    whole = frozen.forward_rest

    def scarce(prefix):
        if len(prefix) > 2:
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")
        return whole(prefix)

    frozen.forward_rest = scarce
    explain(METHODS, frozen, *images_and_targets(3))
    assert frozen.batch_limit == 2


def test_running_out_of_memory_never_raises_the_limit():
    frozen = freeze(network("resnet18"), images_and_targets(1)[0], batch_limit=2)
    whole = frozen.forward_rest

    def scarce(prefix):
        if len(prefix) > 5:
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")
        return whole(prefix)

    frozen.forward_rest = scarce
    explain(METHODS, frozen, *images_and_targets(6), batch_limit=8)
    assert frozen.batch_limit == 2


@pytest.mark.parametrize("batch_limit", [0, -1])
def test_a_batch_has_at_least_one_image(batch_limit):
    with pytest.raises(ValueError, match=f"batch_limit={batch_limit} is not allowed"):
        explain(METHODS, network("resnet18"), *images_and_targets(1), batch_limit=batch_limit)
    with pytest.raises(ValueError, match=f"batch_limit={batch_limit} is not allowed"):
        freeze(network("resnet18"), images_and_targets(1)[0], batch_limit=batch_limit)


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
@pytest.mark.parametrize("encoder", ["resnet18", "efficientnet_b0"])
@pytest.mark.parametrize("limit", [1, 2, 16])
@pytest.mark.parametrize("compiled", [True, False])
def test_an_image_that_is_not_a_number_is_named(monkeypatch, bad, encoder, limit, compiled):
    if not compiled:
        monkeypatch.setattr(layers, "compiled_kernels", lambda: None)
    model, (images, targets) = network(encoder), images_and_targets(5)
    images[3, 0, 3, 3] = bad
    for explained in (model, freeze(model, images[:1])):
        for name, method in METHODS.items():
            with pytest.raises(NonFiniteError, match=f"{name}: .* of image 3 holds NaN or infinite values") as caught:
                explain({name: method}, explained, images, targets, batch_limit=limit)
            assert (caught.value.method, caught.value.image) == (name, 3)


class Rooted(nn.Module):
    """Features that are zero in one image, where the root's derivative is infinite; the logits are fine."""

    def forward_features(self, images):
        return images

    def forward_head(self, features):
        return features.abs().sum(dim=(2, 3)).sqrt()


@pytest.mark.parametrize("name", METHODS)
def test_a_gradient_that_is_not_finite_is_named_even_where_the_map_would_hide_it(name):
    images = torch.rand(3, 3, 6, 6)
    images[1] = 0
    with pytest.raises(NonFiniteError, match=f"{name}: the gradient at the .* of image 1|{name}: the map of image 1"):
        explain({name: METHODS[name]}, Rooted(), images, torch.zeros(3).long())


def test_a_map_of_one_s_own_method_is_checked_too():
    def broken(model, images, targets):
        return images.mean(dim=1) / torch.tensor([1.0, 1.0, 0.0]).view(-1, 1, 1)

    methods = {"saliency": METHODS["saliency"], "broken": broken}
    with pytest.raises(NonFiniteError, match="broken: the map of image 2 holds NaN or infinite values"):
        explain(methods, network("resnet18"), images_and_targets(3)[0], batch_limit=3)


def test_where_one_image_does_not_fit_the_error_is_the_user_s():
    model = Watched(network("resnet18"), memory=0.5)
    with pytest.raises(torch.OutOfMemoryError):
        explain(METHODS, model, *images_and_targets(2))


PEAK = """
import resource, sys, torch
from torch import nn
from xairank.attribution import AttributionMethod, GradCAM, IntegratedGradients, Saliency, explain, freeze

class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 32, 3, padding=1), nn.SiLU(), nn.Conv2d(32, 32, 3, stride=4))
    def forward_features(self, images):
        return self.layers(images)
    def forward_head(self, features):
        return features.mean(dim=(2, 3))

images, steps = int(sys.argv[1]), int(sys.argv[2])
methods = {"gradcam": GradCAM(), "saliency": Saliency(), "integrated_gradients": IntegratedGradients(n_steps=steps)}
frozen = freeze(Small(), torch.rand(1, 3, 16, 16), batch_limit=64)
explain(methods, frozen, torch.rand(images, 3, 16, 16))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in another unit elsewhere")
@pytest.mark.slow
def test_memory_depends_on_neither_images_nor_steps():
    def peak(*arguments):
        command = [sys.executable, "-c", PEAK, *arguments]
        return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    # All pairs at once would take 6 GiB. Images and maps themselves take 9 MiB, and a moment's copy when joined.
    assert peak("1000", "100") < peak("64", "25") + 24
