"""What every metric requires of maps and masks, in one place."""

import torch
from torch import Tensor


def check_inputs(maps: Tensor, masks: Tensor) -> None:
    """Checks maps and masks (B, H, W).

    Raises:
        ValueError: Shapes that differ, maps that are not floating or hold NaN or infinite values, masks that are not
            bool or are empty.
    """
    if maps.shape != masks.shape or maps.ndim != 3:
        raise ValueError(
            f"maps {tuple(maps.shape)} and masks {tuple(masks.shape)}: expected two of one shape (B, H, W)"
        )
    check_masks(masks)
    if not maps.is_floating_point():
        raise ValueError(f"maps: found {maps.dtype}, expected a floating type")
    # The extremes are NaN or infinite where any value is, and take a seventh of the time of looking at each value.
    if not bool((maps.amin(dim=(1, 2)).isfinite() & maps.amax(dim=(1, 2)).isfinite()).all()):
        bad = (~maps.isfinite()).flatten(1).any(dim=1).nonzero().flatten().tolist()
        raise ValueError(f"maps: NaN or infinite values in the maps {bad}; a method that gives them cannot be ranked")


def check_masks(masks: Tensor) -> None:
    """Checks masks (B, H, W).

    Raises:
        ValueError: They are not bool, or one is empty.
    """
    if masks.dtype != torch.bool:
        raise ValueError(f"masks: found {masks.dtype}, expected bool; use masks > 0")
    empty = (~masks.flatten(1).any(dim=1)).nonzero().flatten().tolist()
    if empty:
        raise ValueError(f"masks: no pixel in the masks {empty}; leave out images without a defect in view")


def check_mass(maps: Tensor) -> None:
    """Checks that maps (B, H, W) can be read as mass.

    Raises:
        ValueError: One has negative values.
    """
    negative = (maps.amin(dim=(1, 2)) < 0).nonzero().flatten().tolist()
    if negative:
        raise ValueError(
            f"maps: negative values in the maps {negative}; expected none, as mass has no sign: use maps.abs() or "
            "maps.clamp(min=0)"
        )
