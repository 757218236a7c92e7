"""Which figures a sweep has: their names, what each is drawn from, and what is left out and why."""

import difflib
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import pandas as pd
from matplotlib.figure import Figure

from xairank.errors import UserError
from xairank.figures.agreement import draw_agreement
from xairank.figures.curves import draw_curves
from xairank.figures.defects import draw_defects
from xairank.figures.marks import control_styles, marked
from xairank.figures.options import Options
from xairank.figures.overlap import draw_distribution, draw_size
from xairank.figures.ranks import draw_critical_difference, draw_pairwise, pairwise_wins
from xairank.figures.selection import sample_figures
from xairank.figures.style import MethodStyle, method_styles, set_name
from xairank.figures.variants import draw_ladder, draw_randomisation
from xairank.figures.win_rate import draw_win_rate
from xairank.names import count
from xairank.ranking.agreement import agreement, obstacle, tau_matrix
from xairank.ranking.cases import case_means
from xairank.ranking.chance import knows_chance
from xairank.ranking.defects import summarize_defects
from xairank.ranking.ladder import summarize_levels
from xairank.ranking.pairs import critical_difference
from xairank.ranking.parts import cut_cases
from xairank.ranking.randomisation import randomisation_curves
from xairank.ranking.wins import FEWEST_CASES, count_images, win_rates
from xairank.runs.group import Group, all_methods
from xairank.runs.sweep import Sweep
from xairank.schema import LAYER, RANDOMISED, chance_column

Styles = Mapping[str, MethodStyle]
Figures = dict[str, Callable[[], Figure]]


def list_figures(sweep: Sweep, options: Options) -> tuple[Figures, list[str]]:
    """What can be drawn, by file name without suffix, and a line for whatever cannot, with the reason.

    Raises:
        UserError: The seed or the sample asked for is nowhere in the sweep.
    """
    _check_known(sweep, options)
    figures: Figures = {}
    left_out = []
    styles = method_styles(all_methods(sweep.groups))
    for group in sweep.groups:
        own = {method: replace(styles[method], label=label) for method, label in group.labels.items()}
        drawn, missing = _group_figures(group, options, own)
        figures |= {f"{name}{group.suffix}": draw for name, draw in drawn.items()}
        left_out += [f"{line} ({group.name})" if group.name else line for line in missing]
    return figures, left_out


def _group_figures(group: Group, options: Options, styles: Styles) -> tuple[Figures, list[str]]:
    figures: Figures = {}
    if not group.ranked_only:
        figures["figure5_curves"] = partial(draw_curves, group.metrics, group.basis(group.all_images, ""))
    if group.scores.empty:
        return figures, ["Left out all figures but 5: no image is ranked, no defect was classified correctly"]
    basis = group.basis(group.scores)
    metric, facts = group.metric, group.metric_facts
    scores = group.scores.drop(columns="group")
    rates = win_rates(
        scores, metric, higher_is_better=facts.higher_is_better, ties=group.ties, methods=list(group.methods)
    )
    shown, meaning = marked(group, styles, group.splits)
    figures["figure7_win_rate"] = partial(draw_win_rate, rates, count_images(scores), shown, basis + meaning)
    every = pd.concat([scores, group.control_scores.drop(columns="group")], ignore_index=True)
    beside = control_styles(group.controls)
    figures["overlap_distribution"] = partial(draw_distribution, every, metric, facts, shown, basis + meaning, beside)
    figures["overlap_by_size"] = partial(draw_size, scores, metric, facts, shown, basis + meaning)
    for split in group.splits:
        if any(cut_cases(group.of_split(split))):
            figures[f"by_defect_{split}"] = partial(_draw_defects, group, split, styles)
    figures |= _variant_figures(group, styles)
    if len(styles) > 1:
        ranked, left_out = _rank_figures(group, styles)
        figures |= ranked
    else:
        left_out = ["Left out the critical-difference diagram and the pairwise wins: there is only one method"]
    if reason := obstacle(scores, group.all_metric_facts):
        left_out.append(f"Left out the agreement of metrics: {reason}")
    else:
        figures |= {f"agreement_{split}": partial(_draw_agreement, group, split) for split in group.splits}
    try:
        figures |= sample_figures(group, options, styles)
    except UserError as error:
        left_out.append(f"Left out Figures 3 and 6: {error}")
    else:
        if not any(name.startswith("figure3_") for name in figures):
            left_out.append("Left out Figure 3: no method of the run keeps class activation maps, as Grad-CAM does")
    return figures, left_out


