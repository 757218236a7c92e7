"""What is kept of images and their maps."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from xairank.attribution import Explanation
from xairank.runs.maps import Maps


def to_maps(
    described: pd.DataFrame,
    images: Tensor,
    masks: Tensor,
    explained: Mapping[str, Explanation],
    predicted_masks: Tensor | None,
) -> Maps:
    """What is kept of images (B, 3, H, W) and their maps.

    The arguments are those of :func:`xairank.experiment.scoring.score_maps`.
    """
    return Maps(
        splits=described["split"].tolist(),
        samples=described["sample"].tolist(),
        labels=described["label"].tolist(),
        predicted=described["predicted"].tolist(),
        probability=described["probability"].to_numpy(float),
        methods=list(explained),
        maps=np.stack([maps.float().numpy() for maps, _ in explained.values()], axis=1),
        images=_displayed(images).mul(255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy(),
        masks=masks.numpy(),
        predicted_masks=None if predicted_masks is None else predicted_masks.float().cpu().numpy(),
        class_activation={
            name: diagnostics["class_activation"].float().numpy()
            for name, (_, diagnostics) in explained.items()
            if "class_activation" in diagnostics
        },
    )


def _displayed(images: Tensor) -> Tensor:
    """Images in [0, 1]; those that were normalised before they came here are stretched to it, each by itself."""
    if bool(((images >= 0) & (images <= 1)).all()):
        return images
    low, high = images.amin(dim=(1, 2, 3), keepdim=True), images.amax(dim=(1, 2, 3), keepdim=True)
    return (images - low) / (high - low).clamp(min=torch.finfo(images.dtype).tiny)
