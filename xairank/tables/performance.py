"""Table 2 of the paper: how well the models classify and find the defect."""

from collections.abc import Sequence

import pandas as pd

from xairank.ranking.wins import mean_over_seeds
from xairank.runs.group import Group
from xairank.schema import SPLITS, TRAINING_METRICS
from xairank.tables.beside import beside, by_keys, is_compared, rows_of
from xairank.tables.groups import comparison_notes, in_blocks, joined_notes
from xairank.tables.published import OTHER_DATA, UNKNOWN_IMAGES, compare_protocol, on_published_data, published_metrics
from xairank.tables.table import Table


def performance(groups: Sequence[Group]) -> Table:
    """Table 2: losses and balanced accuracy at the last epoch, mean and population deviation over seeds."""
    compared = {
        group.name: compare_protocol(group.config, TRAINING_METRICS)
        for group in groups
        if on_published_data(group.config)
    }
    found = pd.concat([last_epoch(group.metrics).assign(group=group.name) for group in groups], ignore_index=True)
    found["n_images"] = [_n_images(group, split) for group in groups for split in SPLITS for _ in TRAINING_METRICS]
    data = beside(found, last_epoch(published_metrics()), ["split", "metric"], compared)
    cells = by_keys(data, "group", "split", "metric")
    blocks, notes = [], []
    for group in groups:
        rows = [
            row
            for split, label in SPLITS.items()
            for row in rows_of(
                label, [cells[group.name, split, name] for name in TRAINING_METRICS], [str(_n_images(group, split))]
            )
        ]
        blocks.append((group.name, rows))
        about = [f"{group.seeds}, epoch {_last_epochs(group.metrics)}.", *group.remarks]
        if group.name in compared:
            about += comparison_notes(compared[group.name], group, len(TRAINING_METRICS))
        notes.append((group.name, about))
    header = ["Split", "Total loss", "Classification loss", "Mask loss", "Balanced accuracy", "Seeds", "Images"]
    title = (
        "Model performance at the last epoch, mean and population standard deviation over seeds (Table 2 of the paper)"
    )
    every = ["Losses are means over images here, over batches in the published runs.", UNKNOWN_IMAGES]
    shown = [*joined_notes(notes), *(every if is_compared(data) else [])]
    shown += [OTHER_DATA] if len(compared) < len(groups) else []
    return Table("performance", title, data, header, in_blocks(blocks), shown)


def last_epoch(metrics: pd.DataFrame) -> pd.DataFrame:
    """Mean and population deviation over seeds of each run's last epoch: a row a ``split`` and ``metric``.

    A seed with several folds counts once, by its mean. The published metrics have no folds.
    """
    runs = [key for key in ("seed", "fold") if key in metrics]
    last = metrics.sort_values("epoch", kind="stable").groupby(runs, dropna=False, sort=False).tail(1)
    values = pd.concat(
        last[["seed"]].assign(split=split, metric=metric, value=last[f"{split}_{metric}"])
        for split in SPLITS
        for metric in TRAINING_METRICS
    )
    by_seed = values.groupby(["split", "metric", "seed"], sort=False)["value"].mean().reset_index()
    return mean_over_seeds(by_seed, "value")


def _n_images(group: Group, split: str) -> int:
    images = group.all_images
    return images.loc[images["split"] == split, "sample"].nunique()


def _last_epochs(metrics: pd.DataFrame) -> str:
    """The number of epochs, or the range of several."""
    last = metrics.groupby(["seed", "fold"], dropna=False)["epoch"].max() + 1
    return str(last.min()) if last.nunique() == 1 else f"{last.min()} to {last.max()}"
