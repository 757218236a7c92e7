"""What is logged of a run when it ends, and of a sweep."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from xairank.config import flatten
from xairank.ranking.statistics import summarize_methods
from xairank.runs.folder import RunFolder
from xairank.runs.relied_on import counts_only_relied_on, leave_out_ignored
from xairank.schema import SPLITS, method_facts, metric_facts
from xairank.tracking.tracker import Tracker

_COLUMNS = ("split", "method", "score", "score_low", "score_high", "win_rate", "n_images", "n_cases")


def parameters_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration by dotted key, without ``logger``, which may hold an address with a password."""
    leaves = flatten({key: value for key, value in config.items() if key != "logger"})
    return dict(_flat(leaves))


def _flat(values: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    """Also the mappings whose keys are free, in which a user looks for the options of a method."""
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat({f"{name}.{key}": one for key, one in value.items()})
        else:
            yield name, value if isinstance(value, bool | int | float | str) else str(value)


def log_run(tracker: Tracker, folder: RunFolder, words: str) -> None:
    """Logs the scores of a complete run, as numbers and as a table, and what was printed of it.

    Args:
        tracker: Where to.
        folder: Of the run.
        words: What the command prints at its end.
    """
    table = scores_table(folder)
    if len(table):
        tracker.metrics(numbers(folder.config["ranking"]["metric"], table.to_dict("records")))
        tracker.table("scores", table, to_markdown(table))
    tracker.text("conclusion", f"```\n{words.rstrip()}\n```\n")


def scores_table(folder: RunFolder) -> pd.DataFrame:
    """The mean score and win rate of each split and method of a run, with the controls, which cannot win."""
    record, ranking = folder.record, folder.config["ranking"]
    scores = pd.read_parquet(folder.path / "scores.parquet")
    if counts_only_relied_on(folder.config):
        scores, _ = leave_out_ignored(scores, pd.read_csv(folder.path / "excluded.csv", keep_default_na=False))
    metric, methods = ranking["metric"], method_facts(record)
    facts = metric_facts(record)[metric]
    tables = []
    for split in SPLITS:
        for controls in (False, True):
            names = [name for name, some in methods.items() if bool(some.control) == controls]
            rows = scores[(scores["split"] == split) & scores["method"].isin(names)]
            if len(rows):
                found = summarize_methods(rows, metric, facts, ranking["ties"], methods=names)
                tables.append(found.assign(split=split, win_rate=float("nan") if controls else found["win_rate"]))
    return pd.concat(tables, ignore_index=True)[[*_COLUMNS]] if tables else pd.DataFrame(columns=[*_COLUMNS])


def numbers(metric: str, rows: Iterable[Mapping[Any, Any]]) -> dict[str, float]:
    """Mean score and win rate by a name that trackers group by: ``topk_overlap/test/gradcam``."""
    found = {}
    for row in rows:
        for name, column in ((metric, "score"), ("win_rate", "win_rate")):
            if not pd.isna(row[column]):
                found[f"{name}/{row['split']}/{row['method']}"] = float(row[column])
    return found


def to_markdown(table: pd.DataFrame) -> str:
    """A pipe table."""
    lines = [" | ".join(map(str, table.columns)), " | ".join("---" for _ in table.columns)]
    for row in table.itertuples(index=False):
        lines.append(" | ".join(f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in row))
    return "\n".join(f"| {line} |" for line in lines) + "\n"
