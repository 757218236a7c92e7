import numpy as np
import pandas as pd

from xairank.data.notices import duplicates_notice, group_members, listed, view_notice


def table(*samples, **columns):
    return pd.DataFrame({"sample": list(samples), **columns})


def facts(**columns):
    return pd.DataFrame(columns)


def test_what_the_view_takes_away_is_told_worst_first_in_one_line():
    found = view_notice(
        table("good/0", "cut/0", "cut/1", "cut/2", "cut/3"),
        facts(mask_pixels=[0, 9, 9, 9, 9], lost=[0, 0.1, 0.25, 1, 0], mask_pixels_seen=[0, 8, 7, 0, 9]),
    )
    assert found == (
        "the crop cuts 2 defects (cut/1 loses 25%, cut/0 loses 10%); nothing is left of 1 defect after crop and "
        "resizing (cut/2): not ranked; data.crop=none keeps whole images"
    )


def test_where_all_is_seen_nothing_is_told():
    assert view_notice(table("a", "b"), facts(mask_pixels=[0, 9], lost=[0.0, 0.0], mask_pixels_seen=[0, 4])) is None


def test_near_duplicates_are_named_by_group():
    samples = table(*"abcdef", split=["train"] * 6)
    assert duplicates_notice(samples, np.array([0, 1, 0, 2, 1, 1])) == (
        "5 near-duplicate images in 2 groups, each on one side of the split (a = c, b = e = f)"
    )
    assert duplicates_notice(samples, np.arange(6)) is None


def test_near_duplicates_on_both_sides_of_a_given_split_are_named():
    samples = table(*"abcd", split=["train", "train", "test", "test"])
    assert duplicates_notice(samples, np.array([0, 0, 1, 0])) == (
        "column split: 1 group of near-duplicate images on both sides (a = b = d); results on the test side "
        "are too good"
    )


def test_members_are_in_the_order_of_the_first():
    assert group_members(np.array([3, 0, 3, 1])) == [[0, 2], [1], [3]]


def test_long_lists_are_cut():
    assert listed("abcdefg") == "a, b, c, d, e, 2 more"
    assert listed("abc", shown=3, separator=" = ") == "a = b = c"
