import copy

import pytest
import torch
from pytorch_grad_cam.utils.svd_on_activations import get_2d_projection

from tests.attribution.cams import CASES, Case
from tests.attribution.networks import network, relative_error
from xairank.attribution import EigenCAM, NonFiniteError, explain


def first_direction(matrix):
    """The first right singular vector of a matrix, by powers of its Gram matrix."""
    gram = matrix.T @ matrix
    for _ in range(30):  # 2**30 multiplications
        gram = gram @ gram
        gram = gram / gram.norm()
    return gram[:, gram.diagonal().argmax()] / gram[:, gram.diagonal().argmax()].norm()


@pytest.mark.parametrize("case", CASES, ids=" ".join)
def test_is_the_projection_on_the_first_direction_that_sums_to_a_positive_number(case):
    case = Case(*case)
    expected = []
    for features in case.features:
        matrix = features.flatten(1).T
        projection = matrix @ first_direction(matrix)
        expected.append((projection * projection.sum().sign()).clamp(min=0).view(features.shape[1:]))
    assert relative_error(case.ours(EigenCAM()), torch.stack(expected)) < 1e-8


class Centred(torch.nn.Module):
    """Feature maps of mean zero over places."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layer = torch.nn.Conv2d(3, 6, 4, stride=4)

    def forward_features(self, images):
        features = self.layer(images)
        return features - features.mean(dim=(2, 3), keepdim=True)

    def forward_head(self, features):
        return features.square().mean(dim=(2, 3))


def test_equals_pytorch_grad_cam_on_centred_features():
    """Which centres all of them, unlike the paper, and takes the sign as it comes."""
    model, images = Centred().double(), torch.rand(3, 3, 32, 32, dtype=torch.float64)
    found = explain({"": EigenCAM()}, model, images)[""][1]["class_activation"]
    projections = torch.from_numpy(get_2d_projection(model.forward_features(images).detach().numpy())).double()
    for one, projection in zip(found, projections, strict=True):
        errors = [relative_error(one[None], side.clamp(min=0)[None]) for side in (projection, -projection)]
        assert min(errors) < 1e-5


def test_the_map_behind_a_relu_is_positive_without_any_cut():
    case = Case("torchvision resnet18", "layer2")
    _, values, _ = torch.linalg.svd(case.features.flatten(2))
    torch.testing.assert_close(case.ours(EigenCAM()).square().sum(dim=(1, 2)).sqrt(), values[:, 0])


def test_every_class_has_the_same_map():
    model, images = network("resnet18"), torch.rand(1, 3, 64, 64).expand(2, -1, -1, -1)
    maps = EigenCAM()(model, images, torch.tensor([0, 3]))
    torch.testing.assert_close(maps[0], maps[1])


def test_features_of_nan_are_named_and_no_failure_of_the_decomposition():
    images = torch.rand(3, 3, 64, 64)
    images[1, 0, 5, 5] = torch.nan
    with pytest.raises(NonFiniteError, match="eigen: the feature map of image 1 holds NaN"):
        explain({"eigen": EigenCAM()}, network("resnet18"), images)


def test_half_precision_is_decomposed_in_single():
    model = network("resnet18").float()
    images, targets = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1])
    expected = EigenCAM()(model, images, targets)
    maps = EigenCAM()(copy.deepcopy(model).bfloat16(), images.bfloat16(), targets)
    assert maps.dtype == torch.bfloat16
    assert relative_error(maps.float(), expected) < 0.1
