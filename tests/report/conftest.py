"""Reports and galleries of simulated and of rendered runs, and a browser to look at them."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.figures.conftest import write_sweep_with_maps
from tests.runs_fixture import CONTROLS
from xairank.report.page import write_report
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


@pytest.fixture(scope="session")
def browser() -> Iterator:
    """Chromium; tests that need it skip where it, or playwright, is absent."""
    playwright = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no chromium")
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()
