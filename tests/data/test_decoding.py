import numpy as np
import pytest
from PIL import Image

from xairank.data.decoding import decode
from xairank.data.faults import Faults
from xairank.data.images import View
from xairank.data.index import Source, index_samples


def decoded(category, size=48, crop="none", threads=2, threshold=None):
    faults = Faults()
    table = index_samples(Source(category.name, root=category.parent), faults)
    return table, decode(table, View(size, crop, threshold), threads, faults), faults.messages


def draw(category, box, size=(160, 80)):
    """Makes ``crack/000`` a larger image with the given defect (left, upper, right, lower)."""
    mask = Image.new("L", size)
    mask.paste(255, box)
    mask.save(category / "ground_truth/crack/000_mask.png")
    Image.effect_noise(size, 50).save(category / "test/crack/000.png")


def test_pixels_and_masks_are_those_of_the_files(category):
    table, found, faults = decoded(category)
    assert faults == []
    for row, sample in enumerate(table.itertuples()):
        assert np.array_equal(found.images[row], np.asarray(Image.open(sample.image)))
        expected = np.asarray(Image.open(sample.mask)) > 0 if sample.mask else np.zeros((48, 48), bool)
        assert np.array_equal(found.masks[row], expected)


def test_a_mask_is_resized_by_area(category):
    draw(category, (32, 16, 96, 48), size=(128, 128))
    _, found, _ = decoded(category, size=64)
    expected = np.zeros((64, 64), bool)
    expected[8:24, 16:48] = True
    assert np.array_equal(found.masks[0], expected)


def test_thumbnails_do_not_depend_on_the_view(category):
    _, first, _ = decoded(category)
    _, other, _ = decoded(category, size=32, crop="center")
    assert np.array_equal(first.thumbnails, other.thumbnails)
    assert first.thumbnails.std() > 0


@pytest.mark.parametrize(
    ("box", "crop", "pixels", "lost", "is_seen"),
    [
        ((80, 20, 90, 30), "center", 100, 0, True),
        ((0, 0, 160, 10), "center", 1600, 1 - 140 * 5 / 1600, True),  # 1/16 is cut off on each side
        ((0, 0, 5, 80), "center", 400, 1, False),
        ((0, 0, 5, 80), "none", 400, 0, True),
        ((80, 40, 81, 41), "none", 1, 0, True),  # a fifth of a pixel of the view
    ],
)
def test_facts_say_what_the_crop_takes_away(category, box, crop, pixels, lost, is_seen):
    draw(category, box)
    _, found, faults = decoded(category, size=32 if box[2] == 81 else 112, crop=crop)
    facts = found.facts.iloc[0]
    assert faults == []
    assert (facts["width"], facts["height"], facts["mask_pixels"]) == (160, 80, pixels)
    assert facts["lost"] == pytest.approx(lost)
    assert facts["mask_pixels_seen"] == found.masks[0].sum()
    assert (facts["mask_pixels_seen"] > 0) == is_seen


def test_a_mask_that_covers_all_that_is_seen_is_a_fault(category):
    draw(category, (5, 2, 155, 78))
    _, _, faults = decoded(category, size=112, crop="center")
    assert len(faults) == 1
    assert "crack/000_mask.png: the mask covers all that data.crop=center leaves of the image" in faults[0]


@pytest.mark.parametrize("threads", [0, 1, 4])
def test_every_fault_is_collected_in_order_and_the_rest_is_decoded(category, threads):
    (category / "test/crack/002.png").write_bytes(b"broken")
    (category / "ground_truth/hole/001_mask.png").write_bytes(b"")
    (category / "test/hole/004.png").write_bytes(b"")
    _, found, faults = decoded(category, threads=threads)
    assert [fault.split(":")[0].rpartition("nuts/")[2] for fault in faults] == [
        "test/crack/002.png",
        "ground_truth/hole/001_mask.png",
        "test/hole/004.png",
    ]
    assert found.facts["width"].isna().sum() == 3
    assert found.facts["width"].dropna().eq(48).all()


def test_a_mask_without_pixel_above_the_threshold_is_an_empty_one(category):
    draw(category, (5, 2, 60, 78))
    mask = category / "ground_truth/crack/000_mask.png"
    Image.open(mask).point(lambda value: value // 3).save(mask)
    _, found, faults = decoded(category, threshold=127)
    assert faults == []
    assert not found.masks[0].any()
    assert found.facts.iloc[0].tolist() == [160, 80, 0, 0, 0]
    assert found.masks[1].any()


def test_a_threshold_above_every_mask_is_a_fault(category):
    for path in category.glob("ground_truth/*/*.png"):
        Image.open(path).point(lambda value: value // 255).save(path)
    assert decoded(category, threshold=0)[2] == []
    assert decoded(category, threshold=127)[2] == [
        "data.mask_threshold=127: no mask has a pixel above it; lower it, or set it to null if the masks have only 0 "
        "and one other value"
    ]


def test_progress_passes_through_the_tracker(category):
    table = index_samples(Source(category.name, root=category.parent), Faults())
    seen = []

    def track(items, count):
        for item in items:
            seen.append(count)
            yield item

    decode(table, View(48, "none"), 2, Faults(), track)
    assert seen == [24] * 24
