"""xairank: which explanation method should I trust for my defect classifier?

Trains a classifier of defects on images with pixel masks, explains every correctly classified defect with several
attribution methods, scores each map by how much of it lies on the real defect, and ranks the methods.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xairank.interface import Ranking, rank, rank_maps
    from xairank.models.adapt import adapt

__all__ = ["Ranking", "adapt", "rank", "rank_maps"]


def __getattr__(name: str) -> object:
    """Imports what needs torch when it is first asked for, so that tables and figures start without it."""
    if name == "adapt":
        from xairank.models.adapt import adapt

        return adapt
    if name in __all__:
        from xairank import interface

        return getattr(interface, name)
    raise AttributeError(f"module {__name__} has no attribute {name}")
