"""Tables of a sweep: ``python -m xairank.tables name=...``. They read finished runs and recompute no result."""

from xairank.sweeps import Sweep
from xairank.tables.evidence import ranking, statistics
from xairank.tables.paper import hyperparameters, performance, win_rate
from xairank.tables.table import Table


def make_tables(sweep: Sweep) -> tuple[list[Table], list[str]]:
    """All tables of a sweep, and its conclusions in words: a sentence or more a group and split."""
    tests, conclusions = statistics(sweep)
    tables = [hyperparameters(sweep), performance(sweep)]
    tables += [win_rate(sweep, split) for split in ("train", "test")]
    return [*tables, ranking(sweep), tests], conclusions
