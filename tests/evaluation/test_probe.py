import pytest
import torch

from tests.evaluation.models import Additive, probe_of, random
from xairank.evaluation.probe import content_generator


@pytest.mark.parametrize("batch_limit", [1, 2, 3, 5, 100])
def test_every_variant_is_seen_once_whatever_the_batches(batch_limit):
    images, weights = random(3, 3, 4, 5), random(4, 5, seed=1) - 0.5
    model = Additive(weights)
    probe = probe_of(model, images, batch_limit)
    factors = torch.linspace(0, 1, 7, dtype=torch.float64)

    def darker(image, steps):
        return images[image] * factors[steps, None, None, None]

    expected = (images * weights).sum(dim=(1, 2, 3))[:, None] * factors
    torch.testing.assert_close(probe.logits(7, darker), expected)
    assert probe.passes == 21
    assert model.largest_batch == min(batch_limit, 21)
    torch.testing.assert_close(probe.probabilities(7, darker), expected.sigmoid())
    assert probe.passes == 42


def test_the_explained_class_is_that_of_each_image():
    images = random(2, 3, 4, 4)
    probe = probe_of(Additive(torch.ones(4, 4)), images)
    probe.targets = torch.tensor([0, 1])
    found = probe.logits(1, lambda image, _: images[image][None])
    torch.testing.assert_close(found[:, 0], torch.tensor([0.0, images[1].sum()], dtype=torch.float64))


def test_explanations_are_counted_and_need_a_method():
    images = random(2, 3, 4, 4)
    probe = probe_of(Additive(torch.ones(4, 4)), images, explain=lambda some: some.mean(dim=1).float())
    assert probe.explain(images).dtype == torch.float64
    assert (probe.explanations, probe.passes) == (2, 0)
    with pytest.raises(ValueError, match="no method to explain with"):
        probe_of(Additive(torch.ones(4, 4)), images).explain(images)


def test_draws_depend_on_content_and_seed():
    one, other = random(3, 4, 4).float(), random(3, 4, 4, seed=1).float()
    draws = [
        content_generator(image, seed).random() for image, seed in ((one, 0), (one.clone(), 0), (one, 1), (other, 0))
    ]
    assert draws[0] == draws[1]
    assert len(set(draws)) == 3
