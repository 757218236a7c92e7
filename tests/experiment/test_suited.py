"""Methods that cannot explain a network are left out, in words."""

import pytest
import timm

from tests.attribution.networks import network
from xairank.attribution import AttentionRollout, GradCAM, Saliency
from xairank.attribution.controls import OwnMask, Random
from xairank.errors import UserError
from xairank.experiment.suited import suited_methods

METHODS = {"rollout": AttentionRollout(), "gradcam": GradCAM(), "random": Random(), "own_mask": OwnMask()}
LINE = (
    "Note: rollout is left out: it needs layers in which every position of the image attends to every other, and the "
    "network has none.\n"
)


def test_a_line_tells_what_is_left_out_and_why_controls_aside(capsys):
    assert list(suited_methods(METHODS, network("resnet18"))) == ["gradcam", "random"]
    assert capsys.readouterr().out.replace("\n", " ").split() == LINE.split()
    assert list(suited_methods(METHODS, network("resnet18"), quiet=True)) == ["gradcam", "random"]
    assert capsys.readouterr().out == ""
    assert "rollout" in suited_methods(METHODS, timm.create_model("vit_tiny_patch16_224", depth=1))


def test_a_plain_function_suits_any_network():
    methods = {"brightness": lambda model, images, targets: images.mean(dim=1), "saliency": Saliency()}
    assert suited_methods(methods, network("resnet18")) == methods


def test_no_method_left_is_a_mistake():
    message = (
        r"^attribution\.methods: none of rollout can explain the network: rollout needs layers .* and the network has "
        r"none; choose other methods$"
    )
    with pytest.raises(UserError, match=message):
        suited_methods({name: METHODS[name] for name in ("rollout", "random")}, network("resnet18"))
