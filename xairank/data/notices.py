"""What a user should know of data without fault: cut or empty masks, images that show the same."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from xairank.data.images import View
from xairank.data.splits import Groups
from xairank.names import count

SHOWN = 5
SQUARE = 1.25  # up to this ratio of its sides an image counts as nearly square
MANY = 0.1  # a larger share of cut defects is a reason to keep whole images, one of oblong images worth a notice


def data_notices(table: pd.DataFrame, facts: pd.DataFrame, groups: Groups, view: View) -> list[str]:
    """All notices about a data set.

    Args:
        table: The samples with ``split``.
        facts: A row a sample, see :class:`xairank.data.decoding.Facts`.
        groups: As of :func:`xairank.data.duplicates.group_near_duplicates`.
        view: How images and masks are resized.
    """
    notices = (
        threshold_notice(table, facts, view),
        view_notice(table, facts),
        shape_notice(facts),
        duplicates_notice(table, groups),
    )
    return [notice for notice in notices if notice]


def threshold_notice(table: pd.DataFrame, facts: pd.DataFrame, view: View) -> str | None:
    """Which masks have no pixel above the threshold; None where there is no such mask."""
    empty = empty_masks(table, facts)
    if not empty.any():
        return None
    return (
        f"{empty.sum():,} of {count(table['mask'].notna().sum(), 'mask')} "
        f"{'is' if empty.sum() == 1 else 'are'} empty at data.mask_threshold={view.mask_threshold} "
        f"({listed(table['sample'][empty])}): not ranked"
    )


def empty_masks(table: pd.DataFrame, facts: pd.DataFrame) -> pd.Series:
    """The samples (N,) whose mask file has no defect, which happens with a threshold only."""
    return table["mask"].notna() & (facts["mask_pixels"] == 0)


def view_notice(table: pd.DataFrame, facts: pd.DataFrame) -> str | None:
    """Which defects the crop cuts in part or off; None where the model sees them all.

    Where they are many, it recommends whole images.
    """
    defects = facts["mask_pixels"] > 0
    gone = defects & (facts["mask_pixels_seen"] == 0)
    cut = (facts["lost"] > 0) & ~gone
    if not (cut | gone).any():
        return None
    of_all = f"of {count(int(defects.sum()), 'defect')}"
    parts = []
    if cut.any():
        worst = facts.assign(sample=table["sample"])[cut].sort_values("lost", ascending=False, kind="stable")
        losses = (
            f"{sample} loses {min(lost, 0.99):.0%}" for sample, lost in zip(worst["sample"], worst["lost"], strict=True)
        )
        parts.append(f"the crop cuts {cut.sum():,} {of_all} ({listed(losses)})")
    if gone.any():
        parts.append(
            f"the crop leaves nothing of {gone.sum():,} {of_all} ({listed(table['sample'][gone])}): not ranked"
        )
    many = (cut | gone).sum() > MANY * defects.sum()
    advice = "set data.crop=none to keep whole images" if many else "data.crop=none keeps whole images"
    return f"{'; '.join(parts)}; {advice}"


def shape_notice(facts: pd.DataFrame) -> str | None:
    """How many images are distorted, as every one becomes a square; None where they are few."""
    sides = facts[["width", "height"]]
    oblong = sides.max(axis=1) / sides.min(axis=1) > SQUARE
    if oblong.mean() <= MANY:
        return None
    return (
        f"{oblong.sum():,} of {count(len(facts), 'image')} are far from square; every image is resized to a square, so "
        "their shapes are distorted"
    )


def duplicates_notice(table: pd.DataFrame, groups: Groups) -> str | None:
    """Which images are near-duplicates, and whether they are on both sides of the split; None if there are none.

    Args:
        table: The samples with ``split``.
        groups: As of :func:`xairank.data.duplicates.group_near_duplicates`.
    """
    members = [rows for rows in group_members(groups) if len(rows) > 1]
    if not members:
        return None
    divided = [rows for rows in members if len(set(table["split"].to_numpy()[rows])) > 1]
    if divided:
        return (
            f"column split: {count(len(divided), 'group')} of near-duplicate images on both sides "
            f"({listed(names(table, rows) for rows in divided)}); results on the test side are too good"
        )
    return (
        f"{sum(map(len, members))} near-duplicate images in {count(len(members), 'group')}, each on one side of the "
        f"split ({listed(names(table, rows) for rows in members)})"
    )


def group_members(groups: Groups) -> list[list[int]]:
    """The rows of each group, in the order of the first."""
    rows = pd.Series(np.arange(len(groups)))
    return [members.tolist() for _, members in rows.groupby(groups, sort=False)]


def names(table: pd.DataFrame, rows: list[int]) -> str:
    """The samples of a group in a few words."""
    return listed(table["sample"].to_numpy()[rows], shown=3, separator=" = ")


def listed(items: Iterable[str], shown: int = SHOWN, separator: str = ", ") -> str:
    """The first few, and how many more."""
    items = list(items)
    more = f"{separator}{len(items) - shown} more" if len(items) > shown else ""
    return separator.join(items[:shown]) + more
