"""``python -m xairank.rank`` as a user runs it, in this process, and scores by brute force."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from xairank.runs.folder import RunFolder


def rank_command(monkeypatch, capsys, *arguments):
    """Runs ``python -m xairank.rank``; its exit status, output and errors."""
    monkeypatch.setattr(sys, "argv", ["rank", *arguments])
    status = 0
    try:
        importlib.import_module("xairank.rank").main()
    except SystemExit as exit_:
        status = exit_.code or 0
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def only_run(name):
    """The only run folder of a sweep in the working folder."""
    (path,) = (path for path in Path("multirun", name).iterdir() if (path / "run.json").is_file())
    assert RunFolder(path, {}).complete
    return path


def read_scores(folder):
    """The scores of a run: a row a sample, a column a method and metric."""
    return by_method(pd.read_parquet(folder / "scores.parquet"))


def by_method(scores, metric="topk_overlap"):
    """One metric of a table of scores: a row a sample, a column a method."""
    return scores.pivot(index="sample", columns="method", values=metric)


def brute_force(values, mask):
    """Top-K Overlap of one map by sorting and counting, ties at the K-th value in expectation."""
    pairs = sorted(zip(values.ravel().tolist(), mask.ravel().tolist(), strict=True), key=lambda pair: -pair[0])
    k = sum(inside for _, inside in pairs)
    last = pairs[k - 1][0]
    hits = sum(inside for value, inside in pairs if value > last)
    places = k - sum(value > last for value, _ in pairs)
    tied = [inside for value, inside in pairs if value == last]
    return (hits + places * sum(tied) / len(tied)) / k


def brute_forces(maps, masks):
    """Top-K Overlap of several maps."""
    return np.array([brute_force(np.asarray(one), np.asarray(mask)) for one, mask in zip(maps, masks, strict=True)])
