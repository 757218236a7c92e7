"""What ``import xairank`` offers to a notebook or a script: rankings of networks and maps that exist."""

from xairank.interface.maps import rank_maps
from xairank.interface.networks import rank
from xairank.interface.ranking import Ranking

__all__ = ["Ranking", "rank", "rank_maps"]
