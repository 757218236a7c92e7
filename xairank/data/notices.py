"""What a person should know of data without fault: defects that the view cuts, images that show the same."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from xairank.data.splits import Groups

SHOWN = 5


def view_notice(table: pd.DataFrame, facts: pd.DataFrame) -> str | None:
    """Which defects the model sees in part or not at all; None where it sees them all.

    Args:
        table: The samples.
        facts: A row a sample, see :class:`xairank.data.decoding.Facts`.
    """
    gone = (facts["mask_pixels"] > 0) & (facts["mask_pixels_seen"] == 0)
    cut = (facts["lost"] > 0) & ~gone
    told = []
    if cut.any():
        worst = facts.assign(sample=table["sample"])[cut].sort_values("lost", ascending=False)
        losses = (f"{sample} loses {lost:.0%}" for sample, lost in zip(worst["sample"], worst["lost"], strict=True))
        told.append(f"the crop cuts {counted(len(worst), 'defect')} ({listed(losses)})")
    if gone.any():
        lost = counted(int(gone.sum()), "defect")
        told.append(f"nothing is left of {lost} after crop and resizing ({listed(table['sample'][gone])}): not ranked")
    return f"{'; '.join(told)}; data.crop=none keeps whole images" if told else None


def duplicates_notice(table: pd.DataFrame, groups: Groups) -> str | None:
    """Which images are near-duplicates, and whether they are on both sides of the split; None if there are none.

    Args:
        table: The samples with ``split``.
        groups: As of :func:`xairank.data.duplicates.group_near_duplicates`.
    """
    members = [rows for rows in group_members(groups) if len(rows) > 1]
    if not members:
        return None
    torn = [rows for rows in members if len(set(table["split"].to_numpy()[rows])) > 1]
    if torn:
        return (
            f"column split: {counted(len(torn), 'group')} of near-duplicate images on both sides "
            f"({listed(names(table, rows) for rows in torn)}); results on the test side are too good"
        )
    return (
        f"{sum(map(len, members))} near-duplicate images in {counted(len(members), 'group')}, each on one side of the "
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


def counted(count: int, noun: str) -> str:
    """A number of things in words."""
    return f"{count} {noun}{'s' * (count != 1)}"
