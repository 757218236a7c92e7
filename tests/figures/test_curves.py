import numpy as np
import pandas as pd
import pytest

from tests.figures.layout import layout_faults, texts_of
from tests.runs_fixture import fake_metrics
from xairank.figures.curves import draw_curves


def metrics_of(n_seeds, n_epochs):
    return pd.concat([fake_metrics(seed, 0, n_epochs).assign(seed=seed) for seed in range(n_seeds)], ignore_index=True)


@pytest.mark.parametrize("n_seeds", [1, 4])
def test_lines_and_bands_are_mean_and_population_deviation(n_seeds):
    metrics = metrics_of(n_seeds, 12)
    figure = draw_curves(metrics, "")
    for axes, quantity in zip(figure.axes, ("loss", "balanced_accuracy"), strict=True):
        for line, band, split in zip(axes.get_lines(), axes.collections, ("train", "test"), strict=True):
            by_run = metrics[f"{split}_{quantity}"].to_numpy().reshape(n_seeds, 12)
            mean, deviation = by_run.mean(axis=0), by_run.std(axis=0)
            np.testing.assert_array_equal(line.get_xdata(), np.arange(1, 13))
            np.testing.assert_allclose(line.get_ydata(), mean)
            edge = band.get_paths()[0].vertices
            top = np.array([edge[edge[:, 0] == epoch, 1].max() for epoch in range(1, 13)])
            bottom = np.array([edge[edge[:, 0] == epoch, 1].min() for epoch in range(1, 13)])
            np.testing.assert_allclose(top, mean + deviation)
            np.testing.assert_allclose(bottom, mean - deviation)


def test_train_and_test_differ_without_colour():
    train, test = draw_curves(metrics_of(2, 5), "").axes[0].get_lines()
    assert train.get_linestyle() != test.get_linestyle()
    assert train.get_marker() != test.get_marker()


def test_loss_axis_holds_means_and_bands():
    metrics = metrics_of(3, 8)
    metrics.loc[(metrics["epoch"] == 1) & (metrics["seed"] == 0), "test_loss"] = 2000.0
    axes = draw_curves(metrics, "").axes[0]
    low, high = axes.get_ylim()
    assert high >= axes.dataLim.ymax
    assert low <= min(line.get_ydata().min() for line in axes.get_lines())


@pytest.mark.parametrize(("n_seeds", "n_epochs"), [(1, 1), (1, 2), (3, 15), (2, 300)])
def test_layout(n_seeds, n_epochs):
    figure = draw_curves(metrics_of(n_seeds, n_epochs), "10 seeds; 344 training and 87 test images. " * 3)
    assert layout_faults(figure) == []
    assert "10 seeds; 344 training and 87 test images." in texts_of(figure)
