"""The page as people use it: from disk in Chromium, sorted, copied, without a script, by keyboard, on paper."""

import re

import pytest

pytestmark = pytest.mark.xdist_group("report")  # one process renders what they share

SIZES = (400, 800, 1600)


@pytest.fixture
def opened(reported, browser):
    """Opens the page and returns it with the complaints of the console and what it loaded."""
    contexts = []

    def open_page(**options):
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        said, loaded = [], []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: loaded.append(request.url))
        page.goto(reported[2].as_uri())
        return page, said, loaded

    yield open_page
    for context in contexts:
        context.close()


def column(page, table, name):
    """The texts of a column."""
    heads = page.locator(f"#table-{table} thead th").all_inner_texts()
    place = [text.strip() for text in heads].index(name)
    rows = page.locator(f"#table-{table} tbody tr:not(.group)")
    return [row.locator("th, td").nth(place).inner_text() for row in rows.all()]


def test_nothing_but_the_folder_is_asked_for_and_nothing_is_complained_of(reported, opened):
    page, said, loaded = opened()
    for image in page.locator("img").all():
        image.scroll_into_view_if_needed()
    page.wait_for_function("[...document.images].every((one) => one.complete && one.naturalWidth > 0)")
    assert said == []
    folder = reported[2].parent.as_uri()
    assert all(address.startswith(folder) for address in loaded)
    assert len(loaded) > 10


def test_a_click_sorts_by_number_and_again_the_other_way(opened):
    page, *_ = opened()
    head = page.locator("#table-ranking thead th", has_text="Top-K Overlap")
    before = column(page, "ranking", "Top-K Overlap")
    head.get_by_role("button").click()
    values = [float(text.split()[0]) for text in column(page, "ranking", "Top-K Overlap")]
    assert values == sorted(values, reverse=True)
    assert head.get_attribute("aria-sort") == "descending"
    head.get_by_role("button").click()
    values = [float(text.split()[0]) for text in column(page, "ranking", "Top-K Overlap")]
    assert values == sorted(values)
    assert head.get_attribute("aria-sort") == "ascending"
    assert sorted(column(page, "ranking", "Top-K Overlap")) == sorted(before)
    assert page.locator("#said").inner_text() == "Sorted by Top-K Overlap, ascending."


def test_the_keyboard_sorts_words_and_what_has_no_number_stands_last(opened):
    page, *_ = opened()
    page.locator("#table-ranking thead th", has_text="Method").get_by_role("button").focus()
    page.keyboard.press("Enter")
    names = column(page, "ranking", "Method")
    assert names == sorted(names, key=str.lower)
    rank = page.locator("#table-ranking thead th", has_text="Mean rank").get_by_role("button")
    for _ in range(2):
        rank.focus()
        page.keyboard.press("Space")
        missing = [text == "-" for text in column(page, "ranking", "Mean rank")]
        assert any(missing)
        assert missing == sorted(missing)


def test_a_method_s_name_stays_in_view_while_its_numbers_are_scrolled(opened):
    page, *_ = opened(viewport={"width": 400, "height": 900})
    page.locator("#table-ranking .scroll").evaluate("(one) => { one.scrollLeft = one.scrollWidth; }")
    for row in page.locator("#table-ranking tbody tr").all():
        assert row.locator("td").first.bounding_box()["x"] < 0
        assert row.locator("th").bounding_box()["x"] >= 0


def test_published_values_stay_beneath_ours(opened):
    page, *_ = opened()
    page.locator("#table-win_rate_test thead th", has_text="Saliency").get_by_role("button").click()
    names = column(page, "win_rate_test", "Class")
    assert names[1::3] == ["published"] * (len(names) // 3)
    assert names[2::3] == ["difference"] * (len(names) // 3)
    assert set(names[::3]) == {"Overall", "Crack", "Cut", "Hole", "Print"}
    values = [float(text.split()[0]) for text in column(page, "win_rate_test", "Saliency")[::3]]
    assert values == sorted(values, reverse=True)


@pytest.mark.parametrize(("label", "method"), [("LaTeX", "to_latex"), ("Markdown", "to_markdown"), ("CSV", "to_csv")])
def test_a_click_copies_a_table(reported, opened, label, method):
    page, said, _ = opened(permissions=["clipboard-read", "clipboard-write"])
    (table,) = [table for table in reported[1].tables if table.name == "statistics"]
    button = page.locator("#table-statistics").get_by_role("button", name=label, exact=True)
    button.focus()
    page.keyboard.press("Enter")
    page.wait_for_function("document.getElementById('said').textContent.startsWith('Copied')")
    assert page.evaluate("navigator.clipboard.readText()") == getattr(table, method)()
    assert said == []


def test_without_a_clipboard_the_text_is_copied_as_by_hand(opened):
    page, *_ = opened(permissions=["clipboard-read"])
    page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page.evaluate("document.addEventListener('copy', () => { window.copied = document.activeElement.value; })")
    page.locator("#table-ranking").get_by_role("button", name="CSV").click()
    page.wait_for_function("window.copied?.startsWith('method,')")
    assert page.locator("#table-ranking textarea").first.is_hidden()


def test_without_javascript_it_reads_the_same(reported, opened):
    page, *_ = opened(java_script_enabled=False)
    (answer,) = reported[1].main_answers
    assert page.locator("h1").inner_text() == answer.headline
    assert page.locator("#table-ranking tbody tr").count() > 5
    assert page.locator("button:visible").count() == 0
    assert page.locator("#table-ranking a[download]").count() == 3


@pytest.mark.parametrize("width", SIZES)
def test_it_fits_any_width(opened, width):
    page, *_ = opened(viewport={"width": width, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for picture in page.locator(".picture, .drawing img").all():
        box = picture.bounding_box()
        assert box is None or box["x"] + box["width"] <= width


def test_the_answer_and_what_qualifies_it_are_on_the_first_screen(opened):
    page, *_ = opened(viewport={"width": 1400, "height": 900})
    for part in ("h1", ".evidence", ".picture", ".marks .caution"):
        box = page.locator(f"#answer {part}").first.bounding_box()
        assert box["y"] + box["height"] < 900, part


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1400])
def test_axe_finds_nothing_serious(opened, scheme, width):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page, *_ = opened(color_scheme=scheme, viewport={"width": width, "height": 900})
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    found = axe.run(page).response["violations"]
    serious = [
        (one["id"], [node["html"] for node in one["nodes"]][:3])
        for one in found
        if one["impact"] in ("serious", "critical")
    ]
    assert serious == []


def test_the_first_tab_leads_to_the_answer_and_every_control_can_be_reached(opened):
    page, *_ = opened()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "To the answer"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "answer"
    unreachable = page.evaluate(
        "[...document.querySelectorAll('a, button, summary, .scroll')].filter((one) => one.tabIndex < 0).length"
    )
    assert unreachable == 0


def test_on_paper_there_are_no_controls_and_nothing_is_folded_and_it_says_what_is_left_out(opened):
    page, *_ = opened()
    left_out = page.locator("#gallery .paper")
    assert left_out.is_hidden()
    n_images = page.evaluate("xairankGalleryData.images.length")
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("nav:visible, .take:visible, .gallery-controls:visible, .gallery-card:visible").count() == 0
    assert left_out.inner_text().startswith(f"Left out on paper: {n_images} images ")
    assert page.locator("details:not([open])").count() == 0
    assert re.match(rb"%PDF", page.pdf())
