"""The gallery's files: every image once, with the numbers of its runs, and calm words where something is missing."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from tests.report.sweeps import read_rendered_sweep, write_rendered_sweep
from tests.runs_fixture import write_fake_sweep
from xairank.explanations.folder import Seen
from xairank.explanations.overlay import brightest
from xairank.report.gallery import write_gallery
from xairank.report.gallery_index import run_labels
from xairank.report.sample_files import SampleFiles, draw_outline, draw_thumbnail
from xairank.runs.maps import read_maps
from xairank.runs.sweep import read_sweep

pytestmark = pytest.mark.xdist_group("gallery")  # one process renders what they share


def read_index(folder):
    text = (folder / "gallery" / "data.js").read_text()
    assert text.startswith("var xairankGalleryData = ")
    return json.loads(text.removeprefix("var xairankGalleryData = ").rstrip().removesuffix(";"))


@pytest.fixture(scope="module")
def rendered_sweep(tmp_path_factory):
    return read_rendered_sweep(tmp_path_factory.mktemp("rendered"))


@pytest.fixture(scope="module")
def written(rendered_sweep, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    return folder, write_gallery(folder, rendered_sweep.groups), read_index(folder)


def test_every_image_is_there_once_and_every_run_knows_what_became_of_it(rendered_sweep, written):
    _, facts, index = written
    group = rendered_sweep.groups[0]
    assert {image["name"] for image in index["images"]} == set(group.all_images["sample"])
    assert len(index["images"]) == facts.n_images == 18
    assert facts.n_ranked == group.scores["sample"].nunique()
    assert all(len(image["runs"]) == 3 for image in index["images"])
    excluded = group.excluded.set_index(["seed", "sample"])["reason"]
    for image in index["images"]:
        for run in image["runs"]:
            assert run["outcome"] == excluded.get((42 + run["run"], image["name"]), "ranked")
    assert [image["label"] for image in index["images"]][-6:] == 6 * ["good"]


def test_numbers_are_those_of_the_scores(rendered_sweep, written):
    _, _, index = written
    scores = rendered_sweep.scores.set_index(["sample", "seed", "method"]).sort_index()
    methods = [method["name"] for method in index["groups"][0]["methods"]]
    assert methods == ["gradcam", "saliency", "integrated_gradients"]
    n_checked = 0
    for image in index["images"]:
        for run in image["runs"]:
            if run["outcome"] != "ranked":
                assert "scores" not in run
                continue
            rows = scores.loc[(image["name"], 42 + run["run"])].loc[methods]
            np.testing.assert_allclose(run["scores"], rows["topk_overlap"], atol=1e-6)
            best = rows["topk_overlap"].max()
            assert [win > 0 for win in run["wins"]] == [abs(score - best) < 1e-9 for score in rows["topk_overlap"]]
            assert run["size"] == pytest.approx(rows["k"].iloc[0] / 64**2, abs=1e-6)
            assert run["k"] == rows["k"].iloc[0]
            assert run["probability"] == pytest.approx(rows["probability"].iloc[0], abs=1e-6)
            assert (run["predicted"], run["split"]) == (rows["predicted"].iloc[0], rows["split"].iloc[0])
            n_checked += 1
    assert n_checked > 20


def test_disagreement_and_brightness_are_those_of_the_maps(rendered_sweep, written):
    _, _, index = written
    run = rendered_sweep.groups[0].runs.iloc[1]
    maps = read_maps(run["folder"] / "maps.npz")
    by_name = {image["name"]: image for image in index["images"]}
    for place, sample in enumerate(maps.samples):
        record = next(one for one in by_name[sample]["runs"] if one["run"] == 1)
        found = [brightest(attribution) for attribution in maps.maps[place]]
        np.testing.assert_allclose(record["brightest"], found, rtol=1e-4)
        k = int(maps.masks[place].sum())
        tops = [set(np.argsort(-attribution, axis=None)[:k]) for attribution in maps.maps[place]]
        common = [len(one & other) / k for one, other in ((tops[0], tops[1]), (tops[0], tops[2]), (tops[1], tops[2]))]
        assert record["disagreement"] == pytest.approx(1 - np.mean(common), abs=2 / k)  # zeros of Grad-CAM may tie


def test_pictures_of_excluded_images_come_from_the_data(written):
    folder, facts, index = written
    assert facts.remarks == []
    for image in index["images"]:
        place = folder / "gallery" / image["folder"]
        has_outline = image["label"] != "good"
        assert image["pictures"] == [has_outline]
        assert Image.open(place / "image0.jpg").size == (64, 64)
        assert (place / "outline0.png").is_file() == has_outline
        for run in image["runs"]:
            explained = run["outcome"] == "ranked"
            assert (place / f"{run['run']}.js").is_file() == explained
            assert (place / f"{run['run']}-2.jpg").is_file() == explained


def test_a_calm_line_says_that_data_is_not_at_hand(tmp_path):
    sweep = write_rendered_sweep(tmp_path / "multirun" / "nuts", tmp_path / "data")
    shutil.rmtree(tmp_path / "data")
    facts = write_gallery(tmp_path / "report", read_sweep(sweep).groups)
    index = read_index(tmp_path / "report")
    missing = [image for image in index["images"] if not image["pictures"]]
    assert {image["label"] for image in missing} >= {"good"}
    place = tmp_path / "data" / "nuts"
    line = f"{len(missing)} images without maps cannot be shown: {place} is not at hand, or was changed."
    assert facts.remarks == [line]


def test_a_calm_line_says_that_runs_kept_no_maps(tmp_path):
    sweep = write_rendered_sweep(tmp_path / "multirun" / "nuts", tmp_path / "data", keep_maps=False)
    facts = write_gallery(tmp_path / "report", read_sweep(sweep).groups)
    assert facts.remarks == ["2 runs of 2 kept no maps; train with attribution.keep_maps=true to see them."]
    index = read_index(tmp_path / "report")
    assert all(image["pictures"] for image in index["images"])
    assert not any("brightest" in run for image in index["images"] for run in image["runs"])


def test_groups_and_folds_are_told_apart(tmp_path):
    variants = ({"model.beta": 0}, {"model.beta": 1})
    sweep = read_sweep(write_fake_sweep(tmp_path / "paper", (42, 43), 4, folds=(0, 1), variants=variants))
    facts = write_gallery(tmp_path / "report", sweep.groups)
    index = read_index(tmp_path / "report")
    assert [group["name"] for group in index["groups"]] == ["model.beta=0", "model.beta=1"]
    assert index["groups"][0]["runs"] == [f"seed {seed}, fold {fold}" for seed in (42, 43) for fold in (0, 1)]
    assert {image["group"] for image in index["images"]} == {0, 1}
    assert len({(image["group"], image["name"]) for image in index["images"]}) == facts.n_images
    assert facts.remarks[0].startswith("model.beta=0: 4 runs of 4 kept no maps")


def test_runs_of_one_seed_that_share_a_name_are_numbered(rendered_sweep):
    group = rendered_sweep.groups[0]
    assert run_labels(group) == ["seed 42", "seed 43", "seed 44"]


def test_a_gallery_replaces_the_one_before_whole(rendered_sweep, tmp_path):
    (tmp_path / "gallery" / "00099").mkdir(parents=True)
    (tmp_path / "index.html").write_text("the page")
    facts = write_gallery(tmp_path, rendered_sweep.groups)
    assert not (tmp_path / "gallery" / "00099").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"gallery", "index.html"}
    assert facts.n_bytes == sum(path.stat().st_size for path in (tmp_path / "gallery").rglob("*") if path.is_file())
    for name in (*facts.styles, *facts.scripts):
        assert (tmp_path / name).is_file()


def test_runs_that_saw_flipped_images_have_a_picture_each(tmp_path):
    tmp_path.joinpath("00000").mkdir()
    files = SampleFiles(tmp_path, "00000")
    image, mask = np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), bool)
    image[0], mask[0, 0] = 200, True
    flipped = Seen(image[::-1].copy(), mask[::-1].copy())
    assert [files.add_picture(seen) for seen in (Seen(image, mask), flipped, Seen(image, mask))] == [0, 1, 0]
    assert files.outlines == [True, True]
    assert np.asarray(Image.open(tmp_path / "00000" / "image1.jpg"))[7].min() > 150


def test_an_outline_hides_nothing_of_the_defect_but_at_the_border():
    mask = np.zeros((224, 224), bool)
    mask[50:80, 60:90] = True
    mask[100:120, 0:10] = True  # ends at the border
    drawn = np.asarray(draw_outline(mask).convert("RGBA"))
    assert drawn.shape == (448, 448, 4)
    visible = drawn[..., 3] > 0
    fine = mask.repeat(2, axis=0).repeat(2, axis=1)
    assert not (visible & fine)[:, 2:].any()
    assert (drawn[210:230, 0, :3] == 255).all()
    np.testing.assert_array_equal(drawn[98, 120:180], [[255, 255, 255, 255]] * 60)
    np.testing.assert_array_equal(drawn[96, 120:180], [[0, 0, 0, 255]] * 60)
    assert not visible[:96, 60:].any()


def test_a_thumbnail_is_white_at_the_brightest_value():
    attribution = np.zeros((224, 224), np.float32)
    attribution[:112] = 3
    grey = np.asarray(draw_thumbnail(attribution))
    assert grey.shape == (112, 112)
    assert (grey[:56] == 255).all()
    assert (grey[56:] == 0).all()
    assert (np.asarray(draw_thumbnail(np.zeros((20, 20), np.float32))) == 0).all()


def test_a_sweep_of_the_papers_size_can_be_mailed(tmp_path):
    """10 seeds, 70 images, 3 methods, and 431 good images, from a few of each in their full size."""
    defects = {"crack": 1, "cut": 1, "hole": 1, "print": 1}
    options = {"seeds": (42,), "good": 4, "defects": defects, "size": 224}
    sweep = write_rendered_sweep(tmp_path / "multirun" / "nuts", tmp_path / "data", **options)
    facts = write_gallery(tmp_path / "report", read_sweep(sweep).groups)
    assert facts.n_ranked == 4
    sizes = {path: path.stat().st_size for path in (tmp_path / "report" / "gallery").glob("*/*")}
    pictures = sum(size for path, size in sizes.items() if path.name.startswith(("image", "outline")))
    explained = sum(sizes.values()) - pictures
    n_bytes = explained / 4 * 70 * 10 + pictures / 8 * (70 + 431)
    assert n_bytes < 50e6
    index = (tmp_path / "report" / "gallery" / "data.js").stat().st_size
    assert index / 8 * (70 + 431) * 10 < 10e6
