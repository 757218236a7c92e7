"""Reports and galleries of simulated and of rendered runs, and a browser to look at them."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.figures.conftest import write_sweep_with_maps
from tests.report.gallery_page import PATIENCE, write_page
from tests.report.sweeps import read_rendered_sweep
from tests.runs_fixture import CONTROLS
from xairank.report.gallery import write_gallery
from xairank.report.page import write_report
from xairank.runs.maps import read_maps
from xairank.runs.sweep import Sweep, read_sweep
from xairank.tables.collection import Results, make_results

CHROMIUM = shutil.which("chromium")


@pytest.fixture(scope="session")
def reported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Sweep, Results, Path]:
    """A sweep of three seeds, its results and the page of its report; not to be changed."""
    folder = tmp_path_factory.mktemp("multirun") / "paper"
    options = {"attribution.controls": CONTROLS, "attribution.ladder": True, "attribution.randomise": True}
    sweep = read_sweep(write_sweep_with_maps(folder, n_images=8, **options))
    results = make_results(sweep)
    return sweep, results, write_report(sweep, results, folder / "report")


@pytest.fixture(scope="module")  # where its loop runs on, the next that wants one fails
def browser() -> Iterator:
    """Chromium; tests that need it skip where it, or playwright, is absent."""
    playwright = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no chromium")
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def gallery(tmp_path_factory):
    """The page, the numbers of its sweep, and the maps of its runs."""
    sweep = read_rendered_sweep(tmp_path_factory.mktemp("rendered"))
    folder = tmp_path_factory.mktemp("report")
    page = write_page(folder, write_gallery(folder, sweep.groups))
    group = sweep.groups[0]
    maps = {run["seed"]: read_maps(run["folder"] / "maps.npz") for _, run in group.runs.iterrows()}
    return SimpleNamespace(address=page.as_uri(), folder=folder.as_uri(), group=group, maps=maps)


@pytest.fixture
def open_page(browser, gallery):
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
        page.on("request", lambda request: request.url.startswith(gallery.folder) or wrong.append(request.url))
        page.goto(gallery.address + fragment)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert wrong == []
