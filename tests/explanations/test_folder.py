import json

import numpy as np
import pytest
from PIL import Image

from xairank.errors import UserError
from xairank.explanations.folder import Seen, check_place, writing

SIDE = 16
IMAGE = np.full((SIDE, SIDE, 3), 50, np.uint8)


def write(place, key="a/000.v2", attribution=None, explained=None):
    attribution = np.arange(SIDE * SIDE, dtype=np.float32).reshape(SIDE, SIDE) if attribution is None else attribution
    with writing(place) as folder:
        folder.write_seen(key, Seen(IMAGE, None))
        record = folder.write_map("gradcam", key, attribution)
        folder.write_overlay("gradcam", key, 100.0)
        folder.finish([(key, "crack", 0.1 + 0.2)], {"explained": explained or {"images": "a"}, "images": [record]})
    return record


def names(place):
    return {path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()}


def test_a_key_keeps_its_dots_and_its_folders(tmp_path):
    place = tmp_path / "new" / "why"
    write(place)
    assert names(place) == {
        "manifest.json",
        "predictions.csv",
        "maps/gradcam/a/000.v2.png",
        "npz/gradcam/a/000.v2.npz",
        "overlays/gradcam/a/000.v2.png",
    }
    assert (
        place / "predictions.csv"
    ).read_text() == "image,predicted,probability\na/000.v2,crack,0.30000000000000004\n"
    assert [path.name for path in place.parent.iterdir()] == ["why"]


def test_negative_values_are_zero_in_16_bits_and_themselves_in_the_array(tmp_path):
    attribution = np.linspace(-3, 2, SIDE * SIDE, dtype=np.float32).reshape(SIDE, SIDE)
    record = write(tmp_path / "why", attribution=attribution)
    assert record["maximum"] == 2
    levels = np.asarray(Image.open(tmp_path / "why" / record["map"]))
    np.testing.assert_array_equal(levels, np.round(np.clip(attribution.astype(float) / 2, 0, 1) * 65535))
    np.testing.assert_array_equal(np.load(tmp_path / "why" / record["npz"])["attribution"], attribution)


def test_a_map_of_zeros_is_black(tmp_path):
    record = write(tmp_path / "why", attribution=np.zeros((SIDE, SIDE), np.float32))
    assert record["maximum"] == 0
    assert not np.asarray(Image.open(tmp_path / "why" / record["map"])).any()


@pytest.mark.parametrize("error", [KeyboardInterrupt, UserError])
def test_what_fails_leaves_what_was_there(tmp_path, error):
    place = tmp_path / "why"
    write(place)
    before = {name: (place / name).read_bytes() for name in names(place)}

    def fail():
        with writing(place) as folder:
            folder.write_map("saliency", "b", np.ones((SIDE, SIDE), np.float32))
            raise error

    with pytest.raises(error):
        fail()
    assert {name: (place / name).read_bytes() for name in names(place)} == before
    assert [path.name for path in tmp_path.iterdir()] == ["why"]


def test_the_leftovers_of_a_killed_call_are_removed(tmp_path, monkeypatch):
    from xairank import files

    killed = files.temporary_beside(tmp_path / "why").with_name(f".why.{files._MACHINE}-999999999.part")
    killed.mkdir()
    write(tmp_path / "why")
    assert [path.name for path in tmp_path.iterdir()] == ["why"]


def test_a_folder_is_free_if_it_is_new_empty_or_of_the_same(tmp_path):
    check_place(tmp_path / "new", {"images": "a"}, overwrite=False)
    check_place(tmp_path, {"images": "a"}, overwrite=False)
    write(tmp_path / "why", explained={"images": "a", "seed": 1})
    check_place(tmp_path / "why", {"images": "a", "seed": 1}, overwrite=False)
    check_place(tmp_path / "why", {"images": "b"}, overwrite=True)
    with pytest.raises(UserError, match=r"something else \(images, seed differ\)"):
        check_place(tmp_path / "why", {"images": "b"}, overwrite=False)


@pytest.mark.parametrize("content", [None, "", "[]", "{}", json.dumps({"images": []}), "\xff"])
def test_a_folder_of_the_users_is_never_touched(tmp_path, content):
    (tmp_path / "thesis.txt").write_text("mine")
    if content is not None:
        (tmp_path / "manifest.json").write_text(content, encoding="latin-1")
    with pytest.raises(UserError, match="is not empty, and holds no explanations"):
        check_place(tmp_path, {"images": "a"}, overwrite=True)
