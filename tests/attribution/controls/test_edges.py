import numpy as np
import torch
from scipy import ndimage

from xairank.attribution.controls import Edges


def test_the_map_is_scipys_sobel_of_the_grey_values():
    images = torch.rand(3, 3, 20, 15, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    maps = Edges().from_images(images)
    for image, found in zip(images, maps, strict=True):
        grey = image.mean(dim=0).numpy()
        slopes = [ndimage.sobel(grey, axis, mode="nearest") for axis in (0, 1)]
        np.testing.assert_allclose(found.numpy(), np.hypot(*slopes), atol=1e-12)


def test_a_flat_image_has_none():
    assert not Edges().from_images(torch.full((1, 3, 8, 8), 0.3)).any()