def _variant_figures(group: Group, styles: Styles) -> Figures:
    """The smoothing ladder and the randomisation check, of runs that were asked for them."""
    figures: Figures = {}
    metric, facts = group.metric, group.metric_facts
    for split in group.splits:
        scores = group.of_split(split)
        shown, meaning = marked(group, styles, [split])
        basis = group.basis(scores) + meaning
        known = knows_chance(scores, metric)
        chance = float(scores.drop_duplicates("sample")[chance_column(metric)].mean()) if known else math.nan
        blurred = summarize_levels(group.blurred(split), metric, facts.limits)
        layers = summarize_levels(group.variants_of(split, LAYER), metric, facts.limits)
        if len(blurred):
            beside = control_styles(group.controls)
            draw = partial(draw_ladder, blurred, layers, facts, chance, shown, beside, basis)
            figures[f"ladder_{split}"] = draw
        if len(random := group.variants_of(split, RANDOMISED)):
            curves = randomisation_curves(scores, random, metric, facts)
            figures[f"randomisation_{split}"] = partial(draw_randomisation, curves, metric, facts, chance, shown, basis)
    return figures


def _rank_figures(group: Group, styles: Styles) -> tuple[Figures, list[str]]:
    figures: Figures = {}
    left_out = []
    for split in group.splits:
        scores = group.of_split(split)
        cases = case_means(scores, group.metric)
        better = group.metric_facts.higher_is_better
        shown, meaning = marked(group, styles, [split])
        basis = group.basis(scores) + meaning
        figures[f"pairwise_wins_{split}"] = partial(
            draw_pairwise, pairwise_wins(cases, higher_is_better=better), shown, basis
        )
        if len(cases) < FEWEST_CASES:
            noun = "image" if len(cases) == scores["sample"].nunique() else "case"
            few = f"{count(len(cases), noun)}, and it takes at least {FEWEST_CASES}"
            left_out.append(f"Left out the critical-difference diagram of the {set_name(split).lower()}: {few}")
            continue
        ranks = cases.rank(axis=1, ascending=not better).mean()
        difference = critical_difference(*cases.shape)
        diagram = partial(draw_critical_difference, ranks, difference, shown, basis)
        figures[f"critical_difference_{split}"] = diagram
    return figures, left_out


def _draw_agreement(group: Group, split: str) -> Figure:
    scores, facts = group.of_split(split), group.all_metric_facts
    return draw_agreement(tau_matrix(agreement(scores, facts), list(facts)), facts, group.basis(scores))


def _draw_defects(group: Group, split: str, styles: Styles) -> Figure:
    scores, facts = group.of_split(split), group.metric_facts
    shown, meaning = marked(group, styles, [split])
    summary = summarize_defects(scores, group.metric, facts)
    return draw_defects(summary, facts, shown, group.basis(scores) + meaning)


def _check_known(sweep: Sweep, options: Options) -> None:
    seeds = sorted(set(sweep.runs["seed"]))
    if options.seed is not None and options.seed not in seeds:
        known = ", ".join(map(str, seeds))
        raise UserError(f"seed={options.seed}: no such run in {sweep.folder}; expected one of {known}")
    samples = set(sweep.scores["sample"]) | set(sweep.excluded["sample"])
    if options.sample is not None and options.sample not in samples:
        near = difflib.get_close_matches(options.sample, samples, n=1, cutoff=0)
        example = f"; expected a key such as {near[0]}" if near else ""
        raise UserError(f"sample={options.sample}: no such sample in {sweep.folder}{example}")
