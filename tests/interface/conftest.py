"""A tiny network with its images."""

import pytest
import torch

from tests.interface.studies import COUNT, SIDE, Tiny, study


@pytest.fixture(scope="module")
def given():
    """A network, images, masks, and the class of each image that the network predicts."""
    torch.manual_seed(3)
    model = Tiny().eval()
    images = torch.rand(COUNT, 3, SIDE, SIDE)
    images[::2] *= 0.3
    masks = study()[1]
    with torch.no_grad():
        logits = model(images)
        model.head.bias -= logits.mean(dim=0)
        predicted = model(images).argmax(dim=1)
    assert set(predicted.tolist()) == {0, 1}
    return model, images, masks, predicted
