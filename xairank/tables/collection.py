"""All tables of a sweep at once, and what they show in words."""

from collections.abc import Sequence
from dataclasses import dataclass

from xairank.names import in_words
from xairank.runs.group import Group
from xairank.runs.sweep import Sweep
from xairank.schema import SPLITS, TEST
from xairank.tables.agreement import agreement_table
from xairank.tables.answer import Answer, answers
from xairank.tables.defects import by_defect
from xairank.tables.evidence import ranking, statistics
from xairank.tables.groups import each_split
from xairank.tables.hyperparameters import hyperparameters
from xairank.tables.performance import performance
from xairank.tables.qualifiers import on_images, on_metrics, on_reliance
from xairank.tables.table import Table
from xairank.tables.variants import ladder, layers, randomisation
from xairank.tables.win_rate import win_rate
from xairank.tables.words import ABOUT, CAUTION, CONCLUSION, UNKNOWN, Sentence

NOTHING_RANKED = "No image could be ranked: no defect with a mask in view was classified correctly."


@dataclass(frozen=True)
class Results:
    """What a sweep shows.

    Attributes:
        tables: In order.
        answers: One a group and split with ranked images, in order.
        sentences: Of all answers, by what they are about.
    """

    tables: list[Table]
    answers: list[Answer]
    sentences: list[Sentence]

    @property
    def words(self) -> list[str]:
        """The conclusions, what qualifies them, and last what was not looked at."""
        weighty = [str(one) for weight in (CONCLUSION, CAUTION) for one in self.sentences if one.weight == weight]
        unknown = {one.about for one in self.sentences if one.weight == UNKNOWN}
        names = [name.lower() for about, name in ABOUT.items() if about in unknown]
        return [*weighty, *([f"Not looked at: {in_words(names)}."] if names else [])]

    @property
    def main_answers(self) -> list[Answer]:
        """The answer of each group: on the test set, or on the training set where no test image is ranked."""
        found: dict[str, Answer] = {}
        for answer in self.answers:
            if answer.group.name not in found or answer.split == TEST:
                found[answer.group.name] = answer
        return list(found.values())

    @property
    def headlines(self) -> list[str]:
        """Of the main answers, with the group where there are several."""
        return [": ".join(filter(None, (answer.group.name, answer.headline))) for answer in self.main_answers]


def make_results(sweep: Sweep) -> Results:
    """The tables of a sweep, and what they show in words."""
    groups = sweep.groups
    trained = [group for group in groups if not group.ranked_only]
    splits = [split for split in SPLITS if trained or any(split in group.splits for group in groups)]
    tables = [hyperparameters(groups), *([performance(trained)] if trained else [])]
    tables += [win_rate(groups, split) for split in splits]
    tests, comparisons, conclusions = statistics(groups)
    ranked, standing = ranking(groups)
    blurred, leaders = ladder(groups)
    randomised, failing = randomisation(groups)
    defects, kinds = by_defect(groups)
    optional = [table for table in (blurred, layers(groups), randomised, defects) if table is not None]
    every = [*tables, ranked, tests, agreement_table(groups), *optional]
    sentences = in_order([*conclusions, *standing, *leaders, *failing, *kinds, *_of_images(groups)])
    return Results(every, answers(groups, ranked.data, comparisons, sentences), sentences)


def make_tables(sweep: Sweep) -> tuple[list[Table], list[str]]:
    """The tables of a sweep, and its conclusions in words: a sentence or more a group and split."""
    results = make_results(sweep)
    return results.tables, results.words


def in_order(sentences: Sequence[Sentence]) -> list[Sentence]:
    """By what they are about, otherwise as they are."""
    return sorted(sentences, key=lambda one: list(ABOUT).index(one.about))


def _of_images(groups: Sequence[Group]) -> list[Sentence]:
    found: list[Sentence] = []
    for group, split in each_split(groups):
        found += [*on_images(group, split), *on_metrics(group, split), *on_reliance(group, split)]
    return found
