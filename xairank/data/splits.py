"""Which samples are tested: those of a stratified fold, or what the data's own column says."""

from collections import Counter

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xairank.errors import UserError
from xairank.schema import SPLITS, TEST, TRAIN

Groups = NDArray[np.int64]


def choose_split(table: pd.DataFrame, fold: int | None, n_folds: int, seed: int, groups: Groups) -> pd.Series:
    """The column ``split`` of a table that has one, else that of :func:`split_samples`.

    A given split is kept, even if it puts near-duplicates on both sides. Without a fold nothing is trained: what has no
    split is tested.

    Raises:
        UserError: The table cannot be split like this.
    """
    if fold is None:
        return table["split"] if "split" in table else pd.Series(TEST, index=table.index, dtype=object)
    if "split" not in table:
        return split_samples(table["label"], fold, n_folds, seed, groups)
    _check_given_split(table["label"], table["split"], fold)
    return table["split"]


def split_samples(labels: pd.Series, fold: int, n_folds: int, seed: int, groups: Groups | None = None) -> pd.Series:
    """Stratified folds: ``test`` for the samples of ``fold``, ``train`` for the others.

    Each class is shuffled by itself and assigned to the folds in turn, so that the first fold tests
    ``ceil(count / n_folds)`` samples of it: fold 0 of 5 of hazelnut is the released code's 87 good and 4 of each
    defect. Over all folds every sample is tested exactly once. Depends on ``seed``, the class's name, its count and the
    groups alone.

    A group goes to one fold as a whole, also where its samples are of several classes: an object photographed before
    and after it broke must not be on both sides. Classes are assigned in the order of their names, within a
    class larger groups first, each to the fold with the fewest samples of the class so far, so that each class is as
    even as its groups allow. Without near-duplicates, that is assigning in turn.

    Args:
        labels: The class of each sample (N,).
        fold: The fold that is tested.
        n_folds: The number of folds.
        seed: Of the shuffling.
        groups: A number for each sample (N,), the same for samples that belong together; None: each stands alone.

    Raises:
        UserError: A class does not reach every fold; names each such class.
    """
    groups = np.arange(len(labels)) if groups is None else groups
    fold_of: dict[int, int] = {}  # by group
    short: list[str] = []
    for label in sorted(labels.unique()):
        members = groups[labels == label]
        generator = np.random.default_rng([seed, *str(label).encode()])
        reached = _assign(members[generator.permutation(len(members))], n_folds, fold_of)
        if len(members) < n_folds:
            short.append(f"the {len(members)} image{'s' * (len(members) > 1)} of class {label}")
        elif reached < n_folds:
            short.append(f"the {reached} folds that class {label} reaches, as near-duplicates stay together")
    if short:
        raise UserError(f"data.n_folds={n_folds} is more than {', '.join(short)}; lower data.n_folds or add images")
    tested = [fold_of[group] == fold for group in groups.tolist()]
    return pd.Series(np.where(tested, TEST, TRAIN), index=labels.index, dtype=object)


def _check_given_split(labels: pd.Series, split: pd.Series, fold: int) -> None:
    if fold != 0:
        raise UserError(f"data.fold={fold}: the data has a column split, which is one fold only; expected data.fold=0")
    missing = [
        f"no {side} image of class {label}"
        for side in SPLITS
        for label in sorted(set(labels) - set(labels[split == side]))
    ]
    if missing:
        raise UserError(f"column split: {', '.join(missing)}; give every class images on both sides")


def _assign(shuffled: Groups, n_folds: int, fold_of: dict[int, int]) -> int:
    """Assigns the groups of a class to folds; returns the number of folds that then have samples of the class.

    Args:
        shuffled: The group of each sample of the class, in the order of assignment.
        n_folds: The number of folds.
        fold_of: The fold of each group that was assigned with an earlier class; completed.
    """
    sizes = Counter(shuffled.tolist())
    filled = np.zeros(n_folds, dtype=np.int64)
    for group, size in sizes.items():
        if group in fold_of:
            filled[fold_of[group]] += size
    # most_common keeps the shuffled order among groups of one size.
    for group, size in sizes.most_common():
        if group not in fold_of:
            fold_of[group] = int(filled.argmin())
            filled[fold_of[group]] += size
    return int(np.count_nonzero(filled))
