import pytest
import torch
from torch import nn
from torch.nn import functional

from tests.attribution.networks import images_and_targets, likely_targets, network, relative_error
from xairank.attribution import GradCAM, explain
from xairank.attribution.gradcam import interpolate_axis


def test_equals_class_activation_mapping_on_a_pooled_linear_head():
    # Zhou et al., CVPR 2016: the map is the head's row times the features; Grad-CAM's gradient is that row over h * w.
    model = network("resnet18")
    images, _ = images_and_targets(3)
    targets = likely_targets(model, images)
    with torch.no_grad():
        features = model.forward_features(images)
    rows = model.fc.weight.detach()[targets]
    coarse = functional.relu(torch.einsum("bc,bchw->bhw", rows, features)) / features[0, 0].numel()
    expected = functional.interpolate(coarse[:, None], (64, 64), mode="bilinear")[:, 0]
    maps, diagnostics = explain({"gradcam": GradCAM()}, model, images, targets)["gradcam"]
    assert (expected.amax(dim=(1, 2)) > 0).all()
    assert relative_error(maps, expected) < 1e-5
    torch.testing.assert_close(diagnostics["class_activation"], coarse)


def test_negative_evidence_gives_a_zero_map_not_nan():
    class Negative(nn.Module):
        def forward_features(self, images):
            return functional.avg_pool2d(images, 16)

        def forward_head(self, features):
            return -features.mean(dim=(2, 3))

    maps = GradCAM()(Negative(), torch.rand(2, 3, 64, 64), torch.tensor([0, 2]))
    assert torch.equal(maps, torch.zeros(2, 64, 64))


@pytest.mark.parametrize(
    ("coarse", "size"), [((7, 7), (224, 224)), ((3, 5), (50, 64)), ((2, 2), (2, 3)), ((1, 1), (8, 8))]
)
def test_upsampling_is_torchs_bilinear(coarse, size):
    maps = torch.rand(2, *coarse, dtype=torch.float64)
    expected = functional.interpolate(maps[:, None], size, mode="bilinear", align_corners=False)[:, 0]
    torch.testing.assert_close(interpolate_axis(interpolate_axis(maps, size[0], 1), size[1], 2), expected)


def test_upsampling_keeps_a_constant_map_constant_to_the_bit():
    maps = torch.full((1, 7, 7), 0.1)
    assert interpolate_axis(interpolate_axis(maps, 224, 1), 224, 2).unique().tolist() == maps.unique().tolist()
