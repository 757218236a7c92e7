"""Reads a sweep, a folder of finished runs, into a few tables: what tables, figures and the report start from.

Runs that differ only in seed and fold belong to one group; whatever else the sweep varies names the group.
"""

import logging
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from xairank.errors import UserError
from xairank.names import count
from xairank.runs.group import Group, split_tables
from xairank.runs.grouping import Run, in_groups
from xairank.runs.reading import read_excluded, read_information, read_metrics, read_run, read_scores
from xairank.runs.relied_on import require_reliance

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sweep:
    """The finished runs of a sweep, ordered by group, seed and fold.

    Attributes:
        folder: ``multirun/<name>``.
        scores: All ``scores.parquet``, with the column ``group``: what the run varies besides seed and fold, such as
            "model.beta=0", or an empty text where nothing varies.
        metrics: All ``metrics.csv``, with ``seed``, ``fold`` and ``group``.
        excluded: All ``excluded.csv``, with ``group``.
        runs: A row a run: ``folder``, ``seed``, ``fold``, ``group``, the resolved configuration as nested mappings
            in ``config``, the content of ``run.json`` in ``info``.
    """

    folder: Path
    scores: pd.DataFrame
    metrics: pd.DataFrame
    excluded: pd.DataFrame
    runs: pd.DataFrame

    @cached_property
    def groups(self) -> list[Group]:
        """The groups, in order."""
        return split_tables(self.scores, self.metrics, self.excluded, self.runs)


def read_sweep(folder: Path) -> Sweep:
    """Reads the complete runs of a sweep; a warning names those that are not complete.

    Args:
        folder: ``multirun/<name>``.

    Raises:
        UserError: The folder is missing or holds no complete run, a run's files are missing or of another version,
            two runs have the same configuration, seed and fold, runs of one group saw different data, or
            ``ranking.relied_on`` has nothing to decide by.
    """
    runs = in_groups([read_run(path, info) for path, info in _complete_folders(folder).items()])
    require_reliance(runs)
    table = pd.DataFrame(runs, columns=list(Run._fields))
    table["fold"] = table["fold"].astype("Int64")
    return Sweep(folder, read_scores(runs), read_metrics(runs), read_excluded(runs), table)


def _complete_folders(folder: Path) -> dict[Path, dict[str, Any]]:
    """The folders of complete runs, with what their ``run.json`` says."""
    if not folder.is_dir():
        raise UserError(f"{folder}: no such sweep; {_known_sweeps(folder.parent)}")
    candidates = sorted({path.parent for name in ("config.yaml", "run.json") for path in folder.glob(f"*/{name}")})
    information = {path: read_information(path / "run.json") for path in candidates}
    complete = {path: some for path, some in information.items() if some.get("status") == "complete"}
    incomplete = [path.name for path in candidates if path not in complete]
    if not complete:
        raise UserError(
            f"{folder}: {count(len(incomplete), 'run')}, none complete; expected run folders whose run.json says so; "
            f"run python -m xairank.train name={folder.name} first"
        )
    if incomplete:
        logger.warning(
            "%s: %d of %d runs are not complete and left out: %s; the command that started them resumes them",
            *(folder, len(incomplete), len(candidates), "; ".join(incomplete)),
        )
    return complete


def _known_sweeps(place: Path) -> str:
    known = sorted({path.parents[1].name for path in place.glob("*/*/run.json")})
    if known:
        return f"{place} holds {', '.join(known)}; choose one with name=..."
    return f"{place} holds no sweep yet; python -m xairank.train makes one"
