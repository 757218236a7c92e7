"""The table a run ends with: how the methods did, on how many images, what was left out, what is at chance."""

from collections.abc import Mapping

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from xairank.names import count
from xairank.ranking.chance import at_chance
from xairank.ranking.controls import against_controls, at_controls
from xairank.ranking.statistics import summarize_methods
from xairank.ranking.wins import FEWEST_CASES, Ties
from xairank.runs.folder import RunFolder
from xairank.runs.grouping import is_ranked_only
from xairank.runs.reading import parquet_metadata
from xairank.runs.relied_on import counts_only_relied_on, in_words, leave_out_ignored
from xairank.schema import NO_EVIDENCE, NOT_RELIED_ON, SPLITS, MethodFacts, MetricFacts, method_facts, metric_facts

_DOUBTFUL = 0.7  # balanced accuracy


def print_run(console: Console, folder: RunFolder) -> None:
    """Prints the summary of a complete run from its files."""
    record, ranking = folder.record, folder.config["ranking"]
    parquet_metadata(folder.path / "scores.parquet")
    scores = pd.read_parquet(folder.path / "scores.parquet")
    excluded = pd.read_csv(folder.path / "excluded.csv", keep_default_na=False)
    metric = ranking["metric"]
    relied_on = counts_only_relied_on(folder.config)
    if relied_on:
        scores, excluded = leave_out_ignored(scores, excluded)
    print_summary(
        console, scores, excluded, method_facts(record), metric, metric_facts(record)[metric], ranking["ties"]
    )
    if relied_on:
        console.print(in_words(scores, excluded), highlight=False, soft_wrap=True)
    if is_ranked_only(folder.config):
        console.print("One network is one draw: rank over several checkpoints, if you have them.")
        if folder.config["maps"] and not folder.config["predictions"]:
            return
        accuracies = predicted_accuracy(scores, excluded)
    else:
        console.print("One seed is one draw: rank over several seeds.")
        last = pd.read_csv(folder.path / "metrics.csv").iloc[-1]
        accuracies = {split: last[f"{split}_balanced_accuracy"] for split in SPLITS}
    _advise(console, folder, accuracies)
    accuracy = ", ".join(f"{value:.2f} ({split})" for split, value in accuracies.items())
    classes = len(record["classes"])
    console.print(f"Balanced accuracy of the classifier: {accuracy}; {1 / classes:.2f} is chance.", highlight=False)


def _advise(console: Console, folder: RunFolder, accuracies: Mapping[str, float]) -> None:
    """What may be wrong where a network that exists classifies badly."""
    if is_ranked_only(folder.config) and not folder.config["maps"] and min(accuracies.values(), default=1) < _DOUBTFUL:
        data = folder.config["data"]
        console.print(
            f"The network errs often: was it trained at data.image_size={data['image_size']} and data.crop="
            f"{data['crop']}, with this model.mean and model.std, and is this the order of its classes?",
            highlight=False,
            soft_wrap=True,
            markup=False,
        )


def predicted_accuracy(scores: pd.DataFrame, excluded: pd.DataFrame) -> dict[str, float]:
    """Balanced accuracy by split, the mean recall over the classes that have images, of one run's predictions."""
    columns = ["split", "sample", "label", "predicted"]
    images = pd.concat([scores[columns].drop_duplicates(), excluded[columns]])
    images = images[images["predicted"] != ""]  # what another tool did not tell
    right = images["label"] == images["predicted"]
    recall = right.groupby([images["split"], images["label"]]).mean().groupby("split").mean()
    return {split: float(recall[split]) for split in SPLITS if split in recall}


