import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from xairank.ranking.controls import against_controls, at_controls
from xairank.schema import MetricFacts

FACTS = MetricFacts("Top-K Overlap")


def scores_of(levels, n_cases=30, seeds=(1, 2, 3), noise=0.05, start=0):
    """Rows of ``scores.parquet``: a mean a method, with effects of image and seed that all methods share."""
    shared = np.random.default_rng(start)
    image = shared.normal(0, 0.1, n_cases)
    rows = []
    for place, (method, level) in enumerate(levels.items()):
        own = np.random.default_rng([start, place, 7])
        for seed in seeds:
            for case in range(n_cases):
                value = level + image[case] + own.normal(0, noise)
                rows.append((seed, f"cut/{case:03}", f"cut/{case:03}", method, value))
    return pd.DataFrame(rows, columns=["seed", "sample", "case", "method", "score"])


def found(methods, controls, **options):
    every = scores_of({**methods, **controls}, **options)
    is_control = every["method"].isin(controls)
    return against_controls(every[~is_control], every[is_control], "score", FACTS)


def test_verdicts_of_methods_whose_place_is_known():
    table = found({"good": 0.6, "level": 0.4, "poor": 0.2}, {"random": 0.1, "center": 0.4})
    assert table["control"].unique().tolist() == ["center"]
    assert table.set_index("method")["verdict"].to_dict() == {
        "good": "above",
        "level": "not shown above",
        "poor": "below",
    }
    assert table.set_index("method").loc["good", "difference"] == pytest.approx(0.2, abs=0.03)


def test_p_values_are_scipys_and_statsmodels():
    every = scores_of({"a": 0.42, "b": 0.44, "center": 0.4, "edges": 0.3})
    table = against_controls(
        every[every["method"].isin(["a", "b"])], every[every["method"].isin(["center", "edges"])], "score", FACTS
    )
    cases = every.pivot_table(index="case", columns="method", values="score")
    expected = [stats.wilcoxon(cases[name], cases["center"], method="auto").pvalue for name in ("a", "b")]
    np.testing.assert_allclose(table["wilcoxon_p"], expected, rtol=1e-6)
    np.testing.assert_allclose(table["holm_p"], multipletests(expected, method="holm")[1], rtol=1e-6)


def test_where_less_is_better_the_best_control_is_the_lowest():
    every = scores_of({"good": 0.2, "center": 0.4, "random": 0.9})
    rows, controls = every[every["method"] == "good"], every[every["method"] != "good"]
    table = against_controls(rows, controls, "score", MetricFacts("Mass outside", higher_is_better=False))
    assert table["control"].item() == "center"
    assert table["verdict"].item() == "above"
    assert table["difference"].item() == pytest.approx(0.2, abs=0.03)


def test_under_no_difference_one_in_twenty_families_at_most_is_called_different():
    wrong = sum(
        (found({"a": 0.4, "b": 0.4}, {"center": 0.4}, n_cases=12, start=start)["verdict"] != "not shown above").any()
        for start in range(120)
    )
    assert wrong <= 12  # 5 % are 6; more than 12 of 120 have a chance of 1 %


def test_few_cases_conclude_nothing_and_without_controls_there_is_no_row():
    assert found({"a": 0.9}, {"center": 0.1}, n_cases=5)["verdict"].tolist() == [""]
    every = scores_of({"a": 0.9})
    assert against_controls(every, every.head(0), "score", FACTS).empty


def test_the_sentence_names_all_that_fail_and_only_them():
    table = found({"good": 0.6, "level": 0.4, "poor": 0.2}, {"center": 0.4})
    labels = {name: name.capitalize() for name in ("good", "level", "poor", "center")}
    sentence = at_controls(table, labels)
    assert "Good" not in sentence
    assert sentence.startswith("Level (0.")
    assert "is not shown to be above, and Poor (0." in sentence
    assert sentence.endswith(f"is below, the best control without evidence, Center ({table['control_score'][0]:.2f}).")
    assert at_controls(table[table["method"] == "good"], labels) == ""


def test_where_none_of_many_is_above_it_is_said_of_all_at_once():
    names = [f"m{number}" for number in range(9)]
    rows = {"method": names, "control": "center", "score": 0.2, "control_score": 0.25, "verdict": "not shown above"}
    labels = {name: name for name in names} | {"center": "Centre"}
    expected = "None of the 9 methods is shown to be above the best control without evidence, Centre (0.25)."
    assert at_controls(pd.DataFrame(rows), labels) == expected
