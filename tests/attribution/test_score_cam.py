import pytest
import pytorch_grad_cam
import torch
from torch.nn import functional

from tests.attribution.cams import CASES, SIZE, Case, Small
from tests.attribution.networks import images_and_targets, relative_error
from xairank.attribution import Cost, ScoreCAM, explain
from xairank.models.adapt import adapt

torchcam = pytest.importorskip("torchcam.methods", reason="needs Python 3.11")


def by_the_paper(case, chosen=None):
    """Algorithm 1, a channel at a time; of each image all channels, or the chosen ones."""
    maps = []
    for image, features, target in zip(case.images, case.features, case.targets, strict=True):
        channels = range(len(features)) if chosen is None else chosen[len(maps)]
        scores = []
        for channel in channels:
            mask = functional.interpolate(features[None, None, channel], (SIZE, SIZE), mode="bilinear")[0, 0]
            spread = mask.max() - mask.min()
            mask = (mask - mask.min()) / spread if spread else torch.zeros_like(mask)
            with torch.no_grad():
                black, masked = case.model(torch.stack([torch.zeros_like(image), image * mask]))[:, target]
            scores.append(masked - black)
        weights = torch.stack(scores).softmax(dim=0)
        maps.append(sum(w * features[c] for w, c in zip(weights, channels, strict=True)).clamp(min=0))
    return torch.stack(maps)


def largest_variances(case, count):
    """The channels of the largest variance over places, of each image."""
    return case.features.flatten(2).var(dim=2).argsort(dim=1, descending=True)[:, :count].tolist()


@pytest.mark.parametrize("case", CASES, ids=" ".join)
def test_is_the_paper_s_algorithm_on_the_channels_of_the_largest_variance(case):
    case = Case(*case)
    expected = by_the_paper(case, largest_variances(case, 6))
    assert (expected.amax(dim=(1, 2)) > 0).all()
    assert relative_error(case.ours(ScoreCAM(n_channels=6)), expected) < 1e-8


@pytest.mark.parametrize("n_channels", [None, 16, 20])
def test_all_channels_are_used_by_default(n_channels):
    case = Case("mobilenetv3_small_050", "bn1", count=1)
    assert relative_error(case.ours(ScoreCAM(n_channels=n_channels)), by_the_paper(case)) < 1e-8


def test_equals_torchcam_on_maps_of_two_by_two():
    """Which scales before it upsamples: the same only where the extremes are at the corners, as here."""
    case = Case(Small(2).double().eval(), "layer")
    assert relative_error(case.ours(ScoreCAM()), case.torchcam(torchcam.ScoreCAM)) < 1e-6


def test_equals_both_libraries_where_nothing_is_upsampled():
    """pytorch_grad_cam aligns the corners when it upsamples; both add 1e-8 to the spread."""
    case = Case(Small(None).double().eval(), "layer")
    found = case.ours(ScoreCAM())
    assert relative_error(found, case.torchcam(torchcam.ScoreCAM)) < 1e-6
    assert relative_error(found, case.pytorch_grad_cam(pytorch_grad_cam.ScoreCAM)) < 1e-5  # its scores are float32


def test_a_constant_feature_map_masks_everything():
    """The weights are then those of black images, and no map is NaN."""

    class Half(torch.nn.Module):
        def forward_features(self, images):
            return torch.cat([images[:, :1], torch.ones_like(images[:, :1])], dim=1)

        def forward_head(self, features):
            return features.mean(dim=(2, 3))

    images = torch.rand(1, 3, 8, 8)
    red = images[0, 0]
    scaled = (red - red.min()) / (red.max() - red.min())
    weights = torch.stack([(red * scaled).mean(), torch.tensor(0.0)]).softmax(dim=0)
    torch.testing.assert_close(ScoreCAM()(Half(), images, torch.tensor([0]))[0], weights[0] * red + weights[1])


def test_the_probability_is_explained_where_it_is_asked_for():
    case, softened = (Case("mobilenetv3_small_050", "bn1") for _ in range(2))
    softened.model = torch.nn.Sequential(case.model, torch.nn.Softmax(dim=1))
    expected = by_the_paper(softened, largest_variances(case, 6))
    assert relative_error(case.ours(ScoreCAM(n_channels=6, score="probability")), expected) < 1e-8


def test_costs_a_pass_an_image_and_channel_and_one_more_at_another_layer():
    model = adapt(Small(2), "layer.2", image_size=SIZE).eval()
    images, targets = images_and_targets(3, size=SIZE)
    costs: dict[str, Cost] = {}
    methods = {"own": ScoreCAM(n_channels=5), "other": ScoreCAM("layer.0", n_channels=5)}
    explain(methods, model, images, targets, batch_limit=2, costs=costs)
    assert {name: cost.passes / cost.images for name, cost in costs.items()} == {"own": 6, "other": 7}


@pytest.mark.parametrize("n_channels", [0, -1, 2.5, True, "all"])
def test_a_wrong_number_of_channels_is_named(n_channels):
    with pytest.raises(ValueError, match=f"n_channels={n_channels} is not allowed: expected a whole number"):
        ScoreCAM(n_channels=n_channels)
