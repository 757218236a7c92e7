"""A hazelnut-like category rendered from numbers: images in MVTec layout with masks that are true by construction."""

from xairank.data.synthetic.category import SyntheticCategory, render_category

__all__ = ["SyntheticCategory", "render_category"]
