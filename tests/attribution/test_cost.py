import pytest
import torch

from tests.attribution.networks import images_and_targets, network
from xairank.attribution import Cost, GradCAM, IntegratedGradients, Saliency, explain, freeze
from xairank.attribution.controls import Center


def counted(model, calls):
    """The model, with the number of images that each forward pass of its stem saw."""
    return model.conv1.register_forward_hook(lambda module, inputs, output: calls.append(len(inputs[0])))


def test_passes_of_methods_by_hand():
    model, (images, targets) = network("resnet18"), images_and_targets(3)
    costs: dict[str, Cost] = {}
    methods = {"cam": GradCAM(), "saliency": Saliency(), "ig": IntegratedGradients(n_steps=5), "center": Center()}
    explain(methods, model, images, targets, batch_limit=2, costs=costs)
    per_image = {name: cost.passes / cost.images for name, cost in costs.items()}
    # Integrated gradients: the image, the baseline once a batch of two or one, and five steps forward and backward.
    assert per_image == {"cam": 1, "saliency": 2, "ig": pytest.approx(1 + 2 * 5 + 2 / 3), "center": 1}
    assert all(cost.images == 3 and cost.seconds > 0 for cost in costs.values())


def test_forward_passes_are_those_that_a_hook_sees():
    model, (images, targets) = network("resnet18"), images_and_targets(4)
    calls: list[int] = []
    handle = counted(model, calls)
    costs: dict[str, Cost] = {}
    try:
        explain({"ig": IntegratedGradients(n_steps=6)}, model, images, targets, batch_limit=4, costs=costs)
    finally:
        handle.remove()
    forward, backward = sum(calls), 4 * 6
    assert costs["ig"].passes == forward + backward


def test_costs_add_up_over_calls_and_a_plain_function_has_one():
    model, (images, targets) = network("resnet18"), images_and_targets(2)
    costs: dict[str, Cost] = {}
    frozen = freeze(model, images)
    for _ in range(2):
        explain({"mine": lambda model, images, targets: images[:, 0]}, frozen, images, targets, costs=costs)
    assert costs["mine"].images == 4
    assert torch.tensor(costs["mine"].passes) == 4


def test_a_batch_that_did_not_fit_costs_nothing():
    class Greedy(Saliency):
        def attribute(self, forward):
            if len(forward.images) > 1:
                raise torch.OutOfMemoryError
            return super().attribute(forward)

    model, (images, targets) = network("resnet18"), images_and_targets(3)
    costs: dict[str, Cost] = {}
    explain({"cam": GradCAM(), "greedy": Greedy()}, model, images, targets, batch_limit=2, costs=costs)
    assert [(cost.images, cost.passes) for cost in costs.values()] == [(3, 3), (3, 6)]
