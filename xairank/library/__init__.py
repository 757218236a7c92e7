"""What ``import xairank`` offers to a notebook or a script: rankings of networks and maps that exist."""

from xairank.library.maps import rank_maps
from xairank.library.networks import rank
from xairank.library.ranking import Ranking

__all__ = ["Ranking", "rank", "rank_maps"]
