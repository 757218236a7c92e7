import numpy as np
import pandas as pd
import pytest

from xairank.ranking.parts import case_properties, cut_cases


def scores_with(**columns):
    """A row a case and seed, of one method."""
    n = len(next(iter(columns.values())))
    rows = pd.DataFrame({"k": 100, "n_pixels": 1000, "probability": np.nan, "label": "cut", **columns})
    names = [f"cut/{number:03}" for number in range(n)]
    rows = rows.assign(sample=names, case=names, fold=0, method="a")
    return pd.concat([rows.assign(seed=seed) for seed in (1, 2)], ignore_index=True)


def parts_of(scores, kind):
    return {
        part.name: (part.range, sorted(int(case[-3:]) for case in part.cases))
        for part in cut_cases(scores)
        if part.kind == kind
    }


def test_sizes_are_cut_into_thirds_of_the_cases():
    scores = scores_with(k=[50, 10, 90, 20, 40, 30])
    assert parts_of(scores, "size") == {
        "small": ("1.00 to 2.00", [1, 3]),
        "medium": ("3.00 to 4.00", [4, 5]),
        "large": ("5.00 to 9.00", [0, 2]),
    }


@pytest.mark.parametrize("n", range(3, 30))
def test_thirds_are_as_equal_as_they_can_be(n):
    found = parts_of(scores_with(thinness=np.random.default_rng(n).permutation(n) / n), "thinness")
    sizes = [len(cases) for _, cases in found.values()]
    assert list(found) == ["compact", "medium", "thin"]
    assert sum(sizes) == n
    assert max(sizes) - min(sizes) <= 1


def test_equal_values_stay_together():
    found = parts_of(scores_with(thinness=[0.1, 0.1, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]), "thinness")
    assert found == {"compact": ("0.10", [0, 1]), "thin": ("0.50", [2, 3, 4, 5, 6, 7])}


def test_components_are_one_or_several_and_classes_each_a_part():
    scores = scores_with(components=[1, 3, 1, 2], label=["hole", "cut", "cut", "bent"])
    assert parts_of(scores, "components") == {"one piece": ("1", [0, 2]), "several pieces": ("2 to 3", [1, 3])}
    assert parts_of(scores, "class") == {"bent": ("", [3]), "cut": ("", [1, 2]), "hole": ("", [0])}
    assert [part.where for part in cut_cases(scores)] == [
        *("on defects in one piece", "on defects in several pieces"),
        *("on bent", "on cut", "on hole"),
    ]


def test_what_does_not_differ_or_is_not_known_has_no_part():
    scores = scores_with(thinness=[0.1, 0.2, np.nan, 0.4], components=[1, 1, 1, 1])
    assert list(cut_cases(scores)) == []
    assert list(case_properties(scores).columns) == ["size", "components", "class"]


def test_a_case_is_the_mean_over_its_images_and_seeds():
    scores = scores_with(k=[100, 300, 500], probability=[0.5, 0.7, 0.9])
    scores["case"] = scores["case"].replace("cut/001", "cut/000")
    scores.loc[scores["seed"] == 2, "probability"] += 0.1
    found = case_properties(scores)
    assert found["size"].tolist() == pytest.approx([20, 50])
    assert found["confidence"].tolist() == pytest.approx([0.65, 0.95])
