import numpy as np
import pytest
import torch
from PIL import Image

from xairank.data.datamodule import DefectDataModule, Selections
from xairank.data.faults import Faults
from xairank.data.index import Source, index_samples
from xairank.errors import UserError


def module(category, **changes):
    options = {
        "source": Source(category.name, root=category.parent),
        "image_size": 48,
        "crop": "none",
        "mask_threshold": None,
        "batch_size": 4,
        "num_workers": 2,
        "split_seed": 0,
        "fold": 0,
        "n_folds": 3,
        "augment_evaluation": False,
        "seed": 7,
    }
    data = DefectDataModule(**{**options, **changes})
    data.setup()
    return data


def test_batches_hold_the_files_pixels_in_0_to_1_channels_last(category):
    data = module(category)
    batch = next(iter(data.evaluation_dataloader("test")))
    assert batch.images.dtype == torch.float32
    assert batch.images.is_contiguous(memory_format=torch.channels_last)
    for image, mask, label, row in zip(*batch, strict=True):
        sample = data.table.iloc[int(row)]
        pixels = np.asarray(Image.open(sample["image"]))
        assert np.array_equal((image * 255).round().permute(1, 2, 0).numpy(), pixels)
        assert data.classes[label] == sample["label"]
        if sample["mask"] is None:
            assert not mask.any()
        else:
            assert np.array_equal(mask.numpy(), np.asarray(Image.open(sample["mask"])) > 0)


def test_both_splits_together_are_all_samples(category):
    data = module(category)
    rows = [batch.rows for split in ("train", "test") for batch in data.evaluation_dataloader(split)]
    assert sorted(torch.cat(rows).tolist()) == list(range(24))


def test_flips_move_image_and_mask_together_and_happen_in_training_only(category):
    data = module(category)
    originals = {
        int(row): (image, mask)
        for b in data.evaluation_dataloader("train")
        for image, mask, _, row in zip(*b, strict=True)
    }
    seen = set()
    loader = data.train_dataloader()
    for epoch in range(4):
        loader.sampler.set_epoch(epoch)
        for batch in loader:
            for image, mask, _, row in zip(*batch, strict=True):
                flips = [
                    axes for axes in ((), (1,), (2,), (1, 2)) if torch.equal(originals[int(row)][0].flip(axes), image)
                ]
                assert len(flips) == 1
                assert torch.equal(originals[int(row)][1].flip([axis - 1 for axis in flips[0]]), mask)
                seen.add(flips[0])
    assert seen == {(), (1,), (2,), (1, 2)}
    again = {int(row): image for b in data.evaluation_dataloader("train") for image, _, _, row in zip(*b, strict=True)}
    assert all(torch.equal(again[row], image) for row, (image, _) in originals.items())


def test_evaluation_is_flipped_where_the_released_code_is_reproduced(category):
    plain, flipped = module(category), module(category, augment_evaluation=True)
    images = [torch.cat([batch.images for batch in data.evaluation_dataloader("test")]) for data in (plain, flipped)]
    assert not torch.equal(*images)


def test_class_counts_are_those_of_the_training_split(category):
    data = module(category)
    assert dict(zip(data.classes, data.class_counts().tolist(), strict=True)) == {"crack": 4, "good": 8, "hole": 4}


def epoch_of(seed, epoch, count=10, batch_size=4):
    selections = Selections(torch.arange(count), batch_size, seed, shuffle=True, flip=True)
    selections.set_epoch(epoch)
    return [torch.cat(parts).tolist() for parts in zip(*selections, strict=True)]


def test_an_epoch_depends_on_seed_and_epoch_alone():
    first = epoch_of(seed=1, epoch=3)
    torch.manual_seed(99)
    np.random.seed(99)
    torch.rand(1000)
    epoch_of(seed=1, epoch=2)
    assert epoch_of(seed=1, epoch=3) == first
    assert epoch_of(seed=1, epoch=4) != first
    assert epoch_of(seed=2, epoch=3) != first


def test_each_epoch_has_each_image_once_save_a_last_batch_of_one():
    assert sorted(epoch_of(0, 0)[0]) == list(range(10))
    rows = [epoch_of(0, epoch, count=9)[0] for epoch in range(6)]
    assert all(len(set(epoch)) == len(epoch) == 8 for epoch in rows)
    assert len({frozenset(epoch) for epoch in rows}) > 1  # another image is left out each time


@pytest.mark.parametrize(
    ("count", "shuffle", "batches"), [(8, True, 2), (9, True, 2), (9, False, 3), (10, True, 3), (1, True, 1)]
)
def test_length_is_the_number_of_batches(count, shuffle, batches):
    selections = Selections(torch.arange(count), 4, 0, shuffle=shuffle, flip=False)
    assert len(selections) == len(list(selections)) == batches


@pytest.mark.parametrize("num_workers", [0, 1, 4])
def test_an_unreadable_image_is_named_whatever_the_number_of_threads(category, num_workers):
    (category / "test" / "crack" / "002.png").write_bytes(b"broken")
    with pytest.raises(UserError, match=r"crack/002.png: is not an image"):
        module(category, num_workers=num_workers)


