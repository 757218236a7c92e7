"""Controls: maps that every method must beat, as they know nothing of what the model decides, and one that it may not.

They are scored and shown beside the methods and never win. Those without evidence take the image alone; what the
model's own decoder marks is the upper control: the model says where the defect is, without any explanation.
"""

from xairank.attribution.controls.center import Center
from xairank.attribution.controls.constant import Constant
from xairank.attribution.controls.control import Control
from xairank.attribution.controls.edges import Edges
from xairank.attribution.controls.own_mask import OwnMask
from xairank.attribution.controls.random import Random

__all__ = ["Center", "Constant", "Control", "Edges", "OwnMask", "Random"]
