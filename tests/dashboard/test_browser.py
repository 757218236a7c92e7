"""The dashboard as people use it, in Debian's Chromium: one server for all, a tiny network."""

import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request

import numpy as np
import pytest
from PIL import Image

from tests.dashboard.browsing import (
    ask_for_long,
    drop,
    explain,
    give,
    give_image,
    give_mask,
    heavy,
    is_local,
    large,
    message,
    table_of,
    text,
)
from tests.dashboard.serving import OURS, free_port, serving
from tests.explaining import done, files_in, write_place

pytest.importorskip("panel")
pytest.importorskip("plotly")
playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.xdist_group("dashboard"),
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine"),
]
HOLE, MASK = "data/nuts/test/hole/000.png", "data/nuts/ground_truth/hole/000_mask.png"
# Plotly lays its axes out more than once; those of a square image end as a square.
IS_LAID_OUT = """plot => {
    const { width, height } = plot.querySelector('.nsewdrag')?.getBoundingClientRect() ?? { width: 0, height: 0 };
    return width > 0 && Math.abs(width - height) < 1;
}"""
PATIENCE = 60_000  # milliseconds; nothing is waited for longer than it takes


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with images, masks and a network."""
    return write_place(tmp_path_factory.mktemp("dashboard"))


@pytest.fixture(scope="module")
def address(place):
    with serving(place) as found:
        yield found


@pytest.fixture(scope="module")
def chromium():
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def person(chromium, address):
    """Opens the page for one more person; whatever goes wrong in a browser fails the test."""
    wrong, contexts = [], []

    def come(**options):
        contexts.append(chromium.new_context(**options))
        page = contexts[-1].new_page()
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.on("request", lambda one: wrong.append(one.url) if not is_local(one.url, address) else None)
        page.goto(address)
        page.get_by_role("button", name="Explain").wait_for()
        page.wait_for_function("Bokeh.documents[0].is_idle")  # all is drawn; what is drawn anew forgets a file
        return page

    yield come
    for context in contexts:
        context.close()
    assert not wrong


def test_overlaps_are_those_of_the_command(person, place):
    page = person()
    give_image(page, place / HOLE)
    give_mask(page, place / MASK)
    explain(page)
    shown = table_of(page)
    options = ["attribution.methods.integrated_gradients.n_steps=25"]
    manifest, _ = done(place, f"images={HOLE}", f"masks={MASK}", "overwrite=true", *options)
    records = manifest["images"][0]["methods"]
    assert shown == {
        "Grad-CAM": f"{records['gradcam']['topk_overlap']:.3f}",
        "Saliency": f"{records['saliency']['topk_overlap']:.3f}",
        "Integrated gradients": f"{records['integrated_gradients']['topk_overlap']:.3f}",
        "A random map": f"{manifest['images'][0]['topk_overlap_chance']:.3f}",
    }
    assert page.get_by_role("img", name=re.compile("^Map of")).count() == 3
    message(page, "reliance")
    # Another method, another class, other options.
    page.get_by_label("Grad-CAM", exact=True).uncheck()
    page.get_by_label("Saliency", exact=True).uncheck()
    page.get_by_label("Class that is explained").select_option("good")
    page.get_by_label("Options of").select_option("Integrated gradients")
    page.get_by_label("Steps").fill("3")
    page.get_by_label("Baseline").select_option("white")
    page.get_by_label("Blur, in pixels").fill("2")
    explain(page)
    page.get_by_text("The maps explain good.").wait_for()
    shown = table_of(page)
    prefix = "attribution.methods.integrated_gradients"
    options = [f"{prefix}.n_steps=3", f"{prefix}.baseline=white", f"++{prefix}.smooth=2", "target=good"]
    manifest, _ = done(place, f"images={HOLE}", f"masks={MASK}", "overwrite=true", *options)
    (record,) = [manifest["images"][0]["methods"]["integrated_gradients"]]
    assert list(shown) == ["Integrated gradients", "A random map"]
    assert shown["Integrated gradients"] == f"{record['topk_overlap']:.3f}"


def test_a_drawn_mask_scores_the_maps_and_two_are_compared(person, place):
    page = person(viewport={"width": 1400, "height": 1200})
    drop(page, "Image", place / HOLE)
    message(page, r"dropped\.png: 48 x 48 pixels")
    page.get_by_label("Mask", exact=True).select_option("drawn on the image")
    canvas = page.locator(".nsewdrag")
    page.wait_for_function(IS_LAID_OUT, arg=page.locator(".js-plotly-plot").element_handle())
    box = canvas.bounding_box()
    left, top, unit = box["x"], box["y"], box["width"] / 48
    page.mouse.move(left + 10 * unit, top + 10 * unit)
    page.mouse.down()
    for x, y in ((30, 10), (30, 34), (10, 34)):
        page.mouse.move(left + x * unit, top + y * unit, steps=4)
    page.mouse.up()
    page.locator(".shapelayer path").first.wait_for(state="attached")
    explain(page)
    assert float(table_of(page)["A random map"]) == pytest.approx(20 * 24 / 48**2, abs=0.03)
    page.get_by_label("Right", exact=True).select_option("Integrated gradients")
    page.get_by_text("Swipe: Grad-CAM left, Integrated gradients right").wait_for()
    handle = page.get_by_role("slider")
    handle.focus()
    handle.press("Home")
    stack = page.locator(".stack")
    assert stack.evaluate("one => one.style.getPropertyValue('--at')") == "0%"
    page.get_by_role("button", name="Draw anew").click()
    page.locator(".shapelayer path").first.wait_for(state="detached")


def test_two_people_wait_for_each_other_and_stopping_lets_the_next_begin(person, place):
    first, second = person(), person()
    give_image(first, place / HOLE)
    give_image(second, place / "data/nuts/test/crack/001.png")
    ask_for_long(first)
    explain(first)
    first.get_by_role("row", name="Saliency").wait_for()
    explain(second)
    message(second, "Waiting: 1 explanation before yours")
    first.get_by_role("button", name="Stop").click()
    message(first, "Stopped")
    message(second, "Done in")
    assert first.get_by_role("heading", name="000.png").count() == 1
    assert second.get_by_role("heading", name="001.png").count() == 1
    assert first.get_by_role("row").count() == 1 + 2  # the head, and what was finished
    assert first.get_by_role("button", name="Explain").is_enabled()
    # Who waits can leave, too.
    explain(first)
    first.get_by_role("progressbar").wait_for()
    explain(second)
    message(second, "Waiting: 1 explanation")
    second.get_by_role("button", name="Stop").click()
    message(second, "Stopped")
    first.get_by_role("button", name="Stop").click()
    message(first, "Stopped")


def test_files_that_are_no_images_are_refused_in_one_line(person, place):
    page = person()
    give(page, "Image", text(place))
    message(page, r"notes\.png: is not an image \(none of PNG, JPEG, TIFF, BMP, WEBP\); choose another file")
    give(page, "Image", large(place))
    message(page, r"large\.png: has more than 89,\d+,\d+ pixels, which is not decoded; choose another file")
    give(page, "Image", heavy(place))
    message(page, r"heavy\.png: has more than 20 MB; choose another file")
    explain(page)
    message(page, "Image: none is there; drop one, or choose a file")


def test_mistakes_are_told_and_the_page_goes_on(person, place, tmp_path):
    page = person()
    give_image(page, place / HOLE)
    Image.fromarray(np.eye(30, dtype=np.uint8) * 255).save(tmp_path / "small.png")
    give_mask(page, tmp_path / "small.png")
    explain(page)
    message(page, r"small\.png: the mask is 30 x 30 pixels, its image 48 x 48")
    page.get_by_label("Mask", exact=True).select_option("none")
    page.get_by_label("Blur, in pixels").fill("-1")
    explain(page)
    message(page, r"Grad-CAM: .*smooth=-1 is not allowed: expected a number of pixels of at least 0")
    page.get_by_label("Blur, in pixels").fill("0")
    explain(page)
    message(page, "Done in")
    assert "Top-K Overlap" not in page.get_by_role("table").inner_text()


@pytest.mark.parametrize(("width", "scheme"), [(400, "dark"), (1400, "light")])
def test_nobody_is_kept_out(person, place, width, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page = person(viewport={"width": width, "height": 900}, color_scheme=scheme)
    give_image(page, place / HOLE)
    give_mask(page, place / MASK)
    explain(page)
    message(page, "Done in")
    found = axe.Axe().run(page).response["violations"]
    assert [one for one in found if one["impact"] in ("serious", "critical")] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_closing_a_page_ends_its_explanation_and_others_go_on(person, place):
    leaving, staying = person(), person()
    for page in (leaving, staying):
        give_image(page, place / HOLE)
    ask_for_long(leaving)
    explain(leaving)
    leaving.get_by_role("row", name="Saliency").wait_for()
    explain(staying)
    message(staying, "Waiting: 1 explanation before yours")
    leaving.close()
    left = time.monotonic()
    staying.get_by_role("progressbar").wait_for()
    assert time.monotonic() - left < 12  # the server itself would see it after 15 to 32 s
    message(staying, "Done in")


def test_numbers_that_a_page_cannot_afford_are_refused_with_what_is_allowed(person, place):
    page = person()
    before = files_in(place)
    give_image(page, place / HOLE)
    page.get_by_label("Options of").select_option("Integrated gradients")
    page.get_by_label("Steps, at most 1,000").fill("100000")
    explain(page)
    message(page, "Integrated gradients: n_steps=100000 is not allowed: expected at most 1,000 on this page")
    assert files_in(place) == before  # nothing of an upload is written


def test_ctrl_c_ends_the_command_in_the_middle_of_an_explanation(chromium, place):
    port = free_port()
    words = [sys.executable, "-m", "xairank.dashboard", *OURS, f"port={port}"]
    with subprocess.Popen(words, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as command:
        try:
            next(line for line in command.stdout if f"http://localhost:{port}" in line)
            page = chromium.new_page()
            page.set_default_timeout(PATIENCE)
            page.goto(f"http://localhost:{port}")
            give_image(page, place / HOLE)
            ask_for_long(page)
            explain(page)
            page.get_by_role("row", name="Saliency").wait_for()
            command.send_signal(signal.SIGINT)
            _, err = command.communicate(timeout=60)
            page.close()
        finally:
            command.kill()
    assert command.returncode == 130
    assert err == "xairank: stopped; nothing was written\n"


def test_one_page_too_many_is_told_so(address, monkeypatch):
    from xairank.dashboard.presence import Places

    monkeypatch.setattr(Places, "take", lambda places, is_there: False)
    with urllib.request.urlopen(address) as answer:
        assert "16 pages of this dashboard are open, as many as it serves; close one" in answer.read().decode()