def test_the_first_fault_stops_with_the_number_of_the_others(category):
    (category / "test" / "crack" / "002.png").write_bytes(b"broken")
    (category / "test" / "hole" / "001.png").write_bytes(b"")
    with pytest.raises(
        UserError, match=r"crack/002.png: is not an image .* \(and 1 more fault; python .* category=nuts"
    ):
        module(category)


def test_files_are_decoded_only_where_the_folders_are_right(category):
    (category / "test" / "crack" / "002.png").write_bytes(b"broken")
    (category / "ground_truth" / "hole" / "001_mask.png").unlink()
    with pytest.raises(UserError, match=r"hole/001.png: its mask .* is missing") as caught:
        module(category)
    assert "more fault" not in str(caught.value)


def test_near_duplicates_are_on_one_side_and_named(category):
    for name in ("100", "101"):  # brighter copies of a good image; a larger one of a defect, under another label
        copy = Image.open(category / "test/good/001.png").point(lambda value: value + 10)
        copy.save(category / f"train/good/{name}.png")
    Image.open(category / "test/hole/001.png").resize((96, 96), 0).save(category / "test/crack/100.png")
    Image.open(category / "ground_truth/hole/001_mask.png").resize((96, 96), 0).save(
        category / "ground_truth/crack/100_mask.png"
    )
    for fold in range(3):
        sides = module(category, fold=fold).table.set_index("sample")["split"]
        assert len(set(sides[["good/001", "train/good/100", "train/good/101"]])) == 1
        assert len(set(sides[["hole/001", "crack/100"]])) == 1
    notice = "5 near-duplicate images in 2 groups, each on one side of the split (crack/100 = hole/001, good/001"
    (found,) = module(category).notices
    assert found.startswith(notice)


def cases_of(data):
    return dict(zip(data.table["sample"], data.table["case"], strict=True))


@pytest.mark.parametrize("given_split", [False, True])
def test_near_duplicates_are_one_case_named_by_the_first_sample(category, given_split):
    for name in ("100", "101"):
        Image.open(category / "test/good/001.png").save(category / f"train/good/{name}.png", compress_level=0)
    source = Source(category.name, root=category.parent)
    table = index_samples(source, Faults())
    if given_split:
        table["split"] = ["test" if row % 2 else "train" for row in range(len(table))]
        table.to_csv(category / "nuts.csv", index=False)
        source = Source("nuts", table=category / "nuts.csv")
    data = module(category, source=source)
    assert data.table.columns.tolist() == ["sample", "case", "label", "split", "image", "mask"]
    files = dict(zip(data.table["sample"], data.table["image"], strict=True))
    copies = [
        sample
        for sample, image in files.items()
        if image.parts[-2:] in {("good", "100.png"), ("good", "101.png")}
        or image.parts[-3:] == ("test", "good", "001.png")
    ]
    assert len(copies) == 3
    expected = {sample: copies[0] if sample in copies else sample for sample in files}
    assert cases_of(data) == expected


def test_cases_are_part_of_the_fingerprint(category):
    first = module(category)
    before = first.fingerprint()
    first.table = first.table.assign(case="one")
    assert first.fingerprint() != before


def test_defects_outside_of_the_crop_are_noticed_once(category):
    for name in ("001", "002"):
        mask = np.zeros((48, 48), np.uint8)
        mask[:2] = 255
        Image.fromarray(mask).save(category / f"ground_truth/hole/{name}_mask.png")
    data = module(category, crop="center")
    data.setup()
    (found,) = data.notices
    assert "the crop leaves nothing of 2 of 12 defects (hole/001, hole/002): not ranked" in found


def test_masks_empty_at_the_threshold_are_noticed_and_have_no_pixel(category):
    path = category / "ground_truth/hole/001_mask.png"
    Image.open(path).point(lambda value: value // 3).save(path)
    data = module(category, mask_threshold=127)
    assert data.notices == ["1 of 12 masks is empty at data.mask_threshold=127 (hole/001): not ranked"]
    row = data.table.index[data.table["sample"] == "hole/001"][0]
    assert not data.samples.masks[row].any()
    assert data.classes[data.samples.labels[row]] == "hole"
    assert module(category).notices == []  # of two values, whatever they are


def test_ordinary_data_is_not_commented_on_and_nothing_is_printed(category, capsys):
    assert module(category).notices == []
    (category / "test/good/001.png").rename(category / "test/good/200.png")
    Image.open(category / "test/good/200.png").save(category / "test/good/201.png")
    assert module(category).notices != []
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


def test_a_given_split_decides(category):
    table = index_samples(Source(category.name, root=category.parent), Faults())
    table["split"] = ["test" if row % 2 else "train" for row in range(len(table))]
    table.to_csv(category / "nuts.csv", index=False)
    data = module(category, source=Source("nuts", table=category / "nuts.csv"))
    expected = dict(zip(table["image"].map(str), table["split"], strict=True))
    assert dict(zip(data.table["image"].map(str), data.table["split"], strict=True)) == expected
    with pytest.raises(UserError, match=r"data.fold=1: the data has a column split"):
        module(category, source=Source("nuts", table=category / "nuts.csv"), fold=1)
