import pytest
import torch

from xairank.attribution.draws import Draws, checked_whole


def test_the_image_the_sample_and_the_seed_decide_and_nothing_else():
    images = torch.rand(3, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    draws = Draws(images, seed=0)
    numbers = [draws.generator(image, sample).random() for image in range(3) for sample in range(2)]
    numbers.append(Draws(images, seed=1).generator(0, 0).random())
    assert len(set(numbers)) == 7
    torch.rand(1)  # the global state has no say
    assert Draws(images[2:], seed=0).generator(0, 1).random() == draws.generator(2, 1).random()


@pytest.mark.parametrize("value", [1, 1.5, True, "2"])
def test_what_is_no_whole_number_is_named(value):
    with pytest.raises(ValueError, match=f"n={value} is not allowed: expected a whole number of at least 2"):
        checked_whole("n", value, 2)
