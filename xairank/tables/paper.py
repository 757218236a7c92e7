"""Tables 1 to 4 of the paper, with the published values beside our own."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from xairank.names import display_name
from xairank.published import (
    HYPERPARAMETERS,
    METRICS,
    PROTOCOL,
    WIN_RATE,
    as_text,
    compare_protocol,
    leaves_of,
    published_metrics,
    published_win_rates,
)
from xairank.ranking.wins import OVERALL, count_images, mean_over_seeds, win_rates, with_overall
from xairank.sweeps import Sweep
from xairank.tables.groups import basis, comparison_notes, config_of, each_group, in_blocks, joined_notes
from xairank.tables.table import MISSING, Table, mean_and_std

_Cell = Mapping[Any, Any] | None
SPLITS = {"train": "Training", "test": "Test"}
_UNKNOWN_IMAGES = "Which images the published runs trained on and tested is not known; the split has the same sizes."
_SAME_ORDER = (
    "The published overlap is an intersection over union, which orders maps as Top-K Overlap does, so wins compare; "
    "ties inside a map are cut by array position there, shared by expectation here."
)


def hyperparameters(sweep: Sweep) -> Table:
    """Table 1, from the configurations that really ran, and what else of the protocol decides a result."""
    conditions = {condition.key: (condition.label, condition.published) for condition in PROTOCOL}
    rows = []
    for group, part in each_group(sweep):
        leaves = [leaves_of(config) for config in part.runs["config"]]
        for key, (label, published) in {**HYPERPARAMETERS, **conditions}.items():
            found = list(dict.fromkeys(as_text(some[key]) for some in leaves if key in some))
            rows.append([group, label, key, ", ".join(found) or MISSING, as_text(published)])
        methods = ", ".join(config_of(part)["attribution"]["methods"])
        rows.append([group, "Methods", "attribution.methods", methods, "gradcam, saliency, integrated_gradients"])
        rows.append([group, "Seeds", "seed", basis(part.runs), "10 seeds (42 to 51)"])
    data = pd.DataFrame(rows, columns=["group", "hyperparameter", "key", "value", "published"])
    data["difference"] = [_differ(row["value"], row["published"]) for row in data.to_dict("records")]
    shown = ["hyperparameter", "key", "value", "published", "difference"]
    blocks = {group: data.loc[data["group"] == group, shown].to_numpy().tolist() for group in sweep.groups}
    header = ["Hyperparameter", "Key", "Value", "Published", "Difference"]
    notes = ["The first six are Table 1 of the paper; the others are those of the code released with it."]
    return Table(
        "hyperparameters",
        "Hyperparameters of the runs (Table 1 of the paper)",
        data,
        header,
        in_blocks(blocks),
        notes,
        n_text=5,
    )


def performance(sweep: Sweep) -> Table:
    """Table 2: losses and balanced accuracy at the last epoch, mean and population deviation over seeds."""
    published = last_epoch(published_metrics())
    tables, blocks, notes = [], {}, []
    for group, part in each_group(sweep):
        comparability = compare_protocol(config_of(part), METRICS)
        every_row = pd.concat([table[["split", "sample"]] for table in (part.scores, part.excluded)])
        images = every_row.groupby("split")["sample"].nunique()
        table = _beside(last_epoch(part.metrics), published, ["split", "metric"], comparability.words)
        table = table.assign(group=group, n_images=table["split"].map(images).fillna(0).astype(int))
        tables.append(table)
        blocks[group] = [row for split in SPLITS for row in _performance_rows(table[table["split"] == split], split)]
        epochs = _range(part.metrics.groupby(["seed", "fold"], dropna=False)["epoch"].max() + 1)
        notes.append((group, [f"{basis(part.runs)}, epoch {epochs}.", *comparison_notes(comparability, part.runs, 4)]))
    header = ["Split", "Total loss", "Classification loss", "Mask loss", "Balanced accuracy", "Images", "Seeds"]
    title = "Model performance at the last epoch, mean and standard deviation over seeds (Table 2 of the paper)"
    every = ["Losses are means over images here, over batches in the published runs.", _UNKNOWN_IMAGES]
    data = pd.concat(tables, ignore_index=True)
    return Table("performance", title, data, header, in_blocks(blocks), [*joined_notes(notes), *every])


def win_rate(sweep: Sweep, split: str) -> Table:
    """Table 3 (train) or 4 (test): win rate overall and by class, mean and population deviation over seeds."""
    methods = list(dict.fromkeys(sweep.scores["method"]))
    rates = published_win_rates()
    published = mean_over_seeds(rates[rates["split"] == split], WIN_RATE)
    tables, blocks, notes = [], {}, []
    for group, part in each_group(sweep):
        config = config_of(part)
        comparability = compare_protocol(config, [WIN_RATE])
        counts = _counts(part, split)
        scores = part.scores[part.scores["split"] == split]
        found = mean_over_seeds(win_rates(scores, config["ranking"]["ties"]), WIN_RATE).assign(metric=WIN_RATE)
        table = _beside(found, published, ["split", "label", "method"], comparability.words)
        table = table.assign(group=group)
        table = table.join(counts.drop(columns="excluded"), on="label")
        tables.append(table)
        blocks[group] = [row for label in counts.index for row in _class_rows(table, label, methods, counts)]
        ties = "shared" if config["ranking"]["ties"] == "shared" else "won by the first method"
        about = f"{basis(part.runs)}; ties are {ties}."
        notes.append((group, [about, *comparison_notes(comparability, part.runs, 1)]))
    header = ["Class", *map(display_name, methods), "Images", "Ranked", "Seeds", "Excluded"]
    published_as = {"train": "Table 3 of the paper", "test": "Table 4 of the paper"}[split]
    title = f"Win rate on the {SPLITS[split].lower()} set, mean and standard deviation over seeds ({published_as})"
    every = [
        "Images: ranked by at least one seed. Ranked: pairs of an image and a run, of those with a defect. A seed "
        "without a ranked image of a class does not count for it.",
        _UNKNOWN_IMAGES,
        _SAME_ORDER,
    ]
    data = pd.concat(tables, ignore_index=True)
    return Table(f"win_rate_{split}", title, data, header, in_blocks(blocks), [*joined_notes(notes), *every])


def last_epoch(metrics: pd.DataFrame) -> pd.DataFrame:
    """Mean and population deviation over seeds of each run's last epoch: rows of ``split`` and ``metric``.

    A seed with several folds counts once, by its mean.
    """
    runs = [key for key in ("seed", "fold") if key in metrics]
    last = metrics.sort_values("epoch", kind="stable").groupby(runs, dropna=False).tail(1)
    values = pd.concat(
        last[["seed"]].assign(split=split, metric=metric, value=last[f"{split}_{metric}"])
        for split in SPLITS
        for metric in METRICS
    )
    by_seed = values.groupby(["split", "metric", "seed"], sort=False)["value"].mean().reset_index()
    return mean_over_seeds(by_seed, "value")


def _beside(found: pd.DataFrame, published: pd.DataFrame, keys: list[str], words: Mapping[str, str]) -> pd.DataFrame:
    """Adds the published value of each cell, and the difference or why there is none."""
    known = published.rename(columns={"mean": "published_mean", "std": "published_std"})
    table = found.merge(known[[*keys, "published_mean", "published_std"]], how="left", on=keys)
    table["not_comparable"] = table["metric"].map(words).where(table["published_mean"].notna())
    table["difference"] = (table["mean"] - table["published_mean"]).where(table["not_comparable"].isna())
    return table


def _performance_rows(table: pd.DataFrame, split: str) -> list[list[str]]:
    cells = table.set_index("metric").to_dict("index")
    tail = [str(table["n_images"].iloc[0]), str(table["n_seeds"].max())]
    return _rows(SPLITS[split], [cells[metric] for metric in METRICS], tail)


def _class_rows(table: pd.DataFrame, label: str, methods: Sequence[str], counts: pd.DataFrame) -> list[list[str]]:
    cells = table[table["label"] == label].set_index("method").to_dict("index")
    seeds = max((cell["n_seeds"] for cell in cells.values()), default=0)
    count = counts.loc[label]
    tail = [str(count["n_images"]), f"{count['n_ranked']} of {count['n_defects']}", str(seeds), str(count["excluded"])]
    return _rows(display_name(label), [cells.get(method) for method in methods], tail, best=True)


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
            *tail,
        ]
    ]
    if any(cell is not None and not math.isnan(cell["published_mean"]) for cell in cells):
        empty = [""] * len(tail)
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


def _counts(part: Sweep, split: str) -> pd.DataFrame:
    """By class, "overall" first: ``n_images``, ``n_ranked``, ``n_defects`` (pairs of image and run), ``excluded``."""
    scores, excluded = (table[table["split"] == split] for table in (part.scores, part.excluded))
    images = count_images(scores.drop(columns="group")).droplevel("split")
    pairs = scores.drop_duplicates(["seed", "fold", "sample"])
    ranked = with_overall(pairs).groupby("label").size()
    reasons = with_overall(excluded).groupby(["label", "reason"]).size().unstack(fill_value=0)
    defects = ranked.add(reasons.drop(columns="good", errors="ignore").sum(axis=1), fill_value=0)
    labels = [OVERALL, *sorted(label for label in defects.index if label not in (OVERALL, "good"))]
    numbers = {"n_images": images, "n_ranked": ranked, "n_defects": defects}
    counts = pd.DataFrame(numbers).reindex(labels).fillna(0).astype(int)
    counts["excluded"] = [_reasons(reasons.loc[label]) if label in reasons.index else "none" for label in labels]
    return counts


def _reasons(numbers: pd.Series) -> str:
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
