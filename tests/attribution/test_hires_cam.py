import pytest
import pytorch_grad_cam
import torch

from tests.attribution.cams import CASES, Case
from tests.attribution.networks import relative_error
from xairank.attribution import GradCAM, HiResCAM


@pytest.mark.parametrize("case", CASES, ids=" ".join)
def test_equals_pytorch_grad_cam(case):
    """torchcam has no HiResCAM."""
    case = Case(*case)
    assert relative_error(case.ours(HiResCAM()), case.pytorch_grad_cam(pytorch_grad_cam.HiResCAM)) < 1e-8


def test_sums_to_the_logit_without_its_bias_and_equals_gradcam_behind_a_pooled_linear_head():
    case = Case("torchvision resnet18", "layer4")
    signed = HiResCAM().combine(case.features, case.gradients)
    with torch.no_grad():
        logits = case.model(case.images).gather(1, case.targets[:, None])[:, 0]
    bias = case.model.fc.bias.detach()[case.targets]
    torch.testing.assert_close(signed.sum(dim=(1, 2)), logits - bias)
    torch.testing.assert_close(case.ours(HiResCAM()), case.ours(GradCAM()))
