import dataclasses
import sys

import pytest
import torch
from torch import nn
from torch.nn import functional

if sys.version_info < (3, 11):
    pytest.skip("torch-cam needs Python 3.11", allow_module_level=True)

from benchmarks.attribution.checking import Referee
from benchmarks.attribution.contenders import CONTENDERS, Entrant
from benchmarks.attribution.network import Network

STEPS = 25


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 3, stride=2), nn.Conv2d(8, 8, 3)
        self.head = nn.Linear(8, 3)

    def forward_features(self, images):
        return functional.relu(self.second(functional.relu(self.first(images))))

    def forward_head(self, features):
        return self.head(features.mean(dim=(2, 3)))


@pytest.fixture
def case():
    torch.manual_seed(0)
    return Network(Small()).eval(), torch.rand(3, 3, 20, 20), torch.tensor([0, 1, 2])


def check(case, entrant, method, n_steps=STEPS):
    """Whether the referee, who expects xairank's maps, lets an entrant's maps of one method pass."""
    network, images, targets = case
    referee = Referee(network, images, targets, STEPS)
    for each, steps in ((CONTENDERS["xairank"], STEPS), (entrant, n_steps)):
        referee.check(each, each.create(network, images[:1], (method,), steps, 2)(images, targets))


EVERY = pytest.mark.parametrize(
    ("name", "method"), [(name, method) for name, entrant in CONTENDERS.items() for method in entrant.methods]
)


@EVERY
def test_every_contender_computes_the_same_maps(case, name, method):
    check(case, CONTENDERS[name], method)


@EVERY
def test_maps_that_rounding_moves_are_compared_in_double(case, name, method):
    def create(network, *others):
        contender = CONTENDERS[name].create(network, *others)
        return lambda images, targets: {
            each: with_noise(maps) if images.dtype == torch.float32 else maps
            for each, maps in contender(images, targets).items()
        }

    def with_noise(maps):
        maps = maps.clone()
        maps[:, :4] += 0.1 * maps.amax(dim=(1, 2))[:, None, None]
        return maps

    check(case, dataclasses.replace(CONTENDERS[name], create=create), method)


def changed(method, change):
    """The plain contender with other maps of a method."""

    def create(network, *others):
        contender = CONTENDERS["xairank plain"].create(network, *others)
        return lambda images, targets: {
            name: change(network, images, targets, maps) if name == method else maps
            for name, maps in contender(images, targets).items()
        }

    return Entrant(create)


def test_the_mean_of_the_channels_is_refused(case):
    def mean(network, images, targets, maps):
        images = images.detach().requires_grad_()
        (gradients,) = torch.autograd.grad(network(images).gather(1, targets[:, None]).sum(), images)
        found = gradients.abs().mean(dim=1)
        return found * (maps.amax() / found.amax())

    with pytest.raises(ValueError, match="saliency differs"):
        check(case, changed("saliency", mean), "saliency")


def test_another_number_of_steps_is_refused(case):
    def create(network, image, methods, n_steps, batch):
        return CONTENDERS["xairank plain"].create(network, image, methods, STEPS - 1, batch)

    with pytest.raises(ValueError, match="integrated_gradients differs"):
        check(case, Entrant(create), "integrated_gradients")


def test_maps_that_are_wrong_in_single_precision_alone_are_refused_from_the_first_contender_on(case):
    def anything(network, images, targets, maps):
        return torch.rand_like(maps) if maps.dtype == torch.float32 else maps

    network, images, targets = case
    entrant = changed("gradcam", anything)
    maps = entrant.create(network, images[:1], ("gradcam",), STEPS, 2)(images, targets)
    with pytest.raises(ValueError, match="gradcam differs"):
        Referee(network, images, targets, STEPS).check(entrant, maps)


def test_maps_that_are_not_numbers_are_refused(case):
    def nothing(network, images, targets, maps):
        return maps * float("nan")

    with pytest.raises(ValueError, match="gradcam differs"):
        check(case, changed("gradcam", nothing), "gradcam")
