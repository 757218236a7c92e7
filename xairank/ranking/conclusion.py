"""What a comparison of methods means, in words."""

import math
from collections.abc import Callable, Mapping

import pandas as pd

from xairank.names import count, display_name, in_words
from xairank.ranking.bootstrap import FEWEST_SEEDS
from xairank.ranking.pairs import ALPHA, CONTRADICTORY, DIFFER, NOT_SHOWN, ON_THESE_SEEDS, critical_difference
from xairank.ranking.statistics import Comparison
from xairank.ranking.wins import FEWEST_CASES

_MOST_CASES = 10_000
_RELATIONS = {
    DIFFER: "{} ranks above {}",
    ON_THESE_SEEDS: "{} ranks above {} on these {repeat}s, but other {repeat}s may reverse the order",
    CONTRADICTORY: "{} has the better mean rank and the worse scores than {}, so neither is better in every sense",
    NOT_SHOWN: "{} is not shown to differ from {}",
}


def conclude(comparison: Comparison, labels: Mapping[str, str] | None = None, repeat: str = "seed") -> str:
    """Sentences that say which methods differ, which are not shown to, and whether the cases and seeds suffice.

    Args:
        comparison: Of the methods.
        labels: What methods are called; by default their names in words.
        repeat: What the cases are averaged over: a seed, or a network that existed.
    """
    if reason := undecidable(comparison):
        return reason

    def label(method: str) -> str:
        return labels[method] if labels else display_name(method)

    return " ".join(
        [
            *_relations(comparison.pairs, label, repeat),
            _sample_size(comparison, label, repeat),
            *_seeds(comparison.n_seeds, repeat),
        ]
    )


def undecidable(comparison: Comparison) -> str:
    """Why nothing can be concluded, in a sentence; empty where something can."""
    n_cases = comparison.n_cases
    if len(comparison.mean_ranks) < 2:
        return "There is only one method, so there is nothing to compare."
    if n_cases < FEWEST_CASES:
        verb = "is" if n_cases == 1 else "are"
        return f"{_counted(comparison)} {verb} too few: with fewer than {FEWEST_CASES}, no test can reach p < 0.05."
    return ""


def _relations(pairs: pd.DataFrame, label: Callable[[str], str], repeat: str) -> list[str]:
    if (pairs["verdict"] == NOT_SHOWN).all() and len(pairs) > 1:
        return ["No two methods are shown to differ."]
    clauses = []
    for verdict, words in _RELATIONS.items():
        chosen = pairs[pairs["verdict"] == verdict]
        for method in dict.fromkeys(chosen["method"]):
            others = [label(other) for other in chosen.loc[chosen["method"] == method, "other"]]
            listed = " or ".join(others) if verdict == NOT_SHOWN else in_words(others)
            clauses.append(words.format(label(method), listed, repeat=repeat))
    return [f"{'; '.join(clauses)}."]


def _sample_size(comparison: Comparison, label: Callable[[str], str], repeat: str) -> str:
    """Whether the cases suffice, and how many would, by the critical difference."""
    n_cases, n_methods, counted = comparison.n_cases, len(comparison.mean_ranks), _counted(comparison)
    noun = "image" if comparison.n_images == n_cases else "case"
    # n differences of one sign have p = 2 ** (1 - n) in Wilcoxon's test, and Holm's first step counts every pair.
    needed = math.ceil(1 + math.log2(len(comparison.pairs) / ALPHA))
    if n_cases < needed:
        return f"{counted} cannot show a difference between {n_methods} methods; {needed} could."
    verdicts = comparison.pairs["verdict"]
    open_pairs = comparison.pairs[verdicts == NOT_SHOWN].sort_values("rank_difference").to_dict("records")
    if not open_pairs:
        seeds = count(comparison.n_seeds, repeat)
        but = f", but {seeds} are not" if (verdicts == ON_THESE_SEEDS).any() else ""
        return f"{counted} are enough to separate all methods{but}."
    # Wilcoxon gave the verdicts: it also sees how far scores differ, and may separate what ranks alone do not.
    said = f"By ranks alone (Nemenyi) {counted} separate mean ranks {comparison.critical_difference:.2f} apart"
    widest = open_pairs[-1]
    enough = _cases_for(widest["rank_difference"], n_methods)
    if enough <= n_cases:
        return f"{said}."
    pair = f"{label(widest['method'])} and {label(widest['other'])}"
    number = f"about {count(enough, noun)}" if enough < _MOST_CASES else f"more than {_MOST_CASES:,} {noun}s"
    return f"{said}; for {pair}, {widest['rank_difference']:.2f} apart, it would take {number}."


def _cases_for(rank_difference: float, n_methods: int) -> int:
    """The number of cases at which a difference of mean ranks is critical."""
    at_one = critical_difference(1, n_methods)
    return math.ceil(min((at_one / rank_difference) ** 2, _MOST_CASES)) if rank_difference > 0 else _MOST_CASES


def _counted(comparison: Comparison) -> str:
    """Images; where near-duplicates make them fewer cases, "14 cases (16 images)"."""
    if comparison.n_images == comparison.n_cases:
        return count(comparison.n_images, "image")
    return f"{count(comparison.n_cases, 'case')} ({count(comparison.n_images, 'image')})"


def _seeds(n_seeds: int, repeat: str) -> list[str]:
    if n_seeds == 1:
        return [f"This is one {repeat}: another may rank differently."]
    return [f"{count(n_seeds, repeat)} say little about other {repeat}s."] if n_seeds < FEWEST_SEEDS else []
