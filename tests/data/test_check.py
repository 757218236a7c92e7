import shutil

import numpy as np
import pytest
from PIL import Image

from xairank.data.check import main, parse_options
from xairank.errors import UserError


@pytest.fixture
def check(capsys, category):
    """A function that checks the tiny category: its exit status, output, and faults without their common start."""

    def run(*arguments, places=(f"root={category.parent}", "category=nuts")):
        status = 0
        try:
            main([*places, "image_size=48", "crop=none", *arguments])
        except SystemExit as exit_:
            status = exit_.code
        out, err = capsys.readouterr()
        return status, out, [line.removeprefix("xairank: error: ") for line in err.splitlines()]

    return run


def rows_of(out, first):
    """The cells of the printed table whose first column is called ``first``, by row."""
    tables = out.split("┏")
    (table,) = (part for part in tables if f"┃{first} " in part)
    rows = [line.strip("│").split("│") for line in table.splitlines() if line.startswith("│")]
    return {cells[0].strip(): [cell.strip() for cell in cells[1:]] for cells in rows}


def test_sound_data_is_summarised(check, category):
    Image.fromarray(np.full((80, 60, 3), 9, np.uint8)).save(category / "train/good/000.png")
    status, out, faults = check()
    assert (status, faults) == (0, [])
    assert rows_of(out, "Class") == {"crack": ["6", "4", "2"], "good": ["12", "9", "3"], "hole": ["6", "4", "2"]}
    masks = [np.asarray(Image.open(path)) > 0 for path in (category / "ground_truth/hole").iterdir()]
    areas = sorted(int(mask.sum()) for mask in masks)
    share = f"{np.median(areas) / 48**2:.2%}".rstrip("%")
    middle = f"{np.median(areas):,.0f}"
    assert rows_of(out, "Masks")["hole"] == [str(areas[0]), middle, str(areas[-1]), share, share]
    assert "Image sizes, in pixels: 23 of 48 x 48, 1 of 60 x 80." in out
    assert "Identical images: none.\nNear-duplicate images: none.\nNot ranked: 12 good, and" in out
    assert "No fault found." in out


def test_duplicates_on_both_sides_of_a_given_split_are_named(check, category, tmp_path):
    rows = [f"{path},,good,{'test' if path.stem > '008' else 'train'}" for path in (category / "train/good").iterdir()]
    for defect in ("crack", "hole"):
        for path in sorted((category / "test" / defect).iterdir()):
            mask = category / "ground_truth" / defect / f"{path.stem}_mask.png"
            rows.append(f"{path},{mask},{defect},{'test' if path.stem > '003' else 'train'}")
    copy = tmp_path / "copy.png"
    shutil.copy(category / "train/good/000.png", copy)
    table = tmp_path / "nuts.csv"
    table.write_text("\n".join([" image, mask,label ,split", *rows, f"{copy},,good,test"]))
    status, out, faults = check(places=(f"table={table}",))
    assert (status, faults) == (0, [])
    assert "Split: column split: 1 group of near-duplicate images on both sides" in out


def test_every_fault_is_listed_and_the_rest_is_summarised(check, category):
    (category / "test/crack/002.png").write_bytes(b"broken")
    (category / "test/crack/003.png").write_bytes(b"")
    (category / "test/hole/notes.txt").touch()
    (category / "ground_truth/hole/001_mask.png").unlink()
    Image.new("RGB", (48, 48)).save(category / "ground_truth/hole/002_mask.png")
    status, out, faults = check("n_folds=5")
    assert status == 2
    assert "No fault" not in out
    assert rows_of(out, "Class")["crack"][0] == "4"
    expected = [
        "test/hole/notes.txt: not an image",
        "test/hole/001.png: its mask",
        "test/crack/002.png: is not an image",
        "test/crack/003.png: is empty",
        "ground_truth/hole/002_mask.png: the mask's mode is RGB",
    ]
    assert [
        fault.removeprefix(f"{category}/")[: len(part)] for fault, part in zip(faults, expected, strict=False)
    ] == expected
    assert faults[5:] == ["data.n_folds=5 is more than the 4 images of class crack; lower data.n_folds or add images"]


def test_copies_are_distinguished_from_near_duplicates(check, category):
    original = category / "test/good/001.png"
    Image.open(original).save(category / "train/good/100.png", compress_level=0)
    Image.open(original).point(lambda value: value + 9).save(category / "train/good/101.png")
    shutil.copy(original, category / "test/hole/100.png")
    shutil.copy(category / "ground_truth/hole/001_mask.png", category / "ground_truth/hole/100_mask.png")
    status, out, _ = check()
    assert status == 0
    assert "Identical images: 3 in 1 group (good/001 = hole/100 = train/good/100)." in out
    assert "Near-duplicate images: 4 in 1 group (good/001 = hole/100 = train/good/100 = 1 more)." in out
    assert "Near-duplicate images of several classes: 4 in 1 group" in out


def test_what_would_be_excluded_is_named(check, category):
    mask = np.zeros((48, 48), np.uint8)
    mask[0] = 255
    Image.fromarray(mask).save(category / "ground_truth/hole/001_mask.png")
    _, out, _ = check("crop=center")
    assert "Cut masks: the crop leaves nothing of 1 of 12 defects" in out
    assert "Not ranked: 12 good, 1 without mask in view (hole/001), and what the model misclassifies." in out


