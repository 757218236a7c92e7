"""The picture of a benchmark."""

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.ticker import LogLocator

ORDER = (
    "xairank", "xairank plain", "captum tuned", "captum", "quantus", "torch-cam", "pytorch-grad-cam", "as released",
)  # fmt: skip


def plot(table: pd.DataFrame, varied: str, path: Path) -> None:
    """Bars by encoder and method, or lines over what was varied; each point is a median over rounds."""
    sns.set_theme(context="paper", style="whitegrid", palette="colorblind")
    present = [name for name in ORDER if name in set(table["contender"])]
    if varied == "nothing":
        table = table.assign(methods=table["methods"].str.replace("_", " ").str.replace("+", " + "))
        table.loc[table["methods"].str.contains(r"\+"), "methods"] = "all three"
        grid = sns.catplot(
            table, kind="bar", x="encoder", y="ms_an_image", hue="contender", hue_order=present, col="methods",
            col_wrap=min(2, table["methods"].nunique()), estimator="median", errorbar=("pi", 100),
            err_kws={"linewidth": 1}, height=2.6, aspect=1.7, sharey=False,
        )  # fmt: skip
        grid.set_axis_labels("", "ms an image")
        grid.set_titles("{col_name}")
        grid.tick_params(axis="x", labelrotation=12 if table["encoder"].nunique() > 1 else 0)
    else:
        grid = sns.relplot(
            table, kind="line", x=varied, y="ms_an_image", hue="contender", hue_order=present, style="contender",
            style_order=present, col="encoder", col_wrap=min(2, table["encoder"].nunique()), estimator="median",
            errorbar=("pi", 100), markers=True, dashes=False, height=2.6, aspect=1.7,
        )  # fmt: skip
        grid.set(xscale="log", yscale="log")
        values = sorted(table[varied].unique())
        for axes in grid.axes.flat:
            axes.set_xticks(values, labels=[str(value) for value in values])
            axes.minorticks_off()
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_major_formatter("{x:g}")
        grid.set_axis_labels(varied, "ms an image")
        grid.set_titles("{col_name}")
    grid.figure.suptitle(
        f"{table['hardware'].iloc[0]}, {table['threads'].iloc[0]} threads: medians, range of rounds", y=1.02, fontsize=9
    )
    grid.savefig(path, dpi=150)
    plt.close(grid.figure)
