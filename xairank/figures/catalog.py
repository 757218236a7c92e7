"""Which figures a sweep has: their names, what each is drawn from, and what is left out and why."""

import difflib
from collections.abc import Callable
from functools import partial

from matplotlib.figure import Figure

from xairank.errors import UserError
from xairank.figures.curves import draw_curves
from xairank.figures.groups import Group, split_groups
from xairank.figures.options import Options
from xairank.figures.overlap import draw_distribution, draw_size
from xairank.figures.ranks import draw_critical_difference, draw_pairwise, pairwise_wins
from xairank.figures.selection import sample_figures
from xairank.figures.style import SPLITS
from xairank.figures.win_rate import draw_win_rate
from xairank.names import count
from xairank.ranking.statistics import critical_difference, image_means
from xairank.ranking.wins import FEWEST_IMAGES, count_images, win_rates
from xairank.runs.sweep import Sweep

Figures = dict[str, Callable[[], Figure]]


def list_figures(sweep: Sweep, options: Options) -> tuple[Figures, list[str]]:
    """What can be drawn, by file name without suffix, and a line for whatever cannot, with the reason.

    Raises:
        UserError: The seed or the sample asked for is nowhere in the sweep.
    """
    _check_known(sweep, options)
    figures: Figures = {}
    left_out = []
    for group in split_groups(sweep):
        drawn, missing = _group_figures(group, options)
        figures |= {f"{name}{group.suffix}": draw for name, draw in drawn.items()}
        left_out += [f"{line} ({group.name})" if group.name else line for line in missing]
    return figures, left_out


def _group_figures(group: Group, options: Options) -> tuple[Figures, list[str]]:
    figures: Figures = {"figure5_curves": partial(draw_curves, group.metrics, group.basis(group.all_images, ""))}
    if group.scores.empty:
        return figures, ["Left out all figures but 5: no image is ranked, no defect was classified correctly"]
    basis = group.basis(group.scores)
    ties = group.runs["config"].iloc[0]["ranking"]["ties"]
    scores = group.scores.drop(columns="group")
    rates, images = win_rates(scores, ties), count_images(scores)
    figures["figure7_win_rate"] = partial(draw_win_rate, rates, images, group.styles, basis)
    figures["overlap_distribution"] = partial(draw_distribution, scores, group.styles, basis)
    figures["overlap_by_size"] = partial(draw_size, scores, group.styles, basis)
    if len(group.styles) > 1:
        ranked, left_out = _rank_figures(group)
        figures |= ranked
    else:
        left_out = ["Left out the critical-difference diagram and the pairwise wins: there is only one method"]
    try:
        figures |= sample_figures(group, options)
    except UserError as error:
        left_out.append(f"Left out Figures 3 and 6: {error}")
    else:
        if "figure3_gradcam" not in figures:
            left_out.append("Left out Figure 3: the run has no Grad-CAM")
    return figures, left_out


def _rank_figures(group: Group) -> tuple[Figures, list[str]]:
    figures: Figures = {}
    left_out = []
    for split in group.splits:
        scores = group.scores[group.scores["split"] == split]
        images = image_means(scores)
        basis = group.basis(scores)
        figures[f"pairwise_wins_{split}"] = partial(draw_pairwise, pairwise_wins(images), group.styles, basis)
        if len(images) < FEWEST_IMAGES:
            few = f"{count(len(images), 'image')} cannot decide, {FEWEST_IMAGES} are the fewest"
            left_out.append(f"Left out the critical-difference diagram of the {SPLITS[split].lower()}: {few}")
            continue
        ranks = images.rank(axis=1, ascending=False).mean()
        difference = critical_difference(*images.shape)
        diagram = partial(draw_critical_difference, ranks, difference, group.styles, basis)
        figures[f"critical_difference_{split}"] = diagram
    return figures, left_out


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
