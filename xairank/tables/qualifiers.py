"""What supports or qualifies the conclusion on a group and split, a sentence each; or that it was not looked at."""

import pandas as pd

from xairank.names import count, display_name, in_words
from xairank.ranking.agreement import best_methods, obstacle, who_wins_elsewhere
from xairank.ranking.cases import case_means
from xairank.ranking.chance import at_chance, beats_chance
from xairank.ranking.controls import above_controls, at_controls
from xairank.ranking.headline import (
    blur_clause,
    chance_clause,
    controls_clause,
    metric_clause,
    randomisation_clause,
)
from xairank.ranking.ladder import who_leads
from xairank.ranking.randomisation import FALLS, FEW, who_fails
from xairank.ranking.statistics import rank_methods
from xairank.runs.group import Group
from xairank.runs.relied_on import counts_only_relied_on
from xairank.runs.relied_on import in_words as relied_on_in_words
from xairank.schema import GOOD, RELIED_ON_COLUMN
from xairank.tables.groups import split_label
from xairank.tables.words import CAUTION, SUPPORT, UNKNOWN, Sentence

_MANY = 0.8  # share of images whose defect the model uses, from which on a ranking is one of its evidence


def said(group: Group, split: str, about: str, weight: str, text: str, clause: str = "") -> Sentence:
    """A sentence on a group and split."""
    return Sentence(group.name, split, split_label(group, split), about, weight, text, clause)


def leader_of(group: Group, split: str) -> str:
    """The method with the best mean rank."""
    return str(rank_methods(case_means(group.of_split(split), group.metric), group.metric_facts).index[0])


def on_chance(group: Group, split: str, summary: pd.DataFrame) -> list[Sentence]:
    """Whether the methods are better than a random map; nothing where chance or too little is known.

    Args:
        group: The group.
        split: The split.
        summary: Of :func:`xairank.ranking.statistics.summarize_methods`.
    """
    better = group.metric_facts.higher_is_better
    if text := at_chance(summary, group.labels, higher_is_better=better):
        clause = chance_clause(summary, leader_of(group, split))
        return [said(group, split, "chance", CAUTION, text, clause)]
    text = beats_chance(summary, group.labels, higher_is_better=better)
    return [said(group, split, "chance", SUPPORT, text)] if text else []


def on_controls(group: Group, split: str, found: pd.DataFrame) -> list[Sentence]:
    """Whether the methods beat the controls; nothing where there are too few cases.

    Args:
        group: The group.
        split: The split.
        found: Of :func:`xairank.ranking.controls.against_controls`.
    """
    if found.empty:
        return [said(group, split, "controls", UNKNOWN, "No map without evidence stands beside the methods.")]
    labels = group.labels | group.control_labels
    if text := at_controls(found, labels):
        clause = controls_clause(found, labels, leader_of(group, split))
        return [said(group, split, "controls", CAUTION, text, clause)]
    text = above_controls(found, labels)
    return [said(group, split, "controls", SUPPORT, text)] if text else []


def on_blur(group: Group, split: str, rows: pd.DataFrame, levels: pd.DataFrame) -> list[Sentence]:
    """Who leads on blurred maps; nothing where there is one method, or too few cases.

    Args:
        group: The group.
        split: The split.
        rows: The scores at each blur, 0 among them.
        levels: Of :func:`xairank.ranking.ladder.summarize_levels`.
    """
    if levels.empty:
        text = "Whether smoother maps would be ranked alike was not looked at (attribution.ladder=true)."
        return [said(group, split, "blur", UNKNOWN, text)]
    text = who_leads(rows, group.metric, group.metric_facts, group.labels)
    clause = blur_clause(levels, group.labels, group.metric_facts, leader_of(group, split))
    steady = text.startswith("At every blur") and " leads " in text and ";" not in text
    return [said(group, split, "blur", SUPPORT if steady else CAUTION, text, clause)] if text else []


def on_randomisation(group: Group, split: str, found: pd.DataFrame) -> list[Sentence]:
    """Who fails the randomisation check; nothing where there are too few cases.

    Args:
        group: The group.
        split: The split.
        found: Of :func:`xairank.ranking.randomisation.check_randomisation`.
    """
    if found.empty:
        text = "Whether the maps depend on what the network learnt was not looked at (attribution.randomise=true)."
        return [said(group, split, "randomisation", UNKNOWN, text)]
    text = who_fails(found, group.labels)
    passed = found["verdict"].isin([FALLS, FEW]).all()
    clause = randomisation_clause(found, leader_of(group, split))
    return [said(group, split, "randomisation", SUPPORT if passed else CAUTION, text, clause)] if text else []


def on_metrics(group: Group, split: str) -> list[Sentence]:
    """Whether other metrics have the same best method; nothing where there is one method."""
    scores, facts = group.of_split(split), group.all_metric_facts
    if len(group.methods) < 2:
        return []
    if reason := obstacle(scores, facts):
        return [
            said(group, split, "metric", UNKNOWN, f"Whether another metric would rank alike is not known: {reason}.")
        ]
    best = {name: best_methods(scores, name, some) for name, some in facts.items()}
    text = who_wins_elsewhere(best, group.metric, facts, group.labels)
    same = all(set(methods) == set(best[group.metric]) for methods in best.values())
    clause = metric_clause(best, group.metric, facts, group.labels, leader_of(group, split))
    return [said(group, split, "metric", SUPPORT if same else CAUTION, text, clause)]


def on_reliance(group: Group, split: str) -> list[Sentence]:
    """On how many images the model uses the defect, without which a map need not point at it."""
    scores = group.of_split(split)
    if counts_only_relied_on(group.config):
        return [said(group, split, "reliance", SUPPORT, relied_on_in_words(group.scores, group.excluded))]
    if RELIED_ON_COLUMN not in scores or scores[RELIED_ON_COLUMN].isna().all():
        return [said(group, split, "reliance", UNKNOWN, "Whether the model uses the defects was not measured.")]
    images = scores.drop_duplicates(["seed", "fold", "sample"])
    share = float((images[RELIED_ON_COLUMN] > 0).groupby(images["sample"]).mean().mean())
    text = f"The model uses the defect on {100 * share:.0f} % of the images: hiding it costs more than hiding as much "
    text += "elsewhere. ranking.relied_on=true ranks those alone."
    return [said(group, split, "reliance", SUPPORT if share >= _MANY else CAUTION, text)]


def on_images(group: Group, split: str) -> list[Sentence]:
    """Which classes of defects the ranking rests on, where it does not rest on all of them or on one alone."""
    excluded = group.excluded[group.excluded["split"] == split]
    left_out = excluded[excluded["reason"] != GOOD]
    ranked = sorted(set(group.of_split(split)["label"]))
    absent = sorted(set(left_out["label"]) - set(ranked))
    if len(ranked) == 1:
        text = f"All ranked images show one class of defects, {display_name(ranked[0])}: of others nothing is known."
        return [said(group, split, "images", CAUTION, text, f"{display_name(ranked[0])} is the only class of defects")]
    if absent:
        names = in_words([display_name(label) for label in absent])
        n_images = count(left_out.loc[left_out["label"].isin(absent), "sample"].nunique(), "image")
        text = f"No image of {names} is ranked ({n_images}, see what was left out): of them nothing is known."
        return [said(group, split, "images", CAUTION, text)]
    return []
