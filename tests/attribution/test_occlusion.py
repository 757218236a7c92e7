"""Against Captum, window by window, and against brute force."""

import captum.attr
import pytest
import torch

from tests.attribution.networks import images_and_targets, network, relative_error
from xairank.attribution import Occlusion, explain, freeze
from xairank.attribution.path import BASELINES


@pytest.mark.parametrize(
    ("window", "stride", "fill"),
    [(16, 16, "black"), (24, 16, "mean_color"), (20, 13, "blurred"), (64, 64, "black"), (90, 30, "blurred")],
)
def test_equals_captum(window, stride, fill):
    model, (images, targets) = network("resnet18", torch.float64), images_and_targets(2, torch.float64)
    baselines = BASELINES[fill](images)[0].expand_as(images)
    expected = captum.attr.Occlusion(model).attribute(
        images, (3, min(window, 64), min(window, 64)), (3, stride, stride), baselines, targets
    )
    maps = Occlusion(window, stride, fill)(freeze(model, images), images, targets)
    # Captum sums in float32.
    torch.testing.assert_close(maps, expected[:, 0].double().clamp(min=0), rtol=0, atol=1e-6)
    assert (expected.abs().amax(dim=(1, 2, 3)) > 1e-3).all()
    assert (maps > 0).any()


def test_equals_one_pass_a_window_for_another_score_and_shape():
    model, (images, targets) = network("mobilenetv3_small_050", torch.float64), images_and_targets(2, torch.float64)
    images = images[:, :, :, :40]

    def probability(inputs):
        with torch.no_grad():
            return model(inputs).softmax(dim=1).gather(1, targets[:, None]).squeeze(1)

    sums, counts = torch.zeros_like(images[:, 0]), torch.zeros(64, 40)
    for top in (0, 12, 24, 36, 48):
        for left in (0, 12, 24):
            covered = images.clone()
            covered[:, :, top : top + 20, left : left + 20] = 0
            sums[:, top : top + 20, left : left + 20] += (probability(images) - probability(covered))[:, None, None]
            counts[top : top + 20, left : left + 20] += 1
    maps = Occlusion(20, 12, score="probability")(model, images, targets)
    assert relative_error(maps, (sums / counts).clamp(min=0)) < 1e-9


def test_pixels_of_the_same_windows_are_ties_and_the_batch_cut_does_not_count():
    model, (images, targets) = network("resnet18"), images_and_targets(3)
    costs = {}
    maps, _ = explain({"": Occlusion(24, 16)}, model, images, targets, batch_limit=64, costs=costs)[""]
    assert all(len(image.unique()) <= 49 for image in maps)  # 0 to 16, 16 to 24, ..., 56 to 64 along each axis
    cut, _ = explain({"": Occlusion(24, 16)}, model, images, targets, batch_limit=4)[""]
    assert relative_error(cut, maps) < 1e-4
    assert costs[""].passes == 3 * (1 + 16)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 0}, "window=0 is not allowed: expected a whole number of pixels of at least 1"),
        ({"stride": 1.5}, "stride=1.5 is not allowed: expected a whole number of pixels of at least 1"),
        ({"window": 8}, "stride=16 is not allowed: expected at most the window, 8 pixels"),
        ({"fill": "uniform"}, "fill=uniform is not allowed: expected black or mean_color or blurred"),
    ],
)
def test_options_that_are_not_allowed_are_named(options, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        Occlusion(**options)
