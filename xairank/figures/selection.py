"""Figures 3 and 6 of a group: which run and which samples they show."""

from collections.abc import Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from xairank.errors import UserError
from xairank.figures.options import Options
from xairank.figures.samples import draw_class_activation, draw_sample
from xairank.figures.style import MethodStyle, set_name
from xairank.names import count
from xairank.ranking.wins import mid_ranks
from xairank.runs.group import Group
from xairank.runs.maps import Maps, read_maps

Styles = Mapping[str, MethodStyle]


class Choice(NamedTuple):
    """A sample to show: the end of its file's name, its key, and the words that say why this one."""

    name: str
    sample: str
    remark: str


def maps_path(run: pd.Series) -> Path:
    """Where a run keeps its maps, if it does."""
    return Path(run["folder"]) / "maps.npz"


@lru_cache(maxsize=1)
def load_maps(path: Path) -> Maps:
    """The maps of a run, kept while its figures are drawn one after the other."""
    return read_maps(path)


def choose_run(group: Group, options: Options) -> pd.Series:
    """The run that is shown: of the seed asked for or the first; where a sample is asked for, one that ranked it.

    Raises:
        UserError: There is no such run, or it kept no maps.
    """
    runs = group.runs if options.seed is None else group.runs[group.runs["seed"] == options.seed]
    if runs.empty:
        raise UserError(f"no run of seed {options.seed}")
    run = runs.iloc[0]
    if options.sample is not None:
        ranked = [run for _, run in runs.iterrows() if options.sample in set(group.scores_of(run)["sample"])]
        if not ranked:
            raise UserError(f"{options.sample} is not ranked: {_reasons(group, options.sample)}")
        run = ranked[0]
    if not maps_path(run).is_file():
        if group.scores_of(run).empty:
            raise UserError(f"{run['folder']}: no image was ranked, so there is none to show")
        raise UserError(f"{maps_path(run)} not found; train with attribution.keep_maps=true to have it")
    return run


def choose_samples(group: Group, run: pd.Series, split: str) -> list[Choice]:
    """The best, the median and the worst sample of each method by the deciding metric, in a run and split.

    Raises:
        UserError: No image of the split was ranked.
    """
    scores = group.scores_of(run)
    scores = scores[scores["split"] == split]
    if scores.empty:
        raise UserError(f"no image of the {set_name(split).lower()} is ranked in {run['folder']}")
    chosen = []
    better = group.metric_facts.higher_is_better
    for method, label in group.labels.items():
        rows = scores[scores["method"] == method].sort_values([group.metric, "sample"], ascending=[better, True])
        samples = rows["sample"].tolist()
        places = {"best": len(samples) - 1, "median": (len(samples) - 1) // 2, "worst": 0}
        for name, place in places.items():
            remark = f"{name.capitalize()} of {count(len(samples), 'image')} for {label}. "
            chosen.append(Choice(f"{method}_{name}", samples[place], remark))
    return chosen


def sample_figures(group: Group, options: Options, styles: Styles) -> dict[str, partial[Figure]]:
    """Figures 3 and 6 by name; a Figure 3 for each method that keeps class activation maps.

    Raises:
        UserError: Why there are none.
    """
    run = choose_run(group, options)
    if options.sample is None:
        choices = choose_samples(group, run, options.split)
    else:
        choices = [Choice(options.sample.replace("/", "_"), options.sample, "")]
    figures = {f"figure6_{choice.name}": partial(_draw_figure6, group, run, choice, styles) for choice in choices}
    for method in load_maps(maps_path(run)).class_activation:
        best = next((choice for choice in choices if choice.name == f"{method}_best"), choices[0])
        figures[f"figure3_{method}"] = partial(_draw_figure3, group, run, best, method, styles)
    return figures


def _draw_figure6(group: Group, run: pd.Series, choice: Choice, styles: Styles) -> Figure:
    maps = load_maps(maps_path(run))
    index = maps.samples.index(choice.sample)
    rows = group.scores_of(run)
    rows = rows[rows["sample"] == choice.sample]
    facts = group.metric_facts
    ranks = mid_ranks(rows, group.metric, higher_is_better=facts.higher_is_better)
    scores = rows.assign(rank=ranks, score=rows[group.metric]).set_index("method")
    return draw_sample(maps, index, scores, facts, styles, f"{choice.remark}{_origin(group, run, maps, index)}")


def _draw_figure3(group: Group, run: pd.Series, choice: Choice, method: str, styles: Styles) -> Figure:
    maps = load_maps(maps_path(run))
    index = maps.samples.index(choice.sample)
    return draw_class_activation(maps, index, method, styles, _origin(group, run, maps, index))


def _origin(group: Group, run: pd.Series, maps: Maps, index: int) -> str:
    return f"{set_name(maps.splits[index])}, {group.run_basis(run)}"


def _reasons(group: Group, sample: str) -> str:
    """Why no run ranked a sample."""
    reasons = group.excluded.loc[group.excluded["sample"] == sample, "reason"].unique()
    return " or ".join(reason.replace("_", " ") for reason in reasons) or "no such sample"
