import json
import signal
import threading
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from xairank.data.faults import Faults
from xairank.data.mvtec import index_category
from xairank.data.synthetic import SyntheticCategory, category, render_category, scan
from xairank.errors import UserError
from xairank.files import temporary_beside

DEFECTS = ("crack", "cut", "hole", "print")
FEW = SyntheticCategory(good=6, defects=dict.fromkeys(DEFECTS, 1), image_size=40)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "nuts"
    render_category(folder, FEW)
    return folder


@pytest.fixture
def sound(monkeypatch: pytest.MonkeyPatch):
    """Renders a sample as it would be without its defect."""

    def render(*arguments) -> np.ndarray:
        with monkeypatch.context() as patch:
            patch.setattr(scan, "DEFECTS", {})
            return scan.render(*arguments)[0]

    return render


# One sample


@pytest.mark.parametrize("label", scan.CLASSES)
def test_a_sample_is_determined_by_seed_class_index_and_size(label):
    first, mask = scan.render(3, label, 5, 64)
    again, same_mask = scan.render(3, label, 5, 64)
    assert np.array_equal(first, again)
    assert np.array_equal(mask, same_mask)
    another = "hole" if label == "cut" else "cut"
    for other in [(4, label, 5, 64), (3, label, 6, 64), (3, another, 5, 64)]:
        assert np.abs(scan.render(*other)[0].astype(int) - first).mean() > 1


@pytest.mark.parametrize("label", DEFECTS)
@pytest.mark.parametrize("size", [48, 100, 256])
def test_the_mask_is_what_the_defect_changed(sound, label, size):
    for index in range(4):
        image, mask = scan.render(0, label, index, size)
        difference = np.abs(image.astype(int) - sound(0, label, index, size)).max(-1)
        assert not (difference[~mask] > scan.VISIBLE + 1).any()
        assert (difference[mask] >= scan.VISIBLE - 1).mean() > 0.75
        assert not difference[~ndimage.binary_dilation(mask, iterations=4)].any()


@pytest.mark.parametrize("size", [32, 96])
def test_every_defect_survives_the_centre_crop(size):
    margin = size // 16
    for label in DEFECTS:
        for index in range(8):
            mask = scan.render(1, label, index, size)[1]
            cropped = mask[margin : size - margin, margin : size - margin]
            assert cropped.any()
            assert cropped.sum() == mask.sum()


def test_good_nuts_have_no_mask():
    assert not scan.render(0, "train/good", 0, 64)[1].any()


def test_a_nut_is_the_same_at_every_size():
    small, large = (Image.fromarray(scan.render(0, "crack", 1, size)[0]) for size in (64, 128))
    difference = np.asarray(small, float) - np.asarray(large.resize((64, 64), Image.Resampling.BOX), float)
    assert np.abs(difference).mean() < 2


@pytest.mark.parametrize("label", scan.CLASSES)
def test_the_distractor_is_in_every_class_and_never_on_the_defect(label):
    for index in range(4):
        plain, mask = scan.render(0, label, index, 96)
        marked, same_mask = scan.render(0, label, index, 96, "sticker")
        changed = (plain != marked).any(-1)
        assert np.array_equal(mask, same_mask)
        assert 0.001 < changed.mean() < 0.02
        assert not (changed & mask).any()
        assert changed[6:-6, 6:-6].sum() == changed.sum()


def test_the_distractor_finds_a_place_beside_a_large_defect():
    forbidden = np.ones((96, 96), bool)
    forbidden[:, :14] = False
    cover = scan.sticker(np.random.default_rng(0), forbidden)[1]
    assert not (cover[forbidden] > 0).any()


def test_colours_and_sizes_are_those_of_the_real_category(shared):
    paths = sorted((shared / "data/mvtec/hazelnut/test").glob("[ch]*/*.png"))
    real = [np.asarray(Image.open(path).convert("RGB").resize((128, 128), Image.Resampling.BOX)) for path in paths]
    rendered = [scan.render(0, path.parent.name, index, 128)[0] for index, path in enumerate(paths)]
    rows = []
    for images in (real, rendered):
        pixels = np.stack(images).astype(float)
        nut = (pixels[..., 0] - pixels[..., 2] > 8) | (pixels.mean(-1) > 60)
        rows.append([100 * nut.mean(), *pixels[nut].mean(0), *pixels[~nut].mean(0)])
    assert np.abs(np.subtract(*rows)).max() < 8  # percent of the frame; levels of 255


