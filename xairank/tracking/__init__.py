"""Experiment trackers: TensorBoard, MLflow, Weights & Biases, Aim, and any other logger of Lightning.

A tracker is a thin layer over Lightning's logger, for what its interface lacks: texts, tables, figures, how a run ends,
and which run of the tracker goes on. None of them can end a run: see :mod:`xairank.tracking.record`.
"""

from xairank.tracking.choice import check_logger, is_chosen
from xairank.tracking.record import Record, open_record

__all__ = ["Record", "check_logger", "is_chosen", "open_record"]