def grey(category, *paths, share=0.9):
    """Gives masks a rim of another grey value; of a ``share`` of their brightness."""
    for path in paths:
        pixels = np.asarray(Image.open(path)).copy()
        pixels[pixels > 0] = int(255 * share)
        row, column = np.argwhere(pixels)[0]
        pixels[row, column] = 40
        Image.fromarray(pixels).save(path)


def test_grey_masks_are_summarised_and_listed_up_to_twenty(check, category, monkeypatch):
    monkeypatch.setattr("xairank.data.faults.SHOWN", 3)
    masks = sorted(category.glob("ground_truth/*/*.png"))
    grey(category, *masks[:6])
    grey(category, *masks[6:8], share=0.4)
    Image.new("L", (48, 48)).save(masks[8])
    status, out, faults = check("n_folds=3")
    assert status == 2
    assert (
        "Grey masks: 8 of 12 masks have several values above 0; mask_threshold=127 accepts them, and 3 masks would be "
        "empty then.\n"
    ) in out
    assert len(faults) == 3 + 1 + 1  # grey, how many more, black
    assert faults[3].startswith("and 5 more like it (set data.mask_threshold=127")
    status, out, faults = check("n_folds=3", "mask_threshold=127")
    assert (status, faults) == (0, [])
    assert "Empty masks: 3 of 12 masks are empty at data.mask_threshold=127 (hole/000, hole/001, hole/002)" in out
    assert "Grey masks" not in out
    assert "Not ranked: 12 good, 3 without mask in view (hole/000, hole/001, hole/002), and" in out


def test_real_masks_with_antialiased_rims(shared, capsys):
    place = shared / "data" / "magnetic_tile"
    main([f"images={place / 'images'}", f"masks={place / 'masks'}", "mask_threshold=127"])
    out = capsys.readouterr().out
    assert rows_of(out, "Class")["fray"][0] == "32"
    assert "Empty masks: 4 of 392 masks are empty at data.mask_threshold=127" in out
    assert "of 388 defects" in out
    assert "set data.crop=none to keep whole images" in out
    assert "No fault found." in out


def test_a_table_and_folders_are_checked_too(check, category, tmp_path):
    status, out, faults = check(
        "n_folds=3", places=[f"images={category / 'test'}", f"masks={category / 'ground_truth'}"]
    )
    assert (status, faults) == (0, [])
    assert {label: row[0] for label, row in rows_of(out, "Class").items()} == {"crack": "6", "good": "4", "hole": "6"}
    (tmp_path / "t.csv").write_text("image,mask,label\nx.png,,good\n")
    status, _, faults = check(places=[f"table={tmp_path / 't.csv'}"])
    assert status == 2
    assert [fault.partition(": ")[2].split()[0] for fault in faults] == ["image", "no"]


def test_data_that_is_not_there_is_one_line(check, tmp_path):
    status, out, faults = check(places=[f"table={tmp_path / 'no.csv'}"])
    assert (status, out) == (2, "")
    assert len(faults) == 1
    assert "no.csv: no such file" in faults[0]


def test_options_are_those_of_training_without_their_prefix():
    options = parse_options(["category=screws", "image_size=64"])
    assert (options["root"], options["category"], options["image_size"], options["crop"]) == (
        *("data/mvtec", "screws"),
        *(64, "center"),
    )
    assert parse_options(["mask_threshold=127"])["mask_threshold"] == 127
    options = parse_options(["category=7", "root=1"])
    assert (options["category"], options["root"]) == ("7", "1")
    options = parse_options(["table=my/screws.csv"])
    assert (options["root"], options["category"], options["table"]) == (None, "screws", "my/screws.csv")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["hazelnut"], "hazelnut: found no '='; expected key=value"),
        (["catgory=x"], r"catgory: no such key; did you mean category\?"),
        (["image_size=big"], "data.image_size=big is not allowed: expected a whole number"),
        (["mask_threshold=70000"], "data.mask_threshold=70000 is not allowed: expected a whole number from 0 to 65535"),
        (["crop="], "crop=: found no value"),
        (["image_size=["], r"data.image_size=\[ is not allowed"),
        (["crop=left"], "data.crop=left is not allowed: expected center or none"),
        (["images=a"], "data.masks: missing"),
        (["table=a.csv", "root=b"], "data.root=b and data.table=a.csv: more than one place"),
    ],
)
def test_a_wrong_argument_is_named(arguments, message):
    with pytest.raises(UserError, match=message):
        parse_options(arguments)


def test_help_names_the_arguments(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["image_size=48", "--help"])
    assert caught.value.code == 0
    assert "python -m xairank.data check table=" in capsys.readouterr().out


def test_a_real_category_has_no_fault(shared, capsys):
    main([f"root={shared / 'data' / 'mvtec'}", "category=transistor"])
    out = capsys.readouterr().out
    assert rows_of(out, "Class")["good"] == ["273", "218", "55"]
    assert "Near-duplicate images: none." in out
    assert "bent_lead/009 loses 39%" in out
