"""Tables 1 to 4 of the paper, with the published values beside our own."""

import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from xairank.names import display_name
from xairank.ranking.wins import OVERALL, mean_over_seeds, win_rates, with_overall
from xairank.runs.sweep import Sweep
from xairank.tables.groups import Groups, basis, comparison_notes, config_of, in_blocks, joined_notes
from xairank.tables.published import (
    HYPERPARAMETERS,
    METRICS,
    PROTOCOL,
    WIN_RATE,
    Comparability,
    as_text,
    compare_protocol,
    leaves_of,
    published_methods,
    published_metrics,
    published_win_rates,
)
from xairank.tables.table import MISSING, Table, mean_and_std

_Cell = Mapping[Any, Any] | None
SPLITS = {"train": "Training", "test": "Test"}
_UNKNOWN_IMAGES = "Which images the published runs trained on and tested is not known; the split has the same sizes."
_CASES = (
    "Images: ranked by at least one seed. Ranked: pairs of an image and a run, of those with a defect. A seed without "
    "a ranked image of a class does not count for it."
)
_SAME_ORDER = (
    "The published overlap is an intersection over union, which orders maps as Top-K Overlap does, so wins compare; "
    "ties inside a map are cut by array position there, shared by expectation here."
)


def hyperparameters(groups: Groups) -> Table:
    """Table 1, from the configurations that really ran, and what else of the protocol decides a result."""
    conditions = {condition.key: (condition.label, condition.published) for condition in PROTOCOL}
    rows = []
    for group, part in groups.items():
        leaves = [leaves_of(config) for config in part.runs["config"]]
        for key, (label, published) in {**HYPERPARAMETERS, **conditions}.items():
            found = list(dict.fromkeys(as_text(some[key]) for some in leaves if key in some))
            rows.append([group, label, key, ", ".join(found) or MISSING, as_text(published)])
        methods = ", ".join(config_of(part)["attribution"]["methods"])
        rows.append([group, "Methods", "attribution.methods", methods, ", ".join(published_methods())])
        rows.append([group, "Seeds", "seed", basis(part.runs), "10 seeds (42 to 51)"])
    for row in rows:
        row.append(_differ(*row[3:]))
    data = pd.DataFrame(rows, columns=["group", "hyperparameter", "key", "value", "published", "difference"])
    blocks = {group: [row[1:] for row in rows if row[0] == group] for group in groups}
    header = ["Hyperparameter", "Key", "Value", "Published", "Difference"]
    notes = ["The first six are Table 1 of the paper; the others are those of the code released with it."]
    title = "Hyperparameters of the runs (Table 1 of the paper)"
    return Table("hyperparameters", title, data, header, in_blocks(blocks), notes, n_text=5)


def performance(sweep: Sweep, groups: Groups) -> Table:
    """Table 2: losses and balanced accuracy at the last epoch, mean and population deviation over seeds."""
    compared = {group: compare_protocol(config_of(part), METRICS) for group, part in groups.items()}
    data = _beside(last_epoch(sweep.metrics), last_epoch(published_metrics()), ["split", "metric"], compared)
    every_row = pd.concat([table[["group", "split", "sample"]] for table in (sweep.scores, sweep.excluded)])
    images = every_row.groupby(["group", "split"])["sample"].nunique().rename("n_images")
    data = data.join(images, on=["group", "split"])
    cells = _by_keys(data, "group", "split", "metric")
    blocks, notes = {}, []
    for group, part in groups.items():
        blocks[group] = [
            row
            for split, label in SPLITS.items()
            for row in _rows(
                label, [cells[group, split, name] for name in METRICS], [str(images.get((group, split), 0))]
            )
        ]
        epochs = _range(part.metrics.groupby(["seed", "fold"], dropna=False)["epoch"].max() + 1)
        about = f"{basis(part.runs)}, epoch {epochs}."
        notes.append((group, [about, *comparison_notes(compared[group], part.runs, len(METRICS))]))
    header = ["Split", "Total loss", "Classification loss", "Mask loss", "Balanced accuracy", "Seeds", "Images"]
    title = "Model performance at the last epoch, mean and standard deviation over seeds (Table 2 of the paper)"
    every = ["Losses are means over images here, over batches in the published runs.", _UNKNOWN_IMAGES]
    shown = [*joined_notes(notes), *(every if data["difference"].notna().any() else [])]
    return Table("performance", title, data, header, in_blocks(blocks), shown)


