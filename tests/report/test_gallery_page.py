"""The gallery in a browser: its cards, filters and order; from disk, under a policy for own files only."""

from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.report.gallery_page import METHODS, PATIENCE, names, settled

pytestmark = pytest.mark.xdist_group("gallery")  # one process renders what they share


def means(gallery, rows=None):
    """The mean score of each image and method over seeds."""
    scores = gallery.group.scores if rows is None else rows
    return scores.groupby(["sample", "method"])["topk_overlap"].mean().unstack()


def test_all_images_are_there_by_class_and_name(open_page, gallery):
    page = open_page()
    expected = sorted(set(gallery.group.all_images["sample"]), key=lambda name: ("good" in name, name))
    assert sorted(names(page)) == sorted(expected)
    assert names(page)[:12] == expected[:12]
    assert page.get_by_role("status").inner_text() == "18 of 18 images"
    assert page.locator("img:not([alt])").count() == 0
    assert page.locator(".gallery-card img:not([loading=lazy])").count() == 0


@pytest.mark.parametrize(
    ("label", "choice", "query"),
    [
        ("Class", "Hole", "label == 'hole'"),
        ("Split", "Test", "split == 'test'"),
        ("Outcome", "Ranked", "reason == 'ranked'"),
        ("Outcome", "Good", "reason == 'good'"),
        ("Outcome", "Misclassified", "reason == 'misclassified'"),
        ("Prediction", "Wrong", "predicted != label"),
        ("Prediction", "Correct", "predicted == label"),
    ],
)
def test_filters_leave_what_the_tables_hold(open_page, gallery, label, choice, query):
    page = open_page()
    page.get_by_label(label, exact=True).select_option(label=choice)
    rows = pd.concat([gallery.group.scores.assign(reason="ranked"), gallery.group.excluded])
    wanted = set(rows.query(query)["sample"])
    assert wanted
    assert set(names(page)) == wanted
    assert page.get_by_role("status").inner_text() == f"{len(wanted)} of 18 images"
    page.get_by_role("button", name="Reset").click()
    assert len(names(page)) == 18


def test_the_filter_by_winner_takes_the_mean_over_seeds(open_page, gallery):
    group = gallery.group
    scores = group.scores.assign(topk_overlap=group.scores["topk_overlap"].round(9))
    best = scores.groupby(["seed", "sample"])["topk_overlap"].transform("max") == scores["topk_overlap"]
    shares = best / best.groupby([scores["seed"], scores["sample"]]).transform("sum")
    wins = shares.groupby([scores["sample"], scores["method"]]).mean().unstack()
    page = open_page()
    for label, method in METHODS.items():
        page.get_by_label("Winner").select_option(label=label)
        assert set(names(page)) == set(wins.index[wins[method] > wins.max(axis=1) - 1e-9])


def test_a_seed_shows_its_own_numbers(open_page, gallery):
    page = open_page()
    page.get_by_label("Seed").select_option(label="seed 43")
    scores = gallery.group.scores.query("seed == 43").pivot(index="sample", columns="method", values="topk_overlap")
    for name in scores.index:
        card = page.locator(".gallery-card", has=page.get_by_role("link", name=name, exact=True))
        shown = [float(text) for text in card.locator("figcaption b").all_inner_texts()]
        np.testing.assert_allclose(shown, scores.loc[name, list(METHODS.values())], atol=0.00501)
        first = card.locator(".gallery-map").first.get_attribute("alt")
        assert first == f"Map of Grad-CAM, seed 43: Top-K Overlap {scores.loc[name, 'gradcam']:.3f}"


@pytest.mark.parametrize(
    ("choice", "key", "rising"),
    [
        ("Top-K Overlap, highest first", lambda gallery: means(gallery).mean(axis=1), False),
        ("Top-K Overlap, lowest first", lambda gallery: means(gallery).mean(axis=1), True),
        ("Largest defect first", lambda gallery: gallery.group.scores.groupby("sample")["k"].first(), False),
        ("Smallest defect first", lambda gallery: gallery.group.scores.groupby("sample")["k"].first(), True),
        ("Most confident first", lambda gallery: gallery.group.scores.groupby("sample")["probability"].mean(), False),
        ("Least confident first", lambda gallery: gallery.group.scores.groupby("sample")["probability"].mean(), True),
    ],
)
def test_sorting_follows_the_numbers_and_puts_images_without_one_last(open_page, gallery, choice, key, rising):
    page = open_page()
    page.get_by_label("Sort by").select_option(label=choice)
    values = key(gallery)
    found = [values[name] for name in names(page)[: len(values)]]
    assert found == sorted(found, reverse=not rising)
    assert all("good" in name for name in names(page)[len(values) :])