# A category


def test_layout(tmp_path):
    wanted = SyntheticCategory(good=22, defects={"crack": 2, "print": 3, "hole": 0}, image_size=33)
    render_category(tmp_path / "nuts", wanted)
    files = sorted(contents(tmp_path / "nuts"))
    assert Counter(str(Path(file).parent) for file in files) == {
        ".": 1,
        "train/good": 20,
        "test/good": 2,
        "test/crack": 2,
        "test/print": 3,
        "ground_truth/crack": 2,
        "ground_truth/print": 3,
    }
    assert {"synthetic.json", "train/good/019.png", "test/print/002.png", "ground_truth/print/002_mask.png"} <= {*files}
    for file in (file for file in files if file.endswith(".png")):
        image = Image.open(tmp_path / "nuts" / file)
        assert (image.format, image.size) == ("PNG", (33, 33))
        assert image.mode == ("L" if file.startswith("ground_truth") else "RGB")
        assert not file.startswith("ground_truth") or set(np.unique(image)) == {0, 255}
    assert Counter(index_category(tmp_path, "nuts", Faults())["label"]) == {"good": 22, "crack": 2, "print": 3}
    assert [path.name for path in tmp_path.iterdir()] == ["nuts"]


def test_default_counts_are_those_of_the_real_category():
    counts = Counter(label for label, _ in SyntheticCategory().samples())
    assert counts == {"train/good": 391, "test/good": 40, "crack": 18, "cut": 17, "hole": 18, "print": 17}


def test_files_do_not_depend_on_workers(few, tmp_path, monkeypatch):
    monkeypatch.setattr(category, "MANY", 1)
    render_category(tmp_path / "nuts", FEW, workers=2)
    assert contents(tmp_path / "nuts") == contents(few)


def test_files_do_not_depend_on_counts(few, tmp_path):
    render_category(tmp_path / "more", SyntheticCategory(good=12, defects={"crack": 3, "cut": 1}, image_size=40))
    fewer, more = contents(few), contents(tmp_path / "more")
    common = {name for name in fewer.keys() & more.keys() if name.endswith(".png")}
    assert len(common) == 10  # 5 + 1 good; crack and cut with their masks
    assert all(fewer[name] == more[name] for name in common)


def test_the_same_category_is_not_rendered_again(few, monkeypatch):
    monkeypatch.setattr(category, "render", None)
    render_category(few, FEW)


# What goes wrong


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"seed": 7}, "seed=0, not 7"),
        ({"good": 7}, "good=6, not 7"),
        ({"image_size": 41}, "image_size=40, not 41"),
        ({"distractor": "sticker"}, "distractor=none, not sticker"),
        ({"defects": {"crack": 1, "cut": 2, "hole": 1, "print": 1}}, "defects.cut=1, not 2"),
        ({"defects": {"crack": 1, "cut": 1, "hole": 1}}, "defects.print=1, not None"),
    ],
)
def test_another_category_in_the_folder_is_named(few, change, found):
    before = contents(few)
    values = {"good": FEW.good, "defects": FEW.defects, "image_size": FEW.image_size}
    with pytest.raises(UserError) as error:
        render_category(few, SyntheticCategory(**{**values, **change}))
    for part in (str(few), found, "delete it", "data.root", "data.category"):
        assert part in str(error.value)
    assert contents(few) == before


def test_another_version_of_the_renderer_is_named(few, monkeypatch):
    monkeypatch.setattr(category, "RENDERER", category.RENDERER + 1)
    with pytest.raises(UserError, match="renderer="):
        render_category(few, FEW)


@pytest.mark.parametrize("present", ["empty folder", "photographs", "file", "dangling link"])
def test_what_was_not_rendered_is_never_overwritten(tmp_path, present):
    folder = tmp_path / "nuts"
    if present == "file":
        folder.write_text("mine")
    elif present == "dangling link":
        folder.symlink_to(tmp_path / "elsewhere")
    else:
        folder.mkdir()
    if present == "photographs":
        (folder / "000.png").write_bytes(b"mine")
    with pytest.raises(UserError, match=r"nuts exists and was not rendered.*delete it or choose another data\.root"):
        render_category(folder, FEW)
    assert [path.name for path in tmp_path.iterdir()] == ["nuts"]
    assert present != "photographs" or contents(folder) == {"000.png": b"mine"}