def win_rate(sweep: Sweep, groups: Groups, split: str) -> Table:
    """Table 3 (train) or 4 (test): win rate overall and by class, mean and population deviation over seeds."""
    compared = {group: compare_protocol(config_of(part), [WIN_RATE]) for group, part in groups.items()}
    ties = {group: config_of(part)["ranking"]["ties"] for group, part in groups.items()}
    rates = published_win_rates()
    published = mean_over_seeds(rates[rates["split"] == split], WIN_RATE)
    scores, excluded = (table[table["split"] == split] for table in (sweep.scores, sweep.excluded))
    found = pd.concat([win_rates(part, rule) for rule, part in _by_value(scores, ties)])
    data = _beside(mean_over_seeds(found, WIN_RATE).assign(metric=WIN_RATE), published, ["label", "method"], compared)
    counts = count_cases(scores, excluded)
    data = data.join(counts.drop(columns="excluded"), on=["group", "label"])
    methods = list(dict.fromkeys(scores["method"]))
    cells = _by_keys(data, "group", "label", "method")
    blocks: dict[str, list[list[str]]] = {group: [] for group in groups}
    for count in counts.reset_index().to_dict("records"):
        group, label = count["group"], count["label"]
        blocks[group] += _class_rows(label, [cells.get((group, label, method)) for method in methods], count)
    notes = []
    for group, part in groups.items():
        about = f"{basis(part.runs)}; ties are {'shared' if ties[group] == 'shared' else 'won by the first method'}."
        notes.append((group, [about, *comparison_notes(compared[group], part.runs, 1)]))
    header = ["Class", *map(display_name, methods), "Seeds", "Images", "Ranked", "Excluded"]
    published_as = {"train": "Table 3 of the paper", "test": "Table 4 of the paper"}[split]
    title = f"Win rate on the {SPLITS[split].lower()} set, mean and standard deviation over seeds ({published_as})"
    every = [_UNKNOWN_IMAGES, _SAME_ORDER] if data["difference"].notna().any() else []
    shown = [*joined_notes(notes), _CASES, *every]
    return Table(f"win_rate_{split}", title, data, header, in_blocks(blocks), shown)


def last_epoch(metrics: pd.DataFrame) -> pd.DataFrame:
    """Mean and population deviation over seeds of each run's last epoch: rows of ``group``, ``split`` and ``metric``.

    A seed with several folds counts once, by its mean. The published metrics have neither groups nor folds.
    """
    runs = [key for key in ("group", "seed", "fold") if key in metrics]
    group = [key for key in ("group",) if key in metrics]
    last = metrics.sort_values("epoch", kind="stable").groupby(runs, dropna=False, sort=False).tail(1)
    values = pd.concat(
        last[[*group, "seed"]].assign(split=split, metric=metric, value=last[f"{split}_{metric}"])
        for split in SPLITS
        for metric in METRICS
    )
    by_seed = values.groupby([*group, "split", "metric", "seed"], sort=False)["value"].mean().reset_index()
    return mean_over_seeds(by_seed, "value")


def count_cases(scores: pd.DataFrame, excluded: pd.DataFrame) -> pd.DataFrame:
    """How many images and pairs of image and run stand behind each class of one split.

    Returns:
        By group and label, "overall" first: ``n_images``, ``n_ranked`` (pairs), ``n_defects`` (pairs, ranked or not)
        and ``excluded``, in words.
    """
    keys = ["group", "label"]
    pairs = with_overall(scores[[*keys, "seed", "fold", "sample"]].drop_duplicates()).groupby(keys)["sample"]
    reasons = with_overall(excluded).groupby([*keys, "reason"]).size().unstack(fill_value=0)
    defects = pairs.size().add(reasons.drop(columns="good", errors="ignore").sum(axis=1), fill_value=0)
    counts = pd.DataFrame({"n_images": pairs.nunique(), "n_ranked": pairs.size(), "n_defects": defects})
    labels = counts.index.get_level_values("label")
    order = np.lexsort((labels, labels != OVERALL))
    counts = counts.iloc[order[labels[order] != "good"]].fillna(0).astype(int)
    told = {key: _reasons(numbers) for key, numbers in reasons.to_dict("index").items()}
    return counts.assign(excluded=[told.get(key, "none") for key in counts.index])