def test_disagreement_sorts_by_what_the_index_says(open_page):
    page = open_page("#gallery?outcome=ranked&sort=disagreement-high")
    found = page.evaluate(
        "names => names.map(name => { const runs = xairankGalleryData.images.find(image => image.name === name).runs"
        ".filter(run => run.scores); return runs.reduce((sum, run) => sum + run.disagreement, 0) / runs.length })",
        names(page),
    )
    assert found == sorted(found, reverse=True)
    assert len(set(found)) > 5


def test_a_method_is_shown_alone_and_sorts_alone(open_page, gallery):
    page = open_page()
    page.get_by_label("Method").select_option(label="Saliency")
    page.get_by_label("Sort by").select_option(label="Top-K Overlap, highest first")
    values = means(gallery)["saliency"].sort_values(ascending=False)
    assert names(page)[: len(values)] == list(values.index)
    assert page.locator(".gallery-card").first.locator(".gallery-map").count() == 1


def test_a_common_scale_dims_weak_maps_and_an_own_scale_none(open_page):
    page = open_page("#gallery?outcome=ranked")
    strengths = "[...document.querySelectorAll('.gallery-map')].map(map => parseFloat(map.style.filter.slice(11)))"
    common = page.evaluate(strengths)
    assert min(common) < 0.9
    page.get_by_label("Colour scale").select_option(label="Each map its own")
    assert set(page.evaluate(strengths)) == {1}


def test_thumbnails_are_coloured_by_the_filter(open_page):
    page = open_page("#gallery?outcome=ranked&scale=own&method=gradcam")
    card = page.locator(".gallery-map").first
    card.evaluate("map => map.decode()")
    pixels = np.asarray(Image.open(BytesIO(card.screenshot())).convert("RGB")).astype(int)
    pixels = pixels[6:-6, 6:-6].reshape(-1, 3)  # without the round corners
    brightest = pixels[pixels.sum(axis=1).argmax()]
    assert np.abs(brightest - [252, 253, 191]).max() < 12  # magma's last colour
    assert pixels.sum(axis=1).min() < 20


def test_many_images_are_shown_in_portions(open_page):
    page = open_page()
    page.evaluate(
        "() => { const image = xairankGalleryData.images[0];"
        "for (let number = 0; number < 100; number++)"
        " xairankGalleryData.images.push({ ...image, name: `more/${number}`, label: 'good' }) }"
    )
    page.get_by_label("Outcome").select_option(label="Ranked")
    page.get_by_label("Outcome").select_option(label="All")
    assert len(names(page)) == 48
    page.get_by_role("button", name="Show 48 more of 70").click()
    assert len(names(page)) == 96
    assert page.evaluate("document.activeElement.textContent") == names(page)[48]
    page.get_by_role("button", name="Show 22 more of 22").click()
    assert len(names(page)) == 118
    assert page.get_by_role("button", name="more of").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1600])
@pytest.mark.parametrize("fragment", ["", "#gallery?image=crack/000", "#gallery?image=crack/000&view=runs"])
def test_accessibility_and_width(browser, gallery, fragment, width, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    options = {"viewport": {"width": width, "height": 900}, "color_scheme": scheme, "bypass_csp": True}
    context = browser.new_context(**options)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(gallery.address + fragment)
    if fragment:
        page.wait_for_selector(".gallery-panels canvas")
        settled(page)
    results = axe.Axe().run(page)
    serious = [
        (one["id"], [node["html"][:200] for node in one["nodes"]])
        for one in results.response["violations"]
        if one["impact"] in ("serious", "critical")
    ]
    assert serious == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    if fragment:
        assert page.evaluate("(d => d.scrollWidth <= d.clientWidth)(document.querySelector('.gallery-dialog'))")
    context.close()
