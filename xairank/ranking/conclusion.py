"""What a comparison of methods means, in words."""

import math

import pandas as pd

from xairank.names import count, display_name, in_words
from xairank.ranking.bootstrap import FEWEST_SEEDS
from xairank.ranking.statistics import ALPHA, Comparison, critical_difference
from xairank.ranking.wins import FEWEST_IMAGES

_MOST_IMAGES = 10_000
_RELATIONS = {
    "differ": "{} ranks above {}",
    "differ on these seeds": "{} ranks above {} on these seeds, but other seeds may turn it round",
    "tied": "{} is tied with {}",
}


def conclude(comparison: Comparison) -> str:
    """Sentences that say which methods differ, which are tied, and whether the images and seeds suffice."""
    n_images, n_methods = comparison.n_images, len(comparison.mean_ranks)
    if n_methods < 2:
        return "There is only one method, so there is nothing to compare."
    if n_images < FEWEST_IMAGES:
        return f"{count(n_images, 'image')} cannot conclude: no test of fewer than {FEWEST_IMAGES} can reach 5 %."
    return " ".join([*_relations(comparison.pairs), _sample_size(comparison), *_seeds(comparison)])


def _relations(pairs: pd.DataFrame) -> list[str]:
    if (pairs["verdict"] == "tied").all() and len(pairs) > 1:
        return ["No method is told apart from another."]
    clauses = []
    for verdict, words in _RELATIONS.items():
        chosen = pairs[pairs["verdict"] == verdict]
        for method in dict.fromkeys(chosen["method"]):
            others = [display_name(other) for other in chosen.loc[chosen["method"] == method, "other"]]
            clauses.append(words.format(display_name(method), in_words(others)))
    return [f"{'; '.join(clauses)}."]


def _sample_size(comparison: Comparison) -> str:
    """Whether the images suffice, and how many would, by the critical difference."""
    n_images, n_methods = comparison.n_images, len(comparison.mean_ranks)
    # n differences of one sign have p = 2 ** (1 - n) in Wilcoxon's test, and Holm's first step counts every pair.
    needed = math.ceil(1 + math.log2(len(comparison.pairs) / ALPHA))
    if n_images < needed:
        return f"{count(n_images, 'image')} cannot show a difference between {n_methods} methods; {needed} could."
    verdicts = comparison.pairs["verdict"]
    tied = comparison.pairs[verdicts == "tied"].sort_values("rank_difference").to_dict("records")
    if not tied:
        seeds = count(comparison.n_seeds, "seed")
        but = f", but {seeds} do not" if (verdicts != "differ").any() else ""
        return f"{count(n_images, 'image')} suffice to tell all methods apart{but}."
    # Wilcoxon gave the verdicts: it also sees how far overlaps differ, and may tell apart what ranks alone do not.
    told = (
        f"By ranks alone (Nemenyi) {count(n_images, 'image')} tell apart what differs by "
        f"{comparison.critical_difference:.2f}"
    )
    widest = tied[-1]
    enough = _images_for(widest["rank_difference"], n_methods)
    if enough <= n_images:
        return f"{told}."
    pair = f"{display_name(widest['method'])} and {display_name(widest['other'])}"
    number = f"about {count(enough, 'image')}" if enough < _MOST_IMAGES else f"more than {_MOST_IMAGES:,} images"
    return f"{told}; for {pair}, {widest['rank_difference']:.2f} apart, it would take {number}."


def _images_for(rank_difference: float, n_methods: int) -> int:
    """The number of images at which a difference of mean ranks is critical."""
    at_one = critical_difference(1, n_methods)
    return math.ceil(min((at_one / rank_difference) ** 2, _MOST_IMAGES)) if rank_difference > 0 else _MOST_IMAGES


def _seeds(comparison: Comparison) -> list[str]:
    if comparison.n_seeds == 1:
        return ["This is one seed: another may rank differently."]
    few = comparison.n_seeds < FEWEST_SEEDS
    return [f"{count(comparison.n_seeds, 'seed')} say little of other seeds."] if few else []
