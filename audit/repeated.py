"""Runs that were repeated beside those of the gathered results: the same figures?"""

from collections.abc import Mapping

import pandas as pd
from rich.table import Table

from audit.collect import KEYS
from audit.study import METRIC, PAPER, label

_RUN = KEYS[:-1]


def compare(repeated: Mapping[str, pd.DataFrame], known: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Mean overlaps of the paper's methods in runs that both have.

    Args:
        repeated: Tables of :func:`audit.collect.collect`.
        known: Those of :func:`audit.collect.read_results`.

    Returns:
        A row a run and method: ``images`` that both ranked, ``only`` those that one of them ranked, ``now`` and
        ``then``, mean overlaps of each, and ``largest``, the largest difference of a single overlap.
    """
    keys = [*KEYS, "method"]
    pair = [
        tables["scores"].loc[tables["scores"]["method"].isin(PAPER), [*keys, METRIC]] for tables in (repeated, known)
    ]
    runs = [some[_RUN].drop_duplicates() for some in pair]
    common = runs[0].merge(runs[1], on=_RUN)
    both = pair[0].merge(pair[1], on=keys, how="outer", suffixes=("_now", "_then")).merge(common, on=_RUN)
    now, then = both[f"{METRIC}_now"].astype(float), both[f"{METRIC}_then"].astype(float)
    both = both.assign(now=now, then=then, difference=(now - then).abs(), shared=now.notna() & then.notna())
    grouped = both.groupby([*_RUN, "method"], sort=False)
    return pd.DataFrame(
        {
            "images": grouped["shared"].sum(),
            "only": grouped["shared"].size() - grouped["shared"].sum(),
            "now": grouped["now"].mean(),
            "then": grouped["then"].mean(),
            "largest": grouped["difference"].max(),
        }
    ).reset_index()


def comparison_table(rows: pd.DataFrame) -> Table:
    """What :func:`compare` found, to be printed."""
    table = Table(title="Beside the gathered results: mean Top-K Overlap", title_justify="left")
    for heading in ("Run", "Method", "Images", "Ranked once", "Now", "There", "Largest difference"):
        table.add_column(heading, justify="left" if heading in ("Run", "Method") else "right")
    for row in rows.to_dict("records"):
        run = f"{row['data']}/{row['switch']} seed {row['seed']} fold {row['fold']}"
        numbers = [f"{row[name]:.4f}" for name in ("now", "then", "largest")]
        table.add_row(run, label(row["method"]), str(row["images"]), str(row["only"]), *numbers)
    return table