@pytest.mark.parametrize("text", ["{", "[1]", '"nuts"', ""])
def test_a_broken_specification_is_named(tmp_path, text):
    (tmp_path / "nuts").mkdir()
    (tmp_path / "nuts" / "synthetic.json").write_text(text)
    with pytest.raises(UserError, match=r"synthetic\.json (is unreadable|holds no specification)"):
        render_category(tmp_path / "nuts", FEW)


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt, OSError])
def test_nothing_is_left_after_a_failure(tmp_path, monkeypatch, failure):
    def render(seed, label, *rest):
        if label == "hole":
            raise failure("no space")
        return scan.render(seed, label, *rest)

    monkeypatch.setattr(category, "render", render)
    with pytest.raises(UserError if failure is OSError else failure):
        render_category(tmp_path / "nuts", FEW)
    assert list(tmp_path.iterdir()) == []


def test_remains_of_a_killed_process_are_replaced(tmp_path):
    remains = temporary_beside(tmp_path / "nuts")
    remains.mkdir()
    (remains / "999.png").write_bytes(b"half")
    render_category(tmp_path / "nuts", FEW)
    assert [path.name for path in tmp_path.iterdir()] == ["nuts"]
    assert "999.png" not in contents(tmp_path / "nuts")


def test_a_parent_that_is_a_file_is_named(tmp_path):
    (tmp_path / "data").write_text("")
    with pytest.raises(UserError, match=r"data/nuts cannot be written: Not a directory.*data\.root"):
        render_category(tmp_path / "data" / "nuts", FEW)


@pytest.mark.parametrize("same", [True, False])
def test_another_process_may_be_faster(tmp_path, monkeypatch, same):
    def render(*arguments):
        monkeypatch.undo()
        render_category(tmp_path / "other", FEW if same else SyntheticCategory(good=1, defects={}, image_size=40))
        (tmp_path / "other").rename(tmp_path / "nuts")
        return scan.render(*arguments)

    monkeypatch.setattr(category, "render", render)
    if same:
        render_category(tmp_path / "nuts", FEW)
    else:
        with pytest.raises(UserError, match="good=1, not 6"):
            render_category(tmp_path / "nuts", FEW)
    assert [path.name for path in tmp_path.iterdir()] == ["nuts"]
    assert json.loads((tmp_path / "nuts" / "synthetic.json").read_text())["good"] == (6 if same else 1)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"image_size": 31}, "data.synthetic.image_size=31 must be an integer from 32 to 1024"),
        ({"image_size": 1025}, "data.synthetic.image_size=1025 must"),
        ({"image_size": 64.0}, "data.synthetic.image_size=64.0 must"),
        ({"good": -1}, "data.synthetic.good=-1 must be an integer from 0"),
        ({"good": True}, "data.synthetic.good=True must"),
        ({"seed": -1}, "data.synthetic.seed=-1 must"),
        ({"seed": None}, "data.synthetic.seed=None must"),
        ({"defects": {"crack": "many"}}, "data.synthetic.defects.crack=many must"),
        ({"defects": {"dent": 3}}, "data.synthetic.defects.dent is unknown: choose from crack, cut, hole, print"),
        ({"defects": None}, "data.synthetic.defects=None must"),
        ({"distractor": "moustache"}, "data.synthetic.distractor=moustache must be one of none, sticker"),
        ({"good": 0, "defects": {"cut": 0}}, "add up to no image"),
    ],
)
def test_impossible_values_are_named(values, message):
    with pytest.raises(UserError) as error:
        SyntheticCategory(**values)
    assert message in str(error.value)


def test_a_rendering_process_ends_with_a_parent_that_was_killed(monkeypatch):
    ended, known = threading.Event(), []
    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(category, "parent_process", lambda: SimpleNamespace(join=lambda: known.append("gone")))
    monkeypatch.setattr(category.os, "_exit", lambda status: known.append(status) or ended.set())
    try:
        category.follow_parent()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN  # Ctrl-C is the parent's
    finally:
        signal.signal(signal.SIGINT, before)
    assert ended.wait(20)
    assert known == ["gone", 1]
