"""The one sentence for who reads no other: which method is best, and what would mislead if it were left out."""

from collections.abc import Mapping, Sequence

import pandas as pd

from xairank.names import count, in_words
from xairank.ranking.chance import AT, BELOW
from xairank.ranking.conclusion import undecidable
from xairank.ranking.pairs import CONTRADICTORY, DIFFER, NOT_SHOWN, ON_THESE_SEEDS
from xairank.ranking.randomisation import ALIKE, STANDS_OUT, STAYS
from xairank.ranking.statistics import Comparison
from xairank.schema import MetricFacts

_LISTED = 3  # names that a headline has room for
_RELATIONS = {
    DIFFER: "ranks above {}",
    ON_THESE_SEEDS: "ranks above {} on these {repeat}s only",
    CONTRADICTORY: "has the better mean rank and the worse scores than {}",
    NOT_SHOWN: "is not shown to differ from {}",
}


def headline(
    comparison: Comparison, labels: Mapping[str, str], repeat: str = "seed", clauses: Sequence[str] = ()
) -> str:
    """What is shown of the method with the best mean rank, and behind a "but" what qualifies that.

    Args:
        comparison: Of the methods.
        labels: What they are called.
        repeat: What the cases are averaged over: a seed, or a network that existed.
        clauses: Of the other functions here.
    """
    if reason := undecidable(comparison):
        return reason
    pairs, leader = comparison.pairs, str(comparison.mean_ranks.index[0])
    if not claims(comparison):
        tied = "No two methods are shown to differ"
        if (pairs["verdict"] != NOT_SHOWN).any():
            tied = f"No method is shown to be the best: {labels[leader]} {_relations(pairs, leader, labels, repeat)}"
        return f"{', and '.join([tied, *clauses])}."
    said = f"{labels[leader]} {_relations(pairs, leader, labels, repeat)}"
    return f"{said}, but {in_words(list(clauses))}." if clauses else f"{said}."


def claims(comparison: Comparison) -> bool:
    """Whether the method with the best mean rank is said to rank above another one."""
    own = comparison.pairs[comparison.pairs["method"] == comparison.mean_ranks.index[0]]
    return bool(own["verdict"].isin([DIFFER, ON_THESE_SEEDS]).any())


def controls_clause(table: pd.DataFrame, labels: Mapping[str, str], leader: str) -> str:
    """What is to be added where the leader, or every method, does not beat the best control without evidence.

    Args:
        table: Of :func:`xairank.ranking.controls.against_controls`.
        labels: What methods and controls are called.
        leader: The method of the best mean rank; empty where none is said to lead.
    """
    failing = table[table["verdict"].isin([AT, BELOW])]
    if failing.empty:
        return ""
    control = f"{labels[table['control'].iloc[0]]} (a map without evidence)"
    return _failing(table, failing, leader, f"beat {control}", f"worse than {control}")


def chance_clause(summary: pd.DataFrame, leader: str) -> str:
    """What is to be added where the leader, or every method, is not better than chance.

    Args:
        summary: Of :func:`xairank.ranking.statistics.summarize_methods`.
        leader: As of :func:`controls_clause`.
    """
    table = summary.rename(columns={"against_chance": "verdict"})[["method", "verdict"]]
    failing = table[table["verdict"].isin([AT, BELOW])]
    return _failing(table, failing, leader, "beat a random map", "worse than a random map")


def metric_clause(
    best: Mapping[str, Sequence[str]],
    metric: str,
    facts: Mapping[str, MetricFacts],
    labels: Mapping[str, str],
    leader: str,
) -> str:
    """What is to be added where another metric has another best method.

    Args:
        best: The methods of the best mean score, by metric.
        metric: The one that decides.
        facts: Of the metrics.
        labels: What the methods are called.
        leader: As of :func:`controls_clause`.
    """
    others = [name for name in best if name != metric]
    differing = [name for name in others if leader and leader not in best[name]]
    if not differing:
        return ""
    if len(differing) == 1:
        (name,) = differing
        return f"{_are_best([labels[method] for method in best[name]])} by {facts[name].label}"
    return f"{len(differing)} of {len(others)} other metrics put another method first"


def blur_clause(summary: pd.DataFrame, labels: Mapping[str, str], facts: MetricFacts, leader: str) -> str:
    """What is to be added where another method is ahead once maps are blurred.

    Args:
        summary: Of :func:`xairank.ranking.ladder.summarize_levels`.
        labels: What the methods are called.
        facts: Of the metric that decides.
        leader: As of :func:`controls_clause`.
    """
    blurred = summary[summary["method"].isin(list(labels)) & (summary["level"] > 0)]
    means = blurred.pivot_table(index="level", columns="method", values="score")
    if means.empty or not leader:
        return ""
    first = (means if facts.higher_is_better else -means).idxmax(axis=1).astype(str)
    others = [labels[name] for name in dict.fromkeys(first) if name != leader]
    return f"{in_words(others)} {'is' if len(others) == 1 else 'are'} ahead on blurred maps" if others else ""


def randomisation_clause(table: pd.DataFrame, leader: str) -> str:
    """What is to be added where the leader fails the randomisation check, or is not shown to pass it.

    Args:
        table: Of :func:`xairank.ranking.randomisation.check_randomisation`.
        leader: As of :func:`controls_clause`.
    """
    for verdict in table.loc[table["method"] == leader, "verdict"]:
        if verdict in (ALIKE, STANDS_OUT):
            return "it fails the randomisation check"
        if verdict == STAYS:
            return "it is not shown to need the trained weights"
    return ""


def _failing(table: pd.DataFrame, failing: pd.DataFrame, leader: str, beaten: str, worse: str) -> str:
    """Whether every method fails, or the leader does."""
    if len(failing) == len(table) > 1:
        below = (failing["verdict"] == BELOW).all()
        return f"every method does {worse}" if below else f"no method is shown to {beaten}"
    own = failing.loc[failing["method"] == leader, "verdict"]
    if own.empty:
        return ""
    return f"it does {worse}" if own.iloc[0] == BELOW else f"it is not shown to {beaten}"


def _relations(pairs: pd.DataFrame, leader: str, labels: Mapping[str, str], repeat: str) -> str:
    """What is shown between the leader and the others, as the end of a sentence that begins with its name."""
    own = pairs[pairs["method"] == leader]
    parts = []
    for verdict, words in _RELATIONS.items():
        others = [labels[name] for name in own.loc[own["verdict"] == verdict, "other"]]
        if others:
            listed = _listed(others, len(own), "or" if verdict == NOT_SHOWN else "and")
            parts.append(words.format(listed, repeat=repeat))
    return ", and ".join(parts)


def _listed(names: Sequence[str], n_all: int, conjunction: str) -> str:
    if len(names) <= _LISTED:
        return f" {conjunction} ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    return f"all {len(names)} other methods" if len(names) == n_all else count(len(names), "other method")


def _are_best(names: Sequence[str]) -> str:
    return f"{in_words(list(names))} {'is' if len(names) == 1 else 'are'} best"
