"""Explaining as a user does it: a network and images -> overlays, maps, predictions and a manifest."""

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from tests.conftest import CLASSES
from tests.explaining import (
    METHODS,
    NETWORK,
    SIZE,
    TEST,
    call,
    done,
    files_in,
    input_of,
    manifest_of,
    map_of,
    network_of,
    write_place,
)
from xairank.evaluation import topk_overlap


@pytest.fixture(scope="module")
def explained(tmp_path_factory):
    """A folder with the explanations of a category's test images, their manifest, and what was printed."""
    folder = write_place(tmp_path_factory.mktemp("explained"))
    return folder, *done(folder, *TEST)


@pytest.fixture
def place(tmp_path):
    return write_place(tmp_path)


SALIENCY_ALONE = ["~attribution.methods.gradcam", "~attribution.methods.integrated_gradients"]
KEYS = sorted([f"{label}/00{number}" for label in CLASSES for number in range(3)] + ["good/000", "good/001"])


def test_every_image_has_its_files_and_nothing_else_is_left(explained):
    folder, manifest, out = explained
    expected = {"manifest.json", "predictions.csv"}
    for kind, suffix in (("maps", "png"), ("npz", "npz"), ("overlays", "png")):
        expected |= {f"{kind}/{method}/{key}.{suffix}" for method in METHODS for key in KEYS}
    assert files_in(folder / "explanations") == expected
    assert {path.name for path in folder.iterdir()} == {"data", "weights.pth", "classes.txt", "explanations"}
    assert [row["image"] for row in manifest["images"]] == KEYS
    assert {name for row in manifest["images"] for name in row["methods"]} == set(METHODS)
    assert "good/001" in out
    assert "Grad-CAM" in out
    assert "Explanations: explanations" in out


def test_predictions_are_those_of_the_network(explained):
    folder, manifest, _ = explained
    network, classes = network_of(folder), (folder / "classes.txt").read_text().split()
    table = pd.read_csv(folder / "explanations" / "predictions.csv")
    assert table.columns.tolist() == ["image", "predicted", "probability"]
    for row, line in zip(manifest["images"], table.to_dict("records"), strict=True):
        pixels, normalize = input_of(folder / row["file"])
        with torch.no_grad():
            expected = network(normalize(pixels)[None])[0].double().softmax(dim=0)
        assert list(row["probabilities"]) == classes == manifest["classes"]
        np.testing.assert_allclose(list(row["probabilities"].values()), expected, atol=1e-5)
        assert row["predicted"] == row["explained"] == classes[int(expected.argmax())] == line["predicted"]
        assert row["probability"] == max(row["probabilities"].values()) == pytest.approx(line["probability"])
        assert row["seconds"] > 0


def test_misclassified_and_good_images_are_explained_too(explained):
    _, manifest, _ = explained
    assert any(row["image"].partition("/")[0] != row["predicted"] for row in manifest["images"])
    good = [row for row in manifest["images"] if row["image"].startswith("good/")]
    assert len(good) == 2
    for row in good:
        assert row["mask"] is row["k"] is row["topk_overlap_chance"] is None
        assert {record["topk_overlap"] for record in row["methods"].values()} == {None}


def test_a_saliency_map_is_the_gradient_of_the_predicted_logit(explained):
    folder, manifest, _ = explained
    network = network_of(folder)
    for row in manifest["images"][::3]:
        pixels, normalize = input_of(folder / row["file"])
        pixels = pixels[None].requires_grad_()
        network(normalize(pixels)).max().backward()
        expected = pixels.grad[0].abs().amax(dim=0)
        found = map_of(folder, row["methods"]["saliency"])
        np.testing.assert_allclose(found, expected, atol=1e-4 * float(expected.max()))


def test_overlaps_are_those_of_the_maps_and_masks_in_files(explained):
    folder, manifest, _ = explained
    checked = 0
    for row in manifest["images"]:
        if row["mask"] is None:
            continue
        mask = np.asarray(Image.open(folder / row["mask"])) > 0  # the view is the whole image, in its own size
        assert row["k"] == mask.sum()
        assert row["topk_overlap_chance"] == pytest.approx(mask.mean())
        for record in row["methods"].values():
            attribution = torch.from_numpy(map_of(folder, record))[None].double()
            assert record["topk_overlap"] == float(topk_overlap(attribution, torch.from_numpy(mask)[None]))
            checked += 1
    assert checked == 6 * 3


def test_a_map_of_16_bits_is_the_map_over_its_maximum(explained):
    folder, manifest, _ = explained
    for row in manifest["images"]:
        for record in row["methods"].values():
            exact = map_of(folder, record)
            with Image.open(folder / "explanations" / record["map"]) as image:
                levels = np.asarray(image)
            assert levels.dtype == np.uint16
            assert exact.dtype == np.float32
            assert record["maximum"] == exact.max()
            np.testing.assert_allclose(levels / 65535 * record["maximum"], exact, atol=exact.max() / 65535)


def test_a_common_scale_shows_the_strongest_image_as_its_own_scale_does(explained, tmp_path):
    folder, manifest, _ = explained
    place = write_place(tmp_path)
    own, _ = done(place, *TEST, "scale=image")
    for method in METHODS:
        common = {row["image"]: row["methods"][method]["brightest"] for row in manifest["images"]}
        single = {row["image"]: row["methods"][method]["brightest"] for row in own["images"]}
        assert set(common.values()) == {max(single.values())} == {manifest["methods"][method]["brightest"]}
        assert own["methods"][method]["brightest"] is None
        for row in own["images"]:
            name = row["methods"][method]["overlay"]
            same = (folder / "explanations" / name).read_bytes() == (place / "explanations" / name).read_bytes()
            assert same == (single[row["image"]] == max(single.values())), (method, row["image"])
            attribution = map_of(place, row["methods"][method])
            assert single[row["image"]] == pytest.approx(np.quantile(attribution, 0.995))


