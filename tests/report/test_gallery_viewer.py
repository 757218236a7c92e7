"""An image of the gallery, opened in a browser: its panels, sliders, keys and address."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from tests.report.gallery_page import METHODS, names, settled
from xairank.evaluation import topk_overlap
from xairank.evaluation.overlap import top_pixels

pytestmark = pytest.mark.xdist_group("gallery")  # one process renders what they share


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


def arrays(gallery, name, seed, method):
    maps = gallery.maps[seed]
    index = maps.samples.index(name)
    return maps.maps[index, maps.methods.index(method)], maps.masks[index]


def ranked_by_all(gallery):
    """Images that every seed ranked."""
    counts = gallery.group.scores.groupby("sample")["seed"].nunique()
    return list(counts.index[counts == 3])


def set_slider(page, name, value):
    page.locator(f"#gallery-{name}").fill(str(value))
    settled(page)


def test_an_opened_image_has_all_panels_of_figure_6(open_page, gallery):
    page = open_page()
    name = ranked_by_all(gallery)[0]
    page.get_by_role("link", name=name, exact=True).click()
    scores = gallery.group.scores.query("seed == 42 and sample == @name").set_index("method")["topk_overlap"]
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
def test_the_top_k_mask_is_that_of_the_evaluation(open_page, gallery, seed):
    name = ranked_by_all(gallery)[1]
    page = open_page(f"#gallery?image={name}&run=seed+{seed}")
    opened_scores(page)
    for label, method in METHODS.items():
        attribution, mask = arrays(gallery, name, seed, method)
        above, tied, places = top_pixels(*(torch.from_numpy(some[None].copy()) for some in (attribution, mask)))
        weights = above.double() + tied.double() * places / tied.sum()
        expected = np.floor(255 * weights.numpy().reshape(64, 64) + 1e-9)
        shown = canvas_pixels(page, "top", label)
        assert np.abs(shown - expected).max() <= 1
        inside = canvas_pixels(page, "inside", label)
        assert (inside[~mask] == 0).all()
        assert ((inside[mask] == 255) == (shown[mask] == 255)).all()


@pytest.mark.parametrize("top", [-20, -7, 10])
def test_other_thresholds_agree_within_the_quantisation(open_page, gallery, top):
    name = ranked_by_all(gallery)[2]
    page = open_page(f"#gallery?image={name}")
    opened_scores(page)
    set_slider(page, "top", top)
    for label, method in METHODS.items():
        attribution, mask = arrays(gallery, name, 42, method)
        k = max(1, round(mask.sum() * 2 ** (top / 10)))
        shown = canvas_pixels(page, "top", label) / 255
        assert shown.sum() == pytest.approx(k, rel=0.02)
        chosen = np.zeros(attribution.size)
        chosen[np.argsort(-attribution, axis=None)[:k]] = 1
        assert np.abs(shown.ravel() - chosen).sum() / 2 < 0.15 * k + 2
    assert page.locator("#gallery-top-value").inner_text().startswith(f"{k:,}, ")
    assert "of the top pixels lie on the defect and cover" in opened_scores(page)["Saliency"]


@pytest.mark.parametrize("sigma", [1, 4, 32])
def test_the_blur_is_that_of_the_ladder(open_page, gallery, sigma):
    name = ranked_by_all(gallery)[3]
    page = open_page(f"#gallery?image={name}")
    opened_scores(page)
    set_slider(page, "blur", sigma)
    for label, method in METHODS.items():
        attribution, mask = arrays(gallery, name, 42, method)
        blurred = gaussian_filter(attribution.astype(np.float64), sigma, mode="reflect", truncate=4.0)
        expected = float(topk_overlap(torch.from_numpy(blurred[None]), torch.from_numpy(mask[None])))
        text = opened_scores(page)[label]
        assert text.endswith(", blurred")
        assert float(text.split()[2].rstrip(",")) == pytest.approx(expected, abs=0.03)


def test_the_overlay_covers_as_much_as_the_slider_says(open_page, gallery):
    name = ranked_by_all(gallery)[0]
    page = open_page(f"#gallery?image={name}&overlay=0&outline=no")
    opened_scores(page)
    shot = page.locator(".gallery-panel-overlay").first
    page.wait_for_load_state("networkidle")
    plain = shot.screenshot()
    set_slider(page, "overlay", 100)
    page.wait_for_load_state("networkidle")
    assert shot.screenshot() != plain


def test_all_seeds_stand_side_by_side(open_page, gallery):
    name = ranked_by_all(gallery)[0]
    page = open_page(f"#gallery?image={name}")
    opened_scores(page)
    page.get_by_label("Show", exact=True).select_option(label="All seeds, one panel")
    page.locator(".gallery-beside canvas").nth(8).wait_for()
    settled(page)
    rows = page.locator(".gallery-beside")
    assert "in 3 of 3 seeds" in page.locator(".gallery-summary").inner_text()
    for number, method in enumerate(METHODS.values()):
        scores = gallery.group.scores[gallery.group.scores["sample"] == name]
        scores = scores[scores["method"] == method]["topk_overlap"]
        expected = [f"seed {seed} {score:.3f}" for seed, score in zip((42, 43, 44), scores, strict=True)]
        assert rows.nth(number).locator("figcaption").all_inner_texts() == expected
    page.get_by_label("Panel", exact=True).select_option(label="Top-K in mask")
    page.locator(".gallery-beside .gallery-panel-inside").nth(8).wait_for()


def test_a_seed_that_misclassified_an_image_says_so(open_page, gallery):
    missed = gallery.group.excluded.query("reason == 'misclassified'")
    missed = missed[missed["sample"].isin(gallery.group.scores["sample"])].iloc[0]
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


def test_an_address_opens_the_same_view(open_page, gallery):
    name = ranked_by_all(gallery)[0]
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
    other = open_page(page.url.removeprefix(gallery.address))
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
def test_the_back_button_closes_an_opened_image(open_page, gallery, fragment):
    page = open_page(fragment)
    page.get_by_role("link", name="cut/001", exact=True).click()
    page.wait_for_selector(".gallery-dialog[open]")
    page.go_back()
    page.wait_for_selector(".gallery-dialog", state="hidden")
    page.locator(":focus", has_text="cut/001").wait_for()
    assert page.url == gallery.address + fragment