def _by_value(table: pd.DataFrame, values: Mapping[str, Any]) -> Iterator[tuple[Any, pd.DataFrame]]:
    """The rows of all groups that have the same value."""
    of_row = table["group"].map(values)
    for value in dict.fromkeys(values.values()):
        yield value, table[of_row == value]


def _beside(
    found: pd.DataFrame, published: pd.DataFrame, keys: list[str], compared: Mapping[str, Comparability]
) -> pd.DataFrame:
    """Adds the published value of each cell, and the difference or why there is none."""
    known = published.rename(columns={"mean": "published_mean", "std": "published_std"})
    table = found.merge(known[[*keys, "published_mean", "published_std"]], how="left", on=keys)
    words = [
        None if math.isnan(mean) else compared[group].words.get(metric)
        for group, metric, mean in zip(table["group"], table["metric"], table["published_mean"], strict=True)
    ]
    table["not_comparable"] = pd.Series(words, dtype="object")
    table["difference"] = (table["mean"] - table["published_mean"]).where(table["not_comparable"].isna())
    return table


def _by_keys(table: pd.DataFrame, *keys: str) -> dict[tuple[str, ...], dict[Hashable, Any]]:
    """The rows as mappings, by some of their values."""
    return {tuple(row[key] for key in keys): row for row in table.to_dict("records")}


def _class_rows(label: str, cells: Sequence[_Cell], count: Mapping[Hashable, Any]) -> list[list[str]]:
    tail = [str(count["n_images"]), f"{count['n_ranked']} of {count['n_defects']}", str(count["excluded"])]
    return _rows(display_name(label), cells, tail, best=True)


def _rows(label: str, cells: Sequence[_Cell], tail: list[str], *, best: bool = False) -> list[list[str]]:
    """Our values; beneath, where there is any, the published ones and the differences."""
    shown = [None if cell is None else round(cell["mean"], 4) for cell in cells]
    largest = max((value for value in shown if value is not None), default=None)
    bold = [best and value == largest and len(set(shown)) > 1 for value in shown]
    rows = [
        [
            label,
            *(
                MISSING if cell is None else mean_and_std(cell["mean"], _spread(cell), bold=strong)
                for cell, strong in zip(cells, bold, strict=True)
            ),
            str(max((cell["n_seeds"] for cell in cells if cell is not None), default=0)),
            *tail,
        ]
    ]
    if any(cell is not None and not math.isnan(cell["published_mean"]) for cell in cells):
        empty = [""] * (1 + len(tail))
        rows.append(["published", *map(_published, cells), *empty])
        rows.append(["difference", *map(_difference, cells), *empty])
    return rows


def _spread(cell: Mapping[Any, Any]) -> float:
    """The deviation over seeds; one seed has none."""
    return cell["std"] if cell["n_seeds"] > 1 else math.nan


def _published(cell: _Cell) -> str:
    return MISSING if cell is None else mean_and_std(cell["published_mean"], cell["published_std"])


def _difference(cell: _Cell) -> str:
    if cell is None or math.isnan(cell["published_mean"]):
        return MISSING
    word = cell["not_comparable"]
    return word if isinstance(word, str) else f"{cell['difference']:+.4f}"


def _reasons(numbers: Mapping[Hashable, int]) -> str:
    told = [f"{number} {str(reason).replace('_', ' ')}" for reason, number in numbers.items() if number]
    return ", ".join(told) or "none"


def _differ(value: str, published: str) -> str:
    if value == published:
        return "none"
    try:
        return f"{float(value) - float(published):+g}"
    except ValueError:
        return "other"


def _range(numbers: pd.Series) -> str:
    """A number, or the range of several."""
    return str(numbers.min()) if numbers.nunique() == 1 else f"{numbers.min()} to {numbers.max()}"
