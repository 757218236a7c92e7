import pytest
import torch

from tests.attribution.networks import network
from xairank.attribution.controls import Center, Constant, Control, Edges, Random
from xairank.schema import NO_EVIDENCE

CONTROLS = [Center, Constant, Edges, Random]


@pytest.mark.parametrize("kind", CONTROLS)
def test_a_control_is_a_method_that_knows_nothing_of_the_model(kind):
    images, targets = torch.rand(3, 3, 64, 64), torch.tensor([0, 1, 0])
    control = kind()
    assert isinstance(control, Control)
    assert control.control == NO_EVIDENCE
    maps = control(network("mobilenetv3_small_050"), images, targets)
    assert maps.shape == (3, 64, 64)
    assert bool((maps >= 0).all())
    assert torch.equal(maps, control(network("mobilenetv3_small_050"), images, 1 - targets))


@pytest.mark.parametrize("kind", [Center, Constant])
def test_what_does_not_read_the_image_says_so(kind):
    assert not kind.reads_image
    assert torch.equal(kind().from_images(torch.zeros(1, 3, 8, 8)), kind().from_images(torch.rand(1, 3, 8, 8)))