def test_a_class_that_was_not_predicted_can_be_explained(place):
    manifest, out = done(place, "images=data/nuts/test/hole/000.png", "target=hole", "scale=image")
    (row,) = manifest["images"]
    assert row["image"] == "000"
    assert row["explained"] == "hole" != row["predicted"]
    assert "Explained, whatever was predicted: hole" in out
    network, number = network_of(place), manifest["classes"].index("hole")
    pixels, normalize = input_of(place / "data/nuts/test/hole/000.png")
    pixels = pixels[None].requires_grad_()
    network(normalize(pixels))[0, number].backward()
    expected = pixels.grad[0].abs().amax(dim=0)
    found = map_of(place, row["methods"]["saliency"])
    np.testing.assert_allclose(found, expected, atol=1e-4 * float(expected.max()))


def test_the_batch_size_changes_no_map(explained, tmp_path):
    folder, manifest, _ = explained
    place = write_place(tmp_path)
    single, _ = done(place, *TEST, "batch_size=3")
    for row, other in zip(manifest["images"], single["images"], strict=True):
        for method in METHODS:
            exact = map_of(folder, row["methods"][method])
            np.testing.assert_allclose(map_of(place, other["methods"][method]), exact, atol=1e-4 * exact.max())


@pytest.mark.parametrize(
    ("images", "keys"),
    [
        ("data/nuts/test/crack/001.png", ["001"]),
        ("'data/nuts/test/*/000.png'", ["crack/000", "good/000", "hole/000"]),
        ("[data/nuts/test/crack/000.png,data/nuts/test/good]", ["crack/000", "good/000", "good/001"]),
    ],
)
def test_files_globs_and_lists(place, images, keys):
    manifest, out = done(place, f"images={images}")
    assert [row["image"] for row in manifest["images"]] == keys
    assert "Top-K Overlap" not in out  # no masks


def test_the_table_shows_twenty_images_and_says_how_many_more(place):
    for number in range(23):
        Image.fromarray(np.full((8, 8), number, np.uint8)).save(place / f"{number:03}.png")
    _, out = done(place, "images='*.png'", *SALIENCY_ALONE)
    assert "019" in out
    assert "020" not in out
    assert "and 3 more images" in out


def test_masks_without_a_defect_are_no_mistake(place):
    Image.new("L", (SIZE, SIZE)).save(place / "data/nuts/ground_truth/good_mask.png")
    manifest, _ = done(place, "images=data/nuts/test/good/000.png", "masks=data/nuts/ground_truth/good_mask.png")
    (row,) = manifest["images"]
    assert row["k"] == 0
    assert row["methods"]["saliency"]["topk_overlap"] is None


def test_the_same_again_replaces_and_something_else_is_refused(place):
    first, _ = done(place, "images=data/nuts/test/crack", *SALIENCY_ALONE)
    before = files_in(place / "explanations")
    (place / "explanations" / "mine.txt").write_text("notes")
    again, _ = done(place, "images=data/nuts/test/crack", *SALIENCY_ALONE, "scale=image", "batch_size=2")
    assert files_in(place / "explanations") == before | {"mine.txt"}
    assert (first["scale"], again["scale"]) == ("common", "image")
    other = ["images=data/nuts/test/hole/000.png", *SALIENCY_ALONE]
    status, _, err = call(place, *NETWORK, *other)
    assert status == 2
    assert "output=" in err
    assert "holds explanations of something else (images differ)" in err
    assert files_in(place / "explanations") == before | {"mine.txt"}
    replaced, _ = done(place, *other, "overwrite=true")
    assert [row["image"] for row in replaced["images"]] == ["000"]
    assert {name for name in files_in(place / "explanations") if "/" in name} == {
        "maps/saliency/000.png",
        "npz/saliency/000.npz",
        "overlays/saliency/000.png",
    }
    assert (place / "explanations" / "mine.txt").read_text() == "notes"


def test_what_it_wrote_is_not_explained(place):
    arguments = ["images=data/nuts/test/crack", "output=data/nuts/test/crack/why", *SALIENCY_ALONE]
    for _ in range(2):
        assert call(place, *NETWORK, *arguments)[0] == 0
        rows = manifest_of(place, "data/nuts/test/crack/why")["images"]
        assert [row["image"] for row in rows] == ["000", "001", "002"]


def test_methods_that_need_a_map_are_left_out_of_a_network_without_one(place, monkeypatch):
    monkeypatch.syspath_prepend(str(place))
    (place / "flat_network.py").write_text(
        "from torch import nn\ndef build(): return nn.Sequential(nn.Flatten(), nn.Linear(3 * 48 * 48, 3))\n"
    )
    status, out, err = call(
        place,
        *("model=python", "model.factory=flat_network:build", "model.classes=[a,b,c]", "image_size=48", "device=cpu"),
        "images=data/nuts/test/crack",
    )
    assert status == 0, err
    manifest = manifest_of(place)
    assert manifest["left_out"] == ["gradcam"]
    assert list(manifest["methods"]) == ["saliency", "integrated_gradients"]
    assert out.count("gradcam is left out") == 1
