"""All tables of a sweep at once."""

from xairank.runs.sweep import Sweep
from xairank.tables.evidence import ranking, statistics
from xairank.tables.groups import split_groups
from xairank.tables.paper import hyperparameters, performance, win_rate
from xairank.tables.table import Table


def make_tables(sweep: Sweep) -> tuple[list[Table], list[str]]:
    """The tables of a sweep, and its conclusions in words: a sentence or more a group and split."""
    groups = split_groups(sweep)
    tests, conclusions = statistics(groups)
    tables = [hyperparameters(groups), performance(sweep, groups)]
    tables += [win_rate(sweep, groups, split) for split in ("train", "test")]
    return [*tables, ranking(groups), tests], conclusions
