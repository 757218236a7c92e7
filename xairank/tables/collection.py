"""All tables of a sweep at once."""

from xairank.runs.sweep import Sweep
from xairank.schema import SPLITS
from xairank.tables.agreement import agreement_table
from xairank.tables.defects import by_defect
from xairank.tables.evidence import ranking, statistics
from xairank.tables.hyperparameters import hyperparameters
from xairank.tables.performance import performance
from xairank.tables.table import Table
from xairank.tables.variants import ladder, layers, randomisation
from xairank.tables.win_rate import win_rate


def make_tables(sweep: Sweep) -> tuple[list[Table], list[str]]:
    """The tables of a sweep, and its conclusions in words: a sentence or more a group and split."""
    groups = sweep.groups
    ranked, chance = ranking(groups)
    tests, conclusions = statistics(groups)
    trained = [group for group in groups if not group.ranked_only]
    splits = [split for split in SPLITS if trained or any(split in group.splits for group in groups)]
    tables = [hyperparameters(groups), *([performance(trained)] if trained else [])]
    tables += [win_rate(groups, split) for split in splits]
    blurred, leaders = ladder(groups)
    randomised, failing = randomisation(groups)
    defects, kinds = by_defect(groups)
    optional = [table for table in (blurred, layers(groups), randomised, defects) if table is not None]
    words = [*conclusions, *chance, *leaders, *failing, *kinds]
    return [*tables, ranked, tests, agreement_table(groups), *optional], words
