import pytest
import torch
from captum.metrics import sensitivity_max

from tests.evaluation.models import Additive, probe_of, random
from xairank.evaluation import Sensitivity
from xairank.evaluation.probe import content_generator

H, W = 6, 5
MASKS = torch.ones(3, H, W, dtype=torch.bool)


def explain(images):
    """A map that is not linear in the image."""
    return (images**2).sum(dim=1) + images[:, 0].roll(1, dims=2) * images[:, 1]


def noise(image, seed, radius, n_draws):
    generator = content_generator(image, seed)
    return [torch.from_numpy(generator.uniform(-radius, radius, image.shape)) for _ in range(n_draws)]


@pytest.mark.parametrize(("radius", "n_draws", "seed"), [(0.02, 4, 0), (0.3, 1, 7)])
def test_equals_captum_with_the_same_noise(radius, n_draws, seed):
    images = random(3, 3, H, W)
    found = Sensitivity(radius, n_draws, seed)(explain(images), MASKS, probe_of(None, images, explain=explain))
    for index, image in enumerate(images):
        draws = torch.stack(noise(image, seed, radius, n_draws))
        expected = sensitivity_max(
            lambda some: (explain(some[0]),),  # Captum's images and maps come in tuples
            image[None],
            perturb_func=lambda some, _, draws=draws: (some[0] + draws,),
            n_perturb_samples=n_draws,
        )
        assert found[index].item() == pytest.approx(expected.item(), rel=1e-6)


def test_of_a_linear_map_it_is_the_largest_norm_of_the_noise_over_that_of_the_image():
    images = random(3, 1, H, W)
    found = Sensitivity(0.1, 5)(images[:, 0], MASKS, probe_of(None, images, explain=lambda some: some[:, 0]))
    expected = [max(draw.norm() for draw in noise(image, 0, 0.1, 5)) / image.norm() for image in images]
    torch.testing.assert_close(found, torch.stack(expected))


def test_a_map_that_never_changes_has_none_and_one_of_zeros_is_finite():
    images = random(3, 3, H, W)
    for map_ in (torch.zeros(3, H, W), torch.ones(3, H, W)):
        found = Sensitivity()(map_, MASKS, probe_of(None, images, explain=lambda some, map_=map_: map_[: len(some)]))
        assert found.tolist() == [0, 0, 0]
    found = Sensitivity(0.02, 2)(torch.zeros(3, H, W), MASKS, probe_of(None, images, explain=explain))
    assert bool(found.isfinite().all())
    assert bool((found > 0).all())


def test_images_of_a_batch_do_not_mix_and_explanations_are_counted():
    images = random(3, 3, H, W)
    metric = Sensitivity(0.05, 3)
    probe = probe_of(Additive(torch.ones(H, W)), images, explain=explain)
    whole = metric(explain(images), MASKS, probe)
    assert probe.explanations == 3 * metric.explanations == 9
    alone = [metric(explain(one[None]), MASKS[:1], probe_of(None, one[None], explain=explain)).item() for one in images]
    assert whole.tolist() == pytest.approx(alone, rel=1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"radius": 0}, "radius=0 is not allowed: expected a number greater than 0"),
        ({"radius": True}, "radius=True is not allowed"),
        ({"n_draws": 0}, "n_draws=0 is not allowed: expected a whole number of at least 1"),
    ],
)
def test_an_option_that_is_not_allowed_is_named(options, message):
    with pytest.raises(ValueError, match=message):
        Sensitivity(**options)
