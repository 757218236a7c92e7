"""What the tests of trackers share: real sweeps on a tiny category, trained in this process."""

import contextlib
import io
import sys

import pandas as pd
import pytest

from tests.conftest import write_category

SHORT = ["trainer.max_epochs=2", "evaluation=overlap", "attribution.keep_maps=false"]


def run_command(folder, *arguments):
    """``python -m xairank.train`` in this process and folder; its exit status, output and errors."""
    from tests.training import QUICK  # with it Lightning is imported
    from xairank import train

    if not (folder / "data").is_dir():
        write_category(folder / "data" / "nuts", good=20, defects=10)
    out, err, status = io.StringIO(), io.StringIO(), 0
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["xairank", *QUICK, *SHORT, *arguments])
        try:
            train.main()
        except SystemExit as exit_:
            status = exit_.code or 0
    return status, out.getvalue(), err.getvalue()


def run_folders(folder):
    """By label, in order."""
    return {path.name: path for path in sorted((folder / "multirun" / "test").glob("*seed=*"))}


def expected_epochs(run):
    """By column, the values of ``metrics.csv``."""
    return {name: values.tolist() for name, values in pd.read_csv(run / "metrics.csv").set_index("epoch").items()}


def expected_scores(run):
    """The mean overlap of each split and method, from ``scores.parquet``: a case is an image here."""
    scores = pd.read_parquet(run / "scores.parquet")
    assert scores["case"].equals(scores["sample"])
    means = scores.groupby(["split", "method"])["topk_overlap"].mean()
    return {f"topk_overlap/{split}/{method}": value for (split, method), value in means.items()}


def expected_wins(run, split="test"):
    """The share of images that each method wins, controls aside; shared by methods that tie."""
    scores = pd.read_parquet(run / "scores.parquet")
    scores = scores[(scores["split"] == split) & scores["method"].isin(["gradcam", "saliency", "integrated_gradients"])]
    table = scores.pivot(index="sample", columns="method", values="topk_overlap")
    best = table.eq(table.max(axis=1), axis=0)
    return {f"win_rate/{split}/{name}": value for name, value in best.div(best.sum(axis=1), axis=0).mean().items()}
