"""The gallery in a browser: opened from disk, under a policy that allows own files only."""

from io import BytesIO
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter

from tests.report.gallery_page import write_page
from tests.report.sweeps import read_rendered_sweep
from xairank.evaluation import topk_overlap
from xairank.evaluation.overlap import top_pixels
from xairank.report.gallery import write_gallery
from xairank.runs.maps import read_maps

PATIENCE = 120_000  # milliseconds that a busy machine may take
pytestmark = pytest.mark.xdist_group("gallery")  # one process renders what they share

METHODS = {"Grad-CAM": "gradcam", "Saliency": "saliency", "Integrated gradients": "integrated_gradients"}


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """The page, the numbers of its sweep, and the maps of its runs."""
    sweep = read_rendered_sweep(tmp_path_factory.mktemp("rendered"))
    folder = tmp_path_factory.mktemp("report")
    page = write_page(folder, write_gallery(folder, sweep.groups))
    group = sweep.groups[0]
    maps = {run["seed"]: read_maps(run["folder"] / "maps.npz") for _, run in group.runs.iterrows()}
    return SimpleNamespace(address=page.as_uri(), folder=folder.as_uri(), group=group, maps=maps)


@pytest.fixture
def open_page(browser, report):
    """Opens the page at a fragment; whatever it says in the console, or asks for elsewhere, is an error."""
    wrong, contexts = [], []

    def opened(fragment="", **options):
        context = browser.new_context(**{"viewport": {"width": 1400, "height": 1000}, **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda message: wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("requestfailed", lambda request: wrong.append(f"failed: {request.url}"))
        page.on("request", lambda request: request.url.startswith(report.folder) or wrong.append(request.url))
        page.goto(report.address + fragment)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert wrong == []


def names(page):
    return page.locator(".gallery-card h3").all_inner_texts()


def means(report, rows=None):
    """The mean score of each image and method over seeds."""
    scores = report.group.scores if rows is None else rows
    return scores.groupby(["sample", "method"])["topk_overlap"].mean().unstack()


def test_all_images_are_there_by_class_and_name(open_page, report):
    page = open_page()
    expected = sorted(set(report.group.all_images["sample"]), key=lambda name: ("good" in name, name))
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
def test_filters_leave_what_the_tables_hold(open_page, report, label, choice, query):
    page = open_page()
    page.get_by_label(label, exact=True).select_option(label=choice)
    rows = pd.concat([report.group.scores.assign(reason="ranked"), report.group.excluded])
    wanted = set(rows.query(query)["sample"])
    assert wanted
    assert set(names(page)) == wanted
    assert page.get_by_role("status").inner_text() == f"{len(wanted)} of 18 images"
    page.get_by_role("button", name="Reset").click()
    assert len(names(page)) == 18


def test_the_filter_by_winner_takes_the_mean_over_seeds(open_page, report):
    group = report.group
    scores = group.scores.assign(topk_overlap=group.scores["topk_overlap"].round(9))
    best = scores.groupby(["seed", "sample"])["topk_overlap"].transform("max") == scores["topk_overlap"]
    shares = best / best.groupby([scores["seed"], scores["sample"]]).transform("sum")
    wins = shares.groupby([scores["sample"], scores["method"]]).mean().unstack()
    page = open_page()
    for label, method in METHODS.items():
        page.get_by_label("Winner").select_option(label=label)
        assert set(names(page)) == set(wins.index[wins[method] > wins.max(axis=1) - 1e-9])


def test_a_seed_shows_its_own_numbers(open_page, report):
    page = open_page()
    page.get_by_label("Seed").select_option(label="seed 43")
    scores = report.group.scores.query("seed == 43").pivot(index="sample", columns="method", values="topk_overlap")
    for name in scores.index:
        card = page.locator(".gallery-card", has=page.get_by_role("link", name=name, exact=True))
        shown = [float(text) for text in card.locator("figcaption b").all_inner_texts()]
        np.testing.assert_allclose(shown, scores.loc[name, list(METHODS.values())], atol=0.00501)
        first = card.locator(".gallery-map").first.get_attribute("alt")
        assert first == f"Map of Grad-CAM, seed 43: Top-K Overlap {scores.loc[name, 'gradcam']:.3f}"


@pytest.mark.parametrize(
    ("choice", "key", "rising"),
    [
        ("Top-K Overlap, highest first", lambda report: means(report).mean(axis=1), False),
        ("Top-K Overlap, lowest first", lambda report: means(report).mean(axis=1), True),
        ("Largest defect first", lambda report: report.group.scores.groupby("sample")["k"].first(), False),
        ("Smallest defect first", lambda report: report.group.scores.groupby("sample")["k"].first(), True),
        ("Most confident first", lambda report: report.group.scores.groupby("sample")["probability"].mean(), False),
        ("Least confident first", lambda report: report.group.scores.groupby("sample")["probability"].mean(), True),
    ],
)
def test_sorting_follows_the_numbers_and_puts_images_without_one_last(open_page, report, choice, key, rising):
    page = open_page()
    page.get_by_label("Sort by").select_option(label=choice)
    values = key(report)
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


def test_a_method_is_shown_alone_and_sorts_alone(open_page, report):
    page = open_page()
    page.get_by_label("Method").select_option(label="Saliency")
    page.get_by_label("Sort by").select_option(label="Top-K Overlap, highest first")
    values = means(report)["saliency"].sort_values(ascending=False)
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


def opened_scores(page):
    """What the opened image says of each method."""
    page.locator(".gallery-score").last.wait_for(state="attached")
    settled(page)
    sections = page.locator(".gallery-method")
    return {
        sections.nth(number).locator("h3").inner_text(): sections.nth(number).locator(".gallery-score").inner_text()
        for number in range(sections.count())
    }


def canvas_pixels(page, panel, method):
    """The red channel of a panel's canvas (64, 64)."""
    values = page.evaluate(
        "([panel, method]) => { const row = [...document.querySelectorAll('.gallery-method')]"
        ".find(one => one.querySelector('h3').textContent === method);"
        "const canvas = row.querySelector(`.gallery-panel-${panel}`);"
        "return [...canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data]"
        ".filter((_, place) => place % 4 === 0) }",
        [panel, method],
    )
    return np.array(values).reshape(64, 64)


def arrays(report, name, seed, method):
    maps = report.maps[seed]
    index = maps.samples.index(name)
    return maps.maps[index, maps.methods.index(method)], maps.masks[index]


def ranked_by_all(report):
    """Images that every seed ranked."""
    counts = report.group.scores.groupby("sample")["seed"].nunique()
    return list(counts.index[counts == 3])


def settled(page):
    """Waits until what was opened, or what a slider changed, is painted."""
    page.locator(".gallery-panels[aria-busy=false]").wait_for(state="attached")


def set_slider(page, name, value):
    page.locator(f"#gallery-{name}").fill(str(value))
    settled(page)


def test_an_opened_image_has_all_panels_of_figure_6(open_page, report):
    page = open_page()
    name = ranked_by_all(report)[0]
    page.get_by_role("link", name=name, exact=True).click()
    scores = report.group.scores.query("seed == 42 and sample == @name").set_index("method")["topk_overlap"]
    found = opened_scores(page)
    assert found == {label: f"Top-K Overlap {scores[method]:.3f}" for label, method in METHODS.items()}
    captions = page.locator(".gallery-panels figcaption").all_inner_texts()
    assert captions[:3] == ["Input image", "Ground-truth mask", "Predicted mask"]
    assert captions[3:7] == ["Attribution", "Overlay", "Top-K pixels", "Top-K in mask"]
    assert len(captions) == 3 + 4 * 3
    summary = page.locator(".gallery-summary").inner_text()
    best = scores.sort_values(ascending=False)
    labels = {method: label for label, method in METHODS.items()}
    assert f"{labels[best.index[0]]} {best.iloc[0]:.3f} > " in summary


@pytest.mark.parametrize("seed", [42, 43])
def test_the_top_k_mask_is_that_of_the_evaluation(open_page, report, seed):
    name = ranked_by_all(report)[1]
    page = open_page(f"#gallery?image={name}&run=seed+{seed}")
    opened_scores(page)
    for label, method in METHODS.items():
        attribution, mask = arrays(report, name, seed, method)
        above, tied, places = top_pixels(*(torch.from_numpy(some[None].copy()) for some in (attribution, mask)))
        weights = above.double() + tied.double() * places / tied.sum()
        expected = np.floor(255 * weights.numpy().reshape(64, 64) + 1e-9)
        shown = canvas_pixels(page, "top", label)
        assert np.abs(shown - expected).max() <= 1
        inside = canvas_pixels(page, "inside", label)
        assert (inside[~mask] == 0).all()
        assert ((inside[mask] == 255) == (shown[mask] == 255)).all()


@pytest.mark.parametrize("top", [-20, -7, 10])
def test_other_thresholds_agree_within_the_quantisation(open_page, report, top):
    name = ranked_by_all(report)[2]
    page = open_page(f"#gallery?image={name}")
    opened_scores(page)
    set_slider(page, "top", top)
    for label, method in METHODS.items():
        attribution, mask = arrays(report, name, 42, method)
        k = max(1, round(mask.sum() * 2 ** (top / 10)))
        shown = canvas_pixels(page, "top", label) / 255
        assert shown.sum() == pytest.approx(k, rel=0.02)
        chosen = np.zeros(attribution.size)
        chosen[np.argsort(-attribution, axis=None)[:k]] = 1
        assert np.abs(shown.ravel() - chosen).sum() / 2 < 0.15 * k + 2
    assert page.locator("#gallery-top-value").inner_text().startswith(f"{k:,}, ")
    assert "of the top pixels lie on the defect and cover" in opened_scores(page)["Saliency"]


@pytest.mark.parametrize("sigma", [1, 4, 32])
def test_the_blur_is_that_of_the_ladder(open_page, report, sigma):
    name = ranked_by_all(report)[3]
    page = open_page(f"#gallery?image={name}")
    opened_scores(page)
    set_slider(page, "blur", sigma)
    for label, method in METHODS.items():
        attribution, mask = arrays(report, name, 42, method)
        blurred = gaussian_filter(attribution.astype(np.float64), sigma, mode="reflect", truncate=4.0)
        expected = float(topk_overlap(torch.from_numpy(blurred[None]), torch.from_numpy(mask[None])))
        text = opened_scores(page)[label]
        assert text.endswith(", blurred")
        assert float(text.split()[2].rstrip(",")) == pytest.approx(expected, abs=0.03)


def test_the_overlay_covers_as_much_as_the_slider_says(open_page, report):
    name = ranked_by_all(report)[0]
    page = open_page(f"#gallery?image={name}&overlay=0&outline=no")
    opened_scores(page)
    shot = page.locator(".gallery-panel-overlay").first
    page.wait_for_load_state("networkidle")
    plain = shot.screenshot()
    set_slider(page, "overlay", 100)
    page.wait_for_load_state("networkidle")
    assert shot.screenshot() != plain


def test_all_seeds_stand_side_by_side(open_page, report):
    name = ranked_by_all(report)[0]
    page = open_page(f"#gallery?image={name}")
    opened_scores(page)
    page.get_by_label("Show", exact=True).select_option(label="All seeds, one panel")
    page.locator(".gallery-beside canvas").nth(8).wait_for()
    settled(page)
    rows = page.locator(".gallery-beside")
    assert "in 3 of 3 seeds" in page.locator(".gallery-summary").inner_text()
    for number, method in enumerate(METHODS.values()):
        scores = report.group.scores[report.group.scores["sample"] == name]
        scores = scores[scores["method"] == method]["topk_overlap"]
        expected = [f"seed {seed} {score:.3f}" for seed, score in zip((42, 43, 44), scores, strict=True)]
        assert rows.nth(number).locator("figcaption").all_inner_texts() == expected
    page.get_by_label("Panel", exact=True).select_option(label="Top-K in mask")
    page.locator(".gallery-beside .gallery-panel-inside").nth(8).wait_for()


def test_a_seed_that_misclassified_an_image_says_so(open_page, report):
    missed = report.group.excluded.query("reason == 'misclassified'")
    missed = missed[missed["sample"].isin(report.group.scores["sample"])].iloc[0]
    page = open_page(f"#gallery?image={missed['sample']}&view=runs")
    page.wait_for_selector(".gallery-beside")
    assert "Misclassified as good" in page.locator(".gallery-beside").first.inner_text()
    page = open_page(f"#gallery?image={missed['sample']}&run=seed+{missed['seed']}")
    page.wait_for_selector(".gallery-dialog[open]")
    assert "Only defects that are classified correctly are explained." in page.locator(".gallery-summary").inner_text()
    assert page.locator(".gallery-dialog .gallery-stack img").first.evaluate("image => image.decode()") is None


def test_a_good_image_opens_without_maps(open_page):
    page = open_page("#gallery?image=good/000")
    page.wait_for_selector(".gallery-dialog[open]")
    assert "A good image has no defect" in page.locator(".gallery-summary").inner_text()
    assert page.locator(".gallery-dialog canvas").count() == 0


def test_the_keyboard_alone_opens_moves_on_and_closes(open_page):
    page = open_page()
    order = names(page)
    page.locator("#gallery-scale").focus()
    for _ in range(2):
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == order[0]
    page.keyboard.press("Enter")
    page.wait_for_selector(".gallery-dialog[open]")
    title = page.locator("#gallery-title")
    assert title.inner_text() == order[0]
    assert page.evaluate("document.activeElement.id") == "gallery-title"
    page.keyboard.press("ArrowLeft")  # there is none before the first
    assert title.inner_text() == order[0]
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert title.inner_text() == order[2]
    page.keyboard.press("ArrowLeft")
    assert title.inner_text() == order[1]
    assert page.locator(".gallery-position").inner_text() == "2 of 18"
    page.keyboard.press("Escape")
    assert page.locator(".gallery-dialog[open]").count() == 0
    assert page.evaluate("document.activeElement.textContent") == order[1]
    assert "image=" not in page.url


def test_arrows_move_a_slider_that_has_the_focus(open_page):
    page = open_page("#gallery?image=crack/000")
    opened_scores(page)
    page.locator("#gallery-blur").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("#gallery-title").inner_text() == "crack/000"
    assert page.locator("#gallery-blur-value").inner_text() == "1 pixel"
    assert "blur=1" in page.url


def test_an_address_opens_the_same_view(open_page, report):
    name = ranked_by_all(report)[0]
    page = open_page("#gallery?outcome=ranked&sort=overlap-low")
    page.get_by_role("link", name=name, exact=True).click()
    opened_scores(page)
    page.get_by_label("Seed", exact=True).last.select_option(label="seed 44")
    opened_scores(page)
    set_slider(page, "blur", 3)
    set_slider(page, "top", 5)
    page.locator("#gallery-outline").uncheck()
    expected = (
        opened_scores(page),
        page.locator(".gallery-summary").inner_text(),
        page.locator(".gallery-position").inner_text(),
    )
    other = open_page(page.url.removeprefix(report.address))
    opened_scores(other)
    found = (
        opened_scores(other),
        other.locator(".gallery-summary").inner_text(),
        other.locator(".gallery-position").inner_text(),
    )
    assert found == expected
    assert not other.locator("#gallery-outline").is_checked()
    other.keyboard.press("Escape")
    assert other.locator("#gallery-outcome").input_value() == "ranked"


def test_an_address_of_another_report_does_no_harm(open_page):
    page = open_page("#gallery?image=scratch/007&class=scratch&seed=seed+7&sort=nonsense&group=9")
    assert page.get_by_role("status").first.inner_text() == "This report has no image scratch/007. 18 of 18 images"
    assert page.locator(".gallery-dialog[open]").count() == 0


@pytest.mark.parametrize("fragment", ["", "#gallery?class=cut", "#another-part"])
def test_the_back_button_closes_an_opened_image(open_page, report, fragment):
    page = open_page(fragment)
    page.get_by_role("link", name="cut/001", exact=True).click()
    page.wait_for_selector(".gallery-dialog[open]")
    page.go_back()
    page.wait_for_selector(".gallery-dialog", state="hidden")
    page.locator(":focus", has_text="cut/001").wait_for()
    assert page.url == report.address + fragment


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
def test_accessibility_and_width(browser, report, fragment, width, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    options = {"viewport": {"width": width, "height": 900}, "color_scheme": scheme, "bypass_csp": True}
    context = browser.new_context(**options)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(report.address + fragment)
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
