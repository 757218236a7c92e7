import pytest
import pytorch_grad_cam
import torch

from tests.attribution.cams import CASES, Case
from tests.attribution.networks import relative_error
from xairank.attribution import GradCAM, XGradCAM

torchcam = pytest.importorskip("torchcam.methods", reason="needs Python 3.11")


@pytest.mark.parametrize("case", CASES, ids=" ".join)
def test_equals_torchcam_and_pytorch_grad_cam(case):
    """Both add 1e-8 or 1e-7 to the sum of a feature map; here it is left as the paper has it."""
    case = Case(*case)
    found = case.ours(XGradCAM())
    assert relative_error(found, case.torchcam(torchcam.XGradCAM)) < 1e-5
    assert relative_error(found, case.pytorch_grad_cam(pytorch_grad_cam.XGradCAM)) < 1e-5


@pytest.mark.parametrize("layer", ["layer4", "layer2"])
def test_sums_to_gradient_times_feature_map(layer):
    """Conservation, which the paper derives the weights from; behind a ReLU only a map of zeros sums to zero."""
    case = Case("torchvision resnet18", layer)
    found = XGradCAM().combine(case.features, case.gradients).sum(dim=(1, 2))
    torch.testing.assert_close(found, (case.features * case.gradients).sum(dim=(1, 2, 3)))


def test_equals_gradcam_behind_average_pooling():
    case = Case("torchvision resnet18", "layer4")
    torch.testing.assert_close(case.ours(XGradCAM()), case.ours(GradCAM()))


def test_a_feature_map_that_sums_to_zero_has_no_weight():
    features = torch.tensor([[[[1.0, -1.0]], [[1.0, 3.0]]]])
    gradients = torch.tensor([[[[5.0, 5.0]], [[4.0, 8.0]]]])
    assert XGradCAM().combine(features, gradients).tolist() == [[[7.0, 21.0]]]
