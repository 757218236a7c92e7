"""Which images are ranked where only those count whose defect the model uses: ``ranking.relied_on``."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from xairank.errors import UserError
from xairank.names import count
from xairank.runs.grouping import Run
from xairank.schema import EXCLUDED_COLUMNS, NOT_RELIED_ON, RELIANCE, RELIED_ON_COLUMN, measure_facts


def counts_only_relied_on(config: Mapping[str, Any]) -> bool:
    """Whether images whose defect the model does not use are left out."""
    return bool(config["ranking"].get("relied_on", False))


def require_reliance(runs: Iterable[Run]) -> None:
    """That what decides is known.

    Raises:
        UserError: It is not, of some run; names the first.
    """
    for run in runs:
        if counts_only_relied_on(run.config) and RELIANCE not in measure_facts(run.info):
            raise UserError(
                f"{run.folder}: ranking.relied_on=true, but its scores have no column {RELIED_ON_COLUMN}; run again "
                f"with evaluation.measures.{RELIANCE}, or with ranking.relied_on=false"
            )


def leave_out_ignored(scores: pd.DataFrame, excluded: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Moves the images whose defect the model does not use, of all methods alike, to what is excluded.

    An image counts where hiding its defect lowers the logit more than hiding as many pixels elsewhere, with both fills.

    Args:
        scores: Rows of ``scores.parquet``.
        excluded: Rows of ``excluded.csv``.

    Returns:
        The scores that are left, and ``excluded`` with a row more for each image and run that is not ranked.
    """
    if scores.empty:
        return scores, excluded
    ignored = ~(scores[RELIED_ON_COLUMN] > 0)
    shared = [name for name in (*EXCLUDED_COLUMNS, "group") if name in scores and name in excluded]
    rows = scores.loc[ignored, shared].drop_duplicates().assign(reason=NOT_RELIED_ON)
    return scores[~ignored], pd.concat([excluded, rows], ignore_index=True) if len(rows) else excluded


def in_words(scores: pd.DataFrame, excluded: pd.DataFrame) -> str:
    """How many images :func:`leave_out_ignored` left, from what it gave."""
    left = len(scores[["seed", "fold", "split", "sample"]].drop_duplicates())
    out = int((excluded["reason"] == NOT_RELIED_ON).sum())
    return (
        f"Only images whose defect the model uses are ranked (ranking.relied_on): {left:,} of "
        f"{count(left + out, 'pair')} of an image and a run."
    )
