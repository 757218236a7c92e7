import numpy as np
import torch

from xairank.experiment.explainer import as_tensor


def test_images_are_what_training_sees():
    pixels = np.arange(2 * 4 * 4 * 3, dtype=np.uint8).reshape(2, 4, 4, 3) + 160
    found = as_tensor(list(pixels))
    assert found.shape == (2, 3, 4, 4)
    assert found.dtype == torch.float32
    np.testing.assert_array_equal(found[1, 2], pixels[1, :, :, 2].astype(np.float32) / np.float32(255))