def print_summary(
    console: Console,
    scores: pd.DataFrame,
    excluded: pd.DataFrame,
    methods: Mapping[str, MethodFacts],
    metric: str,
    facts: MetricFacts,
    ties: Ties,
) -> None:
    """Prints :func:`xairank.ranking.statistics.summarize_methods` of each split, and what a reader must know.

    Args:
        console: Where to.
        scores: Of a run.
        excluded: Of the same run.
        methods: In the order of ``ties=first``.
        metric: The one that decides.
        facts: Of the metric.
        ties: How ties share a win.
    """
    if scores.empty:
        used = " and that the model uses" if (excluded["reason"] == NOT_RELIED_ON).any() else ""
        console.print(
            f"No image could be ranked: none is a defect that was classified correctly{used}; see excluded.csv."
        )
        _print_excluded(console, excluded)
        return
    is_control = scores["method"].isin([name for name, some in methods.items() if some.control])
    every, scores, beside = methods, scores[~is_control], scores[is_control]
    methods = {name: some for name, some in every.items() if not some.control}
    summaries = {
        split: summarize_methods(rows, metric, facts, ties, methods=list(methods))
        for split in SPLITS
        if len(rows := scores[scores["split"] == split])
    }
    controls = {
        split: summarize_methods(rows, metric, facts)
        for split in summaries
        if len(rows := beside[beside["split"] == split])
    }
    console.print(_table(summaries, controls, every, facts))
    _print_excluded(console, excluded)
    labels = {name: some.label for name, some in methods.items()}
    for split, summary in summaries.items():
        cases = summary["n_cases"].max()
        if cases < FEWEST_CASES:
            verb = "is" if cases == 1 else "are"
            console.print(f"{SPLITS[split]}: {count(cases, 'case')} {verb} too few to conclude from.", highlight=False)
        if sentence := at_chance(summary, labels, higher_is_better=facts.higher_is_better):
            console.print(f"{SPLITS[split]}: {sentence}", highlight=False, markup=False, soft_wrap=True)
        rows, lower = scores[scores["split"] == split], beside[beside["split"] == split]
        lower = lower[lower["method"].isin([name for name, some in every.items() if some.control == NO_EVIDENCE])]
        found = against_controls(rows, lower, metric, facts)
        if sentence := at_controls(found, {name: some.label for name, some in every.items()}):
            console.print(f"{SPLITS[split]}: {sentence}", highlight=False, markup=False, soft_wrap=True)
    chances = ", ".join(f"{summary['chance'].iloc[0]:.3f} ({split})" for split, summary in summaries.items())
    if any((summary["n_cases"] < summary["n_images"]).any() for summary in summaries.values()):
        console.print("A case is an image with its near-duplicates; each case counts once.")
    if not pd.concat(summaries.values())["chance"].isna().any():
        console.print(f"A random map scores {chances}.", highlight=False)


def excluded_counts(excluded: pd.DataFrame, split: str) -> str:
    """How many images of a split were not ranked, by reason, in words."""
    counts = excluded.loc[excluded["split"] == split, "reason"].value_counts()
    return ", ".join(f"{number} {str(reason).replace('_', ' ')}" for reason, number in counts.items()) or "none"


def _table(
    summaries: Mapping[str, pd.DataFrame],
    controls: Mapping[str, pd.DataFrame],
    methods: Mapping[str, MethodFacts],
    facts: MetricFacts,
) -> Table:
    """A row a split and method, the best score and win rate of each split in bold; beneath the controls, dim."""
    title = f"{facts.label} with the defect mask, and its 95 % interval"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    fewer = any((summary["n_cases"] < summary["n_images"]).any() for summary in summaries.values())
    for column in ("Split", "Method"):
        table.add_column(column)
    for column in (facts.label, "Win rate", "Images (cases)" if fewer else "Images ranked"):
        table.add_column(column, justify="right")
    for split, summary in summaries.items():
        best_score = summary["score"].max() if facts.higher_is_better else summary["score"].min()
        best_rate = summary["win_rate"].max()
        for number, row in enumerate(summary.to_dict("records")):
            interval = "" if pd.isna(row["score_low"]) else f" [{row['score_low']:.3f}, {row['score_high']:.3f}]"
            table.add_row(
                split if number == 0 else "",
                methods[row["method"]].label,
                _strong(row["score"], best_score) + interval.replace("[", r"\["),
                _strong(row["win_rate"], best_rate),
                f"{row['n_images']} ({row['n_cases']})" if fewer else str(row["n_images"]),
            )
        for row in controls[split].to_dict("records") if split in controls else ():
            interval = "" if pd.isna(row["score_low"]) else f" \\[{row['score_low']:.3f}, {row['score_high']:.3f}]"
            label = f"  control: {methods[row['method']].label}"
            table.add_row("", label, f"{row['score']:.3f}{interval}", "-", "", style="dim")
        table.add_section()
    return table


def _strong(value: float, best: float) -> str:
    return f"[bold]{value:.3f}[/bold]" if value == best else f"{value:.3f}"


def _print_excluded(console: Console, excluded: pd.DataFrame) -> None:
    for split in [split for split in SPLITS if (excluded["split"] == split).any()]:
        console.print(f"Not ranked, {split}: {excluded_counts(excluded, split)}.", highlight=False)
