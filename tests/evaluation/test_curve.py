import pytest
import torch

from tests.evaluation.models import random
from xairank.evaluation import Deletion, Insertion
from xairank.evaluation.curve import pixel_places


def test_places_follow_the_map_and_least_is_the_reverse_of_most():
    maps, images = torch.tensor([[[0.3, 0.1], [0.9, 0.5]]]), random(1, 3, 2, 2)
    assert pixel_places(maps, images).tolist() == [[[2, 3], [0, 1]]]
    assert pixel_places(maps, images, "least").tolist() == [[[1, 0], [3, 2]]]


def test_ties_are_ordered_by_the_image_alone_and_favour_no_place():
    images = random(200, 3, 6, 6)
    places = pixel_places(torch.zeros(200, 6, 6), images)
    assert torch.equal(places[50:60], pixel_places(torch.ones(10, 6, 6), images[50:60]))
    assert not torch.equal(places[0], places[1])
    assert places.flatten(1).sort(dim=1).values.eq(torch.arange(36)).all()
    means = places.double().mean(dim=0)
    assert (means - 17.5).abs().max().item() < 4 * (35 * 37 / 12 / 200) ** 0.5  # four standard errors
    coarse = torch.arange(36.0).view(1, 6, 6).expand(200, -1, -1) // 12  # ties within rows of the map
    assert bool((pixel_places(coarse, images)[:, 4:] < 12).all())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fill": "white"}, "fill=white is not allowed: expected mean_color or blurred or black"),
        ({"order": "first"}, "order=first is not allowed: expected most or least"),
        ({"n_steps": 0}, "n_steps=0 is not allowed: expected a whole number of at least 1"),
        ({"n_steps": True}, "n_steps=True is not allowed"),
    ],
)
@pytest.mark.parametrize("kind", [Deletion, Insertion])
def test_an_option_that_is_not_allowed_is_named(kind, options, message):
    with pytest.raises(ValueError, match=message):
        kind(**options)


def test_a_call_without_a_model_says_so():
    with pytest.raises(ValueError, match="Deletion asks the model: call it with a probe"):
        Deletion()(random(1, 2, 2), torch.ones(1, 2, 2, dtype=torch.bool))


def test_labels_and_which_values_are_good():
    kinds = [Deletion(), Deletion("blurred", "least"), Insertion("black"), Insertion(order="least")]
    assert [(one.label, one.higher_is_better) for one in kinds] == [
        ("Deletion (mean colour)", False),
        ("Deletion (blurred, least relevant first)", True),
        ("Insertion (black)", True),
        ("Insertion (blurred, least relevant first)", False),
    ]
    assert {one.chance(torch.ones(1, 2, 2, dtype=torch.bool)) for one in kinds} == {None}
