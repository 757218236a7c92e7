"""The documentation is built without a warning: every link, anchor and name in it is there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The built pages."""
    pytest.importorskip("mkdocstrings", reason="needs the extra docs")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    found = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr
    return folder


def test_the_pages_load_nothing_from_elsewhere(site):
    for path in site.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:script|img|iframe)[^>]* src=\"?(https?:[^\" >]+)", text)
        loaded += re.findall(r"<link[^>]* rel=\"?(?:stylesheet|preconnect)\"?[^>]*href=\"?(https?:[^\" >]+)", text)
        assert not loaded, f"{path}: {loaded}"


def test_names_of_the_interface_have_an_entry(site):
    text = (site / "api.html").read_text(encoding="utf-8")
    for name in ("networks.rank", "maps.rank_maps", "ranking.Ranking"):
        assert f'id="xairank.interface.{name}"' in text
    assert ":class:" not in text
    assert ":func:" not in text
