import itertools
import math

import numpy as np
import pandas as pd
import pytest

from xairank.data.splits import choose_split, split_samples
from xairank.errors import UserError


def hazelnut_labels():
    counts = {"good": 431, "crack": 18, "cut": 17, "hole": 18, "print": 17}
    return pd.Series([label for label, count in counts.items() for _ in range(count)])


def test_fold_0_of_5_is_the_released_codes_split_of_hazelnut():
    labels = hazelnut_labels()
    split = split_samples(labels, fold=0, n_folds=5, seed=0)
    assert labels[split == "test"].value_counts().to_dict() == {"good": 87, "crack": 4, "cut": 4, "hole": 4, "print": 4}
    assert labels[split == "train"].value_counts().to_dict() == {
        "good": 344,
        "crack": 14,
        "cut": 13,
        "hole": 14,
        "print": 13,
    }


@pytest.mark.parametrize("n_folds", [2, 3, 5, 17])
def test_over_all_folds_each_sample_is_tested_once_and_each_class_evenly(n_folds):
    labels = hazelnut_labels()
    tested = [split_samples(labels, fold, n_folds, seed=3) == "test" for fold in range(n_folds)]
    assert (sum(mask.astype(int) for mask in tested) == 1).all()
    for label, count in labels.value_counts().items():
        sizes = [int((labels[mask] == label).sum()) for mask in tested]
        assert max(sizes) == math.ceil(count / n_folds)
        assert max(sizes) - min(sizes) <= 1


def test_the_split_depends_on_its_seed_alone():
    labels = hazelnut_labels()
    first = split_samples(labels, 0, 5, seed=0)
    assert first.equals(split_samples(labels, 0, 5, seed=0))
    assert not first.equals(split_samples(labels, 0, 5, seed=1))


@pytest.mark.parametrize("fold", range(5))
def test_without_near_duplicates_each_class_is_dealt_in_turn(fold):
    labels = hazelnut_labels().sample(frac=1, random_state=0)
    expected = pd.Series("train", index=labels.index, dtype=object)
    for label, members in labels.groupby(labels).groups.items():
        order = np.random.default_rng([7, *label.encode()]).permutation(len(members))
        expected[members[order[fold::5]]] = "test"
    pd.testing.assert_series_equal(split_samples(labels, fold, 5, 7), expected)
    pd.testing.assert_series_equal(split_samples(labels, fold, 5, 7, np.arange(501)[::-1].copy()), expected)


@pytest.mark.parametrize("seed", range(4))
def test_groups_stay_whole_and_classes_even(seed):
    generator = np.random.default_rng(seed)
    labels = hazelnut_labels()
    groups = np.arange(len(labels))
    for size in (2, 2, 2, 3, 6):  # of several classes, mostly
        groups[generator.choice(np.flatnonzero(labels != "good"), size, replace=False)] = 1000 + size
    groups[:40] = groups[0]
    groups = np.unique(groups, return_inverse=True)[1]
    tested = np.array([split_samples(labels, fold, 5, seed, groups) == "test" for fold in range(5)])
    assert (tested.sum(axis=0) == 1).all()
    for group in np.unique(groups):
        assert len(np.unique(tested[:, groups == group], axis=1).T) == 1
    for label, count in labels.value_counts().items():
        sizes = tested[:, labels == label].sum(axis=1)
        assert sizes.max() <= math.ceil(count / 5) + 3


def test_a_group_as_large_as_a_share_leaves_the_class_exactly_even():
    labels = pd.Series(["good"] * 10 + ["hole"] * 10)
    groups = np.array([0, 0, *range(1, 9), 9, 9, *range(10, 18)])
    for fold in range(5):
        split = split_samples(labels, fold, 5, 0, groups)
        assert labels[split == "test"].value_counts().to_dict() == {"good": 2, "hole": 2}


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(
    ("labels", "groups"),
    [
        ("aaaabbbb", [0, 1, 2, 3, 0, 0, 4, 5]),  # two of class b follow one of class a
        ("aaaaaaaa", [0, 1, 2, 3, 4, 4, 4, 4]),  # the large group has to come first
    ],
)
def test_classes_are_as_even_as_groups_allow(labels, groups, seed):
    split = split_samples(pd.Series(list(labels)), 0, 2, seed, np.array(groups))
    for label in set(labels):
        sides = [side for side, own in zip(split, labels, strict=True) if own == label]
        assert sides.count("train") == sides.count("test")


def test_every_class_that_does_not_reach_every_fold_is_named():
    labels = pd.Series(["crack"] * 3 + ["cut"] * 9 + ["good"] * 9)
    groups = np.array([*range(3), *itertools.chain([3] * 4, [4] * 5), *range(5, 14)])
    message = (
        "data.n_folds=5 is more than the 3 images of class crack, the 2 folds that class cut reaches, as "
        "near-duplicates stay together; lower data.n_folds or add images"
    )
    with pytest.raises(UserError) as caught:
        split_samples(labels, 0, 5, 0, groups)
    assert str(caught.value) == message


def given(**columns):
    return pd.DataFrame({"label": ["good", "good", "cut", "cut"], **columns})


def test_a_given_split_is_kept_even_across_near_duplicates():
    table = given(split=["train", "test", "test", "train"])
    assert choose_split(table, 0, 5, 0, np.zeros(4, int)).tolist() == ["train", "test", "test", "train"]


@pytest.mark.parametrize(
    ("split", "fold", "message"),
    [
        (["train", "test", "test", "train"], 1, r"data.fold=1: the data has a column split, .* expected data.fold=0"),
        (["train", "train", "test", "train"], 0, r"column split: no test image of class good; give every class"),
        (["train"] * 4, 0, r"no test image of class cut, no test image of class good"),
    ],
)
def test_a_given_split_that_cannot_be_used_is_named(split, fold, message):
    with pytest.raises(UserError, match=message):
        choose_split(given(split=split), fold, 5, 0, np.arange(4))


def test_without_a_given_split_the_folds_decide():
    labels = hazelnut_labels()
    expected = split_samples(labels, 2, 5, 0)
    assert choose_split(labels.to_frame("label"), 2, 5, 0, np.arange(len(labels))).equals(expected)
