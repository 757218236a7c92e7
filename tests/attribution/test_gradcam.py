import torch
from torch import nn
from torch.nn import functional

from tests.attribution.networks import images_and_targets, likely_targets, network, relative_error
from xairank.attribution import GradCAM, explain


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
