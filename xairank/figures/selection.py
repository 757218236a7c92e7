"""Figures 3 and 6 of a group: which run and which samples they show."""

from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from xairank.errors import UserError
from xairank.figures.groups import Group, maps_path
from xairank.figures.options import Options
from xairank.figures.samples import draw_gradcam, draw_sample
from xairank.figures.style import SPLITS
from xairank.names import count
from xairank.ranking.wins import mid_ranks
from xairank.runs.maps import Maps, read_maps


class Choice(NamedTuple):
    """A sample to show: the end of its file's name, its key, and the words that say why this one."""

    name: str
    sample: str
    remark: str


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
    """The best, the median and the worst sample of each method by overlap, in a run and split.

    Raises:
        UserError: No image of the split was ranked.
    """
    scores = group.scores_of(run)
    scores = scores[scores["split"] == split]
    if scores.empty:
        raise UserError(f"no image of the {SPLITS[split].lower()} is ranked in {run['folder']}")
    chosen = []
    for method, style in group.styles.items():
        rows = scores[scores["method"] == method].sort_values(["topk_overlap", "sample"])
        samples = rows["sample"].tolist()
        places = {"best": len(samples) - 1, "median": (len(samples) - 1) // 2, "worst": 0}
        for name, place in places.items():
            remark = f"{name.capitalize()} of {count(len(samples), 'image')} for {style.label}. "
            chosen.append(Choice(f"{method}_{name}", samples[place], remark))
    return chosen


def sample_figures(group: Group, options: Options) -> dict[str, partial[Figure]]:
    """Figures 3 and 6 by name.

    Raises:
        UserError: Why there are none.
    """
    run = choose_run(group, options)
    if options.sample is None:
        choices = choose_samples(group, run, options.split)
    else:
        choices = [Choice(options.sample.replace("/", "_"), options.sample, "")]
    figures = {f"figure6_{choice.name}": partial(_draw_figure6, group, run, choice) for choice in choices}
    method = next((method for method in group.styles if "cam" in method), None)
    if method is not None and method in load_maps(maps_path(run)).class_activation:
        best = next((choice for choice in choices if choice.name == f"{method}_best"), choices[0])
        figures["figure3_gradcam"] = partial(_draw_figure3, group, run, best, method)
    return figures


def _draw_figure6(group: Group, run: pd.Series, choice: Choice) -> Figure:
    maps = load_maps(maps_path(run))
    index = maps.samples.index(choice.sample)
    rows = group.scores_of(run)
    rows = rows[rows["sample"] == choice.sample]
    scores = rows.assign(rank=mid_ranks(rows)).set_index("method")
    return draw_sample(maps, index, scores, group.styles, f"{choice.remark}{_origin(group, run, maps, index)}")


def _draw_figure3(group: Group, run: pd.Series, choice: Choice, method: str) -> Figure:
    maps = load_maps(maps_path(run))
    index = maps.samples.index(choice.sample)
    return draw_gradcam(maps, index, method, group.styles, _origin(group, run, maps, index))


def _origin(group: Group, run: pd.Series, maps: Maps, index: int) -> str:
    return f"{SPLITS[maps.splits[index]]}, {group.run_basis(run)}"


def _reasons(group: Group, sample: str) -> str:
    """Why no run ranked a sample."""
    reasons = group.excluded.loc[group.excluded["sample"] == sample, "reason"].unique()
    return " or ".join(reason.replace("_", " ") for reason in reasons) or "no such sample"
