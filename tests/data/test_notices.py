import numpy as np
import pandas as pd
import pytest

from xairank.data.images import View
from xairank.data.notices import duplicates_notice, group_members, listed, shape_notice, threshold_notice, view_notice


def table(*samples, **columns):
    return pd.DataFrame({"sample": list(samples), **columns})


def facts(**columns):
    return pd.DataFrame(columns)


VIEW = View(224, "center", 127)


def test_what_the_crop_cuts_is_listed_worst_first_in_one_line():
    found = view_notice(
        table("good/0", "cut/0", "cut/1", "cut/2", "cut/3"),
        facts(
            mask_pixels=[0, 9, 9, 9, 9],
            lost=[0, 0.1, 0.999, 1, 0],
            mask_pixels_seen=[0, 8, 7, 0, 9],
            width=[100] * 5,
            height=[80] * 5,
        ),
    )
    assert found == (
        "the crop cuts 2 of 4 defects (cut/1 loses 99%, cut/0 loses 10%); the crop leaves nothing of 1 of 4 defects "
        "(cut/2): not ranked; set data.crop=none to keep whole images"
    )


def cut_facts(cut, count, width=100):
    return facts(
        mask_pixels=[9] * count,
        lost=[0.5] * cut + [0.0] * (count - cut),
        mask_pixels_seen=[5] * cut + [9] * (count - cut),
        width=[width] * count,
        height=[100] * count,
    )


@pytest.mark.parametrize(
    ("cut", "advice"), [(2, "data.crop=none keeps whole images"), (3, "set data.crop=none to keep whole images")]
)
def test_whole_images_are_recommended_where_over_a_tenth_of_the_defects_are_cut(cut, advice):
    found = view_notice(table(*"abcdefghijklmnopqrst"), cut_facts(cut, 20))
    assert found.startswith(f"the crop cuts {cut} of 20 defects (")
    assert found.endswith(f"; {advice}")


@pytest.mark.parametrize(("width", "said"), [(80, False), (79, True), (125, False), (126, True)])
@pytest.mark.parametrize("cut", [0, 1])
def test_images_far_from_square_are_mentioned_whether_or_not_the_crop_cuts(width, said, cut):
    found = shape_notice(cut_facts(cut, 20, width))
    expected = "20 of 20 images are far from square; every image is resized to a square, so their shapes are distorted"
    assert found == (expected if said else None)


def test_a_few_images_far_from_square_are_not_mentioned():
    samples = cut_facts(1, 20)
    samples.loc[:1, "width"] = 300
    assert shape_notice(samples) is None


def test_where_all_is_seen_nothing_is_said():
    seen = facts(mask_pixels=[0, 9], lost=[0.0, 0.0], mask_pixels_seen=[0, 4], width=[10, 30], height=[10, 10])
    assert view_notice(table("a", "b"), seen) is None


def test_masks_that_are_empty_at_the_threshold_are_named():
    samples = table("cut/0", "cut/1", "cut/2", "good/0", mask=["a", "b", "c", None])
    found = threshold_notice(samples, facts(mask_pixels=[0, 4, 0, 0]), VIEW)
    assert found == "2 of 3 masks are empty at data.mask_threshold=127 (cut/0, cut/2): not ranked"
    assert threshold_notice(samples, facts(mask_pixels=[1, 4, 1, 0]), VIEW) is None
    one = threshold_notice(samples, facts(mask_pixels=[1, 4, 0, 0]), VIEW)
    assert one == "1 of 3 masks is empty at data.mask_threshold=127 (cut/2): not ranked"


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
