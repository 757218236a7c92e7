import pytest
import pytorch_grad_cam
import torch

from tests.attribution.cams import CASES, Case
from tests.attribution.networks import relative_error
from xairank.attribution import LayerCAM

torchcam = pytest.importorskip("torchcam.methods", reason="needs Python 3.11")


@pytest.mark.parametrize("case", CASES, ids=" ".join)
def test_equals_torchcam_and_pytorch_grad_cam(case):
    case = Case(*case)
    found = case.ours(LayerCAM())
    assert relative_error(found, case.torchcam(torchcam.LayerCAM)) < 1e-8
    assert relative_error(found, case.pytorch_grad_cam(pytorch_grad_cam.LayerCAM)) < 1e-8


def test_a_place_counts_by_its_own_positive_gradient():
    features = torch.tensor([[[[1.0, 2.0]], [[3.0, -4.0]]]])
    gradients = torch.tensor([[[[5.0, -1.0]], [[2.0, 1.0]]]])
    assert LayerCAM().combine(features, gradients).tolist() == [[[11.0, -4.0]]]
